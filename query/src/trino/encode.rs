//! Arrow arrays into the protocol's JSON, without a value in between.
//!
//! One encoder per column, made once per batch; then row after row into the page's buffer.

use std::io::Write as _;
use std::str::FromStr;

use arrow::array::timezone::Tz;
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, MapArray, RecordBatch, StringArray,
    StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Decimal256Type,
    DurationNanosecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, Time64NanosecondType, TimeUnit,
    UInt64Type,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeZone, Timelike, Utc};

use super::model::digits;
use crate::{Error, Result};

/// Writes values for one client.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowEncoder {
    /// Fraction digits of times; legacy clients read three at most.
    pub(super) has_parametric_datetime: bool,
}

type Writer = Box<dyn Fn(usize, &mut Vec<u8>) -> Result<()> + Send>;

struct Column {
    nulls: Option<NullBuffer>,
    write: Writer,
}

impl Column {
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        (self.write)(row, out)
    }
}

impl RowEncoder {
    /// Appends the rows of `batch` as JSON arrays, separated by commas.
    pub(super) fn write(self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch
            .columns()
            .iter()
            .map(|array| self.column(array))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            out.extend_from_slice(if out.is_empty() { b"[" } else { b",[" });
            for (position, column) in columns.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                column.write(row, out)?;
            }
            out.push(b']');
        }
        Ok(())
    }

    fn column(self, array: &ArrayRef) -> Result<Column> {
        let nulls = array.logical_nulls();
        let write = self.writer(array)?;
        Ok(Column { nulls, write })
    }

    fn writer(self, array: &ArrayRef) -> Result<Writer> {
        let to = |data_type: DataType| {
            cast(array, &data_type).map_err(|error| internal(&error.to_string()))
        };
        Ok(match array.data_type() {
            DataType::Null => Box::new(|_, out| {
                out.extend_from_slice(b"null");
                Ok(())
            }),
            DataType::Boolean => boolean(array.as_boolean().clone()),
            DataType::Int8 => integer::<Int8Type>(array),
            DataType::Int16 => integer::<Int16Type>(array),
            DataType::Int32 => integer::<Int32Type>(array),
            DataType::Int64 => integer::<Int64Type>(array),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
                integer::<Int64Type>(&to(DataType::Int64)?)
            }
            DataType::UInt64 => integer::<UInt64Type>(array),
            DataType::Float16 | DataType::Float32 => real(&to(DataType::Float32)?),
            DataType::Float64 => double(array),
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => {
                decimal128(&to(DataType::Decimal128(*p, *s))?)
            }
            DataType::Decimal128(..) => decimal128(array),
            DataType::Decimal256(..) => {
                let values = array.as_primitive::<Decimal256Type>().clone();
                Box::new(move |row, out| quoted(out, &values.value_as_string(row)))
            }
            DataType::Utf8 => text(array.as_string::<i32>().clone()),
            DataType::Utf8View => {
                let values = array.as_string_view().clone();
                Box::new(move |row, out| json_text(out, values.value(row)))
            }
            DataType::LargeUtf8 => {
                let values = array.as_string::<i64>().clone();
                Box::new(move |row, out| json_text(out, values.value(row)))
            }
            DataType::Binary => binary(array.as_binary::<i32>().clone()),
            DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
                binary(to(DataType::Binary)?.as_binary::<i32>().clone())
            }
            DataType::Date32 => date(array),
            DataType::Date64 => date(&to(DataType::Date32)?),
            DataType::Time32(unit) | DataType::Time64(unit) => {
                self.time(&to(DataType::Time64(TimeUnit::Nanosecond))?, *unit)
            }
            DataType::Timestamp(unit, zone) => self.timestamp(array, *unit, zone.as_deref())?,
            DataType::Duration(_) => {
                let values = to(DataType::Duration(TimeUnit::Nanosecond))?
                    .as_primitive::<DurationNanosecondType>()
                    .clone();
                Box::new(move |row, out| {
                    out.push(b'"');
                    day_to_second(out, i128::from(values.value(row)));
                    out.push(b'"');
                    Ok(())
                })
            }
            DataType::Interval(IntervalUnit::YearMonth) => {
                let values = array.as_primitive::<IntervalYearMonthType>().clone();
                Box::new(move |row, out| {
                    let months = values.value(row);
                    let sign = if months < 0 { "-" } else { "" };
                    let months = months.unsigned_abs();
                    quoted(out, &format!("{sign}{}-{}", months / 12, months % 12))
                })
            }
            DataType::Interval(_) => interval(&to(DataType::Interval(IntervalUnit::MonthDayNano))?),
            DataType::List(_) => {
                let lists = array.as_list::<i32>().clone();
                let items = self.column(lists.values())?;
                Box::new(move |row, out| {
                    let offsets = lists.value_offsets();
                    let (Some(start), Some(end)) = (offsets.get(row), offsets.get(row + 1)) else {
                        return Err(internal("list offsets"));
                    };
                    write_items(out, &items, index(*start)..index(*end))
                })
            }
            DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item) => {
                let lists = to(DataType::List(std::sync::Arc::clone(item)))?;
                self.writer(&lists)?
            }
            DataType::Map(..) => self.map(array.as_map().clone())?,
            DataType::Struct(_) => self.row(array.as_struct())?,
            DataType::Dictionary(_, value) => self.writer(&to(value.as_ref().clone())?)?,
            DataType::RunEndEncoded(_, value) => self.writer(&to(value.data_type().clone())?)?,
            other => {
                return Err(Error::NotSupported {
                    what: format!("results of Arrow type `{other}`"),
                });
            }
        })
    }

    fn digits(self, unit: TimeUnit) -> u8 {
        if self.has_parametric_datetime {
            digits(unit)
        } else {
            3
        }
    }

    fn time(self, array: &ArrayRef, unit: TimeUnit) -> Writer {
        let values = array.as_primitive::<Time64NanosecondType>().clone();
        let digits = self.digits(unit);
        Box::new(move |row, out| {
            let nanos =
                round_nanos(i128::from(values.value(row)), digits).rem_euclid(86_400_000_000_000);
            let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
            out.push(b'"');
            let _ = write!(
                out,
                "{:02}:{:02}:{:02}",
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60
            );
            fraction(out, nanos, digits);
            out.push(b'"');
            Ok(())
        })
    }

    fn timestamp(self, array: &ArrayRef, unit: TimeUnit, zone: Option<&str>) -> Result<Writer> {
        let raw = cast(array, &DataType::Int64).map_err(|error| internal(&error.to_string()))?;
        let values = raw.as_primitive::<Int64Type>().clone();
        let digits = self.digits(unit);
        let nanos_per_unit: i128 = match unit {
            TimeUnit::Second => 1_000_000_000,
            TimeUnit::Millisecond => 1_000_000,
            TimeUnit::Microsecond => 1_000,
            TimeUnit::Nanosecond => 1,
        };
        let zone = match zone {
            None => None,
            Some(name) => {
                let zone = Tz::from_str(name).map_err(|error| internal(&error.to_string()))?;
                let label = match name {
                    "UTC" | "Etc/UTC" | "+00:00" | "Z" => "UTC",
                    other => other,
                };
                Some((zone, label.to_owned()))
            }
        };
        Ok(Box::new(move |row, out| {
            let nanos = round_nanos(i128::from(values.value(row)) * nanos_per_unit, digits);
            let (seconds, nanos) = (
                nanos.div_euclid(1_000_000_000),
                nanos.rem_euclid(1_000_000_000),
            );
            let utc = i64::try_from(seconds)
                .ok()
                .and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
            let Some(utc) = utc else {
                return Err(Error::Invalid {
                    message: "timestamp out of range".to_owned(),
                });
            };
            let local = match &zone {
                Some((zone, _)) => {
                    utc.naive_utc() + zone.offset_from_utc_datetime(&utc.naive_utc()).fix()
                }
                None => utc.naive_utc(),
            };
            out.push(b'"');
            date_and_time(out, &local);
            fraction(out, nanos, digits);
            if let Some((_, label)) = &zone {
                out.push(b' ');
                out.extend_from_slice(label.as_bytes());
            }
            out.push(b'"');
            Ok(())
        }))
    }

    fn map(self, maps: MapArray) -> Result<Writer> {
        let keys = self.column(maps.keys())?;
        let values = self.column(maps.values())?;
        Ok(Box::new(move |row, out| {
            let offsets = maps.value_offsets();
            let (Some(start), Some(end)) = (offsets.get(row), offsets.get(row + 1)) else {
                return Err(internal("map offsets"));
            };
            out.push(b'{');
            let mut key = Vec::new();
            for (position, entry) in (index(*start)..index(*end)).enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                key.clear();
                keys.write(entry, &mut key)?;
                if key.first() == Some(&b'"') {
                    out.extend_from_slice(&key);
                } else {
                    json_text(out, &String::from_utf8_lossy(&key))?;
                }
                out.push(b':');
                values.write(entry, out)?;
            }
            out.push(b'}');
            Ok(())
        }))
    }

    fn row(self, rows: &StructArray) -> Result<Writer> {
        let fields = rows
            .columns()
            .iter()
            .map(|array| self.column(array))
            .collect::<Result<Vec<_>>>()?;
        Ok(Box::new(move |row, out| {
            out.push(b'[');
            for (position, field) in fields.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                field.write(row, out)?;
            }
            out.push(b']');
            Ok(())
        }))
    }
}

fn internal(message: &str) -> Error {
    Error::Internal {
        message: format!("cannot write a result value: {message}"),
    }
}

fn index(offset: i32) -> usize {
    usize::try_from(offset).unwrap_or(0)
}

fn write_items(out: &mut Vec<u8>, items: &Column, range: std::ops::Range<usize>) -> Result<()> {
    out.push(b'[');
    for (position, item) in range.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        items.write(item, out)?;
    }
    out.push(b']');
    Ok(())
}

fn boolean(values: BooleanArray) -> Writer {
    Box::new(move |row, out| {
        out.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
        Ok(())
    })
}

fn integer<T: ArrowPrimitiveType>(array: &ArrayRef) -> Writer
where
    T::Native: std::fmt::Display,
{
    let values = array.as_primitive::<T>().clone();
    Box::new(move |row, out| {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{}", values.value(row));
        Ok(())
    })
}

fn real(array: &ArrayRef) -> Writer {
    let values = array.as_primitive::<Float32Type>().clone();
    Box::new(move |row, out| {
        let value = values.value(row);
        let exponent = if value == 0.0 || !value.is_finite() {
            String::new()
        } else {
            format!("{value:E}")
        };
        float(out, f64::from(value), &format!("{value:?}"), &exponent);
        Ok(())
    })
}

fn double(array: &ArrayRef) -> Writer {
    let values = array.as_primitive::<Float64Type>().clone();
    Box::new(move |row, out| {
        let value = values.value(row);
        let magnitude = value.abs();
        if value == 0.0 || (1e-3..1e7).contains(&magnitude) {
            let _ = write!(out, "{value:?}");
        } else {
            float(out, value, "", &format!("{value:E}"));
        }
        Ok(())
    })
}

/// Writes a number as Java does, so that it is a float token for every decoder.
fn float(out: &mut Vec<u8>, value: f64, plain: &str, exponent: &str) {
    if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 {
            b"\"Infinity\"".as_slice()
        } else {
            b"\"-Infinity\""
        });
    } else if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        out.extend_from_slice(plain.as_bytes());
    } else {
        let (mantissa, power) = exponent.split_once('E').unwrap_or((exponent, "0"));
        let point = if mantissa.contains('.') { "" } else { ".0" };
        let _ = write!(out, "{mantissa}{point}E{power}");
    }
}

fn decimal128(array: &ArrayRef) -> Writer {
    let values = array.as_primitive::<Decimal128Type>().clone();
    Box::new(move |row, out| quoted(out, &values.value_as_string(row)))
}

fn text(values: StringArray) -> Writer {
    Box::new(move |row, out| json_text(out, values.value(row)))
}

fn json_text(out: &mut Vec<u8>, text: &str) -> Result<()> {
    serde_json::to_writer(out, text).map_err(|error| internal(&error.to_string()))
}

fn quoted(out: &mut Vec<u8>, text: &str) -> Result<()> {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

fn binary(values: BinaryArray) -> Writer {
    Box::new(move |row, out| quoted(out, &STANDARD.encode(values.value(row))))
}

fn date(array: &ArrayRef) -> Writer {
    let values = array.as_primitive::<Date32Type>().clone();
    Box::new(move |row, out| {
        let day = DateTime::<Utc>::from_timestamp(i64::from(values.value(row)) * 86_400, 0);
        let Some(day) = day else {
            return Err(Error::Invalid {
                message: "date out of range".to_owned(),
            });
        };
        out.push(b'"');
        write_date(out, &day.naive_utc());
        out.push(b'"');
        Ok(())
    })
}

fn write_date(out: &mut Vec<u8>, time: &NaiveDateTime) {
    let year = time.year();
    let sign = if year < 0 { "-" } else { "" };
    let _ = write!(
        out,
        "{sign}{:04}-{:02}-{:02}",
        year.unsigned_abs(),
        time.month(),
        time.day()
    );
}

fn date_and_time(out: &mut Vec<u8>, time: &NaiveDateTime) {
    write_date(out, time);
    let _ = write!(
        out,
        " {:02}:{:02}:{:02}",
        time.hour(),
        time.minute(),
        time.second()
    );
}

fn fraction(out: &mut Vec<u8>, nanos: i128, digits: u8) {
    if digits > 0 {
        let shown = nanos / 10_i128.pow(u32::from(9 - digits.min(9)));
        let _ = write!(out, ".{shown:0width$}", width = usize::from(digits));
    }
}

/// Rounds half up to `digits` of a second.
fn round_nanos(nanos: i128, digits: u8) -> i128 {
    let step = 10_i128.pow(u32::from(9 - digits.min(9)));
    (nanos + step / 2).div_euclid(step) * step
}

fn day_to_second(out: &mut Vec<u8>, nanos: i128) {
    let sign = if nanos < 0 { "-" } else { "" };
    let millis = nanos.unsigned_abs() / 1_000_000;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    let _ = write!(
        out,
        "{sign}{days} {:02}:{:02}:{:02}.{millis:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
}

fn interval(array: &ArrayRef) -> Writer {
    let values = array.as_primitive::<IntervalMonthDayNanoType>().clone();
    Box::new(move |row, out| {
        let value = values.value(row);
        if value.months != 0 {
            return Err(Error::NotSupported {
                what: "intervals with months in a result; add them to a date instead".to_owned(),
            });
        }
        out.push(b'"');
        day_to_second(
            out,
            i128::from(value.days) * 86_400_000_000_000 + i128::from(value.nanoseconds),
        );
        out.push(b'"');
        Ok(())
    })
}
