//! Random numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, PrimitiveArray};
use arrow::datatypes::{DataType, Int8Type, Int16Type, Int32Type, Int64Type};
use datafusion::error::Result;
use rand::Rng as _;

use super::numbers::unexpected;
use crate::presto::functions::call::{Call, invalid};
use crate::presto::functions::scalar::Planned;

pub(super) fn result_type(planned: &Planned<'_>) -> Result<DataType> {
    Ok(match planned.types.len() {
        0 => DataType::Float64,
        _ => planned.type_at(0),
    })
}

/// `random()`, `random(n)` and `random(m, n)`: m is a result, n is not.
pub(super) fn random(call: &Call) -> Result<ArrayRef> {
    let mut random = rand::thread_rng();
    if call.len() == 0 {
        return call.build::<f64>(|_| Ok(Some(random.r#gen::<f64>())));
    }
    macro_rules! width {
        ($arrow:ty) => {{
            let last = call.primitive::<$arrow>(call.len() - 1)?;
            let result: Result<PrimitiveArray<$arrow>> = (0..call.rows)
                .map(|row| {
                    if call.any_null(row) {
                        return Ok(None);
                    }
                    let stop = last.value(call.row(call.len() - 1, row));
                    let start = match call.len() {
                        2 => call.primitive::<$arrow>(0)?.value(call.row(0, row)),
                        _ => 0,
                    };
                    if start >= stop {
                        return Err(invalid(if call.len() == 1 {
                            "bound must be positive"
                        } else {
                            "start value must be less than stop value"
                        }));
                    }
                    Ok(Some(random.gen_range(start..stop)))
                })
                .collect();
            Ok(Arc::new(result?))
        }};
    }
    match call.data_type(0) {
        DataType::Int8 => width!(Int8Type),
        DataType::Int16 => width!(Int16Type),
        DataType::Int32 => width!(Int32Type),
        DataType::Int64 => width!(Int64Type),
        _ => Err(unexpected(call)),
    }
}

/// `uuid()`.
pub(in crate::presto::functions) fn uuid(call: &Call) -> Result<ArrayRef> {
    let mut builder = arrow::array::FixedSizeBinaryBuilder::with_capacity(call.rows, 16);
    for _ in 0..call.rows {
        builder.append_value(uuid::Uuid::new_v4().as_bytes())?;
    }
    let array = builder.finish();
    debug_assert_eq!(array.len(), call.rows);
    Ok(Arc::new(array))
}
