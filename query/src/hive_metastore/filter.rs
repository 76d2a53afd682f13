//! Filters on partition keys, as metastore clients write them.
//!
//! ```text
//! or      = and (OR and)*
//! and     = factor (AND factor)*
//! factor  = ( or ) | key operator literal | literal operator key
//! literal = 12 | "text" | 'text' | 2013-12-01 | date'2013-12-01'
//! ```
//!
//! # Source
//! `Filter.g` of the Hive metastore.

use std::cmp::Ordering;

use lake::Column;
use regex::Regex;

use super::failure::{Failure, Result};
use super::names;

/// Parentheses deeper than any client writes, and not so deep that parsing could exhaust the stack.
const DEEPEST: usize = 64;
/// Spark writes one comparison per value of an IN.
const LONGEST: usize = 1 << 20;

/// A filter on the values of a partition.
#[derive(Debug)]
pub(super) enum Filter {
    /// No condition at all.
    All,
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Compare {
        /// The place of the key among the table's keys.
        key: usize,
        /// Whether values are numbers to the key.
        numeric: bool,
        operator: Operator,
        literal: String,
    },
    Like {
        key: usize,
        regex: Regex,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order == Ordering::Equal,
            Self::NotEqual => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        }
    }

    /// Returns the operator that says the same with its sides exchanged.
    fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

impl Filter {
    /// Parses a filter on a table's partition keys; an empty text accepts everything.
    pub(super) fn parse(text: &str, keys: &[Column]) -> Result<Self> {
        if text.len() > LONGEST {
            return Err(Failure::Invalid(format!(
                "a filter of {} bytes is too long",
                text.len()
            )));
        }
        let mut parser = Parser {
            text,
            rest: text,
            keys,
        };
        if parser.token().is_empty() {
            return Ok(Self::All);
        }
        let filter = parser.or(0)?;
        if parser.token().is_empty() {
            Ok(filter)
        } else {
            Err(parser.error("the end"))
        }
    }

    /// Returns whether a partition with these values, in the order of the keys, is wanted. One
    /// whose value is no number where numbers are compared is not.
    pub(super) fn accepts(&self, values: &[String]) -> bool {
        match self {
            Self::All => true,
            Self::And(parts) => parts.iter().all(|part| part.accepts(values)),
            Self::Or(parts) => parts.iter().any(|part| part.accepts(values)),
            Self::Compare {
                key,
                numeric,
                operator,
                literal,
            } => {
                let Some(value) = values.get(*key) else {
                    return false;
                };
                let order = if *numeric {
                    match (value.parse::<i128>(), literal.parse::<i128>()) {
                        (Ok(value), Ok(literal)) => value.cmp(&literal),
                        _ => return false,
                    }
                } else {
                    value.cmp(literal)
                };
                operator.accepts(order)
            }
            Self::Like { key, regex } => {
                let value = values.get(*key);
                value.is_some_and(|value| regex.is_match(value))
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    keys: &'a [Column],
}

enum Operand {
    Key(usize),
    Literal(String),
}

impl<'a> Parser<'a> {
    fn error(&self, expected: &str) -> Failure {
        let at = self.text.len() - self.rest.len() + 1;
        Failure::Invalid(format!(
            "the filter `{}` is not supported: expected {expected} at character {at}",
            self.text
        ))
    }

    fn or(&mut self, depth: usize) -> Result<Filter> {
        if depth > DEEPEST {
            return Err(self.error("fewer parentheses"));
        }
        let mut parts = vec![self.and(depth)?];
        while self.skip_word("or") {
            parts.push(self.and(depth)?);
        }
        Ok(one_or(parts, Filter::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Filter> {
        let mut parts = vec![self.factor(depth)?];
        while self.skip_word("and") {
            parts.push(self.factor(depth)?);
        }
        Ok(one_or(parts, Filter::And))
    }

    fn factor(&mut self, depth: usize) -> Result<Filter> {
        if self.skip("(") {
            let filter = self.or(depth + 1)?;
            return if self.skip(")") {
                Ok(filter)
            } else {
                Err(self.error("`)`"))
            };
        }
        let left = self.operand()?;
        if self.skip_word("like") {
            return match (left, self.operand()?) {
                (Operand::Key(key), Operand::Literal(text)) => names::like(&text)
                    .map(|regex| Filter::Like { key, regex })
                    .ok_or_else(|| self.error("a shorter pattern")),
                _ => Err(self.error("a key on the left and a text on the right of LIKE")),
            };
        }
        let operator = self.operator()?;
        let (key, operator, literal) = match (left, self.operand()?) {
            (Operand::Key(key), Operand::Literal(literal)) => (key, operator, literal),
            (Operand::Literal(literal), Operand::Key(key)) => (key, operator.mirrored(), literal),
            _ => return Err(self.error("a comparison of a partition key with a literal")),
        };
        let data_type = self.keys.get(key).map(|key| key.data_type.to_lowercase());
        let numeric = matches!(
            data_type.as_deref(),
            Some("tinyint" | "smallint" | "int" | "integer" | "bigint")
        );
        if numeric && literal.parse::<i128>().is_err() {
            return Err(self.error("a whole number before here"));
        }
        Ok(Filter::Compare {
            key,
            numeric,
            operator,
            literal,
        })
    }

    fn operator(&mut self) -> Result<Operator> {
        // Longer ones first.
        let operators = [
            ("<>", Operator::NotEqual),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let found = operators.into_iter().find(|(sign, _)| self.skip(sign));
        found
            .map(|(_, operator)| operator)
            .ok_or_else(|| self.error("an operator"))
    }

    fn operand(&mut self) -> Result<Operand> {
        let token = self.token();
        if let Some(quote @ ('"' | '\'')) = token.chars().next() {
            return self.quoted(quote).map(Operand::Literal);
        }
        let end = token.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')));
        let (word, rest) = token.split_at(end.unwrap_or(token.len()));
        if word.is_empty() {
            return Err(self.error("a partition key or a literal"));
        }
        if word.eq_ignore_ascii_case("date") && rest.starts_with('\'') {
            self.rest = rest;
            return self.quoted('\'').map(Operand::Literal);
        }
        let mut keys = self.keys.iter();
        if let Some(key) = keys.position(|key| key.name.eq_ignore_ascii_case(word)) {
            self.rest = rest;
            return Ok(Operand::Key(key));
        }
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            self.rest = rest;
            return Ok(Operand::Literal(word.to_owned()));
        }
        Err(self.error("a partition key"))
    }

    /// Reads a text in quotes; a backslash takes the next character as it is.
    fn quoted(&mut self, quote: char) -> Result<String> {
        let mut text = String::new();
        let mut characters = self.token().char_indices().skip(1);
        let token = self.token();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped)) => text.push(escaped),
                    None => break,
                },
                end if end == quote => {
                    self.rest = token.get(at + quote.len_utf8()..).unwrap_or_default();
                    return Ok(text);
                }
                other => text.push(other),
            }
        }
        Err(self.error("the end of a text"))
    }

    /// Returns the rest without white space before it.
    fn token(&self) -> &'a str {
        self.rest.trim_start()
    }

    fn skip(&mut self, sign: &str) -> bool {
        let after = self.token().strip_prefix(sign);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let token = self.token();
        let Some((found, rest)) = token.split_at_checked(word.len()) else {
            return false;
        };
        let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if ends && found.eq_ignore_ascii_case(word) {
            self.rest = rest;
            return true;
        }
        false
    }
}

fn one_or(mut parts: Vec<Filter>, many: impl Fn(Vec<Filter>) -> Filter) -> Filter {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            many(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<Column> {
        vec![Column::new("year", "int"), Column::new("place", "string")]
    }

    fn accepts(filter: &str, year: &str, place: &str) -> bool {
        let filter = Filter::parse(filter, &keys()).unwrap();
        filter.accepts(&[year.to_owned(), place.to_owned()])
    }

    #[test]
    fn comparisons_are_by_the_type_of_the_key() {
        assert!(accepts("year < 10", "9", "x"));
        assert!(accepts("10 > Year", "9", "x"));
        assert!(accepts(r#"place < "a9""#, "1", "a10"));
        assert!(!accepts("year = 9", "__HIVE_DEFAULT_PARTITION__", "x"));
        assert!(accepts("", "1", "x"));
    }

    #[test]
    fn what_spark_writes_is_understood() {
        let filter = r#"((year = 2013 or year = 2014) and place like "N.*") and place != 'NY'"#;
        assert!(accepts(filter, "2014", "NJ"));
        assert!(!accepts(filter, "2014", "NY"));
        assert!(!accepts(filter, "2015", "NJ"));
        assert!(accepts(r#"place = "a\"b""#, "1", "a\"b"));
    }

    #[test]
    fn what_is_not_supported_is_refused_with_its_place() {
        for filter in [
            "month = 1",
            "year = 1 or",
            "year = 'x'",
            "year between 1 and 2",
            "(year = 1",
            "place = \"x",
            "year = place",
            "1 = 1",
        ] {
            let error = Filter::parse(filter, &keys()).unwrap_err();
            assert!(error.into_message().contains("at character"), "{filter}");
        }
        let deep = format!("{}year = 1{}", "(".repeat(1000), ")".repeat(1000));
        assert!(Filter::parse(&deep, &keys()).is_err());
    }
}
