//! `count_if`, and the bits that all, any or an odd number of values have.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::accumulate::accumulate;
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

use super::function::{Aggregate, only};
use super::sum::primitives;
use crate::presto::functions::shared::{internal, unexpected};

pub(super) fn definitions() -> Vec<Aggregate> {
    vec![
        Aggregate {
            groups: |_| Some(Box::new(CountIfGroups::default())),
            sliding: Some(|_| Ok(Box::new(CountIf::default()))),
            empty: Some(ScalarValue::Int64(Some(0))),
            ..Aggregate::new("count_if", coerce_boolean, bigint, |_| {
                Ok(Box::new(CountIf::default()))
            })
        },
        Aggregate {
            groups: |_| Some(bits(-1, |a, b| *a &= b)),
            ..Aggregate::new(
                "bitwise_and_agg",
                |t| coerce_bigint("bitwise_and_agg", t),
                bigint,
                |_| Ok(Box::new(Bits::new(|a, b| a & b))),
            )
        },
        Aggregate {
            groups: |_| Some(bits(0, |a, b| *a |= b)),
            ..Aggregate::new(
                "bitwise_or_agg",
                |t| coerce_bigint("bitwise_or_agg", t),
                bigint,
                |_| Ok(Box::new(Bits::new(|a, b| a | b))),
            )
        },
        Aggregate {
            groups: |_| Some(bits(0, |a, b| *a ^= b)),
            ..Aggregate::new(
                "bitwise_xor_agg",
                |t| coerce_bigint("bitwise_xor_agg", t),
                bigint,
                |_| Ok(Box::new(Bits::new(|a, b| a ^ b))),
            )
        },
    ]
}

pub(super) fn bigint(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Int64)
}

fn coerce_boolean(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [DataType::Boolean | DataType::Null] => Ok(vec![DataType::Boolean]),
        _ => Err(unexpected("count_if", types)),
    }
}

fn coerce_bigint(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [t] if t.is_integer() || *t == DataType::Null => Ok(vec![DataType::Int64]),
        _ => Err(unexpected(name, types)),
    }
}

fn booleans(values: &[ArrayRef]) -> Result<&BooleanArray> {
    only(values)?
        .as_boolean_opt()
        .ok_or_else(|| internal("expected booleans"))
}

fn trues(values: &[ArrayRef]) -> Result<i64> {
    Ok(booleans(values)?.true_count() as i64)
}

/// How many values are true.
#[derive(Debug, Default)]
struct CountIf {
    count: i64,
}

impl Accumulator for CountIf {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count += trues(values)?;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count -= trues(values)?;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let counts = primitives::<Int64Type>(only(states)?)?;
        self.count += arrow::compute::sum(counts).unwrap_or(0);
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.count)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// How many values of each group are true.
#[derive(Debug, Default)]
struct CountIfGroups {
    counts: Vec<i64>,
}

/// Returns which rows are true and not filtered away.
fn kept(values: &BooleanArray, filter: Option<&BooleanArray>) -> BooleanArray {
    let known = |array: &BooleanArray| match array.nulls() {
        Some(nulls) => array.values() & nulls.inner(),
        None => array.values().clone(),
    };
    let bits = match filter {
        Some(filter) => &known(values) & &known(filter),
        None => known(values),
    };
    BooleanArray::new(bits, None)
}

impl GroupsAccumulator for CountIfGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.counts.resize(total_num_groups, 0);
        let bits = kept(booleans(values)?, opt_filter);
        for row in bits.values().set_indices() {
            if let Some(count) = group_indices
                .get(row)
                .and_then(|group| self.counts.get_mut(*group))
            {
                *count += 1;
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
        self.counts.resize(total_num_groups, 0);
        let counts = &mut self.counts;
        accumulate(
            group_indices,
            primitives::<Int64Type>(only(values)?)?,
            None,
            |group, value| {
                if let Some(count) = counts.get_mut(group) {
                    *count += value;
                }
            },
        );
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from(
            emit_to.take_needed(&mut self.counts),
        )))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let bits = kept(booleans(values)?, opt_filter);
        let counts = Int64Array::from_iter_values(bits.values().iter().map(i64::from));
        Ok(vec![Arc::new(counts)])
    }

    fn size(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}

fn bits(start: i64, merge: fn(&mut i64, i64)) -> Box<dyn GroupsAccumulator> {
    Box::new(
        PrimitiveGroupsAccumulator::<Int64Type, _>::new(&DataType::Int64, merge)
            .with_starting_value(start),
    )
}

/// The bits of one group.
#[derive(Debug)]
struct Bits {
    merge: fn(i64, i64) -> i64,
    value: Option<i64>,
}

impl Bits {
    fn new(merge: fn(i64, i64) -> i64) -> Self {
        Self { merge, value: None }
    }
}

impl Accumulator for Bits {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in primitives::<Int64Type>(only(values)?)?.iter().flatten() {
            self.value = Some(self.value.map_or(value, |known| (self.merge)(known, value)));
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(self.value))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
