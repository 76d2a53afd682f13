//! What the catalog's log says when it is read from its start: changes, and the state they make.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::model::{Database, DroppedTable, TableEntry, TableName};
use super::partition::{Partition, values_key};
use super::views::{ViewEntry, Views};

/// One change of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Change {
    CreateDatabase {
        database: Database,
    },
    AlterDatabase {
        database: Database,
    },
    DropDatabase {
        name: String,
    },
    CreateTable {
        table: TableEntry,
    },
    /// Replaces what is known of the table, but not its partitions.
    AlterTable {
        table: TableEntry,
    },
    RenameTable {
        from: TableName,
        to: TableName,
    },
    /// Gives the table's name to another one and keeps the one that had it, to be had back.
    ReplaceTable {
        table: TableEntry,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purge_after: Option<DateTime<Utc>>,
    },
    /// Forgets the table.
    DropTable {
        name: TableName,
    },
    /// Takes the table's name away and keeps the rest, to be had back.
    RetireTable {
        name: TableName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purge_after: Option<DateTime<Utc>>,
    },
    /// Gives the name back to the newest retired table that had it.
    UndropTable {
        name: TableName,
    },
    /// Claims retired tables, to delete their files.
    PurgeDropped {
        tables: Vec<DroppedId>,
    },
    ForgetDropped {
        tables: Vec<DroppedId>,
    },
    AddPartitions {
        name: TableName,
        partitions: Vec<Partition>,
    },
    DropPartitions {
        name: TableName,
        values: Vec<Vec<String>>,
    },
    /// Names a view, or replaces the one that has the name.
    PutView {
        view: ViewEntry,
    },
    RenameView {
        from: TableName,
        to: TableName,
    },
    DropView {
        name: TableName,
    },
}

impl Change {
    /// The `change` of every kind that this version reads.
    pub(super) const KINDS: [&str; 17] = [
        "create_database",
        "alter_database",
        "drop_database",
        "create_table",
        "alter_table",
        "rename_table",
        "drop_table",
        "retire_table",
        "undrop_table",
        "purge_dropped",
        "forget_dropped",
        "add_partitions",
        "drop_partitions",
        "replace_table",
        "put_view",
        "rename_view",
        "drop_view",
    ];

    /// Returns what the change is about, for the log of the process.
    pub(super) fn subject(&self) -> (&'static str, String) {
        match self {
            Self::CreateDatabase { database } => ("create database", database.name.clone()),
            Self::AlterDatabase { database } => ("alter database", database.name.clone()),
            Self::DropDatabase { name } => ("drop database", name.clone()),
            Self::CreateTable { table } => ("create table", table.name.to_string()),
            Self::AlterTable { table } => ("alter table", table.name.to_string()),
            Self::RenameTable { from, to } => ("rename table", format!("{from} to {to}")),
            Self::DropTable { name } => ("forget table", name.to_string()),
            Self::RetireTable { name, .. } => ("drop table", name.to_string()),
            Self::UndropTable { name } => ("undrop table", name.to_string()),
            Self::PurgeDropped { tables } => ("purge dropped", tables.len().to_string()),
            Self::ForgetDropped { tables } => ("forget dropped", tables.len().to_string()),
            Self::AddPartitions { name, .. } => ("add partitions", name.to_string()),
            Self::DropPartitions { name, .. } => ("drop partitions", name.to_string()),
            Self::ReplaceTable { table, .. } => ("replace table", table.name.to_string()),
            Self::PutView { view } => ("put view", view.name.to_string()),
            Self::RenameView { from, to } => ("rename view", format!("{from} to {to}")),
            Self::DropView { name } => ("drop view", name.to_string()),
        }
    }
}

/// Tells one dropped table from another of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DroppedId {
    pub(super) name: TableName,
    pub(super) location: String,
    pub(super) dropped_at: DateTime<Utc>,
}

impl DroppedId {
    pub(super) fn of(table: &DroppedTable) -> Self {
        Self {
            name: table.entry.name.clone(),
            location: table.entry.location.clone(),
            dropped_at: table.dropped_at,
        }
    }
}

/// One file of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogEntry {
    pub(super) sequence: u64,
    /// Lets a writer recognise its own entry when the store's answer was lost.
    pub(super) id: Uuid,
    pub(super) at: DateTime<Utc>,
    #[serde(flatten)]
    pub(super) change: Change,
}

/// The partitions of one table, by their values.
pub(super) type Partitions = BTreeMap<String, Partition>;

/// A database with its tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatabaseState {
    pub(super) database: Database,
    pub(super) tables: BTreeMap<String, TableEntry>,
    /// By table; beside the entries, because a table can have very many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) partitions: BTreeMap<String, Partitions>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) views: Views,
}

/// A dropped table with its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DroppedState {
    pub(super) table: DroppedTable,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) partitions: Partitions,
}

/// The catalog after `sequence` changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) sequence: u64,
    pub(super) databases: BTreeMap<String, DatabaseState>,
    /// In the order they were dropped in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) dropped: Vec<DroppedState>,
}

impl State {
    /// Applies the next entry. Entries were checked before they were written, so applying is
    /// total: dropping what is not there changes nothing.
    pub(super) fn apply(&mut self, entry: LogEntry) {
        self.sequence = entry.sequence;
        match entry.change {
            Change::CreateDatabase { database } => {
                let name = database.name.clone();
                let state = DatabaseState {
                    database,
                    ..DatabaseState::default()
                };
                self.databases.entry(name).or_insert(state);
            }
            Change::AlterDatabase { database } => {
                if let Some(state) = self.databases.get_mut(&database.name) {
                    state.database = database;
                }
            }
            Change::DropDatabase { name } => {
                self.databases.remove(&name);
            }
            Change::CreateTable { table } | Change::AlterTable { table } => {
                if let Some(state) = self.databases.get_mut(&table.name.database) {
                    state.tables.insert(table.name.table.clone(), table);
                }
            }
            Change::RenameTable { from, to } => {
                if let Some((mut table, partitions)) = self.take(&from) {
                    table.name = to;
                    self.put(table, partitions);
                }
            }
            Change::DropTable { name } => {
                self.take(&name);
            }
            Change::RetireTable { name, purge_after } => self.retire(&name, entry.at, purge_after),
            Change::ReplaceTable { table, purge_after } => {
                self.retire(&table.name, entry.at, purge_after);
                self.put(table, Partitions::new());
            }
            Change::PutView { view } => {
                if let Some(state) = self.databases.get_mut(&view.name.database) {
                    state.views.insert(view.name.table.clone(), view);
                }
            }
            Change::RenameView { from, to } => {
                if let Some(mut view) = self.take_view(&from)
                    && let Some(state) = self.databases.get_mut(&to.database)
                {
                    view.name = to;
                    state.views.insert(view.name.table.clone(), view);
                }
            }
            Change::DropView { name } => {
                self.take_view(&name);
            }
            Change::UndropTable { name } => {
                if let Some(position) = self.undroppable(&name) {
                    let dropped = self.dropped.remove(position);
                    self.put(dropped.table.entry, dropped.partitions);
                }
            }
            Change::PurgeDropped { tables } => {
                let tables: BTreeSet<DroppedId> = tables.into_iter().collect();
                for dropped in &mut self.dropped {
                    dropped.table.purging |= tables.contains(&DroppedId::of(&dropped.table));
                }
            }
            Change::ForgetDropped { tables } => {
                let tables: BTreeSet<DroppedId> = tables.into_iter().collect();
                self.dropped
                    .retain(|dropped| !tables.contains(&DroppedId::of(&dropped.table)));
            }
            Change::AddPartitions { name, partitions } => {
                if let Some(state) = self.databases.get_mut(&name.database) {
                    let known = state.partitions.entry(name.table).or_default();
                    for partition in partitions {
                        known.insert(values_key(&partition.values), partition);
                    }
                }
            }
            Change::DropPartitions { name, values } => {
                if let Some(state) = self.databases.get_mut(&name.database)
                    && let Some(known) = state.partitions.get_mut(&name.table)
                {
                    for values in values {
                        known.remove(&values_key(&values));
                    }
                    if known.is_empty() {
                        state.partitions.remove(&name.table);
                    }
                }
            }
        }
    }

    /// Returns where the newest dropped table of a name is that can be had back.
    pub(super) fn undroppable(&self, name: &TableName) -> Option<usize> {
        self.dropped
            .iter()
            .rposition(|dropped| dropped.table.entry.name == *name && !dropped.table.purging)
    }

    fn retire(
        &mut self,
        name: &TableName,
        dropped_at: DateTime<Utc>,
        purge_after: Option<DateTime<Utc>>,
    ) {
        if let Some((entry, partitions)) = self.take(name) {
            let table = DroppedTable {
                entry,
                dropped_at,
                purge_after,
                purging: false,
            };
            self.dropped.push(DroppedState { table, partitions });
        }
    }

    fn take_view(&mut self, name: &TableName) -> Option<ViewEntry> {
        let state = self.databases.get_mut(&name.database)?;
        state.views.remove(&name.table)
    }

    fn take(&mut self, name: &TableName) -> Option<(TableEntry, Partitions)> {
        let state = self.databases.get_mut(&name.database)?;
        let table = state.tables.remove(&name.table)?;
        let partitions = state.partitions.remove(&name.table).unwrap_or_default();
        Some((table, partitions))
    }

    fn put(&mut self, table: TableEntry, partitions: Partitions) {
        if let Some(state) = self.databases.get_mut(&table.name.database) {
            if !partitions.is_empty() {
                state
                    .partitions
                    .insert(table.name.table.clone(), partitions);
            }
            state.tables.insert(table.name.table.clone(), table);
        }
    }
}
