//! Formats of dates and times, whatever language they are written in.

mod parse;
mod print;

use chrono::Offset as _;
use datafusion::error::Result;

pub(super) use self::parse::parse;
pub(super) use self::print::print;
use crate::presto::functions::call::failure;

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

    /// Returns whether the item is about the zone.
    pub(super) const fn is_of_zone(&self) -> bool {
        matches!(
            self,
            Self::ZoneShort | Self::ZoneId | Self::Offset | Self::OffsetColon
        )
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
