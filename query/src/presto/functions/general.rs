//! Functions of any type.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, make_comparator};
use arrow::compute::{SortOptions, cast, interleave};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::error::Result;

use super::call::Call;
use super::scalar::{Entry, Planned};
use super::shared::{is_orderable, unexpected};
use crate::presto::common_type::common_type;
use crate::presto::rewrite::VERSION;

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("greatest", |call| extreme(call, Ordering::Greater))
        .returning(|planned| one_type("greatest", planned)),
    Entry::new("least", |call| extreme(call, Ordering::Less))
        .returning(|planned| one_type("least", planned)),
    Entry::new("uuid", super::math::uuid),
    Entry::new("version", |call| {
        call.build_text(|_, out| {
            out.push_str(VERSION);
            Ok(true)
        })
    }),
];

/// Returns the common type of the arguments if its values have an order.
fn one_type(name: &str, planned: &Planned<'_>) -> Result<DataType> {
    let mut types = planned.types.iter();
    let common = types.try_fold(DataType::Null, |common, next| common_type(&common, next));
    common
        .filter(is_orderable)
        .ok_or_else(|| unexpected(name, planned.types))
}

/// The first of the largest or smallest values; NULL if one is NULL. NaN counts only if all are.
fn extreme(call: &Call, wanted: Ordering) -> Result<ArrayRef> {
    let columns: Vec<ArrayRef> = call
        .columns
        .iter()
        .map(|(array, _)| match *array.data_type() == call.returns {
            true => Ok(Arc::clone(array)),
            false => Ok(cast(array, &call.returns)?),
        })
        .collect::<Result<_>>()?;
    let null = arrow::array::new_null_array(&call.returns, 1);
    let mut references: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
    references.push(null.as_ref());
    let mut comparators = Vec::new();
    for a in &columns {
        let row: Result<Vec<_>> = columns
            .iter()
            .map(|b| {
                Ok(make_comparator(
                    a.as_ref(),
                    b.as_ref(),
                    SortOptions::default(),
                )?)
            })
            .collect();
        comparators.push(row?);
    }
    let mut indices = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if call.any_null(row) {
            indices.push((columns.len(), 0));
            continue;
        }
        let mut best = 0;
        for (position, column) in columns.iter().enumerate().skip(1) {
            let at = call.row(position, row);
            let best_at = call.row(best, row);
            let is_better = match columns.get(best) {
                Some(array) if is_nan(array, best_at) => true,
                _ if is_nan(column, at) => false,
                _ => comparators
                    .get(position)
                    .and_then(|row| row.get(best))
                    .is_some_and(|compare| compare(at, best_at) == wanted),
            };
            if is_better {
                best = position;
            }
        }
        indices.push((best, call.row(best, row)));
    }
    Ok(interleave(&references, &indices)?)
}

fn is_nan(array: &ArrayRef, row: usize) -> bool {
    match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).is_nan(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).is_nan(),
        _ => false,
    }
}
