//! What is formatted: values of rows, as Java has them.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int64Type, IntervalMonthDayNanoType,
    IntervalUnit, IntervalYearMonthType,
};
use chrono::NaiveDateTime;
use datafusion::error::Result;

use crate::presto::functions::call::{Call, failure};
use crate::presto::functions::dates::Moments;
use crate::presto::functions::kinds::Kind;
use crate::presto::numbers::{decimal_text, java_double, java_real};
use crate::presto::opaque::{IP_ADDRESS, JSON, Opaque, UUID};
use crate::presto::temporal::{
    NANOS_PER_DAY, digits_of, write_day_to_second, write_time, write_year_to_month,
};
use crate::presto::types::type_name;
use crate::presto::zoned_time::{offset_text, unit_and_offset};

/// A value of a row.
pub(super) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f32),
    Double(f64),
    Decimal(i128, i8),
    Moment(Moment),
    Text(String),
}

/// A date, a time or a timestamp.
pub(super) struct Moment {
    pub(super) local: NaiveDateTime,
    class: &'static str,
    /// How far ahead of UTC the clock is, in seconds, if it has a zone.
    pub(super) offset: Option<i32>,
    text: String,
}

impl Moment {
    /// Returns whether it is a time of no day.
    pub(super) fn is_time(&self) -> bool {
        self.class == LOCAL_TIME
    }

    /// Returns whether it is a day without a time.
    pub(super) fn is_date(&self) -> bool {
        self.class == LOCAL_DATE
    }
}

const LOCAL_DATE: &str = "java.time.LocalDate";
const LOCAL_TIME: &str = "java.time.LocalTime";

impl Value {
    pub(super) const fn class(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::Integer(_) => "java.lang.Long",
            Self::Real(_) => "java.lang.Float",
            Self::Double(_) => "java.lang.Double",
            Self::Decimal(..) => "java.math.BigDecimal",
            Self::Moment(moment) => moment.class,
            Self::Text(_) => "java.lang.String",
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Real(value) => java_real(*value),
            Self::Double(value) => java_double(*value),
            Self::Decimal(value, scale) => decimal_text(*value, *scale),
            Self::Moment(moment) => moment.text.clone(),
            Self::Text(text) => text.clone(),
        }
    }

    /// Returns what Java's `hashCode` makes of it.
    pub(super) fn hash(&self) -> u32 {
        match self {
            Self::Real(value) => value.to_bits(),
            _ => java_hash(&self.text()).cast_unsigned(),
        }
    }

    /// Returns a real as the double of the same value.
    pub(super) fn widened(self) -> Self {
        match self {
            Self::Real(value) => Self::Double(f64::from(value)),
            other => other,
        }
    }
}

/// One argument of a call, ready to be read row by row.
pub(super) enum Column {
    Plain(ArrayRef),
    Moments(Moments, &'static str),
    /// With the name of their zone.
    Zoned(Moments, String),
    /// With the digits of their fractions and what their offset is as text.
    ZonedTimes(Moments, usize, String),
}

impl Column {
    pub(super) fn of(call: &Call, position: usize) -> Result<Self> {
        let array = call.array(position)?;
        let wanted = match array.data_type() {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => DataType::Int64,
            known @ (DataType::Float64
            | DataType::Float32
            | DataType::Decimal128(..)
            | DataType::Boolean
            | DataType::Null) => known.clone(),
            DataType::Date32 => {
                return Ok(Self::Moments(Moments::of(call, position)?, LOCAL_DATE));
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                return Ok(Self::Moments(Moments::of(call, position)?, LOCAL_TIME));
            }
            DataType::Interval(unit) => {
                return Ok(Self::Plain(Arc::new(interval_texts(array, *unit)?)));
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
            DataType::Timestamp(_, Some(zone)) => {
                return Ok(Self::Zoned(Moments::of(call, position)?, zone.to_string()));
            }
            json if *json == JSON => DataType::Utf8,
            DataType::Utf8 if !is_geometry(call, position) => DataType::Utf8,
            other => {
                let name = type_name(other);
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
                Some(local) => Value::Moment(Moment {
                    local,
                    class,
                    offset: None,
                    text: iso_text(moments, local),
                }),
                None => Value::Null,
            },
            Self::Zoned(moments, zone) => match moments.local(row)?.zip(moments.offset(row)?) {
                Some((local, offset)) => Value::Moment(Moment {
                    local,
                    class: "java.time.ZonedDateTime",
                    offset: Some(offset),
                    text: iso_text(moments, local) + &zone_text(offset, zone),
                }),
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
            Self::Plain(array) => match array.data_type() {
                DataType::Int64 => Value::Integer(array.as_primitive::<Int64Type>().value(at)),
                DataType::Float32 => Value::Real(array.as_primitive::<Float32Type>().value(at)),
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

fn is_geometry(call: &Call, position: usize) -> bool {
    call.fields
        .get(position)
        .is_some_and(|field| matches!(Kind::of(field), Kind::Geometry | Kind::SphericalGeography))
}

/// Returns intervals as their casts to varchar write them.
fn interval_texts(array: &ArrayRef, unit: IntervalUnit) -> Result<StringArray> {
    if unit == IntervalUnit::YearMonth {
        let months = array.as_primitive::<IntervalYearMonthType>().iter();
        return Ok(months
            .map(|months| {
                let mut text = String::new();
                write_year_to_month(&mut text, months?);
                Some(text)
            })
            .collect());
    }
    let array = cast(array, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let values = array.as_primitive::<IntervalMonthDayNanoType>().iter();
    Ok(values
        .map(|value| {
            let value = value?;
            let nanos = i128::from(value.days) * NANOS_PER_DAY + i128::from(value.nanoseconds);
            let mut text = String::new();
            write_day_to_second(&mut text, nanos);
            Some(text)
        })
        .collect())
}

/// Returns what Java's `toString` says of an offset and a zone, which may be the offset itself.
fn zone_text(offset: i32, zone: &str) -> String {
    let mut text = match offset {
        0 => "Z".to_owned(),
        _ => offset_text(offset),
    };
    let seconds = offset.unsigned_abs() % 60;
    if seconds > 0 {
        let _ = write!(text, ":{seconds:02}");
    }
    if !zone.starts_with(['+', '-']) {
        let _ = write!(text, "[{zone}]");
    }
    text
}

/// Returns what Java's `toString` says of a local time.
fn iso_text(moments: &Moments, time: NaiveDateTime) -> String {
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
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}
