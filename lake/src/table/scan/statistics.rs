//! What the log says of the files' columns, for plans and for skipping files.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, UInt64Array};
use arrow::compute::{cast, filter as keep};
use arrow::datatypes::{DataType, FieldRef, Int64Type, Schema, TimeUnit, UInt64Type};
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, ScalarValue, Statistics};
use datafusion::error::Result;
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_optimizer::pruning::PruningStatistics;
use deltalake::kernel::EagerSnapshot;

/// Scans of more files carry no statistics by file: making them would take longer than they save.
pub(super) const MAX_FILES: usize = 1024;

/// The statistics of all files of a version, a row for each file.
#[derive(Debug)]
pub(crate) struct FileStatistics {
    rows: ArrayRef,
    bytes: Vec<u64>,
    columns: HashMap<String, ColumnBounds>,
}

#[derive(Debug)]
struct ColumnBounds {
    least: Option<ArrayRef>,
    greatest: Option<ArrayRef>,
    nulls: Option<ArrayRef>,
    /// Whether bounds are values of the column: texts are cut off and times rounded in the log.
    is_exact: bool,
}

impl FileStatistics {
    pub(in crate::table) fn read(log: &EagerSnapshot, schema: &Schema) -> Result<Self> {
        let data = log.try_log_data().map_err(super::external)?;
        let keys = log.metadata().partition_columns();
        let (mut rows, mut bytes) = (Vec::new(), Vec::new());
        for file in data.iter() {
            rows.push(file.num_records().map(|rows| rows as u64));
            bytes.push(u64::try_from(file.size()).unwrap_or(0));
        }
        let rows = UInt64Array::from(rows);
        let mut columns = HashMap::new();
        // The log has bounds of the parts of nested columns only.
        let plain = schema.fields().iter();
        for field in plain.filter(|field| !field.data_type().is_nested()) {
            let column = Column::new_unqualified(field.name());
            let typed = |values: Option<ArrayRef>| -> Result<Option<ArrayRef>> {
                match values {
                    Some(values) if values.data_type() == field.data_type() => Ok(Some(values)),
                    Some(values) => Ok(Some(cast(&values, field.data_type())?)),
                    None => Ok(None),
                }
            };
            let least = typed(data.min_values(&column))?;
            let nulls = match &least {
                // The rows of a file have one value of it, or none.
                Some(values) if keys.contains(field.name()) => Some(nulls_of_keys(values, &rows)),
                _ => data.null_counts(&column),
            };
            let bounds = ColumnBounds {
                least,
                greatest: greatest(typed(data.max_values(&column))?)?,
                nulls,
                is_exact: field.data_type().is_integer()
                    || matches!(field.data_type(), DataType::Date32 | DataType::Boolean),
            };
            columns.insert(field.name().clone(), bounds);
        }
        Ok(Self {
            rows: Arc::new(rows),
            bytes,
            columns,
        })
    }

    /// Returns the least value of a column in each file, which for partition columns is its value.
    pub(super) fn least(&self, column: &str) -> Option<ArrayRef> {
        self.columns.get(column)?.least.clone()
    }

    /// Returns what is known of one file.
    pub(super) fn of_file(&self, row: usize, fields: &[FieldRef]) -> Result<Statistics> {
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            let mut known = ColumnStatistics::new_unknown();
            if let Some(bounds) = self.columns.get(field.name()) {
                let bound = |values: &Option<ArrayRef>| -> Result<Precision<ScalarValue>> {
                    let Some(values) = values else {
                        return Ok(Precision::Absent);
                    };
                    let value = ScalarValue::try_from_array(values, row)?;
                    Ok(bounds.precision(value))
                };
                known.min_value = bound(&bounds.least)?;
                known.max_value = bound(&bounds.greatest)?;
                known.null_count = count(bounds.nulls.as_ref(), row);
            }
            columns.push(known);
        }
        let bytes = self.bytes.get(row).copied().unwrap_or(0);
        Ok(Statistics {
            num_rows: count(Some(&self.rows), row),
            total_byte_size: usize::try_from(bytes).map_or(Precision::Absent, Precision::Inexact),
            column_statistics: columns,
        })
    }

    /// Returns what is known of the wanted files together.
    pub(super) fn of_files<'a>(
        &self,
        wanted: Option<&[bool]>,
        fields: impl IntoIterator<Item = &'a FieldRef>,
    ) -> Statistics {
        let mask = wanted.map(|wanted| BooleanArray::from(wanted.to_vec()));
        let chosen = |values: Option<&ArrayRef>| match (values, &mask) {
            (Some(values), Some(mask)) => keep(values, mask).ok(),
            (values, _) => values.cloned(),
        };
        let is_wanted = |row: usize| wanted.is_none_or(|wanted| wanted.get(row) == Some(&true));
        let bytes: u64 = self
            .bytes
            .iter()
            .enumerate()
            .filter(|(row, _)| is_wanted(*row))
            .map(|(_, bytes)| bytes)
            .sum();
        let column_statistics = fields
            .into_iter()
            .map(|field| {
                let mut known = ColumnStatistics::new_unknown();
                if let Some(bounds) = self.columns.get(field.name()) {
                    let bound = |values: Option<ArrayRef>, fold: &mut dyn Accumulator| {
                        // A file without a bound may have any value.
                        let values = values.filter(|values| values.null_count() == 0)?;
                        fold.update_batch(&[values]).ok()?;
                        Some(bounds.precision(fold.evaluate().ok()?))
                    };
                    let kind = field.data_type();
                    if let (Ok(mut least), Ok(mut greatest)) =
                        (MinAccumulator::try_new(kind), MaxAccumulator::try_new(kind))
                    {
                        let least = bound(chosen(bounds.least.as_ref()), &mut least);
                        let greatest = bound(chosen(bounds.greatest.as_ref()), &mut greatest);
                        known.min_value = least.unwrap_or(Precision::Absent);
                        known.max_value = greatest.unwrap_or(Precision::Absent);
                    }
                    known.null_count = sum(chosen(bounds.nulls.as_ref()).as_ref());
                }
                known
            })
            .collect();
        Statistics {
            num_rows: sum(chosen(Some(&self.rows)).as_ref()),
            total_byte_size: usize::try_from(bytes).map_or(Precision::Absent, Precision::Inexact),
            column_statistics,
        }
    }
}

/// Writers may cut times off to milliseconds; the greatest may be almost one later.
fn greatest(values: Option<ArrayRef>) -> Result<Option<ArrayRef>> {
    let Some(values) = values else {
        return Ok(None);
    };
    let DataType::Timestamp(TimeUnit::Microsecond, _) = values.data_type() else {
        return Ok(Some(values));
    };
    let micros = cast(&values, &DataType::Int64)?;
    let micros = micros
        .as_primitive::<Int64Type>()
        .unary::<_, Int64Type>(|micros| micros.saturating_add(999));
    Ok(Some(cast(&micros, values.data_type())?))
}

fn nulls_of_keys(values: &ArrayRef, rows: &UInt64Array) -> ArrayRef {
    let counts = rows
        .iter()
        .enumerate()
        .map(|(row, rows)| if values.is_null(row) { rows } else { Some(0) });
    Arc::new(counts.collect::<UInt64Array>())
}

impl PruningStatistics for FileStatistics {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.least(&column.name)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.columns.get(&column.name)?.greatest.clone()
    }

    fn num_containers(&self) -> usize {
        self.bytes.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        self.columns.get(&column.name)?.nulls.clone()
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::clone(&self.rows))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

impl ColumnBounds {
    fn precision(&self, value: ScalarValue) -> Precision<ScalarValue> {
        if value.is_null() {
            Precision::Absent
        } else if self.is_exact {
            Precision::Exact(value)
        } else {
            Precision::Inexact(value)
        }
    }
}

fn count(counts: Option<&ArrayRef>, row: usize) -> Precision<usize> {
    let counts = counts.and_then(|counts| counts.as_primitive_opt::<UInt64Type>());
    match counts {
        Some(counts) if counts.is_valid(row) => {
            usize::try_from(counts.value(row)).map_or(Precision::Absent, Precision::Exact)
        }
        _ => Precision::Absent,
    }
}

fn sum(counts: Option<&ArrayRef>) -> Precision<usize> {
    let counts = counts.and_then(|counts| counts.as_primitive_opt::<UInt64Type>());
    match counts {
        Some(counts) if counts.null_count() == 0 => {
            let total: u64 = counts.values().iter().sum();
            usize::try_from(total).map_or(Precision::Absent, Precision::Exact)
        }
        _ => Precision::Absent,
    }
}
