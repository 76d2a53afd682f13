//! Names to locations, like a Hive metastore without a server.
//!
//! The catalog is a log of small files on the lake itself (module `log`), so several processes
//! share it without a database. A reader keeps the state it has and reads only the entries after
//! it; a writer checks its change against the newest state and puts the next entry on condition
//! that it is absent. A lost race is read and the change is checked again.
//!
//! The catalog owns no facts about data: versions, columns and partitions are in the Delta logs.

mod log;
mod model;

use std::sync::Arc;

use chrono::Utc;
use tokio::sync::Mutex;
use tracing::{info, warn};
use uuid::Uuid;

use self::log::{CatalogLog, Change, DatabaseState, LogEntry, PutOutcome, State};
pub(crate) use self::model::normal_name;
pub use self::model::{Database, TableEntry, TableName};
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

    /// Drops a database that has no tables.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::DatabaseNotEmpty`].
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        self.change(|state| {
            let known = find_database(state, name)?;
            let name = known.database.name.clone();
            if known.tables.is_empty() {
                Ok(Change::DropDatabase { name })
            } else {
                Err(Error::DatabaseNotEmpty {
                    name,
                    tables: known.tables.len(),
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

    /// Names a table that has a Delta log at the entry's location.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::TableAlreadyExists`] or [`Error::InvalidName`].
    pub async fn register_table(&self, mut entry: TableEntry) -> Result<()> {
        entry.name = TableName::new(&entry.name.database, &entry.name.table)?;
        self.change(|state| {
            let known = find_database(state, &entry.name.database)?;
            if known.tables.contains_key(&entry.name.table) {
                return Err(Error::TableAlreadyExists {
                    name: entry.name.to_string(),
                });
            }
            Ok(Change::CreateTable {
                table: entry.clone(),
            })
        })
        .await
    }

    /// Forgets a table and returns what was known of it; its data stays.
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
        dropped.ok_or_else(|| Error::Internal {
            message: "a dropped table has no entry".to_owned(),
        })
    }

    /// Reads the entries that are new since the last read.
    async fn refresh(&self) -> Result<Arc<State>> {
        let mut guard = self.state.lock().await;
        let known = match guard.as_ref() {
            Some(state) => Arc::clone(state),
            None => Arc::new(self.log.load_snapshot().await?),
        };
        let entries = self.log.read_after(known.sequence).await?;
        let state = if entries.is_empty() {
            known
        } else {
            let mut state = State::clone(&known);
            entries.iter().for_each(|entry| state.apply(entry));
            Arc::new(state)
        };
        *guard = Some(Arc::clone(&state));
        Ok(state)
    }

    /// Checks a change against the newest state and writes it; a lost race is read and checked
    /// again.
    async fn change(&self, mut check: impl FnMut(&State) -> Result<Change> + Send) -> Result<()> {
        for attempt in 0..MAX_ATTEMPTS {
            let state = self.refresh().await?;
            let entry = LogEntry {
                sequence: state.sequence + 1,
                id: Uuid::new_v4(),
                at: Utc::now(),
                change: check(&state)?,
            };
            match self.log.put(&entry).await? {
                PutOutcome::Written => {
                    info!(sequence = entry.sequence, change = ?entry.change, "catalog changed");
                    self.snapshot_if_due(entry.sequence).await;
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

    /// A snapshot only saves time, so failing to write one fails nothing.
    async fn snapshot_if_due(&self, sequence: u64) {
        if !sequence.is_multiple_of(SNAPSHOT_EVERY) {
            return;
        }
        let written = match self.refresh().await {
            Ok(state) => self.log.put_snapshot(&state).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            warn!(sequence, %error, "catalog snapshot could not be written");
        }
    }
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
