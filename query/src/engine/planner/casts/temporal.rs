//! Casts to dates, times and timestamps, and of those to text.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::kernels::arity;
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit, TimestampNanosecondType};
use chrono::NaiveTime;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs};

use super::super::arithmetic::{moment_numbers, moments};
use super::super::function::{Kernel, arrow_failure, by_arrays, call, failure, unexpected};
use super::super::zones::now;
use super::text::Writer;
use super::{invalid, rows};
use crate::presto::temporal::{
    NANOS_PER_DAY, date_of, digits_of, local_to_utc, nanos_of, parse_date, parse_time,
    parse_timestamp, round_to, utc_to_local, wall_time, write_date, write_time,
};
use crate::presto::zoned_time::{
    local_nanos, offset_text, parse_zoned_time, unit_and_offset, utc_nanos, value_of,
};

/// A function that gives the value of a row as nanoseconds: of wall time, or in UTC if the type has a zone.
type Reader<'a> = Box<dyn Fn(usize) -> Result<i128> + 'a>;

fn out_of_range() -> DataFusionError {
    failure("INVALID_CAST_ARGUMENT", "timestamp out of range")
}

pub(super) fn to_moment(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let read = wall_reader(array, to)?;
    let values: Int64Array = match to {
        DataType::Date32 => rows(array, |row| narrow(read(row)?.div_euclid(NANOS_PER_DAY)))?,
        DataType::Time32(unit) | DataType::Time64(unit) => rows(array, |row| {
            let nanos = read(row)?.rem_euclid(NANOS_PER_DAY);
            narrow(round_to(nanos, *unit).rem_euclid(NANOS_PER_DAY / nanos_of(*unit)))
        })?,
        zoned if let Some((unit, offset)) = unit_and_offset(zoned) => {
            let is_utc = matches!(array.data_type(), DataType::Timestamp(_, Some(_)))
                || *array.data_type() == DataType::Utf8;
            rows(array, |row| {
                let nanos = read(row)?;
                let utc = if is_utc {
                    nanos
                } else {
                    utc_nanos(nanos, offset)
                };
                narrow(value_of(utc, unit))
            })?
        }
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_ref().map(|zone| zone.parse::<Tz>()).transpose()?;
            // Between two types with a zone the moment stays the same; otherwise wall time is read in the zone.
            let is_utc =
                matches!(array.data_type(), DataType::Timestamp(_, Some(_))) && zone.is_some();
            rows(array, |row| {
                let nanos = read(row)?;
                let nanos = match &zone {
                    Some(zone) if !is_utc => local_to_utc(nanos, zone).ok_or_else(out_of_range)?,
                    _ => nanos,
                };
                narrow(round_to(nanos, *unit))
            })?
        }
        _ => return Err(unexpected("date or time")),
    };
    moments(values, to)
}

/// Returns the time of day on the day of the query, as the session's clocks show it.
pub(super) fn today_at(time: Expr, to: &Field) -> Expr {
    call(TodayAt(to.clone()), vec![time, now(DataType::Date32)])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TodayAt(Field);

impl Kernel for TodayAt {
    fn name(&self) -> &'static str {
        "today_at"
    }

    fn returns(&self, _: &ReturnFieldArgs<'_>) -> Result<Field> {
        Ok(self.0.clone().with_name(self.name()))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        by_arrays(args, |arrays| {
            let [times, days] = arrays else {
                return Err(unexpected("time and day"));
            };
            let (DataType::Time32(unit) | DataType::Time64(unit)) = times.data_type() else {
                return Err(unexpected("time"));
            };
            let unit = nanos_of(*unit);
            let (times, days) = (moment_numbers(times)?, moment_numbers(days)?);
            let moments = arity::try_binary::<_, _, _, Int64Type>(&times, &days, |time, day| {
                let nanos = i128::from(day) * NANOS_PER_DAY + i128::from(time) * unit;
                i64::try_from(nanos)
                    .map_err(|_| arrow_failure("INVALID_CAST_ARGUMENT", "timestamp out of range"))
            })?;
            let moments: ArrayRef = Arc::new(moments.reinterpret_cast::<TimestampNanosecondType>());
            to_moment(&moments, self.0.data_type())
        })
    }
}

fn narrow(value: i128) -> Result<i64> {
    i64::try_from(value).map_err(|_| out_of_range())
}

/// Reads values as wall time; between types with a zone in UTC.
fn wall_reader<'a>(array: &'a ArrayRef, to: &'a DataType) -> Result<Reader<'a>> {
    if *array.data_type() == DataType::Utf8 {
        return Ok(text_reader(array, to));
    }
    let values = moment_numbers(array)?;
    Ok(match array.data_type() {
        DataType::Date32 => Box::new(move |row| Ok(i128::from(values.value(row)) * NANOS_PER_DAY)),
        DataType::Time32(unit) | DataType::Time64(unit) => {
            let unit = nanos_of(*unit);
            Box::new(move |row| Ok(i128::from(values.value(row)) * unit))
        }
        DataType::Timestamp(unit, zone) => {
            let unit = nanos_of(*unit);
            let stays_utc = matches!(to, DataType::Timestamp(_, Some(_)));
            match zone {
                Some(zone) if !stays_utc => {
                    let zone: Tz = zone.parse()?;
                    Box::new(move |row| {
                        let nanos = i128::from(values.value(row)) * unit;
                        utc_to_local(nanos, &zone).ok_or_else(out_of_range)
                    })
                }
                _ => Box::new(move |row| Ok(i128::from(values.value(row)) * unit)),
            }
        }
        _ => return Err(unexpected("date or time")),
    })
}

fn text_reader<'a>(array: &'a ArrayRef, to: &'a DataType) -> Reader<'a> {
    let values = array.as_string::<i32>();
    match to {
        DataType::Date32 => Box::new(|row| {
            let text = values.value(row);
            let days = parse_date(text.trim());
            let days =
                days.ok_or_else(|| invalid(format!("Value cannot be cast to date: {text}")))?;
            Ok(i128::from(days) * NANOS_PER_DAY)
        }),
        DataType::Time32(_) | DataType::Time64(_) => Box::new(|row| {
            let text = values.value(row);
            let time = parse_time(text.trim());
            let (nanos, _) =
                time.ok_or_else(|| invalid(format!("Value cannot be cast to time: {text}")))?;
            Ok(nanos)
        }),
        zoned if let Some((_, own)) = unit_and_offset(zoned) => Box::new(move |row| {
            let text = values.value(row);
            let read = parse_zoned_time(text.trim());
            let (nanos, offset) = read.ok_or_else(|| {
                invalid(format!(
                    "Value cannot be cast to time with time zone: {text}"
                ))
            })?;
            Ok(utc_nanos(nanos, offset.unwrap_or(own)))
        }),
        DataType::Timestamp(_, zone) => {
            let zone = zone.as_ref().and_then(|zone| zone.parse::<Tz>().ok());
            Box::new(move |row| {
                let text = values.value(row);
                let problem = || invalid(format!("Value cannot be cast to timestamp: {text}"));
                let read = parse_timestamp(text).ok_or_else(problem)?;
                let (Some(target), Some(written)) = (&zone, &read.zone) else {
                    return Ok(read.local_nanos);
                };
                let written: Tz = written.parse().map_err(|_| problem())?;
                let utc = local_to_utc(read.local_nanos, &written);
                utc.and_then(|utc| utc_to_local(utc, target))
                    .ok_or_else(problem)
            })
        }
        _ => Box::new(|_| Err(unexpected("date or time"))),
    }
}

/// Returns what appends the values of the array as text.
pub(super) fn writer<'a>(array: &'a ArrayRef) -> Result<Writer<'a>> {
    let values = moment_numbers(array)?;
    Ok(match array.data_type() {
        DataType::Date32 => Box::new(move |row, out| {
            write_date(out, date_of(values.value(row)).ok_or_else(out_of_range)?);
            Ok(())
        }),
        DataType::Time32(unit) | DataType::Time64(unit) => {
            let (step, digits) = (nanos_of(*unit), digits_of(*unit));
            Box::new(move |row, out| {
                let nanos = i128::from(values.value(row)) * step;
                let wall = wall_time(nanos).ok_or_else(out_of_range)?;
                write_time(out, wall.time(), digits);
                Ok(())
            })
        }
        zoned if let Some((unit, offset)) = unit_and_offset(zoned) => {
            let (step, digits) = (nanos_of(unit), digits_of(unit));
            let label = offset_text(offset);
            Box::new(move |row, out| {
                let nanos = local_nanos(i128::from(values.value(row)) * step, offset);
                let wall = wall_time(nanos).ok_or_else(out_of_range)?;
                write_time(out, wall.time(), digits);
                out.push_str(&label);
                Ok(())
            })
        }
        DataType::Timestamp(unit, zone) => timestamp_writer(values, *unit, zone.as_deref())?,
        _ => return Err(unexpected("date or time")),
    })
}

fn timestamp_writer<'a>(
    values: Int64Array,
    unit: TimeUnit,
    zone: Option<&str>,
) -> Result<Writer<'a>> {
    let (step, digits) = (nanos_of(unit), digits_of(unit));
    let zone = match zone {
        Some(name) => {
            let label = match name {
                "+00:00" | "Z" | "Etc/UTC" => "UTC",
                other => other,
            };
            Some((name.parse::<Tz>()?, label.to_owned()))
        }
        None => None,
    };
    Ok(Box::new(move |row, out| {
        let nanos = i128::from(values.value(row)) * step;
        let local = match &zone {
            Some((zone, _)) => utc_to_local(nanos, zone).ok_or_else(out_of_range)?,
            None => nanos,
        };
        let wall = wall_time(local).ok_or_else(out_of_range)?;
        write_date(out, wall.date());
        out.push(' ');
        let time: NaiveTime = wall.time();
        write_time(out, time, digits);
        if let Some((_, label)) = &zone {
            out.push(' ');
            out.push_str(label);
        }
        Ok(())
    }))
}
