//! Casts to text.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::builder::StringBuilder;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Float32Type, Float64Type, Int64Type, IntervalMonthDayNanoType,
    IntervalYearMonthType,
};
use datafusion::error::Result;

use super::super::arithmetic::interval_nanos;
use super::{invalid, opaque, temporal};
use crate::presto::numbers::{decimal_text, scientific, scientific_real};
use crate::presto::opaque::opaque_name;
use crate::presto::temporal::{write_day_to_second, write_year_to_month};
use crate::presto::type_parser::{TextLength, text_length};

/// Appends a value of a row.
pub(super) type Writer<'a> = Box<dyn Fn(usize, &mut String) -> Result<()> + 'a>;

pub(super) fn to_text(array: &ArrayRef, to: &Field) -> Result<ArrayRef> {
    let length = text_length(to);
    let is_text = *array.data_type() == DataType::Utf8;
    if is_text && length == TextLength::Unbounded {
        return Ok(Arc::clone(array));
    }
    let write = writer(array)?;
    let mut out = StringBuilder::with_capacity(array.len(), array.len() * 8);
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            out.append_null();
            continue;
        }
        text.clear();
        write(row, &mut text)?;
        fit(&mut text, length, is_text)?;
        out.append_value(&text);
    }
    Ok(Arc::new(out.finish()))
}

/// Cuts text to the declared length and pads `char`; what is no text must fit.
fn fit(text: &mut String, length: TextLength, is_text: bool) -> Result<()> {
    let (TextLength::Varchar(limit) | TextLength::Char(limit)) = length else {
        return Ok(());
    };
    if let Some((end, _)) = text.char_indices().nth(limit) {
        if !is_text {
            return Err(invalid(format!(
                "Value {text} cannot be represented as varchar({limit})"
            )));
        }
        text.truncate(end);
    }
    if let TextLength::Char(length) = length {
        let missing = length.saturating_sub(text.chars().count());
        text.extend(std::iter::repeat_n(' ', missing));
    }
    Ok(())
}

/// Returns what appends the values of the array as text.
pub(super) fn writer(array: &ArrayRef) -> Result<Writer<'_>> {
    Ok(match array.data_type() {
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            Box::new(|row, out| {
                out.push_str(values.value(row));
                Ok(())
            })
        }
        DataType::LargeUtf8 => {
            let values = array.as_string::<i64>();
            Box::new(|row, out| {
                out.push_str(values.value(row));
                Ok(())
            })
        }
        DataType::Boolean => {
            let values = array.as_boolean();
            Box::new(|row, out| {
                out.push_str(if values.value(row) { "true" } else { "false" });
                Ok(())
            })
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let values = cast(array, &DataType::Int64)?
                .as_primitive::<Int64Type>()
                .clone();
            Box::new(move |row, out| {
                let _ = write!(out, "{}", values.value(row));
                Ok(())
            })
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            Box::new(|row, out| {
                out.push_str(&scientific_real(values.value(row)));
                Ok(())
            })
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            Box::new(|row, out| {
                out.push_str(&scientific(values.value(row)));
                Ok(())
            })
        }
        DataType::Decimal128(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal128Type>(), *scale);
            Box::new(move |row, out| {
                out.push_str(&decimal_text(values.value(row), scale));
                Ok(())
            })
        }
        DataType::Interval(_) => {
            if let Some(values) = array.as_primitive_opt::<IntervalYearMonthType>() {
                return Ok(Box::new(|row, out| {
                    write_year_to_month(out, values.value(row));
                    Ok(())
                }));
            }
            let values = array.as_primitive::<IntervalMonthDayNanoType>();
            Box::new(|row, out| {
                write_day_to_second(out, interval_nanos(values.value(row)));
                Ok(())
            })
        }
        known if opaque_name(known).is_some() => opaque::writer(array),
        _ => temporal::writer(array)?,
    })
}
