//! Lambdas over the entries of maps.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use datafusion::error::Result;

use super::arrays::is_predicate;
use super::function::{Call, HigherOrder, Values, signature};
use super::items::{Items, call};
use crate::presto::functions::shared::{
    Comparable, Picker, build_map, common_type, internal, key_value, map_of, map_parts, map_types,
    normal, unexpected,
};

pub(super) fn definitions() -> Vec<HigherOrder> {
    vec![
        HigherOrder {
            returns: |values, lambdas| is_predicate(lambdas).then(|| values.first().cloned())?,
            run: map_filter,
            ..one_map("map_filter", |types| coerce_map("map_filter", types))
        },
        HigherOrder {
            returns: |values, lambdas| {
                let (_, value) = values.first().and_then(map_types)?;
                Some(map_of(lambdas.first()?.clone(), value))
            },
            run: transform_keys,
            ..one_map("transform_keys", |types| {
                coerce_map("transform_keys", types)
            })
        },
        HigherOrder {
            returns: |values, lambdas| {
                let (key, _) = values.first().and_then(map_types)?;
                Some(map_of(key, lambdas.first()?.clone()))
            },
            run: transform_values,
            ..one_map("transform_values", |types| {
                coerce_map("transform_values", types)
            })
        },
        HigherOrder {
            parameters: |values, _| {
                let (key, left) = types_of(values, 0)?;
                let (_, right) = types_of(values, 1)?;
                Ok(vec![Some(vec![key, left, right])])
            },
            returns: |values, lambdas| {
                let (key, _) = values.first().and_then(map_types)?;
                Some(map_of(key, lambdas.first()?.clone()))
            },
            run: map_zip_with,
            ..one_map("map_zip_with", coerce_two)
        },
    ]
}

fn one_map(name: &'static str, coerce: fn(Values<'_>) -> Result<Vec<DataType>>) -> HigherOrder {
    HigherOrder {
        name,
        lambdas: (1, 1),
        coerce,
        parameters: |values, _| {
            let (key, value) = types_of(values, 0)?;
            Ok(vec![Some(vec![key, value])])
        },
        returns: |_, _| None,
        coerce_again: None,
        run: |_| Err(internal("a function without a body")),
        signature: signature(),
    }
}

fn types_of(values: Values<'_>, place: usize) -> Result<(DataType, DataType)> {
    values
        .get(place)
        .and_then(map_types)
        .ok_or_else(|| internal("expected a map"))
}

fn as_map(t: &DataType) -> Option<DataType> {
    match t {
        DataType::Null => Some(map_of(DataType::Null, DataType::Null)),
        DataType::Map(..) => Some(normal(t)),
        _ => None,
    }
}

fn coerce_map(name: &str, types: Values<'_>) -> Result<Vec<DataType>> {
    match types {
        [one] => Ok(vec![as_map(one).ok_or_else(|| unexpected(name, types))?]),
        _ => Err(unexpected(name, types)),
    }
}

fn coerce_two(types: Values<'_>) -> Result<Vec<DataType>> {
    let both = || {
        let [left, right] = types else {
            return None;
        };
        let (left_key, left_value) = map_types(&as_map(left)?)?;
        let (right_key, right_value) = map_types(&as_map(right)?)?;
        let key = common_type(&left_key, &right_key)?;
        Some(vec![
            map_of(key.clone(), left_value),
            map_of(key, right_value),
        ])
    };
    both().ok_or_else(|| unexpected("map_zip_with", types))
}

fn map_filter(call: &Call<'_>) -> Result<ArrayRef> {
    let items = Items::of_maps(call.value(0)?)?;
    let answers = items.test(call.lambda(0)?)?;
    let (mut keys, mut values) = (Picker::new(call.rows), Picker::new(call.rows));
    for range in items.ranges() {
        for index in range {
            if answers.is_valid(index) && answers.value(index) {
                keys.push(index);
                values.push(index);
            }
        }
        keys.close()?;
        values.close()?;
    }
    let (keys, offsets) = keys.parts(&[items.column(0)?])?;
    let (values, _) = values.parts(&[items.column(1)?])?;
    build_map(call.returns, offsets, keys, values, items.nulls.clone())
}

fn build(
    returns: &DataType,
    items: &Items,
    keys: &ArrayRef,
    values: &ArrayRef,
) -> Result<ArrayRef> {
    let DataType::Map(entries, _) = returns else {
        return Err(internal("expected to return a map"));
    };
    let (key, value) = key_value(entries)?;
    build_map(
        returns,
        items.offsets.clone(),
        cast(keys, key.data_type())?,
        cast(values, value.data_type())?,
        items.nulls.clone(),
    )
}

fn transform_keys(call: &Call<'_>) -> Result<ArrayRef> {
    let items = Items::of_maps(call.value(0)?)?;
    let keys = items.call(call.lambda(0)?)?;
    build(call.returns, &items, &keys, items.column(1)?)
}

fn transform_values(call: &Call<'_>) -> Result<ArrayRef> {
    let items = Items::of_maps(call.value(0)?)?;
    let values = items.call(call.lambda(0)?)?;
    build(call.returns, &items, items.column(0)?, &values)
}

fn map_zip_with(args: &Call<'_>) -> Result<ArrayRef> {
    let (left_ranges, left_nulls, left_keys, left_values) = map_parts(args.value(0)?)?;
    let (right_ranges, right_nulls, right_keys, right_values) = map_parts(args.value(1)?)?;
    let nulls = NullBuffer::union(left_nulls.as_ref(), right_nulls.as_ref());
    let encoder = Comparable::new(left_keys.data_type())?;
    let (a, b) = (encoder.encode(&left_keys)?, encoder.encode(&right_keys)?);
    let mut keys = Picker::new(args.rows);
    let (mut left, mut right, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for (row, (mine, yours)) in left_ranges.into_iter().zip(right_ranges).enumerate() {
        if !nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            let number = |index: usize| u32::try_from(index).ok();
            let mut others: HashMap<_, usize> =
                yours.clone().map(|index| (b.row(index), index)).collect();
            for index in mine {
                keys.push_from(0, index);
                left.push(number(index));
                right.push(others.remove(&a.row(index)).and_then(number));
                rows.push(number(row));
            }
            for index in yours {
                if others.contains_key(&b.row(index)) {
                    keys.push_from(1, index);
                    left.push(None);
                    right.push(number(index));
                    rows.push(number(row));
                }
            }
        }
        keys.close()?;
    }
    let (keys, offsets): (ArrayRef, OffsetBuffer<i32>) = keys.parts(&[&left_keys, &right_keys])?;
    let items = Items {
        columns: vec![
            keys,
            take(&left_values, &UInt32Array::from(left), None)?,
            take(&right_values, &UInt32Array::from(right), None)?,
        ],
        offsets,
        nulls,
        rows: UInt32Array::from(rows),
    };
    let values = call(args.lambda(0)?, &items.columns, &items.rows)?;
    build(args.returns, &items, items.column(0)?, &values)
}
