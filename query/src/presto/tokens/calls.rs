//! Types and calls with words in them that the parser does not expect.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{closing, is_any_word, is_word, new_text, new_token};

/// Makes `ARRAY(T)` of types `ARRAY<T>`, `trim(LEADING FROM s)` say what is trimmed, and the form of `normalize`
/// a text.
pub(super) fn rewrite(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let is_call = tokens
            .get(index + 1)
            .is_some_and(|next| next.token == Token::LParen);
        if is_call && is_word(token, "array") {
            array_type(&mut tokens, index + 1);
        } else if is_call && is_word(token, "trim") {
            trim(&mut tokens, index + 2);
        } else if is_call && is_word(token, "normalize") {
            normalize(&mut tokens, index + 1);
        }
        index += 1;
    }
    tokens
}

fn array_type(tokens: &mut [TokenWithSpan], open: usize) {
    let Some(close) = closing(tokens, open) else {
        return;
    };
    for (index, bracket) in [(open, Token::Lt), (close, Token::Gt)] {
        if let Some(token) = tokens.get_mut(index) {
            token.token = bracket;
        }
    }
}

fn trim(tokens: &mut Vec<TokenWithSpan>, first: usize) {
    let is_bare = tokens
        .get(first)
        .is_some_and(|token| is_any_word(token, &["leading", "trailing", "both"]))
        && tokens
            .get(first + 1)
            .is_some_and(|token| is_word(token, "from"));
    if is_bare && let Some(span) = tokens.get(first).map(|token| token.span) {
        tokens.insert(first + 1, new_text(" ".to_owned(), span));
    }
}

fn normalize(tokens: &mut [TokenWithSpan], open: usize) {
    let Some(last) = closing(tokens, open).and_then(|close| tokens.get_mut(close - 1)) else {
        return;
    };
    if is_any_word(last, &["nfd", "nfc", "nfkd", "nfkc"]) {
        let form = last.token.to_string().to_uppercase();
        *last = new_token(Token::SingleQuotedString(form), last.span);
    }
}
