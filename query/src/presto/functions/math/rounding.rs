//! Rounding: half away from zero, in the type of the argument.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use datafusion::error::Result;

use super::numbers::{decimals, each, unexpected};
use crate::presto::functions::call::{Call, Int, out_of_range};
use crate::presto::functions::scalar::Planned;

/// Of decimals: no fraction, and a digit for the carry.
pub(super) fn whole_type(planned: &Planned<'_>) -> Result<DataType> {
    Ok(match planned.type_at(0) {
        DataType::Decimal128(precision, scale) => {
            DataType::Decimal128(whole(precision, scale, 1), 0)
        }
        other => other,
    })
}

fn whole(precision: u8, scale: i8, carry: u8) -> u8 {
    let carry = if scale > 0 { carry } else { 0 };
    let digits = precision.saturating_sub(scale.unsigned_abs());
    (digits + carry).clamp(1, 38)
}

pub(super) fn rounded_type(planned: &Planned<'_>) -> Result<DataType> {
    Ok(match (planned.type_at(0), planned.types.len()) {
        (DataType::Decimal128(precision, scale), 2) => {
            DataType::Decimal128((precision + 1).min(38), scale)
        }
        (DataType::Decimal128(precision, scale), _) => {
            DataType::Decimal128(whole(precision, scale, 1), 0)
        }
        (other, _) => other,
    })
}

pub(super) fn truncated_type(planned: &Planned<'_>) -> Result<DataType> {
    Ok(match (planned.type_at(0), planned.types.len()) {
        (DataType::Decimal128(precision, scale), 1) => {
            DataType::Decimal128(whole(precision, scale, 0), 0)
        }
        (other, _) => other,
    })
}

fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// Rounds a decimal to multiples of a power of ten.
fn to_multiple(value: i128, step: i128) -> i128 {
    let rest = value % step;
    let down = value - rest;
    if rest.abs() >= step - rest.abs() {
        down.saturating_add(step * value.signum())
    } else {
        down
    }
}

fn overflow(value: i128) -> datafusion::error::DataFusionError {
    out_of_range(format!("decimal overflow: {value}"))
}

const LARGEST: i128 = 10_i128.pow(38);

/// The largest power of ten that integers are rounded to; a larger one is an error, of zero too.
const LARGEST_STEP: i128 = 10_i128.pow(18);

/// Returns the power of ten of which a decimal of this scale becomes a multiple, to keep so many digits; none if it is
/// larger than any decimal.
fn step(scale: i8, digits: i32) -> Option<i128> {
    let dropped = i64::from(scale) - i64::from(digits);
    power(u32::try_from(dropped.max(0)).unwrap_or(u32::MAX))
}

fn checked(value: i128, original: i128) -> Result<i128> {
    if value.abs() < LARGEST {
        Ok(value)
    } else {
        Err(overflow(original))
    }
}

pub(super) fn ceil(call: &Call) -> Result<ArrayRef> {
    to_whole(call, f64::ceil, f32::ceil, |value, step| {
        value.div_euclid(step) + i128::from(value.rem_euclid(step) != 0)
    })
}

pub(super) fn floor(call: &Call) -> Result<ArrayRef> {
    to_whole(call, f64::floor, f32::floor, i128::div_euclid)
}

fn to_whole(
    call: &Call,
    of_double: fn(f64) -> f64,
    of_real: fn(f32) -> f32,
    of_decimal: fn(i128, i128) -> i128,
) -> Result<ArrayRef> {
    Ok(match call.data_type(0) {
        DataType::Float64 => Arc::new(each::<Float64Type>(call, |x| Ok(of_double(x)))?),
        DataType::Float32 => Arc::new(each::<Float32Type>(call, |x| Ok(of_real(x)))?),
        DataType::Decimal128(_, scale) => {
            let step = power(u32::from(scale.unsigned_abs())).unwrap_or(1);
            let values = each::<Decimal128Type>(call, |x| Ok(of_decimal(x, step)))?;
            return decimals(values, &call.returns);
        }
        _ => integers(call, |x, _| Some(x))?,
    })
}

/// Applies `f` to integers of any width, with the digits of the second argument; what does not fit is an error.
fn integers(call: &Call, f: impl Fn(i64, i32) -> Option<i64>) -> Result<ArrayRef> {
    let mut row = 0;
    macro_rules! width {
        ($arrow:ty, $native:ty, $name:literal) => {{
            let values = call.primitive::<$arrow>(0)?;
            let result: Result<arrow::array::PrimitiveArray<$arrow>> = (0..call.rows)
                .map(|at| {
                    row = at;
                    if call.any_null(row) {
                        return Ok(None);
                    }
                    let value = values.value(call.row(0, row));
                    let digits = call.get::<Int>(1, row).unwrap_or(0);
                    let result = f(i64::from(value), digits);
                    match result.map(<$native>::try_from) {
                        Some(Ok(fits)) => Ok(Some(fits)),
                        Some(Err(_)) => Err(out_of_range(format!(
                            concat!("Out of range for ", $name, ": {}"),
                            result.unwrap_or_default()
                        ))),
                        None => Err(out_of_range(concat!($name, " overflow"))),
                    }
                })
                .collect();
            Arc::new(result?)
        }};
    }
    Ok(match call.data_type(0) {
        DataType::Int8 => width!(Int8Type, i8, "tinyint"),
        DataType::Int16 => width!(Int16Type, i16, "smallint"),
        DataType::Int32 => width!(Int32Type, i32, "integer"),
        DataType::Int64 => width!(Int64Type, i64, "bigint"),
        _ => return Err(unexpected(call)),
    })
}

/// `round(x [, digits])`.
pub(super) fn round(call: &Call) -> Result<ArrayRef> {
    match call.data_type(0) {
        DataType::Float64 => doubles(call, round_double),
        DataType::Float32 => doubles(call, round_double),
        DataType::Decimal128(_, scale) => round_decimals(call, scale),
        _ => integers(call, |x, digits| {
            if digits >= 0 {
                return Some(x);
            }
            let step = power(digits.unsigned_abs()).filter(|step| *step <= LARGEST_STEP)?;
            i64::try_from(to_multiple(i128::from(x), step)).ok()
        }),
    }
}

fn doubles(call: &Call, f: fn(f64, i32) -> f64) -> Result<ArrayRef> {
    let digits = |row: usize| match call.len() {
        2 => call.get::<Int>(1, row),
        _ => Some(0),
    };
    if call.data_type(0) == DataType::Float32 {
        return call.build::<f32>(|row| {
            let value = call.get::<crate::presto::functions::call::Real>(0, row);
            Ok(value
                .zip(digits(row))
                .map(|(x, digits)| f(f64::from(x), digits) as f32))
        });
    }
    call.build::<f64>(|row| {
        let value = call.get::<crate::presto::functions::call::Double>(0, row);
        Ok(value.zip(digits(row)).map(|(x, digits)| f(x, digits)))
    })
}

/// Rounds as Trino does: through the scaled number, so `round(1.005, 2)` is one.
fn round_double(x: f64, digits: i32) -> f64 {
    if x.is_nan() || x.is_infinite() {
        return x;
    }
    let factor = 10_f64.powi(digits);
    let scaled = x * factor;
    if scaled.is_infinite() {
        return x;
    }
    scaled.round() / factor
}

fn round_decimals(call: &Call, scale: i8) -> Result<ArrayRef> {
    let to_digits = call.len() == 2;
    // Of a result that fits 64 bits, more digits than it has leave zero; of others they are an error.
    let is_short = matches!(call.returns, DataType::Decimal128(..=18, _));
    let values = call.primitive::<Decimal128Type>(0)?;
    let result: Result<arrow::array::Decimal128Array> = (0..call.rows)
        .map(|row| {
            if call.any_null(row) {
                return Ok(None);
            }
            let value = values.value(call.row(0, row));
            let digits = call.get::<Int>(1, row).unwrap_or(0);
            let rounded = match step(scale, digits) {
                Some(step) => to_multiple(value, step),
                None if is_short => 0,
                None => return Err(overflow(value)),
            };
            if to_digits {
                return checked(rounded, value).map(Some);
            }
            let step = power(u32::from(scale.unsigned_abs())).unwrap_or(1);
            Ok(Some(rounded / step))
        })
        .collect();
    decimals(result?, &call.returns)
}

/// `truncate(x [, digits])`: towards zero.
pub(super) fn truncate(call: &Call) -> Result<ArrayRef> {
    let DataType::Decimal128(_, scale) = call.data_type(0) else {
        return doubles(call, |x, _| x.trunc());
    };
    let values = call.primitive::<Decimal128Type>(0)?;
    let to_digits = call.len() == 2;
    let result: Result<arrow::array::Decimal128Array> = (0..call.rows)
        .map(|row| {
            if call.any_null(row) {
                return Ok(None);
            }
            let value = values.value(call.row(0, row));
            let digits = call.get::<Int>(1, row).unwrap_or(0);
            let cut = step(scale, digits).map_or(0, |step| value - value % step);
            if to_digits {
                return Ok(Some(cut));
            }
            let step = power(u32::from(scale.unsigned_abs())).unwrap_or(1);
            Ok(Some(cut / step))
        })
        .collect();
    decimals(result?, &call.returns)
}
