//! Lambdas over the elements of arrays.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, ListArray, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use datafusion::error::Result;

use super::function::{Call, HigherOrder, Values, signature};
use super::items::{Items, call};
use crate::presto::functions::shared::{Lists, Picker, internal, list_of, normal, unexpected};

pub(super) fn definitions() -> Vec<HigherOrder> {
    vec![
        HigherOrder {
            name: "transform",
            returns: |_, lambdas| lambdas.first().cloned().map(list_of),
            run: transform,
            ..one_list("transform", |types| coerce_lists("transform", types, 1))
        },
        HigherOrder {
            name: "filter",
            returns: |values, lambdas| is_predicate(lambdas).then(|| values.first().cloned())?,
            run: filter,
            ..one_list("filter", |types| coerce_lists("filter", types, 1))
        },
        matches(
            "any_match",
            |call| match_items(call, Match::Any),
            |types| coerce_lists("any_match", types, 1),
        ),
        matches(
            "all_match",
            |call| match_items(call, Match::All),
            |types| coerce_lists("all_match", types, 1),
        ),
        matches(
            "none_match",
            |call| match_items(call, Match::None),
            |types| coerce_lists("none_match", types, 1),
        ),
        HigherOrder {
            parameters: |values, _| Ok(vec![Some(vec![item(values, 0)?, item(values, 1)?])]),
            returns: |_, lambdas| lambdas.first().cloned().map(list_of),
            run: zip_with,
            ..one_list("zip_with", |types| coerce_lists("zip_with", types, 2))
        },
    ]
}

fn one_list(name: &'static str, coerce: fn(Values<'_>) -> Result<Vec<DataType>>) -> HigherOrder {
    HigherOrder {
        name,
        lambdas: (1, 1),
        coerce,
        parameters: |values, _| Ok(vec![Some(vec![item(values, 0)?])]),
        returns: |_, _| None,
        coerce_again: None,
        run: |_| Err(internal("a function without a body")),
        signature: signature(),
    }
}

fn matches(
    name: &'static str,
    run: fn(&Call<'_>) -> Result<ArrayRef>,
    coerce: fn(Values<'_>) -> Result<Vec<DataType>>,
) -> HigherOrder {
    HigherOrder {
        returns: |_, lambdas| is_predicate(lambdas).then_some(DataType::Boolean),
        run,
        ..one_list(name, coerce)
    }
}

/// Converts values that are all arrays.
pub(super) fn coerce_lists(name: &str, types: Values<'_>, count: usize) -> Result<Vec<DataType>> {
    if types.len() != count {
        return Err(unexpected(name, types));
    }
    types
        .iter()
        .map(|one| match normal(one) {
            DataType::Null => Ok(list_of(DataType::Null)),
            list @ DataType::List(_) => Ok(list),
            _ => Err(unexpected(name, types)),
        })
        .collect()
}

/// Returns the element type of a value.
pub(super) fn item(values: Values<'_>, place: usize) -> Result<DataType> {
    match values.get(place) {
        Some(DataType::List(item)) => Ok(item.data_type().clone()),
        _ => Err(internal("expected an array")),
    }
}

/// Tells whether the lambda gives true or false.
pub(super) fn is_predicate(lambdas: &[DataType]) -> bool {
    matches!(lambdas, [DataType::Boolean | DataType::Null])
}

/// Builds arrays.
pub(super) fn lists(returns: &DataType, items: &Items, values: ArrayRef) -> Result<ArrayRef> {
    let DataType::List(field) = returns else {
        return Err(internal("expected to return a list"));
    };
    let values = cast(&values, field.data_type())?;
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        items.offsets.clone(),
        values,
        items.nulls.clone(),
    )?))
}

fn transform(call: &Call<'_>) -> Result<ArrayRef> {
    let items = Items::of_arrays(call.value(0)?)?;
    let values = items.call(call.lambda(0)?)?;
    lists(call.returns, &items, values)
}

fn filter(call: &Call<'_>) -> Result<ArrayRef> {
    let items = Items::of_arrays(call.value(0)?)?;
    let answers = items.test(call.lambda(0)?)?;
    let mut picker = Picker::new(call.rows);
    for range in items.ranges() {
        for index in range {
            if answers.is_valid(index) && answers.value(index) {
                picker.push(index);
            }
        }
        picker.close()?;
    }
    picker.finish(&[items.column(0)?], call.returns, items.nulls.clone())
}

/// How many items must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Any,
    All,
    None,
}

fn match_items(call: &Call<'_>, which: Match) -> Result<ArrayRef> {
    let items = Items::of_arrays(call.value(0)?)?;
    let answers = items.test(call.lambda(0)?)?;
    // The answer that decides, and what it decides.
    let (deciding, decision) = match which {
        Match::Any => (true, true),
        Match::All => (false, false),
        Match::None => (true, false),
    };
    let decide = |(row, mut range): (usize, std::ops::Range<usize>)| {
        if items.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let mut has_null = false;
        let is_decided = range.any(|index| {
            has_null |= answers.is_null(index);
            answers.is_valid(index) && answers.value(index) == deciding
        });
        match (is_decided, has_null) {
            (true, _) => Some(decision),
            (false, true) => None,
            (false, false) => Some(!decision),
        }
    };
    let decided: BooleanArray = items.ranges().into_iter().enumerate().map(decide).collect();
    Ok(Arc::new(decided))
}

fn zip_with(args: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (Lists::new(args.value(0)?)?, Lists::new(args.value(1)?)?);
    let nulls = NullBuffer::union(
        args.value(0)?.logical_nulls().as_ref(),
        args.value(1)?.logical_nulls().as_ref(),
    );
    let (mut a, mut b, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let mut offsets = vec![0_usize];
    for row in 0..args.rows {
        if !nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            let (mine, yours) = (left.range(row), right.range(row));
            for at in 0..mine.len().max(yours.len()) {
                let index = |range: &std::ops::Range<usize>| {
                    u32::try_from((at < range.len()).then_some(range.start + at)?).ok()
                };
                a.push(index(&mine));
                b.push(index(&yours));
                rows.push(u32::try_from(row).ok());
            }
        }
        offsets.push(rows.len());
    }
    let lengths = offsets
        .iter()
        .zip(offsets.iter().skip(1))
        .map(|(start, end)| end - start);
    let items = Items {
        columns: vec![
            take(left.values(), &UInt32Array::from(a), None)?,
            take(right.values(), &UInt32Array::from(b), None)?,
        ],
        offsets: arrow::buffer::OffsetBuffer::from_lengths(lengths),
        nulls,
        rows: UInt32Array::from(rows),
    };
    let values = call(args.lambda(0)?, &items.columns, &items.rows)?;
    lists(args.returns, &items, values)
}
