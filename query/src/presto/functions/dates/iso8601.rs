//! ISO 8601: dates, week dates, ordinal dates, times with offsets.

use std::fmt::Write as _;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Weekday};
use datafusion::error::Result;

use super::moments::{Moments, Sort, as_type, build, parse_zone, scaled, to_instant};
use super::pattern::offset_at;
use crate::presto::functions::call::{Call, Text, invalid};
use crate::presto::functions::scalar::Planned;
use crate::presto::temporal::normalize_zone;

fn bad(text: &str) -> datafusion::error::DataFusionError {
    invalid(format!("Invalid format: \"{text}\""))
}

fn digits(text: &str, width: usize) -> Option<u32> {
    let is_number = text.len() == width && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// `2024`, `2024-05`, `2024-05-06`, `2024-123`, `2024-W10` and `2024-W10-2`.
fn date(text: &str) -> Result<NaiveDate> {
    let (sign, unsigned) = match text.as_bytes() {
        [b'-', ..] => (-1, text.get(1..)),
        [b'+', ..] => (1, text.get(1..)),
        _ => (1, Some(text)),
    };
    let parts: Vec<&str> = unsigned.unwrap_or_default().split('-').collect();
    let year = |part: &str| -> Option<i32> {
        let is_number = part.len() >= 4 && part.bytes().all(|b| b.is_ascii_digit());
        is_number
            .then(|| part.parse::<i32>().ok())?
            .map(|year| year * sign)
    };
    let range = |value: u32, field: &str, high: u32| {
        invalid(format!(
            "Cannot parse \"{text}\": Value {value} for {field} must be in the range [1,{high}]"
        ))
    };
    let week_date = |year: i32, week: &str, day: u32| {
        let week = digits(week.strip_prefix('W')?, 2)?;
        let day = u8::try_from(day.checked_sub(1)?).ok()?;
        NaiveDate::from_isoywd_opt(year, week, Weekday::try_from(day).ok()?)
    };
    let found = match parts.as_slice() {
        [only] => year(only).and_then(|year| NaiveDate::from_ymd_opt(year, 1, 1)),
        [first, second] => match (year(first), digits(second, 2), digits(second, 3)) {
            (Some(year), Some(month), _) => match NaiveDate::from_ymd_opt(year, month, 1) {
                Some(date) => Some(date),
                None => return Err(range(month, "monthOfYear", 12)),
            },
            (Some(year), _, Some(day)) => match NaiveDate::from_yo_opt(year, day) {
                Some(date) => Some(date),
                None => return Err(range(day, "dayOfYear", 366)),
            },
            (Some(year), ..) => week_date(year, second, 1),
            _ => None,
        },
        [first, second, third] => match (year(first), digits(second, 2), digits(third, 2)) {
            (Some(year), Some(month), Some(day)) => {
                let Some(start) = NaiveDate::from_ymd_opt(year, month, 1) else {
                    return Err(range(month, "monthOfYear", 12));
                };
                match start.with_day(day) {
                    Some(date) => Some(date),
                    None => {
                        let days = u32::from(start.num_days_in_month());
                        return Err(range(day, "dayOfMonth", days));
                    }
                }
            }
            (Some(year), None, None) => {
                digits(third, 1).and_then(|day| week_date(year, second, day))
            }
            _ => None,
        },
        _ => None,
    };
    found.ok_or_else(|| bad(text))
}

/// `10`, `10:11`, `10:11:12` and `10:11:12.13`.
fn clock(text: &str) -> Option<NaiveTime> {
    let (whole, fraction) = match text.find(['.', ',']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
        None => (text, ""),
    };
    let mut parts = whole.split(':');
    let mut next = || match parts.next() {
        Some(part) => digits(part, 2),
        None => Some(0),
    };
    let (hour, minute, second) = (next()?, next()?, next()?);
    if parts.next().is_some() || (text.contains(['.', ',']) && fraction.is_empty()) {
        return None;
    }
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanos: u32 = nanos.parse().ok()?;
    // A fraction belongs to the last part that is written.
    match whole.matches(':').count() {
        2 => NaiveTime::from_hms_nano_opt(hour, minute, second, nanos),
        written => {
            let unit = if written == 1 { 60 } else { 3_600 };
            let extra = TimeDelta::nanoseconds(i64::from(nanos) * unit);
            let start = NaiveTime::from_hms_opt(hour, minute, 0)?;
            Some(start.overflowing_add_signed(extra).0)
        }
    }
}

/// Returns the wall time of a text, and the zone if it has one.
fn timestamp(text: &str) -> Result<(NaiveDateTime, Option<String>)> {
    let Some(at) = text.find('T') else {
        let day = date(text)?;
        return Ok((day.and_time(NaiveTime::MIN), None));
    };
    let (day, time) = text.split_at_checked(at).ok_or_else(|| bad(text))?;
    let time = time.get(1..).unwrap_or_default();
    let day = date(day).map_err(|error| match day.find(|c: char| c.is_ascii_digit()) {
        Some(_) => error,
        None => bad(text),
    })?;
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at_checked(zone_at).ok_or_else(|| bad(text))?;
    let time = if time.is_empty() {
        Some(NaiveTime::MIN)
    } else {
        clock(time)
    };
    let time = time.ok_or_else(|| bad(text))?;
    let zone = match zone {
        "" => None,
        offset => Some(normalize_zone(offset).ok_or_else(|| bad(text))?),
    };
    Ok((day.and_time(time), zone))
}

/// Returns whether each character of the text is like that of the shape, in which `0` is any digit.
fn has_shape(text: &str, shape: &str) -> bool {
    let mut pairs = text.bytes().zip(shape.bytes());
    text.len() == shape.len()
        && pairs.all(|(own, wanted)| match wanted {
            b'0' => own.is_ascii_digit(),
            _ => own == wanted,
        })
}

/// As [`timestamp`], of a whole date, hour and minute, perhaps an offset with a colon and a zone in brackets.
fn zoned_timestamp(text: &str) -> Result<(NaiveDateTime, Option<String>)> {
    let wrong = || invalid(format!("Text '{text}' could not be parsed"));
    let in_brackets = text.strip_suffix(']').and_then(|text| text.split_once('['));
    let (written, region) = match in_brackets {
        Some((written, region)) => (written, Some(region)),
        None => (text, None),
    };
    let written = written.to_ascii_uppercase();
    let (day, time) = written.split_once('T').ok_or_else(wrong)?;
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, offset) = time.split_at_checked(zone_at).ok_or_else(wrong)?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let is_whole = has_shape(whole, "00:00:00");
    let is_time = is_whole || (has_shape(time, "00:00") && fraction.is_empty());
    let is_offset =
        matches!(offset, "" | "Z") || has_shape(offset, "+00:00") || has_shape(offset, "-00:00");
    let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
    let is_date = has_shape(day.trim_start_matches('-'), "0000-00-00");
    if !(is_date && is_time && is_fraction && is_offset) || (region.is_some() && offset.is_empty())
    {
        return Err(wrong());
    }
    let time = clock(time.trim_end_matches('.')).ok_or_else(wrong)?;
    let zone = match region.unwrap_or(offset) {
        "" => None,
        zone => Some(normalize_zone(zone).ok_or_else(wrong)?),
    };
    Ok((date(day)?.and_time(time), zone))
}

/// Reads a timestamp, of nanoseconds or not.
type Read = fn(&str) -> Result<(NaiveDateTime, Option<String>)>;

const fn reader(unit: TimeUnit) -> Read {
    match unit {
        TimeUnit::Nanosecond => zoned_timestamp,
        _ => timestamp,
    }
}

/// `from_iso8601_date(text)`.
pub(super) fn from_iso8601_date(call: &Call) -> Result<ArrayRef> {
    let result = build(call.rows, |row| {
        let day = call.get::<Text>(0, row).map(date).transpose()?;
        Ok(day.map(|day| i64::from(day.to_epoch_days())))
    })?;
    as_type(result, &call.returns)
}

/// Returns the type with the offset of a constant text; rows of a column are shown in the session's zone.
pub(super) fn zone_of_constant(planned: &Planned<'_>) -> Result<DataType> {
    let unit = if planned.returns.contains("(9)") {
        TimeUnit::Nanosecond
    } else {
        TimeUnit::Millisecond
    };
    let zone = planned
        .text(0)
        .and_then(|text| reader(unit)(&text).ok())
        .and_then(|(_, zone)| zone)
        .map_or_else(|| planned.zone.into(), Into::into);
    Ok(DataType::Timestamp(unit, Some(zone)))
}

/// `from_iso8601_timestamp(text)`, and with nanoseconds.
pub(super) fn from_iso8601_timestamp(call: &Call) -> Result<ArrayRef> {
    let session = parse_zone(&call.zone)?;
    let (per_second, read) = match call.returns {
        DataType::Timestamp(unit @ TimeUnit::Nanosecond, _) => (1_000_000_000, reader(unit)),
        _ => (1_000, reader(TimeUnit::Millisecond)),
    };
    let result = build(call.rows, |row| {
        let Some(text) = call.get::<Text>(0, row) else {
            return Ok(None);
        };
        let (local, zone) = read(text)?;
        let instant = match zone {
            Some(zone) => to_instant(&parse_zone(&zone)?, local)?,
            None => to_instant(&session, local)?,
        };
        scaled(instant, per_second).map(Some)
    })?;
    as_type(result, &call.returns)
}

/// `to_iso8601(x)`.
pub(super) fn to_iso8601(call: &Call) -> Result<ArrayRef> {
    let moments = Moments::of(call, 0)?;
    let fraction_digits = moments.per_second.ilog10();
    call.build_text(|row, out| {
        let Some(raw) = moments.raw(row) else {
            return Ok(false);
        };
        let local = moments.local_of(raw)?;
        let sign = if local.year() < 0 { "-" } else { "" };
        let _ = write!(
            out,
            "{sign}{:04}-{:02}-{:02}",
            local.year().abs(),
            local.month(),
            local.day()
        );
        if moments.sort == Sort::Date {
            return Ok(true);
        }
        let _ = write!(
            out,
            "T{:02}:{:02}:{:02}",
            local.hour(),
            local.minute(),
            local.second()
        );
        if fraction_digits > 0 {
            let nanos = format!("{:09}", local.nanosecond());
            let width = usize::try_from(fraction_digits).unwrap_or(9);
            let _ = write!(out, ".{}", nanos.get(..width).unwrap_or(&nanos));
        }
        if let Some(zone) = &moments.zone {
            let minutes = offset_at(zone, raw, moments.per_second)? / 60;
            if minutes == 0 {
                out.push('Z');
            } else {
                let sign = if minutes < 0 { '-' } else { '+' };
                let _ = write!(
                    out,
                    "{sign}{:02}:{:02}",
                    minutes.abs() / 60,
                    minutes.abs() % 60
                );
            }
        }
        Ok(true)
    })
}
