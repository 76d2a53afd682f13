//! `array_sort`: by the natural order, or by a comparator.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::LambdaArgument;

use super::arrays::{coerce_lists, item};
use super::function::{Call, HigherOrder, signature};
use super::items::{Items, call};
use crate::presto::functions::shared::{Comparable, Picker, internal, invalid, is_orderable};

pub(super) fn definition() -> HigherOrder {
    HigherOrder {
        name: "array_sort",
        lambdas: (0, 1),
        coerce: |types| coerce_lists("array_sort", types, 1),
        parameters: |values, known| {
            let item = item(values, 0)?;
            Ok(known
                .iter()
                .map(|_| Some(vec![item.clone(), item.clone()]))
                .collect())
        },
        returns: |values, lambdas| {
            let fits = match lambdas.first() {
                Some(comparator) => comparator.is_integer(),
                None => values.iter().all(is_orderable),
            };
            fits.then(|| values.first().cloned())?
        },
        coerce_again: None,
        run: array_sort,
        signature: signature(),
    }
}

fn array_sort(args: &Call<'_>) -> Result<ArrayRef> {
    let items = Items::of_arrays(args.value(0)?)?;
    let values = items.column(0)?;
    let ranges = items.ranges();
    let order = match args.lambdas.first() {
        Some(comparator) => by_comparator(&items, &ranges, comparator)?,
        None => {
            let encoded = Comparable::new(values.data_type())?.encode(values)?;
            let mut order: Vec<usize> = (0..values.len()).collect();
            for range in &ranges {
                if let Some(part) = order.get_mut(range.clone()) {
                    part.sort_by(|a, b| encoded.row(*a).cmp(&encoded.row(*b)));
                }
            }
            order
        }
    };
    let mut picker = Picker::new(args.rows);
    for range in ranges {
        for index in order.get(range).unwrap_or_default() {
            picker.push(*index);
        }
        picker.close()?;
    }
    picker.finish(&[values], args.returns, items.nulls.clone())
}

/// Where an element goes when two sorted runs are merged: it is searched for in the other run.
struct Search {
    /// The place of the element in the order.
    place: usize,
    /// The part of the other run in which its place can be.
    low: usize,
    high: usize,
    /// Where the other run starts, and where the element is in its own.
    other: usize,
    own: usize,
    /// Whether equal elements of the other run come first.
    is_second: bool,
}

/// Merges runs of twice the length each round; in a round all elements of all rows search together, so that the
/// comparator runs over batches.
fn by_comparator(
    items: &Items,
    ranges: &[Range<usize>],
    comparator: &LambdaArgument,
) -> Result<Vec<usize>> {
    let mut order: Vec<usize> = (0..items.rows.len()).collect();
    let longest = ranges.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
    let mut run = 1;
    while run < longest {
        let mut searches = Vec::new();
        for range in ranges {
            for start in range.clone().step_by(run * 2) {
                let middle = (start + run).min(range.end);
                let end = (start + run * 2).min(range.end);
                if middle == end {
                    continue;
                }
                searches.extend((start..middle).map(|place| Search {
                    place,
                    low: 0,
                    high: end - middle,
                    other: middle,
                    own: place - start,
                    is_second: false,
                }));
                searches.extend((middle..end).map(|place| Search {
                    place,
                    low: 0,
                    high: middle - start,
                    other: start,
                    own: place - middle,
                    is_second: true,
                }));
            }
        }
        narrow(items, comparator, &order, &mut searches)?;
        let before = order.clone();
        for search in searches {
            let start = if search.is_second {
                search.other
            } else {
                search.place - search.own
            };
            let target = start + search.own + search.low;
            if let (Some(slot), Some(element)) = (order.get_mut(target), before.get(search.place)) {
                *slot = *element;
            }
        }
        run *= 2;
    }
    Ok(order)
}

/// Halves every search until it has found its place.
fn narrow(
    items: &Items,
    comparator: &LambdaArgument,
    order: &[usize],
    searches: &mut [Search],
) -> Result<()> {
    let values = items.column(0)?;
    loop {
        let (mut open, mut a, mut b, mut rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, search) in searches.iter().enumerate() {
            if search.low < search.high {
                let middle = search.low + (search.high - search.low) / 2;
                let (Some(element), Some(other)) =
                    (order.get(search.place), order.get(search.other + middle))
                else {
                    return Err(internal("a search beyond its run"));
                };
                // The element of the first run is always the first argument.
                let (first, second) = if search.is_second {
                    (other, element)
                } else {
                    (element, other)
                };
                open.push(number);
                a.push(u32::try_from(*first).ok());
                b.push(u32::try_from(*second).ok());
                rows.push(items.rows.value(*element));
            }
        }
        if open.is_empty() {
            return Ok(());
        }
        let columns = [
            take(values, &UInt32Array::from(a), None)?,
            take(values, &UInt32Array::from(b), None)?,
        ];
        let answers = call(comparator, &columns, &UInt32Array::from(rows))?;
        let answers = cast(&answers, &DataType::Int64)?;
        let answers = answers.as_primitive::<Int64Type>();
        for (at, number) in open.into_iter().enumerate() {
            let is_valid = answers.is_valid(at) && (-1..=1).contains(&answers.value(at));
            if !is_valid {
                return Err(invalid("Lambda comparator must return either -1, 0, or 1"));
            }
            let Some(search) = searches.get_mut(number) else {
                continue;
            };
            let middle = search.low + (search.high - search.low) / 2;
            // Elements of the first run stay before equal ones of the second.
            let is_after = if search.is_second {
                answers.value(at) <= 0
            } else {
                answers.value(at) > 0
            };
            if is_after {
                search.low = middle + 1;
            } else {
                search.high = middle;
            }
        }
    }
}
