//! Adding units, counting units between, cutting to a unit.

use arrow::array::{ArrayRef, Int64Array};
use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime};
use datafusion::error::{DataFusionError, Result};

use super::moments::{Moments, Sort, build, overflow};
use crate::presto::functions::call::{Call, Long, Memo, Text, failure, invalid};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Shorter than a day: in milliseconds.
    Clock(i64),
    Days(i64),
    Months(i64),
}

const UNITS: [(&str, Unit); 9] = [
    ("millisecond", Unit::Clock(1)),
    ("second", Unit::Clock(1_000)),
    ("minute", Unit::Clock(60_000)),
    ("hour", Unit::Clock(3_600_000)),
    ("day", Unit::Days(1)),
    ("week", Unit::Days(7)),
    ("month", Unit::Months(1)),
    ("quarter", Unit::Months(3)),
    ("year", Unit::Months(12)),
];

impl Unit {
    fn parse(name: &str, sort: Sort) -> Result<Self> {
        let found = UNITS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, unit)| *unit)
            .filter(|unit| match sort {
                Sort::Date => !matches!(unit, Self::Clock(_)),
                Sort::Time => matches!(unit, Self::Clock(_)),
                Sort::Timestamp => true,
            });
        found.ok_or_else(|| invalid(format!("'{name}' is not a valid {} field", sort.name())))
    }
}

fn integer_overflow() -> DataFusionError {
    failure("NUMERIC_VALUE_OUT_OF_RANGE", "integer overflow")
}

/// Returns a length in milliseconds as units of the column, of which zero is less than a unit.
fn in_units(millis: i64, per_second: i64) -> (i64, i64) {
    if per_second >= 1_000 {
        (millis * (per_second / 1_000), 1)
    } else if millis >= 1_000 {
        (millis / 1_000 * per_second, 1)
    } else {
        (1, 1_000 / millis / per_second)
    }
}

/// `date_add(unit, count, x)`: months clamp to the end of the month.
pub(super) fn date_add(call: &Call) -> Result<ArrayRef> {
    let moments = Moments::of(call, 2)?;
    let mut units = Memo::new();
    let result = build(call.rows, |row| {
        let (Some(unit), Some(count), Some(raw)) = (
            call.get::<Text>(0, row),
            call.get::<Long>(1, row),
            moments.raw(row),
        ) else {
            return Ok(None);
        };
        let unit = *units.get(unit, |name| Unit::parse(name, moments.sort))?;
        add(&moments, unit, count, raw).map(Some)
    })?;
    moments.rebuild(result)
}

fn add(moments: &Moments, unit: Unit, count: i64, raw: i64) -> Result<i64> {
    match (unit, moments.sort) {
        (Unit::Clock(millis), sort) => {
            let (length, divisor) = in_units(millis, moments.per_second);
            let moved = (count / divisor)
                .checked_mul(length)
                .and_then(|by| raw.checked_add(by))
                .ok_or_else(integer_overflow)?;
            if sort == Sort::Time {
                return Ok(moved.rem_euclid(86_400 * moments.per_second));
            }
            Ok(moved)
        }
        (Unit::Days(length), Sort::Date) => count
            .checked_mul(length)
            .and_then(|days| raw.checked_add(days))
            .filter(|days| i32::try_from(*days).is_ok())
            .ok_or_else(integer_overflow),
        (Unit::Days(length), _) => {
            let local = moments.local_of(raw)?;
            let days = count.checked_mul(length).ok_or_else(integer_overflow)?;
            let distance = Days::new(days.unsigned_abs());
            let moved = if days < 0 {
                local.checked_sub_days(distance)
            } else {
                local.checked_add_days(distance)
            };
            moments.raw_of(moved.ok_or_else(integer_overflow)?)
        }
        (Unit::Months(length), _) => {
            let months = count.checked_mul(length).ok_or_else(integer_overflow)?;
            moments.raw_of(add_months(moments.local_of(raw)?, months)?)
        }
    }
}

fn add_months(local: NaiveDateTime, months: i64) -> Result<NaiveDateTime> {
    let distance = u32::try_from(months.unsigned_abs()).map_err(|_| integer_overflow())?;
    let moved = if months < 0 {
        local.checked_sub_months(Months::new(distance))
    } else {
        local.checked_add_months(Months::new(distance))
    };
    moved.ok_or_else(integer_overflow)
}

/// `date_diff(unit, a, b)`: complete units from a to b.
pub(super) fn date_diff(call: &Call) -> Result<ArrayRef> {
    let (from, to) = (Moments::of(call, 1)?, Moments::of(call, 2)?);
    let mut units = Memo::new();
    call.build::<i64>(|row| {
        let (Some(unit), Some(a), Some(b)) = (call.get::<Text>(0, row), from.raw(row), to.raw(row))
        else {
            return Ok(None);
        };
        let unit = *units.get(unit, |name| Unit::parse(name, from.sort))?;
        difference(unit, (&from, a), (&to, b)).map(Some)
    })
}

fn difference(unit: Unit, (from, a): (&Moments, i64), (to, b): (&Moments, i64)) -> Result<i64> {
    if let Unit::Clock(millis) = unit {
        let precise = from.per_second.max(to.per_second);
        let scale = |raw: i64, moments: &Moments| {
            i128::from(raw) * i128::from(precise / moments.per_second)
        };
        let between = scale(b, to) - scale(a, from);
        let units = between * 1_000 / (i128::from(millis) * i128::from(precise));
        return i64::try_from(units).map_err(|_| integer_overflow());
    }
    // Both ends are read on the clocks of the first.
    let a = from.local_of(a)?;
    let b = match (&from.zone, &to.zone) {
        (Some(_), Some(_)) => {
            let instant = super::moments::naive(b, to.per_second)?;
            from.local_of(super::moments::scaled(instant, from.per_second)?)?
        }
        _ => to.local_of(b)?,
    };
    match unit {
        Unit::Days(length) => Ok((b - a).num_days() / length),
        Unit::Months(length) => Ok(months_between(a, b)? / length),
        Unit::Clock(_) => Err(integer_overflow()),
    }
}

fn months_between(a: NaiveDateTime, b: NaiveDateTime) -> Result<i64> {
    if b < a {
        return Ok(-months_between(b, a)?);
    }
    let index = |time: NaiveDateTime| i64::from(time.year()) * 12 + i64::from(time.month0());
    let months = index(b) - index(a);
    // The last month counts only if it is complete; a month end clamps.
    let is_complete = add_months(a, months)? <= b;
    Ok(if is_complete { months } else { months - 1 })
}

/// `date_trunc(unit, x)`: a date stays a date, and a zone its zone.
pub(super) fn date_trunc(call: &Call) -> Result<ArrayRef> {
    let moments = Moments::of(call, 1)?;
    let mut units = Memo::new();
    let result: Int64Array = build(call.rows, |row| {
        let (Some(unit), Some(raw)) = (call.get::<Text>(0, row), moments.raw(row)) else {
            return Ok(None);
        };
        let unit = *units.get(unit, |name| Unit::parse(name, moments.sort))?;
        truncate(&moments, unit, raw).map(Some)
    })?;
    moments.rebuild(result)
}

fn truncate(moments: &Moments, unit: Unit, raw: i64) -> Result<i64> {
    let day_units = match moments.sort {
        Sort::Date => 1,
        _ => 86_400 * moments.per_second,
    };
    match unit {
        Unit::Clock(millis) if moments.zone.is_none() || millis <= 1_000 => {
            let (length, _) = in_units(millis, moments.per_second);
            Ok(raw.div_euclid(length) * length)
        }
        Unit::Clock(millis) => {
            // Offsets are not whole hours everywhere.
            let local = super::moments::scaled(moments.local_of(raw)?, moments.per_second)?;
            let (length, _) = in_units(millis, moments.per_second);
            let start = raw - local.rem_euclid(length);
            Ok(match moments.sort {
                Sort::Time => start.rem_euclid(day_units),
                _ => start,
            })
        }
        Unit::Days(1) if moments.zone.is_none() => Ok(raw.div_euclid(day_units) * day_units),
        _ => {
            let day = moments.local_of(raw)?.date();
            let start = start_of(unit, day).and_then(|day| day.and_hms_opt(0, 0, 0));
            moments.raw_of(start.ok_or_else(overflow)?)
        }
    }
}

fn start_of(unit: Unit, day: NaiveDate) -> Option<NaiveDate> {
    match unit {
        Unit::Days(7) => {
            day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday())))
        }
        Unit::Months(1) => day.with_day(1),
        Unit::Months(3) => NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1),
        Unit::Months(_) => NaiveDate::from_ymd_opt(day.year(), 1, 1),
        _ => Some(day),
    }
}
