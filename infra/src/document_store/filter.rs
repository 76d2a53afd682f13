//! The query language that is supported: equality, ranges, `$in`, `$exists`, `$and`, `$or`. All else is refused.

use std::cmp::Ordering;

use mongodb::bson::{Bson, Document};

use super::failure::{Failure, Result};
use super::path;
use super::value::{order_key, same_bracket};

/// A parsed filter.
#[derive(Debug)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Field { path: String, test: Test },
}

/// What one field is asked. Operands are order keys.
#[derive(Debug)]
pub(super) enum Test {
    In(Vec<Operand>),
    NotIn(Vec<Operand>),
    Range { operand: Vec<u8>, wanted: Range },
    Exists(bool),
}

#[derive(Debug)]
pub(super) struct Operand {
    key: Vec<u8>,
    is_null: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Range {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Filter {
    pub(super) fn parse(document: &Document) -> Result<Self> {
        let mut parts = Vec::new();
        for (name, value) in document {
            match name.as_str() {
                "$and" => parts.push(Self::All(parse_list(name, value)?)),
                "$or" => parts.push(Self::Any(parse_list(name, value)?)),
                operator if operator.starts_with('$') => {
                    return Err(Failure::not_supported(format!(
                        "the query operator `{operator}`"
                    )));
                }
                field => parse_field(field, value, &mut parts)?,
            }
        }
        Ok(Self::All(parts))
    }

    pub(super) fn matches(&self, document: &Document) -> Result<bool> {
        match self {
            Self::All(parts) => {
                for part in parts {
                    if !part.matches(document)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(parts) => {
                for part in parts {
                    if part.matches(document)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Field { path, test } => test.matches(document, path),
        }
    }

    /// The order key that `field` must equal for the whole filter to hold, if the filter says so.
    pub(super) fn required_key(&self, field: &str) -> Option<&[u8]> {
        match self {
            Self::All(parts) => parts.iter().find_map(|part| part.required_key(field)),
            Self::Field {
                path,
                test: Test::In(operands),
            } if path == field => match operands.as_slice() {
                [only] => Some(&only.key),
                _ => None,
            },
            _ => None,
        }
    }
}

fn parse_list(operator: &str, value: &Bson) -> Result<Vec<Filter>> {
    let items = value.as_array().filter(|items| !items.is_empty());
    let items =
        items.ok_or_else(|| Failure::wrong_type(operator, "a nonempty array of documents"))?;
    let parse = |item: &Bson| {
        Filter::parse(
            item.as_document()
                .ok_or_else(|| Failure::wrong_type(operator, "an array of documents"))?,
        )
    };
    items.iter().map(parse).collect()
}

fn parse_field(field: &str, value: &Bson, parts: &mut Vec<Filter>) -> Result<()> {
    let mut push = |test| {
        parts.push(Filter::Field {
            path: field.to_owned(),
            test,
        })
    };
    let Bson::Document(operators) = value else {
        push(Test::In(vec![Operand::new(value)?]));
        return Ok(());
    };
    if !operators.keys().any(|name| name.starts_with('$')) {
        push(Test::In(vec![Operand::new(value)?]));
        return Ok(());
    }
    for (operator, operand) in operators {
        push(match operator.as_str() {
            "$eq" => Test::In(vec![Operand::new(operand)?]),
            "$ne" => Test::NotIn(vec![Operand::new(operand)?]),
            "$in" => Test::In(Operand::list(operator, operand)?),
            "$nin" => Test::NotIn(Operand::list(operator, operand)?),
            "$gt" => parse_range(operand, Range::Greater)?,
            "$gte" => parse_range(operand, Range::GreaterOrEqual)?,
            "$lt" => parse_range(operand, Range::Less)?,
            "$lte" => parse_range(operand, Range::LessOrEqual)?,
            "$exists" => match operand {
                Bson::Boolean(wanted) => Test::Exists(*wanted),
                _ => return Err(Failure::wrong_type("$exists", "a boolean")),
            },
            other => {
                return Err(Failure::not_supported(format!(
                    "the query operator `{other}`"
                )));
            }
        });
    }
    Ok(())
}

fn parse_range(operand: &Bson, wanted: Range) -> Result<Test> {
    let is_refused =
        matches!(operand, Bson::Null | Bson::Document(_) | Bson::Array(_)) || is_nan(operand);
    if is_refused {
        return Err(Failure::not_supported(
            "a range over null, NaN, documents or arrays",
        ));
    }
    Ok(Test::Range {
        operand: order_key(operand)?,
        wanted,
    })
}

fn is_nan(value: &Bson) -> bool {
    matches!(value, Bson::Double(number) if number.is_nan())
}

impl Operand {
    fn new(value: &Bson) -> Result<Self> {
        Ok(Self {
            key: order_key(value)?,
            is_null: *value == Bson::Null,
        })
    }

    fn list(operator: &str, value: &Bson) -> Result<Vec<Self>> {
        let items = value
            .as_array()
            .ok_or_else(|| Failure::wrong_type(operator, "an array"))?;
        items.iter().map(Self::new).collect()
    }
}

impl Test {
    fn matches(&self, document: &Document, path: &str) -> Result<bool> {
        let found = path::resolve(document, path);
        Ok(match self {
            Self::Exists(wanted) => found.is_empty() != *wanted,
            Self::In(operands) => is_any(operands, document, path, &found)?,
            Self::NotIn(operands) => !is_any(operands, document, path, &found)?,
            Self::Range { operand, wanted } => {
                for value in each_value(&found) {
                    let key = order_key(value)?;
                    if !is_nan(value)
                        && same_bracket(&key, operand)
                        && wanted.accepts(key.cmp(operand))
                    {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }
}

/// An array matches by itself and by each of its elements.
fn each_value<'a>(found: &'a [&'a Bson]) -> impl Iterator<Item = &'a Bson> {
    found.iter().flat_map(|value| {
        let elements = value.as_array().map(Vec::as_slice).unwrap_or_default();
        std::iter::once(*value).chain(elements)
    })
}

fn is_any(operands: &[Operand], document: &Document, path: &str, found: &[&Bson]) -> Result<bool> {
    let wants_null = operands.iter().any(|operand| operand.is_null);
    if wants_null && path.contains('.') {
        // Below an array, "missing" is asked of each element; say so instead of answering another question.
        path::single(document, path, "a comparison with null")?;
    }
    if found.is_empty() {
        return Ok(wants_null);
    }
    for value in each_value(found) {
        let key = order_key(value)?;
        if operands.iter().any(|operand| operand.key == key) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Range {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }
}
