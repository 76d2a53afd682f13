//! Values of SQL types by row, as paths have them.

use std::rc::Rc;
use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float32Array, Float64Array,
    Int64Array, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::error::Result;

use super::super::casts::cast_array;
use super::super::function::{failure, is_text, value_type};
use super::is_binary;
use crate::presto::functions::sql_path::{Datum, Moment, MomentKind, TextKind, Width};
use crate::presto::opaque::BING_TILE;
use crate::presto::temporal::{
    NANOS_PER_DAY, NANOS_PER_SECOND, local_to_utc, nanos_of, utc_to_local,
};
use crate::presto::type_parser::{TextLength, is_json, text_length};
use crate::presto::types::field_type_name;
use crate::presto::zoned_time::is_zoned_time;

/// What dates and times become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moments {
    Kept,
    AsText,
}

/// The values of an argument.
pub(super) enum Values {
    Nulls,
    Booleans(BooleanArray),
    Integers(Int64Array, Width),
    Decimals(Decimal128Array, u8, u8),
    Doubles(Float64Array),
    Reals(Float32Array),
    Texts(StringArray, TextKind),
    Moments(MomentColumn),
}

/// Dates, times or timestamps.
pub(super) struct MomentColumn {
    array: ArrayRef,
    numbers: Int64Array,
    kind: MomentKind,
    /// Nanoseconds of one.
    step: i128,
    /// Their own, or the session's.
    zone: Tz,
    type_name: String,
}

/// Refuses arguments that are no values of JSON and have no text; `what` says where they are passed.
pub(super) fn check_value(field: &Field, what: &str) -> Result<()> {
    let known = value_type(field.data_type());
    if is_binary(known) || *known == BING_TILE || known.is_nested() {
        return Err(failure(
            "NOT_SUPPORTED",
            format!("Unsupported type of {what}: {}", field_type_name(field)),
        ));
    }
    Ok(())
}

impl Values {
    pub(super) fn read(
        array: &ArrayRef,
        field: &Field,
        moments: Moments,
        zone: &str,
    ) -> Result<Self> {
        let known = value_type(array.data_type()).clone();
        let plain = if known == *array.data_type() {
            Arc::clone(array)
        } else {
            cast(array, &known)?
        };
        let integers = |width| {
            let numbers = cast(&plain, &DataType::Int64)?;
            Ok(Self::Integers(numbers.as_primitive().clone(), width))
        };
        match &known {
            DataType::Null => Ok(Self::Nulls),
            DataType::Boolean => Ok(Self::Booleans(plain.as_boolean().clone())),
            DataType::Int8 => integers(Width::Tiny),
            DataType::Int16 => integers(Width::Small),
            DataType::Int32 => integers(Width::Plain),
            DataType::Int64 => integers(Width::Big),
            DataType::Decimal128(precision, scale) => {
                let scale = u8::try_from(*scale).unwrap_or(0);
                Ok(Self::Decimals(
                    plain.as_primitive().clone(),
                    *precision,
                    scale,
                ))
            }
            DataType::Float32 => Ok(Self::Reals(plain.as_primitive().clone())),
            DataType::Float64 => Ok(Self::Doubles(plain.as_primitive().clone())),
            known if is_text(known) && !is_json(field) => {
                let kind = match text_length(field) {
                    TextLength::Unbounded => TextKind::Varchar,
                    TextLength::Varchar(length) => TextKind::VarcharOf(length),
                    TextLength::Char(length) => TextKind::CharOf(length),
                };
                let texts = cast(&plain, &DataType::Utf8)?;
                Ok(Self::Texts(texts.as_string().clone(), kind))
            }
            DataType::Date32
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Timestamp(..)
                if moments == Moments::Kept && !is_zoned_time(&known) =>
            {
                MomentColumn::new(plain, field, zone).map(Self::Moments)
            }
            _ => {
                let texts = cast_array(&plain, field, &Field::new("", DataType::Utf8, true))?;
                Ok(Self::Texts(texts.as_string().clone(), TextKind::Varchar))
            }
        }
    }

    /// Returns the value of a row; none if it is NULL.
    pub(super) fn get(&self, row: usize) -> Result<Option<Datum<'_>>> {
        Ok(match self {
            Self::Nulls => None,
            Self::Booleans(array) => valid(array, row).map(|row| Datum::Boolean(array.value(row))),
            Self::Integers(array, width) => valid(array, row).map(|row| Datum::Integer {
                value: array.value(row),
                width: *width,
            }),
            Self::Decimals(array, precision, scale) => {
                valid(array, row).map(|row| Datum::Decimal {
                    value: array.value(row),
                    precision: *precision,
                    scale: *scale,
                })
            }
            Self::Doubles(array) => valid(array, row).map(|row| Datum::Double(array.value(row))),
            Self::Reals(array) => valid(array, row).map(|row| Datum::Real(array.value(row))),
            Self::Texts(array, kind) => valid(array, row).map(|row| Datum::Text {
                text: array.value(row).into(),
                kind: *kind,
            }),
            Self::Moments(column) => match valid(&column.numbers, row) {
                Some(row) => Some(Datum::Moment(Rc::new(column.moment(row)?))),
                None => None,
            },
        })
    }
}

fn valid(array: &dyn Array, row: usize) -> Option<usize> {
    array.is_valid(row).then_some(row)
}

impl MomentColumn {
    fn new(array: ArrayRef, field: &Field, zone: &str) -> Result<Self> {
        let (kind, step, own) = match array.data_type() {
            DataType::Date32 => (MomentKind::Date, NANOS_PER_DAY, None),
            DataType::Time32(unit) | DataType::Time64(unit) => {
                (MomentKind::Time, nanos_of(*unit), None)
            }
            DataType::Timestamp(unit, None) => (MomentKind::Timestamp, nanos_of(*unit), None),
            DataType::Timestamp(unit, Some(zone)) => (
                MomentKind::TimestampTz,
                nanos_of(*unit),
                Some(zone.as_ref()),
            ),
            _ => (MomentKind::Timestamp, NANOS_PER_SECOND, None),
        };
        let numbers = cast(&array, &DataType::Int64)?.as_primitive().clone();
        Ok(Self {
            zone: own.unwrap_or(zone).parse()?,
            numbers,
            kind,
            step,
            type_name: field_type_name(field),
            array,
        })
    }

    fn moment(&self, row: usize) -> Result<Moment> {
        let nanos = i128::from(self.numbers.value(row)) * self.step;
        let (wall, instant) = match self.kind {
            MomentKind::TimestampTz => (utc_to_local(nanos, &self.zone), Some(nanos)),
            MomentKind::Time => (Some(nanos), Some(nanos)),
            MomentKind::Date | MomentKind::Timestamp => {
                (Some(nanos), local_to_utc(nanos, &self.zone))
            }
        };
        Ok(Moment {
            value: ScalarValue::try_from_array(&self.array, row)?,
            kind: self.kind,
            wall: wall.unwrap_or(nanos),
            instant: instant.unwrap_or(nanos),
            type_name: self.type_name.clone(),
        })
    }
}
