//! The catalog's log: one small JSON file per change, each put on condition that it is absent.
//!
//! ```text
//! _catalog/log/00000000000000000001.json       one change each, written once, never rewritten
//! _catalog/snapshot/00000000000000000050.json  the state after entry 50, to shorten a cold start
//! ```
//!
//! Whoever puts entry *n* first has made change *n*; everybody else reads it and tries *n + 1*.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use serde::{Deserialize, Serialize};
use tracing::warn;
use url::Url;
use uuid::Uuid;

use super::model::{Database, TableEntry, TableName};
use crate::error::{Error, Result};

const PARALLEL_READS: usize = 16;

/// One change of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(super) enum Change {
    CreateDatabase { database: Database },
    DropDatabase { name: String },
    CreateTable { table: TableEntry },
    DropTable { name: TableName },
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

/// A database with its tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DatabaseState {
    pub(super) database: Database,
    pub(super) tables: BTreeMap<String, TableEntry>,
}

/// The catalog after `sequence` changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) sequence: u64,
    pub(super) databases: BTreeMap<String, DatabaseState>,
}

impl State {
    /// Applies the next entry. Entries were checked before they were written, so applying is
    /// total: dropping what is not there changes nothing.
    pub(super) fn apply(&mut self, entry: &LogEntry) {
        self.sequence = entry.sequence;
        match &entry.change {
            Change::CreateDatabase { database } => {
                let state = DatabaseState {
                    database: database.clone(),
                    tables: BTreeMap::new(),
                };
                self.databases.entry(database.name.clone()).or_insert(state);
            }
            Change::DropDatabase { name } => {
                self.databases.remove(name);
            }
            Change::CreateTable { table } => {
                if let Some(state) = self.databases.get_mut(&table.name.database) {
                    state.tables.insert(table.name.table.clone(), table.clone());
                }
            }
            Change::DropTable { name } => {
                if let Some(state) = self.databases.get_mut(&name.database) {
                    state.tables.remove(&name.table);
                }
            }
        }
    }
}

/// How a put of an entry ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PutOutcome {
    Written,
    /// Another entry has this sequence number.
    Lost,
}

/// Reads and writes the files of the log.
#[derive(Debug)]
pub(super) struct CatalogLog {
    store: std::sync::Arc<dyn ObjectStore>,
    root: Url,
}

impl CatalogLog {
    pub(super) fn new(store: std::sync::Arc<dyn ObjectStore>, root: Url) -> Self {
        Self { store, root }
    }

    /// Returns the folder of the catalog, for messages.
    pub(super) fn url(&self) -> String {
        format!("{}_catalog", self.root)
    }

    /// Loads the newest readable snapshot, or the empty state the log starts from.
    pub(super) async fn load_snapshot(&self) -> Result<State> {
        let mut sequences = self.list("_catalog/snapshot", 0).await?;
        while let Some(sequence) = sequences.pop() {
            let path = snapshot_path(sequence);
            let Some(bytes) = self.read(&path).await? else {
                continue;
            };
            match serde_json::from_slice(&bytes) {
                Ok(state) => return Ok(state),
                // The log still has every entry, so a bad snapshot only costs time.
                Err(error) => warn!(%path, %error, "catalog snapshot is corrupt, ignored"),
            }
        }
        Ok(State::default())
    }

    /// Reads the entries after `sequence`, in order.
    ///
    /// # Errors
    ///
    /// [`Error::CatalogGap`] when an entry is missing although later ones exist, and
    /// [`Error::CatalogCorrupt`] when one cannot be parsed.
    pub(super) async fn read_after(&self, sequence: u64) -> Result<Vec<LogEntry>> {
        let Some(last) = self.list("_catalog/log", sequence).await?.pop() else {
            return Ok(Vec::new());
        };
        // The files are fetched by number, not by what the listing showed: a listing that races
        // with two writers may show the later file only.
        stream::iter((sequence + 1)..=last)
            .map(|sequence| self.read_entry(sequence))
            .buffered(PARALLEL_READS)
            .try_collect()
            .await
    }

    async fn read_entry(&self, sequence: u64) -> Result<LogEntry> {
        let path = entry_path(sequence);
        let Some(bytes) = self.read(&path).await? else {
            return Err(Error::CatalogGap {
                path: self.display(&path),
            });
        };
        serde_json::from_slice(&bytes).map_err(|source| Error::CatalogCorrupt {
            path: self.display(&path),
            source,
        })
    }

    /// Puts an entry on condition that its number is free.
    pub(super) async fn put(&self, entry: &LogEntry) -> Result<PutOutcome> {
        let path = entry_path(entry.sequence);
        let bytes = to_json(entry)?;
        match self
            .store
            .put_opts(&path, bytes, PutMode::Create.into())
            .await
        {
            Ok(_) => Ok(PutOutcome::Written),
            Err(object_store::Error::AlreadyExists { .. }) => {
                // A retry inside the client may have met the entry that its first try wrote.
                let ours = self.read_entry(entry.sequence).await?.id == entry.id;
                Ok(if ours {
                    PutOutcome::Written
                } else {
                    PutOutcome::Lost
                })
            }
            Err(source) => Err(self.storage_error("writing the catalog log", source)),
        }
    }

    /// Puts a snapshot of the state; that one is there already is as good.
    pub(super) async fn put_snapshot(&self, state: &State) -> Result<()> {
        let path = snapshot_path(state.sequence);
        match self
            .store
            .put_opts(&path, to_json(state)?, PutMode::Create.into())
            .await
        {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(self.storage_error("writing a catalog snapshot", source)),
        }
    }

    /// Lists the sequence numbers after `after` in a folder, in order.
    async fn list(&self, folder: &str, after: u64) -> Result<Vec<u64>> {
        let prefix = Path::from(folder);
        let offset = Path::from(format!("{folder}/{after:020}.json"));
        let mut sequences: Vec<u64> = self
            .store
            .list_with_offset(Some(&prefix), &offset)
            .try_filter_map(|meta| async move { Ok(parse_sequence(&meta.location)) })
            .try_collect()
            .await
            .map_err(|source| self.storage_error("listing the catalog", source))?;
        sequences.sort_unstable();
        Ok(sequences)
    }

    async fn read(&self, path: &Path) -> Result<Option<Bytes>> {
        let read = match self.store.get(path).await {
            Ok(found) => found.bytes().await,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => Err(source),
        };
        read.map(Some)
            .map_err(|source| self.storage_error("reading the catalog", source))
    }

    fn display(&self, path: &Path) -> String {
        format!("{}{path}", self.root)
    }

    fn storage_error(&self, action: &'static str, source: object_store::Error) -> Error {
        Error::Storage {
            url: self.url(),
            action,
            source,
        }
    }
}

fn to_json(value: &impl Serialize) -> Result<PutPayload> {
    serde_json::to_vec(value)
        .map(PutPayload::from)
        .map_err(|error| Error::Internal {
            message: format!("the catalog cannot be written as JSON: {error}"),
        })
}

fn entry_path(sequence: u64) -> Path {
    Path::from(format!("_catalog/log/{sequence:020}.json"))
}

fn snapshot_path(sequence: u64) -> Path {
    Path::from(format!("_catalog/snapshot/{sequence:020}.json"))
}

/// Parses the number out of `…/00000000000000000001.json`; other files are not ours.
fn parse_sequence(path: &Path) -> Option<u64> {
    let digits = path.filename()?.strip_suffix(".json")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}
