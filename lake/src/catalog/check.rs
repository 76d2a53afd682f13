//! What must hold for a change of the catalog.

use std::collections::BTreeSet;

use url::Url;

use super::find_database;
use super::hive_types::parse_hive_type;
use super::model::{TableEntry, TableFormat, TableKind, TableName};
use super::state::State;
use crate::error::{Error, Result};

/// Checks that the columns of an entry fit each other and its format, and puts their names into
/// lower case.
pub(super) fn table(entry: &mut TableEntry) -> Result<()> {
    let table = entry.name.to_string();
    let mismatch = |reason: String| Error::SchemaMismatch {
        table: table.clone(),
        reason,
    };
    if entry.location.trim().is_empty() {
        return Err(mismatch("it has no location".to_owned()));
    }
    if entry.format == TableFormat::Delta {
        return if entry.columns.is_empty() && entry.partition_keys.is_empty() {
            Ok(())
        } else {
            Err(mismatch(
                "the columns of a Delta table are in its log".to_owned(),
            ))
        };
    }
    if entry.columns.is_empty() {
        return Err(mismatch("it has no columns besides its keys".to_owned()));
    }
    let mut seen = BTreeSet::new();
    for column in entry.columns.iter_mut().chain(&mut entry.partition_keys) {
        column.name = column.name.to_lowercase();
        if column.name.is_empty() {
            return Err(mismatch("a column has no name".to_owned()));
        }
        if !seen.insert(column.name.clone()) {
            return Err(mismatch(format!("column `{}` occurs twice", column.name)));
        }
        parse_hive_type(&column.data_type)?;
    }
    for key in &entry.partition_keys {
        if parse_hive_type(&key.data_type)?.is_nested() {
            return Err(mismatch(format!(
                "partition key `{}` has type {}, which no folder name can hold",
                key.name, key.data_type
            )));
        }
    }
    Ok(())
}

/// Checks that registered partitions keep their meaning.
pub(super) fn partition_keys_stay(
    state: &State,
    known: &TableEntry,
    altered: &TableEntry,
) -> Result<()> {
    let names = |entry: &TableEntry| -> Vec<String> {
        let keys = entry.partition_keys.iter();
        keys.map(|key| key.name.clone()).collect()
    };
    let partitions = find_database(state, &known.name.database)?
        .partitions
        .get(&known.name.table)
        .map_or(0, std::collections::BTreeMap::len);
    if partitions > 0 && names(known) != names(altered) {
        return Err(Error::SchemaMismatch {
            table: known.name.to_string(),
            reason: format!(
                "its partition keys cannot change while it has {partitions} partitions"
            ),
        });
    }
    Ok(())
}

/// Checks that a name can be given to a table; it is in lower case.
pub(super) fn name_is_free(state: &State, name: &TableName) -> Result<()> {
    let known = find_database(state, &name.database)?;
    if known.tables.contains_key(&name.table) || known.views.contains_key(&name.table) {
        return Err(Error::TableAlreadyExists {
            name: name.to_string(),
        });
    }
    Ok(())
}

/// Checks that nobody else deletes, or has deleted, the files of the entry's location: two
/// managed tables must not share files, and files that are being deleted can be nobody's.
pub(super) fn location_is_free(state: &State, root: &Url, entry: &TableEntry) -> Result<()> {
    let taken = |name: &TableName| Error::LocationTaken {
        location: entry.location.clone(),
        table: name.to_string(),
    };
    let wanted = absolute(root, &entry.location);
    let purging = state.dropped.iter().map(|dropped| &dropped.table);
    for table in purging.filter(|table| table.purging) {
        if overlap(&wanted, &absolute(root, &table.entry.location)) {
            return Err(taken(&table.entry.name));
        }
    }
    if entry.kind != TableKind::Managed {
        return Ok(());
    }
    for known in tables(state) {
        let other = known.kind == TableKind::Managed && known.name != entry.name;
        if other && overlap(&wanted, &absolute(root, &known.location)) {
            return Err(taken(&known.name));
        }
    }
    Ok(())
}

/// Returns whether a table of today has files at a location, or below or above it.
pub(super) fn is_used(state: &State, root: &Url, location: &str) -> bool {
    let wanted = absolute(root, location);
    tables(state).any(|known| overlap(&wanted, &absolute(root, &known.location)))
}

fn tables(state: &State) -> impl Iterator<Item = &TableEntry> {
    state
        .databases
        .values()
        .flat_map(|database| database.tables.values())
}

fn absolute(root: &Url, location: &str) -> String {
    let location = location.trim_end_matches('/');
    if location.contains("://") {
        format!("{location}/")
    } else {
        format!("{root}{location}/")
    }
}

fn overlap(left: &str, right: &str) -> bool {
    left.starts_with(right) || right.starts_with(left)
}
