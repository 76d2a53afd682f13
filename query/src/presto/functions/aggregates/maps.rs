//! Aggregates that make maps.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{take, take_arrays};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::collect::{
    Collect, Collector, Columns, collected_state, without_any_null, without_nulls,
};
use super::function::{Aggregate, Order};
use super::sum::primitives;
use crate::presto::functions::maps::Grouped;
use crate::presto::functions::shared::{
    Comparable, build_map, constant_i64, internal, invalid, list_of, map_of, map_parts, normal,
    unexpected,
};

pub(super) fn definitions() -> Vec<Aggregate> {
    vec![
        Aggregate {
            state: |inputs| collected_state(&HISTOGRAM, inputs),
            ..Aggregate::new(
                "histogram",
                |t| coerce("histogram", t, 1),
                counts_type,
                |inputs| Ok(Box::new(Collect::new(&HISTOGRAM, inputs))),
            )
        },
        Aggregate {
            state: |inputs| collected_state(&MAP_AGG, inputs),
            order: Order::Sorts,
            ..Aggregate::new(
                "map_agg",
                |t| coerce("map_agg", t, 2),
                map_type,
                |inputs| Ok(Box::new(Collect::new(&MAP_AGG, inputs))),
            )
        },
        Aggregate {
            state: |inputs| collected_state(&MULTIMAP_AGG, inputs),
            order: Order::Sorts,
            ..Aggregate::new(
                "multimap_agg",
                |t| coerce("multimap_agg", t, 2),
                multimap_type,
                |inputs| Ok(Box::new(Collect::new(&MULTIMAP_AGG, inputs))),
            )
        },
        Aggregate {
            state: |inputs| collected_state(&MAP_UNION, inputs),
            order: Order::Sorts,
            ..Aggregate::new("map_union", coerce_map, first, |inputs| {
                Ok(Box::new(Collect::new(&MAP_UNION, inputs)))
            })
        },
        Aggregate {
            state: |inputs| collected_state(&MOST_FREQUENT, inputs),
            ..Aggregate::new(
                "approx_most_frequent",
                coerce_frequent,
                frequent_type,
                |inputs| Ok(Box::new(Collect::new(&MOST_FREQUENT, inputs))),
            )
        },
    ]
}

fn coerce(name: &str, types: &[DataType], count: usize) -> Result<Vec<DataType>> {
    if types.len() != count {
        return Err(unexpected(name, types));
    }
    Ok(types.iter().map(normal).collect())
}

fn coerce_map(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [one] if matches!(one, DataType::Map(..)) => Ok(vec![normal(one)]),
        [DataType::Null] => Ok(vec![map_of(DataType::Null, DataType::Null)]),
        _ => Err(unexpected("map_union", types)),
    }
}

fn coerce_frequent(types: &[DataType]) -> Result<Vec<DataType>> {
    let wrong = || unexpected("approx_most_frequent", types);
    let [buckets, value, capacity] = types else {
        return Err(wrong());
    };
    let is_number = |t: &DataType| t.is_integer() || *t == DataType::Null;
    if !is_number(buckets) || !is_number(capacity) {
        return Err(wrong());
    }
    let value = match normal(value) {
        t if t.is_integer() => DataType::Int64,
        DataType::Utf8 => DataType::Utf8,
        _ => return Err(wrong()),
    };
    Ok(vec![DataType::Int64, value, DataType::Int64])
}

fn first(types: &[DataType]) -> Result<DataType> {
    types
        .first()
        .cloned()
        .ok_or_else(|| internal("expected an argument"))
}

fn counts_type(types: &[DataType]) -> Result<DataType> {
    Ok(map_of(first(types)?, DataType::Int64))
}

fn frequent_type(types: &[DataType]) -> Result<DataType> {
    counts_type(types.get(1..).unwrap_or_default())
}

fn map_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [key, value] => Ok(map_of(key.clone(), value.clone())),
        _ => Err(internal("expected key and value")),
    }
}

fn multimap_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [key, value] => Ok(map_of(key.clone(), list_of(value.clone()))),
        _ => Err(internal("expected key and value")),
    }
}

/// Returns one map as a value.
pub(super) fn one_map(returns: &DataType, keys: ArrayRef, values: ArrayRef) -> Result<ScalarValue> {
    let offsets = OffsetBuffer::from_lengths([keys.len()]);
    let map = build_map(returns, offsets, keys, values, None)?;
    ScalarValue::try_from_array(&map, 0)
}

static HISTOGRAM: Collector = Collector {
    types: |inputs| vec![inputs.argument(0), DataType::Int64],
    prepare: |_, values| count_each(without_nulls(values, 0)?),
    compact: Some(|_, columns| add_counts(columns)),
    finish: |inputs, columns| match add_counts(columns)?.as_slice() {
        [keys, counts] => one_map(&inputs.returns, Arc::clone(keys), Arc::clone(counts)),
        _ => Err(internal("a histogram has keys and counts")),
    },
};

fn count_each(mut columns: Columns) -> Result<Columns> {
    let rows = columns.first().map_or(0, |column| column.len());
    columns.truncate(1);
    columns.push(Arc::new(Int64Array::from(vec![1; rows])));
    Ok(columns)
}

/// Adds up the counts of equal keys, which stay in the order in which they are first.
fn add_counts(columns: Columns) -> Result<Columns> {
    let [keys, counts] = columns.as_slice() else {
        return Err(internal("a histogram has keys and counts"));
    };
    let encoded = Comparable::new(keys.data_type())?.encode(keys)?;
    let counts = primitives::<Int64Type>(counts)?;
    let mut places = HashMap::new();
    let (mut firsts, mut totals): (Vec<u32>, Vec<i64>) = (Vec::new(), Vec::new());
    for (row, count) in counts.values().iter().enumerate() {
        let place = *places.entry(encoded.row(row)).or_insert_with(|| {
            firsts.push(u32::try_from(row).unwrap_or(u32::MAX));
            totals.push(0);
            totals.len() - 1
        });
        if let Some(total) = totals.get_mut(place) {
            *total += count;
        }
    }
    let keys = take(keys, &UInt32Array::from(firsts), None)?;
    Ok(vec![keys, Arc::new(Int64Array::from(totals))])
}

static MAP_AGG: Collector = Collector {
    types: |inputs| inputs.types.clone(),
    prepare: |_, values| without_nulls(values, 0),
    compact: Some(|_, columns| first_of_each(columns)),
    finish: |inputs, columns| match first_of_each(columns)?.as_slice() {
        [keys, values, ..] => one_map(&inputs.returns, Arc::clone(keys), Arc::clone(values)),
        _ => Err(internal("a map has keys and values")),
    },
};

/// Returns the first row of each key.
fn first_of_each(columns: Columns) -> Result<Columns> {
    let Some(keys) = columns.first() else {
        return Err(internal("a map has keys"));
    };
    let encoded = Comparable::new(keys.data_type())?.encode(keys)?;
    let mut seen = std::collections::HashSet::new();
    let rows: UInt32Array = encoded
        .iter()
        .enumerate()
        .filter(|(_, key)| seen.insert(*key))
        .map(|(row, _)| u32::try_from(row).ok())
        .collect();
    Ok(take_arrays(&columns, &rows, None)?)
}

static MULTIMAP_AGG: Collector = Collector {
    types: |inputs| inputs.types.clone(),
    prepare: |_, values| without_nulls(values, 0),
    compact: None,
    finish: |inputs, columns| match columns.as_slice() {
        [keys, values, ..] => {
            let groups = Grouped::new(keys, std::iter::once(0..keys.len()))?;
            let map = groups.build(&inputs.returns, keys, values, None)?;
            ScalarValue::try_from_array(&map, 0)
        }
        _ => Err(internal("a map has keys and values")),
    },
};

static MAP_UNION: Collector = Collector {
    types: |inputs| inputs.types.clone(),
    prepare: |_, values| without_nulls(values, 0),
    compact: None,
    finish: |inputs, columns| {
        let Some(maps) = columns.first() else {
            return Err(internal("map_union takes maps"));
        };
        let (ranges, _, keys, values) = map_parts(maps)?;
        let rows: UInt32Array = ranges
            .into_iter()
            .flatten()
            .map(|index| u32::try_from(index).ok())
            .collect();
        let entries = take_arrays(&[keys, values], &rows, None)?;
        match first_of_each(entries)?.as_slice() {
            [keys, values] => one_map(&inputs.returns, Arc::clone(keys), Arc::clone(values)),
            _ => Err(internal("a map has keys and values")),
        }
    },
};

/// Distinct values that are counted at least, whatever capacity is asked for.
const MIN_CAPACITY: usize = 100_000;

static MOST_FREQUENT: Collector = Collector {
    types: |inputs| {
        vec![
            inputs.argument(1),
            DataType::Int64,
            DataType::Int64,
            DataType::Int64,
        ]
    },
    prepare: |_, values| {
        let [_, _, _, ..] = values else {
            return Err(internal("approx_most_frequent takes three arguments"));
        };
        let present = without_any_null(values)?;
        let [buckets, value, capacity, ..] = present.as_slice() else {
            return Err(internal("approx_most_frequent takes three arguments"));
        };
        let ones: ArrayRef = Arc::new(Int64Array::from(vec![1; value.len()]));
        Ok(vec![
            Arc::clone(value),
            ones,
            Arc::clone(buckets),
            Arc::clone(capacity),
        ])
    },
    compact: Some(|_, columns| {
        let capacity = columns
            .get(3)
            .and_then(|capacity| constant_i64(capacity, 0))
            .and_then(|capacity| usize::try_from(capacity).ok())
            .unwrap_or(0)
            .max(MIN_CAPACITY);
        most_frequent(columns, capacity)
    }),
    finish: |inputs, columns| {
        let buckets = columns
            .get(2)
            .and_then(|buckets| constant_i64(buckets, 0))
            .unwrap_or(0);
        let capacity = columns
            .get(3)
            .and_then(|capacity| constant_i64(capacity, 0))
            .unwrap_or(0);
        if capacity <= 0 {
            return Err(invalid(
                "approx_most_frequent capacity must be greater than zero",
            ));
        }
        let buckets = usize::try_from(buckets)
            .ok()
            .filter(|buckets| *buckets >= 2)
            .ok_or_else(|| invalid("approx_most_frequent bucket count must be greater than one"))?;
        match most_frequent(columns, buckets)?.as_slice() {
            [keys, counts, ..] => one_map(&inputs.returns, Arc::clone(keys), Arc::clone(counts)),
            _ => Err(internal("approx_most_frequent has keys and counts")),
        }
    },
};

/// Returns the keys with the largest counts, with the parameters in each row.
fn most_frequent(columns: Columns, keep: usize) -> Result<Columns> {
    let [keys, counts, buckets, capacities] = columns.as_slice() else {
        return Err(internal("approx_most_frequent has four columns"));
    };
    let counted = add_counts(vec![Arc::clone(keys), Arc::clone(counts)])?;
    let [_, totals] = counted.as_slice() else {
        return Err(internal("a histogram has keys and counts"));
    };
    let totals = primitives::<Int64Type>(totals)?.values().to_vec();
    let mut order: Vec<usize> = (0..totals.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(totals.get(*place).copied()));
    order.truncate(keep);
    let rows: UInt32Array = order
        .iter()
        .map(|place| u32::try_from(*place).ok())
        .collect();
    let mut kept = take_arrays(&counted, &rows, None)?;
    kept.push(buckets.slice(0, order.len()));
    kept.push(capacities.slice(0, order.len()));
    Ok(kept)
}
