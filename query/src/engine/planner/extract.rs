//! `EXTRACT(field FROM moment)`.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{
    DataType, Field, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType,
};
use chrono::{Datelike, NaiveDateTime, Timelike};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs};

use super::arithmetic::{interval_nanos, moment_numbers};
use super::function::{Kernel, by_arrays, call, failure, unexpected};
use crate::presto::temporal::{
    NANOS_PER_DAY, NANOS_PER_SECOND, nanos_of, offset_seconds, utc_to_local, wall_time,
};
use crate::presto::types::type_name;
use crate::presto::zoned_time::is_zoned_time;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    DayOfYear,
    YearOfWeek,
    Hour,
    Minute,
    Second,
    TimezoneHour,
    TimezoneMinute,
}

const PARTS: [(&str, Part); 17] = [
    ("YEAR", Part::Year),
    ("QUARTER", Part::Quarter),
    ("MONTH", Part::Month),
    ("WEEK", Part::Week),
    ("DAY", Part::Day),
    ("DAY_OF_MONTH", Part::Day),
    ("DAY_OF_WEEK", Part::DayOfWeek),
    ("DOW", Part::DayOfWeek),
    ("DAY_OF_YEAR", Part::DayOfYear),
    ("DOY", Part::DayOfYear),
    ("YEAR_OF_WEEK", Part::YearOfWeek),
    ("YOW", Part::YearOfWeek),
    ("HOUR", Part::Hour),
    ("MINUTE", Part::Minute),
    ("SECOND", Part::Second),
    ("TIMEZONE_MINUTE", Part::TimezoneMinute),
    ("TIMEZONE_HOUR", Part::TimezoneHour),
];

/// Returns the field of a moment as a bigint.
///
/// # Errors
/// `SYNTAX_ERROR`: there is no such field.
pub(super) fn extract(field: &str, moment: Expr) -> Result<Expr> {
    let name = field.to_uppercase();
    let part = PARTS.iter().find(|(known, _)| *known == name);
    let (name, part) = part.ok_or_else(|| {
        let valid: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        let valid = valid.join(", ");
        failure(
            "SYNTAX_ERROR",
            format!("Invalid EXTRACT field {name}, valid fields are: {valid}"),
        )
    })?;
    Ok(call(Extract { name, part: *part }, vec![moment]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Extract {
    name: &'static str,
    part: Part,
}

impl Extract {
    fn has_part(&self, data_type: &DataType) -> bool {
        let is_clock = matches!(self.part, Part::Hour | Part::Minute | Part::Second);
        let is_zone = matches!(self.part, Part::TimezoneHour | Part::TimezoneMinute);
        match data_type {
            zoned if is_zoned_time(zoned) => is_clock || is_zone,
            DataType::Null | DataType::Timestamp(_, Some(_)) => true,
            DataType::Date32 | DataType::Date64 => !is_clock && !is_zone,
            DataType::Timestamp(_, None) => !is_zone,
            DataType::Time32(_) | DataType::Time64(_) => is_clock,
            DataType::Interval(IntervalUnit::YearMonth) => {
                matches!(self.part, Part::Year | Part::Month)
            }
            DataType::Interval(_) => is_clock || self.part == Part::Day,
            _ => false,
        }
    }
}

impl Kernel for Extract {
    fn name(&self) -> &'static str {
        "extract"
    }

    fn coerce(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let coerced = types.iter().map(|data_type| match data_type {
            DataType::Date64 => DataType::Date32,
            DataType::Duration(_) => DataType::Interval(IntervalUnit::MonthDayNano),
            other => other.clone(),
        });
        Ok(coerced.collect())
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let moment = args
            .arg_fields
            .first()
            .ok_or_else(|| unexpected("moment"))?;
        let types = self.coerce(&[moment.data_type().clone()])?;
        if !types.iter().all(|data_type| self.has_part(data_type)) {
            let from = type_name(moment.data_type());
            return Err(failure(
                "TYPE_MISMATCH",
                format!("Cannot extract {} from {from}", self.name),
            ));
        }
        Ok(Field::new("extract", DataType::Int64, moment.is_nullable()))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        by_arrays(args, |arrays| match arrays {
            [array] => self.parts(array),
            _ => Err(unexpected("moment")),
        })
    }
}

impl Extract {
    fn parts(&self, array: &ArrayRef) -> Result<ArrayRef> {
        if let Some(months) = array.as_primitive_opt::<IntervalYearMonthType>() {
            let is_year = self.part == Part::Year;
            let parts = months.iter().map(|months| {
                months.map(|months| i64::from(if is_year { months / 12 } else { months % 12 }))
            });
            return Ok(Arc::new(parts.collect::<Int64Array>()));
        }
        if let Some(values) = array.as_primitive_opt::<IntervalMonthDayNanoType>() {
            let parts = values
                .iter()
                .map(|value| value.map(|value| self.of_interval(interval_nanos(value))));
            return Ok(Arc::new(parts.collect::<Int64Array>()));
        }
        if *array.data_type() == DataType::Null {
            return Ok(Arc::new(Int64Array::new_null(array.len())));
        }
        let values = moment_numbers(array)?;
        let (step, zone) = match array.data_type() {
            DataType::Date32 => (NANOS_PER_DAY, None),
            DataType::Time32(unit) | DataType::Time64(unit) => (nanos_of(*unit), None),
            DataType::Timestamp(unit, zone) => {
                let zone = zone.as_ref().map(|zone| zone.parse::<Tz>()).transpose()?;
                (nanos_of(*unit), zone)
            }
            _ => return Err(unexpected("moment")),
        };
        let parts = values.iter().map(|value| {
            let Some(value) = value else { return Ok(None) };
            let nanos = i128::from(value) * step;
            let found = match (self.part, &zone) {
                (Part::TimezoneHour, Some(zone)) => {
                    offset_seconds(nanos, zone).map(|o| i64::from(o / 3600))
                }
                (Part::TimezoneMinute, Some(zone)) => {
                    offset_seconds(nanos, zone).map(|o| i64::from(o / 60 % 60))
                }
                (_, Some(zone)) => utc_to_local(nanos, zone)
                    .and_then(wall_time)
                    .map(|wall| self.of_wall(&wall)),
                (_, None) => wall_time(nanos).map(|wall| self.of_wall(&wall)),
            };
            let out_of_range = || failure("INVALID_FUNCTION_ARGUMENT", "timestamp out of range");
            found.map(Some).ok_or_else(out_of_range)
        });
        Ok(Arc::new(parts.collect::<Result<Int64Array>>()?))
    }

    fn of_wall(&self, wall: &NaiveDateTime) -> i64 {
        match self.part {
            Part::Year => i64::from(wall.year()),
            Part::Quarter => i64::from(wall.month0() / 3 + 1),
            Part::Month => i64::from(wall.month()),
            Part::Week => i64::from(wall.iso_week().week()),
            Part::Day => i64::from(wall.day()),
            Part::DayOfWeek => i64::from(wall.weekday().number_from_monday()),
            Part::DayOfYear => i64::from(wall.ordinal()),
            Part::YearOfWeek => i64::from(wall.iso_week().year()),
            Part::Hour => i64::from(wall.hour()),
            Part::Minute => i64::from(wall.minute()),
            Part::Second => i64::from(wall.second()),
            Part::TimezoneHour | Part::TimezoneMinute => 0,
        }
    }

    fn of_interval(&self, nanos: i128) -> i64 {
        let seconds = i64::try_from(nanos / NANOS_PER_SECOND).unwrap_or(i64::MAX);
        match self.part {
            Part::Day => seconds / 86_400,
            Part::Hour => seconds / 3_600 % 24,
            Part::Minute => seconds / 60 % 60,
            _ => seconds % 60,
        }
    }
}
