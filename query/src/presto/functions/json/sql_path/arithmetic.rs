//! Arithmetic of numbers, and the order of values, as SQL has them for the types that meet.

use std::cmp::Ordering;

use arrow::datatypes::i256;

use super::datum::{Datum, MomentKind, TextKind, Width};
use super::tree::{Comparison, Operator};
use crate::presto::numbers::decimal_text;

/// The most digits of a decimal.
const DIGITS: u8 = 38;

/// Two numbers in the type that they have in common.
enum Pair {
    Integers(i64, i64, Width),
    Decimals(Exact, Exact),
    Doubles(f64, f64),
    Reals(f32, f32),
}

#[derive(Clone, Copy)]
struct Exact {
    value: i128,
    precision: u8,
    scale: u8,
}

impl Exact {
    fn of(datum: &Datum<'_>) -> Option<Self> {
        match datum {
            Datum::Decimal {
                value,
                precision,
                scale,
            } => Some(Self {
                value: *value,
                precision: *precision,
                scale: *scale,
            }),
            Datum::Integer { value, width } => Some(Self {
                value: i128::from(*value),
                precision: match width {
                    Width::Tiny => 3,
                    Width::Small => 5,
                    Width::Plain => 10,
                    Width::Big => 19,
                },
                scale: 0,
            }),
            _ => None,
        }
    }

    fn at_scale(self, scale: u8) -> Option<i256> {
        let factor = ten_to(scale.checked_sub(self.scale)?)?;
        i256::from_i128(self.value).checked_mul(factor)
    }

    fn as_double(self) -> f64 {
        let text = decimal_text(self.value, i8::try_from(self.scale).unwrap_or(0));
        text.parse().unwrap_or(f64::NAN)
    }
}

fn ten_to(power: u8) -> Option<i256> {
    let mut value = i256::ONE;
    for _ in 0..power {
        value = value.checked_mul(i256::from_i128(10))?;
    }
    Some(value)
}

fn as_double(datum: &Datum<'_>) -> Option<f64> {
    match datum {
        Datum::Double(value) => Some(*value),
        Datum::Real(value) => Some(f64::from(*value)),
        Datum::Integer { value, .. } => Some(*value as f64),
        _ => Exact::of(datum).map(Exact::as_double),
    }
}

fn as_real(datum: &Datum<'_>) -> Option<f32> {
    match datum {
        Datum::Real(value) => Some(*value),
        Datum::Integer { value, .. } => Some(*value as f32),
        _ => {
            let exact = Exact::of(datum)?;
            let text = decimal_text(exact.value, i8::try_from(exact.scale).ok()?);
            text.parse().ok()
        }
    }
}

fn pair(left: &Datum<'_>, right: &Datum<'_>) -> Option<Pair> {
    let is_any = |is: fn(&Datum<'_>) -> bool| is(left) || is(right);
    if let (Datum::Integer { value: a, width: v }, Datum::Integer { value: b, width: w }) =
        (left, right)
    {
        return Some(Pair::Integers(*a, *b, *v.max(w)));
    }
    if is_any(|datum| matches!(datum, Datum::Double(_))) {
        return Some(Pair::Doubles(as_double(left)?, as_double(right)?));
    }
    if is_any(|datum| matches!(datum, Datum::Real(_))) {
        return Some(Pair::Reals(as_real(left)?, as_real(right)?));
    }
    Some(Pair::Decimals(Exact::of(left)?, Exact::of(right)?))
}

/// Returns the result of an operator.
///
/// # Errors
/// What is wrong with the operands, or with their result.
pub(super) fn calculate<'a>(
    operator: Operator,
    left: &Datum<'_>,
    right: &Datum<'_>,
) -> Result<Datum<'a>, String> {
    let pair = pair(left, right).ok_or_else(|| {
        let (name, left, right) = (operator.name(), left.type_name(), right.type_name());
        format!("invalid operand types to {name} operator ({left}, {right})")
    })?;
    match pair {
        Pair::Integers(a, b, width) => integers(operator, a, b, width),
        Pair::Decimals(a, b) => decimals(operator, a, b),
        Pair::Doubles(a, b) => Ok(Datum::Double(match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => a / b,
            Operator::Modulus => a % b,
        })),
        Pair::Reals(a, b) => Ok(Datum::Real(match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => a / b,
            Operator::Modulus => a % b,
        })),
    }
}

fn integers<'a>(operator: Operator, a: i64, b: i64, width: Width) -> Result<Datum<'a>, String> {
    let (a, b) = (i128::from(a), i128::from(b));
    if b == 0 && matches!(operator, Operator::Divide | Operator::Modulus) {
        return Err("division by zero".to_owned());
    }
    let value = match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::Modulus => a % b,
    };
    let value = width
        .hold(value)
        .ok_or_else(|| overflow(&value.to_string()))?;
    Ok(Datum::Integer { value, width })
}

fn overflow(value: &str) -> String {
    format!("number out of range: {value}")
}

fn decimals<'a>(operator: Operator, a: Exact, b: Exact) -> Result<Datum<'a>, String> {
    if b.value == 0 && matches!(operator, Operator::Divide | Operator::Modulus) {
        return Err("division by zero".to_owned());
    }
    let scale = a.scale.max(b.scale);
    let whole = (a.precision - a.scale).max(b.precision - b.scale);
    let (precision, scale) = match operator {
        Operator::Add | Operator::Subtract => (whole + scale + 1, scale),
        Operator::Multiply => (a.precision + b.precision, a.scale + b.scale),
        Operator::Divide => (
            a.precision + b.scale + b.scale.saturating_sub(a.scale),
            scale,
        ),
        Operator::Modulus => {
            let whole = (a.precision - a.scale).min(b.precision - b.scale);
            (whole + scale, scale)
        }
    };
    if scale > DIGITS {
        return Err(format!(
            "a decimal has no more than {DIGITS} digits: {scale}"
        ));
    }
    let value = exactly(operator, a, b, scale).and_then(i256::to_i128);
    let largest = 10_i128.pow(u32::from(DIGITS));
    let value = value.filter(|value| value.unsigned_abs() < largest.unsigned_abs());
    Ok(Datum::Decimal {
        value: value.ok_or_else(|| overflow("the result is no decimal of 38 digits"))?,
        precision: precision.clamp(1, DIGITS),
        scale,
    })
}

fn exactly(operator: Operator, a: Exact, b: Exact, scale: u8) -> Option<i256> {
    let (left, right) = (i256::from_i128(a.value), i256::from_i128(b.value));
    match operator {
        Operator::Add => a.at_scale(scale)?.checked_add(b.at_scale(scale)?),
        Operator::Subtract => a.at_scale(scale)?.checked_sub(b.at_scale(scale)?),
        Operator::Multiply => left.checked_mul(right),
        Operator::Modulus => a.at_scale(scale)?.checked_rem(b.at_scale(scale)?),
        Operator::Divide => {
            let dividend = left.checked_mul(ten_to(scale + b.scale - a.scale)?)?;
            let quotient = dividend.checked_div(right)?;
            let rest = dividend.checked_rem(right)?;
            let is_half =
                rest.wrapping_abs().checked_mul(i256::from_i128(2))? >= right.wrapping_abs();
            if !is_half {
                return Some(quotient);
            }
            // Half is away from zero.
            if dividend.is_negative() == right.is_negative() {
                quotient.checked_add(i256::ONE)
            } else {
                quotient.checked_sub(i256::ONE)
            }
        }
    }
}

/// Returns the number with its sign turned; none if its type does not hold that.
pub(super) fn negated<'a>(number: &Datum<'a>) -> Option<Datum<'a>> {
    Some(match number {
        Datum::Integer { value, width } => Datum::Integer {
            value: width.hold(-i128::from(*value))?,
            width: *width,
        },
        Datum::Decimal {
            value,
            precision,
            scale,
        } => Datum::Decimal {
            value: -value,
            precision: *precision,
            scale: *scale,
        },
        Datum::Double(value) => Datum::Double(-value),
        Datum::Real(value) => Datum::Real(-value),
        _ => return None,
    })
}

/// Returns the number without its sign; none if its type does not hold that.
pub(super) fn absolute<'a>(number: &Datum<'a>) -> Option<Datum<'a>> {
    match number {
        Datum::Double(value) => Some(Datum::Double(value.abs())),
        Datum::Real(value) => Some(Datum::Real(value.abs())),
        Datum::Integer { value: 0.., .. } | Datum::Decimal { value: 0.., .. } => {
            Some(number.clone())
        }
        _ => negated(number),
    }
}

/// Where to go from a number with a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Towards {
    Larger,
    Smaller,
}

/// Returns the next whole number; none if it is no number.
pub(super) fn whole<'a>(number: &Datum<'a>, towards: Towards) -> Option<Datum<'a>> {
    Some(match number {
        Datum::Integer { .. } => number.clone(),
        Datum::Double(value) => Datum::Double(match towards {
            Towards::Larger => value.ceil(),
            Towards::Smaller => value.floor(),
        }),
        Datum::Real(value) => Datum::Real(match towards {
            Towards::Larger => value.ceil(),
            Towards::Smaller => value.floor(),
        }),
        Datum::Decimal {
            value,
            precision,
            scale,
        } => {
            let unit = 10_i128.checked_pow(u32::from(*scale))?;
            let floor = value.div_euclid(unit);
            let value = match towards {
                Towards::Larger if value.rem_euclid(unit) > 0 => floor + 1,
                _ => floor,
            };
            Datum::Decimal {
                value,
                precision: (precision - scale + scale.min(&1)).max(1),
                scale: 0,
            }
        }
        _ => return None,
    })
}

/// Returns the nearest double; none if it is no number.
pub(super) fn double(number: &Datum<'_>) -> Option<f64> {
    as_double(number)
}

/// Returns the whole number nearest to a number, half away from zero; none if there is none.
pub(super) fn nearest(number: &Datum<'_>) -> Option<i64> {
    match number {
        Datum::Integer { value, .. } => Some(*value),
        Datum::Double(value) => nearest_of(*value),
        Datum::Real(value) => nearest_of(f64::from(*value)),
        Datum::Decimal { value, scale, .. } => {
            let unit = 10_i128.checked_pow(u32::from(*scale))?;
            let (quotient, rest) = (value / unit, value % unit);
            let away = i128::from(rest.unsigned_abs() * 2 >= unit.unsigned_abs()) * value.signum();
            i64::try_from(quotient + away).ok()
        }
        _ => None,
    }
}

fn nearest_of(value: f64) -> Option<i64> {
    let rounded = value.round();
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded);
    fits.then_some(rounded as i64)
}

/// Returns whether a comparison holds; none if values of these types are not compared.
pub(super) fn compare(comparison: Comparison, left: &Datum<'_>, right: &Datum<'_>) -> Option<bool> {
    let order = order(left, right)?;
    Some(match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    })
}

/// Returns the order of two values, which NaN has none in; none if they are not compared at all.
fn order(left: &Datum<'_>, right: &Datum<'_>) -> Option<Option<Ordering>> {
    match (left, right) {
        (Datum::Boolean(a), Datum::Boolean(b)) => Some(Some(a.cmp(b))),
        (Datum::Text { text: a, kind: k }, Datum::Text { text: b, kind: l }) => {
            let is_padded = |kind: &TextKind| matches!(kind, TextKind::CharOf(_));
            Some(Some(if is_padded(k) || is_padded(l) {
                a.trim_end_matches(' ').cmp(b.trim_end_matches(' '))
            } else {
                a.cmp(b)
            }))
        }
        (Datum::Moment(a), Datum::Moment(b)) => {
            let is_time = |kind| kind == MomentKind::Time;
            if is_time(a.kind) != is_time(b.kind) {
                return None;
            }
            let has_zone = |kind| kind == MomentKind::TimestampTz;
            Some(Some(if has_zone(a.kind) || has_zone(b.kind) {
                a.instant.cmp(&b.instant)
            } else {
                a.wall.cmp(&b.wall)
            }))
        }
        _ => Some(match pair(left, right)? {
            Pair::Integers(a, b, _) => Some(a.cmp(&b)),
            Pair::Doubles(a, b) => a.partial_cmp(&b),
            Pair::Reals(a, b) => a.partial_cmp(&b),
            Pair::Decimals(a, b) => {
                let scale = a.scale.max(b.scale);
                Some(a.at_scale(scale)?.cmp(&b.at_scale(scale)?))
            }
        }),
    }
}
