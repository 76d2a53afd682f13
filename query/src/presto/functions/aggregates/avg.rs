//! `avg`: double of integers and doubles, real of reals, of decimals their own type, rounded half up.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::accumulate::accumulate;

use super::function::{Aggregate, Inputs, only};
use super::interval::{IntervalTotal, interval_states};
use super::real::{RealAccumulator, RealGroups};
use super::sliding::Recompute;
use super::sum::{coerce as coerce_sum, decimal_overflow, is_interval, primitives};
use crate::presto::functions::shared::{internal, unexpected};

pub(super) fn definition() -> Aggregate {
    Aggregate {
        state: |inputs| match inputs.argument(0) {
            t if is_interval(&t) => interval_states(),
            DataType::Decimal128(_, s) => vec![DataType::Decimal128(38, s), DataType::Int64],
            _ => vec![DataType::Float64, DataType::Int64],
        },
        groups,
        sliding: Some(sliding),
        ..Aggregate::new("avg", coerce, returns, accumulator)
    }
}

fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
    Ok(match coerce_sum("avg", types)?.as_slice() {
        [DataType::Int64] => vec![DataType::Float64],
        other => other.to_vec(),
    })
}

fn returns(types: &[DataType]) -> Result<DataType> {
    match types {
        [one] => Ok(one.clone()),
        _ => Err(internal("avg takes one argument")),
    }
}

fn accumulator(inputs: &Inputs) -> Result<Box<dyn Accumulator>> {
    Ok(match inputs.argument(0) {
        DataType::Float64 => Box::new(Mean::<Double>::new(Double)),
        DataType::Float32 => Box::new(RealAccumulator::new(Box::new(Mean::<Double>::new(Double)))),
        DataType::Decimal128(p, s) => Box::new(Mean::new(Decimal(p, s))),
        t if is_interval(&t) => Box::new(IntervalTotal::average(inputs.returns.clone())),
        other => return Err(unexpected(inputs.name, &[other])),
    })
}

fn sliding(inputs: &Inputs) -> Result<Box<dyn Accumulator>> {
    match inputs.argument(0) {
        DataType::Decimal128(..) => accumulator(inputs),
        // Taking a double back would leave its rounding behind.
        _ => {
            let inputs = inputs.clone();
            Ok(Box::new(Recompute::new(Box::new(move || {
                accumulator(&inputs)
            }))))
        }
    }
}

fn groups(inputs: &Inputs) -> Option<Box<dyn GroupsAccumulator>> {
    match inputs.argument(0) {
        DataType::Float64 => Some(Box::new(MeanGroups::new(Double))),
        DataType::Float32 => Some(Box::new(RealGroups::new(Box::new(MeanGroups::new(Double))))),
        DataType::Decimal128(p, s) => Some(Box::new(MeanGroups::new(Decimal(p, s)))),
        _ => None,
    }
}

/// Numbers with a mean.
trait Number: Debug + Send + Sync + Copy + 'static {
    type Arrow: ArrowPrimitiveType<Native: Default> + Send;

    /// Adds; tells whether the sum is too large.
    fn add(
        sum: &mut <Self::Arrow as ArrowPrimitiveType>::Native,
        value: <Self::Arrow as ArrowPrimitiveType>::Native,
    ) -> bool;

    fn subtract(
        sum: &mut <Self::Arrow as ArrowPrimitiveType>::Native,
        value: <Self::Arrow as ArrowPrimitiveType>::Native,
    );

    fn mean(
        sum: <Self::Arrow as ArrowPrimitiveType>::Native,
        count: i64,
    ) -> <Self::Arrow as ArrowPrimitiveType>::Native;

    fn sum_type(self) -> DataType;

    fn mean_type(self) -> DataType;
}

#[derive(Debug, Clone, Copy)]
struct Double;

impl Number for Double {
    type Arrow = Float64Type;

    fn add(sum: &mut f64, value: f64) -> bool {
        *sum += value;
        false
    }

    fn subtract(sum: &mut f64, value: f64) {
        *sum -= value;
    }

    fn mean(sum: f64, count: i64) -> f64 {
        sum / count as f64
    }

    fn sum_type(self) -> DataType {
        DataType::Float64
    }

    fn mean_type(self) -> DataType {
        DataType::Float64
    }
}

#[derive(Debug, Clone, Copy)]
struct Decimal(u8, i8);

impl Number for Decimal {
    type Arrow = Decimal128Type;

    fn add(sum: &mut i128, value: i128) -> bool {
        let (next, is_over) = sum.overflowing_add(value);
        *sum = next;
        is_over
    }

    fn subtract(sum: &mut i128, value: i128) {
        *sum = sum.wrapping_sub(value);
    }

    fn mean(sum: i128, count: i64) -> i128 {
        let count = i128::from(count.max(1));
        let (whole, rest) = (sum / count, sum % count);
        if rest.abs() * 2 >= count {
            whole + sum.signum()
        } else {
            whole
        }
    }

    fn sum_type(self) -> DataType {
        DataType::Decimal128(38, self.1)
    }

    fn mean_type(self) -> DataType {
        DataType::Decimal128(self.0, self.1)
    }
}

type Native<N> = <<N as Number>::Arrow as ArrowPrimitiveType>::Native;

/// The mean of one group.
#[derive(Debug)]
struct Mean<N: Number> {
    number: N,
    sum: Native<N>,
    count: i64,
}

impl<N: Number> Mean<N> {
    fn new(number: N) -> Self {
        Self {
            number,
            sum: Native::<N>::default(),
            count: 0,
        }
    }

    fn scalar(&self, value: Option<Native<N>>, data_type: &DataType) -> Result<ScalarValue> {
        let array =
            PrimitiveArray::<N::Arrow>::from_iter([value]).with_data_type(data_type.clone());
        ScalarValue::try_from_array(&array, 0)
    }

    fn add_all(&mut self, column: &ArrayRef) -> Result<()> {
        let values = primitives::<N::Arrow>(column)?;
        let mut is_over = false;
        match values.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => {
                for value in values.values().iter() {
                    is_over |= N::add(&mut self.sum, *value);
                }
            }
            Some(_) => {
                for value in values.iter().flatten() {
                    is_over |= N::add(&mut self.sum, value);
                }
            }
        }
        if is_over {
            return Err(decimal_overflow());
        }
        Ok(())
    }
}

impl<N: Number> Accumulator for Mean<N> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let column = only(values)?;
        self.count += (column.len() - column.null_count()) as i64;
        if let Some(doubles) = column.as_primitive_opt::<Float64Type>()
            && let Some(total) = arrow::compute::sum(doubles)
        {
            // The kernel adds several values at once.
            let total: ArrayRef = Arc::new(PrimitiveArray::<Float64Type>::from(vec![total]));
            return self.add_all(&total);
        }
        self.add_all(column)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let column = only(values)?;
        self.count -= (column.len() - column.null_count()) as i64;
        for value in primitives::<N::Arrow>(column)?.iter().flatten() {
            N::subtract(&mut self.sum, value);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [sums, counts] = states else {
            return Err(internal("the state of avg has two columns"));
        };
        self.count += arrow::compute::sum(primitives::<Int64Type>(counts)?).unwrap_or(0);
        self.add_all(sums)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mean = (self.count > 0).then(|| N::mean(self.sum, self.count));
        self.scalar(mean, &self.number.mean_type())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            self.scalar(Some(self.sum), &self.number.sum_type())?,
            ScalarValue::Int64(Some(self.count)),
        ])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The means of many groups.
struct MeanGroups<N: Number> {
    number: N,
    sums: Vec<Native<N>>,
    counts: Vec<i64>,
}

impl<N: Number> MeanGroups<N> {
    fn new(number: N) -> Self {
        Self {
            number,
            sums: Vec::new(),
            counts: Vec::new(),
        }
    }
}

impl<N: Number> GroupsAccumulator for MeanGroups<N> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let values = primitives::<N::Arrow>(only(values)?)?;
        self.sums.resize(total_num_groups, Native::<N>::default());
        self.counts.resize(total_num_groups, 0);
        let (sums, counts) = (&mut self.sums, &mut self.counts);
        let mut is_over = false;
        accumulate(group_indices, values, opt_filter, |group, value| {
            if let (Some(sum), Some(count)) = (sums.get_mut(group), counts.get_mut(group)) {
                is_over |= N::add(sum, value);
                *count += 1;
            }
        });
        if is_over {
            return Err(decimal_overflow());
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        let [sums, counts] = values else {
            return Err(internal("the state of avg has two columns"));
        };
        self.sums.resize(total_num_groups, Native::<N>::default());
        self.counts.resize(total_num_groups, 0);
        let mut is_over = false;
        let (own_sums, own_counts) = (&mut self.sums, &mut self.counts);
        accumulate(
            group_indices,
            primitives::<N::Arrow>(sums)?,
            None,
            |group, value| {
                if let Some(sum) = own_sums.get_mut(group) {
                    is_over |= N::add(sum, value);
                }
            },
        );
        accumulate(
            group_indices,
            primitives::<Int64Type>(counts)?,
            None,
            |group, value| {
                if let Some(count) = own_counts.get_mut(group) {
                    *count += value;
                }
            },
        );
        if is_over {
            return Err(decimal_overflow());
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let counts = emit_to.take_needed(&mut self.counts);
        let nulls: NullBuffer = counts.iter().map(|count| *count > 0).collect();
        let means: Vec<Native<N>> = sums
            .into_iter()
            .zip(counts)
            .map(|(sum, count)| N::mean(sum, count))
            .collect();
        let means = PrimitiveArray::<N::Arrow>::new(means.into(), Some(nulls))
            .with_data_type(self.number.mean_type());
        Ok(Arc::new(means))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = emit_to.take_needed(&mut self.sums);
        let counts = emit_to.take_needed(&mut self.counts);
        let sums = PrimitiveArray::<N::Arrow>::new(sums.into(), None)
            .with_data_type(self.number.sum_type());
        Ok(vec![Arc::new(sums), Arc::new(Int64Array::from(counts))])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = primitives::<N::Arrow>(only(values)?)?;
        let is_kept = |row: usize| {
            values.is_valid(row)
                && opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
        };
        let kept: Vec<bool> = (0..values.len()).map(is_kept).collect();
        let sums = PrimitiveArray::<N::Arrow>::from_iter_values(
            values.values().iter().zip(&kept).map(|(value, kept)| {
                if *kept {
                    *value
                } else {
                    Native::<N>::default()
                }
            }),
        )
        .with_data_type(self.number.sum_type());
        let counts = Int64Array::from_iter_values(kept.into_iter().map(i64::from));
        Ok(vec![Arc::new(sums), Arc::new(counts)])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Native<N>>() + self.counts.capacity() * size_of::<i64>()
    }
}
