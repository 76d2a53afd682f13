//! Dates and times as text.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDateTime, Timelike};
use datafusion::error::Result;

use super::{DAYS, Item, MONTHS, name, short};

/// Writes a time; `zone` is a name and the offset in seconds at that time.
pub(in crate::presto::functions::dates) fn print(
    out: &mut String,
    items: &[Item],
    time: NaiveDateTime,
    zone: (&str, i32),
) -> Result<()> {
    for item in items {
        print_item(out, item, time, zone)?;
    }
    Ok(())
}

fn print_item(
    out: &mut String,
    item: &Item,
    time: NaiveDateTime,
    (zone, offset): (&str, i32),
) -> Result<()> {
    let (number, width) = match item {
        Item::Literal(text) => {
            out.push_str(text);
            return Ok(());
        }
        Item::Era => {
            out.push_str(if time.year() > 0 { "AD" } else { "BC" });
            return Ok(());
        }
        Item::MonthShort => {
            out.push_str(short(name(&MONTHS, time.month0())));
            return Ok(());
        }
        Item::MonthLong => {
            out.push_str(name(&MONTHS, time.month0()));
            return Ok(());
        }
        Item::DayShort => {
            out.push_str(short(name(&DAYS, time.weekday().num_days_from_monday())));
            return Ok(());
        }
        Item::DayLong => {
            out.push_str(name(&DAYS, time.weekday().num_days_from_monday()));
            return Ok(());
        }
        Item::HalfDay => {
            out.push_str(if time.hour() < 12 { "AM" } else { "PM" });
            return Ok(());
        }
        Item::Offset | Item::OffsetColon => {
            let sign = if offset < 0 { '-' } else { '+' };
            let minutes = offset.abs() / 60;
            let colon = if *item == Item::Offset { "" } else { ":" };
            let _ = write!(out, "{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60);
            return Ok(());
        }
        Item::ZoneId => {
            out.push_str(zone);
            return Ok(());
        }
        Item::ZoneShort => {
            out.push_str(&abbreviation(zone, time, offset));
            return Ok(());
        }
        Item::Fraction(width, _) => {
            // Joda knows milliseconds.
            let digits = format!("{:03}000000", time.nanosecond() / 1_000_000);
            out.push_str(digits.get(..*width).unwrap_or(&digits));
            return Ok(());
        }
        Item::Century(width) => (i64::from(time.year() / 100), *width),
        Item::Year(width) => (i64::from(time.year()), *width),
        Item::TwoDigitYear => (i64::from(time.year().rem_euclid(100)), 2),
        Item::WeekYear(width) => (i64::from(time.iso_week().year()), *width),
        Item::TwoDigitWeekYear => (i64::from(time.iso_week().year().rem_euclid(100)), 2),
        Item::Month(width) => (i64::from(time.month()), *width),
        Item::Day(width) => (i64::from(time.day()), *width),
        Item::DayOfYear(width) => (i64::from(time.ordinal()), *width),
        Item::DayOfWeek(width) => (i64::from(time.weekday().number_from_monday()), *width),
        Item::Week(width) => (i64::from(time.iso_week().week()), *width),
        Item::Hour24(width) => (i64::from(time.hour()), *width),
        Item::Hour12(width) => (i64::from(time.hour() % 12), *width),
        Item::ClockHour24(width) => (i64::from((time.hour() + 23) % 24 + 1), *width),
        Item::ClockHour12(width) => (i64::from(time.hour12().1), *width),
        Item::Minute(width) => (i64::from(time.minute()), *width),
        Item::Second(width) => (i64::from(time.second()), *width),
    };
    let sign = if number < 0 { "-" } else { "" };
    let _ = write!(out, "{sign}{:0width$}", number.abs());
    Ok(())
}

fn abbreviation(zone: &str, local: NaiveDateTime, offset: i32) -> String {
    use chrono::TimeZone as _;
    use chrono_tz::OffsetName as _;
    let Ok(known) = zone.parse::<chrono_tz::Tz>() else {
        return zone.to_owned();
    };
    let instant = local - chrono::TimeDelta::seconds(i64::from(offset));
    let offset = known.offset_from_utc_datetime(&instant);
    offset
        .abbreviation()
        .map_or_else(|| zone.to_owned(), str::to_owned)
}
