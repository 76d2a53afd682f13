//! `min(x)` and `max(x)` of floating-point numbers, where NaN counts only if there is nothing else.
//!
//! To the engine's own, NaN is greater than all numbers, and groups begin with the greatest or smallest finite number,
//! which hides infinity.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
    Signature, StatisticsArgs,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

/// Returns the functions.
pub(super) fn functions() -> [AggregateUDF; 2] {
    [
        AggregateUDF::from(Extreme {
            inner: min_udaf(),
            replaces: Ordering::Less,
        }),
        AggregateUDF::from(Extreme {
            inner: max_udaf(),
            replaces: Ordering::Greater,
        }),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extreme {
    inner: Arc<AggregateUDF>,
    /// How a value is to the one that it takes the place of.
    replaces: Ordering,
}

impl Extreme {
    fn groups<T: ArrowPrimitiveType + Send>(
        &self,
        data_type: &DataType,
        nan: T::Native,
        is_nan: fn(T::Native) -> bool,
    ) -> Box<dyn GroupsAccumulator> {
        let replaces = self.replaces;
        let groups = PrimitiveGroupsAccumulator::<T, _>::new(data_type, move |known, value| {
            if is_nan(*known) || value.partial_cmp(known) == Some(replaces) {
                *known = value;
            }
        });
        Box::new(groups.with_starting_value(nan))
    }
}

impl AggregateUDFImpl for Extreme {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let is_float = args.return_field.data_type().is_floating();
        let inner = self.inner.accumulator(args)?;
        Ok(if is_float {
            WithoutNan::boxed(inner)
        } else {
            inner
        })
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        let is_float = args.return_field.data_type().is_floating();
        let inner = self.inner.create_sliding_accumulator(args)?;
        Ok(if is_float {
            WithoutNan::boxed(inner)
        } else {
            inner
        })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let data_type = args.return_field.data_type().clone();
        match data_type {
            DataType::Float32 => Ok(self.groups::<Float32Type>(&data_type, f32::NAN, f32::is_nan)),
            DataType::Float64 => Ok(self.groups::<Float64Type>(&data_type, f64::NAN, f64::is_nan)),
            _ => self.inner.create_groups_accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn is_descending(&self) -> Option<bool> {
        self.inner.is_descending()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn value_from_stats(&self, args: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.inner.value_from_stats(args)
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(data_type)
    }
}

/// The extreme of the numbers; NaN if there are none but NaN.
#[derive(Debug)]
struct WithoutNan {
    inner: Box<dyn Accumulator>,
    /// How many were left out.
    left_out: usize,
}

impl WithoutNan {
    fn boxed(inner: Box<dyn Accumulator>) -> Box<dyn Accumulator> {
        Box::new(Self { inner, left_out: 0 })
    }
}

impl Accumulator for WithoutNan {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for values in values {
            let (numbers, left_out) = without_nan(values)?;
            self.left_out += left_out;
            self.inner.update_batch(&[numbers])?;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for values in values {
            let (numbers, left_out) = without_nan(values)?;
            self.left_out = self.left_out.saturating_sub(left_out);
            self.inner.retract_batch(&[numbers])?;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let extreme = self.inner.evaluate()?;
        Ok(match extreme {
            ScalarValue::Float32(None) if self.left_out > 0 => ScalarValue::from(f32::NAN),
            ScalarValue::Float64(None) if self.left_out > 0 => ScalarValue::from(f64::NAN),
            extreme => extreme,
        })
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }
}

/// Returns the values with NULL instead of NaN, and how many these were.
fn without_nan(values: &ArrayRef) -> Result<(ArrayRef, usize)> {
    fn split<T: ArrowPrimitiveType>(
        values: &ArrayRef,
        is_nan: fn(T::Native) -> bool,
    ) -> Result<(ArrayRef, usize)> {
        let nan = BooleanArray::from_unary(values.as_primitive::<T>(), is_nan);
        let left_out = nan.true_count();
        if left_out == 0 {
            return Ok((Arc::clone(values), 0));
        }
        Ok((nullif(values, &nan)?, left_out))
    }
    match values.data_type() {
        DataType::Float32 => split::<Float32Type>(values, f32::is_nan),
        DataType::Float64 => split::<Float64Type>(values, f64::is_nan),
        _ => Ok((Arc::clone(values), 0)),
    }
}
