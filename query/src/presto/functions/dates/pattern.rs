//! Formats of dates and times, whatever language they are written in: printing and parsing.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, Timelike, Weekday};
use datafusion::error::Result;

use crate::presto::functions::call::{failure, invalid};
use crate::presto::temporal::normalize_zone;

/// A part of a date or time; numbers have a least width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Literal(String),
    Era,
    Century(usize),
    Year(usize),
    TwoDigitYear,
    WeekYear(usize),
    TwoDigitWeekYear,
    Month(usize),
    MonthShort,
    MonthLong,
    Day(usize),
    DayOfYear(usize),
    DayOfWeek(usize),
    DayShort,
    DayLong,
    Week(usize),
    Hour24(usize),
    /// 0 to 11.
    Hour12(usize),
    /// 1 to 24.
    ClockHour24(usize),
    /// 1 to 12.
    ClockHour12(usize),
    Minute(usize),
    Second(usize),
    /// Digits printed; parsing takes at most that many, but up to nine if the flag says so.
    Fraction(usize, bool),
    HalfDay,
    /// `+0100`
    Offset,
    /// `+01:00`
    OffsetColon,
    ZoneId,
    ZoneShort,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

impl Item {
    /// Returns the most digits of a number, none if the item is not a number.
    const fn digits(&self) -> Option<usize> {
        Some(match self {
            Self::Year(_) | Self::WeekYear(_) | Self::Century(_) => 9,
            Self::TwoDigitYear
            | Self::TwoDigitWeekYear
            | Self::Month(_)
            | Self::Day(_)
            | Self::Week(_)
            | Self::Hour24(_)
            | Self::Hour12(_)
            | Self::ClockHour24(_)
            | Self::ClockHour12(_)
            | Self::Minute(_)
            | Self::Second(_) => 2,
            Self::DayOfWeek(_) => 1,
            Self::DayOfYear(_) => 3,
            Self::Fraction(width, is_lenient) => {
                if *is_lenient {
                    9
                } else {
                    *width
                }
            }
            _ => return None,
        })
    }

    /// Returns the digits that the item takes if another number follows at once.
    const fn fixed_digits(&self) -> Option<usize> {
        Some(match self {
            Self::Year(width)
            | Self::WeekYear(width)
            | Self::Century(width)
            | Self::Month(width)
            | Self::Day(width)
            | Self::DayOfYear(width)
            | Self::DayOfWeek(width)
            | Self::Week(width)
            | Self::Hour24(width)
            | Self::Hour12(width)
            | Self::ClockHour24(width)
            | Self::ClockHour12(width)
            | Self::Minute(width)
            | Self::Second(width)
            | Self::Fraction(width, _) => *width,
            Self::TwoDigitYear | Self::TwoDigitWeekYear => 2,
            _ => return None,
        })
    }
}

fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

fn name<'a>(names: &[&'a str], index: u32) -> &'a str {
    usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index).copied())
        .unwrap_or("")
}

/// Writes a time; `zone` is a name and the offset in seconds at that time.
pub(super) fn print(
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

/// What a text said.
#[derive(Debug, Default)]
struct Parts {
    century: Option<i64>,
    year: Option<i64>,
    is_before_christ: bool,
    week_year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    day_of_week: Option<i64>,
    week: Option<i64>,
    hour: Option<i64>,
    hour12: Option<i64>,
    is_afternoon: Option<bool>,
    minute: i64,
    second: i64,
    nanos: i64,
    zone: Option<String>,
}

/// Returns the time that a text says, and the zone if it names one.
pub(super) fn parse(text: &str, items: &[Item]) -> Result<(NaiveDateTime, Option<String>)> {
    let mut parts = Parts::default();
    let mut rest = text;
    for (position, item) in items.iter().enumerate() {
        let next = items.get(position + 1);
        match parse_item(rest, item, next, &mut parts) {
            Some(after) => rest = after,
            None => return Err(malformed(text, rest)),
        }
    }
    if !rest.is_empty() {
        return Err(malformed(text, rest));
    }
    let time = parts
        .time()
        .map_err(|what| invalid(format!("Cannot parse \"{text}\": {what}")))?;
    Ok((time, parts.zone))
}

fn malformed(text: &str, rest: &str) -> datafusion::error::DataFusionError {
    invalid(if rest.len() == text.len() {
        format!("Invalid format: \"{text}\"")
    } else if rest.is_empty() {
        format!("Invalid format: \"{text}\" is too short")
    } else {
        format!("Invalid format: \"{text}\" is malformed at \"{rest}\"")
    })
}

fn parse_item<'a>(
    rest: &'a str,
    item: &Item,
    next: Option<&Item>,
    parts: &mut Parts,
) -> Option<&'a str> {
    if let Item::Literal(literal) = item {
        let head = rest.get(..literal.len())?;
        return head
            .eq_ignore_ascii_case(literal)
            .then(|| rest.get(literal.len()..))
            .flatten();
    }
    if let Some(most) = item.digits() {
        let most = match next.and_then(Item::digits) {
            Some(_) => item.fixed_digits().unwrap_or(most).min(most),
            None => most,
        };
        return parse_number(rest, item, most, parts);
    }
    match item {
        Item::Era => {
            let head = rest.get(..2)?;
            parts.is_before_christ = head.eq_ignore_ascii_case("BC");
            (parts.is_before_christ || head.eq_ignore_ascii_case("AD")).then(|| rest.get(2..))?
        }
        Item::HalfDay => {
            let head = rest.get(..2)?;
            let is_afternoon = head.eq_ignore_ascii_case("PM");
            parts.is_afternoon = Some(is_afternoon);
            (is_afternoon || head.eq_ignore_ascii_case("AM")).then(|| rest.get(2..))?
        }
        Item::MonthShort | Item::MonthLong => {
            let (index, after) = parse_name(rest, &MONTHS)?;
            parts.month = Some(index);
            Some(after)
        }
        Item::DayShort | Item::DayLong => {
            let (index, after) = parse_name(rest, &DAYS)?;
            parts.day_of_week = Some(index);
            Some(after)
        }
        Item::Offset | Item::OffsetColon | Item::ZoneId | Item::ZoneShort => {
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || "+-:/_".contains(c)))
                .unwrap_or(rest.len());
            let (zone, after) = rest.split_at_checked(end)?;
            parts.zone = Some(normalize_zone(zone)?);
            Some(after)
        }
        _ => None,
    }
}

/// Returns the number of the name that the text starts with, long or short.
fn parse_name<'a>(rest: &'a str, names: &[&str]) -> Option<(i64, &'a str)> {
    let starts = |name: &str| {
        let head = rest.get(..name.len())?;
        head.eq_ignore_ascii_case(name)
            .then(|| rest.get(name.len()..))?
    };
    let long = (1..)
        .zip(names)
        .find_map(|(index, name)| Some((index, starts(name)?)));
    long.or_else(|| {
        (1..)
            .zip(names)
            .find_map(|(index, name)| Some((index, starts(short(name))?)))
    })
}

fn parse_number<'a>(rest: &'a str, item: &Item, most: usize, parts: &mut Parts) -> Option<&'a str> {
    let is_signed = matches!(item, Item::Year(_) | Item::WeekYear(_) | Item::Century(_));
    let (sign, unsigned) = match rest.as_bytes() {
        [b'-', ..] if is_signed => (-1, rest.get(1..)?),
        [b'+', ..] if is_signed => (1, rest.get(1..)?),
        _ => (1, rest),
    };
    let count = unsigned
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    let (digits, after) = unsigned.split_at_checked(count)?;
    let number = sign * digits.parse::<i64>().ok()?;
    let two_digits = |number: i64| {
        if number < 70 {
            2000 + number
        } else {
            1900 + number
        }
    };
    match item {
        Item::Century(_) => parts.century = Some(number),
        Item::Year(_) => parts.year = Some(number),
        Item::TwoDigitYear => parts.year = Some(two_digits(number)),
        Item::WeekYear(_) => parts.week_year = Some(number),
        Item::TwoDigitWeekYear => parts.week_year = Some(two_digits(number)),
        Item::Month(_) => parts.month = Some(number),
        Item::Day(_) => parts.day = Some(number),
        Item::DayOfYear(_) => parts.day_of_year = Some(number),
        Item::DayOfWeek(_) => parts.day_of_week = Some(number),
        Item::Week(_) => parts.week = Some(number),
        Item::Hour24(_) => parts.hour = Some(number),
        Item::ClockHour24(_) => parts.hour = Some(number % 24),
        Item::Hour12(_) => parts.hour12 = Some(number),
        Item::ClockHour12(_) => {
            if !(1..=12).contains(&number) {
                return None;
            }
            parts.hour12 = Some(number % 12);
        }
        Item::Minute(_) => parts.minute = number,
        Item::Second(_) => parts.second = number,
        Item::Fraction(..) => {
            let scale = 10_i64.checked_pow(9_u32.checked_sub(u32::try_from(count).ok()?)?)?;
            parts.nanos = number * scale;
        }
        _ => return None,
    }
    Some(after)
}

impl Parts {
    fn time(&self) -> Result<NaiveDateTime, String> {
        let hour = match (self.hour, self.hour12, self.is_afternoon) {
            (Some(hour), _, _) => hour,
            (None, Some(hour), Some(true)) => hour + 12,
            (None, Some(hour), _) => hour,
            (None, None, Some(true)) => 12,
            (None, None, _) => 0,
        };
        within(hour, "hourOfDay", 0, 23)?;
        within(self.minute, "minuteOfHour", 0, 59)?;
        within(self.second, "secondOfMinute", 0, 59)?;
        let clock = NaiveTime::from_hms_nano_opt(
            small(hour)?,
            small(self.minute)?,
            small(self.second)?,
            small(self.nanos)?,
        );
        let clock = clock.ok_or("the time is out of range")?;
        Ok(self.date()?.and_time(clock))
    }

    fn date(&self) -> Result<NaiveDate, String> {
        let mut year = match (self.year, self.century) {
            (Some(year), _) => year,
            (None, Some(century)) => century * 100,
            _ => 1970,
        };
        if self.is_before_christ {
            year = 1 - year;
        }
        let year_number = i32::try_from(year).map_err(|_| "the year is out of range")?;
        if let Some(day) = self.day_of_year {
            within(day, "dayOfYear", 1, 366)?;
            return NaiveDate::from_yo_opt(year_number, small(day)?)
                .ok_or_else(|| range_message(day, "dayOfYear", 1, 365));
        }
        let is_week_date = self.week.is_some() || self.week_year.is_some();
        let is_month_date = self.month.is_some() || self.day.is_some();
        if is_week_date || (self.day_of_week.is_some() && !is_month_date && self.year.is_none()) {
            let week = self.week.unwrap_or(1);
            within(week, "weekOfWeekyear", 1, 53)?;
            let year = i32::try_from(self.week_year.unwrap_or(year))
                .map_err(|_| "the year is out of range")?;
            let day = self.day_of_week.unwrap_or(1);
            within(day, "dayOfWeek", 1, 7)?;
            let weekday = u8::try_from(day - 1)
                .ok()
                .and_then(|day| Weekday::try_from(day).ok())
                .unwrap_or(Weekday::Mon);
            return NaiveDate::from_isoywd_opt(year, small(week)?, weekday)
                .ok_or_else(|| range_message(week, "weekOfWeekyear", 1, 52));
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        within(month, "monthOfYear", 1, 12)?;
        let days = NaiveDate::from_ymd_opt(year_number, small(month)?, 1)
            .map_or(31, |first| i64::from(first.num_days_in_month()));
        within(day, "dayOfMonth", 1, days)?;
        NaiveDate::from_ymd_opt(year_number, small(month)?, small(day)?)
            .ok_or_else(|| "the date is out of range".to_owned())
    }
}

fn small(number: i64) -> Result<u32, String> {
    u32::try_from(number).map_err(|_| "a number is out of range".to_owned())
}

fn range_message(value: i64, field: &str, low: i64, high: i64) -> String {
    format!("Value {value} for {field} must be in the range [{low},{high}]")
}

fn within(value: i64, field: &str, low: i64, high: i64) -> Result<(), String> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(range_message(value, field, low, high))
    }
}

/// Returns the items with neighbouring literals as one, which must not be split between two texts.
pub(super) fn joined(items: Vec<Item>) -> Vec<Item> {
    let mut out: Vec<Item> = Vec::with_capacity(items.len());
    for item in items {
        match (out.last_mut(), item) {
            (Some(Item::Literal(before)), Item::Literal(text)) => before.push_str(&text),
            (_, item) => out.push(item),
        }
    }
    out
}

/// Returns the offset of a zone at a wall time that is already in it.
pub(super) fn offset_at(
    zone: &arrow::array::timezone::Tz,
    raw: i64,
    per_second: i64,
) -> Result<i32> {
    use chrono::TimeZone as _;
    let instant = super::moments::naive(raw, per_second)?;
    Ok(zone
        .offset_from_utc_datetime(&instant)
        .fix()
        .local_minus_utc())
}

/// Returns the error of a format that is not supported.
pub(super) fn not_supported(what: &str) -> datafusion::error::DataFusionError {
    failure("NOT_SUPPORTED", what.to_owned())
}
