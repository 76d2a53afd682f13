//! `time with time zone`, which Arrow has nothing like: a timestamp on the first day of 1970 in UTC, of a zone that is
//! written `+hhmm`, as that of no timestamp is here.
//!
//! Equal moments of the day have equal values whatever their offset; a column has one offset.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::datatypes::{DataType, TimeUnit};
use chrono::Utc;

use super::temporal::{
    NANOS_PER_DAY, NANOS_PER_SECOND, nanos_of, offset_seconds, parse_clock, parse_offset, round_to,
};

/// Returns the type for times with this offset.
pub(crate) fn of_offset(unit: TimeUnit, seconds: i32) -> DataType {
    let zone = offset_text(seconds).replace(':', "");
    DataType::Timestamp(unit, Some(Arc::from(zone)))
}

/// Returns the type for times with the offset that a zone has today; none if there is no such zone.
pub(crate) fn of_zone(unit: TimeUnit, zone: &str) -> Option<DataType> {
    let now = i128::from(Utc::now().timestamp()) * NANOS_PER_SECOND;
    let zone: Tz = zone.parse().ok()?;
    Some(of_offset(unit, offset_seconds(now, &zone)?))
}

/// Returns the unit and the seconds ahead of UTC if it is the type of times with a zone.
pub(crate) fn unit_and_offset(data_type: &DataType) -> Option<(TimeUnit, i32)> {
    let DataType::Timestamp(unit, Some(zone)) = data_type else {
        return None;
    };
    let digits = zone.strip_prefix(['+', '-'])?;
    let (hours, minutes) = digits.split_at_checked(2)?;
    if digits.len() != 4 {
        return None;
    }
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    let is_behind = zone.starts_with('-');
    Some((*unit, if is_behind { -seconds } else { seconds }))
}

/// Returns whether it is the type of times with a zone.
pub(crate) fn is_zoned_time(data_type: &DataType) -> bool {
    unit_and_offset(data_type).is_some()
}

/// Returns the value in the unit of a time in UTC; one that rounds up to midnight is midnight.
pub(crate) fn value_of(utc_nanos: i128, unit: TimeUnit) -> i128 {
    round_to(utc_nanos, unit).rem_euclid(NANOS_PER_DAY / nanos_of(unit))
}

/// Returns the nanoseconds since local midnight of nanoseconds in UTC.
pub(crate) fn local_nanos(utc_nanos: i128, offset_seconds: i32) -> i128 {
    (utc_nanos + i128::from(offset_seconds) * NANOS_PER_SECOND).rem_euclid(NANOS_PER_DAY)
}

/// Returns the nanoseconds in UTC of nanoseconds since local midnight.
pub(crate) fn utc_nanos(local: i128, offset_seconds: i32) -> i128 {
    local_nanos(local, -offset_seconds)
}

/// Returns `+hh:mm`.
pub(crate) fn offset_text(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Reads `hour:minute[:second[.fraction]] [+hh:mm]`: nanoseconds since local midnight, and the seconds ahead of UTC if
/// they are written.
pub(crate) fn parse_zoned_time(text: &str) -> Option<(i128, Option<i32>)> {
    let (nanos, _, rest) = parse_clock(text)?;
    match rest.trim_start() {
        "" => Some((nanos, None)),
        offset => Some((nanos, Some(parse_offset(offset)?))),
    }
}
