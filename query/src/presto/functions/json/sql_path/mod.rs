//! Paths of the SQL standard, as Trino has them: `lax $.a[*] ? (@.b > 1).c`.
//!
//! ```text
//! text -> lex -> parse -> tree -> plain: members and subscripts, in the text itself
//!                              -> evaluate: the rest, in a tree of the text; predicate, arithmetic
//! ```
//!
//! # Source
//! <https://trino.io/docs/476/functions/json.html#json-path-language>

mod arithmetic;
mod datum;
mod evaluate;
mod json;
mod lex;
mod parse;
mod plain;
mod predicate;
mod tree;

use std::cell::Cell;

pub(crate) use self::datum::{Datum, Item, Moment, MomentKind, TextKind, Width};
pub(crate) use self::json::Json;
pub(crate) use self::parse::Wrong;

use self::evaluate::{Evaluator, Scope};
use self::plain::Plain;
use self::tree::{Mode, Node};
use super::scan::Scanner;

/// A compiled path.
#[derive(Debug)]
pub(crate) struct Path {
    mode: Mode,
    root: Node,
    variables: Vec<String>,
    plain: Option<Plain>,
}

/// Why a path finds nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The text is not JSON.
    Input,
    /// What goes wrong, in words.
    Path(String),
}

/// The text that an empty one is read as.
const NULL: &str = "null";

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn compile(text: &str) -> Result<Self, Wrong> {
        let parsed = parse::parse(text)?;
        Ok(Self {
            plain: Plain::of(parsed.mode, &parsed.root),
            mode: parsed.mode,
            root: parsed.root,
            variables: parsed.variables,
        })
    }

    /// Returns the names that the path has for parameters; parameters are given in their order.
    pub(crate) fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Returns what the path finds in a text; a parameter that is none is an empty sequence.
    ///
    /// # Errors
    /// The text is not JSON, or the path does not fit it.
    pub(crate) fn find<'a>(
        &self,
        text: &'a str,
        parameters: &[Option<Item<'a>>],
    ) -> Result<Vec<Item<'a>>, Failure> {
        if let Some(pieces) = self.pieces(text)? {
            let items = pieces
                .into_iter()
                .map(|piece| Json::of_piece(piece).map(Item::Json));
            return items.collect::<Option<_>>().ok_or(Failure::Input);
        }
        let root = Json::parse(text).ok_or(Failure::Input)?;
        self.evaluate(Item::Json(root), parameters)
    }

    /// Returns what a path without parameters finds in an item.
    ///
    /// # Errors
    /// The path does not fit it.
    pub(crate) fn find_in<'a>(&self, item: &Item<'a>) -> Result<Vec<Item<'a>>, Failure> {
        self.evaluate(item.clone(), &[])
    }

    fn evaluate<'a>(
        &self,
        root: Item<'a>,
        parameters: &[Option<Item<'a>>],
    ) -> Result<Vec<Item<'a>>, Failure> {
        let evaluator = Evaluator {
            mode: self.mode,
            root,
            parameters,
            objects: Cell::new(0),
        };
        let items = evaluator.evaluate(&self.root, Scope::default());
        items.map_err(Failure::Path)
    }

    /// Returns whether the path finds anything.
    ///
    /// # Errors
    /// As [`Path::find`].
    pub(crate) fn exists<'a>(
        &self,
        text: &'a str,
        parameters: &[Option<Item<'a>>],
    ) -> Result<bool, Failure> {
        match self.pieces(text)? {
            Some(pieces) => Ok(!pieces.is_empty()),
            None => Ok(!self.find(text, parameters)?.is_empty()),
        }
    }

    /// Returns what a plain path finds; none if it is not plain or fails, which a tree tells more of.
    fn pieces<'a>(&self, text: &'a str) -> Result<Option<Vec<&'a str>>, Failure> {
        let Some(plain) = &self.plain else {
            return Ok(None);
        };
        let text = if json::is_blank(text) { NULL } else { text };
        let value = Scanner::new(text).first().ok_or(Failure::Input)?;
        Ok(plain.find(value))
    }
}

#[cfg(test)]
mod tests;
