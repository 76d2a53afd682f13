//! A statement as tokens to be read one after another, for grammar that no parser of ours knows.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::{Error, Result};

/// Reads tokens; what it does not take stays for the next reader.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    /// Splits `sql` into tokens.
    ///
    /// # Errors
    /// [`Error::Syntax`] for text that cannot be split.
    pub(super) fn new(sql: &str) -> Result<Self> {
        let tokens = Tokenizer::new(&GenericDialect {}, sql)
            // Literals stay as they are written: parts of the statement are put together again.
            .with_unescape(false)
            .tokenize()
            .map_err(|error| Error::Syntax {
                message: error.to_string(),
            })?;
        Ok(Self { tokens, at: 0 })
    }

    fn skip_blank(&mut self) {
        while matches!(self.tokens.get(self.at), Some(Token::Whitespace(_))) {
            self.at += 1;
        }
    }

    /// Returns the next token that is code, without taking it.
    pub(super) fn peek(&mut self) -> Option<&Token> {
        self.skip_blank();
        self.tokens.get(self.at)
    }

    /// Takes the next token that is code.
    pub(super) fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Returns whether nothing but blanks is left.
    pub(super) fn is_done(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Takes the words if they come next, whatever their letter case.
    pub(super) fn words(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        for word in words {
            let found = matches!(self.next(), Some(Token::Word(next))
                if next.quote_style.is_none() && next.value.eq_ignore_ascii_case(word));
            if !found {
                self.at = start;
                return false;
            }
        }
        true
    }

    /// Takes a word if it comes next.
    pub(super) fn word(&mut self, word: &str) -> bool {
        self.words(&[word])
    }

    /// Takes one of the words and returns it.
    pub(super) fn one_of(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().find(|word| self.word(word)).copied()
    }

    /// Takes a token if it comes next.
    pub(super) fn token(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    /// # Errors
    /// [`Error::Syntax`] if the words do not come next.
    pub(super) fn expect_words(&mut self, words: &[&str]) -> Result<()> {
        if self.words(words) {
            return Ok(());
        }
        Err(self.expected(&words.join(" ")))
    }

    /// # Errors
    /// [`Error::Syntax`] if the token does not come next.
    pub(super) fn expect(&mut self, token: &Token) -> Result<()> {
        if self.token(token) {
            return Ok(());
        }
        Err(self.expected(&token.to_string()))
    }

    /// Takes one half of a `>>` if it comes next.
    pub(super) fn split_shift(&mut self) -> bool {
        let found = self.peek() == Some(&Token::ShiftRight);
        if found && let Some(token) = self.tokens.get_mut(self.at) {
            *token = Token::Gt;
        }
        found
    }

    /// # Errors
    /// [`Error::Syntax`] if anything is left.
    pub(super) fn end(&mut self) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        Err(self.expected("the end of the statement"))
    }

    /// Returns the error that something else comes next.
    pub(super) fn expected(&mut self, what: &str) -> Error {
        let found = self.peek().map_or("EOF".to_owned(), ToString::to_string);
        Error::Syntax {
            message: format!("Expected: {what}, found: {found}"),
        }
    }

    /// Takes an identifier; names are in lower case here.
    ///
    /// # Errors
    /// [`Error::Syntax`] if something else comes next.
    pub(super) fn identifier(&mut self) -> Result<String> {
        Ok(self.identifier_as_written()?.to_lowercase())
    }

    /// Takes an identifier in its letter case.
    ///
    /// # Errors
    /// [`Error::Syntax`] if something else comes next.
    pub(super) fn identifier_as_written(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let value = match word.quote_style {
                    Some('"') => word.value.replace("\"\"", "\""),
                    _ => word.value.clone(),
                };
                self.at += 1;
                Ok(value)
            }
            _ => Err(self.expected("an identifier")),
        }
    }

    /// Takes a name of several parts.
    ///
    /// # Errors
    /// [`Error::Syntax`] if something else comes next.
    pub(super) fn name(&mut self) -> Result<Vec<String>> {
        let mut parts = vec![self.identifier()?];
        while self.token(&Token::Period) {
            parts.push(self.identifier()?);
        }
        Ok(parts)
    }

    /// Takes a string literal.
    ///
    /// # Errors
    /// [`Error::Syntax`] if something else comes next.
    pub(super) fn string(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::SingleQuotedString(text)) => {
                let text = text.replace("''", "'");
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.expected("a string")),
        }
    }

    /// Takes what is left as text.
    pub(super) fn rest(&mut self) -> String {
        let text = text(self.tokens.get(self.at..).unwrap_or_default());
        self.at = self.tokens.len();
        text
    }

    /// Takes text up to where, outside of brackets, one of the words or tokens comes next; all of the rest
    /// if none does.
    pub(super) fn text_until(&mut self, words: &[&str], tokens: &[Token]) -> String {
        self.skip_blank();
        let (start, mut depth, mut cases) = (self.at, 0_i32, 0_i32);
        while let Some(token) = self.tokens.get(self.at) {
            if depth == 0 && cases == 0 {
                let ends = match token {
                    Token::Word(word) if word.quote_style.is_none() => {
                        words.iter().any(|end| word.value.eq_ignore_ascii_case(end))
                    }
                    other => tokens.contains(other),
                };
                if ends {
                    break;
                }
            }
            match token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth -= 1,
                // The words of CASE are also those of other clauses.
                Token::Word(word) if word.quote_style.is_none() => {
                    if word.value.eq_ignore_ascii_case("case") {
                        cases += 1;
                    } else if word.value.eq_ignore_ascii_case("end") && cases > 0 {
                        cases -= 1;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        text(self.tokens.get(start..self.at).unwrap_or_default())
    }

    /// Takes comma-separated things in parentheses.
    ///
    /// # Errors
    /// [`Error::Syntax`], and those of `read`.
    pub(super) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.expect(&Token::LParen)?;
        let mut items = vec![read(self)?];
        while self.token(&Token::Comma) {
            items.push(read(self)?);
        }
        self.expect(&Token::RParen)?;
        Ok(items)
    }

    /// Takes `LIKE 'pattern' [ESCAPE 'c']` if it comes next; the pattern then has the backslash as its
    /// escape character.
    ///
    /// # Errors
    /// [`Error::Syntax`] for a pattern that is no string or an escape that is no single character.
    pub(super) fn like(&mut self) -> Result<Option<String>> {
        if !self.word("LIKE") {
            return Ok(None);
        }
        let pattern = self.string()?;
        if !self.word("ESCAPE") {
            return Ok(Some(pattern.replace('\\', "\\\\")));
        }
        let escape = self.string()?;
        let mut characters = escape.chars();
        let (Some(escape), None) = (characters.next(), characters.next()) else {
            return Err(crate::presto::error::TrinoFailure::new(
                "INVALID_FUNCTION_ARGUMENT",
                "Escape string must be a single character",
            )
            .into());
        };
        let mut translated = String::new();
        let mut rest = pattern.chars();
        while let Some(character) = rest.next() {
            if character == escape {
                translated.push('\\');
                translated.extend(rest.next());
            } else {
                if character == '\\' {
                    translated.push('\\');
                }
                translated.push(character);
            }
        }
        Ok(Some(translated))
    }
}

fn text(tokens: &[Token]) -> String {
    let text: String = tokens.iter().map(ToString::to_string).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_outside_of_brackets_and_cases() {
        let mut reader =
            Reader::new("a + CASE WHEN x THEN (1, 2) END, b WHERE c = 'it''s' -- end").unwrap();
        assert_eq!(
            reader.text_until(&["WHEN", "WHERE"], &[Token::Comma]),
            "a + CASE WHEN x THEN (1, 2) END"
        );
        assert!(reader.token(&Token::Comma));
        assert_eq!(reader.text_until(&["WHERE"], &[]), "b");
        assert!(reader.word("where"));
        assert_eq!(reader.rest(), "c = 'it''s' -- end");
    }

    #[test]
    fn patterns_get_the_backslash_as_escape() {
        let like = |sql: &str| Reader::new(sql).unwrap().like().unwrap().unwrap();
        assert_eq!(like("LIKE 'a$_b\\%' ESCAPE '$'"), "a\\_b\\\\%");
        assert_eq!(like("LIKE 'a\\_'"), "a\\\\_");
        assert!(Reader::new("LIKE 'a' ESCAPE 'xx'").unwrap().like().is_err());
    }
}
