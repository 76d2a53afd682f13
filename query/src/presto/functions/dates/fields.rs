//! Parts of dates, times and intervals.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array};
use arrow::datatypes::{DataType, IntervalYearMonthType};
use chrono::{Datelike, Days, Months, NaiveDateTime, Timelike};
use datafusion::error::Result;

use super::durations::interval_millis;
use super::moments::{Moments, overflow};
use crate::presto::functions::call::{Call, Text, failure};
use crate::presto::temporal::{days_of, parse_date};

fn field(call: &Call, part: fn(NaiveDateTime) -> i64) -> Result<ArrayRef> {
    let moments = Moments::of(call, 0)?;
    call.build::<i64>(|row| Ok(moments.local(row)?.map(part)))
}

fn is_interval(call: &Call) -> bool {
    matches!(call.data_type(0), DataType::Interval(_))
}

/// A part of an interval of days: `(milliseconds / divisor) % modulus`.
fn interval_part(call: &Call, divisor: i64, modulus: i64) -> Result<ArrayRef> {
    let array = Arc::clone(call.array(0)?);
    call.build::<i64>(|row| {
        let millis = interval_millis(&array, call.row(0, row));
        Ok(millis.map(|millis| millis / divisor % modulus))
    })
}

fn interval_months(call: &Call) -> Result<impl Fn(usize) -> Option<i64>> {
    let array = Arc::clone(call.array(0)?);
    let stride = call.row(0, 1);
    Ok(move |row: usize| {
        let row = row * stride;
        if array.is_null(row) {
            return None;
        }
        let months = array.as_primitive_opt::<IntervalYearMonthType>()?;
        Some(i64::from(months.value(row)))
    })
}

pub(super) fn year(call: &Call) -> Result<ArrayRef> {
    if is_interval(call) {
        let months = interval_months(call)?;
        return call.build::<i64>(|row| Ok(months(row).map(|months| months / 12)));
    }
    field(call, |time| i64::from(time.year()))
}

pub(super) fn quarter(call: &Call) -> Result<ArrayRef> {
    field(call, |time| i64::from(time.month0() / 3 + 1))
}

pub(super) fn month(call: &Call) -> Result<ArrayRef> {
    if is_interval(call) {
        let months = interval_months(call)?;
        return call.build::<i64>(|row| Ok(months(row).map(|months| months % 12)));
    }
    field(call, |time| i64::from(time.month()))
}

pub(super) fn week(call: &Call) -> Result<ArrayRef> {
    field(call, |time| i64::from(time.iso_week().week()))
}

pub(super) fn year_of_week(call: &Call) -> Result<ArrayRef> {
    field(call, |time| i64::from(time.iso_week().year()))
}

pub(super) fn day(call: &Call) -> Result<ArrayRef> {
    if is_interval(call) {
        return interval_part(call, 86_400_000, i64::MAX);
    }
    field(call, |time| i64::from(time.day()))
}

pub(super) fn day_of_week(call: &Call) -> Result<ArrayRef> {
    field(call, |time| i64::from(time.weekday().number_from_monday()))
}

pub(super) fn day_of_year(call: &Call) -> Result<ArrayRef> {
    field(call, |time| i64::from(time.ordinal()))
}

pub(super) fn hour(call: &Call) -> Result<ArrayRef> {
    if is_interval(call) {
        return interval_part(call, 3_600_000, 24);
    }
    field(call, |time| i64::from(time.hour()))
}

pub(super) fn minute(call: &Call) -> Result<ArrayRef> {
    if is_interval(call) {
        return interval_part(call, 60_000, 60);
    }
    field(call, |time| i64::from(time.minute()))
}

pub(super) fn second(call: &Call) -> Result<ArrayRef> {
    if is_interval(call) {
        return interval_part(call, 1_000, 60);
    }
    field(call, |time| i64::from(time.second()))
}

pub(super) fn millisecond(call: &Call) -> Result<ArrayRef> {
    if is_interval(call) {
        return interval_part(call, 1, 1_000);
    }
    field(call, |time| i64::from(time.nanosecond() / 1_000_000))
}

fn dates(call: &Call, day: impl Fn(usize) -> Result<Option<i32>>) -> Result<ArrayRef> {
    let days: Result<Date32Array> = (0..call.rows).map(day).collect();
    Ok(Arc::new(days?))
}

pub(super) fn last_day_of_month(call: &Call) -> Result<ArrayRef> {
    let moments = Moments::of(call, 0)?;
    dates(call, |row| {
        let Some(local) = moments.local(row)? else {
            return Ok(None);
        };
        let next = local
            .date()
            .with_day(1)
            .and_then(|first| first.checked_add_months(Months::new(1)));
        let last = next.and_then(|next| next.checked_sub_days(Days::new(1)));
        last.map(days_of).map(Some).ok_or_else(overflow)
    })
}

/// `date(x)`: a cast.
pub(super) fn date(call: &Call) -> Result<ArrayRef> {
    if call.data_type(0) == DataType::Utf8 {
        return dates(call, |row| {
            call.get::<Text>(0, row)
                .map(|text| {
                    parse_date(text.trim()).ok_or_else(|| {
                        let message = format!("Value cannot be cast to date: {text}");
                        failure("INVALID_CAST_ARGUMENT", message)
                    })
                })
                .transpose()
        });
    }
    let moments = Moments::of(call, 0)?;
    dates(call, |row| {
        Ok(moments.local(row)?.map(|local| days_of(local.date())))
    })
}
