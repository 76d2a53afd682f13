//! Dates and timestamps by Presto's units: adding, differences, truncation, formatting.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc,
};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::{DataFusionError, Result};

#[derive(Clone, Copy)]
enum Unit {
    /// Fixed length, in microseconds.
    Micros(i64),
    Months(i32),
}

impl Unit {
    fn parse(name: &str) -> Result<Self> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "millisecond" => Self::Micros(1_000),
            "second" => Self::Micros(1_000_000),
            "minute" => Self::Micros(60_000_000),
            "hour" => Self::Micros(3_600_000_000),
            "day" => Self::Micros(86_400_000_000),
            "week" => Self::Micros(7 * 86_400_000_000),
            "month" => Self::Months(1),
            "quarter" => Self::Months(3),
            "year" => Self::Months(12),
            _ => return exec_err!("'{name}' is not a valid TIMESTAMP field"),
        })
    }
}

pub(super) fn type_of_second(types: &[DataType]) -> Result<DataType> {
    type_at(types, 1)
}

pub(super) fn type_of_third(types: &[DataType]) -> Result<DataType> {
    type_at(types, 2)
}

fn type_at(types: &[DataType], position: usize) -> Result<DataType> {
    match types.get(position) {
        Some(kept @ (DataType::Date32 | DataType::Timestamp(..))) => Ok(kept.clone()),
        Some(DataType::Date64) => Ok(DataType::Date32),
        Some(DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null) => {
            Ok(DataType::Timestamp(TimeUnit::Microsecond, None))
        }
        other => plan_err!("No function matches: a date or timestamp is needed, not {other:?}"),
    }
}

/// Returns the values as wall time.
fn times(array: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    let naive = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    Ok(naive.as_primitive::<TimestampMicrosecondType>().clone())
}

fn texts(array: &ArrayRef) -> Result<StringArray> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn at(micros: i64) -> Result<NaiveDateTime> {
    let time = DateTime::<Utc>::from_timestamp_micros(micros).map(|time| time.naive_utc());
    time.ok_or_else(out_of_range)
}

fn out_of_range() -> DataFusionError {
    DataFusionError::Execution("Timestamp overflow".to_owned())
}

fn value(times: &TimestampMicrosecondArray, row: usize) -> Option<i64> {
    times.is_valid(row).then(|| times.value(row))
}

fn text(texts: &StringArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row))
}

/// Returns wall times as the type they came from; with a zone they are read in that zone.
fn as_type(result: Vec<Option<i64>>, like: &DataType) -> Result<ArrayRef> {
    let naive: ArrayRef = Arc::new(TimestampMicrosecondArray::from(result));
    Ok(match like {
        DataType::Date64 => cast(&naive, &DataType::Date32)?,
        DataType::Date32 | DataType::Timestamp(..) => cast(&naive, like)?,
        _ => naive,
    })
}

fn add(time: NaiveDateTime, unit: Unit, count: i64) -> Result<NaiveDateTime> {
    let moved = match unit {
        Unit::Micros(length) => count
            .checked_mul(length)
            .and_then(|micros| time.checked_add_signed(TimeDelta::microseconds(micros))),
        Unit::Months(length) => {
            let months = count
                .unsigned_abs()
                .saturating_mul(u64::from(length.unsigned_abs()));
            let months = Months::new(u32::try_from(months).unwrap_or(u32::MAX));
            if count < 0 {
                time.checked_sub_months(months)
            } else {
                time.checked_add_months(months)
            }
        }
    };
    moved.ok_or_else(out_of_range)
}

/// `date_add(unit, count, x)`: months clamp to the end of the month.
pub(super) fn date_add(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let [units, counts, values] = arguments else {
        return exec_err!("date_add takes three arguments");
    };
    let (units, moments) = (texts(units)?, times(values)?);
    let counts = cast(counts, &DataType::Int64)?;
    let counts = counts.as_primitive::<Int64Type>();
    let is_date = matches!(values.data_type(), DataType::Date32 | DataType::Date64);
    let mut result = Vec::with_capacity(moments.len());
    for row in 0..moments.len() {
        let count = counts.is_valid(row).then(|| counts.value(row));
        let (Some(unit), Some(count), Some(moment)) =
            (text(&units, row), count, value(&moments, row))
        else {
            result.push(None);
            continue;
        };
        let unit = Unit::parse(unit)?;
        if is_date && matches!(unit, Unit::Micros(length) if length < 86_400_000_000) {
            return exec_err!(
                "'{}' is not a valid DATE field",
                text(&units, row).unwrap_or_default()
            );
        }
        result.push(Some(
            add(at(moment)?, unit, count)?.and_utc().timestamp_micros(),
        ));
    }
    as_type(result, values.data_type())
}

/// `date_diff(unit, a, b)`: complete units from a to b.
pub(super) fn date_diff(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let [units, from, to] = arguments else {
        return exec_err!("date_diff takes three arguments");
    };
    let (units, from, to) = (texts(units)?, times(from)?, times(to)?);
    let mut result = Vec::with_capacity(from.len());
    for row in 0..from.len() {
        let (Some(unit), Some(a), Some(b)) =
            (text(&units, row), value(&from, row), value(&to, row))
        else {
            result.push(None);
            continue;
        };
        result.push(Some(match Unit::parse(unit)? {
            Unit::Micros(length) => (b - a) / length,
            Unit::Months(length) => months_between(at(a)?, at(b)?)? / i64::from(length),
        }));
    }
    Ok(Arc::new(Int64Array::from(result)))
}

fn months_between(a: NaiveDateTime, b: NaiveDateTime) -> Result<i64> {
    if b < a {
        return Ok(-months_between(b, a)?);
    }
    let index = |time: NaiveDateTime| i64::from(time.year()) * 12 + i64::from(time.month0());
    let months = index(b) - index(a);
    // The last month counts only if it is complete; a month end clamps.
    let is_complete = add(a, Unit::Months(1), months)? <= b;
    Ok(if is_complete { months } else { months - 1 })
}

/// `date_trunc(unit, x)`: a date stays a date.
pub(super) fn date_trunc(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let [units, values] = arguments else {
        return exec_err!("date_trunc takes two arguments");
    };
    let (units, moments) = (texts(units)?, times(values)?);
    let mut result = Vec::with_capacity(moments.len());
    for row in 0..moments.len() {
        let (Some(unit), Some(moment)) = (text(&units, row), value(&moments, row)) else {
            result.push(None);
            continue;
        };
        result.push(Some(truncate(unit, moment)?));
    }
    as_type(result, values.data_type())
}

fn truncate(unit: &str, micros: i64) -> Result<i64> {
    let name = unit.to_ascii_lowercase();
    if let (Unit::Micros(length), false) = (Unit::parse(&name)?, name == "week") {
        return Ok(micros.div_euclid(length) * length);
    }
    let day = at(micros)?.date();
    let start = match name.as_str() {
        "week" => day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday()))),
        "month" => NaiveDate::from_ymd_opt(day.year(), day.month(), 1),
        "quarter" => NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1),
        _ => NaiveDate::from_ymd_opt(day.year(), 1, 1),
    };
    let start = start
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .ok_or_else(out_of_range)?;
    Ok(start.and_utc().timestamp_micros())
}

/// `date_format(x, format)` with MySQL's codes.
pub(super) fn date_format(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let [values, formats] = arguments else {
        return exec_err!("date_format takes two arguments");
    };
    let (moments, formats) = (times(values)?, texts(formats)?);
    let mut result = Vec::with_capacity(moments.len());
    for row in 0..moments.len() {
        result.push(match (value(&moments, row), text(&formats, row)) {
            (Some(moment), Some(format)) => Some(formatted(at(moment)?, format)?),
            _ => None,
        });
    }
    Ok(Arc::new(StringArray::from(result)))
}

fn formatted(time: NaiveDateTime, format: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let chrono_code = match rest.next() {
            Some('Y') => "%Y",
            Some('y') => "%y",
            Some('m') => "%m",
            Some('c') => "%-m",
            Some('d') => "%d",
            Some('e') => "%-d",
            Some('H') => "%H",
            Some('k') => "%-H",
            Some('h' | 'I') => "%I",
            Some('l') => "%-I",
            Some('i') => "%M",
            Some('s' | 'S') => "%S",
            Some('p') => "%p",
            Some('r') => "%I:%M:%S %p",
            Some('T') => "%H:%M:%S",
            Some('a') => "%a",
            Some('W') => "%A",
            Some('b') => "%b",
            Some('M') => "%B",
            Some('j') => "%j",
            Some('v') => "%V",
            Some('x') => "%G",
            Some('f') => {
                let _ = write!(out, "{:06}", time.nanosecond() / 1000);
                continue;
            }
            Some('%') => "%%",
            Some(other) => return exec_err!("%{other} is not supported in date_format"),
            None => return exec_err!("a lone % ends the format"),
        };
        // Writing to a String cannot fail, and the codes above are valid.
        let _ = write!(out, "{}", time.format(chrono_code));
    }
    Ok(out)
}
