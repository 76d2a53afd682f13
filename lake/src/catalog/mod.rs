//! Names to locations, like a Hive metastore without a server.
//!
//! ```text
//! databases -> tables (delta, parquet, csv, json) -> partitions (of those without a Delta log)
//! dropped tables, until their files are deleted or somebody wants them back
//! ```
//!
//! The catalog is a log of small files on the lake itself (module `log`), so several processes
//! share it without a database. A reader keeps the state it has and reads only the entries after
//! it; a writer checks its change against the newest state and puts the next entry on condition
//! that it is absent. A lost race is read and the change is checked again.
//!
//! The catalog owns no facts about Delta tables: versions, columns and partitions are in their
//! logs. Of tables of other formats it owns the columns and the partitions, for want of a log.

mod check;
mod dropped;
mod hive_formats;
pub mod hive_types;
mod log;
mod model;
mod partition;
mod partitions;
mod state;
mod views;

use std::sync::Arc;

use chrono::Utc;
use tokio::sync::Mutex;
use tracing::{info, warn};
use uuid::Uuid;

use self::log::{CatalogLog, PutOutcome};
pub(crate) use self::model::normal_name;
pub use self::model::{
    Column, Database, DroppedTable, IfExists, StorageDescriptor, TableEntry, TableFormat,
    TableKind, TableName, TableStatistics,
};
pub(crate) use self::partition::parse_partition_folder;
pub use self::partition::{NULL_PARTITION, Partition, parse_partition_name, partition_name};
use self::state::{Change, DatabaseState, LogEntry, State};
pub use self::views::{IfViewExists, Relation, ViewEntry, ViewSecurity};
use crate::backoff;
use crate::error::{Error, Result};
use crate::nearest::nearest;
use crate::storage::Storage;

const SNAPSHOT_EVERY: u64 = 50;
const MAX_ATTEMPTS: usize = 64;

/// The databases and tables of one lake.
#[derive(Debug)]
pub struct Catalog {
    log: CatalogLog,
    /// The newest state read so far; none before the first read.
    state: Mutex<Option<Arc<State>>>,
}

impl Catalog {
    /// Opens the catalog of a lake and reads it.
    pub(crate) async fn open(storage: &Storage) -> Result<Self> {
        let log = CatalogLog::new(storage.object_store(), storage.root_url().clone());
        let catalog = Self {
            log,
            state: Mutex::new(None),
        };
        catalog.refresh().await?;
        Ok(catalog)
    }

    /// Returns how many changes were made so far: the number of the newest log entry.
    ///
    /// # Errors
    ///
    /// Those of reading the catalog.
    pub async fn changes(&self) -> Result<u64> {
        Ok(self.refresh().await?.sequence)
    }

    /// Returns all databases, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::CatalogGap`] or [`Error::CatalogCorrupt`] when the catalog
    /// cannot be read; the same goes for every method here.
    pub async fn databases(&self) -> Result<Vec<Database>> {
        let state = self.refresh().await?;
        Ok(state
            .databases
            .values()
            .map(|known| known.database.clone())
            .collect())
    }

    /// Returns a database.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] lists the nearest names.
    pub async fn database(&self, name: &str) -> Result<Database> {
        let state = self.refresh().await?;
        find_database(&state, name).map(|known| known.database.clone())
    }

    /// Creates a database.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseAlreadyExists`] or [`Error::InvalidName`].
    pub async fn create_database(&self, mut database: Database) -> Result<()> {
        database.name = normal_name(&database.name)?;
        self.change(|state| {
            if state.databases.contains_key(&database.name) {
                return Err(Error::DatabaseAlreadyExists {
                    name: database.name.clone(),
                });
            }
            Ok(Change::CreateDatabase {
                database: database.clone(),
            })
        })
        .await
    }

    /// Replaces what is known of a database.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] lists the nearest names.
    pub async fn alter_database(&self, database: Database) -> Result<()> {
        let name = database.name.clone();
        self.edit_database(&name, |known| *known = database.clone())
            .await
    }

    /// Edits what is known of a database, whatever others edit meanwhile. The edit is called
    /// again after a lost race; it cannot change the name.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] lists the nearest names.
    pub async fn edit_database(
        &self,
        name: &str,
        mut edit: impl FnMut(&mut Database) + Send,
    ) -> Result<()> {
        self.change(|state| {
            let mut database = find_database(state, name)?.database.clone();
            let name = database.name.clone();
            edit(&mut database);
            database.name = name;
            Ok(Change::AlterDatabase { database })
        })
        .await
    }

    /// Drops a database that has no tables. Its dropped tables can be had back once there is a
    /// database of its name again.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::DatabaseNotEmpty`].
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        self.change(|state| {
            let known = find_database(state, name)?;
            let name = known.database.name.clone();
            if known.tables.is_empty() && known.views.is_empty() {
                Ok(Change::DropDatabase { name })
            } else {
                Err(Error::DatabaseNotEmpty {
                    name,
                    tables: known.tables.len() + known.views.len(),
                })
            }
        })
        .await
    }

    /// Returns the tables of a database, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] lists the nearest names.
    pub async fn tables(&self, database: &str) -> Result<Vec<TableEntry>> {
        let state = self.refresh().await?;
        Ok(find_database(&state, database)?
            .tables
            .values()
            .cloned()
            .collect())
    }

    /// Returns a table.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`] list the nearest names.
    pub async fn table(&self, name: &TableName) -> Result<TableEntry> {
        let state = self.refresh().await?;
        find_table(&state, name).cloned()
    }

    /// Names a table. What is at the entry's location is not looked at.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::TableAlreadyExists`], [`Error::InvalidName`],
    /// [`Error::LocationTaken`], or [`Error::SchemaMismatch`] for columns that contradict each
    /// other or the format.
    pub async fn register_table(&self, mut entry: TableEntry) -> Result<()> {
        entry.name = TableName::new(&entry.name.database, &entry.name.table)?;
        check::table(&mut entry)?;
        self.change(|state| {
            check::name_is_free(state, &entry.name)?;
            check::location_is_free(state, self.log.root(), &entry)?;
            Ok(Change::CreateTable {
                table: entry.clone(),
            })
        })
        .await
    }

    /// Gives a table's name to another table in one step, or names it if no table has the name.
    /// The one that had the name can be had back as if it were dropped.
    ///
    /// # Errors
    ///
    /// Those of [`register_table`](Self::register_table), except for a table of the same name.
    pub async fn replace_table(
        &self,
        mut entry: TableEntry,
        purge_after: Option<chrono::DateTime<Utc>>,
    ) -> Result<()> {
        entry.name = TableName::new(&entry.name.database, &entry.name.table)?;
        check::table(&mut entry)?;
        self.change(|state| {
            let known = find_database(state, &entry.name.database)?;
            if !known.tables.contains_key(&entry.name.table) {
                check::name_is_free(state, &entry.name)?;
            }
            check::location_is_free(state, self.log.root(), &entry)?;
            Ok(Change::ReplaceTable {
                table: entry.clone(),
                purge_after,
            })
        })
        .await
    }

    /// Replaces what is known of a table, but not its partitions.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`], and those of
    /// [`edit_table`](Self::edit_table).
    pub async fn alter_table(&self, entry: TableEntry) -> Result<()> {
        let name = entry.name.clone();
        self.edit_table(&name, |known| *known = entry.clone())
            .await?;
        Ok(())
    }

    /// Edits what is known of a table, whatever others edit meanwhile, and returns the outcome.
    /// The edit is called again after a lost race; it cannot change the name.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`]; [`Error::SchemaMismatch`] for
    /// columns that contradict each other, and for other partition keys than those that the
    /// registered partitions have; [`Error::LocationTaken`].
    pub async fn edit_table(
        &self,
        name: &TableName,
        mut edit: impl FnMut(&mut TableEntry) + Send,
    ) -> Result<TableEntry> {
        let mut edited = None;
        self.change(|state| {
            let known = find_table(state, name)?;
            let mut table = known.clone();
            edit(&mut table);
            table.name = known.name.clone();
            check::table(&mut table)?;
            check::partition_keys_stay(state, known, &table)?;
            if table.location != known.location || table.kind != known.kind {
                check::location_is_free(state, self.log.root(), &table)?;
            }
            edited = Some(table.clone());
            Ok(Change::AlterTable { table })
        })
        .await?;
        outcome(edited)
    }

    /// Gives a table another name, in the same or in another database. Its location stays, so
    /// readers and writers that have it open are not disturbed.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::TableNotFound`], [`Error::TableAlreadyExists`] or
    /// [`Error::InvalidName`].
    pub async fn rename_table(&self, from: &TableName, to: &TableName) -> Result<()> {
        let to = TableName::new(&to.database, &to.table)?;
        self.change(|state| {
            let from = find_table(state, from)?.name.clone();
            check::name_is_free(state, &to)?;
            Ok(Change::RenameTable {
                from,
                to: to.clone(),
            })
        })
        .await
    }

    /// Forgets a table and returns what was known of it; its data stays, and there is nothing to
    /// undrop.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`].
    pub async fn unregister_table(&self, name: &TableName) -> Result<TableEntry> {
        let mut dropped = None;
        self.change(|state| {
            let entry = find_table(state, name)?;
            dropped = Some(entry.clone());
            Ok(Change::DropTable {
                name: entry.name.clone(),
            })
        })
        .await?;
        outcome(dropped)
    }

    /// Reads the entries that are new since the last read.
    async fn refresh(&self) -> Result<Arc<State>> {
        let mut guard = self.state.lock().await;
        let (mut state, entries) = match guard.as_ref() {
            Some(known) => {
                let entries = self.log.read_after(known.sequence).await?;
                if entries.is_empty() {
                    return Ok(Arc::clone(known));
                }
                (guard.take().unwrap_or_default(), entries)
            }
            // Once per process the log is listed, which also finds a hole in it.
            None => {
                let state = self.log.load_snapshot().await?;
                let entries = self.log.list_after(state.sequence).await?;
                (Arc::new(state), entries)
            }
        };
        // Copies the state only while a reader still holds the one before.
        let newest = Arc::make_mut(&mut state);
        entries.into_iter().for_each(|entry| newest.apply(entry));
        *guard = Some(Arc::clone(&state));
        Ok(state)
    }

    /// Checks a change against the newest state and writes it; a lost race is read and checked
    /// again.
    async fn change(&self, mut check: impl FnMut(&State) -> Result<Change> + Send) -> Result<()> {
        self.change_if_any(|state| check(state).map(Some)).await
    }

    /// Like [`change`](Self::change), for a check that may find nothing to change.
    async fn change_if_any(
        &self,
        mut check: impl FnMut(&State) -> Result<Option<Change>> + Send,
    ) -> Result<()> {
        for attempt in 0..MAX_ATTEMPTS {
            let state = self.refresh().await?;
            let Some(change) = check(&state)? else {
                return Ok(());
            };
            let entry = LogEntry {
                sequence: state.sequence + 1,
                id: Uuid::new_v4(),
                at: Utc::now(),
                change,
            };
            drop(state);
            match self.log.put(&entry).await? {
                PutOutcome::Written => {
                    let (change, subject) = entry.change.subject();
                    let sequence = entry.sequence;
                    info!(sequence, change, subject, "catalog changed");
                    self.remember(entry).await;
                    self.snapshot_if_due(sequence).await;
                    return Ok(());
                }
                PutOutcome::Lost => backoff::pause(attempt).await,
            }
        }
        Err(Error::CatalogContended {
            url: self.log.url(),
            attempts: MAX_ATTEMPTS,
        })
    }

    /// Applies an entry of our own, which need not be read again.
    async fn remember(&self, entry: LogEntry) {
        let mut guard = self.state.lock().await;
        if let Some(state) = guard.as_mut()
            && state.sequence + 1 == entry.sequence
        {
            Arc::make_mut(state).apply(entry);
        }
    }

    /// A snapshot only saves time, so failing to write one fails nothing.
    async fn snapshot_if_due(&self, sequence: u64) {
        if !sequence.is_multiple_of(SNAPSHOT_EVERY) {
            return;
        }
        let written = async {
            let state = self.refresh().await?;
            self.log.put_snapshot(&state).await?;
            self.log.delete_old_snapshots().await
        };
        if let Err(error) = written.await {
            warn!(sequence, %error, "catalog snapshot could not be written");
        }
    }
}

/// Returns what the check of a change that was written has left behind.
fn outcome<T>(left: Option<T>) -> Result<T> {
    left.ok_or_else(|| Error::Internal {
        message: "a change of the catalog was written without its check".to_owned(),
    })
}

fn find_database<'a>(state: &'a State, name: &str) -> Result<&'a DatabaseState> {
    let lower = name.to_ascii_lowercase();
    state
        .databases
        .get(&lower)
        .ok_or_else(|| Error::DatabaseNotFound {
            nearest: nearest(&lower, state.databases.keys().map(String::as_str)),
            name: lower,
        })
}

fn find_table<'a>(state: &'a State, name: &TableName) -> Result<&'a TableEntry> {
    let known = find_database(state, &name.database)?;
    let lower = name.table.to_ascii_lowercase();
    known.tables.get(&lower).ok_or_else(|| {
        let database = &known.database.name;
        Error::TableNotFound {
            name: format!("{database}.{lower}"),
            nearest: nearest(&lower, known.tables.keys().map(String::as_str))
                .into_iter()
                .map(|table| format!("{database}.{table}"))
                .collect(),
        }
    })
}

#[cfg(test)]
mod conformance;

#[cfg(test)]
mod tests;
