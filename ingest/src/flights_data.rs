//! The flights of 2013, embedded in the binary so that it works from any folder.
//!
//! Provenance, licence and columns are in `ingest/data/nycflights13/README.md`.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, TimestampMicrosecondType};
use chrono::NaiveDate;

use crate::history::{self, DataSource};
use crate::replay::Recording;
use crate::{Error, Result};

/// Rows of `flights.parquet`.
pub const FLIGHTS: u64 = 336_776;

/// One embedded file.
#[derive(Debug, Clone, Copy)]
pub struct DataFile {
    /// The table it belongs to.
    pub table: &'static str,
    /// Parquet.
    pub bytes: &'static [u8],
}

const FILES: [DataFile; 5] = [
    DataFile {
        table: "airlines",
        bytes: include_bytes!("../data/nycflights13/airlines.parquet"),
    },
    DataFile {
        table: "airports",
        bytes: include_bytes!("../data/nycflights13/airports.parquet"),
    },
    DataFile {
        table: "planes",
        bytes: include_bytes!("../data/nycflights13/planes.parquet"),
    },
    DataFile {
        table: "weather",
        bytes: include_bytes!("../data/nycflights13/weather.parquet"),
    },
    DataFile {
        table: "flights",
        bytes: include_bytes!("../data/nycflights13/flights.parquet"),
    },
];

/// Returns the five files, small ones first.
#[must_use]
pub fn files() -> &'static [DataFile] {
    &FILES
}

impl DataFile {
    /// Returns the file as a source of rows.
    #[must_use]
    pub fn source(&self) -> DataSource {
        DataSource::Embedded {
            name: self.table,
            bytes: self.bytes,
        }
    }

    /// Returns the id under which the table's log keeps how many rows of this file are stored.
    ///
    /// History and replay of the flights share it, so that any mix of the two stores each row once.
    #[must_use]
    pub fn source_id(&self) -> String {
        format!("producer/nycflights13/{}", self.table)
    }
}

/// Returns the flights as a recording on the clock of their scheduled departures.
#[must_use]
pub fn recording() -> Recording {
    let [.., flights] = &FILES;
    Recording {
        source: flights.source(),
        lane: "nycflights13/flights",
        clock: scheduled_departures,
    }
}

fn scheduled_departures(batch: &RecordBatch) -> Result<Vec<i64>> {
    let missing = || Error::internal("flights without `time_hour` and `minute`");
    let hours = batch
        .column_by_name("time_hour")
        .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
        .ok_or_else(missing)?;
    let minutes = batch
        .column_by_name("minute")
        .and_then(|column| column.as_primitive_opt::<Int32Type>())
        .ok_or_else(missing)?;
    let each = hours.values().iter().zip(minutes.values());
    Ok(each
        .map(|(hour, minute)| hour + i64::from(*minute) * 60_000_000)
        .collect())
}

/// Returns how many flights were scheduled before `date`; they come first in the file.
///
/// # Errors
/// The embedded file is damaged, which is a bug.
pub fn flights_before(date: NaiveDate) -> Result<u64> {
    let [.., flights] = &FILES;
    let epoch_days = date.signed_duration_since(NaiveDate::default()).num_days();
    let mut before = 0;
    for batch in history::read_parquet(&flights.source(), 0)? {
        let batch = batch.map_err(|error| Error::Internal {
            message: error.to_string(),
        })?;
        let dates = batch
            .column_by_name("flight_date")
            .and_then(|column| column.as_primitive_opt::<arrow::datatypes::Date32Type>())
            .ok_or_else(|| Error::Internal {
                message: "flights without `flight_date`".to_owned(),
            })?;
        before += dates
            .values()
            .iter()
            .filter(|days| i64::from(**days) < epoch_days)
            .count() as u64;
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    fn rows(table: &str) -> u64 {
        let file = files().iter().find(|file| file.table == table).unwrap();
        history::count_rows(&file.source()).unwrap().unwrap()
    }

    #[test]
    fn the_files_hold_what_the_package_holds() {
        assert_eq!(rows("flights"), FLIGHTS);
        assert_eq!(rows("airlines"), 16);
        assert_eq!(rows("airports"), 1_458);
        assert_eq!(rows("planes"), 3_322);
        assert_eq!(rows("weather"), 26_115);
    }

    #[test]
    fn known_sums_and_order_hold() {
        let (mut cancelled, mut never_arrived, mut miles) = (0, 0, 0_i64);
        let mut last = 0;
        for batch in history::read_parquet(&files()[4].source(), 0).unwrap() {
            let batch = batch.unwrap();
            let column = |name: &str| {
                batch
                    .column_by_name(name)
                    .unwrap()
                    .as_primitive::<Int32Type>()
                    .clone()
            };
            cancelled += column("dep_time").null_count();
            never_arrived += column("arr_delay").null_count();
            miles += column("distance")
                .iter()
                .flatten()
                .map(i64::from)
                .sum::<i64>();
            for day in batch
                .column_by_name("flight_date")
                .unwrap()
                .as_primitive::<arrow::datatypes::Date32Type>()
                .values()
            {
                assert!(*day >= last, "flights are sorted by date");
                last = *day;
            }
        }
        assert_eq!(
            (cancelled, never_arrived, miles),
            (8_255, 9_430, 350_217_607)
        );
    }

    #[test]
    fn the_cut_off_splits_the_year() {
        let before = |y, m, d| flights_before(NaiveDate::from_ymd_opt(y, m, d).unwrap()).unwrap();
        assert_eq!(before(2013, 1, 1), 0);
        assert_eq!(before(2013, 12, 1), 308_641);
        assert_eq!(before(2014, 1, 1), FLIGHTS);
    }
}
