//! How long a query may take.

use std::time::Duration;

use crate::config::QueryConfig;
use crate::engine::session::SessionSettings;
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// The limits of one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimeLimits {
    /// Since it was registered, queue included.
    pub(super) run: Limit,
    /// Since it left the queue, until its last row is made.
    pub(super) execution: Limit,
}

/// One limit, with the text it was given as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) duration: Duration,
    text: String,
    what: &'static str,
}

impl Limit {
    /// Returns the error of a query that took longer.
    pub(super) fn exceeded(&self) -> Error {
        let message = format!(
            "Query exceeded the maximum {} limit of {}",
            self.what, self.text
        );
        TrinoFailure::new("EXCEEDED_TIME_LIMIT", message).into()
    }
}

const RUN_TIME: &str = "query_max_run_time";
const EXECUTION_TIME: &str = "query_max_execution_time";

/// Refuses a value that a time limit cannot have; other properties are none of ours.
///
/// # Errors
/// `INVALID_SESSION_PROPERTY`.
pub(in crate::engine) fn check_property(name: &str, value: &str) -> Result<()> {
    if [RUN_TIME, EXECUTION_TIME].contains(&name) {
        parse_duration(value)?;
    }
    Ok(())
}

impl TimeLimits {
    /// Returns what the session asks for, else what the configuration says.
    ///
    /// # Errors
    /// A session property is no duration.
    pub(super) fn of(session: &SessionSettings, config: &QueryConfig) -> Result<Self> {
        let limit = |name: &str, what, default: Duration| {
            let (duration, text) = match session.properties.get(name) {
                Some(text) => parse_duration(text)?,
                None => (default, succinct(default)),
            };
            Ok::<_, Error>(Limit {
                duration,
                text,
                what,
            })
        };
        Ok(Self {
            run: limit(RUN_TIME, "run time", config.max_run_time)?,
            execution: limit(EXECUTION_TIME, "execution time", config.max_execution_time)?,
        })
    }
}

/// Reads a duration as Trino writes it: a number and one of `ns`, `us`, `ms`, `s`, `m`, `h`, `d`.
fn parse_duration(text: &str) -> Result<(Duration, String)> {
    let invalid = || {
        let message = format!("duration is not a valid data duration string: {text}");
        Error::from(TrinoFailure::new("INVALID_SESSION_PROPERTY", message))
    };
    let trimmed = text.trim();
    let unit_at = trimmed
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(invalid)?;
    let (number, unit) = trimmed.split_at(unit_at);
    let number: f64 = number.trim().parse().map_err(|_| invalid())?;
    let seconds = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(invalid()),
    };
    // A thousand years are no limit either, and timers can add them to the present.
    let seconds = (number * seconds).min(3.2e10);
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| invalid())?;
    Ok((duration, format!("{number:.2}{unit}")))
}

/// Returns the duration in the largest unit that it is one of.
fn succinct(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let units = [(86_400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s")];
    let found = units.iter().find(|(size, _)| seconds >= *size);
    match found {
        Some((size, unit)) => format!("{:.2}{unit}", seconds / size),
        None => format!("{:.2}ms", seconds * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_trino_writes_them() {
        for (text, millis) in [
            ("1s", 1000),
            ("0.5s", 500),
            ("2.00m", 120_000),
            ("10 ms", 10),
        ] {
            let (duration, _) = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
        }
        for text in ["", "abc", "5", "-1s", "1y", "1e400d5", "nans"] {
            let error = parse_duration(text).unwrap_err();
            assert!(
                matches!(&error, Error::Named(f) if f.name == "INVALID_SESSION_PROPERTY"),
                "{text}: {error}"
            );
        }
        assert!(parse_duration("100000000000d").is_ok());
    }

    #[test]
    fn a_limit_says_what_was_asked_for() {
        let mut session = SessionSettings::default();
        session
            .properties
            .insert("query_max_run_time".to_owned(), "0.5s".to_owned());
        let limits = TimeLimits::of(&session, &QueryConfig::default()).unwrap();
        assert_eq!(
            limits.run.exceeded().to_string(),
            "Query exceeded the maximum run time limit of 0.50s"
        );
        assert_eq!(
            limits.execution.exceeded().to_string(),
            "Query exceeded the maximum execution time limit of 100.00d"
        );
    }
}
