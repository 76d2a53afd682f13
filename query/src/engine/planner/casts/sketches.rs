//! Casts between sketches and their bytes.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray};
use datafusion::error::Result;

use super::rows;
use crate::presto::functions::{check_tdigest, rewritten_tdigest};

const TDIGEST: &str = "tdigest";

pub(super) fn to_bytes(array: &ArrayRef, kind: &str) -> Result<ArrayRef> {
    if kind != TDIGEST {
        return Ok(Arc::clone(array));
    }
    let values = array.as_binary::<i32>();
    let written: BinaryArray = rows(array, |row| rewritten_tdigest(values.value(row)))?;
    Ok(Arc::new(written))
}

/// Bytes that are no t-digest are refused here; other sketches are looked at when they are asked something.
pub(super) fn from_bytes(array: ArrayRef, kind: &str) -> Result<ArrayRef> {
    if kind == TDIGEST {
        let values = array.as_binary::<i32>();
        for bytes in values.iter().flatten() {
            check_tdigest(bytes)?;
        }
    }
    Ok(array)
}
