//! Queries without `SELECT`, and `FETCH FIRST`.

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::{closing, is_any_word, is_word, new_number, new_token, new_word, word};
use crate::{Error, Result};

/// Words that end the rows of `VALUES`.
const AFTER_VALUES: [&str; 8] = [
    "union",
    "intersect",
    "except",
    "order",
    "limit",
    "offset",
    "fetch",
    "as",
];

/// Makes `TABLE t` a `SELECT`, each row of `VALUES` a list in parentheses, and `FETCH FIRST n ROWS ONLY` a `LIMIT`.
///
/// # Errors
/// `MATCH_RECOGNIZE`, which the parser would not reach.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let is_pattern = |pair: &[TokenWithSpan]| {
        matches!(pair, [name, open]
            if open.token == Token::LParen && is_word(name, "match_recognize"))
    };
    if tokens.windows(2).any(is_pattern) {
        return Err(Error::NotSupported {
            what: "MATCH_RECOGNIZE".to_owned(),
        });
    }
    Ok(fetch(quantified(values(&tables(tokens)))))
}

/// `ANY (VALUES …)`: the parser takes a list for a value.
fn quantified(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut closes = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if closes.last() == Some(&index) {
            closes.pop();
            out.push(new_token(Token::RParen, token.span));
        }
        out.push(token.clone());
        let begins = is_any_word(token, &["any", "all", "some"])
            && matches!(tokens.get(index + 1..index + 3), Some([open, first])
                if open.token == Token::LParen && is_word(first, "values"));
        if begins && let Some(close) = closing(&tokens, index + 1) {
            let span = token.span;
            out.push(new_token(Token::LParen, span));
            out.push(new_word("SELECT", span));
            out.push(new_token(Token::Mul, span));
            out.push(new_word("FROM", span));
            closes.push(close);
        }
    }
    out
}

/// `TABLE t` where a query may begin.
fn tables(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_insert = tokens.first().is_some_and(|first| is_word(first, "insert"));
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let begins_query = is_word(&token, "table")
            && rest
                .peek()
                .is_some_and(|next| matches!(next.token, Token::Word(_)))
            && match out.last() {
                None => true,
                Some(before) => {
                    before.token == Token::LParen
                        || is_any_word(before, &["union", "intersect", "except", "all", "distinct"])
                        // INSERT INTO t TABLE s: the word follows a name or a list of columns.
                        || (is_insert && out.len() > 2 && !is_word(before, "into"))
                }
            };
        if begins_query {
            let span = token.span;
            out.push(new_word("SELECT", span));
            out.push(new_token(Token::Mul, span));
            out.push(new_word("FROM", span));
        } else {
            out.push(token);
        }
    }
    out
}

/// Rows of `VALUES` that are no list, or `ROW(…)`.
fn values(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some((token, tail)) = rest.split_first() {
        out.push(token.clone());
        rest = tail;
        // A function or column of that name would be in quotes.
        let begins = is_word(token, "values")
            && tail
                .first()
                .is_some_and(|next| next.token != Token::RParen && next.token != Token::Comma);
        if !begins {
            continue;
        }
        loop {
            let length = row_length(rest);
            let (row, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            push_row(&mut out, row, token.span);
            rest = after;
            match rest.split_first() {
                Some((comma, tail)) if comma.token == Token::Comma => {
                    out.push(comma.clone());
                    rest = tail;
                }
                _ => break,
            }
        }
    }
    out
}

/// Returns the tokens up to the comma or word that ends a row.
fn row_length(tokens: &[TokenWithSpan]) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket if depth == 0 => return index,
            Token::RParen | Token::RBracket => depth -= 1,
            Token::Comma | Token::SemiColon | Token::EOF if depth == 0 => return index,
            _ if depth == 0 && index > 0 && is_any_word(token, &AFTER_VALUES) => return index,
            _ => {}
        }
    }
    tokens.len()
}

fn push_row(out: &mut Vec<TokenWithSpan>, row: &[TokenWithSpan], span: Span) {
    let ends_at = |open: usize| closing(row, open) == Some(row.len().saturating_sub(1));
    let is_list = |open: usize| {
        row.get(open)
            .is_some_and(|first| first.token == Token::LParen)
            && ends_at(open)
    };
    // What is inside a row may have queries of its own.
    if row.is_empty() || is_list(0) {
        out.extend(values(row));
    } else if row.first().is_some_and(|first| is_word(first, "row")) && is_list(1) {
        out.extend(values(row.get(1..).unwrap_or_default()));
    } else {
        out.push(new_token(Token::LParen, span));
        out.extend(values(row));
        out.push(new_token(Token::RParen, span));
    }
}

/// `FETCH FIRST [n] ROW[S] ONLY`; `WITH TIES` is left to the parser.
fn fetch(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some((token, tail)) = rest.split_first() {
        rest = tail;
        if is_word(token, "fetch")
            && let Some((count, after)) = fetched(tail, token.span)
        {
            out.push(new_word("LIMIT", token.span));
            out.push(count);
            rest = after;
        } else {
            out.push(token.clone());
        }
    }
    out
}

fn fetched(tokens: &[TokenWithSpan], span: Span) -> Option<(TokenWithSpan, &[TokenWithSpan])> {
    let (first, tail) = tokens.split_first()?;
    if !is_any_word(first, &["first", "next"]) {
        return None;
    }
    let (count, tail) = match tail.split_first() {
        Some((count, tail)) if word(count).is_none() => (count.clone(), tail),
        _ => (new_number("1".to_owned(), span), tail),
    };
    match tail {
        [rows, only, after @ ..]
            if is_any_word(rows, &["row", "rows"]) && is_word(only, "only") =>
        {
            Some((count, after))
        }
        _ => None,
    }
}
