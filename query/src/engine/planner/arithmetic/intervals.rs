//! Intervals: months as they are; days to seconds as one number of nanoseconds, kept as whole days and the rest, so
//! that equal intervals have equal values and later ones are greater.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray, IntervalYearMonthArray};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    IntervalYearMonthType,
};
use datafusion::error::{DataFusionError, Result};

use super::super::function::{failure, unexpected};
use crate::presto::temporal::NANOS_PER_DAY;

/// Returns the interval of so many nanoseconds.
pub(in super::super) fn day_to_second(nanos: i128) -> Result<IntervalMonthDayNano> {
    let days =
        i32::try_from(nanos.div_euclid(NANOS_PER_DAY)).map_err(|_| overflow("day to second"))?;
    let rest =
        i64::try_from(nanos.rem_euclid(NANOS_PER_DAY)).map_err(|_| overflow("day to second"))?;
    Ok(IntervalMonthDayNano::new(0, days, rest))
}

/// Returns the nanoseconds of an interval without its months.
pub(in super::super) fn nanos(interval: IntervalMonthDayNano) -> i128 {
    i128::from(interval.days) * NANOS_PER_DAY + i128::from(interval.nanoseconds)
}

fn overflow(kind: &str) -> DataFusionError {
    failure(
        "NUMERIC_VALUE_OUT_OF_RANGE",
        format!("interval {kind} overflow"),
    )
}

/// Computes each row; NULL where either side is.
fn rows<T>(
    left: &dyn Array,
    right: &dyn Array,
    mut compute: impl FnMut(usize) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    (0..left.len())
        .map(|row| {
            if left.is_null(row) || right.is_null(row) {
                return Ok(None);
            }
            compute(row).map(Some)
        })
        .collect()
}

pub(super) fn add(left: &ArrayRef, right: &ArrayRef, is_subtraction: bool) -> Result<ArrayRef> {
    if *left.data_type() == DataType::Interval(IntervalUnit::YearMonth) {
        let l = left.as_primitive::<IntervalYearMonthType>();
        let r = right.as_primitive::<IntervalYearMonthType>();
        let sums = rows(left, right, |row| {
            let (l, r) = (l.value(row), r.value(row));
            let sum = if is_subtraction {
                l.checked_sub(r)
            } else {
                l.checked_add(r)
            };
            sum.ok_or_else(|| overflow("year to month"))
        })?;
        return Ok(Arc::new(IntervalYearMonthArray::from(sums)));
    }
    let l = left.as_primitive::<IntervalMonthDayNanoType>();
    let r = right.as_primitive::<IntervalMonthDayNanoType>();
    let sums = rows(left, right, |row| {
        let (l, r) = (l.value(row), r.value(row));
        let sign = if is_subtraction { -1 } else { 1 };
        let sum = day_to_second(nanos(l) + sign * nanos(r))?;
        // Functions of others may have put months here.
        let months = i64::from(l.months) + i64::from(r.months) * i64::try_from(sign).unwrap_or(1);
        let months = i32::try_from(months).map_err(|_| overflow("year to month"))?;
        Ok(IntervalMonthDayNano::new(months, sum.days, sum.nanoseconds))
    })?;
    Ok(Arc::new(IntervalMonthDayNanoArray::from(sums)))
}

pub(super) fn negate(value: &ArrayRef) -> Result<ArrayRef> {
    if let Some(months) = value.as_primitive_opt::<IntervalYearMonthType>() {
        let negative = rows(value, value, |row| {
            months
                .value(row)
                .checked_neg()
                .ok_or_else(|| overflow("year to month"))
        })?;
        return Ok(Arc::new(IntervalYearMonthArray::from(negative)));
    }
    let values = value.as_primitive::<IntervalMonthDayNanoType>();
    let negative = rows(value, value, |row| {
        let value = values.value(row);
        let negative = day_to_second(-nanos(value))?;
        let months = value
            .months
            .checked_neg()
            .ok_or_else(|| overflow("year to month"))?;
        Ok(IntervalMonthDayNano::new(
            months,
            negative.days,
            negative.nanoseconds,
        ))
    })?;
    Ok(Arc::new(IntervalMonthDayNanoArray::from(negative)))
}

/// Multiplies with a number or divides by it; whole milliseconds and months are kept.
pub(super) fn scale(interval: &ArrayRef, number: &ArrayRef, is_division: bool) -> Result<ArrayRef> {
    let scaled = |amount: i128, row: usize| -> Result<i128> {
        if let Some(integers) = number.as_primitive_opt::<Int64Type>() {
            let factor = i128::from(integers.value(row));
            if !is_division {
                return amount
                    .checked_mul(factor)
                    .ok_or_else(|| overflow("multiplication"));
            }
            return amount
                .checked_div(factor)
                .ok_or_else(|| failure("DIVISION_BY_ZERO", "Division by zero"));
        }
        let factor = number
            .as_primitive_opt::<Float64Type>()
            .ok_or_else(|| unexpected("factor"))?
            .value(row);
        if is_division && factor == 0.0 {
            return Err(failure("DIVISION_BY_ZERO", "Division by zero"));
        }
        // As the double that Trino computes with.
        let amount = amount as f64;
        let result = if is_division {
            amount / factor
        } else {
            amount * factor
        };
        if !result.is_finite() || result.abs() > 9.2e18 {
            return Err(overflow("multiplication"));
        }
        // Checked above.
        let result = result as i128;
        Ok(result)
    };
    if let Some(months) = interval.as_primitive_opt::<IntervalYearMonthType>() {
        let values = rows(interval, number, |row| {
            let months = scaled(i128::from(months.value(row)), row)?;
            i32::try_from(months).map_err(|_| overflow("year to month"))
        })?;
        return Ok(Arc::new(IntervalYearMonthArray::from(values)));
    }
    let intervals = interval.as_primitive::<IntervalMonthDayNanoType>();
    let values = rows(interval, number, |row| {
        let millis = nanos(intervals.value(row)) / 1_000_000;
        day_to_second(scaled(millis, row)? * 1_000_000)
    })?;
    Ok(Arc::new(IntervalMonthDayNanoArray::from(values)))
}
