//! What Arrow columns become in a Delta table, and fitting batches to a table's columns.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};

use crate::catalog::TableName;
use crate::error::{Error, Result};

/// The key of a column's comment in its Arrow and Delta field metadata.
const COMMENT: &str = "comment";

/// What of a column's metadata is stored. The others are refused or mean nothing to Delta.
const KEPT: [&str; 4] = [
    COMMENT,
    "delta.generationExpression",
    "delta.invariants",
    "delta.identity.start",
];

/// Returns the schema a Delta table gets for an Arrow schema: timestamps in microseconds, plain
/// strings and binaries, dictionaries unpacked.
///
/// # Errors
///
/// [`Error::SchemaMismatch`] names a column that is doubled or whose type Delta has not.
pub(crate) fn table_schema(table: &TableName, schema: &Schema) -> Result<SchemaRef> {
    let mismatch = |reason: String| Error::SchemaMismatch {
        table: table.to_string(),
        reason,
    };
    if schema.fields().is_empty() {
        return Err(mismatch("it has no columns".to_owned()));
    }
    let mut seen = HashSet::new();
    let mut fields = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        if !seen.insert(field.name().to_lowercase()) {
            return Err(mismatch(format!("column `{}` occurs twice", field.name())));
        }
        let stored = stored_type(field.data_type()).ok_or_else(|| {
            mismatch(format!(
                "column `{}` has type {}, which a Delta table cannot store",
                field.name(),
                field.data_type()
            ))
        })?;
        let kept = KEPT.iter().filter_map(|key| {
            let value = field.metadata().get(*key)?;
            Some(((*key).to_owned(), value.clone()))
        });
        let stored = Field::new(field.name(), stored, field.is_nullable());
        fields.push(stored.with_metadata(kept.collect()));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Returns the comments that fields carry in their metadata.
pub(crate) fn column_comments(schema: &Schema) -> BTreeMap<String, String> {
    let comment = |field: &FieldRef| {
        field
            .metadata()
            .get(COMMENT)
            .map(|comment| (field.name().clone(), comment.clone()))
    };
    schema.fields().iter().filter_map(comment).collect()
}

fn stored_type(data_type: &DataType) -> Option<DataType> {
    let stored = match data_type {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Utf8
        | DataType::Binary
        | DataType::Decimal128(_, _) => data_type.clone(),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Date64 => DataType::Date32,
        DataType::Dictionary(_, values) => stored_type(values)?,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::FixedSizeList(item, _) => DataType::List(stored_field(item)?),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(stored_field).collect::<Option<_>>()?)
        }
        DataType::Map(entries, sorted) => DataType::Map(stored_field(entries)?, *sorted),
        _ => return None,
    };
    Some(stored)
}

fn stored_field(field: &FieldRef) -> Option<FieldRef> {
    let stored = stored_type(field.data_type())?;
    Some(Arc::new(Field::new(
        field.name(),
        stored,
        field.is_nullable(),
    )))
}

/// Fits a batch to the table: columns by name in the table's order, absent nullable ones as
/// nulls, other representations of the stored type (views, dictionaries, timestamp units)
/// converted. Columns that fit are not copied.
///
/// # Errors
///
/// [`Error::SchemaMismatch`] names a column that is unknown, missing, of another type, or null
/// where the table allows none.
pub(crate) fn fit_batch(
    table: &TableName,
    schema: &SchemaRef,
    batch: &RecordBatch,
) -> Result<RecordBatch> {
    let mismatch = |reason: String| Error::SchemaMismatch {
        table: table.to_string(),
        reason,
    };
    let given = batch.schema();
    for field in given.fields() {
        if schema.field_with_name(field.name()).is_err() {
            return Err(mismatch(format!("it has no column `{}`", field.name())));
        }
    }
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column = match batch.column_by_name(field.name()) {
            Some(column) => fit_column(field, column).map_err(mismatch)?,
            None => new_null_array(field.data_type(), batch.num_rows()),
        };
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(mismatch(format!(
                "column `{}` is NOT NULL, but {} of {} rows have no value",
                field.name(),
                column.null_count(),
                batch.num_rows()
            )));
        }
        columns.push(column);
    }
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| mismatch(error.to_string()))
}

fn fit_column(field: &Field, column: &ArrayRef) -> Result<ArrayRef, String> {
    let given = column.data_type();
    if given == field.data_type() {
        return Ok(Arc::clone(column));
    }
    let same_meaning =
        stored_type(given).is_some_and(|stored| stored.equals_datatype(field.data_type()));
    if !same_meaning {
        return Err(format!(
            "column `{}` has type {}, but the batch has {given}",
            field.name(),
            field.data_type()
        ));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(column, field.data_type(), &options)
        .map_err(|error| format!("column `{}` cannot be converted: {error}", field.name()))
}
