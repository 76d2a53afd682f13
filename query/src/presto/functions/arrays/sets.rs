//! Arrays as sets: distinct elements, union, intersection, difference, counts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use datafusion::error::Result;

use super::access::{item_type, list_and_item, one_list, two_lists};
use crate::presto::functions::shared::{
    Call, Comparable, Definition, Lists, Nulls, Picker, build_map, internal, map_of, nan_flags,
};

pub(super) fn definitions() -> Vec<Definition> {
    let strict =
        |name, coerce, returns, run| Definition::new(name, Nulls::Propagate, coerce, returns, run);
    vec![
        strict(
            "array_distinct",
            |types| one_list("array_distinct", types),
            first_type,
            array_distinct,
        ),
        strict(
            "array_union",
            |types| two_lists("array_union", types),
            first_type,
            array_union,
        ),
        strict(
            "array_except",
            |types| two_lists("array_except", types),
            first_type,
            |call| compared(call, Keep::Others),
        ),
        strict(
            "array_intersect",
            |types| two_lists("array_intersect", types),
            first_type,
            |call| compared(call, Keep::Shared),
        ),
        strict(
            "array_remove",
            |types| list_and_item("array_remove", types),
            first_type,
            array_remove,
        ),
        strict(
            "array_histogram",
            |types| one_list("array_histogram", types),
            histogram_type,
            array_histogram,
        ),
    ]
}

/// Which elements of the first array stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Those that the second array has, too.
    Shared,
    /// Those that it has not.
    Others,
}

pub(super) fn first_type(types: &[DataType]) -> Result<DataType> {
    types
        .first()
        .cloned()
        .ok_or_else(|| internal("expected an array"))
}

fn histogram_type(types: &[DataType]) -> Result<DataType> {
    Ok(map_of(item_type(types)?, DataType::Int64))
}

fn array_distinct(call: &Call<'_>) -> Result<ArrayRef> {
    let [column] = call.arrays else {
        return Err(internal("array_distinct takes one array"));
    };
    let lists = Lists::new(column)?;
    let encoded = Comparable::new(lists.values().data_type())?.encode(lists.values())?;
    let mut picker = Picker::new(call.rows);
    let mut seen = HashSet::new();
    for row in 0..call.rows {
        seen.clear();
        for index in lists.range(row) {
            if seen.insert(encoded.row(index)) {
                picker.push(index);
            }
        }
        picker.close()?;
    }
    picker.finish(&[lists.values()], call.returns, call.nulls.clone())
}

fn array_union(call: &Call<'_>) -> Result<ArrayRef> {
    let [left, right] = call.arrays else {
        return Err(internal("array_union takes two arrays"));
    };
    let (left, right) = (Lists::new(left)?, Lists::new(right)?);
    let encoder = Comparable::new(left.values().data_type())?;
    let (a, b) = (
        encoder.encode(left.values())?,
        encoder.encode(right.values())?,
    );
    let mut picker = Picker::new(call.rows);
    let mut seen = HashSet::new();
    for row in 0..call.rows {
        seen.clear();
        if !call.is_null(row) {
            for index in left.range(row) {
                if seen.insert(a.row(index)) {
                    picker.push_from(0, index);
                }
            }
            for index in right.range(row) {
                if seen.insert(b.row(index)) {
                    picker.push_from(1, index);
                }
            }
        }
        picker.close()?;
    }
    picker.finish(
        &[left.values(), right.values()],
        call.returns,
        call.nulls.clone(),
    )
}

fn compared(call: &Call<'_>, keep: Keep) -> Result<ArrayRef> {
    let [left, right] = call.arrays else {
        return Err(internal("expected two arrays"));
    };
    let (left, right) = (Lists::new(left)?, Lists::new(right)?);
    let encoder = Comparable::new(left.values().data_type())?;
    let (a, b) = (
        encoder.encode(left.values())?,
        encoder.encode(right.values())?,
    );
    let mut picker = Picker::new(call.rows);
    let (mut other, mut seen) = (HashSet::new(), HashSet::new());
    for row in 0..call.rows {
        other.clear();
        seen.clear();
        if !call.is_null(row) {
            other.extend(right.range(row).map(|index| b.row(index)));
            for index in left.range(row) {
                let item = a.row(index);
                if other.contains(&item) == (keep == Keep::Shared) && seen.insert(item) {
                    picker.push(index);
                }
            }
        }
        picker.close()?;
    }
    picker.finish(&[left.values()], call.returns, call.nulls.clone())
}

fn array_remove(call: &Call<'_>) -> Result<ArrayRef> {
    let [column, value] = call.arrays else {
        return Err(internal("array_remove takes an array and a value"));
    };
    let lists = Lists::new(column)?;
    let items = lists.values();
    let encoder = Comparable::new(items.data_type())?;
    let (encoded, unwanted) = (encoder.encode(items)?, encoder.encode(value)?);
    let nans = nan_flags(value);
    let mut picker = Picker::new(call.rows);
    for row in 0..call.rows {
        if !call.is_null(row) {
            let is_nan = nans.as_ref().is_some_and(|nans| nans.value(row));
            for index in lists.range(row) {
                let is_it =
                    !items.is_null(index) && !is_nan && encoded.row(index) == unwanted.row(row);
                if !is_it {
                    picker.push(index);
                }
            }
        }
        picker.close()?;
    }
    picker.finish(&[items], call.returns, call.nulls.clone())
}

fn array_histogram(call: &Call<'_>) -> Result<ArrayRef> {
    let [column] = call.arrays else {
        return Err(internal("array_histogram takes one array"));
    };
    let lists = Lists::new(column)?;
    let items = lists.values();
    let nulls = items.logical_nulls();
    let encoded = Comparable::new(items.data_type())?.encode(items)?;
    let mut picker = Picker::new(call.rows);
    let mut counts: Vec<i64> = Vec::new();
    for row in 0..call.rows {
        let mut places = HashMap::new();
        for index in lists.range(row) {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(index)) {
                continue;
            }
            let place = *places.entry(encoded.row(index)).or_insert_with(|| {
                picker.push(index);
                counts.push(0);
                counts.len() - 1
            });
            if let Some(count) = counts.get_mut(place) {
                *count += 1;
            }
        }
        picker.close()?;
    }
    let (keys, offsets) = picker.parts(&[items])?;
    let counts: ArrayRef = Arc::new(Int64Array::from(counts));
    build_map(call.returns, offsets, keys, counts, call.nulls.clone())
}
