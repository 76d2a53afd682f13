//! Rows for readers of Arrow, who know no types of ours: those become text.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::error::Result;

use super::casts::cast_array;
use crate::presto::opaque::{JSON, opaque_name};
use crate::presto::zoned_time::is_zoned_time;

/// Returns the columns as readers find them; none if they are so already.
pub(in crate::engine) fn readable_schema(schema: &Schema) -> Option<SchemaRef> {
    let fields: Vec<FieldRef> = schema.fields().iter().map(readable_field).collect();
    let is_readable = fields.iter().eq(schema.fields());
    (!is_readable).then(|| Arc::new(Schema::new(fields)))
}

/// Returns the rows with columns as [`readable_schema`] has them.
pub(in crate::engine) fn readable_batch(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let own = batch.schema();
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, (from, to)) in batch
        .columns()
        .iter()
        .zip(own.fields().iter().zip(schema.fields()))
    {
        columns.push(if from == to {
            Arc::clone(column)
        } else {
            cast_array(column, from, to)?
        });
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn readable_field(field: &FieldRef) -> FieldRef {
    match readable_type(field.data_type()) {
        Some(data_type) => Arc::new(field.as_ref().clone().with_data_type(data_type)),
        None => Arc::clone(field),
    }
}

fn readable_type(data_type: &DataType) -> Option<DataType> {
    let changed = |field: &FieldRef| {
        let readable = readable_field(field);
        (readable != *field).then_some(readable)
    };
    match data_type {
        DataType::List(item) => changed(item).map(DataType::List),
        DataType::Map(entries, is_sorted) => {
            changed(entries).map(|entries| DataType::Map(entries, *is_sorted))
        }
        DataType::Struct(fields) => {
            let readable: Vec<FieldRef> = fields.iter().map(readable_field).collect();
            let is_readable = readable.iter().eq(fields);
            (!is_readable).then(|| DataType::Struct(readable.into()))
        }
        own if is_zoned_time(own) => Some(DataType::Utf8),
        own if *own != JSON && opaque_name(own).is_some() => Some(DataType::Utf8),
        _ => None,
    }
}
