//! Texts in parts: arrays, maps, one part.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, MapBuilder, MapFieldNames, StringBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::error::Result;

use crate::presto::functions::call::{Call, Long, Text, invalid};
use crate::presto::functions::scalar::Planned;

/// `split(text, delimiter [, limit])`: the last part holds the rest.
pub(super) fn split(call: &Call) -> Result<ArrayRef> {
    let mut builder = list_builder();
    for row in 0..call.rows {
        let limit = match call.len() {
            3 => call.get::<Long>(2, row),
            _ => Some(i64::MAX),
        };
        let (Some(text), Some(delimiter), Some(limit)) =
            (call.get::<Text>(0, row), call.get::<Text>(1, row), limit)
        else {
            builder.append(false);
            continue;
        };
        if limit <= 0 {
            return Err(invalid("Limit must be positive"));
        }
        if delimiter.is_empty() {
            return Err(invalid("The delimiter may not be the empty string"));
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        for part in text.splitn(limit, delimiter) {
            builder.values().append_value(part);
        }
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}

/// Returns a builder of arrays of texts.
pub(in crate::presto::functions) fn list_builder() -> ListBuilder<StringBuilder> {
    ListBuilder::new(StringBuilder::new()).with_field(Field::new_list_field(DataType::Utf8, true))
}

/// `split_part(text, delimiter, index)`: NULL past the end.
pub(super) fn split_part(call: &Call) -> Result<ArrayRef> {
    call.build_text(|row, out| {
        let (Some(text), Some(delimiter), Some(index)) = (
            call.get::<Text>(0, row),
            call.get::<Text>(1, row),
            call.get::<Long>(2, row),
        ) else {
            return Ok(false);
        };
        if index <= 0 {
            return Err(invalid("Index must be greater than zero"));
        }
        let index = usize::try_from(index - 1).unwrap_or(usize::MAX);
        if delimiter.is_empty() {
            let Some(c) = text.chars().nth(index) else {
                return Ok(false);
            };
            out.push(c);
            return Ok(true);
        }
        let Some(part) = text.split(delimiter).nth(index) else {
            return Ok(false);
        };
        out.push_str(part);
        Ok(true)
    })
}

fn map_of(value: DataType) -> DataType {
    let entries = Field::new_struct(
        "entries",
        vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", value, true),
        ],
        false,
    );
    DataType::Map(Arc::new(entries), false)
}

pub(super) fn map_type(_: &Planned<'_>) -> Result<DataType> {
    Ok(map_of(DataType::Utf8))
}

pub(super) fn multimap_type(_: &Planned<'_>) -> Result<DataType> {
    Ok(map_of(DataType::List(Arc::new(Field::new_list_field(
        DataType::Utf8,
        true,
    )))))
}

fn names() -> MapFieldNames {
    MapFieldNames {
        entry: "entries".to_owned(),
        key: "key".to_owned(),
        value: "value".to_owned(),
    }
}

/// Returns the keys and values of a text, none if the text or a delimiter is NULL.
fn pairs(call: &Call, row: usize) -> Result<Option<Vec<(&str, &str)>>> {
    let (Some(text), Some(entries), Some(between)) = (
        call.get::<Text>(0, row),
        call.get::<Text>(1, row),
        call.get::<Text>(2, row),
    ) else {
        return Ok(None);
    };
    if entries.is_empty() {
        return Err(invalid("entryDelimiter is empty"));
    }
    if between.is_empty() {
        return Err(invalid("keyValueDelimiter is empty"));
    }
    if entries == between {
        return Err(invalid(
            "entryDelimiter and keyValueDelimiter must not be the same",
        ));
    }
    let mut parts: Vec<&str> = text.split(entries).collect();
    // What follows a last delimiter is no entry.
    if parts.last() == Some(&"") {
        parts.pop();
    }
    let pairs = parts.into_iter().map(|part| {
        part.split_once(between)
            .filter(|(_, value)| !value.contains(between))
            .ok_or_else(|| {
                invalid(format!(
                    "Key-value delimiter must appear exactly once in each entry. Bad input: '{part}'"
                ))
            })
    });
    pairs.collect::<Result<_>>().map(Some)
}

pub(super) fn split_to_map(call: &Call) -> Result<ArrayRef> {
    let mut builder = MapBuilder::new(Some(names()), StringBuilder::new(), StringBuilder::new());
    for row in 0..call.rows {
        let Some(pairs) = pairs(call, row)? else {
            builder.append(false)?;
            continue;
        };
        for (position, (key, value)) in pairs.iter().enumerate() {
            if pairs.iter().take(position).any(|(known, _)| known == key) {
                return Err(invalid(format!("Duplicate keys ({key}) are not allowed")));
            }
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(true)?;
    }
    Ok(Arc::new(builder.finish()))
}

pub(super) fn split_to_multimap(call: &Call) -> Result<ArrayRef> {
    let mut builder = MapBuilder::new(Some(names()), StringBuilder::new(), list_builder());
    for row in 0..call.rows {
        let Some(pairs) = pairs(call, row)? else {
            builder.append(false)?;
            continue;
        };
        for (position, (key, _)) in pairs.iter().enumerate() {
            if pairs.iter().take(position).any(|(known, _)| known == key) {
                continue;
            }
            builder.keys().append_value(key);
            for (_, value) in pairs.iter().filter(|(known, _)| known == key) {
                builder.values().values().append_value(value);
            }
            builder.values().append(true);
        }
        builder.append(true)?;
    }
    Ok(Arc::new(builder.finish()))
}
