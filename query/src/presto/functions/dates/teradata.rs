//! `to_char`, `to_date` and `to_timestamp`: Teradata's patterns.

use arrow::array::ArrayRef;
use datafusion::error::Result;

use super::moments::{Moments, as_type, build, scaled};
use super::pattern::{Item, joined, parse, print};
use crate::presto::functions::call::{Call, Memo, Text, invalid};

const TOKENS: [(&str, Item); 9] = [
    ("yyyy", Item::Year(4)),
    ("yy", Item::TwoDigitYear),
    ("mm", Item::Month(2)),
    ("dd", Item::Day(2)),
    ("hh24", Item::Hour24(2)),
    ("hh", Item::ClockHour12(2)),
    ("mi", Item::Minute(2)),
    ("ss", Item::Second(2)),
    ("am", Item::HalfDay),
];

fn compile(pattern: &str) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut rest = pattern;
    'next: while let Some(c) = rest.chars().next() {
        for (token, item) in &TOKENS {
            let head = rest.get(..token.len());
            if head.is_some_and(|head| head.eq_ignore_ascii_case(token)) {
                items.push(item.clone());
                rest = rest.get(token.len()..).unwrap_or("");
                continue 'next;
            }
        }
        if !"-/,.;: ".contains(c) {
            let offset = pattern.len() - rest.len();
            let message = format!("Failed to tokenize string [{c}] at offset [{offset}]");
            return Err(invalid(message));
        }
        items.push(Item::Literal(c.to_string()));
        rest = rest.get(c.len_utf8()..).unwrap_or("");
    }
    Ok(joined(items))
}

/// `to_char(x, pattern)`.
pub(super) fn to_char(call: &Call) -> Result<ArrayRef> {
    let moments = Moments::of(call, 0)?;
    let mut patterns = Memo::new();
    call.build_text(|row, out| {
        let (Some(time), Some(pattern)) = (moments.local(row)?, call.get::<Text>(1, row)) else {
            return Ok(false);
        };
        print(out, patterns.get(pattern, compile)?, time, ("UTC", 0))?;
        Ok(true)
    })
}

fn parsed(call: &Call, to_value: fn(chrono::NaiveDateTime) -> Result<i64>) -> Result<ArrayRef> {
    let mut patterns = Memo::new();
    let result = build(call.rows, |row| {
        let (Some(text), Some(pattern)) = (call.get::<Text>(0, row), call.get::<Text>(1, row))
        else {
            return Ok(None);
        };
        let (time, _) = parse(text, patterns.get(pattern, compile)?)?;
        to_value(time).map(Some)
    })?;
    as_type(result, &call.returns)
}

/// `to_date(text, pattern)`.
pub(super) fn to_date(call: &Call) -> Result<ArrayRef> {
    parsed(call, |time| Ok(i64::from(time.date().to_epoch_days())))
}

/// `to_timestamp(text, pattern)`.
pub(super) fn to_timestamp(call: &Call) -> Result<ArrayRef> {
    parsed(call, |time| scaled(time, 1_000))
}
