//! Padding and trimming.

use arrow::array::ArrayRef;
use datafusion::error::Result;

use super::is_binary;
use crate::presto::functions::call::{Bytes, Call, Long, Text, invalid};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

pub(super) fn lpad(call: &Call) -> Result<ArrayRef> {
    pad(call, Side::Left)
}

pub(super) fn rpad(call: &Call) -> Result<ArrayRef> {
    pad(call, Side::Right)
}

fn target(length: i64, is_padding_empty: bool) -> Result<usize> {
    let length = i32::try_from(length)
        .ok()
        .and_then(|length| usize::try_from(length).ok());
    let length =
        length.ok_or_else(|| invalid("Target length must be in the range [0..2147483647]"))?;
    if is_padding_empty {
        return Err(invalid("Padding string must not be empty"));
    }
    Ok(length)
}

fn pad(call: &Call, side: Side) -> Result<ArrayRef> {
    if is_binary(call) {
        return call.build_bytes(|row, out| {
            let (Some(bytes), Some(length), Some(padding)) = (
                call.get::<Bytes>(0, row),
                call.get::<Long>(1, row),
                call.get::<Bytes>(2, row),
            ) else {
                return Ok(false);
            };
            let length = target(length, padding.is_empty())?;
            let missing = length.saturating_sub(bytes.len());
            let padding = padding.iter().cycle().take(missing);
            if side == Side::Left {
                out.extend(padding.clone());
            }
            out.extend(bytes.iter().take(length));
            if side == Side::Right {
                out.extend(padding);
            }
            Ok(true)
        });
    }
    call.build_text(|row, out| {
        let (Some(text), Some(length), Some(padding)) = (
            call.get::<Text>(0, row),
            call.get::<Long>(1, row),
            call.get::<Text>(2, row),
        ) else {
            return Ok(false);
        };
        let length = target(length, padding.is_empty())?;
        let missing = length.saturating_sub(text.chars().count());
        let padding = padding.chars().cycle().take(missing);
        if side == Side::Left {
            out.extend(padding.clone());
        }
        out.extend(text.chars().take(length));
        if side == Side::Right {
            out.extend(padding);
        }
        Ok(true)
    })
}

/// Java's white space without the spaces that do not break.
fn is_space(c: char) -> bool {
    (c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{85}'))
        || matches!(c, '\u{1c}'..='\u{1f}')
}

pub(super) fn trim(call: &Call) -> Result<ArrayRef> {
    trimmed(call, true, true)
}

pub(super) fn ltrim(call: &Call) -> Result<ArrayRef> {
    trimmed(call, true, false)
}

pub(super) fn rtrim(call: &Call) -> Result<ArrayRef> {
    trimmed(call, false, true)
}

fn trimmed(call: &Call, at_start: bool, at_end: bool) -> Result<ArrayRef> {
    let has_characters = call.len() == 2;
    let is_char = call.is_char(0);
    call.build_text(|row, out| {
        let characters = match has_characters {
            true => call.get::<Text>(1, row),
            false => Some(""),
        };
        let (Some(mut text), Some(characters)) = (call.get::<Text>(0, row), characters) else {
            return Ok(false);
        };
        if is_char {
            text = text.trim_end_matches(' ');
        }
        let goes = |c: char| {
            if has_characters {
                characters.contains(c)
            } else {
                is_space(c)
            }
        };
        if at_start {
            text = text.trim_start_matches(goes);
        }
        if at_end {
            text = text.trim_end_matches(goes);
        }
        out.push_str(text);
        Ok(true)
    })
}
