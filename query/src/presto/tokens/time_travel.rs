//! `FOR VERSION AS OF` and `FOR TIMESTAMP AS OF`, which no parser of ours knows.
//!
//! The clause is taken out of the token stream and written into the last part of the table's name, behind a
//! separator that no table name may contain; the catalog reads it there. What cannot be understood is an
//! error, because a clause that is dropped would answer with today's rows.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use lake::AsOf;

use super::{is_word, new_name};
use crate::{Error, Result};

/// Separates a table's name from its version; not allowed in names.
const SEPARATOR: char = '@';

/// Moves each time-travel clause into the name before it.
///
/// # Errors
/// A clause without a table name, a version that is no number, or a time that is no literal.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some((token, tail)) = rest.split_first() {
        if is_word(token, "for")
            && let Some((kind, after)) = clause_start(tail)
        {
            let (suffix, after) = clause_value(kind, after)?;
            attach(&mut out, &suffix)?;
            rest = after;
        } else {
            out.push(token.clone());
            rest = tail;
        }
    }
    Ok(out)
}

/// Returns the table name and the version written into `name` by [`read`](super::read).
///
/// # Errors
/// A version that does not parse, which only a hand-written name can cause.
pub fn split_name(name: &str) -> Result<(&str, AsOf)> {
    let Some((table, version)) = name.split_once(SEPARATOR) else {
        return Ok((name, AsOf::Latest));
    };
    let invalid = || Error::Invalid {
        message: format!("`{name}` is not a table name"),
    };
    let (kind, value) = version.split_at_checked(1).ok_or_else(invalid)?;
    let as_of = match kind {
        "v" => AsOf::Version(value.parse().map_err(|_| invalid())?),
        "t" => AsOf::Timestamp(
            DateTime::<Utc>::from_timestamp_micros(value.parse().map_err(|_| invalid())?)
                .ok_or_else(invalid)?,
        ),
        _ => return Err(invalid()),
    };
    Ok((table, as_of))
}

#[derive(Clone, Copy)]
enum Kind {
    Version,
    Timestamp,
}

fn word<'a>(tokens: &'a [TokenWithSpan], expected: &str) -> Option<&'a [TokenWithSpan]> {
    let (first, tail) = tokens.split_first()?;
    is_word(first, expected).then_some(tail)
}

fn clause_start(tokens: &[TokenWithSpan]) -> Option<(Kind, &[TokenWithSpan])> {
    let (kind, tail) = word(tokens, "version")
        .map(|tail| (Kind::Version, tail))
        .or_else(|| word(tokens, "timestamp").map(|tail| (Kind::Timestamp, tail)))?;
    Some((kind, word(word(tail, "as")?, "of")?))
}

fn clause_value(kind: Kind, tokens: &[TokenWithSpan]) -> Result<(String, &[TokenWithSpan])> {
    let unknown = |wanted: &str| Error::Invalid {
        message: format!(
            "{wanted}, found `{}`",
            tokens
                .first()
                .map_or_else(String::new, |token| token.token.to_string())
        ),
    };
    match kind {
        Kind::Version => {
            let wanted = "FOR VERSION AS OF takes a version number";
            let Some((Token::Number(digits, _), tail)) = first(tokens) else {
                return Err(unknown(wanted));
            };
            let version: u64 = digits.parse().map_err(|_| unknown(wanted))?;
            Ok((format!("{SEPARATOR}v{version}"), tail))
        }
        Kind::Timestamp => {
            let literal = word(tokens, "timestamp")
                .or_else(|| word(tokens, "date"))
                .unwrap_or(tokens);
            let Some((Token::SingleQuotedString(text), tail)) = first(literal) else {
                return Err(unknown(
                    "FOR TIMESTAMP AS OF takes a literal such as TIMESTAMP '2026-01-31 12:00:00 UTC'",
                ));
            };
            let time = parse_time(text).ok_or_else(|| Error::Invalid {
                message: format!("`{text}` is not a time such as 2026-01-31 12:00:00 UTC"),
            })?;
            Ok((format!("{SEPARATOR}t{}", time.timestamp_micros()), tail))
        }
    }
}

fn first(tokens: &[TokenWithSpan]) -> Option<(&Token, &[TokenWithSpan])> {
    let (first, tail) = tokens.split_first()?;
    Some((&first.token, tail))
}

/// Parses a time with offset, with `UTC`, or without zone, which then is UTC; or a date.
pub fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f %:z", "%Y-%m-%d %H:%M:%S%.f%:z"] {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return Some(time.to_utc());
        }
    }
    let text = text.strip_suffix("UTC").unwrap_or(text).trim_end();
    for format in [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
    ] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(time.and_utc());
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc())
}

/// Appends `suffix` to the name that ends `out`.
fn attach(out: &mut Vec<TokenWithSpan>, suffix: &str) -> Result<()> {
    let Some(last) = out.pop() else {
        return Err(misplaced());
    };
    let Token::Word(name) = last.token else {
        return Err(misplaced());
    };
    let text = format!("{}{suffix}", name.value.to_lowercase());
    out.push(new_name(text, last.span));
    Ok(())
}

fn misplaced() -> Error {
    Error::Invalid {
        message: "a time-travel clause must follow a table name".to_owned(),
    }
}
