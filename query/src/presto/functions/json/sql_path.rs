//! Paths of the SQL standard: `lax $.a[*].b`; members and subscripts, no filters, methods or arithmetic.

use datafusion::error::{DataFusionError, Result};

use super::scan::{Sort, elements, members, unquoted};
use crate::presto::functions::call::failure;

/// A compiled path.
#[derive(Debug)]
pub(super) struct Path {
    is_strict: bool,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Member(String),
    AnyMember,
    AnyElement,
    Subscripts(Vec<(Index, Index)>),
}

#[derive(Debug, Clone, Copy)]
enum Index {
    FromStart(usize),
    FromEnd(usize),
}

fn not_supported(path: &str) -> DataFusionError {
    failure(
        "NOT_SUPPORTED",
        format!("JSON path is not supported: {path}"),
    )
}

impl Path {
    pub(super) fn compile(path: &str) -> Result<Self> {
        let trimmed = path.trim();
        let (is_strict, rest) = if let Some(rest) = trimmed.strip_prefix("lax ") {
            (false, rest)
        } else if let Some(rest) = trimmed.strip_prefix("strict ") {
            (true, rest)
        } else {
            (false, trimmed)
        };
        let steps = steps(rest.trim()).ok_or_else(|| not_supported(path))?;
        Ok(Self { is_strict, steps })
    }

    /// Returns what the path finds; none is an error of structure.
    pub(super) fn find<'a>(&self, json: &'a str) -> Option<Vec<&'a str>> {
        let mut items = vec![json];
        for step in &self.steps {
            let mut next = Vec::new();
            for item in items {
                self.follow(step, item, &mut next)?;
            }
            items = next;
        }
        Some(items)
    }

    fn follow<'a>(&self, step: &Step, item: &'a str, out: &mut Vec<&'a str>) -> Option<()> {
        let sort = Sort::of(item);
        match step {
            Step::Member(_) | Step::AnyMember if sort == Sort::Array && !self.is_strict => {
                for element in elements(item)? {
                    if Sort::of(element) != Sort::Array {
                        self.follow(step, element, out)?;
                    }
                }
            }
            Step::Member(name) => {
                let before = out.len();
                if sort == Sort::Object {
                    let found = members(item)?
                        .into_iter()
                        .filter(|(key, _)| unquoted(key) == name.as_str());
                    out.extend(found.map(|(_, value)| value));
                }
                if self.is_strict && out.len() == before {
                    return None;
                }
            }
            Step::AnyMember => {
                if sort == Sort::Object {
                    out.extend(members(item)?.into_iter().map(|(_, value)| value));
                } else if self.is_strict {
                    return None;
                }
            }
            Step::AnyElement | Step::Subscripts(_) if sort != Sort::Array && self.is_strict => {
                return None;
            }
            Step::AnyElement => match sort {
                Sort::Array => out.extend(elements(item)?),
                _ => out.push(item),
            },
            Step::Subscripts(ranges) => {
                let items = match sort {
                    Sort::Array => elements(item)?,
                    _ => vec![item],
                };
                for (from, to) in ranges {
                    let place = |index: &Index| match index {
                        Index::FromStart(at) => Some(*at),
                        Index::FromEnd(back) => items.len().checked_sub(back + 1),
                    };
                    let (from, to) = (place(from), place(to));
                    let fits =
                        to.is_some_and(|to| to < items.len()) && from.is_some() && from <= to;
                    if self.is_strict && !fits {
                        return None;
                    }
                    let to = to.map_or(0, |to| to + 1).min(items.len());
                    let range = items.get(from.unwrap_or(0)..to);
                    out.extend(range.unwrap_or_default());
                }
            }
        }
        Some(())
    }
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?.trim_start();
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let after = after.trim_start();
            let (step, after) = if let Some(after) = after.strip_prefix('*') {
                (Step::AnyMember, after)
            } else if let Some(quoted) = after.strip_prefix('"') {
                let end = quoted.find('"')?;
                (
                    Step::Member(quoted.get(..end)?.to_owned()),
                    quoted.get(end + 1..)?,
                )
            } else {
                let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
                let end = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
                let (name, after) = after.split_at_checked(end)?;
                // A name with parentheses is a method.
                if name.is_empty() || after.trim_start().starts_with('(') {
                    return None;
                }
                (Step::Member(name.to_owned()), after)
            };
            steps.push(step);
            rest = after.trim_start();
        } else {
            let inner = rest.strip_prefix('[')?;
            let end = inner.find(']')?;
            steps.push(subscripts(inner.get(..end)?.trim())?);
            rest = inner.get(end + 1..)?.trim_start();
        }
    }
    Some(steps)
}

fn subscripts(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::AnyElement);
    }
    let ranges: Option<Vec<(Index, Index)>> = text
        .split(',')
        .map(|range| match range.split_once(" to ") {
            Some((from, to)) => Some((index(from)?, index(to)?)),
            None => {
                let at = index(range)?;
                Some((at, at))
            }
        })
        .collect();
    ranges.map(Step::Subscripts)
}

fn index(text: &str) -> Option<Index> {
    let text = text.trim();
    match text.strip_prefix("last") {
        Some("") => Some(Index::FromEnd(0)),
        Some(rest) => {
            let back = rest.trim().strip_prefix('-')?.trim().parse().ok()?;
            Some(Index::FromEnd(back))
        }
        None => text.parse().ok().map(Index::FromStart),
    }
}
