//! Time zones and times since the epoch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Decimal128Type, TimeUnit};
use datafusion::error::Result;

use super::moments::{
    Moments, as_type, build, name_of_zone, numbers, parse_zone, scaled, to_instant,
};
use crate::presto::functions::call::{Call, Double, Long, failure, invalid};
use crate::presto::functions::scalar::Planned;
use crate::presto::temporal::normalize_zone;
use crate::presto::zoned_time::{offset_text, unit_and_offset};

/// Returns the type with the zone that a constant second argument names.
pub(super) fn in_second(planned: &Planned<'_>) -> Result<DataType> {
    let unit = match planned.type_at(0) {
        DataType::Timestamp(unit, _) => unit,
        _ => TimeUnit::Millisecond,
    };
    Ok(DataType::Timestamp(unit, Some(constant_zone(planned, 1)?)))
}

fn constant_zone(planned: &Planned<'_>, position: usize) -> Result<Arc<str>> {
    if planned.constants.get(position).is_some_and(|value| {
        value
            .as_ref()
            .is_some_and(datafusion::common::ScalarValue::is_null)
    }) {
        return Ok(Arc::from(planned.zone));
    }
    let Some(zone) = planned.text(position) else {
        // A column has one zone; rows with zones of their own have no type.
        return Err(failure(
            "NOT_SUPPORTED",
            "a time zone that is not a constant is not supported",
        ));
    };
    Ok(name_of_zone(&zone)?.into())
}

pub(super) fn of_unixtime(planned: &Planned<'_>) -> Result<DataType> {
    let zone = match planned.types.len() {
        1 => Arc::from(planned.zone),
        2 => {
            if let Some(zone) = planned.text(1)
                && !zone.is_empty()
                && normalize_zone(&zone).is_none()
            {
                let message = format!("Time zone not supported: {zone}");
                return Err(failure("NOT_SUPPORTED", message));
            }
            constant_zone(planned, 1)?
        }
        _ => constant_offset(planned)?,
    };
    Ok(DataType::Timestamp(TimeUnit::Millisecond, Some(zone)))
}

fn constant_offset(planned: &Planned<'_>) -> Result<Arc<str>> {
    let number = |position: usize| -> Option<i64> {
        let value = planned.constants.get(position)?.as_ref()?;
        let value = value.cast_to(&DataType::Int64).ok()?;
        match value {
            datafusion::common::ScalarValue::Int64(value) => value,
            _ => None,
        }
    };
    let (Some(hours), Some(minutes)) = (number(1), number(2)) else {
        return Err(failure(
            "NOT_SUPPORTED",
            "a time zone that is not a constant is not supported",
        ));
    };
    let total = hours.saturating_mul(60).saturating_add(minutes);
    if total.abs() > 14 * 60 {
        return Err(invalid(format!("Invalid offset minutes {total}")));
    }
    if total == 0 {
        return Ok(Arc::from("UTC"));
    }
    let sign = if total < 0 { '-' } else { '+' };
    let total = total.abs();
    Ok(format!("{sign}{:02}:{:02}", total / 60, total % 60).into())
}

/// `at_timezone(x, zone)`: the same instant.
pub(super) fn at_timezone(call: &Call) -> Result<ArrayRef> {
    let moments = Moments::of(call, 0)?;
    let result = build(call.rows, |row| {
        Ok(moments.raw(row).filter(|_| !call.is_null(1, row)))
    })?;
    as_type(result, &call.returns)
}

/// `with_timezone(x, zone)`: the same wall time.
pub(super) fn with_timezone(call: &Call) -> Result<ArrayRef> {
    let moments = Moments::of(call, 0)?;
    let DataType::Timestamp(_, Some(zone)) = &call.returns else {
        return Err(invalid("no time zone"));
    };
    let zone = parse_zone(zone)?;
    let result = build(call.rows, |row| {
        let Some(local) = moments.local(row)?.filter(|_| !call.is_null(1, row)) else {
            return Ok(None);
        };
        scaled(to_instant(&zone, local)?, moments.per_second).map(Some)
    })?;
    as_type(result, &call.returns)
}

/// `from_unixtime(seconds [, zone | , hours, minutes])`.
pub(super) fn from_unixtime(call: &Call) -> Result<ArrayRef> {
    let result = build(call.rows, |row| {
        if call.any_null(row) {
            return Ok(None);
        }
        let Some(seconds) = call.get::<Double>(0, row) else {
            return Ok(None);
        };
        millis(seconds).map(Some)
    })?;
    as_type(result, &call.returns)
}

fn millis(seconds: f64) -> Result<i64> {
    let millis = (seconds * 1_000.0 + 0.5).floor();
    // What a timestamp with time zone holds.
    if millis.abs() >= 2_251_799_813_685_248.0 {
        let shown = millis as i64;
        return Err(invalid(format!("Millis overflow: {shown}")));
    }
    Ok(if millis.is_nan() { 0 } else { millis as i64 })
}

/// `from_unixtime_nanos(bigint | decimal)`.
pub(super) fn from_unixtime_nanos(call: &Call) -> Result<ArrayRef> {
    let result = match call.data_type(0) {
        DataType::Decimal128(_, scale) => {
            let values = call.primitive::<Decimal128Type>(0)?;
            let divisor = 10_i128.pow(u32::from(scale.unsigned_abs()));
            build(call.rows, |row| {
                let row = call.row(0, row);
                if values.is_null(row) {
                    return Ok(None);
                }
                let value = values.value(row);
                let half = if value < 0 { -divisor / 2 } else { divisor / 2 };
                let nanos = i64::try_from((value + half) / divisor);
                nanos.map(Some).map_err(|_| invalid("long overflow"))
            })?
        }
        _ => build(call.rows, |row| Ok(call.get::<Long>(0, row)))?,
    };
    as_type(result, &call.returns)
}

/// `to_unixtime(x)`: seconds with their fraction.
pub(super) fn to_unixtime(call: &Call) -> Result<ArrayRef> {
    let values = numbers(call.array(0)?)?;
    let per_second = Moments::of(call, 0)?.per_second;
    call.build::<f64>(|row| {
        let row = call.row(0, row);
        Ok(values
            .is_valid(row)
            .then(|| values.value(row) as f64 / per_second as f64))
    })
}

fn offset_minutes(call: &Call) -> Result<Int64Array> {
    let moments = Moments::of(call, 0)?;
    build(call.rows, |row| {
        let seconds = moments.offset(row)?;
        Ok(seconds.map(|seconds| i64::from(seconds / 60)))
    })
}

pub(super) fn timezone_hour(call: &Call) -> Result<ArrayRef> {
    let minutes = offset_minutes(call)?;
    Ok(Arc::new(minutes.unary::<_, arrow::datatypes::Int64Type>(
        |minutes| minutes / 60,
    )))
}

pub(super) fn timezone_minute(call: &Call) -> Result<ArrayRef> {
    let minutes = offset_minutes(call)?;
    Ok(Arc::new(minutes.unary::<_, arrow::datatypes::Int64Type>(
        |minutes| minutes % 60,
    )))
}

/// `timezone(x)`: the zone's name.
pub(super) fn timezone(call: &Call) -> Result<ArrayRef> {
    let DataType::Timestamp(_, Some(zone)) = call.data_type(0) else {
        return Err(invalid("no time zone"));
    };
    let zone = match unit_and_offset(&call.data_type(0)) {
        Some((_, offset)) => offset_text(offset),
        None => zone.to_string(),
    };
    call.build_text(|row, out| {
        out.push_str(&zone);
        Ok(!call.is_null(0, row))
    })
}

pub(super) fn current_timezone(call: &Call) -> Result<ArrayRef> {
    call.build_text(|_, out| {
        out.push_str(&call.zone);
        Ok(true)
    })
}
