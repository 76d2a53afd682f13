//! `+ - * / %` as Presto computes them: integers are checked, decimals have Presto's precision and scale, and dates
//! take intervals.
//!
//! | left, right | result |
//! |---|---|
//! | integers | the wider one |
//! | decimal, decimal or integer | decimal |
//! | real or double with a number | real or double |
//! | date, time, timestamp ± interval | as left |
//! | date - date, timestamp - timestamp | interval day to second |
//! | interval ± interval, interval * number, interval / number | interval |

mod decimals;
mod intervals;
mod moments;

use arrow::array::{Array, ArrayRef, Datum};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs};

use self::decimals::DecimalRule;
pub(super) use self::decimals::rescale;
pub(super) use self::intervals::{day_to_second, nanos as interval_nanos};
pub(super) use self::moments::{moments, numbers as moment_numbers};
use super::function::{Kernel, arrow_failure, by_arrays, call, failure, unexpected, value_type};
use crate::presto::common_type::{as_decimal, common_type};
use crate::presto::types::type_name;
use crate::presto::zoned_time::is_zoned_time;

/// An operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Operation {
    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Add => "addition",
            Self::Subtract => "subtraction",
            Self::Multiply => "multiplication",
            Self::Divide => "division",
            Self::Modulo => "modulus",
        }
    }
}

/// Returns `left operation right`.
pub(super) fn arithmetic(operation: Operation, left: Expr, right: Expr) -> Expr {
    call(Arithmetic(operation), vec![left, right])
}

/// Returns `-value`.
pub(super) fn negate(value: Expr) -> Expr {
    call(Negate, vec![value])
}

/// How a pair of types is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// With Arrow's checked kernels, on one type.
    Number,
    Decimal(DecimalRule),
    /// A date, time or timestamp and an interval.
    Moment,
    /// An interval and a date, time or timestamp.
    MomentOnTheRight,
    /// Between two dates or timestamps.
    Difference,
    Intervals,
    /// An interval and a number.
    Scaled,
    /// A number and an interval.
    ScaledOnTheRight,
}

struct Typing {
    left: DataType,
    right: DataType,
    result: DataType,
    method: Method,
}

impl Typing {
    fn same(data_type: DataType, method: Method) -> Self {
        Self {
            left: data_type.clone(),
            right: data_type.clone(),
            result: data_type,
            method,
        }
    }
}

const YEAR_TO_MONTH: DataType = DataType::Interval(IntervalUnit::YearMonth);
const DAY_TO_SECOND: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Returns the rank of a number's type: the result of two has the higher one.
fn rank(data_type: &DataType) -> Option<u8> {
    Some(match data_type {
        DataType::Int8 => 0,
        DataType::Int16 => 1,
        DataType::Int32 => 2,
        DataType::Int64 => 3,
        DataType::Decimal128(..) => 4,
        DataType::Float32 => 5,
        DataType::Float64 => 6,
        _ => return None,
    })
}

/// Returns the type that we compute with for each type of Arrow.
fn plain(data_type: &DataType) -> DataType {
    match value_type(data_type) {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Decimal256(p, s) => DataType::Decimal128((*p).min(38), *s),
        DataType::Date64 => DataType::Date32,
        DataType::Duration(_) | DataType::Interval(IntervalUnit::DayTime) => DAY_TO_SECOND,
        other => other.clone(),
    }
}

fn typing(operation: Operation, left: &DataType, right: &DataType) -> Result<Typing> {
    use Operation as O;
    let (left, right) = match (plain(left), plain(right)) {
        (DataType::Null, DataType::Null) => (DataType::Int32, DataType::Int32),
        (DataType::Null, right) => (beside(&right, operation), right),
        (left, DataType::Null) => (left.clone(), beside(&left, operation)),
        pair => pair,
    };
    if let (Some(l), Some(r)) = (rank(&left), rank(&right)) {
        return numbers(
            operation,
            if l >= r { &left } else { &right },
            &left,
            &right,
        );
    }
    let mismatch = || {
        let (left, right) = (type_name(&left), type_name(&right));
        let sign = operation.sign();
        failure(
            "TYPE_MISMATCH",
            format!("Cannot apply operator: {left} {sign} {right}"),
        )
    };
    let typing = match (&left, operation, &right) {
        (moment, O::Add | O::Subtract, interval) if is_moment(moment) && is_interval(interval) => {
            let result = with_interval(moment, interval).ok_or_else(mismatch)?;
            Typing {
                left: result.clone(),
                right: interval.clone(),
                result,
                method: Method::Moment,
            }
        }
        (interval, O::Add, moment) if is_moment(moment) && is_interval(interval) => {
            let result = with_interval(moment, interval).ok_or_else(mismatch)?;
            Typing {
                left: interval.clone(),
                right: result.clone(),
                result,
                method: Method::MomentOnTheRight,
            }
        }
        (_, O::Subtract, _) if let Some(common) = common_moment(&left, &right) => Typing {
            result: DAY_TO_SECOND,
            ..Typing::same(common, Method::Difference)
        },
        (l, O::Add | O::Subtract, r) if l == r && is_interval(l) => {
            Typing::same(l.clone(), Method::Intervals)
        }
        (interval, O::Multiply | O::Divide, number) if is_interval(interval) => Typing {
            left: interval.clone(),
            right: factor(number).ok_or_else(mismatch)?,
            result: interval.clone(),
            method: Method::Scaled,
        },
        (number, O::Multiply, interval) if is_interval(interval) => Typing {
            left: factor(number).ok_or_else(mismatch)?,
            right: interval.clone(),
            result: interval.clone(),
            method: Method::ScaledOnTheRight,
        },
        _ => return Err(mismatch()),
    };
    Ok(typing)
}

/// Returns the type of a NULL without a type.
fn beside(other: &DataType, operation: Operation) -> DataType {
    match other {
        other if is_moment(other) => DAY_TO_SECOND,
        other
            if is_interval(other) && !matches!(operation, Operation::Add | Operation::Subtract) =>
        {
            DataType::Int64
        }
        other => other.clone(),
    }
}

fn numbers(
    operation: Operation,
    wider: &DataType,
    left: &DataType,
    right: &DataType,
) -> Result<Typing> {
    if !matches!(wider, DataType::Decimal128(..)) {
        return Ok(Typing::same(wider.clone(), Method::Number));
    }
    let (Some(left), Some(right)) = (as_decimal(left), as_decimal(right)) else {
        return Err(unexpected("number"));
    };
    let rule = DecimalRule::new(operation, left, right)?;
    Ok(Typing {
        left: DataType::Decimal128(left.0, left.1),
        right: DataType::Decimal128(right.0, right.1),
        result: DataType::Decimal128(rule.precision, rule.scale),
        method: Method::Decimal(rule),
    })
}

fn is_interval(data_type: &DataType) -> bool {
    *data_type == YEAR_TO_MONTH || *data_type == DAY_TO_SECOND
}

fn is_moment(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) | DataType::Timestamp(..)
    )
}

/// Returns the type of a moment with an interval added; milliseconds are what an interval of days needs at least.
fn with_interval(moment: &DataType, interval: &DataType) -> Option<DataType> {
    let finer = |unit: &TimeUnit| match unit {
        TimeUnit::Second if *interval == DAY_TO_SECOND => TimeUnit::Millisecond,
        other => *other,
    };
    match moment {
        DataType::Date32 => Some(DataType::Date32),
        DataType::Time32(unit) if *interval == DAY_TO_SECOND => Some(DataType::Time32(finer(unit))),
        DataType::Time64(_) if *interval == DAY_TO_SECOND => Some(moment.clone()),
        zoned if is_zoned_time(zoned) && *interval != DAY_TO_SECOND => None,
        DataType::Timestamp(unit, zone) => Some(DataType::Timestamp(finer(unit), zone.clone())),
        _ => None,
    }
}

/// Returns the type both sides of a difference are compared in.
fn common_moment(left: &DataType, right: &DataType) -> Option<DataType> {
    let is_difference =
        is_moment(left) && is_moment(right) && is_zoned_time(left) == is_zoned_time(right);
    match common_type(left, right).filter(|_| is_difference)? {
        DataType::Time32(_) | DataType::Time64(_) => Some(DataType::Time64(TimeUnit::Nanosecond)),
        other => Some(other),
    }
}

/// Returns the type in which an interval is multiplied with a number.
fn factor(number: &DataType) -> Option<DataType> {
    rank(number).map(|rank| {
        if rank <= 3 {
            DataType::Int64
        } else {
            DataType::Float64
        }
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic(Operation);

impl Kernel for Arithmetic {
    fn name(&self) -> &'static str {
        self.0.sign()
    }

    fn coerce(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = types else {
            return Err(unexpected("two sides"));
        };
        let typing = typing(self.0, left, right)?;
        Ok(vec![typing.left, typing.right])
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let [left, right] = args.arg_fields else {
            return Err(unexpected("two sides"));
        };
        let typing = typing(self.0, left.data_type(), right.data_type())?;
        let is_nullable = left.is_nullable() || right.is_nullable();
        Ok(Field::new(self.name(), typing.result, is_nullable))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return Err(unexpected("two sides"));
        };
        let typing = typing(self.0, &left.data_type(), &right.data_type())?;
        match typing.method {
            Method::Number => number(self.0, left, right, &typing.result),
            Method::Decimal(rule) => decimals::run(&rule, left, right),
            Method::Moment => by_arrays(args, |arrays| match arrays {
                [moment, interval] => {
                    moments::shift(moment, interval, self.0 == Operation::Subtract)
                }
                _ => Err(unexpected("two sides")),
            }),
            Method::MomentOnTheRight => by_arrays(args, |arrays| match arrays {
                [interval, moment] => moments::shift(moment, interval, false),
                _ => Err(unexpected("two sides")),
            }),
            Method::Difference => by_arrays(args, |arrays| match arrays {
                [left, right] => moments::difference(left, right),
                _ => Err(unexpected("two sides")),
            }),
            Method::Intervals => by_arrays(args, |arrays| match arrays {
                [left, right] => intervals::add(left, right, self.0 == Operation::Subtract),
                _ => Err(unexpected("two sides")),
            }),
            Method::Scaled => by_arrays(args, |arrays| match arrays {
                [interval, number] => {
                    intervals::scale(interval, number, self.0 == Operation::Divide)
                }
                _ => Err(unexpected("two sides")),
            }),
            Method::ScaledOnTheRight => by_arrays(args, |arrays| match arrays {
                [number, interval] => intervals::scale(interval, number, false),
                _ => Err(unexpected("two sides")),
            }),
        }
    }
}

fn number(
    operation: Operation,
    left: &ColumnarValue,
    right: &ColumnarValue,
    data_type: &DataType,
) -> Result<ColumnarValue> {
    let kernel: fn(&dyn Datum, &dyn Datum) -> Result<ArrayRef, ArrowError> = match operation {
        Operation::Add => numeric::add,
        Operation::Subtract => numeric::sub,
        Operation::Multiply => numeric::mul,
        Operation::Divide => numeric::div,
        Operation::Modulo => numeric::rem,
    };
    let result = apply(left, right, kernel);
    Ok(result.map_err(|error| checked(error, operation.noun(), data_type))?)
}

/// Calls the kernel without making arrays of constants.
fn apply(
    left: &ColumnarValue,
    right: &ColumnarValue,
    kernel: fn(&dyn Datum, &dyn Datum) -> Result<ArrayRef, ArrowError>,
) -> Result<ColumnarValue, ArrowError> {
    let scalar = |value: &ScalarValue| {
        value
            .to_scalar()
            .map_err(|error| ArrowError::ComputeError(error.to_string()))
    };
    Ok(ColumnarValue::Array(match (left, right) {
        (ColumnarValue::Array(left), ColumnarValue::Array(right)) => kernel(left, right)?,
        (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => {
            kernel(left, &scalar(right)?)?
        }
        (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => {
            kernel(&scalar(left)?, right)?
        }
        (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)) => {
            let result = kernel(&scalar(left)?, &scalar(right)?)?;
            let value = ScalarValue::try_from_array(&result, 0)
                .map_err(|error| ArrowError::ComputeError(error.to_string()))?;
            return Ok(ColumnarValue::Scalar(value));
        }
    }))
}

/// Returns Arrow's error in Presto's words.
fn checked(error: ArrowError, noun: &str, data_type: &DataType) -> ArrowError {
    match error {
        ArrowError::DivideByZero => arrow_failure("DIVISION_BY_ZERO", "Division by zero"),
        ArrowError::ArithmeticOverflow(text) => {
            let values = text
                .trim_start_matches("Overflow happened on: ")
                .trim_start_matches("- ");
            let name = type_name(data_type);
            arrow_failure(
                "NUMERIC_VALUE_OUT_OF_RANGE",
                format!("{name} {noun} overflow: {values}"),
            )
        }
        other => other,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Negate;

impl Kernel for Negate {
    fn name(&self) -> &'static str {
        "negate"
    }

    fn coerce(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let coerced = types.iter().map(|data_type| match plain(data_type) {
            DataType::Null => Ok(DataType::Int32),
            other if rank(&other).is_some() || matches!(other, DataType::Interval(_)) => Ok(other),
            other => Err(failure(
                "TYPE_MISMATCH",
                format!("Cannot negate {}", type_name(&other)),
            )),
        });
        coerced.collect()
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let [value] = args.arg_fields else {
            return Err(unexpected("one value"));
        };
        let types = self.coerce(&[value.data_type().clone()])?;
        let data_type = types.first().cloned().unwrap_or(DataType::Null);
        Ok(Field::new(self.name(), data_type, value.is_nullable()))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        by_arrays(args, |arrays| match arrays {
            [value] if matches!(value.data_type(), DataType::Interval(_)) => {
                intervals::negate(value)
            }
            [value] => Ok(numeric::neg(value.as_ref())
                .map_err(|error| checked(error, "negation", value.data_type()))?),
            _ => Err(unexpected("one value")),
        })
    }
}

#[cfg(test)]
mod tests;
