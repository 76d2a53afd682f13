//! Casts to booleans, integers, decimals and floating-point numbers.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, PrimitiveArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use datafusion::error::Result;

use super::super::arithmetic::rescale;
use super::super::function::{failure, unexpected};
use super::{invalid, rows};
use crate::presto::numbers::{
    decimal_text, java_double, java_number, java_real, parse_double, scientific,
};
use crate::presto::types::{field_type_name, type_name};

pub(super) fn to_number(array: &ArrayRef, from: &Field, to: &Field) -> Result<ArrayRef> {
    Ok(match to.data_type() {
        DataType::Boolean => Arc::new(to_boolean(array)?),
        DataType::Int8 => Arc::new(to_integer::<Int8Type>(array, "tinyint")?),
        DataType::Int16 => Arc::new(to_integer::<Int16Type>(array, "smallint")?),
        DataType::Int32 => Arc::new(to_integer::<Int32Type>(array, "integer")?),
        DataType::Int64 => Arc::new(to_integer::<Int64Type>(array, "bigint")?),
        DataType::Float32 => Arc::new(to_real(array)?),
        DataType::Float64 => Arc::new(to_double(array)?),
        DataType::Decimal128(precision, scale) => {
            let name = match from.data_type() {
                DataType::Decimal128(p, s) => format!("DECIMAL({p}, {s})"),
                _ => field_type_name(from).to_uppercase(),
            };
            Arc::new(to_decimal(array, &name, *precision, *scale)?)
        }
        _ => return Err(unexpected("number")),
    })
}

fn to_boolean(array: &ArrayRef) -> Result<BooleanArray> {
    match array.data_type() {
        DataType::Boolean => Ok(array.as_boolean().clone()),
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            rows(array, |row| parse_boolean(values.value(row)))
        }
        DataType::Decimal128(..) => {
            let values = array.as_primitive::<Decimal128Type>();
            rows(array, |row| Ok(values.value(row) != 0))
        }
        _ => {
            let values = cast(array, &DataType::Float64)?;
            let values = values.as_primitive::<Float64Type>();
            rows(array, |row| Ok(values.value(row) != 0.0))
        }
    }
}

fn parse_boolean(text: &str) -> Result<bool> {
    let is = |names: [&str; 3]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    if is(["true", "t", "1"]) {
        return Ok(true);
    }
    if is(["false", "f", "0"]) {
        return Ok(false);
    }
    Err(invalid(format!("Cannot cast '{text}' to BOOLEAN")))
}

fn to_integer<T>(array: &ArrayRef, name: &str) -> Result<PrimitiveArray<T>>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i64> + TryFrom<i128> + std::str::FromStr,
{
    match array.data_type() {
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            let shown = if name == "integer" {
                "INT".to_owned()
            } else {
                name.to_uppercase()
            };
            rows(array, |row| {
                let text = values.value(row);
                let number = text.trim().parse::<T::Native>();
                number.map_err(|_| invalid(format!("Cannot cast '{text}' to {shown}")))
            })
        }
        DataType::Decimal128(_, scale) => {
            let values = array.as_primitive::<Decimal128Type>();
            rows(array, |row| {
                let value = values.value(row);
                let whole = rescale(value, *scale, 0, 38).unwrap_or(i128::MAX);
                let shown = || match i64::try_from(whole) {
                    Ok(whole) => whole.to_string(),
                    Err(_) => decimal_text(value, *scale),
                };
                T::Native::try_from(whole).map_err(|_| {
                    invalid(format!(
                        "Cannot cast '{}' to {}",
                        shown(),
                        name.to_uppercase()
                    ))
                })
            })
        }
        DataType::Float32 | DataType::Float64 => {
            let is_real = *array.data_type() == DataType::Float32;
            let values = cast(array, &DataType::Float64)?;
            let values = values.as_primitive::<Float64Type>();
            rows(array, |row| {
                let value = values.value(row);
                whole(value)
                    .and_then(|whole| T::Native::try_from(whole).ok())
                    .ok_or_else(|| no_integer(value, is_real, name))
            })
        }
        _ => {
            let values = cast(array, &DataType::Int64)?;
            let values = values.as_primitive::<Int64Type>();
            rows(array, |row| {
                let value = values.value(row);
                T::Native::try_from(value).map_err(|_| {
                    failure(
                        "NUMERIC_VALUE_OUT_OF_RANGE",
                        format!("Out of range for {name}: {value}"),
                    )
                })
            })
        }
    }
}

/// Rounds half away from zero; none for what no bigint holds.
fn whole(value: f64) -> Option<i64> {
    let rounded = value.round();
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
        return None;
    }
    // Checked above.
    let whole = rounded as i64;
    Some(whole)
}

fn no_integer(value: f64, is_real: bool, name: &str) -> datafusion::error::DataFusionError {
    let shown = scientific(value);
    if name == "bigint" {
        return invalid(format!("Unable to cast {shown} to bigint"));
    }
    if value.is_nan() {
        let kind = if is_real { "real" } else { "double" };
        return invalid(format!("Cannot cast {kind} NaN to {name}"));
    }
    failure(
        "NUMERIC_VALUE_OUT_OF_RANGE",
        format!("Out of range for {name}: {shown}"),
    )
}

fn to_double(array: &ArrayRef) -> Result<PrimitiveArray<Float64Type>> {
    match array.data_type() {
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            rows(array, |row| {
                let text = values.value(row);
                parse_double(text).ok_or_else(|| invalid(format!("Cannot cast '{text}' to DOUBLE")))
            })
        }
        DataType::Decimal128(_, scale) => {
            let values = array.as_primitive::<Decimal128Type>();
            rows(array, |row| {
                Ok(decimal_to_double(values.value(row), *scale))
            })
        }
        _ => Ok(cast(array, &DataType::Float64)?
            .as_primitive::<Float64Type>()
            .clone()),
    }
}

fn to_real(array: &ArrayRef) -> Result<PrimitiveArray<Float32Type>> {
    match array.data_type() {
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            rows(array, |row| {
                let text = values.value(row);
                let number = java_number(text).and_then(|number| number.parse::<f32>().ok());
                number.ok_or_else(|| invalid(format!("Cannot cast '{text}' to REAL")))
            })
        }
        DataType::Decimal128(_, scale) => {
            let values = array.as_primitive::<Decimal128Type>();
            rows(array, |row| {
                let text = decimal_text(values.value(row), *scale);
                text.parse::<f32>().map_err(|_| unexpected("decimal"))
            })
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            rows(array, |row| Ok(values.value(row) as f32))
        }
        _ => Ok(cast(array, &DataType::Float32)?
            .as_primitive::<Float32Type>()
            .clone()),
    }
}

/// Returns the nearest double.
pub(super) fn decimal_to_double(value: i128, scale: i8) -> f64 {
    if value.unsigned_abs() < 1 << 53 && (0..=22).contains(&scale) {
        return value as f64 / 10_f64.powi(i32::from(scale));
    }
    decimal_text(value, scale).parse().unwrap_or(f64::NAN)
}

fn to_decimal(array: &ArrayRef, name: &str, precision: u8, scale: i8) -> Result<Decimal128Array> {
    let too_large = |shown: &str| {
        invalid(format!(
            "Cannot cast {name} '{shown}' to DECIMAL({precision}, {scale})"
        ))
    };
    let values: Decimal128Array = match array.data_type() {
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            rows(array, |row| {
                let text = values.value(row);
                let problem = |what| {
                    invalid(format!(
                        "Cannot cast VARCHAR '{text}' to DECIMAL({precision}, {scale}). {what}"
                    ))
                };
                let Some(number) = ScaledNumber::parse(text) else {
                    return Err(problem("Value is not a number."));
                };
                number
                    .to_decimal(precision, scale)
                    .ok_or_else(|| problem("Value too large."))
            })?
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            rows(array, |row| {
                let value = values.value(row);
                let number = ScaledNumber::parse(&format!("{value:e}"));
                let number = number.and_then(|number| number.to_decimal(precision, scale));
                number.ok_or_else(|| too_large(&java_double(value)))
            })?
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            rows(array, |row| {
                let value = values.value(row);
                let number = ScaledNumber::parse(&format!("{value:e}"));
                let number = number.and_then(|number| number.to_decimal(precision, scale));
                number.ok_or_else(|| too_large(&java_real(value)))
            })?
        }
        DataType::Decimal128(_, from_scale) => {
            let values = array.as_primitive::<Decimal128Type>();
            rows(array, |row| {
                let value = values.value(row);
                rescale(value, *from_scale, scale, precision)
                    .ok_or_else(|| too_large(&decimal_text(value, *from_scale)))
            })?
        }
        _ => {
            let values = cast(array, &DataType::Int64)?;
            let values = values.as_primitive::<Int64Type>();
            rows(array, |row| {
                let value = values.value(row);
                rescale(i128::from(value), 0, scale, precision)
                    .ok_or_else(|| too_large(&value.to_string()))
            })?
        }
    };
    Ok(values.with_precision_and_scale(precision, scale)?)
}

/// Digits and the power of ten they are multiplied with.
struct ScaledNumber {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl ScaledNumber {
    /// Reads `[sign] digits [. digits] [e exponent]`.
    fn parse(text: &str) -> Option<Self> {
        let (is_negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, text.get(1..)?),
            b'+' => (false, text.get(1..)?),
            _ => (false, text),
        };
        let (number, exponent) = match rest.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let exponent = i64::from(exponent) - i64::try_from(fraction.len()).ok()?;
        Some(Self {
            is_negative,
            digits: digits.trim_start_matches('0').to_owned(),
            exponent,
        })
    }

    /// Rounds half away from zero; none if the number leaves the precision.
    fn to_decimal(&self, precision: u8, scale: i8) -> Option<i128> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let shift = self.exponent + i64::from(scale);
        let length = i64::try_from(self.digits.len()).ok()?;
        let kept = length + shift;
        if kept > 38 {
            return None;
        }
        let magnitude = if shift >= 0 {
            let zeros = u32::try_from(shift).ok()?;
            self.digits
                .parse::<i128>()
                .ok()?
                .checked_mul(10_i128.checked_pow(zeros)?)?
        } else if kept < 0 {
            0
        } else {
            let (kept, dropped) = self.digits.split_at_checked(usize::try_from(kept).ok()?)?;
            let kept: i128 = if kept.is_empty() {
                0
            } else {
                kept.parse().ok()?
            };
            kept + i128::from(
                dropped
                    .as_bytes()
                    .first()
                    .is_some_and(|digit| *digit >= b'5'),
            )
        };
        if magnitude >= 10_i128.checked_pow(u32::from(precision))? {
            return None;
        }
        Some(if self.is_negative {
            -magnitude
        } else {
            magnitude
        })
    }
}

/// Returns the value of digits as they are written, with precision and scale; none if 38 digits do not hold it.
pub(in super::super) fn decimal_of_digits(text: &str) -> Option<(i128, u8, i8)> {
    let number = ScaledNumber::parse(text)?;
    if text.contains(['e', 'E']) {
        return None;
    }
    let scale = i8::try_from(-number.exponent).ok()?;
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = unsigned.split('.').next().unwrap_or_default();
    let whole_digits = i16::try_from(whole.trim_start_matches('0').len()).ok()?;
    let precision = u8::try_from((whole_digits + i16::from(scale)).max(1)).ok()?;
    if precision > 38 {
        return None;
    }
    Some((number.to_decimal(precision, scale)?, precision, scale))
}

/// Returns the error of a number that is none of the type.
pub(super) fn no_number(text: &str, data_type: &DataType) -> datafusion::error::DataFusionError {
    invalid(format!("Cannot cast '{text}' to {}", type_name(data_type)))
}
