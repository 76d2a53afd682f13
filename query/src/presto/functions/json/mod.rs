//! JSON: texts that hold one value.

mod path;
mod scan;
mod sql_path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::error::Result;

use self::scan::{Order, Scanner, Sort, canonical, elements, members, quote, unquoted};
use super::call::{Call, Double, Flag, Long, Memo, Text, failure, invalid};
use super::kinds::Kind;
use super::scalar::Entry;
use crate::presto::numbers::{decimal_text, java_double};

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("is_json_scalar", is_json_scalar),
    Entry::new("json_array", json_array),
    Entry::new("json_array_contains", json_array_contains),
    Entry::new("json_array_get", json_array_get),
    Entry::new("json_array_length", json_array_length),
    Entry::new("json_exists", json_exists),
    Entry::new("json_extract", json_extract),
    Entry::new("json_extract_scalar", json_extract_scalar),
    Entry::new("json_format", json_format),
    Entry::new("json_object", json_object),
    Entry::new("json_parse", json_parse),
    Entry::new("json_query", json_query),
    Entry::new("json_size", json_size),
    Entry::new("json_value", json_value),
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

/// `json_value(json, path)`: the only scalar; NULL if there is none or the path fails.
fn json_value(call: &Call) -> Result<ArrayRef> {
    let mut paths = Memo::new();
    call.build_text(|row, out| {
        let (Some(text), Some(path)) = (call.get::<Text>(0, row), call.get::<Text>(1, row)) else {
            return Ok(false);
        };
        let path = paths.get(path, sql_path::Path::compile)?;
        let items = Scanner::new(text).whole().and_then(|json| path.find(json));
        Ok(match items.as_deref() {
            Some([only]) => scalar_text(only, out),
            _ => false,
        })
    })
}

/// `json_query(json, path [, wrapper])`: NULL if the path fails or finds several without a wrapper.
fn json_query(call: &Call) -> Result<ArrayRef> {
    let mut paths = Memo::new();
    call.build_text(|row, out| {
        if call.any_null(row) {
            return Ok(false);
        }
        let (Some(text), Some(path)) = (call.get::<Text>(0, row), call.get::<Text>(1, row)) else {
            return Ok(false);
        };
        let wrapper = call.get::<Text>(2, row).unwrap_or("WITHOUT");
        let path = paths.get(path, sql_path::Path::compile)?;
        let items = Scanner::new(text).whole().and_then(|json| path.find(json));
        let Some(items) = items.filter(|items| !items.is_empty()) else {
            return Ok(false);
        };
        let is_single = items.len() == 1;
        let is_wrapped = match wrapper.to_ascii_uppercase().as_str() {
            "WITHOUT" => false,
            "CONDITIONAL" => !is_single,
            "WITH" | "UNCONDITIONAL" => true,
            other => return Err(invalid(format!("Unknown JSON wrapper: {other}"))),
        };
        if !is_wrapped && !is_single {
            return Ok(false);
        }
        if is_wrapped {
            out.push('[');
        }
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            if canonical(item, Order::Kept, out).is_none() {
                return Ok(false);
            }
        }
        if is_wrapped {
            out.push(']');
        }
        Ok(true)
    })
}

/// `json_exists(json, path)`: whether the path finds anything; an error is a no.
fn json_exists(call: &Call) -> Result<ArrayRef> {
    let mut paths = Memo::new();
    call.map2::<Text, Text, bool>(|text, path| {
        let path = paths.get(path, sql_path::Path::compile)?;
        let items = Scanner::new(text).whole().and_then(|json| path.find(json));
        Ok(Some(items.is_some_and(|items| !items.is_empty())))
    })
}

/// Values of one argument as JSON.
struct Values {
    array: ArrayRef,
    is_json: bool,
}

impl Values {
    fn of(call: &Call, position: usize) -> Result<Self> {
        let array = call.array(position)?;
        let is_json = call
            .fields
            .get(position)
            .is_some_and(|field| Kind::of(field) == Kind::Json);
        let wanted = match array.data_type() {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Int64,
            DataType::Float32 | DataType::Float64 => DataType::Float64,
            known @ (DataType::Decimal128(..) | DataType::Boolean | DataType::Null) => {
                known.clone()
            }
            DataType::Date32 | DataType::Utf8 => DataType::Utf8,
            other => {
                let name = crate::presto::types::type_name(other);
                let message = format!("Cannot convert {name} to JSON");
                return Err(failure("NOT_SUPPORTED", message));
            }
        };
        Ok(Self {
            array: cast(array, &wanted)?,
            is_json,
        })
    }

    fn write(&self, row: usize, out: &mut String) {
        if self.array.is_null(row) {
            out.push_str("null");
            return;
        }
        match self.array.data_type() {
            DataType::Int64 => {
                let value = self.array.as_primitive::<Int64Type>().value(row);
                out.push_str(&value.to_string());
            }
            DataType::Float64 => {
                let value = self.array.as_primitive::<Float64Type>().value(row);
                out.push_str(&java_double(value));
            }
            DataType::Decimal128(_, scale) => {
                let value = self.array.as_primitive::<Decimal128Type>().value(row);
                out.push_str(&decimal_text(value, *scale));
            }
            DataType::Boolean => {
                out.push_str(&self.array.as_boolean().value(row).to_string());
            }
            _ => match (self.array.as_string_opt::<i32>(), self.is_json) {
                (Some(texts), true) => out.push_str(texts.value(row)),
                (Some(texts), false) => quote(texts.value(row), out),
                (None, _) => out.push_str("null"),
            },
        }
    }
}

fn all_values(call: &Call) -> Result<Vec<Values>> {
    (0..call.len())
        .map(|position| Values::of(call, position))
        .collect()
}

/// `json_object(key, value, …)`: NULLs are kept.
fn json_object(call: &Call) -> Result<ArrayRef> {
    if call.len() % 2 == 1 {
        return Err(invalid("json_object takes pairs of key and value"));
    }
    let values = all_values(call)?;
    call.build_text(|row, out| {
        out.push('{');
        for (position, value) in values.iter().enumerate() {
            let at = call.row(position, row);
            let is_key = position % 2 == 0;
            if is_key && call.is_null(position, row) {
                return Err(invalid(
                    "null value passed for JSON object key to JSON_OBJECT function",
                ));
            }
            if position > 0 {
                out.push(if is_key { ',' } else { ':' });
            }
            value.write(at, out);
        }
        out.push('}');
        Ok(true)
    })
}

/// `json_array(value, …)`: NULLs are left out.
fn json_array(call: &Call) -> Result<ArrayRef> {
    let values = all_values(call)?;
    call.build_text(|row, out| {
        out.push('[');
        for (position, value) in values.iter().enumerate() {
            let at = call.row(position, row);
            if call.is_null(position, row) {
                continue;
            }
            if out.len() > 1 {
                out.push(',');
            }
            value.write(at, out);
        }
        out.push(']');
        Ok(true)
    })
}
