//! Sums and averages of intervals.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Int64Type, IntervalDayTime, IntervalDayTimeType,
    IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType,
};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use super::sum::primitives;
use crate::presto::functions::shared::{internal, out_of_range};

const NANOS_PER_DAY: i128 = 86_400_000_000_000;
const NANOS_PER_MILLI: i128 = 1_000_000;

/// Returns the types of the state: months, the rest in nanoseconds, and the count.
pub(super) fn interval_states() -> Vec<DataType> {
    vec![
        DataType::Int64,
        DataType::Decimal128(38, 0),
        DataType::Int64,
    ]
}

/// What is made of the total.
#[derive(Debug, Clone, Copy)]
enum Mean {
    Sum,
    Average,
}

/// The total of intervals; of durations, the rest is in their own unit.
#[derive(Debug)]
pub(super) struct IntervalTotal {
    returns: DataType,
    mean: Mean,
    months: i64,
    rest: i128,
    count: i64,
}

impl IntervalTotal {
    pub(super) fn sum(returns: DataType) -> Self {
        Self {
            returns,
            mean: Mean::Sum,
            months: 0,
            rest: 0,
            count: 0,
        }
    }

    pub(super) fn average(returns: DataType) -> Self {
        Self {
            mean: Mean::Average,
            ..Self::sum(returns)
        }
    }
}

fn parts(column: &ArrayRef, row: usize) -> Result<(i64, i128)> {
    Ok(match column.data_type() {
        DataType::Interval(IntervalUnit::YearMonth) => (
            i64::from(primitives::<IntervalYearMonthType>(column)?.value(row)),
            0,
        ),
        DataType::Interval(IntervalUnit::DayTime) => {
            let value = primitives::<IntervalDayTimeType>(column)?.value(row);
            let nanos =
                i128::from(value.days) * NANOS_PER_DAY + i128::from(value.milliseconds) * 1_000_000;
            (0, nanos)
        }
        _ => {
            let value = primitives::<IntervalMonthDayNanoType>(column)?.value(row);
            let nanos = i128::from(value.days) * NANOS_PER_DAY + i128::from(value.nanoseconds);
            (i64::from(value.months), nanos)
        }
    })
}

impl Accumulator for IntervalTotal {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let column = super::function::only(values)?;
        let ticks = match column.data_type() {
            DataType::Duration(_) => Some(cast(column, &DataType::Int64)?),
            _ => None,
        };
        for row in 0..column.len() {
            if column.is_null(row) {
                continue;
            }
            let (months, rest) = match &ticks {
                Some(ticks) => (0, i128::from(ticks.as_primitive::<Int64Type>().value(row))),
                None => parts(column, row)?,
            };
            self.months += months;
            self.rest += rest;
            self.count += 1;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [months, rest, counts] = states else {
            return Err(internal("an interval's state has three columns"));
        };
        self.months += arrow::compute::sum(primitives::<Int64Type>(months)?).unwrap_or(0);
        self.rest += arrow::compute::sum(primitives::<Decimal128Type>(rest)?).unwrap_or(0);
        self.count += arrow::compute::sum(primitives::<Int64Type>(counts)?).unwrap_or(0);
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            ScalarValue::Int64(Some(self.months)),
            ScalarValue::Decimal128(Some(self.rest), 38, 0),
            ScalarValue::Int64(Some(self.count)),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return ScalarValue::try_from(&self.returns);
        }
        let over = |_| out_of_range("interval out of range");
        let (months, rest) = match self.mean {
            Mean::Sum => (self.months, self.rest),
            Mean::Average => {
                let unit = if matches!(self.returns, DataType::Interval(_)) {
                    NANOS_PER_MILLI
                } else {
                    1
                };
                let mean = |total: f64| (total / self.count as f64 + 0.5).floor();
                (
                    mean(self.months as f64) as i64,
                    mean((self.rest / unit) as f64) as i128 * unit,
                )
            }
        };
        let months = i32::try_from(months).map_err(over)?;
        let days = i32::try_from(rest / NANOS_PER_DAY);
        let nanos = rest % NANOS_PER_DAY;
        Ok(match &self.returns {
            DataType::Interval(IntervalUnit::YearMonth) => {
                ScalarValue::IntervalYearMonth(Some(months))
            }
            DataType::Interval(IntervalUnit::DayTime) => {
                let millis = i32::try_from(nanos / 1_000_000).map_err(over)?;
                ScalarValue::IntervalDayTime(Some(IntervalDayTime::new(
                    days.map_err(over)?,
                    millis,
                )))
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                let nanos = i64::try_from(nanos).map_err(over)?;
                ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(
                    months,
                    days.map_err(over)?,
                    nanos,
                )))
            }
            other => {
                let ticks = i64::try_from(rest).map_err(over)?;
                ScalarValue::Int64(Some(ticks)).cast_to(other)?
            }
        })
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
