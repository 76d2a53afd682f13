//! `numeric_histogram`: a given number of buckets, the nearest values put together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result;

use super::collect::{Collect, Collector, Columns, collected_state, without_any_null};
use super::function::{Aggregate, Inputs};
use super::maps::one_map;
use super::sum::primitives;
use crate::presto::functions::shared::{
    constant_i64, internal, invalid, map_of, normal, unexpected,
};

pub(super) fn definition() -> Aggregate {
    Aggregate {
        state: |inputs| collected_state(&HISTOGRAM, inputs),
        ..Aggregate::new("numeric_histogram", coerce, returns, |inputs| {
            Ok(Box::new(Collect::new(&HISTOGRAM, inputs)))
        })
    }
}

fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
    let wrong = || unexpected("numeric_histogram", types);
    let ([buckets, value] | [buckets, value, _]) = types else {
        return Err(wrong());
    };
    let is_null = |t: &DataType| *t == DataType::Null;
    let is_number = |t: &DataType| t.is_numeric() || is_null(t);
    if !(buckets.is_integer() || is_null(buckets)) || !types.iter().skip(1).all(is_number) {
        return Err(wrong());
    }
    let value = match normal(value) {
        DataType::Float64 => DataType::Float64,
        _ => DataType::Float32,
    };
    let mut coerced = vec![DataType::Int64, value];
    coerced.extend(types.get(2).map(|_| DataType::Float64));
    Ok(coerced)
}

fn returns(types: &[DataType]) -> Result<DataType> {
    let value = types
        .get(1)
        .cloned()
        .ok_or_else(|| internal("expected a value"))?;
    Ok(map_of(value.clone(), value))
}

/// Values beyond the buckets that are kept while rows come in.
const SPARE: usize = 2_000;

static HISTOGRAM: Collector = Collector {
    types: |_| vec![DataType::Float64, DataType::Float64, DataType::Int64],
    prepare: |_, values| {
        let present = without_any_null(values)?;
        let [buckets, value, weights @ ..] = present.as_slice() else {
            return Err(internal("numeric_histogram takes buckets and a value"));
        };
        let weights: ArrayRef = match weights.first() {
            Some(weights) => Arc::clone(weights),
            None => Arc::new(Float64Array::from(vec![1.0; value.len()])),
        };
        Ok(vec![
            cast(value, &DataType::Float64)?,
            weights,
            Arc::clone(buckets),
        ])
    },
    compact: Some(|_, columns| {
        let keep = bucket_count(&columns)? + SPARE;
        shrink(columns, keep)
    }),
    finish: |inputs, columns| finish(inputs, columns),
};

fn bucket_count(columns: &[ArrayRef]) -> Result<usize> {
    columns
        .get(2)
        .and_then(|buckets| constant_i64(buckets, 0))
        .and_then(|buckets| usize::try_from(buckets).ok())
        .filter(|buckets| *buckets >= 2)
        .ok_or_else(|| invalid("numeric_histogram bucket count must be greater than one"))
}

fn finish(inputs: &Inputs, columns: Columns) -> Result<datafusion::common::ScalarValue> {
    let keep = bucket_count(&columns)?;
    let kept = shrink(columns, keep)?;
    let ([values, weights, ..], DataType::Map(..)) = (kept.as_slice(), &inputs.returns) else {
        return Err(internal("a histogram has values and weights"));
    };
    let value_type = inputs.argument(1);
    one_map(
        &inputs.returns,
        cast(values, &value_type)?,
        cast(weights, &value_type)?,
    )
}

/// How much is lost by putting two buckets together.
fn penalty(a: (f64, f64), b: (f64, f64)) -> f64 {
    let weight = a.1 + b.1;
    let distance = (a.0 - b.0).powi(2);
    weight * distance * (a.1 * b.1) / (weight * weight)
}

/// Puts buckets together until no more than `keep` are left.
fn shrink(columns: Columns, keep: usize) -> Result<Columns> {
    let [values, weights, buckets] = columns.as_slice() else {
        return Err(internal("a histogram has values and weights"));
    };
    let (values, weights) = (
        primitives::<Float64Type>(values)?,
        primitives::<Float64Type>(weights)?,
    );
    let mut sorted: Vec<(f64, f64)> = values
        .values()
        .iter()
        .copied()
        .zip(weights.values().iter().copied())
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut kept: Vec<(f64, f64)> = Vec::with_capacity(sorted.len());
    for (value, weight) in sorted {
        match kept.last_mut() {
            Some(last) if last.0 == value => last.1 += weight,
            _ => kept.push((value, weight)),
        }
    }
    while kept.len() > keep.max(1) {
        // Half of what is too many at a time, at least one pair: the cheapest that do not touch.
        let mut pairs: Vec<(f64, usize)> = kept
            .iter()
            .zip(kept.iter().skip(1))
            .map(|(a, b)| penalty(*a, *b))
            .zip(0..)
            .collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let many = ((kept.len() - keep) / 2).max(1);
        let mut merged = vec![false; kept.len()];
        for (_, first) in pairs.into_iter().take(many) {
            let is_free =
                merged.get(first) == Some(&false) && merged.get(first + 1) == Some(&false);
            let (Some(a), Some(b)) = (kept.get(first).copied(), kept.get(first + 1).copied())
            else {
                continue;
            };
            if !is_free {
                continue;
            }
            let weight = a.1 + b.1;
            if let Some(slot) = kept.get_mut(first) {
                *slot = ((a.0 * a.1 + b.0 * b.1) / weight, weight);
            }
            merged
                .iter_mut()
                .skip(first)
                .take(2)
                .for_each(|flag| *flag = true);
            if let Some(slot) = kept.get_mut(first + 1) {
                slot.1 = f64::NAN;
            }
        }
        kept.retain(|(_, weight)| !weight.is_nan());
    }
    let rows = kept.len();
    let (values, weights): (Vec<f64>, Vec<f64>) = kept.into_iter().unzip();
    Ok(vec![
        Arc::new(Float64Array::from(values)),
        Arc::new(Float64Array::from(weights)),
        buckets.slice(0, rows),
    ])
}
