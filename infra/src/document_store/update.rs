//! Updates: a replacement, or `$set`, `$setOnInsert`, `$unset` and `$inc`. All else is refused.

use std::collections::BTreeSet;

use mongodb::bson::{Bson, Document, oid::ObjectId};

use super::failure::{Failure, Result};
use super::path;
use super::value::{check_storable, order_key};

/// A parsed update.
#[derive(Debug)]
pub(super) enum Update {
    Replace(Document),
    Change(Vec<Change>),
}

#[derive(Debug)]
pub(super) struct Change {
    operator: Operator,
    path: String,
    value: Bson,
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    Set,
    SetOnInsert,
    Unset,
    Increment,
}

/// Why an update is applied: `$setOnInsert` depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    Insert,
    Modify,
}

impl Update {
    pub(super) fn parse(update: &Bson) -> Result<Self> {
        let Bson::Document(update) = update else {
            return Err(Failure::not_supported(
                "an update that is no document (a pipeline)",
            ));
        };
        if !update.keys().any(|name| name.starts_with('$')) {
            return Ok(Self::Replace(update.clone()));
        }
        let mut changes = Vec::new();
        for (name, fields) in update {
            let operator = match name.as_str() {
                "$set" => Operator::Set,
                "$setOnInsert" => Operator::SetOnInsert,
                "$unset" => Operator::Unset,
                "$inc" => Operator::Increment,
                other => {
                    return Err(Failure::not_supported(format!(
                        "the update operator `{other}`"
                    )));
                }
            };
            let fields = fields
                .as_document()
                .ok_or_else(|| Failure::wrong_type(name, "a document"))?;
            for (path, value) in fields {
                path::check_plain(path)?;
                if matches!(operator, Operator::Increment) && !is_number(value) {
                    return Err(Failure::wrong_type("$inc", "a document of numbers"));
                }
                changes.push(Change {
                    operator,
                    path: path.clone(),
                    value: value.clone(),
                });
            }
        }
        check_conflicts(&changes)?;
        Ok(Self::Change(changes))
    }

    /// Whether this is a whole document, which may change only one other.
    pub(super) fn is_replacement(&self) -> bool {
        matches!(self, Self::Replace(_))
    }

    /// Returns `document` as it is after the update; its `_id` stays what it is.
    pub(super) fn apply(&self, document: &Document, occasion: Occasion) -> Result<Document> {
        let updated = match self {
            Self::Replace(replacement) => replace(document, replacement),
            Self::Change(changes) => {
                let mut updated = document.clone();
                for change in changes {
                    change.apply(&mut updated, occasion)?;
                }
                updated
            }
        };
        if let Some(id) = document.get("_id") {
            let kept = updated.get("_id").map(order_key).transpose()?;
            if kept.as_deref() != Some(&order_key(id)?) {
                return Err(Failure::immutable_id());
            }
        }
        check_storable(&updated)?;
        Ok(updated)
    }

    /// Builds the document that an upsert inserts: what the filter demands, then the update.
    pub(super) fn build_upsert(&self, filter: &Document) -> Result<Document> {
        let mut demanded = Document::new();
        let mut paths = BTreeSet::new();
        collect_equalities(filter, &mut demanded, &mut paths)?;
        if self.is_replacement() {
            demanded = demanded
                .get("_id")
                .map(|id| Document::from_iter([("_id".to_owned(), id.clone())]))
                .unwrap_or_default();
        }
        Ok(with_id_first(self.apply(&demanded, Occasion::Insert)?))
    }
}

/// Puts `_id` first, as MongoDB stores it, and makes one where there is none.
pub(super) fn with_id_first(mut document: Document) -> Document {
    if document.keys().next().is_some_and(|first| first == "_id") {
        return document;
    }
    let id = document
        .remove("_id")
        .unwrap_or_else(|| ObjectId::new().into());
    std::iter::once(("_id".to_owned(), id))
        .chain(document)
        .collect()
}

fn replace(document: &Document, replacement: &Document) -> Document {
    match document.get("_id") {
        Some(id) if !replacement.contains_key("_id") => {
            std::iter::once(("_id".to_owned(), id.clone()))
                .chain(replacement.clone())
                .collect()
        }
        _ => replacement.clone(),
    }
}

fn check_conflicts(changes: &[Change]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for change in changes {
        let mut prefix_end = 0;
        for part in change.path.split('.') {
            prefix_end += part.len();
            if change
                .path
                .get(..prefix_end)
                .is_some_and(|prefix| seen.contains(prefix))
            {
                return Err(Failure::conflicting_paths(&change.path));
            }
            prefix_end += 1;
        }
        let below = format!("{}.", change.path);
        if seen
            .range(below.as_str()..)
            .next()
            .is_some_and(|path: &&str| path.starts_with(&below))
        {
            return Err(Failure::conflicting_paths(&change.path));
        }
        seen.insert(change.path.as_str());
    }
    Ok(())
}

fn collect_equalities(
    filter: &Document,
    demanded: &mut Document,
    paths: &mut BTreeSet<String>,
) -> Result<()> {
    for (name, value) in filter {
        match (name.as_str(), value) {
            ("$and", Bson::Array(parts)) => {
                for part in parts.iter().filter_map(Bson::as_document) {
                    collect_equalities(part, demanded, paths)?;
                }
            }
            ("$or", Bson::Array(parts)) => {
                if let [Bson::Document(only)] = parts.as_slice() {
                    collect_equalities(only, demanded, paths)?;
                }
            }
            (field, Bson::Document(inner)) if inner.keys().any(|name| name.starts_with('$')) => {
                if let Some(equal) = inner.get("$eq") {
                    demand(field, equal, demanded, paths)?;
                }
            }
            (field, equal) => demand(field, equal, demanded, paths)?,
        }
    }
    Ok(())
}

fn demand(
    field: &str,
    value: &Bson,
    demanded: &mut Document,
    paths: &mut BTreeSet<String>,
) -> Result<()> {
    path::check_plain(field)?;
    if !paths.insert(field.to_owned()) {
        return Err(Failure::bad_value(format!(
            "cannot infer the upserted `{field}`: it is demanded twice"
        )));
    }
    path::set(demanded, field, value.clone())
}

impl Change {
    fn apply(&self, document: &mut Document, occasion: Occasion) -> Result<()> {
        match self.operator {
            Operator::Set => path::set(document, &self.path, self.value.clone()),
            Operator::SetOnInsert if occasion == Occasion::Insert => {
                path::set(document, &self.path, self.value.clone())
            }
            Operator::SetOnInsert => Ok(()),
            Operator::Unset => path::unset(document, &self.path),
            Operator::Increment => {
                let sum = match path::single(document, &self.path, "`$inc`")? {
                    None => self.value.clone(),
                    Some(old) => add(old, &self.value).ok_or_else(|| {
                        Failure::bad_value(format!("cannot add to `{}`", self.path))
                    })?,
                };
                path::set(document, &self.path, sum)
            }
        }
    }
}

fn is_number(value: &Bson) -> bool {
    matches!(value, Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_))
}

/// Adds as MongoDB does: the wider type wins, 32 bits grow to 64, 64 bits do not wrap.
fn add(left: &Bson, right: &Bson) -> Option<Bson> {
    let as_integer = |value: &Bson| match value {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        _ => None,
    };
    let as_double = |value: &Bson| match value {
        Bson::Double(number) => Some(*number),
        other => as_integer(other).map(|number| number as f64),
    };
    if let (Some(left_number), Some(right_number)) = (as_integer(left), as_integer(right)) {
        let sum = left_number.checked_add(right_number)?;
        let is_small = matches!((left, right), (Bson::Int32(_), Bson::Int32(_)));
        return Some(match i32::try_from(sum) {
            Ok(small) if is_small => Bson::Int32(small),
            _ => Bson::Int64(sum),
        });
    }
    Some(Bson::Double(as_double(left)? + as_double(right)?))
}
