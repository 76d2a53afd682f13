//! `format_datetime` and `parse_datetime`: Joda-Time's patterns.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::error::Result;

use super::moments::{Moments, as_type, build, name_of_zone, parse_zone, scaled, to_instant};
use super::pattern::{Item, joined, not_supported, offset_at, parse, print};
use crate::presto::functions::call::{Call, Memo, Text, invalid};
use crate::presto::functions::scalar::Planned;

fn compile(pattern: &str) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\'' {
            items.push(Item::Literal(quoted(&mut rest)));
            continue;
        }
        if !c.is_ascii_alphabetic() {
            items.push(Item::Literal(c.to_string()));
            continue;
        }
        let mut width = 1;
        while rest.next_if_eq(&c).is_some() {
            width += 1;
        }
        items.push(item(c, width)?);
    }
    if items.is_empty() || (items.len() == 1 && items == [Item::Literal(String::new())]) {
        return Err(invalid("Invalid pattern specification"));
    }
    Ok(joined(items))
}

/// Returns the text up to the closing quote; two quotes are one.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    if rest.next_if_eq(&'\'').is_some() {
        return "'".to_owned();
    }
    let mut text = String::new();
    while let Some(c) = rest.next() {
        if c != '\'' {
            text.push(c);
        } else if rest.next_if_eq(&'\'').is_some() {
            text.push('\'');
        } else {
            break;
        }
    }
    text
}

fn item(letter: char, width: usize) -> Result<Item> {
    Ok(match (letter, width) {
        ('G', _) => Item::Era,
        ('C', _) => Item::Century(width),
        ('y' | 'Y', 2) => Item::TwoDigitYear,
        ('y' | 'Y', _) => Item::Year(width),
        ('x', 2) => Item::TwoDigitWeekYear,
        ('x', _) => Item::WeekYear(width),
        ('w', _) => Item::Week(width),
        ('e', _) => Item::DayOfWeek(width),
        ('E', 4..) => Item::DayLong,
        ('E', _) => Item::DayShort,
        ('D', _) => Item::DayOfYear(width),
        ('M', 4..) => Item::MonthLong,
        ('M', 3) => Item::MonthShort,
        ('M', _) => Item::Month(width),
        ('d', _) => Item::Day(width),
        ('a', _) => Item::HalfDay,
        ('K', _) => Item::Hour12(width),
        ('h', _) => Item::ClockHour12(width),
        ('H', _) => Item::Hour24(width),
        ('k', _) => Item::ClockHour24(width),
        ('m', _) => Item::Minute(width),
        ('s', _) => Item::Second(width),
        ('S', 1..=9) => Item::Fraction(width, false),
        ('z', 4..) => return Err(not_supported("names of time zones (zzzz)")),
        ('z', _) => Item::ZoneShort,
        ('Z', 1) => Item::Offset,
        ('Z', 2) => Item::OffsetColon,
        ('Z', _) => Item::ZoneId,
        _ => {
            return Err(invalid(format!(
                "Illegal pattern component: {}",
                letter.to_string().repeat(width)
            )));
        }
    })
}

/// `format_datetime(x, pattern)`.
pub(super) fn format_datetime(call: &Call) -> Result<ArrayRef> {
    let moments = Moments::of(call, 0)?;
    let zone_name = match call.data_type(0) {
        DataType::Timestamp(_, Some(zone)) => name_of_zone(&zone)?,
        _ => "UTC".to_owned(),
    };
    let mut patterns = Memo::new();
    call.build_text(|row, out| {
        let (Some(raw), Some(pattern)) = (moments.raw(row), call.get::<Text>(1, row)) else {
            return Ok(false);
        };
        let offset = match &moments.zone {
            Some(zone) => offset_at(zone, raw, moments.per_second)?,
            None => 0,
        };
        let items = patterns.get(pattern, compile)?;
        if moments.zone.is_none() && items.iter().any(Item::is_of_zone) {
            return Err(invalid(
                "format_datetime for TIMESTAMP type, cannot use 'Z' nor 'z' in format, as this type does not contain TZ information",
            ));
        }
        print(out, items, moments.local_of(raw)?, (&zone_name, offset))?;
        Ok(true)
    })
}

/// Returns the type with the zone of a constant text; rows of a column are shown in the session's zone.
pub(super) fn zone_of_constant(planned: &Planned<'_>) -> Result<DataType> {
    let zone = match (planned.text(0), planned.text(1)) {
        (Some(text), Some(pattern)) => compile(&pattern)
            .and_then(|items| parse(&text, &items))
            .ok()
            .and_then(|(_, zone)| zone),
        _ => None,
    };
    let zone = zone.map_or_else(|| planned.zone.into(), Into::into);
    Ok(DataType::Timestamp(TimeUnit::Millisecond, Some(zone)))
}

/// `parse_datetime(text, pattern)`.
pub(super) fn parse_datetime(call: &Call) -> Result<ArrayRef> {
    let session = parse_zone(&call.zone)?;
    let mut patterns = Memo::new();
    let result = build(call.rows, |row| {
        let (Some(text), Some(pattern)) = (call.get::<Text>(0, row), call.get::<Text>(1, row))
        else {
            return Ok(None);
        };
        let (local, zone) = parse(text, patterns.get(pattern, compile)?)?;
        let instant = match zone {
            Some(zone) => to_instant(&parse_zone(&zone)?, local)?,
            None => to_instant(&session, local)?,
        };
        scaled(instant, 1_000).map(Some)
    })?;
    as_type(result, &call.returns)
}
