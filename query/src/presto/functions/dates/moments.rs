//! Dates, times and timestamps of any unit, with or without a zone, read as wall time and written back.

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, PrimitiveArray, make_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use chrono::{NaiveDate, NaiveDateTime, Offset as _, TimeZone as _};
use datafusion::error::Result;

use crate::presto::functions::call::{Call, failure, invalid};
use crate::presto::temporal;
use crate::presto::zoned_time::is_zoned_time;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::presto::functions) enum Sort {
    Date,
    Time,
    Timestamp,
}

impl Sort {
    /// Returns its name in messages.
    pub(in crate::presto::functions) const fn name(self) -> &'static str {
        match self {
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::Timestamp => "TIMESTAMP",
        }
    }
}

/// One argument of dates, times or timestamps.
pub(in crate::presto::functions) struct Moments {
    values: Int64Array,
    stride: usize,
    pub(in crate::presto::functions) sort: Sort,
    /// How many of the values' units a second has; of dates, a day is one.
    pub(super) per_second: i64,
    pub(super) zone: Option<Tz>,
    data_type: DataType,
}

/// Returns the zone as we name it.
pub(super) fn name_of_zone(name: &str) -> Result<String> {
    temporal::normalize_zone(name)
        .ok_or_else(|| invalid(format!("'{name}' is not a valid time zone")))
}

pub(super) fn parse_zone(name: &str) -> Result<Tz> {
    Ok(name_of_zone(name)?.parse()?)
}

const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

impl Moments {
    /// Reads an argument.
    pub(in crate::presto::functions) fn of(call: &Call, position: usize) -> Result<Self> {
        let array = call.array(position)?;
        let data_type = array.data_type().clone();
        let (sort, per_second, zone) = describe(&data_type)?;
        Ok(Self {
            values: numbers(array)?,
            stride: call.row(position, 1),
            sort,
            per_second,
            zone,
            data_type,
        })
    }

    /// Returns the value of a row in the column's unit.
    pub(super) fn raw(&self, row: usize) -> Option<i64> {
        let row = row * self.stride;
        self.values.is_valid(row).then(|| self.values.value(row))
    }

    /// Returns the wall time of a row; of a time, on the first day of the epoch.
    pub(in crate::presto::functions) fn local(&self, row: usize) -> Result<Option<NaiveDateTime>> {
        self.raw(row).map(|raw| self.local_of(raw)).transpose()
    }

    /// Returns how many seconds the zone of a row's moment is ahead of UTC at that moment.
    pub(in crate::presto::functions) fn offset(&self, row: usize) -> Result<Option<i32>> {
        let (Some(raw), Some(zone)) = (self.raw(row), &self.zone) else {
            return Ok(None);
        };
        let instant = naive(raw, self.per_second)?;
        let offset = zone.offset_from_utc_datetime(&instant).fix();
        Ok(Some(offset.local_minus_utc()))
    }

    /// Returns the wall time that a value says.
    pub(super) fn local_of(&self, raw: i64) -> Result<NaiveDateTime> {
        if self.sort == Sort::Date {
            let day = i32::try_from(raw).ok().and_then(NaiveDate::from_epoch_days);
            return day
                .and_then(|day| day.and_hms_opt(0, 0, 0))
                .ok_or_else(overflow);
        }
        let instant = naive(raw, self.per_second)?;
        Ok(match &self.zone {
            Some(zone) => {
                let offset = zone.offset_from_utc_datetime(&instant).fix();
                instant.checked_add_offset(offset).ok_or_else(overflow)?
            }
            None => instant,
        })
    }

    /// Returns the value that says this wall time.
    pub(super) fn raw_of(&self, local: NaiveDateTime) -> Result<i64> {
        if self.sort == Sort::Date {
            return Ok(i64::from(local.date().to_epoch_days()));
        }
        let instant = match &self.zone {
            Some(zone) => to_instant(zone, local)?,
            None => local,
        };
        scaled(instant, self.per_second)
    }

    /// Returns a column of the argument's type.
    pub(super) fn rebuild(&self, values: Int64Array) -> Result<ArrayRef> {
        as_type(values, &self.data_type)
    }
}

fn describe(data_type: &DataType) -> Result<(Sort, i64, Option<Tz>)> {
    Ok(match data_type {
        DataType::Date32 => (Sort::Date, 1, None),
        DataType::Time32(unit) | DataType::Time64(unit) => (Sort::Time, per_second(*unit), None),
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_deref().map(parse_zone).transpose()?;
            if is_zoned_time(data_type) {
                return Ok((Sort::Time, per_second(*unit), zone));
            }
            (Sort::Timestamp, per_second(*unit), zone)
        }
        other => return Err(failure("TYPE_MISMATCH", format!("not a moment: {other}"))),
    })
}

/// Returns the numbers that the values are stored as.
pub(super) fn numbers(array: &ArrayRef) -> Result<Int64Array> {
    let array = match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => {
            &cast(&reinterpreted(array, DataType::Int32)?, &DataType::Int64)?
        }
        _ => &reinterpreted(array, DataType::Int64)?,
    };
    Ok(array.as_primitive::<Int64Type>().clone())
}

fn reinterpreted(array: &ArrayRef, data_type: DataType) -> Result<ArrayRef> {
    let data = array
        .to_data()
        .into_builder()
        .data_type(data_type)
        .build()?;
    Ok(make_array(data))
}

/// Returns numbers as values of a type.
pub(super) fn as_type(values: Int64Array, data_type: &DataType) -> Result<ArrayRef> {
    let array: ArrayRef = std::sync::Arc::new(values);
    match data_type {
        DataType::Date32 | DataType::Time32(_) => {
            let small = arrow::compute::cast_with_options(
                &array,
                &DataType::Int32,
                &arrow::compute::CastOptions {
                    safe: false,
                    ..Default::default()
                },
            )
            .map_err(|_| overflow())?;
            reinterpreted(&small, data_type.clone())
        }
        _ => reinterpreted(&array, data_type.clone()),
    }
}

pub(super) fn overflow() -> datafusion::error::DataFusionError {
    failure("NUMERIC_VALUE_OUT_OF_RANGE", "timestamp out of range")
}

/// Returns the time that a number of units since the epoch is.
pub(super) fn naive(raw: i64, per_second: i64) -> Result<NaiveDateTime> {
    let nanos = i128::from(raw) * (temporal::NANOS_PER_SECOND / i128::from(per_second));
    temporal::wall_time(nanos).ok_or_else(overflow)
}

/// Returns the units since the epoch of a time.
pub(super) fn scaled(instant: NaiveDateTime, per_second: i64) -> Result<i64> {
    let time = instant.and_utc();
    let fraction = i64::from(time.timestamp_subsec_nanos()) / (1_000_000_000 / per_second);
    time.timestamp()
        .checked_mul(per_second)
        .and_then(|whole| whole.checked_add(fraction))
        .ok_or_else(overflow)
}

/// Returns the instant of a wall time.
pub(super) fn to_instant(zone: &Tz, local: NaiveDateTime) -> Result<NaiveDateTime> {
    temporal::instant_of(local, zone).ok_or_else(overflow)
}

/// Builds numbers row by row.
pub(super) fn build(
    rows: usize,
    next: impl FnMut(usize) -> Result<Option<i64>>,
) -> Result<Int64Array> {
    (0..rows)
        .map(next)
        .collect::<Result<PrimitiveArray<Int64Type>>>()
}
