//! Reads the clauses inside the parentheses of one call.

use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use super::super::{closing, is_any_word, is_word, word};
use crate::presto::labels::Quoted;
use crate::presto::sql_json::Format;
use crate::{Error, Result};

/// What is left of the tokens.
pub(super) struct Clause<'a> {
    rest: &'a [TokenWithSpan],
    /// What comes behind: the closing parenthesis, or a comma.
    end: &'a TokenWithSpan,
}

impl<'a> Clause<'a> {
    pub(super) const fn new(tokens: &'a [TokenWithSpan], end: &'a TokenWithSpan) -> Self {
        Self { rest: tokens, end }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn is_word(&self, expected: &str) -> bool {
        self.rest
            .first()
            .is_some_and(|first| is_word(first, expected))
    }

    pub(super) fn ends_with(&self, words: &[&str]) -> bool {
        let mut last = self.rest.iter().rev();
        let mut words = words.iter().rev();
        words.all(|expected| last.next().is_some_and(|token| is_word(token, expected)))
    }

    /// Returns the next token, which is the end if nothing is left.
    pub(super) fn peek(&self) -> &'a TokenWithSpan {
        self.rest.first().unwrap_or(self.end)
    }

    /// Returns the place of what comes next.
    pub(super) fn place(&self) -> Span {
        self.peek().span
    }

    fn advance(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    pub(super) fn eat(&mut self, token: &Token) -> bool {
        let is_next = self.rest.first().is_some_and(|first| first.token == *token);
        if is_next {
            self.advance();
        }
        is_next
    }

    pub(super) fn eat_word(&mut self, expected: &str) -> bool {
        let is_next = self.is_word(expected);
        if is_next {
            self.advance();
        }
        is_next
    }

    /// Whether `NESTED [PATH] 'path'` comes next; a column may have that name.
    pub(super) fn begins_nested(&self) -> bool {
        let is_path = |token: &TokenWithSpan| matches!(token.token, Token::SingleQuotedString(_));
        match self.rest {
            [nested, path, ..] if is_word(nested, "nested") && is_path(path) => true,
            [nested, word, path, ..] => {
                is_word(nested, "nested") && is_word(word, "path") && is_path(path)
            }
            _ => false,
        }
    }

    pub(super) fn expect(&mut self, token: &Token, shown: &str) -> Result<()> {
        if self.eat(token) {
            return Ok(());
        }
        Err(self.unexpected(shown))
    }

    pub(super) fn expect_word(&mut self, expected: &str) -> Result<()> {
        self.expect_any_word(&[expected], expected)
    }

    /// Goes behind `wanted`; the error lists all words that may come here.
    pub(super) fn expect_any_word(&mut self, expected: &[&str], wanted: &str) -> Result<()> {
        if self.eat_word(wanted) {
            return Ok(());
        }
        Err(self.unexpected(&format!("'{}'", expected.join("', '"))))
    }

    pub(super) fn end(&self) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        Err(self.unexpected("')'"))
    }

    /// Returns an error of the next token.
    pub(super) fn unexpected(&self, expected: &str) -> Error {
        let TokenWithSpan { token, span } = self.peek();
        let Location { line, column } = span.start;
        Error::Syntax {
            message: format!(
                "Expected: {expected}, found: {token} at Line: {line}, Column: {column}"
            ),
        }
    }

    /// Returns the tokens up to where `ends` holds outside of parentheses; there is one at least.
    pub(super) fn expression(
        &mut self,
        ends: impl Fn(&[TokenWithSpan]) -> bool,
    ) -> Result<&'a [TokenWithSpan]> {
        let length = self.length(ends);
        if length == 0 {
            return Err(self.unexpected("<expression>"));
        }
        let (tokens, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        Ok(tokens)
    }

    fn length(&self, ends: impl Fn(&[TokenWithSpan]) -> bool) -> usize {
        let mut depth = 0_usize;
        let mut length = 0;
        while let Some(token) = self.rest.get(length) {
            let is_first =
                length == 0 && token.token != Token::Comma && token.token != Token::Colon;
            let rest = self.rest.get(length..).unwrap_or_default();
            if depth == 0 && !is_first && ends(rest) {
                break;
            }
            match token.token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
                _ => {}
            }
            length += 1;
        }
        length
    }

    /// Returns what is left up to the next comma.
    pub(super) fn part(&mut self) -> Self {
        let length = self.length(|rest| matches!(rest, [comma, ..] if comma.token == Token::Comma));
        let (tokens, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        Self::new(tokens, self.peek())
    }

    /// Returns what is in the parentheses that come next.
    pub(super) fn inside(&mut self) -> Result<Self> {
        let begins = self.peek().token == Token::LParen;
        let (true, Some(close)) = (begins, closing(self.rest, 0)) else {
            return Err(self.unexpected("'('"));
        };
        let tokens = self.rest.get(1..close).unwrap_or_default();
        let end = self.rest.get(close).unwrap_or(self.end);
        self.rest = self.rest.get(close + 1..).unwrap_or_default();
        Ok(Self::new(tokens, end))
    }

    /// Returns the tokens of a type, which end at one of the words.
    pub(super) fn data_type(&mut self, ends: &[&str]) -> Result<&'a [TokenWithSpan]> {
        let is_end = |rest: &[TokenWithSpan]| match rest {
            // TIMESTAMP WITH TIME ZONE
            [with, time, ..] if is_any_word(with, &["with", "without"]) => {
                !is_word(time, "time") && ends.contains(&"WITH")
            }
            [first, ..] => ends.iter().any(|end| is_word(first, end)),
            [] => true,
        };
        match self.rest.first().and_then(word) {
            Some(_) => self.expression(is_end),
            None => Err(self.unexpected("<type>")),
        }
    }

    /// `[FORMAT JSON [ENCODING UTF8|UTF16|UTF32]]`
    pub(super) fn format(&mut self) -> Result<Option<Format>> {
        if !self.eat_word("format") {
            return Ok(None);
        }
        self.expect_word("JSON")?;
        if !self.eat_word("encoding") {
            return Ok(Some(Format::Json));
        }
        if self.eat_word("utf8") {
            Ok(Some(Format::Utf8))
        } else if self.eat_word("utf16") {
            Ok(Some(Format::Utf16))
        } else {
            self.expect_any_word(&["UTF8", "UTF16", "UTF32"], "utf32")?;
            Ok(Some(Format::Utf32))
        }
    }

    /// Returns a text and its place.
    pub(super) fn text(&mut self) -> Result<(String, Span)> {
        let Some(TokenWithSpan {
            token: Token::SingleQuotedString(text),
            span,
        }) = self.rest.first()
        else {
            return Err(self.unexpected("<string>"));
        };
        self.advance();
        Ok((text.clone(), *span))
    }

    /// Returns a name and its place: as it is written in quotes, else in upper case.
    pub(super) fn name(&mut self, quoted: &Quoted) -> Result<(String, Span)> {
        let Some(first) = self.rest.first() else {
            return Err(self.unexpected("<identifier>"));
        };
        let name = match &first.token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
            Token::Word(word) => quoted.written(first.span.start, &word.value).to_owned(),
            _ => return Err(self.unexpected("<identifier>")),
        };
        let span = first.span;
        self.advance();
        Ok((name, span))
    }
}
