//! Types that the parser does not read, in text that it does: what follows `AS` in a cast and is an array, a map or
//! a row becomes one type name with the text as its parameter.
//!
//! ```text
//! CAST(x AS ROW(a ARRAY(varchar), b decimal(10,2)))  ->  CAST(x AS presto_type('ROW(a ARRAY(varchar), …)'))
//! ```

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::{Error, Result};

/// The type name whose parameter is the type.
pub const PRESTO_TYPE_NAME: &str = "presto_type";

/// Returns `sql` with the types of casts as the parser reads them.
///
/// # Errors
/// The text has no tokens, for example because a quote is not closed.
pub fn rewrite(sql: &str) -> Result<String> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .with_unescape(false)
        .tokenize()
        .map_err(|error| Error::Syntax {
            message: error.to_string(),
        })?;
    let (mut out, mut is_changed) = (String::with_capacity(sql.len()), false);
    let (mut rest, mut is_behind_as) = (tokens.as_slice(), false);
    // For each open parenthesis, whether it is that of a cast.
    let (mut parentheses, mut is_behind_cast) = (Vec::new(), false);
    while let [token, tail @ ..] = rest {
        if is_behind_as && let Some(length) = nested_type(rest) {
            let text: String = rest.iter().take(length).map(ToString::to_string).collect();
            out.push_str(&format!(
                "{PRESTO_TYPE_NAME}('{}')",
                text.replace('\'', "''")
            ));
            rest = rest.get(length..).unwrap_or_default();
            is_changed = true;
            is_behind_as = false;
            continue;
        }
        if !matches!(token, Token::Whitespace(_)) {
            is_behind_as = is_word(token, "AS") && parentheses.last() == Some(&true);
            match token {
                Token::LParen => parentheses.push(is_behind_cast),
                Token::RParen => drop(parentheses.pop()),
                _ => {}
            }
            is_behind_cast = is_word(token, "CAST") || is_word(token, "TRY_CAST");
        }
        out.push_str(&token.to_string());
        rest = tail;
    }
    Ok(if is_changed { out } else { sql.to_owned() })
}

fn is_word(token: &Token, text: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text))
}

/// Returns how many tokens the nested type takes that begins here.
fn nested_type(tokens: &[Token]) -> Option<usize> {
    let first = tokens.first()?;
    if !["ARRAY", "MAP", "ROW"]
        .iter()
        .any(|name| is_word(first, name))
    {
        return None;
    }
    let mut depth = 0_usize;
    for (position, token) in tokens.iter().enumerate().skip(1) {
        match token {
            Token::Whitespace(_) => {}
            Token::LParen | Token::Lt => depth += 1,
            Token::RParen | Token::Gt => depth = depth.checked_sub(1)?,
            Token::ShiftRight => depth = depth.checked_sub(2)?,
            _ if depth == 0 => return None,
            _ => {}
        }
        if depth == 0 && !matches!(token, Token::Whitespace(_)) {
            return Some(position + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_casts_become_one_name() {
        let cases = [
            (
                "SELECT CAST(x AS ROW(a ARRAY(varchar), b decimal(10,2))) AS row FROM t",
                "SELECT CAST(x AS presto_type('ROW(a ARRAY(varchar), b decimal(10,2))')) AS row FROM t",
            ),
            (
                "SELECT TRY_CAST(x AS array<array<int>>)",
                "SELECT TRY_CAST(x AS presto_type('array<array<int>>'))",
            ),
            ("SELECT 1 AS map, ROW(1, 2)", "SELECT 1 AS map, ROW(1, 2)"),
            (
                "SELECT k FROM UNNEST(m) AS map(k, v)",
                "SELECT k FROM UNNEST(m) AS map(k, v)",
            ),
            (
                "WITH row AS (SELECT 1) SELECT 1",
                "WITH row AS (SELECT 1) SELECT 1",
            ),
        ];
        for (sql, expected) in cases {
            assert_eq!(rewrite(sql).unwrap(), expected);
        }
    }
}
