//! The fields of a prediction request, from what was typed to a flight.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use ml::requests::FlightFacts;
use serde::Serialize;

use super::lookups::Lookups;

/// Delays that are believed, in minutes.
const DELAYS: std::ops::RangeInclusive<f64> = -180.0..=3000.0;
/// Longest flight number.
const MAX_NUMBER_CHARS: usize = 8;

/// The fields in the order of the form, with what an empty form shows.
pub(super) const DEFAULTS: [(&str, &str); 6] = [
    ("DepDelay", "15"),
    ("Carrier", "AA"),
    ("FlightDate", "2013-12-25"),
    ("Origin", "JFK"),
    ("Dest", "LAX"),
    ("FlightNum", "1"),
];

/// What was typed, by field.
pub(super) type Typed = BTreeMap<String, String>;

/// Why a field is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FieldError {
    /// The field, by its name in the form.
    pub(super) field: &'static str,
    /// What is wrong, as a sentence.
    pub(super) reason: String,
}

/// Collects what is wrong with a form.
#[derive(Debug, Default)]
pub(super) struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Notes that `field` is refused.
    pub(super) fn refuse<T>(
        &mut self,
        field: &'static str,
        reason: impl Into<String>,
    ) -> Option<T> {
        let reason = reason.into();
        self.0.push(FieldError { field, reason });
        None
    }

    /// Returns what was noted.
    pub(super) fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}

/// Returns the flight that was asked about.
///
/// # Errors
/// All fields that are refused, at once.
pub(super) fn validate(typed: &Typed, lookups: &Lookups) -> Result<FlightFacts, Vec<FieldError>> {
    let mut errors = FieldErrors::default();
    let dep_delay = delay(typed, &mut errors);
    let carrier = carrier(typed, lookups, &mut errors);
    let flight_date = required(typed, "FlightDate", &mut errors)
        .and_then(|text| date(text, "FlightDate", &mut errors));
    let origin = airport(typed, "Origin", lookups, &mut errors);
    let dest = airport(typed, "Dest", lookups, &mut errors);
    let flight_num = number(typed, &mut errors);
    let distance = match (&origin, &dest) {
        (Some(origin), Some(dest)) if origin == dest => {
            errors.refuse("Dest", "It must differ from the origin.")
        }
        (Some(origin), Some(dest)) => lookups.miles(origin, dest).or_else(|| {
            let reason = format!("The distance from {origin} to {dest} is not known.");
            errors.refuse("Dest", reason)
        }),
        _ => None,
    };
    match (
        dep_delay,
        carrier,
        flight_date,
        origin,
        dest,
        flight_num,
        distance,
    ) {
        (
            Some(dep_delay),
            Some(carrier),
            Some(flight_date),
            Some(origin),
            Some(dest),
            Some(flight_num),
            Some(distance),
        ) => Ok(FlightFacts {
            dep_delay,
            distance,
            flight_date,
            carrier,
            origin,
            dest,
            flight_num,
        }),
        _ => Err(errors.into_vec()),
    }
}

/// Returns the day, if it is written as year, month and day.
pub(super) fn date(text: &str, field: &'static str, errors: &mut FieldErrors) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    day.filter(|_| text.len() == "2013-12-25".len())
        .or_else(|| errors.refuse(field, "Write a date as YYYY-MM-DD, for example 2013-12-25."))
}

/// Returns the code in capitals, if it could be one.
pub(super) fn code(text: &str) -> Option<String> {
    let code = text.trim().to_ascii_uppercase();
    let is_code = (2..=4).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    is_code.then_some(code)
}

fn required<'a>(
    typed: &'a Typed,
    field: &'static str,
    errors: &mut FieldErrors,
) -> Option<&'a str> {
    let text = typed.get(field).map(|text| text.trim());
    text.filter(|text| !text.is_empty())
        .or_else(|| errors.refuse(field, "This field is required."))
}

fn delay(typed: &Typed, errors: &mut FieldErrors) -> Option<f64> {
    let text = required(typed, "DepDelay", errors)?;
    match text.parse::<f64>() {
        Ok(minutes) if DELAYS.contains(&minutes) => Some(minutes),
        Ok(minutes) if minutes.is_finite() => {
            errors.refuse("DepDelay", "It must lie between -180 and 3000 minutes.")
        }
        _ => errors.refuse("DepDelay", "It is not a number of minutes."),
    }
}

fn carrier(typed: &Typed, lookups: &Lookups, errors: &mut FieldErrors) -> Option<String> {
    let text = required(typed, "Carrier", errors)?;
    code(text)
        .filter(|code| lookups.has_airline(code))
        .or_else(|| errors.refuse("Carrier", "There is no such carrier."))
}

fn airport(
    typed: &Typed,
    field: &'static str,
    lookups: &Lookups,
    errors: &mut FieldErrors,
) -> Option<String> {
    let text = required(typed, field, errors)?;
    code(text)
        .filter(|code| lookups.has_airport(code))
        .or_else(|| errors.refuse(field, "There is no such airport."))
}

fn number(typed: &Typed, errors: &mut FieldErrors) -> Option<String> {
    let text = required(typed, "FlightNum", errors)?.to_ascii_uppercase();
    let is_number =
        text.len() <= MAX_NUMBER_CHARS && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_number {
        return Some(text);
    }
    errors.refuse("FlightNum", "It has at most 8 letters and digits.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(changes: &[(&str, &str)]) -> Typed {
        DEFAULTS
            .iter()
            .chain(changes)
            .map(|(field, value)| ((*field).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn refused(changes: &[(&str, &str)]) -> Vec<&'static str> {
        let errors = validate(&typed(changes), &Lookups::sample()).unwrap_err();
        errors.iter().map(|error| error.field).collect()
    }

    #[test]
    fn codes_are_trimmed_and_capitals() {
        let changes = [
            ("Carrier", " ua "),
            ("Origin", "jfk"),
            ("Dest", " lax"),
            ("DepDelay", " -7.5 "),
        ];
        let facts = validate(&typed(&changes), &Lookups::sample()).unwrap();
        assert_eq!(
            (
                facts.carrier.as_str(),
                facts.origin.as_str(),
                facts.dest.as_str()
            ),
            ("UA", "JFK", "LAX")
        );
        assert_eq!((facts.dep_delay, facts.distance), (-7.5, 2475.0));
        assert_eq!(facts.flight_date.to_string(), "2013-12-25");
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        assert_eq!(
            validate(&Typed::new(), &Lookups::sample())
                .unwrap_err()
                .len(),
            DEFAULTS.len()
        );
        let all = [
            ("DepDelay", "soon"),
            ("Carrier", "ZZ"),
            ("FlightDate", "2013-02-30"),
            ("Origin", "QQQ"),
            ("Dest", ""),
            ("FlightNum", "1;2"),
        ];
        let names: Vec<&str> = DEFAULTS.iter().map(|(field, _)| *field).collect();
        assert_eq!(refused(&all), names);
    }

    #[test]
    fn delays_are_finite_and_believable() {
        for delay in ["NaN", "inf", "-181", "3000.5", "1e999", "0x10", "12 min"] {
            assert_eq!(refused(&[("DepDelay", delay)]), ["DepDelay"], "{delay}");
        }
        for delay in ["-180", "3000", "0"] {
            validate(&typed(&[("DepDelay", delay)]), &Lookups::sample()).unwrap();
        }
    }

    #[test]
    fn a_date_is_written_in_one_way() {
        for date in [
            "2013-1-05",
            "25.12.2013",
            "2013-13-01",
            "tomorrow",
            "+2013-1-1",
        ] {
            assert_eq!(refused(&[("FlightDate", date)]), ["FlightDate"], "{date}");
        }
    }

    #[test]
    fn a_flight_goes_somewhere_we_know_the_way_to() {
        assert_eq!(refused(&[("Dest", "jfk")]), ["Dest"]);
        assert_eq!(refused(&[("Origin", "SEA"), ("Dest", "SJU")]), ["Dest"]);
        assert_eq!(refused(&[("Origin", "'; --")]), ["Origin"]);
    }
}
