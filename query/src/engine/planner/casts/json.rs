//! Casts to JSON and of JSON.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, LargeStringArray, ListArray, MapArray, StringArray, StructArray,
    new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use datafusion::error::Result;
use serde_json::Value;

use super::super::function::{failure, unexpected, value_type};
use super::numbers::no_number;
use super::text::{self, Writer};
use super::{Class, cast_array, children, class, invalid, rows};
use crate::presto::functions::quote_json;
use crate::presto::numbers::{java_double, java_real, scientific};
use crate::presto::type_parser::{anonymous, is_json};
use crate::presto::types::{field_type_name, type_name};

pub(super) fn to_json(array: &ArrayRef) -> Result<ArrayRef> {
    let write = writer(array)?;
    let texts: LargeStringArray = rows(array, |row| {
        let mut out = String::new();
        write(row, &mut out)?;
        Ok(out)
    })?;
    Ok(Arc::new(texts))
}

/// Refuses types that do not become JSON, and those within them.
pub(super) fn check(from: &Field) -> Result<()> {
    match obstacle(from) {
        None => Ok(()),
        Some(Obstacle::Value) => Err(failure(
            "TYPE_MISMATCH",
            format!("Cannot cast {} to json", field_type_name(from)),
        )),
        Some(Obstacle::Key) => Err(invalid(format!(
            "Cannot cast {} to JSON",
            field_type_name(from)
        ))),
    }
}

/// What is in the way of a cast to JSON.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    /// A type that never becomes JSON.
    Value,
    /// One that does not become the key of an object.
    Key,
}

fn obstacle(field: &Field) -> Option<Obstacle> {
    match class(field) {
        Class::Null | Class::Number | Class::Date | Class::Json => None,
        Class::Text if is_varchar(field) => None,
        Class::Timestamp => match value_type(field.data_type()) {
            DataType::Timestamp(_, None) => None,
            _ => Some(Obstacle::Value),
        },
        Class::List | Class::Row => children(field).iter().find_map(obstacle),
        Class::Map => {
            let children = children(field);
            let [key, value] = children.as_slice() else {
                return Some(Obstacle::Value);
            };
            obstacle_of_key(key).or_else(|| obstacle(value))
        }
        _ => Some(Obstacle::Value),
    }
}

fn obstacle_of_key(key: &Field) -> Option<Obstacle> {
    match class(key) {
        Class::Null | Class::Number => None,
        Class::Text if is_varchar(key) => None,
        Class::Binary | Class::Sketch(_) | Class::List | Class::Map | Class::Row => {
            Some(Obstacle::Value)
        }
        _ => Some(Obstacle::Key),
    }
}

/// Neither `char(n)` nor a geometry.
fn is_varchar(field: &Field) -> bool {
    field_type_name(field).starts_with("varchar")
}

fn quote(out: &mut String, text: &str) {
    quote_json(text, out);
}

fn writer(array: &ArrayRef) -> Result<Writer<'_>> {
    Ok(match array.data_type() {
        DataType::Null => Box::new(|_, out| {
            out.push_str("null");
            Ok(())
        }),
        DataType::LargeUtf8
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Decimal128(..) => text::writer(array)?,
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            Box::new(|row, out| {
                let value = values.value(row);
                write_float(out, value.is_finite(), &java_double(value));
                Ok(())
            })
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            Box::new(|row, out| {
                let value = values.value(row);
                write_float(out, value.is_finite(), &java_real(value));
                Ok(())
            })
        }
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            let items = writer(lists.values())?;
            let values = lists.values();
            Box::new(move |row, out| {
                out.push('[');
                for (position, entry) in bounds(lists.value_offsets(), row).enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    write_or_null(&items, values, entry, out)?;
                }
                out.push(']');
                Ok(())
            })
        }
        DataType::Struct(fields) => {
            let row_array = array.as_struct();
            let columns = row_array.columns().iter().zip(fields);
            let columns = columns.enumerate().map(|(position, (column, field))| {
                // Fields without a name have an empty one.
                let name = if *field.name() == anonymous(position) {
                    ""
                } else {
                    field.name()
                };
                let mut key = String::new();
                quote(&mut key, name);
                Ok((key, column, writer(column)?))
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            Box::new(move |row, out| {
                out.push('{');
                for (position, (key, column, write)) in columns.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    out.push_str(key);
                    out.push(':');
                    write_or_null(write, column, row, out)?;
                }
                out.push('}');
                Ok(())
            })
        }
        DataType::Map(..) => {
            let maps = array.as_map();
            let keys = key_writer(maps.keys())?;
            let (values, write) = (maps.values(), writer(maps.values())?);
            Box::new(move |row, out| {
                let mut entries = Vec::new();
                for entry in bounds(maps.value_offsets(), row) {
                    let mut key = String::new();
                    keys(entry, &mut key)?;
                    entries.push((key, entry));
                }
                entries.sort();
                out.push('{');
                for (position, (key, entry)) in entries.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    quote(out, key);
                    out.push(':');
                    write_or_null(&write, values, *entry, out)?;
                }
                out.push('}');
                Ok(())
            })
        }
        DataType::Utf8 | DataType::Date32 | DataType::Timestamp(..) => {
            let write = text::writer(array)?;
            Box::new(move |row, out| {
                let mut value = String::new();
                write(row, &mut value)?;
                quote(out, &value);
                Ok(())
            })
        }
        other => {
            return Err(failure(
                "TYPE_MISMATCH",
                format!("Cannot cast {} to json", type_name(other)),
            ));
        }
    })
}

/// Returns what appends the keys of objects.
fn key_writer(keys: &ArrayRef) -> Result<Writer<'_>> {
    Ok(match keys.data_type() {
        // There are none.
        DataType::Null => Box::new(|_, _| Ok(())),
        DataType::Float64 => {
            let values = keys.as_primitive::<Float64Type>();
            Box::new(|row, out| {
                out.push_str(&java_double(values.value(row)));
                Ok(())
            })
        }
        DataType::Float32 => {
            let values = keys.as_primitive::<Float32Type>();
            Box::new(|row, out| {
                out.push_str(&java_real(values.value(row)));
                Ok(())
            })
        }
        _ => text::writer(keys)?,
    })
}

fn write_float(out: &mut String, is_finite: bool, shown: &str) {
    if is_finite {
        out.push_str(shown);
    } else {
        quote(out, shown);
    }
}

fn write_or_null(
    write: &Writer<'_>,
    values: &ArrayRef,
    row: usize,
    out: &mut String,
) -> Result<()> {
    if values.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    write(row, out)
}

fn bounds(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    let at = |row: usize| {
        let offset = offsets.get(row).copied().unwrap_or_default();
        usize::try_from(offset).unwrap_or(0)
    };
    at(row)..at(row + 1)
}

pub(super) fn from_json(array: &ArrayRef, to: &Field) -> Result<ArrayRef> {
    let texts = array.as_string::<i32>();
    let values: Vec<Option<Value>> = rows(array, |row| {
        let text = texts.value(row);
        serde_json::from_str(text)
            .map_err(|_| invalid(format!("Cannot cast '{text}' to {}", field_type_name(to))))
    })?;
    let values: Vec<Option<&Value>> = values.iter().map(Option::as_ref).collect();
    build(&values, to)
}

/// Returns the values as an array of the field's type; JSON's null is NULL.
fn build(values: &[Option<&Value>], to: &Field) -> Result<ArrayRef> {
    let present = |value: &Option<&Value>| value.is_some_and(|value| !value.is_null());
    let nulls = NullBuffer::from(values.iter().map(present).collect::<Vec<_>>());
    if is_json(to) {
        let texts = values.iter().map(|value| value.map(Value::to_string));
        return Ok(Arc::new(texts.collect::<LargeStringArray>()));
    }
    match to.data_type() {
        DataType::List(item) => {
            let (mut items, mut lengths) = (Vec::new(), Vec::with_capacity(values.len()));
            for value in values {
                let length = match value {
                    Some(Value::Array(inner)) => {
                        items.extend(inner.iter().map(Some));
                        inner.len()
                    }
                    Some(Value::Null) | None => 0,
                    Some(other) => return Err(not_expected(other, to, "json array")),
                };
                lengths.push(length);
            }
            let items = build(&items, item)?;
            let offsets = OffsetBuffer::from_lengths(lengths);
            Ok(Arc::new(ListArray::try_new(
                Arc::clone(item),
                offsets,
                items,
                Some(nulls),
            )?))
        }
        DataType::Map(entries, is_sorted) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(unexpected("map"));
            };
            let [key, item] = fields.iter().as_slice() else {
                return Err(unexpected("map"));
            };
            let (mut keys, mut items, mut lengths) =
                (Vec::new(), Vec::new(), Vec::with_capacity(values.len()));
            for value in values {
                let length = match value {
                    Some(Value::Object(inner)) => {
                        keys.extend(inner.keys().map(String::as_str));
                        items.extend(inner.values().map(Some));
                        inner.len()
                    }
                    Some(Value::Null) | None => 0,
                    Some(other) => return Err(not_expected(other, to, "json object")),
                };
                lengths.push(length);
            }
            let keys: ArrayRef = Arc::new(StringArray::from(keys));
            let keys = cast_array(&keys, &Field::new("key", DataType::Utf8, false), key)?;
            let columns =
                StructArray::try_new(fields.clone(), vec![keys, build(&items, item)?], None)?;
            let offsets = OffsetBuffer::from_lengths(lengths);
            let maps = MapArray::try_new(
                Arc::clone(entries),
                offsets,
                columns,
                Some(nulls),
                *is_sorted,
            )?;
            Ok(Arc::new(maps))
        }
        DataType::Struct(fields) => {
            let mut columns = Vec::with_capacity(fields.len());
            for (position, field) in fields.iter().enumerate() {
                let column = values.iter().map(|value| match value {
                    Some(Value::Array(inner)) if inner.len() == fields.len() => {
                        Ok(inner.get(position))
                    }
                    Some(Value::Object(inner)) => Ok(inner.get(field.name()).or_else(|| {
                        let found = inner
                            .iter()
                            .find(|(key, _)| key.eq_ignore_ascii_case(field.name()));
                        found.map(|(_, value)| value)
                    })),
                    Some(Value::Null) | None => Ok(None),
                    Some(other) => Err(not_expected(other, to, "json array or object")),
                });
                columns.push(build(&column.collect::<Result<Vec<_>>>()?, field)?);
            }
            Ok(Arc::new(StructArray::try_new(
                fields.clone(),
                columns,
                Some(nulls),
            )?))
        }
        _ => scalars(values, to),
    }
}

fn not_expected(value: &Value, to: &Field, expected: &str) -> datafusion::error::DataFusionError {
    let text = value.to_string();
    let first: String = text.chars().take(1).collect();
    invalid(format!(
        "Cannot cast to {}. Expected a {expected}, but got {first}\n{text}",
        field_type_name(to)
    ))
}

/// A JSON value that is no array or object is cast as what it is: text, a boolean, an integer or a double.
fn scalars(values: &[Option<&Value>], to: &Field) -> Result<ArrayRef> {
    if values.iter().all(Option::is_none) {
        return Ok(new_null_array(to.data_type(), values.len()));
    }
    let is_text = *to.data_type() == DataType::Utf8;
    let is_double = matches!(
        to.data_type(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64
    );
    let texts = values.iter().map(|value| match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Bool(value)) if is_text || *to.data_type() == DataType::Boolean => {
            Ok(Some(value.to_string()))
        }
        Some(Value::Bool(value)) => Ok(Some(if *value { "1" } else { "0" }.to_owned())),
        Some(Value::Number(number)) => {
            let shown = number.to_string();
            let is_integer = number.is_i64() || number.is_u64();
            let as_double = number.as_f64().unwrap_or(f64::NAN);
            if *to.data_type() == DataType::Boolean {
                return Ok(Some(
                    if as_double == 0.0 { "false" } else { "true" }.to_owned(),
                ));
            }
            if is_integer || !(is_text || is_double) {
                return Ok(Some(shown));
            }
            if is_text {
                return Ok(Some(scientific(as_double)));
            }
            // Integers take doubles rounded.
            Ok(Some(format!("{:.0}", as_double.round())))
        }
        Some(other) => Err(no_number(&other.to_string(), to.data_type())),
    });
    let texts: ArrayRef = Arc::new(texts.collect::<Result<StringArray>>()?);
    cast_array(&texts, &Field::new("", DataType::Utf8, true), to)
}

/// Returns JSON text as we write it: no blanks, keys in order; none if it is not JSON.
pub(in super::super) fn canonical_json(text: &str) -> Option<String> {
    serde_json::from_str::<Value>(text)
        .ok()
        .map(|value| sorted(value).to_string())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<(String, Value)> = entries.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
