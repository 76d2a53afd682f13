//! The type that values of two types have in common, as Presto finds it.
//!
//! | types | common type |
//! |---|---|
//! | integers | the wider one |
//! | integers, decimals | the decimal that holds both, of 38 digits at most |
//! | numbers, real or double | the wider floating one |
//! | date, timestamp | timestamp |
//! | timestamps, times | that of more digits; with a zone if one has a zone |
//! | arrays, maps, rows | the common types of what is inside |

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;

use super::zoned_time::{is_zoned_time, of_offset, unit_and_offset};

/// Returns the type of arrays of `item`.
pub(crate) fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// Returns the type of maps from `key` to `value`.
pub(crate) fn map_of(key: DataType, value: DataType) -> DataType {
    let fields = Fields::from(vec![
        Field::new("key", key, false),
        Field::new("value", value, true),
    ]);
    let entries = Field::new("entries", DataType::Struct(fields), false);
    DataType::Map(Arc::new(entries), false)
}

/// Returns the fields of keys and values of a map type.
pub(crate) fn key_value(entries: &Field) -> Result<(&FieldRef, &FieldRef)> {
    if let DataType::Struct(fields) = entries.data_type()
        && let (Some(key), Some(value)) = (fields.first(), fields.get(1))
    {
        return Ok((key, value));
    }
    Err(DataFusionError::Internal(
        "a map without keys and values".to_owned(),
    ))
}

/// Returns the types of keys and values if the type is a map.
pub(crate) fn map_types(data_type: &DataType) -> Option<(DataType, DataType)> {
    let DataType::Map(entries, _) = data_type else {
        return None;
    };
    let (key, value) = key_value(entries).ok()?;
    Some((key.data_type().clone(), value.data_type().clone()))
}

/// Returns the type in the one form that functions work on: lists, maps and values that are not dictionaries.
pub(crate) fn normal(data_type: &DataType) -> DataType {
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
pub(crate) fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{Float32, Float64, List, Map, Null, Struct};
    let (left, right) = (normal(left), normal(right));
    if left == right {
        return Some(left);
    }
    if let (Some(l), Some(r)) = (integer_digits(&left), integer_digits(&right)) {
        return Some(if l >= r { left } else { right });
    }
    if let (Some(l), Some(r)) = (as_decimal(&left), as_decimal(&right)) {
        return Some(common_decimal(l, r));
    }
    let is_number = |t: &DataType| as_decimal(t).is_some() || matches!(t, Float32 | Float64);
    match (&left, &right) {
        (Null, other) | (other, Null) => Some(other.clone()),
        (Float64, other) | (other, Float64) if is_number(other) => Some(Float64),
        (Float32, other) | (other, Float32) if is_number(other) => Some(Float32),
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
        (a, b) => common_moment(a, b),
    }
}

fn integer_digits(data_type: &DataType) -> Option<u8> {
    match data_type {
        DataType::Int8 => Some(3),
        DataType::Int16 => Some(5),
        DataType::Int32 => Some(10),
        DataType::Int64 => Some(19),
        _ => None,
    }
}

/// Returns precision and scale of the decimal that holds all values of the type.
pub(crate) fn as_decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        other => integer_digits(other).map(|digits| (digits, 0)),
    }
}

fn common_decimal((p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> DataType {
    let scale = s1.max(s2);
    let whole = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
    let precision = u8::try_from(whole + i16::from(scale)).unwrap_or(38).min(38);
    DataType::Decimal128(precision, scale)
}

/// Returns the common type of dates, times and timestamps; a zone is that of the first that has one.
fn common_moment(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{Date32, Time32, Time64, Timestamp};
    let time_unit = |t: &DataType| match t {
        Time32(unit) | Time64(unit) => Some((*unit, None)),
        zoned => unit_and_offset(zoned).map(|(unit, offset)| (unit, Some(offset))),
    };
    if let (Some((a, first)), Some((b, second))) = (time_unit(left), time_unit(right)) {
        let unit = a.max(b);
        return Some(match first.or(second) {
            Some(offset) => of_offset(unit, offset),
            None => time_of(unit),
        });
    }
    if is_zoned_time(left) || is_zoned_time(right) {
        return None;
    }
    match (left, right) {
        (Date32, Timestamp(..)) => Some(right.clone()),
        (Timestamp(..), Date32) => Some(left.clone()),
        (Timestamp(a, first), Timestamp(b, second)) => {
            let zone = first.clone().or_else(|| second.clone());
            Some(Timestamp((*a).max(*b), zone))
        }
        _ => None,
    }
}

/// Returns the type of times of this unit.
pub(crate) fn time_of(unit: TimeUnit) -> DataType {
    match unit {
        TimeUnit::Second | TimeUnit::Millisecond => DataType::Time32(unit),
        TimeUnit::Microsecond | TimeUnit::Nanosecond => DataType::Time64(unit),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType::{Date32, Decimal128, Float32, Int8, Int64, Time32, Time64};
    use arrow::datatypes::TimeUnit::{Microsecond, Millisecond, Second};

    use super::*;

    #[test]
    fn the_common_type_holds_the_values_of_both() {
        let zoned = |unit| DataType::Timestamp(unit, Some("Asia/Tokyo".into()));
        let plain = |unit| DataType::Timestamp(unit, None);
        let cases = [
            (Int8, Int64, Some(Int64)),
            (Int64, Decimal128(12, 3), Some(Decimal128(22, 3))),
            (
                Decimal128(38, 10),
                Decimal128(38, 0),
                Some(Decimal128(38, 10)),
            ),
            (Float32, Decimal128(12, 3), Some(Float32)),
            (
                Time32(Second),
                Time64(Microsecond),
                Some(Time64(Microsecond)),
            ),
            (
                Time32(Second),
                of_offset(Millisecond, 0),
                Some(of_offset(Millisecond, 0)),
            ),
            (Date32, plain(Second), Some(plain(Second))),
            (plain(Microsecond), zoned(Second), Some(zoned(Microsecond))),
            (Date32, Time32(Second), None),
            (of_offset(Second, 0), zoned(Second), None),
            (Int8, DataType::Utf8, None),
            (list_of(Int8), list_of(Int64), Some(list_of(Int64))),
        ];
        for (left, right, common) in cases {
            assert_eq!(common_type(&left, &right), common, "{left}, {right}");
            assert_eq!(common_type(&right, &left), common, "{right}, {left}");
        }
    }
}
