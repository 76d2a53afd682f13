//! Text: cutting, searching, padding, splitting.

mod distance;
mod edges;
mod split;
mod words;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::error::Result;
use unicode_normalization::UnicodeNormalization as _;

use super::call::{Bytes, Call, Long, Text, invalid};
use super::scalar::Entry;

pub(super) use split::list_builder;

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("char2hexint", words::char2hexint),
    Entry::new("chr", chr),
    Entry::new("codepoint", codepoint),
    Entry::new("hamming_distance", distance::hamming_distance),
    Entry::new("index", strpos),
    Entry::new("length", length),
    Entry::new("levenshtein_distance", distance::levenshtein_distance),
    Entry::new("lower", lower).keeping_char(),
    Entry::new("lpad", edges::lpad),
    Entry::new("ltrim", edges::ltrim),
    Entry::new("luhn_check", words::luhn_check),
    Entry::new("normalize", normalize),
    Entry::new("replace", replace),
    Entry::new("rpad", edges::rpad),
    Entry::new("rtrim", edges::rtrim),
    Entry::new("soundex", words::soundex),
    Entry::new("split", split::split),
    Entry::new("split_part", split::split_part),
    Entry::new("split_to_map", split::split_to_map).returning(split::map_type),
    Entry::new("split_to_multimap", split::split_to_multimap).returning(split::multimap_type),
    Entry::new("starts_with", |call| {
        call.map2::<Text, Text, bool>(|text, start| Ok(Some(text.starts_with(start))))
    }),
    Entry::new("strpos", strpos),
    Entry::new("substr", substr),
    Entry::new("substring", substr),
    Entry::new("translate", translate),
    Entry::new("trim", edges::trim),
    Entry::new("upper", upper).keeping_char(),
    Entry::new("word_stem", words::word_stem),
];

fn is_binary(call: &Call) -> bool {
    call.data_type(0) == DataType::Binary
}

fn length(call: &Call) -> Result<ArrayRef> {
    let number = |length: usize| Ok(Some(i64::try_from(length).unwrap_or(i64::MAX)));
    if is_binary(call) {
        return call.map1::<Bytes, i64>(|bytes| number(bytes.len()));
    }
    call.map1::<Text, i64>(|text| number(text.chars().count()))
}

fn lower(call: &Call) -> Result<ArrayRef> {
    call.text1(|text, out| {
        // Each character by itself, as in Java's code point tables: no final sigma.
        out.extend(text.chars().flat_map(char::to_lowercase));
        Ok(true)
    })
}

fn upper(call: &Call) -> Result<ArrayRef> {
    call.text1(|text, out| {
        for c in text.chars() {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(one), None) => out.push(one),
                // One code point becomes one code point.
                _ => out.push(c),
            }
        }
        Ok(true)
    })
}

fn chr(call: &Call) -> Result<ArrayRef> {
    call.build_text(|row, out| {
        let Some(code) = call.get::<Long>(0, row) else {
            return Ok(false);
        };
        let c = u32::try_from(code).ok().and_then(char::from_u32);
        out.push(c.ok_or_else(|| invalid(format!("Not a valid Unicode code point: {code}")))?);
        Ok(true)
    })
}

fn codepoint(call: &Call) -> Result<ArrayRef> {
    call.map1::<Text, i32>(|text| {
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(i32::try_from(u32::from(c)).ok()),
            _ => Err(invalid("Input string must be a single character string")),
        }
    })
}

/// Returns where a part starts and how long it is; a negative start counts from the end, zero has nothing.
fn part(size: usize, start: i64, length: Option<i64>) -> Option<(usize, usize)> {
    let size = i64::try_from(size).ok()?;
    let from = match start {
        1.. => start - 1,
        0 => return None,
        _ => size.checked_add(start).filter(|from| *from >= 0)?,
    };
    let length = length.unwrap_or(i64::MAX).min(size.checked_sub(from)?);
    Some((
        usize::try_from(from).ok()?,
        usize::try_from(length).ok().filter(|length| *length > 0)?,
    ))
}

/// `substr(x, start [, length])`.
fn substr(call: &Call) -> Result<ArrayRef> {
    let arguments = |row: usize| {
        let length = match call.len() {
            3 => Some(call.get::<Long>(2, row)?),
            _ => None,
        };
        Some((call.get::<Long>(1, row)?, length))
    };
    if is_binary(call) {
        return call.build_bytes(|row, out| {
            let (Some(bytes), Some((start, length))) = (call.get::<Bytes>(0, row), arguments(row))
            else {
                return Ok(false);
            };
            if let Some((from, length)) = part(bytes.len(), start, length) {
                out.extend_from_slice(bytes.get(from..from + length).unwrap_or_default());
            }
            Ok(true)
        });
    }
    call.build_text(|row, out| {
        let (Some(text), Some((start, length))) = (call.get::<Text>(0, row), arguments(row)) else {
            return Ok(false);
        };
        if text.is_ascii() {
            if let Some((from, length)) = part(text.len(), start, length) {
                out.push_str(text.get(from..from + length).unwrap_or_default());
            }
        } else if let Some((from, length)) = part(text.chars().count(), start, length) {
            out.extend(text.chars().skip(from).take(length));
        }
        Ok(true)
    })
}

/// `strpos(text, part [, instance])`: 0 if there is none; a negative instance counts from the end.
fn strpos(call: &Call) -> Result<ArrayRef> {
    call.build::<i64>(|row| {
        let instance = match call.len() {
            3 => call.get::<Long>(2, row),
            _ => Some(1),
        };
        let (Some(text), Some(part), Some(instance)) =
            (call.get::<Text>(0, row), call.get::<Text>(1, row), instance)
        else {
            return Ok(None);
        };
        if instance == 0 {
            return Err(invalid("'instance' must be a positive or negative number."));
        }
        if part.is_empty() {
            return Ok(Some(1));
        }
        let found = nth_match(text, part, instance);
        let characters = found.map_or(0, |at| {
            text.get(..at)
                .map_or(0, |before| before.chars().count() + 1)
        });
        Ok(i64::try_from(characters).ok())
    })
}

/// Returns the byte at which the n-th match starts; matches may overlap.
fn nth_match(text: &str, part: &str, instance: i64) -> Option<usize> {
    let nth = usize::try_from(instance.unsigned_abs())
        .ok()?
        .checked_sub(1)?;
    let starts = text.char_indices().map(|(at, _)| at);
    let is_match = |at: &usize| text.get(*at..).is_some_and(|rest| rest.starts_with(part));
    if instance > 0 {
        if nth == 0 {
            return text.find(part);
        }
        starts.filter(is_match).nth(nth)
    } else {
        starts.rev().filter(is_match).nth(nth)
    }
}

/// `replace(text, part [, other])`.
fn replace(call: &Call) -> Result<ArrayRef> {
    call.build_text(|row, out| {
        let other = match call.len() {
            3 => call.get::<Text>(2, row),
            _ => Some(""),
        };
        let (Some(text), Some(part), Some(other)) =
            (call.get::<Text>(0, row), call.get::<Text>(1, row), other)
        else {
            return Ok(false);
        };
        let mut rest = 0;
        for (at, matched) in text.match_indices(part) {
            out.push_str(text.get(rest..at).unwrap_or_default());
            out.push_str(other);
            rest = at + matched.len();
        }
        out.push_str(text.get(rest..).unwrap_or_default());
        Ok(true)
    })
}

/// `translate(text, from, to)`: the first of equal characters counts; what has no counterpart goes.
fn translate(call: &Call) -> Result<ArrayRef> {
    call.build_text(|row, out| {
        let (Some(text), Some(from), Some(to)) = (
            call.get::<Text>(0, row),
            call.get::<Text>(1, row),
            call.get::<Text>(2, row),
        ) else {
            return Ok(false);
        };
        for c in text.chars() {
            match from.chars().position(|known| known == c) {
                None => out.push(c),
                Some(at) => out.extend(to.chars().nth(at)),
            }
        }
        Ok(true)
    })
}

/// `normalize(text [, form])`.
fn normalize(call: &Call) -> Result<ArrayRef> {
    call.build_text(|row, out| {
        let form = match call.len() {
            2 => call.get::<Text>(1, row),
            _ => Some("NFC"),
        };
        let (Some(text), Some(form)) = (call.get::<Text>(0, row), form) else {
            return Ok(false);
        };
        match form {
            "NFC" => out.extend(text.nfc()),
            "NFD" => out.extend(text.nfd()),
            "NFKC" => out.extend(text.nfkc()),
            "NFKD" => out.extend(text.nfkd()),
            _ => {
                return Err(invalid(
                    "Normalization form must be one of [NFD, NFC, NFKD, NFKC]",
                ));
            }
        }
        Ok(true)
    })
}
