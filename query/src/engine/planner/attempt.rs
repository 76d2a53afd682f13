//! Rows that fail become NULL: a batch is computed as a whole, and where that fails in halves, down to the rows that
//! fail.

use arrow::array::{ArrayRef, new_empty_array, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};

use crate::presto::error::TrinoFailure;

/// The errors that `TRY` turns into NULL.
const CAUGHT: [&str; 4] = [
    "DIVISION_BY_ZERO",
    "INVALID_CAST_ARGUMENT",
    "INVALID_FUNCTION_ARGUMENT",
    "NUMERIC_VALUE_OUT_OF_RANGE",
];

/// Returns whether `TRY` catches the error.
fn is_caught(error: &DataFusionError) -> bool {
    if let Some(failure) = TrinoFailure::find(error) {
        return CAUGHT.contains(&failure.name);
    }
    // Functions that are DataFusion's tell by their kind only.
    match error.find_root() {
        DataFusionError::Execution(_) => true,
        DataFusionError::ArrowError(inner, _) => matches!(
            inner.as_ref(),
            arrow::error::ArrowError::DivideByZero
                | arrow::error::ArrowError::ArithmeticOverflow(_)
                | arrow::error::ArrowError::CastError(_)
                | arrow::error::ArrowError::ParseError(_)
                | arrow::error::ArrowError::ComputeError(_)
                | arrow::error::ArrowError::InvalidArgumentError(_)
        ),
        _ => false,
    }
}

/// Computes `length` rows with `compute(start, length)`; rows that fail are NULL.
pub(super) fn attempt(
    length: usize,
    data_type: &DataType,
    compute: &dyn Fn(usize, usize) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    if length == 0 {
        return Ok(new_empty_array(data_type));
    }
    let mut parts = Vec::new();
    // Ranges still to compute, the next one last.
    let mut ranges = vec![(0, length)];
    while let Some((start, length)) = ranges.pop() {
        match compute(start, length) {
            Ok(part) => parts.push(part),
            Err(error) if !is_caught(&error) => return Err(error),
            Err(_) if length == 1 => parts.push(new_null_array(data_type, 1)),
            Err(_) => {
                let half = length / 2;
                ranges.push((start + half, length - half));
                ranges.push((start, half));
            }
        }
    }
    if parts.len() == 1
        && let Some(part) = parts.pop()
    {
        return Ok(part);
    }
    let parts: Vec<&dyn arrow::array::Array> = parts.iter().map(AsRef::as_ref).collect();
    Ok(concat(&parts)?)
}
