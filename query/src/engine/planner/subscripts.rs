//! `array[i]`, `map[k]` and `row[i]`: what is missing is an error.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Int64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs};

use super::casts::text_of;
use super::function::{Kernel, by_arrays, call, failure, is_text, unexpected};
use crate::presto::types::type_name;

/// Returns `base[key]` of a base of this type; the type is not known inside a lambda.
///
/// # Errors
/// `TYPE_MISMATCH` for what has no parts, and what Presto says of indexes of rows.
pub(super) fn subscript(base: Expr, key: Expr, base_type: Option<&DataType>) -> Result<Expr> {
    match base_type {
        Some(DataType::Struct(fields)) => {
            let index = match &key {
                Expr::Literal(value, _) => value.cast_to(&DataType::Int64)?,
                _ => {
                    return Err(failure(
                        "EXPRESSION_NOT_CONSTANT",
                        "Subscript expression on ROW requires a constant index",
                    ));
                }
            };
            let ScalarValue::Int64(Some(index)) = index else {
                return Err(failure(
                    "EXPRESSION_NOT_CONSTANT",
                    "Subscript of ROW is NULL",
                ));
            };
            let invalid = |message| failure("INVALID_FUNCTION_ARGUMENT", message);
            if index < 1 {
                return Err(invalid(format!(
                    "Invalid subscript index: {index}. ROW indices start at 1"
                )));
            }
            let field = usize::try_from(index - 1)
                .ok()
                .and_then(|index| fields.get(index));
            let field = field.ok_or_else(|| {
                invalid(format!(
                    "Subscript index out of bounds: {index}, max value is {}",
                    fields.len()
                ))
            })?;
            Ok(get_field(base, field.name().clone()))
        }
        Some(DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)) if matches!(&key, Expr::Literal(value, _) if is_text(&value.data_type())) =>
        {
            let base = base_type.map(type_name).unwrap_or_default();
            Err(failure(
                "TYPE_MISMATCH",
                format!("Cannot use varchar for subscript of {base}"),
            ))
        }
        Some(
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::Map(..),
        )
        | None => Ok(call(Subscript, vec![base, key])),
        Some(other) => {
            let key = match &key {
                Expr::Literal(value, _) => type_name(&value.data_type()),
                _ => "value".to_owned(),
            };
            Err(failure(
                "TYPE_MISMATCH",
                format!("Cannot use {key} for subscript of {}", type_name(other)),
            ))
        }
    }
}

/// Returns `base.name`.
///
/// # Errors
/// `INVALID_COLUMN_REFERENCE`: the row has no such field.
pub(super) fn field_of(base: Expr, name: &str, fields: &arrow::datatypes::Fields) -> Result<Expr> {
    let exact = fields.iter().find(|field| field.name() == name);
    let found = exact.or_else(|| {
        fields
            .iter()
            .find(|field| field.name().eq_ignore_ascii_case(name))
    });
    match found {
        Some(field) => Ok(get_field(base, field.name().clone())),
        None => Err(failure(
            "INVALID_COLUMN_REFERENCE",
            format!("Column reference '{name}' is invalid"),
        )),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Subscript;

impl Kernel for Subscript {
    fn name(&self) -> &'static str {
        "subscript"
    }

    fn coerce(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [base, _] = types else {
            return Err(unexpected("subscript"));
        };
        match base {
            DataType::List(_) => Ok(vec![base.clone(), DataType::Int64]),
            DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => {
                Ok(vec![DataType::List(Arc::clone(item)), DataType::Int64])
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) => match fields.first() {
                    Some(key) => Ok(vec![base.clone(), key.data_type().clone()]),
                    None => Err(unexpected("map")),
                },
                _ => Err(unexpected("map")),
            },
            other => Err(failure(
                "TYPE_MISMATCH",
                format!("Cannot subscript {}", type_name(other)),
            )),
        }
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let base = args
            .arg_fields
            .first()
            .ok_or_else(|| unexpected("subscript"))?;
        let value = match base.data_type() {
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => item,
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) => fields.get(1).ok_or_else(|| unexpected("map"))?,
                _ => return Err(unexpected("map")),
            },
            other => {
                return Err(failure(
                    "TYPE_MISMATCH",
                    format!("Cannot subscript {}", type_name(other)),
                ));
            }
        };
        Ok(value
            .as_ref()
            .clone()
            .with_name(self.name())
            .with_nullable(true))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        by_arrays(args, |arrays| match arrays {
            [base, key] => match base.data_type() {
                DataType::List(_) => in_list(base.as_list::<i32>(), key),
                DataType::Map(..) => in_map(base.as_map(), key),
                _ => Err(unexpected("subscript")),
            },
            _ => Err(unexpected("subscript")),
        })
    }
}

fn in_list(lists: &ListArray, index: &ArrayRef) -> Result<ArrayRef> {
    let indexes = cast(index, &DataType::Int64)?;
    let indexes = indexes.as_primitive::<Int64Type>();
    let invalid = |message| failure("INVALID_FUNCTION_ARGUMENT", message);
    let offsets = lists.value_offsets();
    let places = (0..lists.len()).map(|row| {
        if lists.is_null(row) || indexes.is_null(row) {
            return Ok(None);
        }
        let index = indexes.value(row);
        let start = i64::from(offsets.get(row).copied().unwrap_or_default());
        let length = i64::from(lists.value_length(row));
        if index == 0 {
            return Err(invalid("SQL array indices start at 1".to_owned()));
        }
        if index < 0 {
            return Err(invalid(format!("Array subscript is negative: {index}")));
        }
        if index > length {
            return Err(invalid(format!(
                "Array subscript must be less than or equal to array length: {index} > {length}"
            )));
        }
        Ok(u64::try_from(start + index - 1).ok())
    });
    let places = places.collect::<Result<UInt64Array>>()?;
    Ok(take(lists.values(), &places, None)?)
}

fn in_map(maps: &MapArray, key: &ArrayRef) -> Result<ArrayRef> {
    let key = if key.data_type() == maps.key_type() {
        Arc::clone(key)
    } else {
        cast(key, maps.key_type())?
    };
    let converter = RowConverter::new(vec![SortField::new(maps.key_type().clone())])?;
    let known = converter.convert_columns(&[Arc::clone(maps.keys())])?;
    let wanted = converter.convert_columns(&[Arc::clone(&key)])?;
    let offsets = maps.value_offsets();
    let places = (0..maps.len()).map(|row| {
        if maps.is_null(row) || key.is_null(row) {
            return Ok(None);
        }
        let at = |row: usize| {
            usize::try_from(offsets.get(row).copied().unwrap_or_default()).unwrap_or(0)
        };
        let found = (at(row)..at(row + 1)).find(|entry| known.row(*entry) == wanted.row(row));
        match found {
            Some(entry) => Ok(u64::try_from(entry).ok()),
            None => Err(failure(
                "INVALID_FUNCTION_ARGUMENT",
                format!("Key not present in map: {}", text_of(&key, row)),
            )),
        }
    });
    let places = places.collect::<Result<UInt64Array>>()?;
    Ok(take(maps.values(), &places, None)?)
}
