//! `/flights/search`: flights by route, carrier, number and date.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::web::app::{App, Page};
use crate::web::bind::Literal;
use crate::web::error::PageError;
use crate::web::lookups::{Choice, Lookups};
use crate::web::paging::Paging;
use crate::web::prediction_form::{FieldError, FieldErrors, Typed, code, date};

const PATH: &str = "/flights/search";
/// Flights on one page.
const PAGE_SIZE: u64 = 20;
const FIELDS: [&str; 6] = ["origin", "dest", "carrier", "from", "to", "number"];

/// A question; a field that is none is not asked for.
#[derive(Debug, Default, PartialEq)]
struct Search {
    origin: Option<String>,
    dest: Option<String>,
    carrier: Option<String>,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    number: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Flight {
    flight_date: NaiveDate,
    carrier: Option<String>,
    flight: Option<i64>,
    tailnum: Option<String>,
    origin: Option<String>,
    dest: Option<String>,
    sched_dep_time: Option<u64>,
    dep_time: Option<u64>,
    dep_delay: Option<i64>,
    arr_time: Option<u64>,
    arr_delay: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Count {
    flights: u64,
}

#[derive(Debug, Serialize)]
struct SearchPage {
    typed: Typed,
    errors: Vec<FieldError>,
    airlines: Vec<Choice>,
    origins: Vec<Choice>,
    destinations: Vec<Choice>,
    flights: Vec<Flight>,
    paging: Option<Paging>,
}

pub(in crate::web) async fn show(
    State(app): State<Arc<App>>,
    Query(typed): Query<Typed>,
) -> Response {
    app.answer(page(&app, typed).await)
}

async fn page(app: &App, typed: Typed) -> Result<Page, PageError> {
    let lookups = app.lookups.fresh(app).await?;
    let search = validate(&typed, &lookups);
    let mut page = SearchPage {
        errors: Vec::new(),
        airlines: lookups.airlines(),
        origins: lookups.origins(),
        destinations: lookups.destinations(),
        flights: Vec::new(),
        paging: None,
        typed,
    };
    let search = match search {
        Ok(search) => search,
        Err(errors) => {
            page.errors = errors;
            let page = app.render("search.html", &page)?;
            return Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    let mut values = search.values();
    let counts: Vec<Count> = app.rows("pages/flights_count", &values).await?;
    let total = counts.first().map_or(0, |count| count.flights);
    let asked = page.typed.get("page").map(String::as_str);
    let paging = Paging::new(asked, PAGE_SIZE, total, PATH, &question(&page.typed));
    values.push(("limit", Literal::Integer(paging.limit())));
    values.push(("offset", Literal::Integer(paging.offset())));
    page.flights = app.rows("pages/flights", &values).await?;
    page.paging = Some(paging);
    app.render("search.html", &page)
}

impl Search {
    fn values(&self) -> Vec<(&'static str, Literal)> {
        let day = |day: Option<NaiveDate>| day.map_or(Literal::Null, Literal::Date);
        vec![
            ("origin", Literal::text(self.origin.as_deref())),
            ("dest", Literal::text(self.dest.as_deref())),
            ("carrier", Literal::text(self.carrier.as_deref())),
            ("from", day(self.from)),
            ("to", day(self.to)),
            (
                "number",
                self.number.map_or(Literal::Null, Literal::Integer),
            ),
        ]
    }
}

/// Returns what was typed into the form, for links.
fn question(typed: &Typed) -> Vec<(&str, &str)> {
    let value = |field: &'static str| Some((field, typed.get(field)?.trim()));
    FIELDS.into_iter().filter_map(value).collect()
}

fn validate(typed: &Typed, lookups: &Lookups) -> Result<Search, Vec<FieldError>> {
    let mut errors = FieldErrors::default();
    let text = |field: &str| {
        let text = typed.get(field).map(|text| text.trim());
        text.filter(|text| !text.is_empty())
    };
    let airport = |field: &'static str, errors: &mut FieldErrors| {
        let known = code(text(field)?).filter(|code| lookups.has_airport(code));
        known.or_else(|| errors.refuse(field, "There is no such airport."))
    };
    let mut search = Search {
        origin: airport("origin", &mut errors),
        dest: airport("dest", &mut errors),
        ..Search::default()
    };
    if let Some(carrier) = text("carrier") {
        search.carrier = code(carrier)
            .filter(|code| lookups.has_airline(code))
            .or_else(|| errors.refuse("carrier", "There is no such carrier."));
    }
    search.from = text("from").and_then(|day| date(day, "from", &mut errors));
    search.to = text("to").and_then(|day| date(day, "to", &mut errors));
    if let (Some(from), Some(to)) = (search.from, search.to)
        && from > to
    {
        errors.refuse::<()>("to", "It lies before the first date.");
    }
    if let Some(number) = text("number") {
        let parsed = number.parse().ok();
        search.number = parsed
            .filter(|number| (1..=99_999).contains(number))
            .or_else(|| errors.refuse("number", "Write a whole number from 1 to 99999."));
    }
    match errors.into_vec() {
        errors if errors.is_empty() => Ok(search),
        errors => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(fields: &[(&str, &str)]) -> Typed {
        let owned = |(field, value): &(&str, &str)| ((*field).to_owned(), (*value).to_owned());
        fields.iter().map(owned).collect()
    }

    #[test]
    fn empty_fields_ask_for_nothing() {
        let search = validate(
            &typed(&[("origin", ""), ("number", "  ")]),
            &Lookups::sample(),
        );
        assert_eq!(search.unwrap(), Search::default());
    }

    #[test]
    fn fields_are_read_as_people_type_them() {
        let fields = [
            ("origin", " jfk"),
            ("carrier", "ua"),
            ("from", "2013-02-01"),
            ("number", "15"),
        ];
        let search = validate(&typed(&fields), &Lookups::sample()).unwrap();
        assert_eq!(search.origin.as_deref(), Some("JFK"));
        assert_eq!(search.carrier.as_deref(), Some("UA"));
        assert_eq!(search.number, Some(15));
    }

    #[test]
    fn each_wrong_field_is_named() {
        let fields = [
            ("origin", "' OR 1=1"),
            ("dest", "QQQ"),
            ("carrier", "ZZ"),
            ("from", "2013-02-02"),
            ("to", "2013-02-01"),
            ("number", "-3"),
        ];
        let errors = validate(&typed(&fields), &Lookups::sample()).unwrap_err();
        let named: Vec<&str> = errors.iter().map(|error| error.field).collect();
        assert_eq!(named, ["origin", "dest", "carrier", "to", "number"]);
    }

    #[test]
    fn links_hold_the_fields_of_the_form_only() {
        let typed = typed(&[("dest", " LAX "), ("page", "3"), ("other", "x")]);
        assert_eq!(question(&typed), [("dest", "LAX")]);
    }
}
