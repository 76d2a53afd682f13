//! Presto's syntax in terms of the parser's, before it reads.
//!
//! ```text
//! text -> tokens with their places -> literals -> SQL/JSON -> types -> calls -> queries -> time travel -> the parser
//! ```
//!
//! Tokens keep their places, so that an error names the line and column of the text that the client sent. Blanks
//! and comments are dropped.

mod calls;
mod literals;
mod nested_types;
mod queries;
mod sql_json;
mod time_travel;

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer, Word};

pub use self::nested_types::PRESTO_TYPE_NAME;
pub use self::time_travel::{parse_time, split_name};
use super::dialect::TrinoDialect;
use super::labels::Quoted;
use crate::{Error, Result};

/// A statement, ready for the parser.
#[derive(Debug, Clone)]
pub struct Source {
    /// The tokens; names in quotes are in lower case, because names have no case.
    pub tokens: Vec<TokenWithSpan>,
    /// Those names as they were written.
    pub quoted: Quoted,
}

/// Returns the tokens of a statement.
///
/// # Errors
/// The text has no tokens, for example because a quote is not closed; a time-travel clause or a literal is wrong.
pub fn read(sql: &str) -> Result<Source> {
    let mut tokens = tokenize(sql)?;
    let quoted = lower_names(&mut tokens);
    let tokens = literals::rewrite(tokens)?;
    let tokens = sql_json::rewrite(tokens, &quoted)?;
    let tokens = nested_types::rewrite(tokens);
    let tokens = calls::rewrite(tokens);
    let tokens = queries::rewrite(tokens)?;
    let tokens = time_travel::rewrite(tokens)?;
    Ok(Source { tokens, quoted })
}

fn lower_names(tokens: &mut [TokenWithSpan]) -> Quoted {
    let mut quoted = Quoted::default();
    for token in tokens {
        if let Token::Word(word) = &mut token.token
            && word.quote_style.is_some()
        {
            let lower = word.value.to_lowercase();
            if lower != word.value {
                let written = std::mem::replace(&mut word.value, lower);
                quoted.insert(token.span.start, written);
            }
        }
    }
    quoted
}

/// Returns the tokens of `sql` as they are written, without blanks and comments.
fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>> {
    let mut tokens = Tokenizer::new(&TrinoDialect, sql)
        .tokenize_with_location()
        .map_err(|error| Error::Syntax {
            message: error.to_string(),
        })?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    Ok(tokens)
}

fn word(token: &TokenWithSpan) -> Option<&Word> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

fn is_word(token: &TokenWithSpan, expected: &str) -> bool {
    word(token).is_some_and(|word| word.value.eq_ignore_ascii_case(expected))
}

fn is_any_word(token: &TokenWithSpan, expected: &[&str]) -> bool {
    expected.iter().any(|name| is_word(token, name))
}

fn new_token(token: Token, span: Span) -> TokenWithSpan {
    TokenWithSpan { token, span }
}

fn new_word(text: &str, span: Span) -> TokenWithSpan {
    new_token(Token::make_keyword(text), span)
}

fn new_text(text: String, span: Span) -> TokenWithSpan {
    new_token(Token::SingleQuotedString(text), span)
}

fn new_number(text: String, span: Span) -> TokenWithSpan {
    new_token(Token::Number(text, false), span)
}

fn new_name(text: String, span: Span) -> TokenWithSpan {
    let word = Word {
        value: text,
        quote_style: Some('"'),
        keyword: Keyword::NoKeyword,
    };
    new_token(Token::Word(word), span)
}

/// Returns the index of the parenthesis that closes the one at `open`.
fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
