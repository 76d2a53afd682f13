//! JSON: texts that hold one value.

mod path;
mod scan;
pub(crate) mod sql_path;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::error::Result;

pub(crate) use self::scan::quote;
use self::scan::{Order, Scanner, Sort, canonical, elements, members, unquoted};
use super::call::{Call, Double, Flag, Long, Memo, Text, invalid};
use super::scalar::Entry;

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("is_json_scalar", is_json_scalar),
    Entry::new("json_array_contains", json_array_contains),
    Entry::new("json_array_get", json_array_get),
    Entry::new("json_array_length", json_array_length),
    Entry::new("json_extract", json_extract),
    Entry::new("json_extract_scalar", json_extract_scalar),
    Entry::new("json_format", json_format),
    Entry::new("json_parse", json_parse),
    Entry::new("json_size", json_size),
];

fn json_parse(call: &Call) -> Result<ArrayRef> {
    call.text1(|text, out| {
        let value = Scanner::new(text).whole();
        value
            .and_then(|value| canonical(value, Order::Sorted, out))
            .ok_or_else(|| invalid(format!("Cannot convert value to JSON: '{text}'")))?;
        Ok(true)
    })
}

fn json_format(call: &Call) -> Result<ArrayRef> {
    call.text1(|text, out| {
        out.push_str(text);
        Ok(true)
    })
}

fn is_json_scalar(call: &Call) -> Result<ArrayRef> {
    call.map1::<Text, bool>(|text| {
        let value = Scanner::new(text).whole();
        let value = value.ok_or_else(|| invalid(format!("Invalid JSON value: {text}")))?;
        Ok(Some(!matches!(Sort::of(value), Sort::Object | Sort::Array)))
    })
}

/// Calls `write` with what a path finds in each row.
fn extract(call: &Call, mut write: impl FnMut(&str, &mut String) -> bool) -> Result<ArrayRef> {
    let mut paths = Memo::new();
    call.build_text(|row, out| {
        let (Some(text), Some(path)) = (call.get::<Text>(0, row), call.get::<Text>(1, row)) else {
            return Ok(false);
        };
        let steps = paths.get(path, path::compile)?;
        Ok(Scanner::new(text)
            .find(steps)
            .is_some_and(|value| write(value, out)))
    })
}

fn json_extract(call: &Call) -> Result<ArrayRef> {
    extract(call, |value, out| {
        canonical(value, Order::Kept, out).is_some()
    })
}

/// Writes a scalar as text; NULL and what holds others have none.
fn scalar_text(value: &str, out: &mut String) -> bool {
    match Sort::of(value) {
        Sort::Object | Sort::Array | Sort::Null => false,
        Sort::String => {
            out.push_str(&unquoted(value));
            true
        }
        _ => {
            out.push_str(value);
            true
        }
    }
}

fn json_extract_scalar(call: &Call) -> Result<ArrayRef> {
    extract(call, scalar_text)
}

fn json_size(call: &Call) -> Result<ArrayRef> {
    let mut paths = Memo::new();
    call.map2::<Text, Text, i64>(|text, path| {
        let steps = paths.get(path, path::compile)?;
        let Some(value) = Scanner::new(text).find(steps) else {
            return Ok(None);
        };
        let size = match Sort::of(value) {
            Sort::Object => members(value).map(|list| list.len()),
            Sort::Array => elements(value).map(|list| list.len()),
            _ => Some(0),
        };
        Ok(size.and_then(|size| i64::try_from(size).ok()))
    })
}

fn json_array_length(call: &Call) -> Result<ArrayRef> {
    call.map1::<Text, i64>(|text| {
        let length = elements(text.trim_start()).map(|list| list.len());
        Ok(length.and_then(|length| i64::try_from(length).ok()))
    })
}

/// `json_array_get(json, index)`: a negative index counts from the end; a string comes without its quotes.
fn json_array_get(call: &Call) -> Result<ArrayRef> {
    call.build_text(|row, out| {
        let (Some(text), Some(index)) = (call.get::<Text>(0, row), call.get::<Long>(1, row)) else {
            return Ok(false);
        };
        let Some(list) = elements(text.trim_start()) else {
            return Ok(false);
        };
        let place = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
        let place = if index < 0 {
            list.len().checked_sub(place)
        } else {
            Some(place)
        };
        let Some(value) = place.and_then(|place| list.get(place)) else {
            return Ok(false);
        };
        Ok(match Sort::of(value) {
            Sort::Object | Sort::Array => canonical(value, Order::Kept, out).is_some(),
            _ => scalar_text(value, out),
        })
    })
}

fn json_array_contains(call: &Call) -> Result<ArrayRef> {
    call.build::<bool>(|row| {
        if call.any_null(row) {
            return Ok(None);
        }
        let text = call.get::<Text>(0, row).unwrap_or_default();
        let Some(list) = elements(text.trim_start()) else {
            return Ok(None);
        };
        let is_float = |value: &str| value.contains(['.', 'e', 'E']);
        let found = list
            .into_iter()
            .any(|value| match (Sort::of(value), call.data_type(1)) {
                (Sort::Boolean, DataType::Boolean) => {
                    call.get::<Flag>(1, row) == Some(value == "true")
                }
                (Sort::Number, DataType::Int64) => {
                    !is_float(value) && value.parse().ok() == call.get::<Long>(1, row)
                }
                (Sort::Number, DataType::Float64) => {
                    is_float(value) && value.parse().ok() == call.get::<Double>(1, row)
                }
                (Sort::String, DataType::Utf8) => {
                    call.get::<Text>(1, row) == Some(&*unquoted(value))
                }
                _ => false,
            });
        Ok(Some(found))
    })
}
