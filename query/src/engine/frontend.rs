//! Statements of Presto that no SQL parser of ours knows: told apart by their first words.
//!
//! Works on tokens, so that comments, quotes and letter case are right; whatever is not listed here goes to
//! the parser unchanged.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::metastore::{self, MetastoreStatement};
use crate::{Error, Result};

/// A statement of the session layer, or SQL for the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FrontStatement {
    /// For the parser.
    Sql,
    /// A statement about names.
    Metastore(Box<MetastoreStatement>),
    /// `EXPLAIN …`, whole.
    Explain { sql: String },
    /// `PREPARE name FROM sql`.
    Prepare { name: String, sql: String },
    /// `EXECUTE name [USING …]`.
    Execute {
        name: String,
        arguments: Vec<String>,
    },
    /// `EXECUTE IMMEDIATE 'sql' [USING …]`.
    ExecuteImmediate { sql: String, arguments: Vec<String> },
    /// `DEALLOCATE PREPARE name`.
    Deallocate { name: String },
    /// `DESCRIBE INPUT name`.
    DescribeInput { name: String },
    /// `DESCRIBE OUTPUT name`.
    DescribeOutput { name: String },
    /// `SET SESSION name = value`.
    SetSession { name: String, value: String },
    /// `RESET SESSION name`.
    ResetSession { name: String },
    /// `SET TIME ZONE zone`; none is LOCAL.
    SetTimeZone { zone: Option<String> },
    /// `SHOW SESSION [LIKE pattern]`.
    ShowSession { pattern: Option<String> },
    /// `START TRANSACTION …`.
    StartTransaction,
    /// `COMMIT [WORK]`.
    Commit,
    /// `ROLLBACK [WORK]`.
    Rollback,
}

/// Returns what `sql` is.
///
/// # Errors
/// One of these statements, but malformed.
pub(super) fn classify(sql: &str) -> Result<FrontStatement> {
    let tokens = tokenize(sql)?;
    let code: Vec<&Token> = tokens.iter().filter(|token| !is_blank(token)).collect();
    let words: Vec<String> = code
        .iter()
        .take(3)
        .map(|token| token.to_string().to_ascii_uppercase())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Some(statement) = metastore::parse(&words, sql)? {
        return Ok(FrontStatement::Metastore(Box::new(statement)));
    }
    let rest = |count: usize| code.get(count..).unwrap_or_default();
    let malformed = |usage: &str| Error::Syntax {
        message: format!("Expected: {usage}, found: `{sql}`"),
    };
    Ok(match words.as_slice() {
        ["EXPLAIN", ..] => FrontStatement::Explain {
            sql: sql.to_owned(),
        },
        ["PREPARE", _, "FROM"] => {
            let name = name_at(&code, 1)?;
            FrontStatement::Prepare {
                name,
                sql: text_after(&tokens, 3),
            }
        }
        ["EXECUTE", "IMMEDIATE", _] => {
            let Some(Token::SingleQuotedString(inner)) = code.get(2) else {
                return Err(malformed(
                    "EXECUTE IMMEDIATE 'statement' [USING value, ...]",
                ));
            };
            FrontStatement::ExecuteImmediate {
                sql: unescape(inner),
                arguments: using(&tokens, 3)?,
            }
        }
        ["EXECUTE", ..] => FrontStatement::Execute {
            name: name_at(&code, 1)?,
            arguments: using(&tokens, 2)?,
        },
        ["DEALLOCATE", "PREPARE", _] => FrontStatement::Deallocate {
            name: name_at(&code, 2)?,
        },
        ["DESCRIBE", "INPUT", _] => FrontStatement::DescribeInput {
            name: name_at(&code, 2)?,
        },
        ["DESCRIBE", "OUTPUT", _] => FrontStatement::DescribeOutput {
            name: name_at(&code, 2)?,
        },
        ["SET", "SESSION", "AUTHORIZATION"] | ["RESET", "SESSION", "AUTHORIZATION"] => {
            return Err(Error::NotSupported {
                what: "SESSION AUTHORIZATION".to_owned(),
            });
        }
        ["SET", "SESSION", ..] => {
            let tail = rest(2);
            let Some(equals) = tail.iter().position(|token| matches!(token, Token::Eq)) else {
                return Err(malformed("SET SESSION name = value"));
            };
            let (name, value) = tail.split_at(equals);
            let value = match value.get(1..).unwrap_or_default() {
                [Token::SingleQuotedString(text)] => unescape(text),
                other => join(other),
            };
            FrontStatement::SetSession {
                name: join(name).to_ascii_lowercase(),
                value,
            }
        }
        ["RESET", "SESSION", ..] => FrontStatement::ResetSession {
            name: join(rest(2)).to_ascii_lowercase(),
        },
        ["SET", "TIME", "ZONE"] => match rest(3) {
            [Token::SingleQuotedString(zone)] => FrontStatement::SetTimeZone {
                zone: Some(zone.clone()),
            },
            [word] if is_word(word, "LOCAL") => FrontStatement::SetTimeZone { zone: None },
            _ => return Err(malformed("SET TIME ZONE 'Area/City' or LOCAL")),
        },
        ["SHOW", "SESSION", ..] => FrontStatement::ShowSession {
            pattern: like(rest(2))?,
        },
        ["START", "TRANSACTION", ..] => FrontStatement::StartTransaction,
        ["COMMIT", ..] => FrontStatement::Commit,
        ["ROLLBACK", ..] => FrontStatement::Rollback,
        _ => FrontStatement::Sql,
    })
}

/// Returns `sql` with each `?` replaced by the argument at its place.
///
/// # Errors
/// More or fewer arguments than placeholders.
pub(super) fn bind(sql: &str, arguments: &[String]) -> Result<String> {
    let tokens = tokenize(sql)?;
    let expected = tokens.iter().filter(|token| is_placeholder(token)).count();
    if expected != arguments.len() {
        return Err(Error::InvalidParameterUsage {
            expected,
            found: arguments.len(),
        });
    }
    let mut values = arguments.iter();
    Ok(tokens
        .iter()
        .map(|token| match is_placeholder(token) {
            true => values.next().cloned().unwrap_or_default(),
            false => token.to_string(),
        })
        .collect())
}

/// Returns how many `?` a statement has.
pub(super) fn count_placeholders(sql: &str) -> Result<usize> {
    Ok(tokenize(sql)?
        .iter()
        .filter(|token| is_placeholder(token))
        .count())
}

fn tokenize(sql: &str) -> Result<Vec<Token>> {
    Tokenizer::new(&GenericDialect {}, sql)
        // Literals stay as they are written: values and statements are put together again from tokens.
        .with_unescape(false)
        .tokenize()
        .map_err(|error| Error::Syntax {
            message: error.to_string(),
        })
}

/// Returns what a literal's text between its quotes means.
fn unescape(text: &str) -> String {
    text.replace("''", "'")
}

fn is_blank(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_))
}

fn is_placeholder(token: &Token) -> bool {
    matches!(token, Token::Placeholder(text) if text == "?")
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

fn join(tokens: &[&Token]) -> String {
    tokens.iter().map(ToString::to_string).collect()
}

fn name_at(code: &[&Token], position: usize) -> Result<String> {
    match code.get(position) {
        Some(Token::Word(word)) => Ok(match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_ascii_lowercase(),
        }),
        _ => Err(Error::Syntax {
            message: "Expected: a statement name, found: EOF".to_owned(),
        }),
    }
}

/// Returns the text after the first `count` tokens that are code.
fn text_after(tokens: &[Token], count: usize) -> String {
    let mut seen = 0;
    let mut text = String::new();
    for token in tokens {
        if seen >= count {
            text.push_str(&token.to_string());
        } else if !is_blank(token) {
            seen += 1;
        }
    }
    text.trim().to_owned()
}

/// Returns the comma-separated values after `USING`, which may follow the first `count` tokens.
fn using(tokens: &[Token], count: usize) -> Result<Vec<String>> {
    let code: Vec<&Token> = tokens
        .iter()
        .filter(|token| !is_blank(token))
        .skip(count)
        .collect();
    match code.first() {
        None => return Ok(Vec::new()),
        Some(word) if is_word(word, "USING") => {}
        Some(other) => {
            return Err(Error::Syntax {
                message: format!("Expected: USING, found: {other}"),
            });
        }
    }
    let (mut values, mut current, mut depth) = (Vec::new(), String::new(), 0_i32);
    let mut seen = 0;
    for token in tokens {
        if seen <= count {
            seen += usize::from(!is_blank(token));
            continue;
        }
        match token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth -= 1,
            Token::Comma if depth == 0 => {
                values.push(std::mem::take(&mut current).trim().to_owned());
                continue;
            }
            _ => {}
        }
        current.push_str(&token.to_string());
    }
    values.push(current.trim().to_owned());
    if values.iter().any(String::is_empty) {
        return Err(Error::Syntax {
            message: "Expected: a value after USING, found: EOF".to_owned(),
        });
    }
    Ok(values)
}

/// Reads `LIKE 'pattern' [ESCAPE 'c']`; an escape character becomes the backslash of the engine.
fn like(tokens: &[&Token]) -> Result<Option<String>> {
    match tokens {
        [] => Ok(None),
        [word, Token::SingleQuotedString(pattern)] if is_word(word, "LIKE") => {
            Ok(Some(pattern.replace('\\', "\\\\")))
        }
        [
            word,
            Token::SingleQuotedString(pattern),
            escape,
            Token::SingleQuotedString(by),
        ] if is_word(word, "LIKE") && is_word(escape, "ESCAPE") => {
            Ok(Some(pattern.replace(by.as_str(), "\\")))
        }
        _ => Err(Error::Syntax {
            message: format!("Expected: LIKE 'pattern', found: {}", join(tokens)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_take_their_places() {
        let sql = "SELECT '?', a FROM t WHERE b = ? AND c IN (?)";
        let bound = bind(sql, &["1".to_owned(), "'x'".to_owned()]).unwrap();
        assert_eq!(bound, "SELECT '?', a FROM t WHERE b = 1 AND c IN ('x')");
        assert!(matches!(
            bind(sql, &[]),
            Err(Error::InvalidParameterUsage {
                expected: 2,
                found: 0
            })
        ));
    }

    #[test]
    fn execute_immediate_is_split() {
        let parsed = classify("EXECUTE IMMEDIATE 'SELECT ?, ''a''' USING 1, ARRAY[2, 3]").unwrap();
        let expected = FrontStatement::ExecuteImmediate {
            sql: "SELECT ?, 'a'".to_owned(),
            arguments: vec!["1".to_owned(), "ARRAY[2, 3]".to_owned()],
        };
        assert_eq!(parsed, expected);
    }

    #[test]
    fn session_statements_are_known_behind_comments() {
        let parsed = classify("/* x */ set session a.b = 'c d'").unwrap();
        let expected = FrontStatement::SetSession {
            name: "a.b".to_owned(),
            value: "c d".to_owned(),
        };
        assert_eq!(parsed, expected);
        assert_eq!(classify("SELECT 1").unwrap(), FrontStatement::Sql);
    }
}
