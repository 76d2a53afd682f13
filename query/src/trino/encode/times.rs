//! Dates, times and intervals, digit by digit.

use std::cell::Cell;
use std::str::FromStr;

use arrow::array::timezone::Tz;
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, DurationNanosecondType, Int64Type, IntervalMonthDayNanoType,
    IntervalYearMonthType, Time64NanosecondType, TimeUnit,
};
use chrono::{DateTime, Offset as _, TimeZone as _};

use super::{Writer, converted, internal};
use crate::presto::temporal::nanos_of;
use crate::presto::zoned_time::{local_nanos, offset_text};
use crate::{Error, Result};

const DAY_SECONDS: i64 = 86_400;
const DAY_NANOS: i64 = DAY_SECONDS * 1_000_000_000;

pub(super) fn date(array: &ArrayRef) -> Writer {
    let values = array.as_primitive::<Date32Type>().clone();
    Box::new(move |row, out| {
        out.push(b'"');
        write_date(out, i64::from(values.value(row)));
        out.push(b'"');
        Ok(())
    })
}

pub(super) fn time(array: &ArrayRef, digits: u8) -> Writer {
    let values = array.as_primitive::<Time64NanosecondType>().clone();
    Box::new(move |row, out| {
        let nanos = round(i128::from(values.value(row)), digits);
        let nanos = i64::try_from(nanos.rem_euclid(i128::from(DAY_NANOS))).unwrap_or(0);
        out.push(b'"');
        write_time(out, nanos / 1_000_000_000);
        write_fraction(out, nanos % 1_000_000_000, digits);
        out.push(b'"');
        Ok(())
    })
}

/// Writes times with a zone, whose values are in UTC.
pub(super) fn zoned_time(
    array: &ArrayRef,
    unit: TimeUnit,
    offset_seconds: i32,
    digits: u8,
) -> Result<Writer> {
    let raw = converted(array, &DataType::Int64)?;
    let values = raw.as_primitive::<Int64Type>().clone();
    let offset = offset_text(offset_seconds);
    Ok(Box::new(move |row, out| {
        let nanos = round(i128::from(values.value(row)) * nanos_of(unit), digits);
        let nanos = i64::try_from(local_nanos(nanos, offset_seconds)).unwrap_or(0);
        out.push(b'"');
        write_time(out, nanos / 1_000_000_000);
        write_fraction(out, nanos % 1_000_000_000, digits);
        out.extend_from_slice(offset.as_bytes());
        out.push(b'"');
        Ok(())
    }))
}

pub(super) fn timestamp(
    array: &ArrayRef,
    unit: TimeUnit,
    zone: Option<&str>,
    digits: u8,
) -> Result<Writer> {
    let raw = converted(array, &DataType::Int64)?;
    let values = raw.as_primitive::<Int64Type>().clone();
    let per_second: i64 = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let zone = zone.map(Zone::parse).transpose()?;
    // Only a legacy client has fewer digits than the unit.
    let is_rounded = digits < super::super::model::digits(unit);
    Ok(Box::new(move |row, out| {
        let value = values.value(row);
        let mut seconds = value.div_euclid(per_second);
        let mut nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
        if is_rounded {
            let rounded = i64::try_from(round(i128::from(nanos), digits)).unwrap_or(nanos);
            seconds = seconds.saturating_add(rounded / 1_000_000_000);
            nanos = rounded % 1_000_000_000;
        }
        let offset = zone.as_ref().map_or(Ok(0), |zone| zone.offset(seconds))?;
        let local = seconds.saturating_add(offset);
        out.push(b'"');
        write_date(out, local.div_euclid(DAY_SECONDS));
        out.push(b' ');
        write_time(out, local.rem_euclid(DAY_SECONDS));
        write_fraction(out, nanos, digits);
        if let Some(zone) = &zone {
            out.push(b' ');
            out.extend_from_slice(zone.label.as_bytes());
        }
        out.push(b'"');
        Ok(())
    }))
}

/// A time zone that remembers the offset of the hour it was last asked for.
struct Zone {
    label: String,
    /// None for UTC.
    zone: Option<Tz>,
    hour: Cell<Option<(i64, i64)>>,
}

impl Zone {
    fn parse(name: &str) -> Result<Self> {
        let is_utc = matches!(name, "UTC" | "Etc/UTC" | "+00:00" | "Z");
        let zone = match is_utc {
            true => None,
            false => Some(Tz::from_str(name).map_err(|error| internal(&error.to_string()))?),
        };
        Ok(Self {
            label: if is_utc { "UTC" } else { name }.to_owned(),
            zone,
            hour: Cell::new(None),
        })
    }

    /// Returns the seconds that local time is ahead of UTC.
    fn offset(&self, seconds: i64) -> Result<i64> {
        let Some(zone) = &self.zone else {
            return Ok(0);
        };
        let hour = seconds.div_euclid(3600);
        if let Some((known, offset)) = self.hour.get()
            && known == hour
        {
            return Ok(offset);
        }
        let at = |seconds: i64| {
            let time = DateTime::from_timestamp(seconds, 0).ok_or_else(|| Error::Invalid {
                message: "timestamp out of range".to_owned(),
            })?;
            let offset = zone.offset_from_utc_datetime(&time.naive_utc()).fix();
            Ok::<_, Error>(i64::from(offset.local_minus_utc()))
        };
        let offset = at(seconds)?;
        // Clocks that change within the hour are asked again for each value.
        if at(hour * 3600)? == offset && at(hour * 3600 + 3599)? == offset {
            self.hour.set(Some((hour, offset)));
        }
        Ok(offset)
    }
}

pub(super) fn duration(array: &ArrayRef) -> Writer {
    let values = array.as_primitive::<DurationNanosecondType>().clone();
    Box::new(move |row, out| {
        day_to_second(out, i128::from(values.value(row)));
        Ok(())
    })
}

pub(super) fn year_to_month(array: &ArrayRef) -> Writer {
    let values = array.as_primitive::<IntervalYearMonthType>().clone();
    Box::new(move |row, out| {
        let months = values.value(row);
        out.push(b'"');
        if months < 0 {
            out.push(b'-');
        }
        let months = months.unsigned_abs();
        number(out, months / 12);
        out.push(b'-');
        number(out, months % 12);
        out.push(b'"');
        Ok(())
    })
}

pub(super) fn interval(array: &ArrayRef) -> Writer {
    let values = array.as_primitive::<IntervalMonthDayNanoType>().clone();
    Box::new(move |row, out| {
        let value = values.value(row);
        if value.months != 0 {
            return Err(Error::NotSupported {
                what: "intervals with months in a result; add them to a date instead".to_owned(),
            });
        }
        let days = i128::from(value.days) * i128::from(DAY_NANOS);
        day_to_second(out, days + i128::from(value.nanoseconds));
        Ok(())
    })
}

fn day_to_second(out: &mut Vec<u8>, nanos: i128) {
    let millis = u64::try_from(nanos.unsigned_abs() / 1_000_000).unwrap_or(u64::MAX);
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let day = 86_400;
    out.push(b'"');
    if nanos < 0 {
        out.push(b'-');
    }
    number(out, seconds / day);
    out.push(b' ');
    write_time(out, i64::try_from(seconds % day).unwrap_or(0));
    out.push(b'.');
    padded(out, millis, 3);
    out.push(b'"');
}

/// Writes the date of a day counted from 1970.
///
/// # Source
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn write_date(out: &mut Vec<u8>, days: i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if year < 0 {
        out.push(b'-');
    }
    padded(out, year.unsigned_abs(), 4);
    out.push(b'-');
    two(out, month);
    out.push(b'-');
    two(out, day);
}

fn write_time(out: &mut Vec<u8>, second_of_day: i64) {
    two(out, second_of_day / 3600);
    out.push(b':');
    two(out, second_of_day / 60 % 60);
    out.push(b':');
    two(out, second_of_day % 60);
}

fn write_fraction(out: &mut Vec<u8>, nanos: i64, digits: u8) {
    if digits > 0 {
        out.push(b'.');
        let shown = nanos / 10_i64.pow(u32::from(9 - digits.min(9)));
        padded(out, shown.unsigned_abs(), usize::from(digits));
    }
}

fn two(out: &mut Vec<u8>, value: i64) {
    let value = u8::try_from(value).unwrap_or(0);
    out.extend_from_slice(&[b'0' + value / 10 % 10, b'0' + value % 10]);
}

fn number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value);
    out.resize(out.len() + width.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(digits.as_bytes());
}

/// Rounds half up to `digits` of a second.
fn round(nanos: i128, digits: u8) -> i128 {
    let step = 10_i128.pow(u32::from(9 - digits.min(9)));
    (nanos + step / 2).div_euclid(step) * step
}
