//! Functions whose result has the type of the argument.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, Decimal128Array, PrimitiveArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use datafusion::error::Result;

use crate::presto::functions::call::{
    Call, Double, Long, Real, Text, failure, invalid, out_of_range,
};
use crate::presto::functions::scalar::Planned;

pub(super) fn same_type(planned: &Planned<'_>) -> Result<DataType> {
    Ok(planned.type_at(0))
}

/// Applies `f` to the values of one column.
pub(super) fn each<P: ArrowPrimitiveType>(
    call: &Call,
    mut f: impl FnMut(P::Native) -> Result<P::Native>,
) -> Result<PrimitiveArray<P>> {
    let values = call.primitive::<P>(0)?;
    (0..call.rows)
        .map(|row| {
            let row = call.row(0, row);
            values
                .is_valid(row)
                .then(|| f(values.value(row)))
                .transpose()
        })
        .collect()
}

/// Applies `f` to the values of two columns of one type.
fn both<P: ArrowPrimitiveType>(
    call: &Call,
    mut f: impl FnMut(P::Native, P::Native) -> Result<P::Native>,
) -> Result<PrimitiveArray<P>> {
    let (a, b) = (call.primitive::<P>(0)?, call.primitive::<P>(1)?);
    (0..call.rows)
        .map(|row| {
            if call.any_null(row) {
                return Ok(None);
            }
            f(a.value(call.row(0, row)), b.value(call.row(1, row))).map(Some)
        })
        .collect()
}

pub(super) fn decimals(values: Decimal128Array, data_type: &DataType) -> Result<ArrayRef> {
    match data_type {
        DataType::Decimal128(precision, scale) => Ok(Arc::new(
            values.with_precision_and_scale(*precision, *scale)?,
        )),
        _ => Ok(Arc::new(values)),
    }
}

pub(super) fn unexpected(call: &Call) -> datafusion::error::DataFusionError {
    failure(
        "GENERIC_INTERNAL_ERROR",
        format!("no such number type: {}", call.data_type(0)),
    )
}

pub(super) fn abs(call: &Call) -> Result<ArrayRef> {
    macro_rules! checked {
        ($arrow:ty, $name:literal) => {
            Arc::new(each::<$arrow>(call, |x| {
                x.checked_abs().ok_or_else(|| {
                    out_of_range(format!(
                        concat!("Value {} is out of range for abs(", $name, ")"),
                        x
                    ))
                })
            })?)
        };
    }
    Ok(match call.data_type(0) {
        DataType::Int8 => checked!(Int8Type, "tinyint"),
        DataType::Int16 => checked!(Int16Type, "smallint"),
        DataType::Int32 => checked!(Int32Type, "integer"),
        DataType::Int64 => checked!(Int64Type, "bigint"),
        DataType::Float32 => Arc::new(each::<Float32Type>(call, |x| Ok(x.abs()))?),
        DataType::Float64 => Arc::new(each::<Float64Type>(call, |x| Ok(x.abs()))?),
        DataType::Decimal128(..) => {
            return decimals(
                each::<Decimal128Type>(call, |x| Ok(x.abs()))?,
                &call.returns,
            );
        }
        _ => return Err(unexpected(call)),
    })
}

pub(super) fn sign_type(planned: &Planned<'_>) -> Result<DataType> {
    Ok(match planned.type_at(0) {
        DataType::Decimal128(..) => DataType::Decimal128(1, 0),
        other => other,
    })
}

pub(super) fn sign(call: &Call) -> Result<ArrayRef> {
    // Zero and NaN stay what they are.
    let of_double = |x: f64| {
        if x == 0.0 || x.is_nan() {
            x
        } else {
            x.signum()
        }
    };
    let of_real = |x: f32| {
        if x == 0.0 || x.is_nan() {
            x
        } else {
            x.signum()
        }
    };
    Ok(match call.data_type(0) {
        DataType::Int8 => Arc::new(each::<Int8Type>(call, |x| Ok(x.signum()))?),
        DataType::Int16 => Arc::new(each::<Int16Type>(call, |x| Ok(x.signum()))?),
        DataType::Int32 => Arc::new(each::<Int32Type>(call, |x| Ok(x.signum()))?),
        DataType::Int64 => Arc::new(each::<Int64Type>(call, |x| Ok(x.signum()))?),
        DataType::Float32 => Arc::new(each::<Float32Type>(call, |x| Ok(of_real(x)))?),
        DataType::Float64 => Arc::new(each::<Float64Type>(call, |x| Ok(of_double(x)))?),
        DataType::Decimal128(..) => {
            return decimals(
                each::<Decimal128Type>(call, |x| Ok(x.signum()))?,
                &call.returns,
            );
        }
        _ => return Err(unexpected(call)),
    })
}

pub(super) fn is_nan(call: &Call) -> Result<ArrayRef> {
    if call.data_type(0) == DataType::Float32 {
        return call.map1::<Real, bool>(|x| Ok(Some(x.is_nan())));
    }
    call.map1::<Double, bool>(|x| Ok(Some(x.is_nan())))
}

/// As in Java: NaN to the power of zero is one, one to that of NaN is not.
pub(super) fn power(x: f64, y: f64) -> f64 {
    if y.is_nan() || (x.abs() == 1.0 && y.is_infinite()) {
        return f64::NAN;
    }
    x.powf(y)
}

/// Of decimals: the scale is the larger one, whole digits as few as one has.
pub(super) fn modulus_type(planned: &Planned<'_>) -> Result<DataType> {
    Ok(match (planned.type_at(0), planned.type_at(1)) {
        (DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)) => {
            let scale = s1.max(s2);
            let whole = |p: u8, s: i8| i16::from(p) - i16::from(s);
            let digits = whole(p1, s1).min(whole(p2, s2)) + i16::from(scale);
            DataType::Decimal128(u8::try_from(digits.clamp(1, 38)).unwrap_or(38), scale)
        }
        (other, _) => other,
    })
}

pub(super) fn modulus(call: &Call) -> Result<ArrayRef> {
    let zero = || failure("DIVISION_BY_ZERO", "Division by zero");
    macro_rules! checked {
        ($arrow:ty) => {
            Arc::new(both::<$arrow>(call, |a, b| {
                if b == 0 {
                    return Err(zero());
                }
                Ok(a.wrapping_rem(b))
            })?)
        };
    }
    Ok(match call.data_type(0) {
        DataType::Int8 => checked!(Int8Type),
        DataType::Int16 => checked!(Int16Type),
        DataType::Int32 => checked!(Int32Type),
        DataType::Int64 => checked!(Int64Type),
        DataType::Float32 => Arc::new(both::<Float32Type>(call, |a, b| Ok(a % b))?),
        DataType::Float64 => Arc::new(both::<Float64Type>(call, |a, b| Ok(a % b))?),
        DataType::Decimal128(_, s1) => {
            let DataType::Decimal128(_, s2) = call.data_type(1) else {
                return Err(unexpected(call));
            };
            let scale = s1.max(s2);
            let up = |from: i8| 10_i128.checked_pow(u32::from((scale - from).unsigned_abs()));
            let (Some(up1), Some(up2)) = (up(s1), up(s2)) else {
                return Err(out_of_range("Decimal overflow"));
            };
            let values = both::<Decimal128Type>(call, |a, b| {
                if b == 0 {
                    return Err(zero());
                }
                let scaled = a.checked_mul(up1).zip(b.checked_mul(up2));
                let (a, b) = scaled.ok_or_else(|| out_of_range("Decimal overflow"))?;
                Ok(a % b)
            })?;
            return decimals(values, &call.returns);
        }
        _ => return Err(unexpected(call)),
    })
}

fn radix(radix: i64) -> Result<u32> {
    u32::try_from(radix)
        .ok()
        .filter(|radix| (2..=36).contains(radix))
        .ok_or_else(|| invalid("Radix must be between 2 and 36"))
}

/// `from_base(text, radix)`.
pub(super) fn from_base(call: &Call) -> Result<ArrayRef> {
    call.map2::<Text, Long, i64>(|text, base| {
        let number = i64::from_str_radix(text, radix(base)?);
        number
            .map(Some)
            .map_err(|_| invalid(format!("Not a valid base-{base} number: {text}")))
    })
}

/// `to_base(number, radix)`.
pub(super) fn to_base(call: &Call) -> Result<ArrayRef> {
    call.build_text(|row, out| {
        let (Some(number), Some(base)) = (call.get::<Long>(0, row), call.get::<Long>(1, row))
        else {
            return Ok(false);
        };
        let base = radix(base)?;
        let mut digits = Vec::new();
        let mut rest = number.unsigned_abs();
        loop {
            let digit = u32::try_from(rest % u64::from(base)).unwrap_or(0);
            digits.extend(char::from_digit(digit, base));
            rest /= u64::from(base);
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            out.push('-');
        }
        out.extend(digits.iter().rev());
        Ok(true)
    })
}
