//! Paths of members and subscripts, followed in the text itself: no tree is built.

use super::super::scan::{Scanner, Sort, elements, unquoted};
use super::datum::Datum;
use super::tree::{Mode, Node, Operator, Step};

/// The steps of such a path.
#[derive(Debug)]
pub(super) struct Plain {
    mode: Mode,
    steps: Vec<PlainStep>,
}

#[derive(Debug)]
enum PlainStep {
    Member(String),
    AnyElement,
    Subscripts(Vec<(Index, Index)>),
}

#[derive(Debug, Clone, Copy)]
enum Index {
    FromStart(usize),
    FromEnd(usize),
}

impl Plain {
    /// Returns the steps; none if the path has others.
    pub(super) fn of(mode: Mode, root: &Node) -> Option<Self> {
        let steps = match root {
            Node::Context => Vec::new(),
            Node::Access { base, steps } if **base == Node::Context => {
                steps.iter().map(plain_step).collect::<Option<_>>()?
            }
            _ => return None,
        };
        Some(Self { mode, steps })
    }

    /// Returns the pieces of the text that the path finds; none is an error of structure.
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

    fn follow<'a>(&self, step: &PlainStep, item: &'a str, out: &mut Vec<&'a str>) -> Option<()> {
        let sort = Sort::of(item);
        let is_strict = self.mode == Mode::Strict;
        match step {
            PlainStep::Member(name) if sort == Sort::Array && !is_strict => {
                let objects = elements(item)?.into_iter();
                for element in objects.filter(|element| Sort::of(element) == Sort::Object) {
                    out.extend(member(element, name)?);
                }
            }
            PlainStep::Member(name) => {
                let found = match sort {
                    Sort::Object => member(item, name)?,
                    _ => None,
                };
                if is_strict && found.is_none() {
                    return None;
                }
                out.extend(found);
            }
            PlainStep::AnyElement | PlainStep::Subscripts(_)
                if sort != Sort::Array && is_strict =>
            {
                return None;
            }
            PlainStep::AnyElement => match sort {
                Sort::Array => out.extend(elements(item)?),
                _ => out.push(item),
            },
            PlainStep::Subscripts(ranges) => {
                let items = match sort {
                    Sort::Array => elements(item)?,
                    _ => vec![item],
                };
                for (from, to) in ranges {
                    let (from, to) = (from.place(items.len()), to.place(items.len()));
                    let fits =
                        to.is_some_and(|to| to < items.len()) && from.is_some() && from <= to;
                    if is_strict && !fits {
                        return None;
                    }
                    let to = to.map_or(0, |to| to.saturating_add(1)).min(items.len());
                    let range = items.get(from.unwrap_or(0)..to);
                    out.extend(range.unwrap_or_default());
                }
            }
        }
        Some(())
    }
}

impl Index {
    fn place(self, size: usize) -> Option<usize> {
        match self {
            Self::FromStart(at) => Some(at),
            Self::FromEnd(back) => size.checked_sub(back.checked_add(1)?),
        }
    }
}

fn plain_step(step: &Step) -> Option<PlainStep> {
    Some(match step {
        Step::Member(name) => PlainStep::Member(name.clone()),
        Step::AnyElement => PlainStep::AnyElement,
        // More of them could find more than they are given.
        Step::Subscripts(ranges) if ranges.len() == 1 => {
            let ranges = ranges.iter().map(|(from, to)| {
                let from = index(from)?;
                Some((from, to.as_ref().map_or(Some(from), index)?))
            });
            PlainStep::Subscripts(ranges.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn index(node: &Node) -> Option<Index> {
    let number = |node: &Node| match node {
        Node::Literal(Datum::Integer { value, .. }) => usize::try_from(*value).ok(),
        _ => None,
    };
    match node {
        Node::Last => Some(Index::FromEnd(0)),
        Node::Chain { first, rest } if **first == Node::Last => match rest.as_slice() {
            [(Operator::Subtract, back)] => number(back).map(Index::FromEnd),
            _ => None,
        },
        other => number(other).map(Index::FromStart),
    }
}

/// Returns the member of an object; of equal keys the last counts.
fn member<'a>(object: &'a str, name: &str) -> Option<Option<&'a str>> {
    let mut found = None;
    Scanner::new(object).members(0, |key, value| {
        if unquoted(key) == name {
            found = Some(value);
        }
        true
    })?;
    match found {
        Some(value) => value.piece().map(Some),
        None => Some(None),
    }
}
