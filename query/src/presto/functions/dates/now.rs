//! `localtime` and `localtimestamp`: the wall time at which the query started.

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::NaiveDateTime;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};

use super::moments::{as_type, parse_zone, scaled};
use crate::presto::functions::call::{Call, failure, invalid};
use crate::presto::functions::scalar::Planned;

fn unit(digits: Option<i64>) -> Result<TimeUnit> {
    Ok(match digits {
        None => TimeUnit::Millisecond,
        Some(0) => TimeUnit::Second,
        Some(1..=3) => TimeUnit::Millisecond,
        Some(4..=6) => TimeUnit::Microsecond,
        Some(7..=9) => TimeUnit::Nanosecond,
        Some(other) => {
            let message = format!("a precision of {other} digits is not supported");
            return Err(failure("NOT_SUPPORTED", message));
        }
    })
}

fn integer(value: &ScalarValue) -> Option<i64> {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(value)) => value,
        _ => None,
    }
}

fn planned_unit(planned: &Planned<'_>) -> Result<TimeUnit> {
    let digits = planned.constants.first().and_then(Option::as_ref);
    unit(digits.and_then(integer))
}

pub(super) fn timestamp_type(planned: &Planned<'_>) -> Result<DataType> {
    Ok(DataType::Timestamp(planned_unit(planned)?, None))
}

pub(super) fn time_type(planned: &Planned<'_>) -> Result<DataType> {
    Ok(time(planned_unit(planned)?))
}

const fn time(unit: TimeUnit) -> DataType {
    match unit {
        TimeUnit::Second | TimeUnit::Millisecond => DataType::Time32(unit),
        _ => DataType::Time64(unit),
    }
}

const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// The planner replaces these calls by their value.
pub(super) fn not_planned(_: &Call) -> Result<ArrayRef> {
    Err(invalid("the time of the query is not known"))
}

fn started(args: &[Expr], info: &SimplifyContext) -> Result<Option<(NaiveDateTime, TimeUnit)>> {
    let Some(start) = info.query_execution_start_time() else {
        return Ok(None);
    };
    let digits = match args.first() {
        Some(Expr::Literal(value, _)) => integer(value),
        _ => None,
    };
    let zone = info.config_options().execution.time_zone.as_deref();
    let local = start.with_timezone(&parse_zone(zone.unwrap_or("UTC"))?);
    Ok(Some((local.naive_local(), unit(digits)?)))
}

fn constant(units: i64, data_type: &DataType) -> Result<ExprSimplifyResult> {
    let array = as_type(Int64Array::from(vec![units]), data_type)?;
    let value = ScalarValue::try_from_array(&array, 0)?;
    Ok(ExprSimplifyResult::Simplified(Expr::Literal(value, None)))
}

pub(super) fn localtimestamp(
    args: Vec<Expr>,
    info: &SimplifyContext,
) -> Result<ExprSimplifyResult> {
    let Some((local, unit)) = started(&args, info)? else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    constant(
        scaled(local, per_second(unit))?,
        &DataType::Timestamp(unit, None),
    )
}

pub(super) fn localtime(args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
    let Some((local, unit)) = started(&args, info)? else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    let day = 86_400 * per_second(unit);
    let units = scaled(local, per_second(unit))?.rem_euclid(day);
    constant(units, &time(unit))
}
