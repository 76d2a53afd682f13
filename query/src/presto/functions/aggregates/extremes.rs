//! `max_by` and `min_by`, and the forms of `max`, `min` and those that return several values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array, new_empty_array, new_null_array};
use arrow::compute::{SortOptions, sort_to_indices, take_arrays};
use arrow::datatypes::DataType;
use arrow::row::OwnedRow;
use datafusion::common::ScalarValue;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::collect::{Collect, Collector, Columns, collected_state, without_nulls};
use super::function::{Aggregate, Inputs};
use crate::presto::functions::shared::{
    Comparable, constant_i64, internal, invalid, is_orderable, list_of, normal, unexpected,
};

pub(super) fn definitions() -> Vec<Aggregate> {
    vec![
        by(
            "max_by",
            |inputs| by_accumulator(inputs, Side::Max),
            |inputs| by_groups(inputs, Side::Max),
        ),
        by(
            "min_by",
            |inputs| by_accumulator(inputs, Side::Min),
            |inputs| by_groups(inputs, Side::Min),
        ),
    ]
}

/// Returns `max(x, n)`.
pub(super) fn max_n() -> Aggregate {
    Aggregate {
        state: |inputs| collected_state(&MAX_N, inputs),
        ..Aggregate::new(
            "max_n",
            |t| coerce_n("max", t),
            list_of_first,
            |inputs| Ok(Box::new(Collect::new(&MAX_N, inputs))),
        )
    }
}

/// Returns `min(x, n)`.
pub(super) fn min_n() -> Aggregate {
    Aggregate {
        state: |inputs| collected_state(&MIN_N, inputs),
        ..Aggregate::new(
            "min_n",
            |t| coerce_n("min", t),
            list_of_first,
            |inputs| Ok(Box::new(Collect::new(&MIN_N, inputs))),
        )
    }
}

/// Which end of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Max,
    Min,
}

fn by(
    name: &'static str,
    accumulator: fn(&Inputs) -> Result<Box<dyn Accumulator>>,
    groups: fn(&Inputs) -> Option<Box<dyn GroupsAccumulator>>,
) -> Aggregate {
    let coerce: fn(&[DataType]) -> Result<Vec<DataType>> = match name {
        "max_by" => |t| coerce_by("max_by", t),
        _ => |t| coerce_by("min_by", t),
    };
    let state: fn(&Inputs) -> Vec<DataType> = |inputs| match inputs.arguments {
        3 => collected_state(&MAX_BY_N, inputs),
        _ => vec![inputs.argument(0), inputs.argument(1)],
    };
    Aggregate {
        state,
        groups,
        ..Aggregate::new(name, coerce, by_type, accumulator)
    }
}

fn coerce_by(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [x, y] => Ok(vec![normal(x), normal(y)]),
        [x, y, n] if is_number(n) => Ok(vec![normal(x), normal(y), DataType::Int64]),
        _ => Err(unexpected(name, types)),
    }
}

fn is_number(n: &DataType) -> bool {
    n.is_integer() || *n == DataType::Null
}

fn by_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [x, _] => Ok(x.clone()),
        [x, ..] => Ok(list_of(x.clone())),
        [] => Err(internal("max_by takes two arguments")),
    }
}

fn coerce_n(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [x, n] if is_number(n) && is_orderable(x) => Ok(vec![normal(x), DataType::Int64]),
        _ => Err(unexpected(name, types)),
    }
}

fn list_of_first(types: &[DataType]) -> Result<DataType> {
    match types {
        [x, ..] => Ok(list_of(x.clone())),
        [] => Err(internal("expected an argument")),
    }
}

fn by_accumulator(inputs: &Inputs, side: Side) -> Result<Box<dyn Accumulator>> {
    if inputs.arguments == 3 {
        let collector = match side {
            Side::Max => &MAX_BY_N,
            Side::Min => &MIN_BY_N,
        };
        return Ok(Box::new(Collect::new(collector, inputs)));
    }
    Ok(Box::new(By {
        groups: ByGroups::new(inputs, side)?,
    }))
}

fn by_groups(inputs: &Inputs, side: Side) -> Option<Box<dyn GroupsAccumulator>> {
    if inputs.arguments != 2 {
        return None;
    }
    Some(Box::new(ByGroups::new(inputs, side).ok()?))
}

/// The value with the best key of each group.
#[derive(Debug)]
struct ByGroups {
    side: Side,
    encoder: Comparable,
    types: (DataType, DataType),
    best: Vec<Option<OwnedRow>>,
    values: Vec<ScalarValue>,
    keys: Vec<ScalarValue>,
    bytes: usize,
}

impl ByGroups {
    fn new(inputs: &Inputs, side: Side) -> Result<Self> {
        let types = (inputs.argument(0), inputs.argument(1));
        Ok(Self {
            side,
            encoder: Comparable::new(&types.1)?,
            types,
            best: Vec::new(),
            values: Vec::new(),
            keys: Vec::new(),
            bytes: 0,
        })
    }

    fn resize(&mut self, groups: usize) -> Result<()> {
        if self.best.len() < groups {
            self.best.resize(groups, None);
            self.values
                .resize(groups, ScalarValue::try_from(&self.types.0)?);
            self.keys
                .resize(groups, ScalarValue::try_from(&self.types.1)?);
        }
        Ok(())
    }

    fn column(values: Vec<ScalarValue>, data_type: &DataType) -> Result<ArrayRef> {
        if values.is_empty() {
            return Ok(new_empty_array(data_type));
        }
        if *data_type == DataType::Null {
            return Ok(new_null_array(data_type, values.len()));
        }
        ScalarValue::iter_to_array(values)
    }
}

impl GroupsAccumulator for ByGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let [values, keys, ..] = values else {
            return Err(internal("max_by takes two arguments"));
        };
        self.resize(total_num_groups)?;
        let encoded = self.encoder.encode(keys)?;
        // The best row of the batch for each group that it changes.
        let mut changed: std::collections::HashMap<usize, usize> = std::collections::HashMap::new();
        let nulls = keys.logical_nulls();
        for (row, group) in group_indices.iter().enumerate() {
            let is_skipped = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
                || opt_filter.is_some_and(|filter| !(filter.is_valid(row) && filter.value(row)));
            if is_skipped {
                continue;
            }
            let key = encoded.row(row);
            let known = match changed.get(group) {
                Some(other) => Some(encoded.row(*other)),
                None => self
                    .best
                    .get(*group)
                    .and_then(Option::as_ref)
                    .map(OwnedRow::row),
            };
            let is_better = known.is_none_or(|known| match self.side {
                Side::Max => key > known,
                Side::Min => key < known,
            });
            if is_better {
                changed.insert(*group, row);
            }
        }
        for (group, row) in changed {
            let (Some(best), Some(value), Some(key)) = (
                self.best.get_mut(group),
                self.values.get_mut(group),
                self.keys.get_mut(group),
            ) else {
                continue;
            };
            let before =
                value.size() + key.size() + best.as_ref().map_or(0, |row| row.as_ref().len());
            *best = Some(encoded.row(row).owned());
            *value = ScalarValue::try_from_array(values, row)?;
            *key = ScalarValue::try_from_array(keys, row)?;
            value.compact();
            key.compact();
            let after =
                value.size() + key.size() + best.as_ref().map_or(0, |row| row.as_ref().len());
            self.bytes = (self.bytes + after).saturating_sub(before);
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        emit_to.take_needed(&mut self.best);
        emit_to.take_needed(&mut self.keys);
        Self::column(emit_to.take_needed(&mut self.values), &self.types.0)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        emit_to.take_needed(&mut self.best);
        Ok(vec![
            Self::column(emit_to.take_needed(&mut self.values), &self.types.0)?,
            Self::column(emit_to.take_needed(&mut self.keys), &self.types.1)?,
        ])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let [values, keys, ..] = values else {
            return Err(internal("max_by takes two arguments"));
        };
        let keys = match opt_filter {
            None => Arc::clone(keys),
            Some(filter) => {
                let drop: BooleanArray =
                    filter.iter().map(|kept| Some(kept != Some(true))).collect();
                arrow::compute::nullif(keys, &drop)?
            }
        };
        Ok(vec![Arc::clone(values), keys])
    }

    fn size(&self) -> usize {
        let slot = size_of::<Option<OwnedRow>>() + 2 * size_of::<ScalarValue>();
        self.best.capacity() * slot + self.bytes
    }
}

/// One group.
#[derive(Debug)]
struct By {
    groups: ByGroups,
}

impl Accumulator for By {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |column| column.len());
        self.groups.update_batch(values, &vec![0; rows], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.groups.resize(1)?;
        self.groups
            .values
            .first()
            .cloned()
            .ok_or_else(|| internal("one group has one value"))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.groups.resize(1)?;
        let key = self.groups.keys.first().cloned();
        Ok(vec![
            self.evaluate()?,
            key.ok_or_else(|| internal("one group has one key"))?,
        ])
    }

    fn size(&self) -> usize {
        self.groups.size()
    }
}

static MAX_N: Collector = n_of(
    |inputs, columns| top(inputs, columns, Side::Max),
    |inputs, columns| list(inputs, columns, Side::Max),
);
static MIN_N: Collector = n_of(
    |inputs, columns| top(inputs, columns, Side::Min),
    |inputs, columns| list(inputs, columns, Side::Min),
);
static MAX_BY_N: Collector = n_of(
    |inputs, columns| top(inputs, columns, Side::Max),
    |inputs, columns| list(inputs, columns, Side::Max),
);
static MIN_BY_N: Collector = n_of(
    |inputs, columns| top(inputs, columns, Side::Min),
    |inputs, columns| list(inputs, columns, Side::Min),
);

const fn n_of(
    compact: fn(&Inputs, Columns) -> Result<Columns>,
    finish: fn(&Inputs, Columns) -> Result<ScalarValue>,
) -> Collector {
    Collector {
        types: |inputs| inputs.types.clone(),
        // The key is before the number.
        prepare: |inputs, values| {
            let values = without_nulls(values, inputs.arguments.saturating_sub(1))?;
            for row in 0..values.last().map_or(0, |numbers| numbers.len()) {
                limit(inputs, &values, row)?;
            }
            without_nulls(&values, inputs.arguments.saturating_sub(2))
        },
        compact: Some(compact),
        finish,
    }
}

/// Returns how many values are wanted.
fn limit(inputs: &Inputs, columns: &[ArrayRef], row: usize) -> Result<usize> {
    let number = columns
        .get(inputs.arguments.saturating_sub(1))
        .and_then(|numbers| constant_i64(numbers, row));
    let (which, wrong) = match inputs.name {
        "max_by" | "min_by" => (
            "third argument",
            format!(
                "third argument of {} must be a positive integer",
                inputs.name
            ),
        ),
        name => (
            "second argument",
            format!("second argument of {name} must be positive"),
        ),
    };
    let number = number
        .filter(|number| *number > 0)
        .ok_or_else(|| invalid(wrong))?;
    if number > 10_000 {
        return Err(invalid(format!(
            "{which} of {} must be less than or equal to 10000; found {number}",
            inputs.name
        )));
    }
    usize::try_from(number).map_err(|_| internal("a count that does not fit"))
}

/// Returns the best rows, the best first.
fn top(inputs: &Inputs, columns: Columns, side: Side) -> Result<Columns> {
    let limit = limit(inputs, &columns, 0)?;
    let keys = columns
        .get(inputs.arguments.saturating_sub(2))
        .ok_or_else(|| internal("expected a key"))?;
    let options = SortOptions {
        descending: side == Side::Max,
        nulls_first: false,
    };
    let order = if keys.data_type().is_nested() {
        let encoded = Comparable::new(keys.data_type())?.encode(keys)?;
        let mut order: Vec<u32> = (0..u32::try_from(keys.len()).unwrap_or(u32::MAX)).collect();
        let key = |row: &u32| encoded.row(*row as usize);
        order.sort_by(|a, b| match side {
            Side::Max => key(b).cmp(&key(a)),
            Side::Min => key(a).cmp(&key(b)),
        });
        UInt32Array::from(order)
    } else {
        sort_to_indices(keys, Some(options), None)?
    };
    let order = order.slice(0, limit.min(order.len()));
    Ok(take_arrays(&columns, &order, None)?)
}

fn list(inputs: &Inputs, columns: Columns, side: Side) -> Result<ScalarValue> {
    let best = top(inputs, columns, side)?;
    let values = best.first().ok_or_else(|| internal("expected values"))?;
    Ok(SingleRowListArrayBuilder::new(Arc::clone(values)).build_list_scalar())
}
