//! `FOR VERSION AS OF` and `FOR TIMESTAMP AS OF`, which no parser of ours knows.
//!
//! The clause is taken out of the token stream and written into the last part of the table's name, behind a
//! separator that no table name may contain; the catalog reads it there. What cannot be understood is an
//! error, because a clause that is dropped would answer with today's rows.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Word};
use lake::AsOf;

use crate::{Error, Result};

/// Separates a table's name from its version; not allowed in names.
const SEPARATOR: char = '@';

/// Returns `sql` with each time-travel clause moved into the name before it.
///
/// # Errors
/// A clause without a table name, a version that is no number, or a time that is no literal.
pub fn rewrite(sql: &str) -> Result<String> {
    if !sql.to_ascii_lowercase().contains("as of") && !sql.to_ascii_lowercase().contains(" of") {
        return Ok(sql.to_owned());
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        // Literals stay as they are written: what is put together again must say the same.
        .with_unescape(false)
        .tokenize()
        .map_err(|error| Error::Syntax {
            message: error.to_string(),
        })?;
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
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
    Ok(out.iter().map(ToString::to_string).collect())
}

/// Returns the table name and the version written into `name` by [`rewrite`].
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

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

fn skip_space(mut tokens: &[Token]) -> &[Token] {
    while let [Token::Whitespace(_), tail @ ..] = tokens {
        tokens = tail;
    }
    tokens
}

fn word<'a>(tokens: &'a [Token], expected: &str) -> Option<&'a [Token]> {
    let (first, tail) = skip_space(tokens).split_first()?;
    is_word(first, expected).then_some(tail)
}

fn clause_start(tokens: &[Token]) -> Option<(Kind, &[Token])> {
    let (kind, tail) = word(tokens, "version")
        .map(|tail| (Kind::Version, tail))
        .or_else(|| word(tokens, "timestamp").map(|tail| (Kind::Timestamp, tail)))?;
    Some((kind, word(word(tail, "as")?, "of")?))
}

fn clause_value(kind: Kind, tokens: &[Token]) -> Result<(String, &[Token])> {
    let tokens = skip_space(tokens);
    let unknown = |wanted: &str| Error::Invalid {
        message: format!(
            "{wanted}, found `{}`",
            tokens.first().map_or_else(String::new, ToString::to_string)
        ),
    };
    match (kind, tokens) {
        (Kind::Version, [Token::Number(digits, _), tail @ ..]) => {
            let version: u64 = digits
                .parse()
                .map_err(|_| unknown("FOR VERSION AS OF takes a version number"))?;
            Ok((format!("{SEPARATOR}v{version}"), tail))
        }
        (Kind::Version, _) => Err(unknown("FOR VERSION AS OF takes a version number")),
        (Kind::Timestamp, tokens) => {
            let literal = word(tokens, "timestamp")
                .or_else(|| word(tokens, "date"))
                .unwrap_or(tokens);
            let [Token::SingleQuotedString(text), tail @ ..] = skip_space(literal) else {
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
fn attach(out: &mut Vec<Token>, suffix: &str) -> Result<()> {
    while let Some(Token::Whitespace(_)) = out.last() {
        out.pop();
    }
    let Some(Token::Word(name)) = out.last_mut() else {
        return Err(Error::Invalid {
            message: "a time-travel clause must follow a table name".to_owned(),
        });
    };
    let text = match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_ascii_lowercase(),
    };
    *name = Word {
        value: format!("{text}{suffix}"),
        quote_style: Some('"'),
        keyword: datafusion::sql::sqlparser::keywords::Keyword::NoKeyword,
    };
    out.push(Token::Whitespace(
        datafusion::sql::sqlparser::tokenizer::Whitespace::Space,
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_moves_into_the_name() {
        let sql =
            rewrite("SELECT * FROM lake.flights.Flights FOR VERSION AS OF 3 f JOIN b").unwrap();
        assert_eq!(sql, "SELECT * FROM lake.flights.\"flights@v3\"  f JOIN b");
        assert!(matches!(
            split_name("flights@v3"),
            Ok(("flights", AsOf::Version(3)))
        ));
    }

    #[test]
    fn a_timestamp_moves_into_the_name() {
        let sql =
            rewrite("SELECT 1 FROM t FOR TIMESTAMP AS OF TIMESTAMP '1970-01-01 00:00:01 UTC'")
                .unwrap();
        assert_eq!(sql, "SELECT 1 FROM \"t@t1000000\" ");
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert!(rewrite("SELECT * FROM t FOR VERSION AS OF latest").is_err());
        assert!(rewrite("SELECT * FROM t FOR TIMESTAMP AS OF now()").is_err());
        assert!(rewrite("SELECT * FROM (SELECT 1) FOR VERSION AS OF 1").is_err());
    }

    #[test]
    fn text_in_literals_stays() {
        let sql = "SELECT 'x FOR VERSION AS OF 3'";
        assert_eq!(rewrite(sql).unwrap(), sql);
    }
}
