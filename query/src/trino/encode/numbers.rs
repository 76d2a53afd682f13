//! Numbers as Java writes them.

use arrow::array::{ArrayRef, AsArray, UInt64Array};
use arrow::datatypes::{
    ArrowPrimitiveType, Decimal128Type, Decimal256Type, Float32Type, Float64Type,
};

use super::Writer;
use crate::presto::error::TrinoFailure;

pub(super) fn integer<T: ArrowPrimitiveType>(array: &ArrayRef) -> Writer
where
    T::Native: itoa::Integer,
{
    let values = array.as_primitive::<T>().clone();
    Box::new(move |row, out| {
        out.extend_from_slice(itoa::Buffer::new().format(values.value(row)).as_bytes());
        Ok(())
    })
}

/// A bigint has a sign; what does not fit is no value of it.
pub(super) fn unsigned(values: UInt64Array) -> Writer {
    Box::new(move |row, out| {
        let value = values.value(row);
        if i64::try_from(value).is_err() {
            return Err(out_of_range(format!("bigint out of range: {value}")));
        }
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        Ok(())
    })
}

fn out_of_range(message: String) -> crate::Error {
    TrinoFailure::new("NUMERIC_VALUE_OUT_OF_RANGE", message).into()
}

pub(super) fn real(array: &ArrayRef) -> Writer {
    let values = array.as_primitive::<Float32Type>().clone();
    Box::new(move |row, out| {
        let value = values.value(row);
        if value.is_finite() {
            java(out, ryu::Buffer::new().format_finite(value));
        } else {
            special(out, f64::from(value));
        }
        Ok(())
    })
}

pub(super) fn double(array: &ArrayRef) -> Writer {
    let values = array.as_primitive::<Float64Type>().clone();
    Box::new(move |row, out| {
        let value = values.value(row);
        if value.is_finite() {
            java(out, ryu::Buffer::new().format_finite(value));
        } else {
            special(out, value);
        }
        Ok(())
    })
}

fn special(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(if value.is_nan() {
        b"\"NaN\"".as_slice()
    } else if value > 0.0 {
        b"\"Infinity\""
    } else {
        b"\"-Infinity\""
    });
}

/// Writes the shortest digits in Java's layout: plain from 0.001 to below ten million, else with an exponent.
///
/// `text` is a number as `ryu` writes it: `1.5`, `1e300`, `0.00001`, `1234567890123456.0`.
fn java(out: &mut Vec<u8>, text: &str) {
    let (sign, magnitude) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = match magnitude.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().unwrap_or(0)),
        None => (magnitude, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_plain = exponent == 0
        && (whole.len() < 8)
        && (whole != "0" || part == "0" || !part.starts_with("000"));
    if is_plain {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.extend_from_slice(sign.as_bytes());
    // The first digit that is not zero stands before the point.
    let (first, rest_of_whole, shift) = if whole == "0" {
        let zeros = part.len() - part.trim_start_matches('0').len();
        let digits = part.get(zeros..).unwrap_or_default();
        let (first, rest) = digits.split_at_checked(1).unwrap_or(("0", ""));
        out.extend_from_slice(first.as_bytes());
        out.push(b'.');
        out.extend_from_slice(if rest.is_empty() {
            b"0"
        } else {
            rest.as_bytes()
        });
        return finish(out, exponent - 1 - i32::try_from(zeros).unwrap_or(0));
    } else {
        let (first, rest) = whole.split_at_checked(1).unwrap_or((whole, ""));
        (first, rest, rest.len())
    };
    out.extend_from_slice(first.as_bytes());
    out.push(b'.');
    let start = out.len();
    out.extend_from_slice(rest_of_whole.as_bytes());
    if part != "0" {
        out.extend_from_slice(part.as_bytes());
    }
    while out.len() > start && out.last() == Some(&b'0') {
        out.pop();
    }
    if out.len() == start {
        out.push(b'0');
    }
    finish(out, exponent + i32::try_from(shift).unwrap_or(0));
}

fn finish(out: &mut Vec<u8>, exponent: i32) {
    out.push(b'E');
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

pub(super) fn decimal128(array: &ArrayRef, scale: i8) -> Writer {
    let values = array.as_primitive::<Decimal128Type>().clone();
    Box::new(move |row, out| {
        decimal(out, values.value(row), scale);
        Ok(())
    })
}

/// Decimals wider than Trino's widest: those values that fit are written.
pub(super) fn decimal256(array: &ArrayRef, scale: i8) -> Writer {
    let values = array.as_primitive::<Decimal256Type>().clone();
    Box::new(move |row, out| {
        let value = values.value(row).to_i128();
        match value.filter(|value| value.unsigned_abs() < 10_u128.pow(38)) {
            Some(value) => decimal(out, value, scale),
            None => return Err(out_of_range("Decimal overflow".to_owned())),
        }
        Ok(())
    })
}

fn decimal(out: &mut Vec<u8>, value: i128, scale: i8) {
    let mut buffer = itoa::Buffer::new();
    let digits = match i64::try_from(value.unsigned_abs()) {
        Ok(small) => buffer.format(small),
        Err(_) => buffer.format(value.unsigned_abs()),
    };
    out.push(b'"');
    if value < 0 {
        out.push(b'-');
    }
    if scale <= 0 {
        out.extend_from_slice(digits.as_bytes());
        if value != 0 {
            out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
        }
    } else {
        let scale = usize::from(scale.unsigned_abs());
        match digits.len().checked_sub(scale).filter(|whole| *whole > 0) {
            Some(whole) => {
                let (whole, part) = digits.split_at_checked(whole).unwrap_or((digits, ""));
                out.extend_from_slice(whole.as_bytes());
                out.push(b'.');
                out.extend_from_slice(part.as_bytes());
            }
            None => {
                out.extend_from_slice(b"0.");
                out.resize(out.len() + scale.saturating_sub(digits.len()), b'0');
                out.extend_from_slice(digits.as_bytes());
            }
        }
    }
    out.push(b'"');
}
