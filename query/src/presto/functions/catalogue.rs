//! The catalogue of functions: signatures and descriptions as `SHOW FUNCTIONS` shows them.
//!
//! One text, one line per overload: `name(arguments) result: description`. A `~` in front is a function that may
//! answer differently each time; an argument that ends in `...` may be repeated.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::kinds::Kind;
use super::shared::{Description, scalar};

const TEXT: &str = include_str!("catalogue.txt");

static CATALOGUE: LazyLock<BTreeMap<String, Vec<FunctionDescription>>> = LazyLock::new(|| {
    let mut functions: BTreeMap<String, Vec<FunctionDescription>> = BTreeMap::new();
    for description in TEXT.lines().filter_map(FunctionDescription::parse) {
        functions
            .entry(description.name.to_ascii_lowercase())
            .or_default()
            .push(description);
    }
    functions
});

/// One overload of a function, as `SHOW FUNCTIONS` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FunctionDescription {
    /// In the letter case of Trino's documentation.
    pub(super) name: &'static str,
    /// Such as `varchar(x)`.
    pub(super) return_type: &'static str,
    /// Such as `varchar(x), bigint`.
    pub(super) argument_types: &'static str,
    /// Whether the same arguments always give the same result.
    pub(super) is_deterministic: bool,
    /// Whether the last argument may be repeated.
    pub(super) is_variadic: bool,
    /// In one sentence.
    pub(super) description: &'static str,
}

impl FunctionDescription {
    fn parse(line: &'static str) -> Option<Self> {
        let (line, is_deterministic) = match line.strip_prefix('~') {
            Some(rest) => (rest, false),
            None => (line, true),
        };
        let (signature, description) = line.split_once(": ").unwrap_or((line, ""));
        let (name, rest) = signature.split_once('(')?;
        let close = closing_parenthesis(rest)?;
        let (arguments, returns) = rest.split_at_checked(close)?;
        let (arguments, is_variadic) = match arguments.strip_suffix("...") {
            Some(arguments) => (arguments, true),
            None => (arguments, false),
        };
        Some(Self {
            name,
            return_type: returns.strip_prefix(')')?.trim(),
            argument_types: arguments,
            is_variadic,
            is_deterministic,
            description,
        })
    }

    /// Returns the kinds of the arguments; `None` if one is of a type that the engine has not.
    pub(super) fn arguments(&self) -> Option<Vec<Kind>> {
        let mut kinds = Vec::new();
        let (mut depth, mut start) = (0_usize, 0);
        let ends = self
            .argument_types
            .char_indices()
            .chain([(self.argument_types.len(), ',')]);
        for (at, c) in ends {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    let text = self.argument_types.get(start..at)?.trim();
                    start = at + 1;
                    if text.is_empty() {
                        continue;
                    }
                    kinds.push(Kind::parse(text)?);
                }
                _ => {}
            }
        }
        Some(kinds)
    }
}

fn closing_parenthesis(text: &str) -> Option<usize> {
    let mut depth = 1_usize;
    text.char_indices()
        .find(|(_, c)| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            depth == 0
        })
        .map(|(at, _)| at)
}

/// Returns the overloads of a scalar function, none if there is no such function.
pub(super) fn describe(name: &str) -> &'static [FunctionDescription] {
    CATALOGUE
        .get(&name.to_ascii_lowercase())
        .map_or(&[], Vec::as_slice)
}

/// Returns every overload of every scalar function, by name, as `SHOW FUNCTIONS` shows it.
pub(super) fn descriptions() -> impl Iterator<Item = Description> {
    CATALOGUE.values().flatten().map(|overload| Description {
        is_deterministic: overload.is_deterministic,
        ..scalar(
            overload.name,
            overload.return_type,
            overload.argument_types,
            overload.description,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_understood() {
        for line in TEXT.lines().filter(|line| !line.is_empty()) {
            let description = FunctionDescription::parse(line).unwrap();
            assert!(description.arguments().is_some(), "{line}");
            assert!(Kind::parse(description.return_type).is_some(), "{line}");
        }
    }
}
