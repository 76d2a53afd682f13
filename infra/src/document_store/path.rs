//! Dotted field paths: reading through documents and arrays, writing through documents only.

use mongodb::bson::{Bson, Document};

use super::failure::{Failure, Result};

/// Finds every value that `path` names; a path that meets an array goes on in each of its documents.
pub(super) fn resolve<'a>(document: &'a Document, path: &str) -> Vec<&'a Bson> {
    let mut found = Vec::new();
    walk(document, path, &mut found);
    found
}

fn walk<'a>(document: &'a Document, path: &str, found: &mut Vec<&'a Bson>) {
    match path.split_once('.') {
        None => found.extend(document.get(path)),
        Some((head, rest)) => {
            if let Some(value) = document.get(head) {
                walk_value(value, rest, found);
            }
        }
    }
}

fn walk_value<'a>(value: &'a Bson, path: &str, found: &mut Vec<&'a Bson>) {
    match value {
        Bson::Document(inner) => walk(inner, path, found),
        Bson::Array(items) => {
            for item in items {
                if let Bson::Document(inner) = item {
                    walk(inner, path, found);
                }
            }
            let (head, rest) = path
                .split_once('.')
                .map_or((path, None), |(head, rest)| (head, Some(rest)));
            let position = head
                .parse::<usize>()
                .ok()
                .and_then(|position| items.get(position));
            match (position, rest) {
                (Some(item), None) => found.push(item),
                (Some(item), Some(rest)) => walk_value(item, rest, found),
                (None, _) => {}
            }
        }
        _ => {}
    }
}

/// Reads the one value that `path` names, for sorting and unique keys, where an array would mean several.
pub(super) fn single<'a>(
    document: &'a Document,
    path: &str,
    purpose: &str,
) -> Result<Option<&'a Bson>> {
    let mut here = document;
    let mut rest = path;
    loop {
        let (head, tail) = rest
            .split_once('.')
            .map_or((rest, None), |(head, tail)| (head, Some(tail)));
        let value = here.get(head);
        if matches!(value, Some(Bson::Array(_))) {
            return Err(Failure::not_supported(format!(
                "{purpose} on `{path}`, which holds an array,"
            )));
        }
        match (value, tail) {
            (value, None) => return Ok(value),
            (Some(Bson::Document(inner)), Some(tail)) => {
                here = inner;
                rest = tail;
            }
            (_, Some(_)) => return Ok(None),
        }
    }
}

/// Checks a path that is to be written or sorted by.
pub(super) fn check_plain(path: &str) -> Result<()> {
    if path
        .split('.')
        .any(|part| part.is_empty() || part.starts_with('$'))
    {
        return Err(Failure::not_supported(format!("the field path `{path}`")));
    }
    Ok(())
}

/// Writes `value` at `path`, making the documents on the way. An array or a scalar on the way is an error.
pub(super) fn set(document: &mut Document, path: &str, value: Bson) -> Result<()> {
    let (parents, leaf) = path
        .rsplit_once('.')
        .map_or((None, path), |(parents, leaf)| (Some(parents), leaf));
    let mut here = document;
    for part in parents.into_iter().flat_map(|parents| parents.split('.')) {
        let next = here
            .entry(part)
            .or_insert_with(|| Bson::Document(Document::new()));
        let Bson::Document(inner) = next else {
            return Err(Failure::path_not_viable(path, part));
        };
        here = inner;
    }
    here.insert(leaf, value);
    Ok(())
}

/// Removes what `path` names, if it is there; a path through an array is an error.
pub(super) fn unset(document: &mut Document, path: &str) -> Result<()> {
    let (parents, leaf) = path
        .rsplit_once('.')
        .map_or((None, path), |(parents, leaf)| (Some(parents), leaf));
    let mut here = document;
    for part in parents.into_iter().flat_map(|parents| parents.split('.')) {
        match here.get_mut(part) {
            Some(Bson::Document(inner)) => here = inner,
            Some(Bson::Array(_)) => return Err(Failure::path_not_viable(path, part)),
            _ => return Ok(()),
        }
    }
    here.remove(leaf);
    Ok(())
}
