//! `sum`: bigint of integers and decimal(38, s) of decimals, with an error instead of a wrong number.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

use super::function::{Aggregate, Inputs, only};
use super::interval::{IntervalTotal, interval_states};
use super::real::{RealAccumulator, RealGroups};
use super::sliding::Recompute;
use crate::presto::functions::shared::{internal, normal, out_of_range, unexpected};

/// One more than the largest decimal.
pub(super) const DECIMAL_LIMIT: i128 = 10_i128.pow(38);

pub(super) fn definition() -> Aggregate {
    Aggregate {
        groups,
        sliding: Some(sliding),
        state: |inputs| match inputs.argument(0) {
            DataType::Float32 => vec![DataType::Float64],
            t if is_interval(&t) => interval_states(),
            _ => vec![inputs.returns.clone()],
        },
        ..Aggregate::new("sum", |types| coerce("sum", types), returns, accumulator)
    }
}

pub(super) fn is_interval(t: &DataType) -> bool {
    matches!(t, DataType::Interval(_) | DataType::Duration(_))
}

/// Converts a number to the type that is added up.
pub(super) fn coerce(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [one] = types else {
        return Err(unexpected(name, types));
    };
    Ok(vec![match normal(one) {
        t if t.is_integer() || t == DataType::Null => DataType::Int64,
        DataType::Float16 | DataType::Float32 => DataType::Float32,
        DataType::Float64 => DataType::Float64,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
            DataType::Decimal128(p, s)
        }
        t if is_interval(&t) => t,
        _ => return Err(unexpected(name, types)),
    }])
}

fn returns(types: &[DataType]) -> Result<DataType> {
    Ok(match types {
        [DataType::Decimal128(_, s)] => DataType::Decimal128(38, *s),
        [other] => other.clone(),
        _ => return Err(internal("sum takes one argument")),
    })
}

pub(super) fn bigint_overflow() -> DataFusionError {
    out_of_range("bigint addition overflow")
}

pub(super) fn decimal_overflow() -> DataFusionError {
    out_of_range("Decimal overflow")
}

fn accumulator(inputs: &Inputs) -> Result<Box<dyn Accumulator>> {
    Ok(match inputs.argument(0) {
        DataType::Int64 => Box::new(ExactSum::new(Exact::Bigint)),
        DataType::Decimal128(_, scale) => Box::new(ExactSum::new(Exact::Decimal(scale))),
        DataType::Float64 => Box::new(FloatSum::default()),
        DataType::Float32 => Box::new(RealAccumulator::new(Box::new(FloatSum::default()))),
        t if is_interval(&t) => Box::new(IntervalTotal::sum(inputs.returns.clone())),
        other => return Err(unexpected(inputs.name, &[other])),
    })
}

fn sliding(inputs: &Inputs) -> Result<Box<dyn Accumulator>> {
    Ok(match inputs.argument(0) {
        DataType::Float64 => Box::new(SlidingFloatSum::default()),
        DataType::Float32 => Box::new(RealAccumulator::new(Box::new(SlidingFloatSum::default()))),
        t if is_interval(&t) => {
            let inputs = inputs.clone();
            Box::new(Recompute::new(Box::new(move || accumulator(&inputs))))
        }
        _ => return accumulator(inputs),
    })
}

fn groups(inputs: &Inputs) -> Option<Box<dyn GroupsAccumulator>> {
    match inputs.argument(0) {
        DataType::Int64 => {
            let overflow = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&overflow);
            let inner = PrimitiveGroupsAccumulator::<Int64Type, _>::new(
                &inputs.returns,
                move |sum: &mut i64, value| {
                    let (next, is_over) = sum.overflowing_add(value);
                    *sum = next;
                    if is_over {
                        flag.store(true, Ordering::Relaxed);
                    }
                },
            );
            Some(Box::new(CheckedGroups {
                inner: Box::new(inner),
                overflow,
                error: bigint_overflow,
            }))
        }
        DataType::Decimal128(..) => {
            let overflow = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&overflow);
            let inner = PrimitiveGroupsAccumulator::<Decimal128Type, _>::new(
                &inputs.returns,
                move |sum: &mut i128, value| {
                    let (next, is_over) = sum.overflowing_add(value);
                    *sum = next;
                    if is_over {
                        flag.store(true, Ordering::Relaxed);
                    }
                },
            );
            Some(Box::new(CheckedGroups {
                inner: Box::new(inner),
                overflow,
                error: decimal_overflow,
            }))
        }
        DataType::Float64 => Some(Box::new(float_groups())),
        DataType::Float32 => Some(Box::new(RealGroups::new(Box::new(float_groups())))),
        _ => None,
    }
}

fn float_groups() -> impl GroupsAccumulator {
    PrimitiveGroupsAccumulator::<Float64Type, _>::new(&DataType::Float64, |sum, value| {
        *sum += value;
    })
}

/// Sums of groups that notice an overflow.
struct CheckedGroups {
    inner: Box<dyn GroupsAccumulator>,
    overflow: Arc<AtomicBool>,
    error: fn() -> DataFusionError,
}

impl CheckedGroups {
    fn check(&self) -> Result<()> {
        if self.overflow.load(Ordering::Relaxed) {
            return Err((self.error)());
        }
        Ok(())
    }
}

impl GroupsAccumulator for CheckedGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.inner
            .update_batch(values, group_indices, opt_filter, total_num_groups)?;
        self.check()
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.inner
            .merge_batch(values, group_indices, total_num_groups)?;
        self.check()
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = self.inner.evaluate(emit_to)?;
        if let Some(sums) = sums.as_primitive_opt::<Decimal128Type>()
            && sums.values().iter().any(|sum| sum.abs() >= DECIMAL_LIMIT)
        {
            return Err((self.error)());
        }
        Ok(sums)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, opt_filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

/// What is added up exactly.
#[derive(Debug, Clone, Copy)]
enum Exact {
    Bigint,
    Decimal(i8),
}

/// A sum that is wider than its values, so that only the result can be too large.
#[derive(Debug)]
struct ExactSum {
    kind: Exact,
    sum: i128,
    count: usize,
}

impl ExactSum {
    fn new(kind: Exact) -> Self {
        Self {
            kind,
            sum: 0,
            count: 0,
        }
    }

    fn total(&self, values: &ArrayRef) -> Result<i128> {
        match self.kind {
            Exact::Bigint => values
                .as_primitive_opt::<Int64Type>()
                .map(wide_sum)
                .ok_or_else(|| internal("sum of other values than bigint")),
            Exact::Decimal(_) => {
                let values = values
                    .as_primitive_opt::<Decimal128Type>()
                    .ok_or_else(|| internal("sum of other values than decimals"))?;
                checked_sum(values).ok_or_else(decimal_overflow)
            }
        }
    }
}

/// Adds up in two halves, none of which can overflow in a batch.
fn wide_sum(values: &Int64Array) -> i128 {
    let (mut high, mut low) = (0_i64, 0_u64);
    let mut add = |value: i64| {
        high += value >> 32;
        low += value as u64 & 0xffff_ffff;
    };
    match values.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => values.values().iter().for_each(|value| add(*value)),
        Some(nulls) => {
            for (value, is_valid) in values.values().iter().zip(nulls.iter()) {
                add(value & -i64::from(is_valid));
            }
        }
    }
    (i128::from(high) << 32) + i128::from(low)
}

fn checked_sum(values: &PrimitiveArray<Decimal128Type>) -> Option<i128> {
    let (mut sum, mut is_over) = (0_i128, false);
    let mut add = |value: i128| {
        let (next, over) = sum.overflowing_add(value);
        sum = next;
        is_over |= over;
    };
    match values.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => values.values().iter().for_each(|value| add(*value)),
        Some(nulls) => {
            for (value, is_valid) in values.values().iter().zip(nulls.iter()) {
                if is_valid {
                    add(*value);
                }
            }
        }
    }
    (!is_over).then_some(sum)
}

impl Accumulator for ExactSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = only(values)?;
        self.count += values.len() - values.null_count();
        let total = self.total(values)?;
        self.sum = self.sum.checked_add(total).ok_or_else(decimal_overflow)?;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = only(values)?;
        self.count = self
            .count
            .saturating_sub(values.len() - values.null_count());
        let total = self.total(values)?;
        self.sum = self.sum.checked_sub(total).ok_or_else(decimal_overflow)?;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let is_empty = self.count == 0;
        match self.kind {
            Exact::Bigint => {
                let sum = i64::try_from(self.sum).map_err(|_| bigint_overflow())?;
                Ok(ScalarValue::Int64((!is_empty).then_some(sum)))
            }
            Exact::Decimal(scale) => {
                if self.sum.abs() >= DECIMAL_LIMIT {
                    return Err(decimal_overflow());
                }
                let sum = (!is_empty).then_some(self.sum);
                Ok(ScalarValue::Decimal128(sum, 38, scale))
            }
        }
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// A sum of doubles.
#[derive(Debug, Default)]
struct FloatSum {
    sum: Option<f64>,
}

fn doubles(values: &[ArrayRef]) -> Result<&PrimitiveArray<Float64Type>> {
    only(values)?
        .as_primitive_opt::<Float64Type>()
        .ok_or_else(|| internal("expected doubles"))
}

impl Accumulator for FloatSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if let Some(total) = arrow::compute::sum(doubles(values)?) {
            *self.sum.get_or_insert(0.0) += total;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.sum))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// A sum of the doubles of a frame, each frame anew: taking a value back would leave its rounding behind.
#[derive(Debug, Default)]
struct SlidingFloatSum {
    values: VecDeque<Option<f64>>,
}

impl Accumulator for SlidingFloatSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.extend(doubles(values)?.iter());
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let gone = only(values)?.len().min(self.values.len());
        self.values.drain(..gone);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        Err(internal("a sliding frame has no partial state"))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut present = self.values.iter().flatten().peekable();
        let is_empty = present.peek().is_none();
        let sum: f64 = present.sum();
        Ok(ScalarValue::Float64((!is_empty).then_some(sum)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Err(internal("a sliding frame has no partial state"))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<Option<f64>>()
    }
}

impl fmt::Debug for CheckedGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedGroups").finish_non_exhaustive()
    }
}

/// Returns the primitive values of a column.
pub(super) fn primitives<T: ArrowPrimitiveType>(column: &ArrayRef) -> Result<&PrimitiveArray<T>> {
    column
        .as_primitive_opt::<T>()
        .ok_or_else(|| internal("an aggregate got values of another type"))
}
