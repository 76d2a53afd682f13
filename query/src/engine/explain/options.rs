//! What kind of plan is asked for, and in which form.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{
    Location, Token, TokenWithSpan, Tokenizer, Whitespace,
};

use super::analyze::Verbosity;
use crate::{Error, Result};

/// Which plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Logical,
    Distributed,
    Validate,
    Io,
}

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Graphviz,
    Json,
}

/// What an `EXPLAIN` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Plan {
        kind: Kind,
        format: Format,
        sql: String,
    },
    Analyze {
        verbosity: Verbosity,
        sql: String,
    },
}

/// Reads `EXPLAIN [(TYPE t, FORMAT f)] sql` and `EXPLAIN ANALYZE [VERBOSE] sql`.
///
/// # Errors
/// An option that Trino does not have, with its place.
pub(super) fn parse(sql: &str) -> Result<Request> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| Error::Syntax {
            message: error.to_string(),
        })?;
    let mut words = Words {
        tokens: &tokens,
        next: 0,
    };
    words.skip();
    if words.takes("ANALYZE") {
        let verbosity = match words.takes("VERBOSE") {
            true => Verbosity::Verbose,
            false => Verbosity::Terse,
        };
        return Ok(Request::Analyze {
            verbosity,
            sql: words.rest()?,
        });
    }
    let (mut kind, mut format) = (Kind::Distributed, Format::Text);
    // `EXPLAIN (SELECT 1)` explains a query in parentheses.
    let before = words.next;
    if matches!(words.take(), Some(Token::LParen)) && words.sees(&["TYPE", "FORMAT"]) {
        loop {
            if words.takes("TYPE") {
                kind = words.one_of(&[
                    ("DISTRIBUTED", Kind::Distributed),
                    ("IO", Kind::Io),
                    ("LOGICAL", Kind::Logical),
                    ("VALIDATE", Kind::Validate),
                ])?;
            } else if words.takes("FORMAT") {
                format = words.one_of(&[
                    ("GRAPHVIZ", Format::Graphviz),
                    ("JSON", Format::Json),
                    ("TEXT", Format::Text),
                ])?;
            } else {
                return Err(words.mismatch("'FORMAT', 'TYPE'"));
            }
            match words.peek() {
                Some(Token::Comma) => words.skip(),
                Some(Token::RParen) => break,
                _ => return Err(words.mismatch("')', ','")),
            }
        }
        words.skip();
    } else {
        words.next = before;
    }
    Ok(Request::Plan {
        kind,
        format,
        sql: words.rest()?,
    })
}

/// The tokens of the statement that are not read yet.
struct Words<'a> {
    tokens: &'a [TokenWithSpan],
    next: usize,
}

impl Words<'_> {
    fn skip_blanks(&mut self) {
        while let Some(TokenWithSpan {
            token: Token::Whitespace(_),
            ..
        }) = self.tokens.get(self.next)
        {
            self.next += 1;
        }
    }

    fn peek(&mut self) -> Option<&Token> {
        self.skip_blanks();
        self.tokens.get(self.next).map(|found| &found.token)
    }

    fn take(&mut self) -> Option<&Token> {
        self.skip_blanks();
        self.next += 1;
        self.tokens.get(self.next - 1).map(|found| &found.token)
    }

    fn skip(&mut self) {
        self.take();
    }

    fn sees(&mut self, words: &[&str]) -> bool {
        let found = self.peek().map(ToString::to_string).unwrap_or_default();
        words.iter().any(|word| found.eq_ignore_ascii_case(word))
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_there = self.sees(&[word]);
        if is_there {
            self.next += 1;
        }
        is_there
    }

    fn one_of<T: Copy>(&mut self, choices: &[(&str, T)]) -> Result<T> {
        for (word, choice) in choices {
            if self.takes(word) {
                return Ok(*choice);
            }
        }
        let names: Vec<String> = choices.iter().map(|(w, _)| format!("'{w}'")).collect();
        Err(self.mismatch(&names.join(", ")))
    }

    fn mismatch(&mut self, expected: &str) -> Error {
        self.skip_blanks();
        let found = self.tokens.get(self.next);
        let text = found.map_or_else(|| "EOF".to_owned(), |found| found.token.to_string());
        let Location { line, column } =
            found.map_or(Location { line: 1, column: 1 }, |found| found.span.start);
        Error::Syntax {
            message: format!(
                "Expected: {expected}, found: {text} at Line: {line}, Column: {column}"
            ),
        }
    }

    /// Returns the statement that is explained, on the lines and columns where it stood.
    fn rest(&mut self) -> Result<String> {
        let start = self.next;
        if self.peek().is_none() {
            return Err(self.mismatch("a statement"));
        }
        let (before, rest) = self.tokens.split_at_checked(start).unwrap_or_default();
        let mut sql = String::new();
        for found in before {
            let text = match &found.token {
                Token::Whitespace(Whitespace::Newline) => "\n".to_owned(),
                token => token.to_string().chars().map(blank).collect(),
            };
            sql.push_str(&text);
        }
        sql.extend(rest.iter().map(|found| found.token.to_string()));
        Ok(sql)
    }
}

fn blank(c: char) -> char {
    if c == '\n' { '\n' } else { ' ' }
}
