//! Intervals of days to seconds: reading them, durations in words.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray};
use arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::error::Result;

use crate::presto::functions::call::{Call, Double, Text, invalid};
use crate::presto::numbers::java_double;

/// Returns the milliseconds of an interval of days to seconds.
pub(super) fn interval_millis(array: &ArrayRef, row: usize) -> Option<i64> {
    let array = array.as_primitive_opt::<IntervalMonthDayNanoType>()?;
    array.is_valid(row).then(|| {
        let value = array.value(row);
        i64::from(value.days) * 86_400_000 + value.nanoseconds / 1_000_000
    })
}

pub(super) fn to_milliseconds(call: &Call) -> Result<ArrayRef> {
    let array = Arc::clone(call.array(0)?);
    call.build::<i64>(|row| Ok(interval_millis(&array, call.row(0, row))))
}

/// `parse_duration('3.81 d')`.
pub(super) fn parse_duration(call: &Call) -> Result<ArrayRef> {
    let intervals: Result<IntervalMonthDayNanoArray> = (0..call.rows)
        .map(|row| {
            let millis = call.get::<Text>(0, row).map(duration).transpose()?;
            Ok(millis.map(|millis| {
                IntervalMonthDayNanoType::make_value(0, 0, millis.saturating_mul(1_000_000))
            }))
        })
        .collect();
    Ok(Arc::new(intervals?))
}

fn duration(text: &str) -> Result<i64> {
    let bad = || {
        invalid(format!(
            "duration is not a valid data duration string: {text}"
        ))
    };
    let trimmed = text.trim();
    let end = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(bad)?;
    let (number, unit) = trimmed.split_at_checked(end).ok_or_else(bad)?;
    let number: f64 = number.parse().map_err(|_| bad())?;
    let length = match unit.trim() {
        "ns" => 1e-6,
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 6e4,
        "h" => 3.6e6,
        "d" => 8.64e7,
        other => {
            return Err(invalid(format!("Unknown time unit: {other}")));
        }
    };
    Ok((number * length).round() as i64)
}

/// `human_readable_seconds(96)`: `1 minute, 36 seconds`.
pub(super) fn human_readable_seconds(call: &Call) -> Result<ArrayRef> {
    call.build_text(|row, out| {
        let Some(seconds) = call.get::<Double>(0, row) else {
            return Ok(false);
        };
        if !seconds.is_finite() {
            return Err(invalid(format!(
                "Invalid argument found: {}",
                java_double(seconds)
            )));
        }
        let mut rest = seconds.abs().round() as i64;
        let units = [
            ("week", 604_800),
            ("day", 86_400),
            ("hour", 3_600),
            ("minute", 60),
            ("second", 1),
        ];
        for (name, length) in units {
            let count = rest / length;
            rest %= length;
            if count > 0 {
                let separator = if out.is_empty() { "" } else { ", " };
                let plural = if count == 1 { "" } else { "s" };
                let _ = write!(out, "{separator}{count} {name}{plural}");
            }
        }
        if out.is_empty() {
            out.push_str("0 seconds");
        }
        Ok(true)
    })
}
