//! `reduce`: a state goes through the elements of each array; all rows take their next step together.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::{cast, interleave, nullif, take};
use arrow::datatypes::DataType;
use datafusion::error::Result;

use super::function::{Call, HigherOrder, Values, signature};
use super::items::{Items, call};
use crate::presto::functions::shared::{common_type, internal, list_of, normal, unexpected};

pub(super) fn definition() -> HigherOrder {
    HigherOrder {
        name: "reduce",
        lambdas: (2, 2),
        coerce,
        parameters: |values, known| {
            let [DataType::List(item), start] = values else {
                return Err(internal("reduce takes an array and a state"));
            };
            let merged = known.first().cloned().flatten();
            let state = match &merged {
                Some(merged) => state_type(start, merged)
                    .ok_or_else(|| internal("the state has another type"))?,
                None => start.clone(),
            };
            let merge = Some(vec![state.clone(), item.data_type().clone()]);
            Ok(vec![merge, merged.map(|_| vec![state])])
        },
        returns: |_, lambdas| lambdas.get(1).cloned(),
        coerce_again: Some(|values, lambdas| {
            let [list, start] = values else {
                return None;
            };
            Some(vec![list.clone(), state_type(start, lambdas.first()?)?])
        }),
        run: reduce,
        signature: signature(),
    }
}

/// Returns the type of the state; a decimal has all its digits, since each step would need one more.
fn state_type(start: &DataType, merged: &DataType) -> Option<DataType> {
    if start == merged {
        return Some(start.clone());
    }
    Some(match common_type(start, merged)? {
        DataType::Decimal128(_, scale) => DataType::Decimal128(38, scale),
        other => other,
    })
}

fn coerce(types: Values<'_>) -> Result<Vec<DataType>> {
    let [list, start] = types else {
        return Err(unexpected("reduce", types));
    };
    let list = match normal(list) {
        DataType::Null => list_of(DataType::Null),
        list @ DataType::List(_) => list,
        _ => return Err(unexpected("reduce", types)),
    };
    Ok(vec![list, normal(start)])
}

fn reduce(args: &Call<'_>) -> Result<ArrayRef> {
    let items = Items::of_arrays(args.value(0)?)?;
    let ranges = items.ranges();
    let mut state = ArrayRef::clone(args.value(1)?);
    let (merge, finish) = (args.lambda(0)?, args.lambda(1)?);
    let longest = ranges.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
    for step in 0..longest {
        let (mut active, mut next) = (Vec::new(), Vec::new());
        for (row, range) in ranges.iter().enumerate() {
            if step < range.len() {
                active.push(u32::try_from(row).ok());
                next.push(u32::try_from(range.start + step).ok());
            }
        }
        let is_all = active.len() == ranges.len();
        let (active, next) = (UInt32Array::from(active), UInt32Array::from(next));
        let elements = take(items.column(0)?, &next, None)?;
        let before = take(&state, &active, None)?;
        let after = call(merge, &[before, elements], &active)?;
        let after = cast(&after, state.data_type())?;
        state = if is_all {
            after
        } else {
            let mut places: Vec<(usize, usize)> = (0..ranges.len()).map(|row| (0, row)).collect();
            for (place, row) in active.values().iter().enumerate() {
                if let Some(slot) = places.get_mut(*row as usize) {
                    *slot = (1, place);
                }
            }
            interleave(&[state.as_ref(), after.as_ref()], &places)?
        };
    }
    let rows =
        UInt32Array::from_iter_values((0..args.rows).filter_map(|row| u32::try_from(row).ok()));
    let answers = call(finish, &[state], &rows)?;
    match &items.nulls {
        None => Ok(answers),
        Some(nulls) => {
            let is_null = arrow::array::BooleanArray::new(!nulls.inner(), None);
            Ok(nullif(&answers, &is_null)?)
        }
    }
}
