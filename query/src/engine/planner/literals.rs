//! Literals with the types that Presto gives them.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, IntervalUnit};
use datafusion::common::ScalarValue;
use datafusion::common::metadata::FieldMetadata;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;

use super::arithmetic::day_to_second;
use super::casts::{canonical_json, cast_array, decimal_of_digits};
use super::function::failure;
use crate::presto::temporal::{NANOS_PER_SECOND, parse_timestamp};
use crate::presto::type_parser::is_json;
use crate::presto::types::field_type_name;
use crate::presto::zoned_time::{of_offset, parse_zoned_time, unit_and_offset};

/// Returns digits as an integer, a bigint or a decimal.
pub(super) fn number(digits: &str) -> Result<Expr> {
    let plain = digits.replace('_', "");
    if plain.contains(['e', 'E']) {
        let double = plain.parse::<f64>().map_err(|_| no_number(digits))?;
        return Ok(Expr::Literal(ScalarValue::Float64(Some(double)), None));
    }
    if !plain.contains('.') {
        let value: i64 = plain.parse().map_err(|_| no_number(digits))?;
        let value = match i32::try_from(value) {
            Ok(value) => ScalarValue::Int32(Some(value)),
            Err(_) => ScalarValue::Int64(Some(value)),
        };
        return Ok(Expr::Literal(value, None));
    }
    decimal(&plain).ok_or_else(|| no_number(digits))
}

fn no_number(digits: &str) -> datafusion::error::DataFusionError {
    failure("SYNTAX_ERROR", format!("Invalid numeric literal: {digits}"))
}

fn decimal(digits: &str) -> Option<Expr> {
    let (value, precision, scale) = decimal_of_digits(digits)?;
    Some(Expr::Literal(
        ScalarValue::Decimal128(Some(value), precision, scale),
        None,
    ))
}

/// Returns `TYPE 'text'`.
pub(super) fn typed(text: &str, to: &Field) -> Result<Expr> {
    let mut to = to.clone();
    let name = field_type_name(&to);
    let name = name.split('(').next().unwrap_or(&name).to_uppercase();
    let problem = || {
        failure(
            "INVALID_LITERAL",
            format!("'{text}' is not a valid {name} literal"),
        )
    };
    match to.data_type() {
        DataType::Interval(unit) => return interval(text, *unit),
        DataType::Decimal128(38, 0) => return decimal(text).ok_or_else(problem),
        zoned if let Some((unit, _)) = unit_and_offset(zoned) => {
            let read = parse_zoned_time(text);
            let (_, offset) = read.ok_or_else(problem)?;
            to.set_data_type(of_offset(unit, offset.ok_or_else(problem)?));
        }
        DataType::Timestamp(unit, Some(_)) => {
            let zone = parse_timestamp(text)
                .and_then(|read| read.zone)
                .ok_or_else(problem)?;
            let data_type = DataType::Timestamp(*unit, Some(Arc::from(zone)));
            to.set_data_type(data_type);
        }
        _ => {}
    }
    let value = if is_json(&to) {
        ScalarValue::LargeUtf8(Some(canonical_json(text).ok_or_else(problem)?))
    } else {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
        let from = Field::new("", DataType::Utf8, false);
        let values = cast_array(&texts, &from, &to).map_err(|_| problem())?;
        ScalarValue::try_from_array(&values, 0)?
    };
    let metadata = (!to.metadata().is_empty()).then(|| FieldMetadata::from(to.metadata().clone()));
    Ok(Expr::Literal(value, metadata))
}

/// Fields of an interval from the longest to the shortest, what ends each, and how many of each make the one before.
const DAY_FIELDS: [(&str, char, i128); 4] = [
    ("DAY", ' ', 86_400),
    ("HOUR", ':', 3_600),
    ("MINUTE", ':', 60),
    ("SECOND", '.', 1),
];

/// Reads `sign|text|first field|last field`.
fn interval(parts: &str, unit: IntervalUnit) -> Result<Expr> {
    let fields: Vec<&str> = parts.split('|').collect();
    let [sign, text, first, last] = fields.as_slice() else {
        return Err(failure(
            "INVALID_LITERAL",
            format!("Invalid INTERVAL value: {parts}"),
        ));
    };
    let (first, last) = (first.to_uppercase(), last.to_uppercase());
    let fields = if first == last {
        first.clone()
    } else {
        format!("{first} TO {last}")
    };
    let problem = || {
        failure(
            "INVALID_LITERAL",
            format!("Invalid INTERVAL {fields} value: {text}"),
        )
    };
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let sign = if is_negative == (*sign == "-") { 1 } else { -1 };
    let value = match unit {
        IntervalUnit::YearMonth => {
            let months = months(digits, &first, &last).ok_or_else(problem)?;
            ScalarValue::IntervalYearMonth(Some(months * sign))
        }
        _ => {
            let nanos = nanos(digits, &first, &last).ok_or_else(problem)?;
            ScalarValue::IntervalMonthDayNano(Some(day_to_second(nanos * i128::from(sign))?))
        }
    };
    Ok(Expr::Literal(value, None))
}

fn whole(digits: &str) -> Option<i32> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

fn months(digits: &str, first: &str, last: &str) -> Option<i32> {
    match (first, last) {
        ("YEAR", "YEAR") => whole(digits)?.checked_mul(12),
        ("MONTH", "MONTH") => whole(digits),
        ("YEAR", "MONTH") => {
            let (years, months) = digits.split_once('-')?;
            whole(years)?.checked_mul(12)?.checked_add(whole(months)?)
        }
        _ => None,
    }
}

fn nanos(digits: &str, first: &str, last: &str) -> Option<i128> {
    let at = |name: &str| DAY_FIELDS.iter().position(|(field, ..)| *field == name);
    let (first, last) = (at(first)?, at(last)?);
    let mut rest = digits;
    let mut seconds = 0;
    for (position, (_, separator, length)) in
        DAY_FIELDS.iter().enumerate().take(last + 1).skip(first)
    {
        let number = if position == last {
            let (number, fraction) = match rest.split_once('.') {
                Some((number, fraction)) if position == DAY_FIELDS.len() - 1 => (number, fraction),
                _ => (rest, ""),
            };
            let number = i128::from(whole(number)?) * length;
            return Some((seconds + number) * NANOS_PER_SECOND + millis(fraction)? * 1_000_000);
        } else {
            let (number, behind) = rest.split_once(*separator)?;
            rest = behind;
            whole(number)?
        };
        seconds += i128::from(number) * length;
    }
    None
}

/// Returns the milliseconds of a fraction; further digits are dropped.
fn millis(fraction: &str) -> Option<i128> {
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let padded = format!("{fraction:0<3}");
    padded.get(..3)?.parse().ok()
}
