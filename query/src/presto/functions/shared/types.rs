//! Which types functions on collections take, and what they make of them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;

use super::internal;
use crate::presto::error::TrinoFailure;
use crate::presto::opaque::{BING_TILE, JSON};
use crate::presto::type_parser::{TextLength, text_length};
use crate::presto::types::type_name;

/// Returns the error of arguments that no form of the function takes.
pub(in crate::presto::functions) fn unexpected(
    name: &str,
    arguments: &[DataType],
) -> DataFusionError {
    let types: Vec<String> = arguments.iter().map(type_name).collect();
    TrinoFailure::new(
        "FUNCTION_NOT_FOUND",
        format!(
            "Unexpected parameters ({}) for function {name}",
            types.join(", ")
        ),
    )
    .into()
}

/// Returns the field as one of `char(n)` if the argument is.
pub(in crate::presto::functions) fn as_char(field: Field, argument: &Field) -> Field {
    match text_length(argument) {
        TextLength::Char(_) if *field.data_type() == DataType::Utf8 => {
            field.with_metadata(argument.metadata().clone())
        }
        _ => field,
    }
}

/// Returns the type of arrays of `item`.
pub(in crate::presto::functions) fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// Returns whether values of the type have an order.
pub(in crate::presto::functions) fn is_orderable(data_type: &DataType) -> bool {
    match normal(data_type) {
        opaque if opaque == JSON || opaque == BING_TILE => false,
        DataType::Map(..) => false,
        DataType::List(item) => is_orderable(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_orderable(field.data_type())),
        _ => true,
    }
}

/// Returns the type of maps from `key` to `value`.
pub(in crate::presto::functions) fn map_of(key: DataType, value: DataType) -> DataType {
    let fields = Fields::from(vec![
        Field::new("key", key, false),
        Field::new("value", value, true),
    ]);
    let entries = Field::new("entries", DataType::Struct(fields), false);
    DataType::Map(Arc::new(entries), false)
}

/// Returns the fields of keys and values of a map type.
pub(in crate::presto::functions) fn key_value(entries: &Field) -> Result<(&FieldRef, &FieldRef)> {
    if let DataType::Struct(fields) = entries.data_type()
        && let (Some(key), Some(value)) = (fields.first(), fields.get(1))
    {
        return Ok((key, value));
    }
    Err(internal("a map without keys and values"))
}

/// Returns the types of keys and values if the type is a map.
pub(in crate::presto::functions) fn map_types(
    data_type: &DataType,
) -> Option<(DataType, DataType)> {
    let DataType::Map(entries, _) = data_type else {
        return None;
    };
    let (key, value) = key_value(entries).ok()?;
    Some((key.data_type().clone(), value.data_type().clone()))
}

/// Returns the type in the one form that functions work on: lists, maps and values that are not dictionaries.
pub(in crate::presto::functions) fn normal(data_type: &DataType) -> DataType {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => list_of(normal(item.data_type())),
        DataType::Map(..) => match map_types(data_type) {
            Some((key, value)) => map_of(normal(&key), normal(&value)),
            None => data_type.clone(),
        },
        DataType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| {
                    let inner = normal(field.data_type());
                    Arc::new(
                        field
                            .as_ref()
                            .clone()
                            .with_data_type(inner)
                            .with_nullable(true),
                    )
                })
                .collect(),
        ),
        DataType::Dictionary(_, value) => normal(value),
        DataType::RunEndEncoded(_, value) => normal(value.data_type()),
        DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

/// Returns the type that both values become, if there is one without loss of meaning.
pub(in crate::presto::functions) fn common_type(
    left: &DataType,
    right: &DataType,
) -> Option<DataType> {
    use DataType::{
        Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, List, Map, Null, Struct,
        Timestamp,
    };
    let (left, right) = (normal(left), normal(right));
    if left == right {
        return Some(left);
    }
    let integer = |t: &DataType| match t {
        Int8 => Some(3_u8),
        Int16 => Some(5),
        Int32 => Some(10),
        Int64 => Some(19),
        _ => None,
    };
    if let (Some(a), Some(b)) = (integer(&left), integer(&right)) {
        return Some(if a >= b { left } else { right });
    }
    let decimal = |t: &DataType| match t {
        Decimal128(p, s) => Some((*p, *s)),
        other => integer(other).map(|digits| (digits, 0)),
    };
    if let (Some((p1, s1)), Some((p2, s2))) = (decimal(&left), decimal(&right)) {
        let scale = s1.max(s2);
        let whole = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
        let precision = u8::try_from(whole + i16::from(scale)).unwrap_or(38).min(38);
        return Some(Decimal128(precision, scale));
    }
    let is_number = |t: &DataType| decimal(t).is_some() || matches!(t, Float32 | Float64);
    match (&left, &right) {
        (Null, other) | (other, Null) => Some(other.clone()),
        (Float64, other) | (other, Float64) if is_number(other) => Some(Float64),
        (Float32, other) | (other, Float32) if is_number(other) => Some(Float32),
        (Date32, Timestamp(unit, zone)) | (Timestamp(unit, zone), Date32) => {
            Some(Timestamp(*unit, zone.clone()))
        }
        (Timestamp(a, first), Timestamp(b, second)) => {
            let rank = |unit: &TimeUnit| match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 1,
                TimeUnit::Microsecond => 2,
                TimeUnit::Nanosecond => 3,
            };
            let unit = if rank(a) >= rank(b) { a } else { b };
            Some(Timestamp(*unit, first.clone().or_else(|| second.clone())))
        }
        (List(a), List(b)) => common_type(a.data_type(), b.data_type()).map(list_of),
        (Map(..), Map(..)) => {
            let ((k1, v1), (k2, v2)) = (map_types(&left)?, map_types(&right)?);
            Some(map_of(common_type(&k1, &k2)?, common_type(&v1, &v2)?))
        }
        (Struct(a), Struct(b)) if a.len() == b.len() => {
            let mut fields = Vec::with_capacity(a.len());
            for (a, b) in a.iter().zip(b) {
                let inner = common_type(a.data_type(), b.data_type())?;
                fields.push(Field::new(a.name(), inner, true));
            }
            Some(Struct(fields.into()))
        }
        (a, b) if a.is_unsigned_integer() || b.is_unsigned_integer() => type_union_coercion(a, b),
        _ => None,
    }
}

/// Returns the one list type of arguments that are all arrays.
pub(in crate::presto::functions) fn same_lists(
    name: &str,
    arguments: &[DataType],
) -> Result<Vec<DataType>> {
    let mut item = DataType::Null;
    for argument in arguments {
        match normal(argument) {
            DataType::Null => {}
            DataType::List(field) => {
                item = common_type(&item, field.data_type())
                    .ok_or_else(|| unexpected(name, arguments))?;
            }
            _ => return Err(unexpected(name, arguments)),
        }
    }
    Ok(vec![list_of(item); arguments.len()])
}
