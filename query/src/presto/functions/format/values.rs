//! What is formatted: values of rows, as Java has them.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};
use datafusion::error::Result;

use crate::presto::functions::call::{Call, failure};
use crate::presto::functions::dates::Moments;
use crate::presto::numbers::{decimal_text, java_double};
use crate::presto::opaque::{IP_ADDRESS, Opaque, UUID};
use crate::presto::temporal::{digits_of, write_time};
use crate::presto::zoned_time::{offset_text, unit_and_offset};

/// A value of a row.
pub(super) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Decimal(i128, i8),
    Time(chrono::NaiveDateTime, &'static str, String),
    Text(String),
}

impl Value {
    pub(super) const fn class(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::Integer(_) => "java.lang.Long",
            Self::Double(_) => "java.lang.Double",
            Self::Decimal(..) => "java.math.BigDecimal",
            Self::Time(_, class, _) => class,
            Self::Text(_) => "java.lang.String",
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Double(value) => java_double(*value),
            Self::Decimal(value, scale) => decimal_text(*value, *scale),
            Self::Time(_, _, text) | Self::Text(text) => text.clone(),
        }
    }
}

/// One argument of a call, ready to be read row by row.
pub(super) enum Column {
    Plain(ArrayRef),
    Real(ArrayRef),
    Moments(Moments, &'static str),
    /// With the digits of their fractions and what their offset is as text.
    ZonedTimes(Moments, usize, String),
}

impl Column {
    pub(super) fn of(call: &Call, position: usize) -> Result<Self> {
        let array = call.array(position)?;
        let wanted = match array.data_type() {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Int64,
            DataType::Float64 => DataType::Float64,
            DataType::Float32 => return Ok(Self::Real(ArrayRef::clone(array))),
            known @ (DataType::Decimal128(..) | DataType::Boolean | DataType::Null) => {
                known.clone()
            }
            DataType::Date32 => {
                return Ok(Self::Moments(
                    Moments::of(call, position)?,
                    "java.time.LocalDate",
                ));
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                return Ok(Self::Moments(
                    Moments::of(call, position)?,
                    "java.time.LocalTime",
                ));
            }
            known if *known == UUID || *known == IP_ADDRESS => {
                let values = array.as_fixed_size_binary().iter();
                let texts =
                    values.map(|value| value.map(|value| Opaque::decode(known, value).to_string()));
                return Ok(Self::Plain(Arc::new(texts.collect::<StringArray>())));
            }
            zoned if let Some((unit, offset)) = unit_and_offset(zoned) => {
                return Ok(Self::ZonedTimes(
                    Moments::of(call, position)?,
                    digits_of(unit),
                    offset_text(offset),
                ));
            }
            DataType::Timestamp(_, None) => {
                let class = "java.time.LocalDateTime";
                return Ok(Self::Moments(Moments::of(call, position)?, class));
            }
            DataType::Timestamp(_, Some(_)) => {
                let class = "java.time.ZonedDateTime";
                return Ok(Self::Moments(Moments::of(call, position)?, class));
            }
            DataType::Utf8 => DataType::Utf8,
            other => {
                let name = crate::presto::types::type_name(other);
                let message = format!("Type not supported for formatting: {name}");
                return Err(failure("NOT_SUPPORTED", message));
            }
        };
        Ok(Self::Plain(cast(array, &wanted)?))
    }

    pub(super) fn value(&self, call: &Call, position: usize, row: usize) -> Result<Value> {
        if call.is_null(position, row) {
            return Ok(Value::Null);
        }
        let at = call.row(position, row);
        Ok(match self {
            Self::Moments(moments, class) => match moments.local(row)? {
                Some(time) => Value::Time(time, class, iso_text(moments, time)),
                None => Value::Null,
            },
            Self::ZonedTimes(moments, digits, offset) => match moments.local(row)? {
                Some(time) => {
                    let mut text = String::new();
                    write_time(&mut text, time.time(), *digits);
                    Value::Text(text + offset)
                }
                None => Value::Null,
            },
            Self::Real(array) => {
                let value = array
                    .as_primitive::<arrow::datatypes::Float32Type>()
                    .value(at);
                // Java widens by value, and writes the shorter text.
                Value::Double(f64::from(value))
            }
            Self::Plain(array) => match array.data_type() {
                DataType::Int64 => Value::Integer(array.as_primitive::<Int64Type>().value(at)),
                DataType::Float64 => Value::Double(array.as_primitive::<Float64Type>().value(at)),
                DataType::Decimal128(_, scale) => {
                    Value::Decimal(array.as_primitive::<Decimal128Type>().value(at), *scale)
                }
                DataType::Boolean => Value::Boolean(array.as_boolean().value(at)),
                DataType::Utf8 => Value::Text(array.as_string::<i32>().value(at).to_owned()),
                _ => Value::Null,
            },
        })
    }
}

/// Returns what Java's `toString` says of a local time.
fn iso_text(moments: &Moments, time: chrono::NaiveDateTime) -> String {
    use chrono::Timelike as _;
    let clock = || {
        let mut text = format!("{:02}:{:02}", time.hour(), time.minute());
        if time.second() > 0 || time.nanosecond() > 0 {
            let _ = write!(text, ":{:02}", time.second());
        }
        let nanos = time.nanosecond();
        if nanos > 0 {
            let (width, fraction) = match nanos {
                _ if nanos.is_multiple_of(1_000_000) => (3, nanos / 1_000_000),
                _ if nanos.is_multiple_of(1_000) => (6, nanos / 1_000),
                _ => (9, nanos),
            };
            let _ = write!(text, ".{fraction:0width$}");
        }
        text
    };
    match moments.sort.name() {
        "DATE" => time.date().to_string(),
        "TIME" => clock(),
        _ => format!("{}T{}", time.date(), clock()),
    }
}

/// Java's `String.hashCode`.
pub(super) fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}
