//! Dates, times and timestamps with intervals, and the time between two of them.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Int64Type, IntervalMonthDayNanoType, IntervalYearMonthType, TimeUnit,
};
use chrono::NaiveTime;
use datafusion::error::{DataFusionError, Result};

use super::super::function::{failure, unexpected};
use super::intervals::{day_to_second, nanos};
use crate::presto::temporal::{
    NANOS_PER_DAY, add_months, date_of, days_of, local_to_utc, nanos_of, round_to, utc_to_local,
    wall_time,
};
use crate::presto::zoned_time::{unit_and_offset, value_of};

fn out_of_range(what: &str) -> DataFusionError {
    failure("INVALID_FUNCTION_ARGUMENT", format!("{what} out of range"))
}

/// Returns the values as numbers of the type's unit.
pub(in super::super) fn numbers(array: &ArrayRef) -> Result<Int64Array> {
    let array = match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => &cast(array, &DataType::Int32)?,
        _ => array,
    };
    Ok(cast(array, &DataType::Int64)?
        .as_primitive::<Int64Type>()
        .clone())
}

/// Returns numbers of the type's unit as values of the type.
pub(in super::super) fn moments(values: Int64Array, data_type: &DataType) -> Result<ArrayRef> {
    let values: ArrayRef = Arc::new(values);
    let values = match data_type {
        DataType::Date32 | DataType::Time32(_) => cast(&values, &DataType::Int32)?,
        _ => values,
    };
    Ok(cast(&values, data_type)?)
}

/// What is added in a row.
struct Step {
    months: i32,
    nanos: i128,
}

/// Moves a moment, a number of its type's unit.
type Shift = Box<dyn Fn(i64, &Step) -> Result<i64>>;

fn steps(interval: &ArrayRef, is_subtraction: bool) -> Result<Vec<Step>> {
    let sign = if is_subtraction { -1 } else { 1 };
    let step = |months: i32, nanos: i128| -> Result<Step> {
        let months = months
            .checked_mul(sign)
            .ok_or_else(|| out_of_range("interval"))?;
        Ok(Step {
            months,
            nanos: nanos * i128::from(sign),
        })
    };
    if let Some(months) = interval.as_primitive_opt::<IntervalYearMonthType>() {
        return months
            .values()
            .iter()
            .map(|months| step(*months, 0))
            .collect();
    }
    let values = interval
        .as_primitive_opt::<IntervalMonthDayNanoType>()
        .ok_or_else(|| unexpected("interval"))?;
    let steps = values
        .values()
        .iter()
        .map(|value| step(value.months, nanos(*value)));
    steps.collect()
}

/// Adds the interval or takes it away.
pub(super) fn shift(
    moment: &ArrayRef,
    interval: &ArrayRef,
    is_subtraction: bool,
) -> Result<ArrayRef> {
    let values = numbers(moment)?;
    let steps = steps(interval, is_subtraction)?;
    let add: Shift = match moment.data_type() {
        DataType::Date32 => Box::new(shift_date),
        DataType::Time32(unit) | DataType::Time64(unit) => {
            let unit = nanos_of(*unit);
            Box::new(move |value, step| {
                let nanos = i128::from(value) * unit + step.nanos;
                i64::try_from(nanos.rem_euclid(NANOS_PER_DAY) / unit)
                    .map_err(|_| out_of_range("time"))
            })
        }
        zoned if let Some((unit, _)) = unit_and_offset(zoned) => {
            let step_nanos = nanos_of(unit);
            Box::new(move |value, step| {
                let nanos = i128::from(value) * step_nanos + step.nanos;
                i64::try_from(value_of(nanos, unit)).map_err(|_| out_of_range("time"))
            })
        }
        DataType::Timestamp(unit, zone) => {
            let unit = *unit;
            let zone = zone.as_ref().map(|zone| zone.parse::<Tz>()).transpose()?;
            Box::new(move |value, step| shift_timestamp(value, unit, zone.as_ref(), step))
        }
        _ => return Err(unexpected("moment")),
    };
    let shifted = (0..values.len()).zip(&steps).map(|(row, step)| {
        if values.is_null(row) || interval.is_null(row) {
            return Ok(None);
        }
        add(values.value(row), step).map(Some)
    });
    moments(shifted.collect::<Result<Int64Array>>()?, moment.data_type())
}

fn shift_date(days: i64, step: &Step) -> Result<i64> {
    if step.nanos % NANOS_PER_DAY != 0 {
        return Err(failure(
            "INVALID_FUNCTION_ARGUMENT",
            "Cannot add hour, minutes or seconds to a date",
        ));
    }
    let mut days = days;
    if step.months != 0 {
        let date = date_of(days).and_then(|date| add_months(date, step.months));
        days = i64::from(days_of(date.ok_or_else(|| out_of_range("date"))?));
    }
    let more = i64::try_from(step.nanos / NANOS_PER_DAY).map_err(|_| out_of_range("date"))?;
    let days = days.saturating_add(more);
    i32::try_from(days)
        .map_err(|_| out_of_range("date"))
        .map(i64::from)
}

fn shift_timestamp(value: i64, unit: TimeUnit, zone: Option<&Tz>, step: &Step) -> Result<i64> {
    let mut nanos = i128::from(value) * nanos_of(unit);
    if step.months != 0 {
        let shifted = months_later(nanos, zone, step.months);
        nanos = shifted.ok_or_else(|| out_of_range("timestamp"))?;
    }
    let shifted = (nanos + step.nanos).div_euclid(nanos_of(unit));
    i64::try_from(shifted).map_err(|_| out_of_range("timestamp"))
}

/// Returns the moment that clocks in the zone show the same time at, months later.
fn months_later(nanos: i128, zone: Option<&Tz>, months: i32) -> Option<i128> {
    let local = match zone {
        Some(zone) => utc_to_local(nanos, zone)?,
        None => nanos,
    };
    let wall = wall_time(local)?;
    let since_midnight = wall
        .time()
        .signed_duration_since(NaiveTime::MIN)
        .num_nanoseconds()?;
    let days = days_of(add_months(wall.date(), months)?);
    let local = i128::from(days) * NANOS_PER_DAY + i128::from(since_midnight);
    match zone {
        Some(zone) => local_to_utc(local, zone),
        None => Some(local),
    }
}

/// Returns the time between two moments of one type as an interval of whole milliseconds.
pub(super) fn difference(left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
    let unit = match left.data_type() {
        DataType::Date32 => NANOS_PER_DAY,
        DataType::Time32(unit) | DataType::Time64(unit) | DataType::Timestamp(unit, _) => {
            nanos_of(*unit)
        }
        _ => return Err(unexpected("moment")),
    };
    let (l, r) = (numbers(left)?, numbers(right)?);
    let between = (0..l.len()).map(|row| {
        if l.is_null(row) || r.is_null(row) {
            return Ok(None);
        }
        let nanos = (i128::from(l.value(row)) - i128::from(r.value(row))) * unit;
        let millis = round_to(nanos, TimeUnit::Millisecond);
        day_to_second(millis * nanos_of(TimeUnit::Millisecond)).map(Some)
    });
    let between = between.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(IntervalMonthDayNanoArray::from(between)))
}
