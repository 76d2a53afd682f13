//! Values of a query as values of a table's columns: what may be stored where, and how it is converted.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Float64Type, SchemaRef, TimeUnit};

use crate::presto::error::TrinoFailure;
use crate::presto::opaque::opaque_name;
use crate::presto::type_parser::sketch;
use crate::presto::types::type_name;
use crate::presto::zoned_time::is_zoned_time;
use crate::{Error, Result};

/// Which column of a query goes where.
#[derive(Debug)]
pub(in crate::engine) struct Assigned {
    schema: SchemaRef,
    /// For each column of the table, the one of the query; none is null.
    sources: Vec<Option<usize>>,
}

impl Assigned {
    /// Pairs the columns of a query with the named columns of a table.
    ///
    /// # Errors
    /// `TYPE_MISMATCH` when they do not fit.
    pub(in crate::engine) fn new(
        query: &SchemaRef,
        columns: &[String],
        table: &SchemaRef,
    ) -> Result<Self> {
        let wanted: Vec<&DataType> = columns
            .iter()
            .filter_map(|name| table.field_with_name(name).ok())
            .map(|field| field.data_type())
            .collect();
        let found: Vec<&DataType> = query
            .fields()
            .iter()
            .map(|field| field.data_type())
            .collect();
        let fits = wanted.len() == found.len()
            && found
                .iter()
                .zip(&wanted)
                .all(|(from, to)| can_assign(from, to));
        if !fits {
            let names = |types: &[&DataType]| -> String {
                let names: Vec<String> = types.iter().map(|known| type_name(known)).collect();
                names.join(", ")
            };
            return Err(TrinoFailure::new(
                "TYPE_MISMATCH",
                format!(
                    "Insert query has mismatched column types: Table: [{}], Query: [{}]",
                    names(&wanted),
                    names(&found)
                ),
            )
            .into());
        }
        let sources = table
            .fields()
            .iter()
            .map(|field| columns.iter().position(|name| name == field.name()))
            .collect();
        Ok(Self {
            schema: Arc::clone(table),
            sources,
        })
    }

    /// Returns rows of the query as rows of the table.
    ///
    /// # Errors
    /// A value that the column cannot hold, and `CONSTRAINT_VIOLATION` for a null where none may be.
    pub(in crate::engine) fn arrange(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.sources.len());
        for (field, source) in self.schema.fields().iter().zip(&self.sources) {
            let values = source.and_then(|source| batch.columns().get(source));
            let column = match values {
                Some(values) => convert(values, field.data_type())?,
                None => new_null_array(field.data_type(), batch.num_rows()),
            };
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(TrinoFailure::new(
                    "CONSTRAINT_VIOLATION",
                    format!(
                        "NULL value not allowed for NOT NULL column: {}",
                        field.name()
                    ),
                )
                .into());
            }
            columns.push(column);
        }
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(
            |error| Error::Internal {
                message: error.to_string(),
            },
        )
    }
}

/// Returns whether values of a type may be stored in a column of another one: numbers as numbers, texts as
/// texts, dates as timestamps.
pub(in crate::engine) fn can_assign(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Date64, Dictionary, LargeList, List, Map, Null, Struct, Timestamp};
    match (from, to) {
        (Null, _) => true,
        (Dictionary(_, value), to) => can_assign(value, to),
        (from, _) if is_zoned_time(from) => false,
        (from, to) if is_number(from) && is_number(to) => true,
        (Date32 | Date64, Timestamp(_, _)) | (Timestamp(_, None), Timestamp(_, _)) => true,
        (Timestamp(_, Some(_)), Timestamp(_, to)) => to.is_some(),
        (List(from) | LargeList(from), List(to)) => can_assign(from.data_type(), to.data_type()),
        (Struct(from), Struct(to)) => {
            from.len() == to.len()
                && from
                    .iter()
                    .zip(to)
                    .all(|(from, to)| can_assign(from.data_type(), to.data_type()))
        }
        (Map(from, _), Map(to, _)) => can_assign(from.data_type(), to.data_type()),
        (from, to) => type_name(from) == type_name(to),
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// Converts values as Trino's casts do: fractions are rounded, and what does not fit is an error.
fn convert(values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if values.data_type() == to {
        return Ok(Arc::clone(values));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let cast = |values: &ArrayRef, to: &DataType| {
        cast_with_options(values, to, &options).map_err(|error| failure(&error, to))
    };
    let values = match values.data_type() {
        DataType::Float32 | DataType::Float64 if to.is_integer() => {
            let wide = cast(values, &DataType::Float64)?;
            let rounded: Option<Float64Array> = wide
                .as_any()
                .downcast_ref::<Float64Array>()
                .map(|wide| wide.unary::<_, Float64Type>(f64::round));
            rounded.map_or(wide, |rounded| Arc::new(rounded) as ArrayRef)
        }
        DataType::Decimal128(precision, scale) if to.is_integer() && *scale > 0 => {
            cast(values, &DataType::Decimal128(*precision, 0))?
        }
        _ => Arc::clone(values),
    };
    cast(&values, to)
}

fn failure(error: &arrow::error::ArrowError, to: &DataType) -> Error {
    let name = if is_number(to) {
        "NUMERIC_VALUE_OUT_OF_RANGE"
    } else {
        "INVALID_CAST_ARGUMENT"
    };
    TrinoFailure::new(
        name,
        format!("value cannot be stored as {}: {error}", type_name(to)),
    )
    .into()
}

/// Returns the type within that no Delta table has, for a message.
pub(in crate::engine) fn unstorable(field: &Field) -> Option<String> {
    if let Some(kind) = sketch(field) {
        return Some(format!("`{kind}`: store CAST(… AS varbinary)"));
    }
    match field.data_type() {
        DataType::List(item) => unstorable(item),
        DataType::Map(entries, _) => unstorable(entries),
        DataType::Struct(fields) => fields.iter().find_map(|field| unstorable(field)),
        own => (is_zoned_time(own) || opaque_name(own).is_some())
            .then(|| format!("`{}`", type_name(own))),
    }
}

/// Returns the type a Delta table stores for `data_type`.
pub(in crate::engine) fn storable(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Timestamp(_, zone) => {
            let zone = zone.as_ref().map(|_| Arc::from("UTC"));
            DataType::Timestamp(TimeUnit::Microsecond, zone)
        }
        DataType::Date64 => DataType::Date32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Dictionary(_, value) => storable(value),
        DataType::List(item) | DataType::LargeList(item) => {
            let item = item.as_ref().clone();
            let stored = storable(item.data_type());
            DataType::List(Arc::new(item.with_data_type(stored)))
        }
        DataType::Struct(fields) => {
            let fields = fields.iter().enumerate().map(|(index, field)| {
                let field = field.as_ref().clone();
                // Fields of Trino's rows may have no name, those of Delta's must have one.
                let name = if field.name().is_empty() {
                    format!("field{index}")
                } else {
                    field.name().clone()
                };
                let stored = storable(field.data_type());
                field.with_data_type(stored).with_name(name)
            });
            DataType::Struct(fields.collect())
        }
        DataType::Map(entries, sorted) => {
            let entries = entries.as_ref().clone();
            let stored = storable(entries.data_type());
            DataType::Map(Arc::new(entries.with_data_type(stored)), *sorted)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, Int32Array};

    use super::*;

    #[test]
    fn fractions_are_rounded_and_large_numbers_refused() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.5, -1.5, 0.4]));
        let rounded = convert(&floats, &DataType::Int32).unwrap();
        assert_eq!(
            rounded.as_any().downcast_ref::<Int32Array>().unwrap(),
            &Int32Array::from(vec![2, -2, 0])
        );
        let decimals: ArrayRef = Arc::new(
            Decimal128Array::from(vec![150, 149])
                .with_precision_and_scale(10, 2)
                .unwrap(),
        );
        let rounded = convert(&decimals, &DataType::Int32).unwrap();
        assert_eq!(
            rounded.as_any().downcast_ref::<Int32Array>().unwrap(),
            &Int32Array::from(vec![2, 1])
        );
        let large: ArrayRef = Arc::new(Float64Array::from(vec![3e9]));
        assert!(convert(&large, &DataType::Int32).is_err());
    }

    #[test]
    fn texts_are_no_numbers() {
        assert!(!can_assign(&DataType::Utf8, &DataType::Int32));
        assert!(!can_assign(&DataType::Int32, &DataType::Utf8));
        assert!(can_assign(&DataType::Utf8View, &DataType::Utf8));
        assert!(can_assign(&DataType::Decimal128(2, 1), &DataType::Int32));
        assert!(can_assign(&DataType::Null, &DataType::Utf8));
    }
}
