//! Regular expressions of Java's syntax: look-around and back references included.

mod pattern;

use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::error::{DataFusionError, Result};
use fancy_regex::{Captures, Regex};

pub(super) use self::pattern::Pattern;
use super::call::{Call, Int, Long, Memo, Text, invalid};
use super::scalar::Entry;
use super::strings::list_builder;

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("regexp_count", regexp_count),
    Entry::new("regexp_extract", regexp_extract),
    Entry::new("regexp_extract_all", regexp_extract_all),
    Entry::new("regexp_like", regexp_like),
    Entry::new("regexp_position", regexp_position),
    Entry::new("regexp_replace", regexp_replace),
    Entry::new("regexp_split", regexp_split),
];

pub(super) fn failed(error: &fancy_regex::Error) -> DataFusionError {
    invalid(format!("Regular expression matching failed: {error}"))
}

/// Calls `visit` with each match; an empty match is followed by one at the next character.
pub(super) fn each_match<'t>(
    pattern: &Pattern,
    text: &'t str,
    mut visit: impl FnMut(&Captures<'t>) -> Result<bool>,
) -> Result<()> {
    for captures in pattern.of(text).captures_iter(text) {
        let captures = captures.map_err(|error| failed(&error))?;
        if !visit(&captures)? {
            break;
        }
    }
    Ok(())
}

/// Calls `visit` with the place of each match.
fn each_place(
    pattern: &Pattern,
    text: &str,
    mut visit: impl FnMut(usize, usize) -> bool,
) -> Result<()> {
    for found in pattern.of(text).find_iter(text) {
        let found = found.map_err(|error| failed(&error))?;
        if !visit(found.start(), found.end()) {
            break;
        }
    }
    Ok(())
}

fn regexp_like(call: &Call) -> Result<ArrayRef> {
    let mut patterns = Memo::new();
    call.map2::<Text, Text, bool>(|text, pattern| {
        let pattern = patterns.get(pattern, Pattern::compile)?;
        pattern
            .of(text)
            .is_match(text)
            .map(Some)
            .map_err(|error| failed(&error))
    })
}

fn regexp_count(call: &Call) -> Result<ArrayRef> {
    let mut patterns = Memo::new();
    call.map2::<Text, Text, i64>(|text, pattern| {
        let mut count = 0;
        each_place(patterns.get(pattern, Pattern::compile)?, text, |_, _| {
            count += 1;
            true
        })?;
        Ok(Some(count))
    })
}

/// Returns the group that a row asks for, checked against the pattern.
fn group(regex: &Regex, group: i64) -> Result<usize> {
    let number = usize::try_from(group).map_err(|_| invalid("Group cannot be negative"))?;
    let groups = regex.captures_len() - 1;
    if number > groups {
        return Err(invalid(format!(
            "Pattern has {groups} groups. Cannot access group {group}"
        )));
    }
    Ok(number)
}

/// Returns text, pattern and group of a row.
fn extraction(call: &Call, row: usize) -> Option<(&str, &str, i64)> {
    let group = match call.len() {
        3 => call.get::<Long>(2, row)?,
        _ => 0,
    };
    Some((call.get::<Text>(0, row)?, call.get::<Text>(1, row)?, group))
}

/// `regexp_extract(text, pattern [, group])`.
fn regexp_extract(call: &Call) -> Result<ArrayRef> {
    let mut patterns = Memo::new();
    call.build_text(|row, out| {
        let Some((text, pattern, number)) = extraction(call, row) else {
            return Ok(false);
        };
        let pattern = patterns.get(pattern, Pattern::compile)?;
        let number = group(pattern.regex(), number)?;
        let captures = pattern
            .of(text)
            .captures(text)
            .map_err(|error| failed(&error))?;
        let Some(found) = captures.and_then(|captures| captures.get(number)) else {
            return Ok(false);
        };
        out.push_str(found.as_str());
        Ok(true)
    })
}

/// `regexp_extract_all(text, pattern [, group])`.
fn regexp_extract_all(call: &Call) -> Result<ArrayRef> {
    let mut patterns = Memo::new();
    let mut builder = list_builder();
    for row in 0..call.rows {
        let Some((text, pattern, number)) = extraction(call, row) else {
            builder.append(false);
            continue;
        };
        let pattern = patterns.get(pattern, Pattern::compile)?;
        let number = group(pattern.regex(), number)?;
        each_match(pattern, text, |captures| {
            let found = captures.get(number).map(|found| found.as_str());
            builder.values().append_option(found);
            Ok(true)
        })?;
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}

/// `regexp_split(text, pattern)`.
fn regexp_split(call: &Call) -> Result<ArrayRef> {
    let mut patterns = Memo::new();
    let mut builder = list_builder();
    for row in 0..call.rows {
        let (Some(text), Some(pattern)) = (call.get::<Text>(0, row), call.get::<Text>(1, row))
        else {
            builder.append(false);
            continue;
        };
        let mut rest = 0;
        each_place(
            patterns.get(pattern, Pattern::compile)?,
            text,
            |start, end| {
                builder
                    .values()
                    .append_value(text.get(rest..start).unwrap_or_default());
                rest = end;
                true
            },
        )?;
        builder
            .values()
            .append_value(text.get(rest..).unwrap_or_default());
        builder.append(true);
    }
    Ok(Arc::new(builder.finish()))
}

/// `regexp_position(text, pattern [, start [, occurrence]])`: -1 if there is none.
fn regexp_position(call: &Call) -> Result<ArrayRef> {
    let mut patterns = Memo::new();
    call.build::<i32>(|row| {
        let number = |position: usize| match call.len() > position {
            true => call.get::<Int>(position, row),
            false => Some(1),
        };
        let (Some(text), Some(pattern), Some(start), Some(occurrence)) = (
            call.get::<Text>(0, row),
            call.get::<Text>(1, row),
            number(2),
            number(3),
        ) else {
            return Ok(None);
        };
        if start < 1 {
            return Err(invalid("start position cannot be smaller than 1"));
        }
        if occurrence < 1 {
            return Err(invalid("occurrence cannot be smaller than 1"));
        }
        let pattern = patterns.get(pattern, Pattern::compile)?;
        let skipped = usize::try_from(start - 1).unwrap_or(usize::MAX);
        let Some(from) = text.char_indices().map(|(at, _)| at).nth(skipped) else {
            return Ok(Some(-1));
        };
        let (mut left, mut found) = (occurrence, None);
        each_place(pattern, text, |at, _| {
            if at >= from {
                left -= 1;
                if left == 0 {
                    found = Some(at);
                }
            }
            left > 0
        })?;
        let position = found.and_then(|at| text.get(..at));
        Ok(Some(position.map_or(-1, |before| {
            i32::try_from(before.chars().count() + 1).unwrap_or(-1)
        })))
    })
}

/// A part of a replacement.
enum Piece {
    Text(String),
    Group(usize),
}

/// Reads `$1`, `${name}` and `\$`.
fn replacement(text: &str, regex: &Regex) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => plain.push(rest.next().ok_or_else(|| {
                invalid("Illegal replacement sequence: character to be escaped is missing")
            })?),
            '$' => {
                let group = match rest.peek() {
                    Some('{') => {
                        rest.next();
                        let name: String = rest.by_ref().take_while(|c| *c != '}').collect();
                        let known = regex.capture_names().position(|own| own == Some(&name));
                        known.ok_or_else(|| {
                            invalid(format!(
                                "Illegal replacement sequence: unknown group {{ {name} }}"
                            ))
                        })?
                    }
                    Some(digit) if digit.is_ascii_digit() => numbered(&mut rest, regex)?,
                    _ => {
                        return Err(invalid(
                            "Illegal replacement sequence: illegal group reference",
                        ));
                    }
                };
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Group(group));
            }
            other => plain.push(other),
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// Reads a group number: as many digits as still name a group.
fn numbered(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, regex: &Regex) -> Result<usize> {
    let groups = regex.captures_len() - 1;
    let mut number: Option<usize> = None;
    while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10)) {
        let digit = usize::try_from(digit).unwrap_or(0);
        let longer = number.map_or(digit, |number| number * 10 + digit);
        if longer > groups {
            if number.is_none() {
                let message = format!("Illegal replacement sequence: unknown group {longer}");
                return Err(invalid(message));
            }
            break;
        }
        number = Some(longer);
        rest.next();
    }
    Ok(number.unwrap_or(0))
}

/// `regexp_replace(text, pattern [, replacement])`: every match.
fn regexp_replace(call: &Call) -> Result<ArrayRef> {
    let mut key = String::new();
    let mut memo: Memo<(Pattern, Vec<Piece>)> = Memo::new();
    call.build_text(|row, out| {
        let other = match call.len() {
            3 => call.get::<Text>(2, row),
            _ => Some(""),
        };
        let (Some(text), Some(pattern), Some(other)) =
            (call.get::<Text>(0, row), call.get::<Text>(1, row), other)
        else {
            return Ok(false);
        };
        key.clear();
        key.push_str(pattern);
        key.push('\0');
        key.push_str(other);
        let (pattern, pieces) = memo.get(&key, |_| {
            let pattern = Pattern::compile(pattern)?;
            let pieces = replacement(other, pattern.regex())?;
            Ok((pattern, pieces))
        })?;
        let mut rest = 0;
        each_match(pattern, text, |captures| {
            let Some(whole) = captures.get(0) else {
                return Ok(true);
            };
            out.push_str(text.get(rest..whole.start()).unwrap_or_default());
            for piece in pieces {
                match piece {
                    Piece::Text(text) => out.push_str(text),
                    Piece::Group(group) => {
                        out.push_str(captures.get(*group).map_or("", |found| found.as_str()));
                    }
                }
            }
            rest = whole.end();
            Ok(true)
        })?;
        out.push_str(text.get(rest..).unwrap_or_default());
        Ok(true)
    })
}
