//! Text as dates and times.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Weekday};
use datafusion::error::Result;

use super::{DAYS, Item, MONTHS, short};
use crate::presto::functions::call::invalid;
use crate::presto::temporal::normalize_zone;

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
pub(in crate::presto::functions::dates) fn parse(
    text: &str,
    items: &[Item],
) -> Result<(NaiveDateTime, Option<String>)> {
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
