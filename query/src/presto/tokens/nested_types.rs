//! Types that the parser does not read, in text that it does: what follows `AS` in a cast and is an array, a map or
//! a row becomes one type name with the text as its parameter.
//!
//! ```text
//! CAST(x AS ROW(a ARRAY(varchar), b decimal(10,2)))  ->  CAST(x AS presto_type('ROW ( a ARRAY ( varchar ) , …'))
//! ```

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::{is_any_word, is_word, new_text, new_token, new_word};

/// The type name whose parameter is the type.
pub const PRESTO_TYPE_NAME: &str = "presto_type";

/// Makes the types of casts what the parser reads.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let (mut rest, mut is_behind_as) = (tokens.as_slice(), false);
    // For each open parenthesis, whether it is that of a cast.
    let (mut parentheses, mut is_behind_cast) = (Vec::new(), false);
    while let Some((token, tail)) = rest.split_first() {
        if is_behind_as && let Some(length) = nested_type(rest) {
            let (kind, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            push(&mut out, kind, token.span);
            rest = after;
            is_behind_as = false;
            continue;
        }
        // What was rewritten once comes back without quotes when a part of the syntax tree is read as text.
        let is_bare = is_word(token, PRESTO_TYPE_NAME)
            && matches!(tail, [open, first, ..] if open.token == Token::LParen
                && !matches!(first.token, Token::SingleQuotedString(_)));
        if is_bare && let Some(length) = nested_type(tail.get(1..).unwrap_or_default()) {
            let (kind, after) = tail.split_at_checked(1 + length).unwrap_or((tail, &[]));
            push(&mut out, kind.get(1..).unwrap_or_default(), token.span);
            // The parenthesis that closes the parameter.
            rest = after.get(1..).unwrap_or_default();
            continue;
        }
        is_behind_as = is_word(token, "as") && parentheses.last() == Some(&true);
        match token.token {
            Token::LParen => parentheses.push(is_behind_cast),
            Token::RParen => drop(parentheses.pop()),
            _ => {}
        }
        is_behind_cast = is_any_word(token, &["cast", "try_cast"]);
        out.push(token.clone());
        rest = tail;
    }
    out
}

fn push(out: &mut Vec<TokenWithSpan>, kind: &[TokenWithSpan], span: Span) {
    let texts: Vec<String> = kind.iter().map(|part| part.token.to_string()).collect();
    out.push(new_word(PRESTO_TYPE_NAME, span));
    out.push(new_token(Token::LParen, span));
    out.push(new_text(texts.join(" "), span));
    out.push(new_token(Token::RParen, span));
}

/// Returns how many tokens the nested type takes that begins here.
fn nested_type(tokens: &[TokenWithSpan]) -> Option<usize> {
    let first = tokens.first()?;
    if !is_any_word(first, &["array", "map", "row"]) {
        return None;
    }
    let mut depth = 0_usize;
    for (position, token) in tokens.iter().enumerate().skip(1) {
        match token.token {
            Token::LParen | Token::Lt => depth += 1,
            Token::RParen | Token::Gt => depth = depth.checked_sub(1)?,
            Token::ShiftRight => depth = depth.checked_sub(2)?,
            _ if depth == 0 => return None,
            _ => {}
        }
        if depth == 0 {
            return Some(position + 1);
        }
    }
    None
}
