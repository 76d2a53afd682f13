//! Numbers of bytes as text: `2.3MB`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array};
use datafusion::error::Result;

use crate::presto::functions::call::{Call, Text, invalid, out_of_range};

/// Units, each 1024 of the one before.
const UNITS: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];

/// `parse_data_size(text)`.
pub(super) fn parse_data_size(call: &Call) -> Result<ArrayRef> {
    let sizes: Decimal128Array = (0..call.rows)
        .map(|row| call.get::<Text>(0, row).map(size).transpose())
        .collect::<Result<_>>()?;
    Ok(Arc::new(sizes.with_precision_and_scale(38, 0)?))
}

/// Returns the bytes; a part of a byte is dropped.
fn size(text: &str) -> Result<i128> {
    let wrong = || invalid(format!("Invalid data size: '{text}'"));
    let overflow = || out_of_range(format!("Value out of range: '{text}'"));
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(unit_at).ok_or_else(wrong)?;
    let power = UNITS
        .iter()
        .position(|known| *known == unit)
        .ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |digits: &str| -> Option<Vec<i128>> {
        digits
            .chars()
            .map(|c| c.to_digit(10).map(i128::from))
            .collect()
    };
    let (whole, fraction) = digits(whole).zip(digits(fraction)).ok_or_else(wrong)?;
    if whole.is_empty() && fraction.is_empty() {
        return Err(wrong());
    }
    let factor = 1_i128 << (10 * power);
    let whole = whole.into_iter().try_fold(0_i128, |whole, digit| {
        whole.checked_mul(10)?.checked_add(digit)
    });
    let below_one = fraction.into_iter().rev();
    let below_one = below_one.fold(0, |below, digit| (digit * factor + below) / 10);
    whole
        .and_then(|whole| whole.checked_mul(factor)?.checked_add(below_one))
        .filter(|bytes| *bytes < 10_i128.pow(38))
        .ok_or_else(overflow)
}
