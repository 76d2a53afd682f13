//! `sequence`: numbers, dates and timestamps from start to stop.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, ListArray, PrimitiveArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, DurationNanosecondType, Int64Type, IntervalDayTimeType,
    IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, TimeUnit,
};
use chrono::{DateTime, Months, NaiveDateTime};
use datafusion::error::Result;

use super::sets::first_type;
use crate::presto::functions::shared::{
    Call, Definition, Nulls, constant_i64, internal, invalid, list_of, out_of_range, unexpected,
};

/// The longest sequence.
const MAX_ENTRIES: i128 = 10_000;
const NANOS_PER_DAY: i128 = 86_400_000_000_000;

pub(super) fn definitions() -> Vec<Definition> {
    vec![Definition::new(
        "sequence",
        Nulls::Propagate,
        coerce,
        |types| Ok(list_of(first_type(types)?)),
        sequence,
    )]
}

fn is_interval(t: &DataType) -> bool {
    matches!(
        t,
        DataType::Interval(_) | DataType::Duration(_) | DataType::Null
    )
}

fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
    let wrong = || unexpected("sequence", types);
    let ([start, stop] | [start, stop, _]) = types else {
        return Err(wrong());
    };
    let step = types.get(2);
    let is_of_days = step.is_some_and(|step| *step != DataType::Null && is_interval(step));
    // A NULL has the type of the other end.
    let (start, stop) = match (start, stop) {
        (DataType::Null, DataType::Null) if is_of_days => (&DataType::Date32, &DataType::Date32),
        (DataType::Null, other) | (other, DataType::Null) => (other, other),
        both => both,
    };
    let is_number = |t: &DataType| t.is_integer() || *t == DataType::Null;
    let mut coerced = match (start, stop) {
        (DataType::Date32, DataType::Date32) if step.is_none_or(is_interval) => {
            vec![DataType::Date32; 2]
        }
        (DataType::Timestamp(unit, None), DataType::Timestamp(..) | DataType::Date32)
            if step.is_some_and(is_interval) =>
        {
            vec![DataType::Timestamp(*unit, None); 2]
        }
        (a, b) if is_number(a) && is_number(b) && step.is_none_or(is_number) => {
            let number = vec![DataType::Int64; types.len()];
            return Ok(number);
        }
        _ => return Err(wrong()),
    };
    if let Some(step) = step {
        coerced.push(match step {
            DataType::Duration(_) => DataType::Duration(TimeUnit::Nanosecond),
            DataType::Null => DataType::Interval(IntervalUnit::MonthDayNano),
            other => other.clone(),
        });
    }
    Ok(coerced)
}

/// How far apart the entries are.
#[derive(Debug, Clone, Copy)]
struct Step {
    months: i32,
    nanos: i128,
}

fn step_of(steps: &ArrayRef, row: usize) -> Result<Step> {
    Ok(match steps.data_type() {
        DataType::Interval(IntervalUnit::YearMonth) => Step {
            months: steps.as_primitive::<IntervalYearMonthType>().value(row),
            nanos: 0,
        },
        DataType::Interval(IntervalUnit::DayTime) => {
            let value = steps.as_primitive::<IntervalDayTimeType>().value(row);
            Step {
                months: 0,
                nanos: i128::from(value.days) * NANOS_PER_DAY
                    + i128::from(value.milliseconds) * 1_000_000,
            }
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let value = steps.as_primitive::<IntervalMonthDayNanoType>().value(row);
            Step {
                months: value.months,
                nanos: i128::from(value.days) * NANOS_PER_DAY + i128::from(value.nanoseconds),
            }
        }
        DataType::Duration(TimeUnit::Nanosecond) => Step {
            months: 0,
            nanos: i128::from(steps.as_primitive::<DurationNanosecondType>().value(row)),
        },
        _ => return Err(internal("sequence takes an interval")),
    })
}

fn sequence(call: &Call<'_>) -> Result<ArrayRef> {
    let [starts, stops, rest @ ..] = call.arrays else {
        return Err(internal("sequence takes start and stop"));
    };
    let DataType::List(field) = call.returns else {
        return Err(internal("expected to return a list"));
    };
    let step = rest.first();
    let mut values: Vec<i64> = Vec::new();
    let mut ends = vec![0_i32];
    // Values of every type as numbers: what they are, days, or ticks.
    let (first, last) = (as_numbers(starts)?, as_numbers(stops)?);
    for row in 0..call.rows {
        if !call.is_null(row)
            && let (Some(first), Some(last)) = (constant_i64(&first, row), constant_i64(&last, row))
        {
            fill(&mut values, starts.data_type(), first, last, step, row)?;
        }
        let end = i32::try_from(values.len())
            .map_err(|_| out_of_range("the arrays of a batch have too many elements"))?;
        ends.push(end);
    }
    let values: ArrayRef = match field.data_type() {
        DataType::Date32 => {
            let days: PrimitiveArray<Date32Type> =
                Date32Array::from_iter(values.into_iter().map(|day| i32::try_from(day).ok()));
            Arc::new(days)
        }
        other => cast(&Int64Array::from(values), other)?,
    };
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        OffsetBuffer::new(ScalarBuffer::from(ends)),
        values,
        call.nulls.clone(),
    )?))
}

fn as_numbers(column: &ArrayRef) -> Result<ArrayRef> {
    let column = match column.data_type() {
        DataType::Date32 => cast(column, &DataType::Int32)?,
        _ => Arc::clone(column),
    };
    Ok(cast(&column, &DataType::Int64)?)
}

fn fill(
    values: &mut Vec<i64>,
    data_type: &DataType,
    first: i64,
    last: i64,
    step: Option<&ArrayRef>,
    row: usize,
) -> Result<()> {
    let nanos_per_tick = match data_type {
        DataType::Date32 => Some(NANOS_PER_DAY),
        DataType::Timestamp(TimeUnit::Second, _) => Some(1_000_000_000),
        DataType::Timestamp(TimeUnit::Millisecond, _) => Some(1_000_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Some(1_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(1),
        _ => None,
    };
    let step = match (step, nanos_per_tick) {
        (None, _) => i128::from(if first <= last { 1 } else { -1 }),
        (Some(step), None) => step
            .as_primitive_opt::<Int64Type>()
            .map(|steps| i128::from(steps.value(row)))
            .ok_or_else(|| internal("sequence takes a bigint step"))?,
        (Some(step), Some(nanos_per_tick)) => {
            let step = step_of(step, row)?;
            if step.months != 0 {
                return fill_months(values, first, last, step.months, nanos_per_tick);
            }
            if *data_type == DataType::Date32 && step.nanos % NANOS_PER_DAY != 0 {
                return Err(invalid(
                    "sequence step must be a day interval if start and end values are dates",
                ));
            }
            step.nanos / nanos_per_tick
        }
    };
    check_direction(step, first, last)?;
    let count = (i128::from(last) - i128::from(first)) / step + 1;
    check_count(count)?;
    let (mut next, last) = (i128::from(first), i128::from(last));
    while if step > 0 { next <= last } else { next >= last } {
        values.extend(i64::try_from(next).ok());
        next += step;
    }
    Ok(())
}

fn check_direction(step: i128, first: i64, last: i64) -> Result<()> {
    if step == 0 {
        return Err(invalid("step must not be zero"));
    }
    if (step > 0 && first > last) || (step < 0 && first < last) {
        return Err(invalid(
            "sequence stop value should be greater than or equal to start value if step is greater than zero \
             otherwise stop should be less than or equal to start",
        ));
    }
    Ok(())
}

fn check_count(count: i128) -> Result<()> {
    if count > MAX_ENTRIES {
        return Err(invalid(
            "result of sequence function must not have more than 10000 entries",
        ));
    }
    Ok(())
}

fn fill_months(
    values: &mut Vec<i64>,
    first: i64,
    last: i64,
    months: i32,
    nanos_per_tick: i128,
) -> Result<()> {
    check_direction(i128::from(months), first, last)?;
    let too_far = || out_of_range("a timestamp of the sequence is out of range");
    let start = instant(first, nanos_per_tick).ok_or_else(too_far)?;
    for count in 0_i32.. {
        check_count(i128::from(count))?;
        let distance = Months::new(count.unsigned_abs().saturating_mul(months.unsigned_abs()));
        let moved = if months > 0 {
            start.checked_add_months(distance)
        } else {
            start.checked_sub_months(distance)
        };
        let moved = ticks(moved.ok_or_else(too_far)?, nanos_per_tick).ok_or_else(too_far)?;
        if (months > 0 && moved > last) || (months < 0 && moved < last) {
            break;
        }
        values.push(moved);
    }
    Ok(())
}

fn instant(ticks: i64, nanos_per_tick: i128) -> Option<NaiveDateTime> {
    let nanos = i128::from(ticks) * nanos_per_tick;
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    DateTime::from_timestamp(seconds, rest).map(|at| at.naive_utc())
}

fn ticks(at: NaiveDateTime, nanos_per_tick: i128) -> Option<i64> {
    let at = at.and_utc();
    let nanos =
        i128::from(at.timestamp()) * 1_000_000_000 + i128::from(at.timestamp_subsec_nanos());
    i64::try_from(nanos.div_euclid(nanos_per_tick)).ok()
}
