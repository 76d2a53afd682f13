//! Decimals: the precision and scale of results, and computing them with one rounding, half away from zero.

use arrow::array::{Array, AsArray, Decimal128Array, PrimitiveArray};
use arrow::compute::{binary, try_binary};
use arrow::datatypes::{Decimal128Type, i256};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;

use super::super::function::{arrow_failure, failure, unexpected};
use super::Operation;

const MAX_PRECISION: u8 = 38;

/// How two decimals are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecimalRule {
    operation: Operation,
    /// Precision of the result.
    pub(super) precision: u8,
    /// Scale of the result.
    pub(super) scale: i8,
    /// What the left side is multiplied with first.
    left_factor: i128,
    right_factor: i128,
    /// Whether no value can leave the precision.
    is_safe: bool,
}

impl DecimalRule {
    /// # Source
    /// <https://github.com/trinodb/trino/blob/476/core/trino-main/src/main/java/io/trino/type/DecimalOperators.java>
    pub(super) fn new(
        operation: Operation,
        (p1, s1): (u8, i8),
        (p2, s2): (u8, i8),
    ) -> Result<Self> {
        let (p1, s1, p2, s2) = (i16::from(p1), i16::from(s1), i16::from(p2), i16::from(s2));
        let scale = match operation {
            Operation::Multiply => s1 + s2,
            _ => s1.max(s2),
        };
        let precision = match operation {
            Operation::Add | Operation::Subtract => (p1 - s1).max(p2 - s2) + scale + 1,
            Operation::Multiply => p1 + p2,
            Operation::Divide => p1 + s2 + (s2 - s1).max(0),
            Operation::Modulo => (p1 - s1).min(p2 - s2) + scale,
        };
        if scale > i16::from(MAX_PRECISION) {
            return Err(failure(
                "INVALID_FUNCTION_ARGUMENT",
                format!("DECIMAL scale must be in range [0, precision ({MAX_PRECISION})]: {scale}"),
            ));
        }
        let clipped = precision.clamp(1, i16::from(MAX_PRECISION));
        let (left_digits, right_digits) = match operation {
            Operation::Multiply => (0, 0),
            Operation::Divide => (scale + s2 - s1, 0),
            _ => (scale - s1, scale - s2),
        };
        Ok(Self {
            operation,
            precision: u8::try_from(clipped).unwrap_or(MAX_PRECISION),
            scale: i8::try_from(scale).unwrap_or(0),
            left_factor: power_of_ten(left_digits),
            right_factor: power_of_ten(right_digits),
            is_safe: precision <= i16::from(MAX_PRECISION),
        })
    }

    fn compute(&self, left: i128, right: i128) -> Result<i128, ArrowError> {
        let narrow = match self.operation {
            Operation::Add => self
                .aligned(left, right)
                .and_then(|(l, r)| l.checked_add(r)),
            Operation::Subtract => self
                .aligned(left, right)
                .and_then(|(l, r)| l.checked_sub(r)),
            Operation::Multiply => left.checked_mul(right),
            Operation::Divide | Operation::Modulo if right == 0 => {
                return Err(arrow_failure("DIVISION_BY_ZERO", "Division by zero"));
            }
            Operation::Divide => left
                .checked_mul(self.left_factor)
                .and_then(|scaled| divide(scaled, right)),
            Operation::Modulo => self
                .aligned(left, right)
                .and_then(|(l, r)| l.checked_rem(r)),
        };
        let value = match narrow {
            Some(value) => value,
            None => self.compute_wide(left, right).ok_or_else(overflow)?,
        };
        if value.unsigned_abs() >= power_of_ten(i16::from(MAX_PRECISION)).unsigned_abs() {
            return Err(overflow());
        }
        Ok(value)
    }

    fn aligned(&self, left: i128, right: i128) -> Option<(i128, i128)> {
        let left = left.checked_mul(self.left_factor)?;
        Some((left, right.checked_mul(self.right_factor)?))
    }

    /// The same where 128 bits do not hold what comes in between.
    fn compute_wide(&self, left: i128, right: i128) -> Option<i128> {
        let wide = |value: i128| i256::from_i128(value);
        let left = wide(left).checked_mul(wide(self.left_factor))?;
        let value = match self.operation {
            Operation::Divide => {
                let divisor = wide(right);
                let (quotient, rest) = (left.checked_div(divisor)?, left.checked_rem(divisor)?);
                let twice = rest.wrapping_abs().checked_mul(wide(2))?;
                if twice < divisor.wrapping_abs() {
                    quotient
                } else if left.is_negative() == divisor.is_negative() {
                    quotient.checked_add(wide(1))?
                } else {
                    quotient.checked_sub(wide(1))?
                }
            }
            operation => {
                let right = wide(right).checked_mul(wide(self.right_factor))?;
                match operation {
                    Operation::Add => left.checked_add(right)?,
                    Operation::Subtract => left.checked_sub(right)?,
                    Operation::Multiply => left.checked_mul(right)?,
                    _ => left.checked_rem(right)?,
                }
            }
        };
        value.to_i128()
    }
}

fn overflow() -> ArrowError {
    arrow_failure("NUMERIC_VALUE_OUT_OF_RANGE", "Decimal overflow")
}

/// Returns ten to the power; the largest number if it does not fit, so that multiplying with it overflows.
fn power_of_ten(digits: i16) -> i128 {
    let digits = u32::try_from(digits).unwrap_or(0);
    10_i128.checked_pow(digits).unwrap_or(i128::MAX)
}

/// Divides and rounds half away from zero.
fn divide(dividend: i128, divisor: i128) -> Option<i128> {
    let quotient = dividend.checked_div(divisor)?;
    let rest = dividend.checked_rem(divisor)?;
    if rest.unsigned_abs() < divisor.unsigned_abs() - rest.unsigned_abs() {
        return Some(quotient);
    }
    let step = if (dividend < 0) == (divisor < 0) {
        1
    } else {
        -1
    };
    quotient.checked_add(step)
}

/// Computes a batch.
pub(super) fn run(
    rule: &DecimalRule,
    left: &ColumnarValue,
    right: &ColumnarValue,
) -> Result<ColumnarValue> {
    let (fl, fr) = (rule.left_factor, rule.right_factor);
    // What lies below a NULL may be any number, so nothing here may panic.
    let result = match rule.operation {
        Operation::Add if rule.is_safe => fast(left, right, |l, r| {
            l.wrapping_mul(fl).wrapping_add(r.wrapping_mul(fr))
        })?,
        Operation::Subtract if rule.is_safe => fast(left, right, |l, r| {
            l.wrapping_mul(fl).wrapping_sub(r.wrapping_mul(fr))
        })?,
        Operation::Multiply if rule.is_safe => fast(left, right, i128::wrapping_mul)?,
        _ => checked(left, right, |l, r| rule.compute(l, r))?,
    };
    let is_constant = matches!(
        (left, right),
        (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_))
    );
    let result = result.with_precision_and_scale(rule.precision, rule.scale)?;
    if is_constant {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
            &result, 0,
        )?));
    }
    Ok(ColumnarValue::Array(std::sync::Arc::new(result)))
}

/// One side: the values of a column or one for all rows.
enum Side<'a> {
    Values(&'a Decimal128Array),
    Constant(Option<i128>),
}

fn side(value: &ColumnarValue) -> Result<Side<'_>> {
    match value {
        ColumnarValue::Array(array) => array
            .as_primitive_opt::<Decimal128Type>()
            .map(Side::Values)
            .ok_or_else(|| unexpected("decimal")),
        ColumnarValue::Scalar(ScalarValue::Decimal128(value, ..)) => Ok(Side::Constant(*value)),
        ColumnarValue::Scalar(_) => Err(unexpected("decimal")),
    }
}

fn fast(
    left: &ColumnarValue,
    right: &ColumnarValue,
    compute: impl Fn(i128, i128) -> i128,
) -> Result<Decimal128Array> {
    Ok(match (side(left)?, side(right)?) {
        (Side::Values(left), Side::Values(right)) => binary(left, right, compute)?,
        (Side::Values(left), Side::Constant(Some(right))) => {
            left.unary(|value| compute(value, right))
        }
        (Side::Constant(Some(left)), Side::Values(right)) => {
            right.unary(|value| compute(left, value))
        }
        (Side::Constant(Some(left)), Side::Constant(Some(right))) => {
            Decimal128Array::from(vec![compute(left, right)])
        }
        (left, right) => nulls(&left, &right),
    })
}

fn checked(
    left: &ColumnarValue,
    right: &ColumnarValue,
    compute: impl Fn(i128, i128) -> Result<i128, ArrowError>,
) -> Result<Decimal128Array> {
    Ok(match (side(left)?, side(right)?) {
        (Side::Values(left), Side::Values(right)) => try_binary(left, right, compute)?,
        (Side::Values(left), Side::Constant(Some(right))) => {
            left.try_unary(|value| compute(value, right))?
        }
        (Side::Constant(Some(left)), Side::Values(right)) => {
            right.try_unary(|value| compute(left, value))?
        }
        (Side::Constant(Some(left)), Side::Constant(Some(right))) => {
            Decimal128Array::from(vec![compute(left, right)?])
        }
        (left, right) => nulls(&left, &right),
    })
}

/// A constant NULL makes all results NULL.
fn nulls(left: &Side<'_>, right: &Side<'_>) -> Decimal128Array {
    let length = |side: &Side<'_>| match side {
        Side::Values(values) => Some(values.len()),
        Side::Constant(_) => None,
    };
    PrimitiveArray::new_null(length(left).or(length(right)).unwrap_or(1))
}

/// Returns the values with another scale, rounded half away from zero; none for those that leave the precision.
pub(in super::super) fn rescale(value: i128, from: i8, to: i8, precision: u8) -> Option<i128> {
    let step = i16::from(to) - i16::from(from);
    let scaled = if step >= 0 {
        value.checked_mul(10_i128.checked_pow(u32::try_from(step).ok()?)?)?
    } else {
        divide(value, 10_i128.checked_pow(u32::try_from(-step).ok()?)?)?
    };
    let limit = power_of_ten(i16::from(precision));
    (scaled.unsigned_abs() < limit.unsigned_abs()).then_some(scaled)
}
