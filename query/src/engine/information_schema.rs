//! Small tables in memory.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};

use crate::{Error, Result};

pub(super) use super::system::INFORMATION_SCHEMA as NAME;

/// Returns a batch of the named columns, all nullable.
pub(super) fn batch(columns: Vec<(&'static str, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, values)| Field::new(*name, DataType::clone(values.data_type()), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, values)| values).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|error| Error::Internal {
        message: error.to_string(),
    })
}
