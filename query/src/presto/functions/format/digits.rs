//! Numbers as text with a given number of digits.

use std::fmt::Write as _;

use crate::presto::numbers::decimal_text;

/// Rounds the shortest decimal text of a number half up, as Java does.
pub(super) fn fixed(number: f64, digits: usize) -> String {
    let text = format!("{number}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    round_text(whole, fraction, digits)
}

pub(super) fn fixed_decimal(number: u128, scale: i8, digits: usize) -> String {
    let text = decimal_text(i128::try_from(number).unwrap_or(i128::MAX), scale);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    round_text(whole, fraction, digits)
}

fn round_text(whole: &str, fraction: &str, digits: usize) -> String {
    let kept: String = fraction
        .chars()
        .chain(std::iter::repeat('0'))
        .take(digits)
        .collect();
    let rounds_up = fraction
        .chars()
        .nth(digits)
        .is_some_and(|digit| digit >= '5');
    let mut all: Vec<u8> = whole.bytes().chain(kept.bytes()).collect();
    if rounds_up {
        let mut carry = true;
        for digit in all.iter_mut().rev() {
            if !carry {
                break;
            }
            carry = *digit == b'9';
            *digit = if carry { b'0' } else { *digit + 1 };
        }
        if carry {
            all.insert(0, b'1');
        }
    }
    let text: String = all.into_iter().map(char::from).collect();
    match text.split_at_checked(text.len() - digits) {
        Some((whole, fraction)) if digits > 0 => format!("{whole}.{fraction}"),
        _ => text,
    }
}

pub(super) fn scientific(number: f64, digits: usize) -> String {
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut exponent: i32 = exponent.parse().unwrap_or(0);
    let mut rounded = round_text(whole, fraction, digits);
    if rounded.starts_with("10") {
        exponent += 1;
        rounded = round_text("1", "", digits);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{rounded}e{sign}{:02}", exponent.abs())
}

pub(super) fn grouped(digits: &str) -> String {
    let (whole, fraction) = match digits.find('.') {
        Some(at) => digits.split_at_checked(at).unwrap_or((digits, "")),
        None => (digits, ""),
    };
    let mut out = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out.push_str(fraction);
    out
}

pub(super) fn with_unit(number: i64, out: &mut String) {
    let mut size = number.unsigned_abs() as f64;
    let mut unit = "";
    for next in ["K", "M", "B", "T", "Q"] {
        if size < 1_000.0 {
            break;
        }
        size /= 1_000.0;
        unit = next;
    }
    let sign = if number < 0 { "-" } else { "" };
    let digits = if size < 10.0 {
        2
    } else if size < 100.0 {
        1
    } else {
        0
    };
    // Java's DecimalFormat rounds half to even.
    let text = format!("{size:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    let _ = write!(out, "{sign}{text}{unit}");
}
