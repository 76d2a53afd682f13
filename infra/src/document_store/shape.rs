//! How found documents are ordered and cut to fields.

use mongodb::bson::{Bson, Document};

use super::failure::{Failure, Result};
use super::path;
use super::value::order_key;

/// A parsed `sort`.
#[derive(Debug, Default)]
pub(super) struct Sort(Vec<(String, Direction)>);

#[derive(Debug, Clone, Copy)]
enum Direction {
    Ascending,
    Descending,
}

impl Sort {
    pub(super) fn parse(document: Option<&Document>) -> Result<Self> {
        let mut fields = Vec::new();
        for (field, direction) in document.into_iter().flatten() {
            path::check_plain(field)?;
            let direction = match as_whole(direction) {
                Some(1) => Direction::Ascending,
                Some(-1) => Direction::Descending,
                _ => {
                    return Err(Failure::not_supported(format!(
                        "a sort direction other than 1 and -1 (`{field}`)"
                    )));
                }
            };
            fields.push((field.clone(), direction));
        }
        Ok(Self(fields))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Encodes what `document` is ordered by; equal keys keep the order in which documents were found.
    pub(super) fn key(&self, document: &Document) -> Result<Vec<u8>> {
        let mut key = Vec::new();
        for (field, direction) in &self.0 {
            let mut part =
                order_key(path::single(document, field, "a sort")?.unwrap_or(&Bson::Null))?;
            if matches!(direction, Direction::Descending) {
                part.iter_mut().for_each(|byte| *byte = !*byte);
            }
            key.extend(part);
        }
        Ok(key)
    }
}

/// A parsed `projection`: fields by name, either kept or left out.
#[derive(Debug)]
pub(super) enum Projection {
    Everything,
    Keep { fields: Vec<String>, id: bool },
    Omit(Vec<String>),
}

impl Projection {
    pub(super) fn parse(document: Option<&Document>) -> Result<Self> {
        let (mut keep, mut omit, mut id) = (Vec::new(), Vec::new(), None);
        for (field, wanted) in document.into_iter().flatten() {
            path::check_plain(field)?;
            let wanted = match (wanted, as_whole(wanted)) {
                (Bson::Boolean(wanted), _) => *wanted,
                (_, Some(number)) => number != 0,
                _ => {
                    return Err(Failure::not_supported(format!(
                        "the projection of `{field}` by an expression"
                    )));
                }
            };
            match (field.as_str(), wanted) {
                ("_id", wanted) => id = Some(wanted),
                (field, true) => keep.push(field.to_owned()),
                (field, false) => omit.push(field.to_owned()),
            }
        }
        match (keep.is_empty(), omit.is_empty(), id) {
            (false, false, _) => Err(Failure::bad_value(
                "a projection cannot both keep and omit fields",
            )),
            (true, false, Some(true)) => Err(Failure::not_supported(
                "`_id: 1` in a projection that omits fields",
            )),
            (true, true, None) => Ok(Self::Everything),
            (false, true, id) => Ok(Self::Keep {
                fields: keep,
                id: id.unwrap_or(true),
            }),
            (true, true, Some(true)) => Ok(Self::Keep {
                fields: Vec::new(),
                id: true,
            }),
            (true, _, id) => {
                omit.extend(id.map(|_| "_id".to_owned()));
                Ok(Self::Omit(omit))
            }
        }
    }

    pub(super) fn apply(&self, document: Document) -> Document {
        match self {
            Self::Everything => document,
            Self::Keep { fields, id } => keep(document, fields, *id),
            Self::Omit(fields) => omit(document, fields),
        }
    }
}

/// The whole number a BSON number is, if it is one.
pub(super) fn as_whole(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            Some(*number as i64)
        }
        _ => None,
    }
}

/// The part of each path that lies below `name`; `None` is the field itself.
fn below<'a>(fields: &'a [String], name: &str) -> Vec<Option<&'a str>> {
    let split = |field: &'a String| match field.split_once('.') {
        Some((head, rest)) => (head == name).then_some(Some(rest)),
        None => (field == name).then_some(None),
    };
    fields.iter().filter_map(split).collect()
}

fn keep(document: Document, fields: &[String], id: bool) -> Document {
    let mut kept = Document::new();
    for (name, value) in document {
        let paths = below(fields, &name);
        if paths.contains(&None) || (id && name == "_id") {
            kept.insert(name, value);
        } else if !paths.is_empty() {
            let rest: Vec<String> = paths.into_iter().flatten().map(str::to_owned).collect();
            if let Some(value) = keep_inside(value, &rest) {
                kept.insert(name, value);
            }
        }
    }
    kept
}

fn keep_inside(value: Bson, fields: &[String]) -> Option<Bson> {
    match value {
        Bson::Document(inner) => Some(keep(inner, fields, false).into()),
        Bson::Array(items) => Some(
            items
                .into_iter()
                .filter_map(|item| keep_inside(item, fields))
                .collect::<Vec<_>>()
                .into(),
        ),
        _ => None,
    }
}

fn omit(document: Document, fields: &[String]) -> Document {
    let mut left = Document::new();
    for (name, value) in document {
        let paths = below(fields, &name);
        if !paths.contains(&None) {
            let rest: Vec<String> = paths.into_iter().flatten().map(str::to_owned).collect();
            left.insert(
                name,
                if rest.is_empty() {
                    value
                } else {
                    omit_inside(value, &rest)
                },
            );
        }
    }
    left
}

fn omit_inside(value: Bson, fields: &[String]) -> Bson {
    match value {
        Bson::Document(inner) => omit(inner, fields).into(),
        Bson::Array(items) => items
            .into_iter()
            .map(|item| omit_inside(item, fields))
            .collect::<Vec<_>>()
            .into(),
        other => other,
    }
}
