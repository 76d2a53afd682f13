//! Aggregates whose state is a few doubles, for one group and for many.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, Float64Builder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::function::Inputs;
use super::real::{RealAccumulator, RealGroups};
use super::sum::primitives;
use crate::presto::functions::shared::internal;

/// What is counted and summed up of rows of one or two numbers, and what is made of it.
#[derive(Debug)]
pub(super) struct Statistic<const N: usize> {
    /// Adds a row; a function of one number has it twice.
    pub(super) add: fn(&mut [f64; N], f64, f64),
    /// Adds the rows of another group.
    pub(super) merge: fn(&mut [f64; N], &[f64; N]),
    /// Makes the answer.
    pub(super) answer: fn(&[f64; N]) -> Option<f64>,
}

impl<const N: usize> Statistic<N> {
    /// Returns the types of the state.
    pub(super) fn state() -> Vec<DataType> {
        vec![DataType::Float64; N]
    }

    /// Returns an accumulator of one group.
    pub(super) fn accumulator(&'static self, inputs: &Inputs) -> Box<dyn Accumulator> {
        let one = Box::new(One(Groups::new(self)));
        match inputs.returns {
            DataType::Float32 => Box::new(RealAccumulator::new(one)),
            _ => one,
        }
    }

    /// Returns an accumulator of many groups.
    pub(super) fn groups(&'static self, inputs: &Inputs) -> Box<dyn GroupsAccumulator> {
        let groups = Box::new(Groups::new(self));
        match inputs.returns {
            DataType::Float32 => Box::new(RealGroups::new(groups)),
            _ => groups,
        }
    }
}

/// The states of groups.
struct Groups<const N: usize> {
    statistic: &'static Statistic<N>,
    states: Vec<[f64; N]>,
}

impl<const N: usize> fmt::Debug for Groups<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").finish_non_exhaustive()
    }
}

/// Returns the number or the two numbers of each row, and tells which rows have them.
fn numbers(values: &[ArrayRef]) -> Result<(Float64Array, Float64Array)> {
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return Err(internal("a statistic without its argument"));
    };
    let doubles = |column: &ArrayRef| -> Result<Float64Array> {
        Ok(primitives::<Float64Type>(&cast(column, &DataType::Float64)?)?.clone())
    };
    Ok((doubles(first)?, doubles(last)?))
}

impl<const N: usize> Groups<N> {
    fn new(statistic: &'static Statistic<N>) -> Self {
        Self {
            statistic,
            states: Vec::new(),
        }
    }

    fn resize(&mut self, groups: usize) {
        self.states.resize(groups.max(self.states.len()), [0.0; N]);
    }

    fn columns(states: &[[f64; N]]) -> Vec<ArrayRef> {
        let mut builders: Vec<Float64Builder> = (0..N).map(|_| Float64Builder::new()).collect();
        for state in states {
            for (builder, number) in builders.iter_mut().zip(state) {
                builder.append_value(*number);
            }
        }
        let finished = builders
            .iter_mut()
            .map(|builder| -> ArrayRef { Arc::new(builder.finish()) });
        finished.collect()
    }
}

impl<const N: usize> GroupsAccumulator for Groups<N> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        let (first, second) = numbers(values)?;
        for (row, group) in group_indices.iter().enumerate() {
            let is_kept = opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if is_kept
                && first.is_valid(row)
                && second.is_valid(row)
                && let Some(state) = self.states.get_mut(*group)
            {
                (self.statistic.add)(state, first.value(row), second.value(row));
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        let columns = values.iter().map(primitives::<Float64Type>);
        let columns: Vec<&Float64Array> = columns.collect::<Result<_>>()?;
        for (row, group) in group_indices.iter().enumerate() {
            let mut other = [0.0; N];
            for (number, column) in other.iter_mut().zip(&columns) {
                *number = column.value(row);
            }
            if let Some(state) = self.states.get_mut(*group) {
                (self.statistic.merge)(state, &other);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let states = emit_to.take_needed(&mut self.states);
        let answers: Float64Array = states.iter().map(self.statistic.answer).collect();
        Ok(Arc::new(answers))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(Self::columns(&emit_to.take_needed(&mut self.states)))
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut each = Self::new(self.statistic);
        let rows = values.first().map_or(0, |column| column.len());
        let places: Vec<usize> = (0..rows).collect();
        each.update_batch(values, &places, opt_filter, rows)?;
        Ok(Self::columns(&each.states))
    }

    fn size(&self) -> usize {
        self.states.capacity() * size_of::<[f64; N]>()
    }
}

/// The state of one group.
#[derive(Debug)]
struct One<const N: usize>(Groups<N>);

/// Says of each row that it is of the only group.
fn all_in_one(values: &[ArrayRef]) -> Vec<usize> {
    vec![0; values.first().map_or(0, |column| column.len())]
}

impl<const N: usize> Accumulator for One<N> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.update_batch(values, &all_in_one(values), None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0.merge_batch(states, &all_in_one(states), 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.resize(1);
        let state = self.0.states.first();
        Ok(ScalarValue::Float64(
            state.and_then(self.0.statistic.answer),
        ))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.resize(1);
        let state = self.0.states.iter().flatten();
        Ok(state
            .map(|number| ScalarValue::Float64(Some(*number)))
            .collect())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.size()
    }
}
