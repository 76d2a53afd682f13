//! Time zones: `AT TIME ZONE`, and the time at which the query began.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, Volatility,
};

use super::arithmetic::{interval_nanos, moment_numbers, moments};
use super::function::{Kernel, by_arrays, call, failure, unexpected};
use crate::presto::temporal::{
    NANOS_PER_DAY, NANOS_PER_SECOND, local_to_utc, nanos_of, normalize_zone, round_to, utc_to_local,
};
use crate::presto::types::type_name;
use crate::presto::zoned_time::{of_zone, unit_and_offset, utc_nanos, value_of};

/// Returns `moment AT TIME ZONE zone`.
///
/// # Errors
/// The zone is not constant, or there is none of that name.
pub(super) fn at_time_zone(moment: Expr, zone: &Expr) -> Result<Expr> {
    let Expr::Literal(zone, _) = zone else {
        return Err(failure(
            "NOT_SUPPORTED",
            "AT TIME ZONE with a zone that is not constant",
        ));
    };
    let zone = match zone {
        ScalarValue::Utf8(Some(zone)) => normalize_zone(zone).ok_or_else(|| {
            failure(
                "INVALID_FUNCTION_ARGUMENT",
                format!("'{zone}' is not a valid time zone"),
            )
        })?,
        ScalarValue::IntervalMonthDayNano(Some(offset)) if offset.months == 0 => {
            let minutes = interval_nanos(*offset) / (60 * NANOS_PER_SECOND);
            let (sign, minutes) = if minutes < 0 {
                ('-', -minutes)
            } else {
                ('+', minutes)
            };
            let text = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
            normalize_zone(&text).ok_or_else(|| {
                failure(
                    "INVALID_FUNCTION_ARGUMENT",
                    format!("Invalid offset minutes {minutes}"),
                )
            })?
        }
        _ => {
            return Err(failure(
                "TYPE_MISMATCH",
                "Type of time zone must be varchar or interval",
            ));
        }
    };
    Ok(call(AtTimeZone { zone }, vec![moment]))
}

/// Returns a moment in the zone; one without a zone is in the session's.
pub(super) fn in_zone(moment: Expr, zone: &str) -> Expr {
    let zone = zone.to_owned();
    call(AtTimeZone { zone }, vec![moment])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AtTimeZone {
    zone: String,
}

impl Kernel for AtTimeZone {
    fn name(&self) -> &'static str {
        "at_time_zone"
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let moment = args
            .arg_fields
            .first()
            .ok_or_else(|| unexpected("moment"))?;
        let unit = match moment.data_type() {
            time if let Some(unit) = unit_of_time(time) => {
                let zoned = of_zone(unit, &self.zone).ok_or_else(|| unexpected("zone"))?;
                return Ok(Field::new(self.name(), zoned, moment.is_nullable()));
            }
            DataType::Timestamp(unit, _) => *unit,
            DataType::Null => TimeUnit::Millisecond,
            other => {
                return Err(failure(
                    "TYPE_MISMATCH",
                    format!(
                        "Type of value must be a time or timestamp with or without time zone (actual {})",
                        type_name(other)
                    ),
                ));
            }
        };
        let zone = Some(Arc::from(self.zone.as_str()));
        Ok(Field::new(
            self.name(),
            DataType::Timestamp(unit, zone),
            moment.is_nullable(),
        ))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let session_zone = args.config_options.execution.time_zone.as_deref();
        let session_zone = session_zone.unwrap_or("UTC");
        let session: Tz = session_zone.parse()?;
        by_arrays(args, |arrays| {
            let [array] = arrays else {
                return Err(unexpected("moment"));
            };
            let target = args.return_field.data_type();
            if let DataType::Time32(unit) | DataType::Time64(unit) = array.data_type() {
                return in_session(array, *unit, session_zone, target);
            }
            let DataType::Timestamp(unit, zone) = array.data_type() else {
                return Ok(arrow::array::new_null_array(target, array.len()));
            };
            let values = moment_numbers(array)?;
            if zone.is_some() {
                return moments(values, target);
            }
            // Wall time is that of the session.
            let step = nanos_of(*unit);
            let utc = (0..values.len()).map(|row| {
                if values.is_null(row) {
                    return Ok(None);
                }
                let nanos = local_to_utc(i128::from(values.value(row)) * step, &session);
                let value = nanos.and_then(|nanos| i64::try_from(nanos.div_euclid(step)).ok());
                value
                    .map(Some)
                    .ok_or_else(|| failure("INVALID_FUNCTION_ARGUMENT", "timestamp out of range"))
            });
            moments(utc.collect::<Result<Int64Array>>()?, target)
        })
    }
}

/// Returns the unit of times, with a zone or without.
fn unit_of_time(data_type: &DataType) -> Option<TimeUnit> {
    match data_type {
        DataType::Time32(unit) | DataType::Time64(unit) => Some(*unit),
        zoned => unit_and_offset(zoned).map(|(unit, _)| unit),
    }
}

/// Returns times of the session's clocks as times with a zone.
fn in_session(
    array: &ArrayRef,
    unit: TimeUnit,
    session_zone: &str,
    target: &DataType,
) -> Result<ArrayRef> {
    let session = of_zone(unit, session_zone);
    let (_, offset) = session
        .as_ref()
        .and_then(unit_and_offset)
        .ok_or_else(|| unexpected("zone"))?;
    let local = moment_numbers(array)?;
    let utc = local.try_unary::<_, Int64Type, DataFusionError>(|local| {
        let nanos = utc_nanos(i128::from(local) * nanos_of(unit), offset);
        i64::try_from(value_of(nanos, unit)).map_err(|_| unexpected("time"))
    })?;
    moments(utc, target)
}

/// Returns the time at which the query began, as a value of the type; wall time is that of the session.
pub(super) fn now(data_type: DataType) -> Expr {
    call(Now { data_type }, Vec::new())
}

/// Is replaced with a constant before the query runs.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Now {
    data_type: DataType,
}

impl Kernel for Now {
    fn name(&self) -> &'static str {
        "now"
    }

    fn volatility(&self) -> Volatility {
        Volatility::Stable
    }

    fn returns(&self, _: &ReturnFieldArgs<'_>) -> Result<Field> {
        Ok(Field::new(self.name(), self.data_type.clone(), false))
    }

    fn run(&self, _: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(unexpected(
            "the time of the query is known when it is planned",
        ))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(began) = info.query_execution_start_time() else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let utc = i128::from(began.timestamp_micros()) * 1000;
        let zone = info.config_options().execution.time_zone.as_deref();
        let zone: Tz = zone.unwrap_or("UTC").parse()?;
        let local = utc_to_local(utc, &zone).ok_or_else(|| unexpected("time"))?;
        let number = match &self.data_type {
            DataType::Date32 => local.div_euclid(NANOS_PER_DAY),
            DataType::Time32(unit) | DataType::Time64(unit) => {
                round_to(local.rem_euclid(NANOS_PER_DAY), *unit)
                    .rem_euclid(NANOS_PER_DAY / nanos_of(*unit))
            }
            zoned if let Some((unit, _)) = unit_and_offset(zoned) => value_of(utc, unit),
            DataType::Timestamp(unit, Some(_)) => round_to(utc, *unit),
            DataType::Timestamp(unit, None) => round_to(local, *unit),
            _ => return Err(unexpected("type of the time of the query")),
        };
        let number = i64::try_from(number).map_err(|_| unexpected("time"))?;
        let value = moments(Int64Array::from(vec![number]), &self.data_type)?;
        let value = ScalarValue::try_from_array(&value, 0)?;
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(value, None)))
    }
}
