//! Literals that the parser reads as something else.

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::{is_any_word, is_word, new_number, new_text, new_token, new_word, word};
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// Types whose literals would be taken for a column with an alias, and which we do not have.
const REFUSED: [&str; 2] = ["geometry", "sphericalgeography"];

/// Makes numbers with an exponent doubles, `DECIMAL '1.20'` a decimal of the digits written, `0x1F`, `0b1`, `0o7`
/// and `1_000` numbers, and `U&'…'` plain text.
///
/// # Errors
/// A literal that is no number or too large, or of a type that we do not have.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let span = token.span;
        match token.token {
            Token::Number(text, _) => {
                let prefix = rest
                    .peek()
                    .filter(|next| next.span.start == span.end)
                    .and_then(|next| word(next))
                    .map(|word| word.value.clone());
                if let Some(suffix) = prefix {
                    rest.next();
                    out.push(prefixed(&text, &suffix, span)?);
                } else {
                    let is_negative = out
                        .last()
                        .is_some_and(|before| before.token == Token::Minus);
                    number(&mut out, text.replace('_', ""), is_negative, span)?;
                }
            }
            Token::HexStringLiteral(digits) if is_number(&digits, span) => {
                out.push(in_base(&digits, 16, span)?);
            }
            Token::UnicodeStringLiteral(text) => {
                let text = match rest.peek() {
                    Some(next) if is_word(next, "uescape") => {
                        rest.next();
                        unescape(&text, rest.next(), span)?
                    }
                    _ => text,
                };
                out.push(new_text(text, span));
            }
            Token::SingleQuotedString(text) => {
                if let Some(kind) = out.last().filter(|kind| is_any_word(kind, &REFUSED)) {
                    return Err(Error::NotSupported {
                        what: format!("the type {}", kind.token),
                    });
                }
                let is_decimal = out.last().is_some_and(|kind| is_word(kind, "decimal"));
                if is_decimal && let Some((precision, scale)) = digits(&text) {
                    out.pop();
                    let kind = format!("DECIMAL({precision},{scale})");
                    cast(&mut out, text, &kind, span);
                } else {
                    out.push(new_text(text, span));
                }
            }
            other => out.push(new_token(other, span)),
        }
    }
    Ok(out)
}

fn number(out: &mut Vec<TokenWithSpan>, text: String, is_negative: bool, span: Span) -> Result<()> {
    if text.contains(['e', 'E']) {
        cast(out, text, "DOUBLE", span);
        return Ok(());
    }
    if !text.contains('.') {
        // The smallest number has a magnitude that is no number by itself.
        let limit = i64::MAX.unsigned_abs() + u64::from(is_negative);
        if text.parse().is_ok_and(|value: u64| value <= limit) {
            out.push(new_number(text, span));
            return Ok(());
        }
        return Err(invalid("Invalid numeric literal", &text, span));
    }
    out.push(new_number(text, span));
    Ok(())
}

/// Reads `0b101` and `0o17`, which come as a number and a word.
fn prefixed(text: &str, suffix: &str, span: Span) -> Result<TokenWithSpan> {
    let suffix = suffix.to_ascii_lowercase();
    match (text, suffix.split_at_checked(1)) {
        ("0", Some(("b", digits))) => in_base(digits, 2, span),
        ("0", Some(("o", digits))) => in_base(digits, 8, span),
        ("0", Some(("x", digits))) => in_base(digits, 16, span),
        _ => Err(Error::Syntax {
            message: format!(
                "identifiers must not start with a digit; surround the identifier with double quotes at Line: {}, \
                 Column: {}",
                span.start.line, span.start.column
            ),
        }),
    }
}

fn in_base(digits: &str, base: u32, span: Span) -> Result<TokenWithSpan> {
    let value = i64::from_str_radix(&digits.replace('_', ""), base)
        .map_err(|_| invalid("Invalid numeric literal", digits, span))?;
    Ok(new_number(value.to_string(), span))
}

/// `0x1F` and `X'1F'` come as the same token; only the quotes make a difference in length.
fn is_number(digits: &str, span: Span) -> bool {
    let length = span.end.column.saturating_sub(span.start.column);
    span.start.line == span.end.line && usize::try_from(length) == Ok(digits.chars().count() + 2)
}

fn cast(out: &mut Vec<TokenWithSpan>, text: String, kind: &str, span: Span) {
    out.push(new_word("CAST", span));
    out.push(new_token(Token::LParen, span));
    out.push(new_text(text, span));
    out.push(new_word("AS", span));
    let (name, digits) = kind.split_once('(').unwrap_or((kind, ""));
    out.push(new_word(name, span));
    if let Some((precision, scale)) = digits.trim_end_matches(')').split_once(',') {
        out.push(new_token(Token::LParen, span));
        out.push(new_number(precision.to_owned(), span));
        out.push(new_token(Token::Comma, span));
        out.push(new_number(scale.to_owned(), span));
        out.push(new_token(Token::RParen, span));
    }
    out.push(new_token(Token::RParen, span));
}

/// Returns precision and scale of a decimal as it is written.
fn digits(text: &str) -> Option<(usize, usize)> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0').len();
    let precision = (whole + fraction.len()).max(1);
    (precision <= 38).then_some((precision, fraction.len()))
}

/// Replaces `xHHHH` and `x+HHHHHH` by the characters they number, `xx` by `x`, where `x` is the escape character.
fn unescape(text: &str, escape: Option<TokenWithSpan>, span: Span) -> Result<String> {
    let wrong = || invalid("Invalid Unicode escape", text, span);
    let Some(Token::SingleQuotedString(escape)) = escape.map(|token| token.token) else {
        return Err(wrong());
    };
    let mut one = escape.chars();
    let (Some(escape), None) = (one.next(), one.next()) else {
        return Err(wrong());
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != escape {
            out.push(c);
            continue;
        }
        let first = rest.next().ok_or_else(wrong)?;
        if first == escape {
            out.push(escape);
            continue;
        }
        let count = if first == '+' { 6 } else { 3 };
        let mut digits: String = rest.by_ref().take(count).collect();
        if digits.chars().count() != count {
            return Err(wrong());
        }
        if first != '+' {
            digits.insert(0, first);
        }
        let code = u32::from_str_radix(&digits, 16).map_err(|_| wrong())?;
        out.push(char::from_u32(code).ok_or_else(wrong)?);
    }
    Ok(out)
}

fn invalid(what: &str, text: &str, span: Span) -> Error {
    let (line, column) = (span.start.line, span.start.column);
    TrinoFailure::new(
        "SYNTAX_ERROR",
        format!("line {line}:{column}: {what}: {text}"),
    )
    .into()
}
