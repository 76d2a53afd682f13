//! Arrays of numbers as vectors, and buckets.

use std::collections::HashMap;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result;

use crate::presto::functions::call::{Call, Double, Long, invalid};

fn doubles(array: &ArrayRef) -> Result<Vec<Option<f64>>> {
    let values = cast(array, &DataType::Float64)?;
    Ok(values.as_primitive::<Float64Type>().iter().collect())
}

/// Returns the numbers of an array in a row.
fn vector(call: &Call, position: usize, row: usize) -> Result<Option<Vec<Option<f64>>>> {
    if call.is_null(position, row) {
        return Ok(None);
    }
    let lists = call.array(position)?.as_list::<i32>();
    doubles(&lists.value(call.row(position, row))).map(Some)
}

/// A number of two vectors, by their pairs of coordinates.
type Measure = fn(&[(f64, f64)]) -> Result<f64>;

/// What a NULL in a vector makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Zero,
    Null,
}

/// Calls `f` with the pairs of numbers of two vectors of one length.
fn pairs(call: &Call, missing: Missing, f: Measure) -> Result<ArrayRef> {
    call.build::<f64>(|row| {
        let (Some(a), Some(b)) = (vector(call, 0, row)?, vector(call, 1, row)?) else {
            return Ok(None);
        };
        if a.len() != b.len() {
            return Err(invalid("The arguments must have the same length"));
        }
        let coordinates = || a.iter().zip(&b);
        if missing == Missing::Null && coordinates().any(|(x, y)| x.is_none() || y.is_none()) {
            return Ok(None);
        }
        let pairs: Vec<(f64, f64)> = coordinates()
            .map(|(x, y)| (x.unwrap_or(0.0), y.unwrap_or(0.0)))
            .collect();
        f(&pairs).map(Some)
    })
}

/// Adds to zero: the sum of nothing would be negative zero.
fn total(terms: impl Iterator<Item = f64>) -> f64 {
    0.0 + terms.sum::<f64>()
}

fn dot(pairs: &[(f64, f64)]) -> f64 {
    total(pairs.iter().map(|(x, y)| x * y))
}

pub(super) fn dot_product(call: &Call) -> Result<ArrayRef> {
    pairs(call, Missing::Zero, |pairs| Ok(dot(pairs)))
}

pub(super) fn euclidean_distance(call: &Call) -> Result<ArrayRef> {
    pairs(call, Missing::Zero, |pairs| {
        let squares = total(pairs.iter().map(|(x, y)| (x - y) * (x - y)));
        Ok(squares.sqrt())
    })
}

fn cosine(pairs: &[(f64, f64)]) -> Result<f64> {
    let x = total(pairs.iter().map(|(x, _)| x * x));
    let y = total(pairs.iter().map(|(_, y)| y * y));
    if x == 0.0 || y == 0.0 {
        return Err(invalid("Vector magnitude cannot be zero"));
    }
    Ok(dot(pairs) / (x.sqrt() * y.sqrt()))
}

pub(super) fn cosine_similarity(call: &Call) -> Result<ArrayRef> {
    if matches!(call.data_type(0), DataType::Map(..)) {
        return call.build::<f64>(|row| of_maps(call, row));
    }
    pairs(call, Missing::Null, cosine)
}

pub(super) fn cosine_distance(call: &Call) -> Result<ArrayRef> {
    if matches!(call.data_type(0), DataType::Map(..)) {
        return call.build::<f64>(|row| Ok(of_maps(call, row)?.map(|cosine| 1.0 - cosine)));
    }
    pairs(call, Missing::Null, |pairs| Ok(1.0 - cosine(pairs)?))
}

/// A sparse vector: its coordinates have names.
fn sparse(call: &Call, position: usize, row: usize) -> Result<Option<HashMap<String, f64>>> {
    let maps = call.array(position)?.as_map();
    let entries = maps.value(call.row(position, row));
    let [keys, values] = entries.columns() else {
        return Ok(None);
    };
    let keys = cast(keys, &DataType::Utf8)?;
    let keys = keys.as_string::<i32>();
    let mut vector = HashMap::new();
    for (key, value) in keys.iter().zip(doubles(values)?) {
        let (Some(key), Some(value)) = (key, value) else {
            return Ok(None);
        };
        vector.insert(key.to_owned(), value);
    }
    Ok(Some(vector))
}

fn of_maps(call: &Call, row: usize) -> Result<Option<f64>> {
    if call.any_null(row) {
        return Ok(None);
    }
    let (Some(a), Some(b)) = (sparse(call, 0, row)?, sparse(call, 1, row)?) else {
        return Ok(None);
    };
    let length = |vector: &HashMap<String, f64>| total(vector.values().map(|x| x * x)).sqrt();
    let dot = total(a.iter().filter_map(|(key, x)| b.get(key).map(|y| x * y)));
    Ok(Some(dot / (length(&a) * length(&b))))
}

/// `width_bucket(x, bins)` and `width_bucket(x, low, high, n)`.
pub(super) fn width_bucket(call: &Call) -> Result<ArrayRef> {
    if call.len() == 2 {
        return call.build::<i64>(|row| {
            let (Some(operand), Some(bins)) = (call.get::<Double>(0, row), vector(call, 1, row)?)
            else {
                return Ok(None);
            };
            bin(operand, &bins).map(Some)
        });
    }
    call.build::<i64>(|row| {
        let (Some(operand), Some(low), Some(high), Some(count)) = (
            call.get::<Double>(0, row),
            call.get::<Double>(1, row),
            call.get::<Double>(2, row),
            call.get::<Long>(3, row),
        ) else {
            return Ok(None);
        };
        bucket(operand, low, high, count).map(Some)
    })
}

fn bin(operand: f64, bins: &[Option<f64>]) -> Result<i64> {
    if bins.is_empty() {
        return Err(invalid("Bins cannot be an empty array"));
    }
    if operand.is_nan() {
        return Err(invalid("Operand cannot be NaN"));
    }
    let mut last = f64::NEG_INFINITY;
    let mut below = 0;
    for value in bins {
        let value = value.ok_or_else(|| invalid("Bin values cannot be NULL"))?;
        if !value.is_finite() {
            return Err(invalid(format!("Bin value must be finite, got {value}")));
        }
        if value < last {
            return Err(invalid("Bin values are not sorted in ascending order"));
        }
        last = value;
        if value <= operand {
            below += 1;
        }
    }
    Ok(below)
}

fn bucket(operand: f64, low: f64, high: f64, count: i64) -> Result<i64> {
    let checks = [
        (count > 0, "bucketCount must be greater than 0"),
        (!operand.is_nan(), "operand must not be NaN"),
        (low.is_finite(), "first bound must be finite"),
        (high.is_finite(), "second bound must be finite"),
        (low != high, "bounds cannot equal each other"),
    ];
    for (holds, message) in checks {
        if !holds {
            return Err(invalid(message));
        }
    }
    let (lower, upper) = (low.min(high), low.max(high));
    let ascending = if operand < lower {
        0
    } else if operand >= upper {
        count
            .checked_add(1)
            .ok_or_else(|| invalid(format!("Bucket for value {operand} is out of range")))?
    } else {
        (count as f64 * (operand - lower) / (upper - lower)) as i64 + 1
    };
    Ok(if low > high {
        count - ascending + 1
    } else {
        ascending
    })
}
