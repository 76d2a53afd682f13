//! Numbers as integers in the same order: a `qdigest` knows integers only.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use datafusion::error::Result;

use super::super::shared::internal;

/// Returns the column as integers; one of integers stays as it is.
pub(in crate::presto::functions) fn to_sortable(column: &ArrayRef) -> Result<Int64Array> {
    Ok(match column.data_type() {
        DataType::Float64 => column
            .as_primitive::<Float64Type>()
            .unary(|value| flip(bits(value))),
        DataType::Float32 => column
            .as_primitive::<Float32Type>()
            .unary(|value| i64::from(flip_real(real_bits(value)))),
        _ => cast(column, &DataType::Int64)?
            .as_primitive_opt::<Int64Type>()
            .cloned()
            .ok_or_else(|| internal("a digest is of numbers"))?,
    })
}

/// Returns the integers as the numbers of the type that they stand for.
pub(in crate::presto::functions) fn from_sortable(
    column: &ArrayRef,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let values = column
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| internal("a digest keeps integers"))?;
    Ok(match data_type {
        DataType::Float64 => Arc::new(
            values.unary::<_, Float64Type>(|value| f64::from_bits(flip(value).cast_unsigned())),
        ),
        // The upper half repeats the sign.
        DataType::Float32 => Arc::new(values.unary::<_, Float32Type>(|value| {
            f32::from_bits(flip_real(value as i32).cast_unsigned())
        })),
        _ => Arc::clone(column),
    })
}

/// Turns the bits of a negative number round; twice is nothing.
fn flip(bits: i64) -> i64 {
    bits ^ ((bits >> 63) & i64::MAX)
}

fn flip_real(bits: i32) -> i32 {
    bits ^ ((bits >> 31) & i32::MAX)
}

/// Returns the bits of a number; there is one NaN.
fn bits(value: f64) -> i64 {
    let value = if value.is_nan() { f64::NAN } else { value };
    value.to_bits().cast_signed()
}

fn real_bits(value: f32) -> i32 {
    let value = if value.is_nan() { f32::NAN } else { value };
    value.to_bits().cast_signed()
}
