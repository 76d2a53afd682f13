//! Parts and rearrangements of arrays.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::error::Result;

use super::access::{item_type, one_list};
use super::sets::first_type;
use crate::presto::functions::shared::{
    Call, Definition, Lists, Nulls, Picker, constant_i64, internal, invalid, list_of, normal,
    out_of_range, unexpected,
};

pub(super) fn definitions() -> Vec<Definition> {
    let strict =
        |name, coerce, returns, run| Definition::new(name, Nulls::Propagate, coerce, returns, run);
    vec![
        strict("slice", coerce_slice, first_type, slice),
        strict(
            "trim_array",
            |types| list_and_number("trim_array", types),
            first_type,
            trim_array,
        ),
        strict(
            "ngrams",
            |types| list_and_number("ngrams", types),
            nested_type,
            ngrams,
        ),
        strict(
            "combinations",
            |types| list_and_number("combinations", types),
            nested_type,
            combinations,
        ),
        strict("flatten", coerce_flatten, item_type, flatten),
        strict("zip", coerce_zip, zip_type, zip),
        strict(
            "shuffle",
            |types| one_list("shuffle", types),
            first_type,
            shuffle,
        )
        .volatile(),
        Definition::new("repeat", Nulls::Given, coerce_repeat, repeat_type, repeat),
    ]
}

fn nested_type(types: &[DataType]) -> Result<DataType> {
    Ok(list_of(first_type(types)?))
}

fn list_type(name: &str, types: &[DataType]) -> Result<DataType> {
    match types.first().map(normal) {
        Some(DataType::Null) => Ok(list_of(DataType::Null)),
        Some(list @ DataType::List(_)) => Ok(list),
        _ => Err(unexpected(name, types)),
    }
}

fn list_and_number(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [_, number] = types else {
        return Err(unexpected(name, types));
    };
    if !number.is_integer() && *number != DataType::Null {
        return Err(unexpected(name, types));
    }
    Ok(vec![list_type(name, types)?, DataType::Int64])
}

fn coerce_slice(types: &[DataType]) -> Result<Vec<DataType>> {
    let [_, start, length] = types else {
        return Err(unexpected("slice", types));
    };
    if [start, length]
        .iter()
        .any(|t| !t.is_integer() && **t != DataType::Null)
    {
        return Err(unexpected("slice", types));
    }
    Ok(vec![
        list_type("slice", types)?,
        DataType::Int64,
        DataType::Int64,
    ])
}

fn slice(call: &Call<'_>) -> Result<ArrayRef> {
    let [column, starts, lengths] = call.arrays else {
        return Err(internal("slice takes three arguments"));
    };
    let lists = Lists::new(column)?;
    let mut picker = Picker::new(call.rows);
    for row in 0..call.rows {
        if let (false, Some(start), Some(length)) = (
            call.is_null(row),
            constant_i64(starts, row),
            constant_i64(lengths, row),
        ) {
            let length = usize::try_from(length)
                .map_err(|_| invalid("length must be greater than or equal to 0"))?;
            let range = lists.range(row);
            let from = match start {
                0 => return Err(invalid("SQL array indices start at 1")),
                1.. => usize::try_from(start - 1).ok(),
                _ => usize::try_from(start.unsigned_abs())
                    .ok()
                    .and_then(|back| range.len().checked_sub(back)),
            };
            if let Some(from) = from.filter(|from| *from < range.len()) {
                let count = length.min(range.len() - from);
                (0..count).for_each(|at| picker.push(range.start + from + at));
            }
        }
        picker.close()?;
    }
    picker.finish(&[lists.values()], call.returns, call.nulls.clone())
}

fn trim_array(call: &Call<'_>) -> Result<ArrayRef> {
    let [column, sizes] = call.arrays else {
        return Err(internal("trim_array takes two arguments"));
    };
    let lists = Lists::new(column)?;
    let mut picker = Picker::new(call.rows);
    for row in 0..call.rows {
        if let (false, Some(size)) = (call.is_null(row), constant_i64(sizes, row)) {
            let range = lists.range(row);
            let size = usize::try_from(size)
                .map_err(|_| invalid(format!("size must not be negative: {size}")))?;
            if size > range.len() {
                return Err(invalid(format!(
                    "size must not exceed array cardinality {}: {size}",
                    range.len()
                )));
            }
            (range.start..range.end - size).for_each(|index| picker.push(index));
        }
        picker.close()?;
    }
    picker.finish(&[lists.values()], call.returns, call.nulls.clone())
}

/// Builds arrays of arrays: the inner ones are picked, `ends` says after how many of them a row ends.
fn nest(call: &Call<'_>, lists: &Lists, inner: Picker, ends: Vec<i32>) -> Result<ArrayRef> {
    let DataType::List(field) = call.returns else {
        return Err(internal("expected to return a list"));
    };
    let inner = inner.finish(&[lists.values()], field.data_type(), None)?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        offsets,
        inner,
        call.nulls.clone(),
    )?))
}

fn too_many() -> datafusion::error::DataFusionError {
    out_of_range("the arrays of a batch have too many elements")
}

fn ngrams(call: &Call<'_>) -> Result<ArrayRef> {
    let [column, sizes] = call.arrays else {
        return Err(internal("ngrams takes two arguments"));
    };
    let lists = Lists::new(column)?;
    let (mut inner, mut count, mut ends) = (Picker::new(call.rows), 0_i32, vec![0]);
    for row in 0..call.rows {
        if let (false, Some(size)) = (call.is_null(row), constant_i64(sizes, row)) {
            let range = lists.range(row);
            let size = usize::try_from(size)
                .ok()
                .filter(|size| *size > 0)
                .ok_or_else(|| invalid("N must be positive"))?
                .min(range.len().max(1));
            let grams = (range.len() + 1).saturating_sub(size).max(1);
            for start in 0..grams {
                let end = (range.start + start + size).min(range.end);
                (range.start + start..end).for_each(|index| inner.push(index));
                inner.close()?;
                count = count.checked_add(1).ok_or_else(too_many)?;
            }
        }
        ends.push(count);
    }
    nest(call, &lists, inner, ends)
}

/// Most combinations of one array.
const MAX_COMBINATIONS: usize = 100_000;

fn combinations(call: &Call<'_>) -> Result<ArrayRef> {
    let [column, sizes] = call.arrays else {
        return Err(internal("combinations takes two arguments"));
    };
    let lists = Lists::new(column)?;
    let (mut inner, mut count, mut ends) = (Picker::new(call.rows), 0_i32, vec![0]);
    for row in 0..call.rows {
        if let (false, Some(size)) = (call.is_null(row), constant_i64(sizes, row)) {
            let size = usize::try_from(size)
                .map_err(|_| invalid(format!("combination size must not be negative: {size}")))?;
            if size > 5 {
                return Err(invalid(format!(
                    "combination size must not exceed 5: {size}"
                )));
            }
            let range = lists.range(row);
            let mut chosen: Vec<usize> = (0..size).collect();
            let mut is_next = size <= range.len();
            let mut of_row = 0;
            while is_next {
                of_row += 1;
                if of_row > MAX_COMBINATIONS {
                    return Err(invalid("combinations exceed max size"));
                }
                chosen.iter().for_each(|at| inner.push(range.start + at));
                inner.close()?;
                count = count.checked_add(1).ok_or_else(too_many)?;
                is_next = advance(&mut chosen, range.len());
            }
        }
        ends.push(count);
    }
    nest(call, &lists, inner, ends)
}

/// Moves on to the next choice of positions below `len`; false after the last.
fn advance(chosen: &mut [usize], len: usize) -> bool {
    let size = chosen.len();
    let movable = chosen
        .iter()
        .enumerate()
        .rev()
        .find(|(place, at)| **at + (size - place) < len)
        .map(|(place, at)| (place, *at));
    let Some((place, at)) = movable else {
        return false;
    };
    for (step, slot) in chosen.iter_mut().skip(place).enumerate() {
        *slot = at + 1 + step;
    }
    true
}

fn coerce_flatten(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [DataType::Null] => Ok(vec![list_of(list_of(DataType::Null))]),
        [list] => match normal(list) {
            DataType::List(item) if *item.data_type() == DataType::Null => {
                Ok(vec![list_of(list_of(DataType::Null))])
            }
            DataType::List(item) if matches!(item.data_type(), DataType::List(_)) => {
                Ok(vec![DataType::List(item)])
            }
            _ => Err(unexpected("flatten", types)),
        },
        _ => Err(unexpected("flatten", types)),
    }
}

fn flatten(call: &Call<'_>) -> Result<ArrayRef> {
    let [column] = call.arrays else {
        return Err(internal("flatten takes one array"));
    };
    let outer = Lists::new(column)?;
    let inner = Lists::new(outer.values())?;
    let mut picker = Picker::new(call.rows);
    for row in 0..call.rows {
        for list in outer.range(row) {
            inner.range(list).for_each(|index| picker.push(index));
        }
        picker.close()?;
    }
    picker.finish(&[inner.values()], call.returns, call.nulls.clone())
}

fn coerce_zip(types: &[DataType]) -> Result<Vec<DataType>> {
    if !(2..=5).contains(&types.len()) {
        return Err(unexpected("zip", types));
    }
    types
        .iter()
        .map(|list| {
            list_type("zip", std::slice::from_ref(list)).map_err(|_| unexpected("zip", types))
        })
        .collect()
}

fn zip_type(types: &[DataType]) -> Result<DataType> {
    let mut fields = Vec::with_capacity(types.len());
    for (place, list) in types.iter().enumerate() {
        let item = item_type(std::slice::from_ref(list))?;
        fields.push(Field::new(format!("c{place}"), item, true));
    }
    Ok(list_of(DataType::Struct(Fields::from(fields))))
}

fn zip(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::List(field) = call.returns else {
        return Err(internal("expected to return a list"));
    };
    let DataType::Struct(fields) = field.data_type() else {
        return Err(internal("expected to return rows"));
    };
    let lists: Vec<Lists> = call.arrays.iter().map(Lists::new).collect::<Result<_>>()?;
    let mut picked: Vec<Vec<Option<u32>>> = vec![Vec::new(); lists.len()];
    let mut ends = vec![0_i32];
    let mut total = 0_usize;
    for row in 0..call.rows {
        if !call.is_null(row) {
            let longest = lists
                .iter()
                .map(|list| list.range(row).len())
                .max()
                .unwrap_or(0);
            for (list, picked) in lists.iter().zip(&mut picked) {
                let range = list.range(row);
                picked.extend((0..longest).map(|at| {
                    let index = (at < range.len()).then_some(range.start + at)?;
                    u32::try_from(index).ok()
                }));
            }
            total += longest;
        }
        ends.push(i32::try_from(total).map_err(|_| too_many())?);
    }
    let mut columns = Vec::with_capacity(lists.len());
    for (list, picked) in lists.iter().zip(picked) {
        columns.push(take(
            list.values(),
            &arrow::array::UInt32Array::from(picked),
            None,
        )?);
    }
    let rows = StructArray::try_new(fields.clone(), columns, None)?;
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        OffsetBuffer::new(ScalarBuffer::from(ends)),
        Arc::new(rows),
        call.nulls.clone(),
    )?))
}

fn shuffle(call: &Call<'_>) -> Result<ArrayRef> {
    let [column] = call.arrays else {
        return Err(internal("shuffle takes one array"));
    };
    let lists = Lists::new(column)?;
    let mut picker = Picker::new(call.rows);
    // The standard library's hash keys are random for each state.
    let state = RandomState::new();
    let mut draws = 0_u64;
    for row in 0..call.rows {
        let mut order: Vec<usize> = lists.range(row).collect();
        for last in (1..order.len()).rev() {
            draws += 1;
            let mut hasher = state.build_hasher();
            hasher.write_u64(draws);
            let other = hasher.finish() % (last as u64 + 1);
            order.swap(last, usize::try_from(other).unwrap_or(last));
        }
        order.into_iter().for_each(|index| picker.push(index));
        picker.close()?;
    }
    picker.finish(&[lists.values()], call.returns, call.nulls.clone())
}

fn coerce_repeat(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [value, count] if count.is_integer() || *count == DataType::Null => {
            Ok(vec![normal(value), DataType::Int64])
        }
        _ => Err(unexpected("repeat", types)),
    }
}

fn repeat_type(types: &[DataType]) -> Result<DataType> {
    Ok(list_of(first_type(types)?))
}

fn repeat(call: &Call<'_>) -> Result<ArrayRef> {
    let [values, counts] = call.arrays else {
        return Err(internal("repeat takes two arguments"));
    };
    let mut picker = Picker::new(call.rows);
    for row in 0..call.rows {
        if let Some(count) = constant_i64(counts, row) {
            let at_least = "count argument of repeat function must be greater than or equal to 0";
            let at_most = "count argument of repeat function must be less than or equal to 10000";
            let count = usize::try_from(count).map_err(|_| invalid(at_least))?;
            if count > 10_000 {
                return Err(invalid(at_most));
            }
            (0..count).for_each(|_| picker.push(row));
        }
        picker.close()?;
    }
    picker.finish(&[values], call.returns, counts.logical_nulls())
}
