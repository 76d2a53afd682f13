//! Dates and times as Presto reads and writes them.

use std::fmt::Write as _;

use arrow::array::timezone::Tz;
use arrow::datatypes::TimeUnit;
use chrono::{
    DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Timelike,
    Utc,
};

/// Nanoseconds of a second.
pub const NANOS_PER_SECOND: i128 = 1_000_000_000;
/// Nanoseconds of a day.
pub const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND;

/// Returns how many fraction digits the unit keeps.
#[must_use]
pub fn digits_of(unit: TimeUnit) -> usize {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// Returns the nanoseconds of one unit.
#[must_use]
pub fn nanos_of(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => NANOS_PER_SECOND,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Returns nanoseconds as units, rounded half up as Trino does.
#[must_use]
pub fn round_to(nanos: i128, unit: TimeUnit) -> i128 {
    let step = nanos_of(unit);
    (nanos + step / 2).div_euclid(step)
}

/// Text that was read as a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampText {
    /// Wall time as nanoseconds since 1970.
    pub local_nanos: i128,
    /// Fraction digits written.
    pub digits: usize,
    /// The zone written, as we name it.
    pub zone: Option<String>,
}

/// Returns the days since 1970 of `year-month-day`.
#[must_use]
pub fn parse_date(text: &str) -> Option<i32> {
    let (rest, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    let mut parts = rest.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let year = i32::try_from(number(year, 9)?).ok()?;
    let year = if negative { -year } else { year };
    let date = NaiveDate::from_ymd_opt(year, number(month, 2)?, number(day, 2)?)?;
    Some(days_of(date))
}

/// Returns the days since 1970.
#[must_use]
pub fn days_of(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - 719_163
}

/// Returns the date so many days after 1970.
#[must_use]
pub fn date_of(days: i64) -> Option<NaiveDate> {
    let days = i32::try_from(days).ok()?.checked_add(719_163)?;
    NaiveDate::from_num_days_from_ce_opt(days)
}

fn number(digits: &str, most: usize) -> Option<u32> {
    if digits.is_empty() || digits.len() > most || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Returns the nanoseconds since midnight, the fraction digits and what follows `hour:minute[:second[.fraction]]`.
pub(super) fn parse_clock(text: &str) -> Option<(i128, usize, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.'))
        .unwrap_or(text.len());
    let (clock, rest) = text.split_at(end);
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let (second, fraction) = match parts.next() {
        None => (0, ""),
        Some(seconds) => {
            let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            if seconds.contains('.') && fraction.is_empty() {
                return None;
            }
            (number(whole, 2)?, fraction)
        }
    };
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || fraction.len() > 12 {
        return None;
    }
    let mut nanos: i128 = 0;
    if !fraction.is_empty() {
        // Digits behind the ninth decide how the ninth is rounded.
        let picos: i128 = format!("{fraction:0<12}").parse().ok()?;
        nanos = (picos + 500) / 1000;
    }
    let seconds = i128::from(hour) * 3600 + i128::from(minute) * 60 + i128::from(second);
    Some((seconds * NANOS_PER_SECOND + nanos, fraction.len(), rest))
}

/// Returns the nanoseconds since midnight and the fraction digits of a time without a zone.
#[must_use]
pub fn parse_time(text: &str) -> Option<(i128, usize)> {
    let (nanos, digits, rest) = parse_clock(text)?;
    rest.is_empty().then_some((nanos, digits))
}

/// Reads `date [time] [zone]`.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<TimestampText> {
    let text = text.trim();
    let (date, rest) = match text.split_once(' ') {
        Some((date, rest)) => (date, rest.trim_start()),
        None => (text, ""),
    };
    let days = parse_date(date)?;
    let (nanos, digits, zone) = if rest.starts_with(|c: char| c.is_ascii_digit()) {
        parse_clock(rest)?
    } else {
        (0, 0, rest)
    };
    let zone = match zone.trim() {
        "" => None,
        zone => Some(normalize_zone(zone)?),
    };
    Some(TimestampText {
        local_nanos: i128::from(days) * NANOS_PER_DAY + nanos,
        digits,
        zone,
    })
}

/// Returns the zone as we name it: `UTC`, `+hh:mm`, or the name in the time zone database; none if there is no such
/// zone.
#[must_use]
pub fn normalize_zone(zone: &str) -> Option<String> {
    if matches!(zone, "Z" | "z" | "UTC" | "utc" | "Etc/UTC" | "GMT") {
        return Some("UTC".to_owned());
    }
    let offset = ["UTC", "GMT", "UT"]
        .iter()
        .find_map(|prefix| zone.strip_prefix(prefix))
        .unwrap_or(zone);
    if let Some(sign) = offset.chars().next().filter(|c| matches!(c, '+' | '-')) {
        let digits = offset.get(1..)?;
        let (hours, minutes) = match digits.split_once(':') {
            Some((hours, minutes)) => (number(hours, 2)?, number(minutes, 2)?),
            None if digits.len() == 4 => {
                (number(digits.get(..2)?, 2)?, number(digits.get(2..)?, 2)?)
            }
            None => (number(digits, 2)?, 0),
        };
        if hours > 14 || minutes > 59 {
            return None;
        }
        if (hours, minutes) == (0, 0) {
            return Some("UTC".to_owned());
        }
        return Some(format!("{sign}{hours:02}:{minutes:02}"));
    }
    zone.parse::<Tz>().ok().map(|_| zone.to_owned())
}

/// Returns the seconds ahead of UTC of `+hh:mm`; none beyond fourteen hours.
pub(super) fn parse_offset(text: &str) -> Option<i32> {
    let (hours, minutes) = text.strip_prefix(['+', '-'])?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    let is_valid = minutes < 60 && seconds <= 14 * 3600;
    is_valid.then_some(if text.starts_with('-') {
        -seconds
    } else {
        seconds
    })
}

/// Returns nanoseconds since 1970 in UTC of a wall time; none if it is out of range.
#[must_use]
pub fn local_to_utc(local_nanos: i128, zone: &Tz) -> Option<i128> {
    let (seconds, nanos) = split(local_nanos);
    let local = DateTime::<Utc>::from_timestamp(seconds, 0)?.naive_utc();
    let utc = instant_of(local, zone)?;
    Some(i128::from(utc.and_utc().timestamp()) * NANOS_PER_SECOND + nanos)
}

/// Returns the time in UTC of a wall time, the first of two; one that clocks skip is as long after the gap as it is
/// after the gap's begin. None if it is out of range.
#[must_use]
pub fn instant_of(local: NaiveDateTime, zone: &Tz) -> Option<NaiveDateTime> {
    let offset = match zone.offset_from_local_datetime(&local).earliest() {
        Some(offset) => offset,
        None => {
            let before = local.checked_sub_signed(Duration::hours(3))?;
            zone.offset_from_local_datetime(&before).earliest()?
        }
    };
    local.checked_sub_offset(offset.fix())
}

/// Returns the wall time in the zone as nanoseconds since 1970; none if it is out of range.
#[must_use]
pub fn utc_to_local(utc_nanos: i128, zone: &Tz) -> Option<i128> {
    Some(utc_nanos + i128::from(offset_seconds(utc_nanos, zone)?) * NANOS_PER_SECOND)
}

/// Returns how far ahead of UTC clocks in the zone are at this moment.
#[must_use]
pub fn offset_seconds(utc_nanos: i128, zone: &Tz) -> Option<i32> {
    let (seconds, _) = split(utc_nanos);
    let utc = DateTime::<Utc>::from_timestamp(seconds, 0)?.naive_utc();
    Some(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

fn split(nanos: i128) -> (i64, i128) {
    let seconds = nanos.div_euclid(NANOS_PER_SECOND);
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    (seconds, nanos.rem_euclid(NANOS_PER_SECOND))
}

/// Returns the wall time of nanoseconds since 1970.
#[must_use]
pub fn wall_time(local_nanos: i128) -> Option<NaiveDateTime> {
    let (seconds, nanos) = split(local_nanos);
    let nanos = u32::try_from(nanos).ok()?;
    DateTime::<Utc>::from_timestamp(seconds, nanos).map(|time| time.naive_utc())
}

/// Returns the months added to the date, clamped to the end of the month.
#[must_use]
pub fn add_months(date: NaiveDate, months: i32) -> Option<NaiveDate> {
    let months_from_zero = date
        .year()
        .checked_mul(12)?
        .checked_add(i32::try_from(date.month0()).ok()?)?;
    let months_from_zero = months_from_zero.checked_add(months)?;
    let (year, month) = (
        months_from_zero.div_euclid(12),
        months_from_zero.rem_euclid(12),
    );
    let month = u32::try_from(month).ok()? + 1;
    (28..=31)
        .rev()
        .filter(|last| date.day() > *last || *last == 31)
        .find_map(|last| NaiveDate::from_ymd_opt(year, month, date.day().min(last)))
}

/// Appends `year-month-day`.
pub fn write_date(out: &mut String, date: NaiveDate) {
    let year = date.year();
    let sign = if year < 0 { "-" } else { "" };
    let _ = write!(
        out,
        "{sign}{:04}-{:02}-{:02}",
        year.abs(),
        date.month(),
        date.day()
    );
}

/// Appends `hour:minute:second` and so many fraction digits.
pub fn write_time(out: &mut String, time: NaiveTime, digits: usize) {
    let _ = write!(
        out,
        "{:02}:{:02}:{:02}",
        time.hour(),
        time.minute(),
        time.second()
    );
    if digits > 0 {
        let fraction = format!("{:09}", time.nanosecond());
        let _ = write!(out, ".{}", fraction.get(..digits).unwrap_or(&fraction));
    }
}

/// Appends an interval: `days hours:minutes:seconds.millis`.
pub fn write_day_to_second(out: &mut String, nanos: i128) {
    if nanos < 0 {
        out.push('-');
    }
    let millis = nanos.abs() / 1_000_000;
    let seconds = millis / 1000;
    let _ = write!(
        out,
        "{} {:02}:{:02}:{:02}.{:03}",
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        millis % 1000
    );
}

/// Appends an interval: `years-months`.
pub fn write_year_to_month(out: &mut String, months: i32) {
    let sign = if months < 0 { "-" } else { "" };
    let months = months.unsigned_abs();
    let _ = write!(out, "{sign}{}-{}", months / 12, months % 12);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_with_precision_and_zone() {
        let read = |text| parse_timestamp(text).map(|t| (t.local_nanos, t.digits, t.zone));
        let base = 1_704_067_200 * NANOS_PER_SECOND;
        let cases = [
            ("2024-01-01", Some((base, 0, None))),
            ("2024-1-1 0:0", Some((base, 0, None))),
            ("2024-01-01 00:00:00.5", Some((base + 500_000_000, 1, None))),
            (
                "2024-01-01 00:00:00 UTC",
                Some((base, 0, Some("UTC".to_owned()))),
            ),
            (
                "2024-01-01 00:00:00+0200",
                Some((base, 0, Some("+02:00".to_owned()))),
            ),
            (
                "2024-01-01 Europe/Paris",
                Some((base, 0, Some("Europe/Paris".to_owned()))),
            ),
            ("2024-01-01T00:00:00", None),
            ("2024-13-01 00:00:00", None),
            ("2024-01-01 00:00:00 Mars/Phobos", None),
            ("x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn months_are_clamped() {
        let date = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        assert_eq!(add_months(date(2024, 1, 31), 1), Some(date(2024, 2, 29)));
        assert_eq!(add_months(date(2023, 1, 31), 1), Some(date(2023, 2, 28)));
        assert_eq!(add_months(date(2024, 3, 31), -1), Some(date(2024, 2, 29)));
        assert_eq!(add_months(date(2024, 1, 15), -13), Some(date(2022, 12, 15)));
        assert_eq!(add_months(date(2024, 5, 31), 1), Some(date(2024, 6, 30)));
    }

    #[test]
    fn wall_times_that_clocks_skip_move_on() {
        let zone: Tz = "Europe/Paris".parse().unwrap();
        let local = parse_timestamp("2024-03-31 02:30:00").unwrap().local_nanos;
        let utc = parse_timestamp("2024-03-31 01:30:00").unwrap().local_nanos;
        assert_eq!(local_to_utc(local, &zone), Some(utc));
    }
}
