//! Training rows from one pinned version of a table.
//!
//! ```text
//! AsOf --snapshot--> version n --"FOR VERSION AS OF n" in the SQL file--> RecordBatches --> TrainingSet
//! ```
//!
//! The version is fixed before the query runs, so that rows which arrive meanwhile change nothing, and the SQL
//! text with its hash goes into the model's card.

use arrow::array::{Array, ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use chrono::{Days, NaiveDate};
use lake::{AsOf, TableName};
use query::{QueryEngine, SqlLibrary};
use sha2::{Digest, Sha256};

use crate::features::Flight;
use crate::{Error, Result, buckets};

/// The SQL file a flight-delay model learns from.
pub const FLIGHT_DELAY_SQL: &str = "features/flight_delay";

/// Where training rows came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The table.
    pub table: String,
    /// Its version.
    pub table_version: u64,
    /// The statement that ran, version included.
    pub sql: String,
    /// SHA-256 of the statement, hexadecimal.
    pub sql_sha256: String,
}

/// Flights with known arrival delay, in the order of the query.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    columns: Vec<Columns>,
    rows: usize,
}

#[derive(Debug, Clone)]
struct Columns {
    dep_delay: Float64Array,
    distance: Float64Array,
    date: Vec<NaiveDate>,
    carrier: StringArray,
    origin: StringArray,
    dest: StringArray,
    arr_delay: Float64Array,
}

/// One training row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Example<'a> {
    /// What is known at departure.
    pub flight: Flight<'a>,
    /// Arrival delay in minutes.
    pub arr_delay: f64,
}

impl Example<'_> {
    /// Returns the class to learn.
    pub fn class(&self) -> usize {
        buckets::bucket(self.arr_delay)
    }
}

/// Reads the rows of `sql_name` from the version of its table that `as_of` names.
///
/// # Errors
/// The file names no single table, the version does not exist, or the query fails.
#[tracing::instrument(name = "ml.load_training_set", skip_all, fields(sql_name), err)]
pub async fn load(
    engine: &QueryEngine,
    sql_name: &str,
    as_of: AsOf,
) -> Result<(TrainingSet, Provenance)> {
    let query_error = |source| Error::TrainingQuery {
        sql_name: sql_name.to_owned(),
        source: Box::new(source),
    };
    let library = SqlLibrary::load().map_err(query_error)?;
    let file = library.get(sql_name).map_err(query_error)?;
    let name = table_read_by(sql_name, &file.sql)?;
    let table = engine
        .lake()
        .table(&name)
        .await
        .map_err(Error::lake("opening the training table"))?;
    let snapshot = table
        .snapshot(as_of)
        .await
        .map_err(Error::lake("pinning the training table"))?;
    let table_version = snapshot.version();

    let sql = file
        .sql
        .replace("{as_of}", &format!("FOR VERSION AS OF {table_version}"));
    let sql_sha256 = Sha256::digest(sql.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let batches = engine.collect(&sql).await.map_err(query_error)?;
    let set = TrainingSet::from_batches(&batches)?;
    tracing::info!(table = %name, table_version, rows = set.len(), "training set loaded");
    Ok((
        set,
        Provenance {
            table: name.to_string(),
            table_version,
            sql,
            sql_sha256,
        },
    ))
}

fn table_read_by(sql_name: &str, sql: &str) -> Result<TableName> {
    let refuse = |reason: &str| Error::TrainingSql {
        sql_name: sql_name.to_owned(),
        reason: reason.to_owned(),
    };
    if !sql.contains("{as_of}") {
        return Err(refuse(
            "it has no `{as_of}` behind the table, so its rows cannot be pinned",
        ));
    }
    let reads = sql
        .lines()
        .find_map(|line| line.strip_prefix("-- reads:"))
        .unwrap_or_default()
        .trim();
    let name = reads.strip_prefix("lake.").unwrap_or(reads);
    name.parse()
        .map_err(|_| refuse("its header must read exactly one table"))
}

impl TrainingSet {
    /// Takes the columns of the training query.
    ///
    /// # Errors
    /// A column is missing, has another type, or has nulls.
    pub fn from_batches(batches: &[RecordBatch]) -> Result<Self> {
        let columns = batches
            .iter()
            .map(Columns::of)
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            columns,
            rows: batches.iter().map(RecordBatch::num_rows).sum(),
        })
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Returns the rows in order.
    pub fn examples(&self) -> impl Iterator<Item = Example<'_>> {
        self.columns
            .iter()
            .flat_map(|columns| (0..columns.date.len()).filter_map(|row| columns.example(row)))
    }
}

impl Columns {
    fn of(batch: &RecordBatch) -> Result<Self> {
        let dates: Date32Array = downcast(
            &column(batch, "flight_date", &DataType::Date32)?,
            "flight_date",
        )?;
        Ok(Self {
            dep_delay: floats(batch, "dep_delay")?,
            distance: floats(batch, "distance")?,
            date: dates
                .values()
                .iter()
                .map(|days| to_date(*days))
                .collect::<Result<_>>()?,
            carrier: texts(batch, "carrier")?,
            origin: texts(batch, "origin")?,
            dest: texts(batch, "dest")?,
            arr_delay: floats(batch, "arr_delay")?,
        })
    }

    fn example(&self, row: usize) -> Option<Example<'_>> {
        let flight = Flight {
            dep_delay: self.dep_delay.value(row),
            distance: self.distance.value(row),
            date: *self.date.get(row)?,
            carrier: self.carrier.value(row),
            origin: self.origin.value(row),
            dest: self.dest.value(row),
        };
        Some(Example {
            flight,
            arr_delay: self.arr_delay.value(row),
        })
    }
}

fn floats(batch: &RecordBatch, name: &str) -> Result<Float64Array> {
    downcast(&column(batch, name, &DataType::Float64)?, name)
}

fn texts(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    downcast(&column(batch, name, &DataType::Utf8)?, name)
}

fn column(batch: &RecordBatch, name: &str, data_type: &DataType) -> Result<ArrayRef> {
    let refuse = |reason: String| Error::TrainingColumn {
        column: name.to_owned(),
        reason,
    };
    let found = batch
        .column_by_name(name)
        .ok_or_else(|| refuse("it is missing".to_owned()))?;
    let array = cast(found, data_type).map_err(|error| refuse(error.to_string()))?;
    if array.null_count() > 0 {
        return Err(refuse(format!(
            "it has {} nulls or unusable values",
            array.null_count()
        )));
    }
    Ok(array)
}

fn downcast<T: Array + Clone + 'static>(array: &ArrayRef, name: &str) -> Result<T> {
    let typed = array.as_any().downcast_ref::<T>().cloned();
    typed.ok_or_else(|| Error::internal(format!("column {name} was not cast")))
}

fn to_date(days: i32) -> Result<NaiveDate> {
    let epoch = NaiveDate::default();
    let distance = Days::new(u64::from(days.unsigned_abs()));
    let date = if days < 0 {
        epoch.checked_sub_days(distance)
    } else {
        epoch.checked_add_days(distance)
    };
    date.ok_or_else(|| Error::TrainingColumn {
        column: "flight_date".to_owned(),
        reason: format!("day {days} is out of range"),
    })
}
