//! The catalog's log: one small JSON file per change, each put on condition that it is absent.
//!
//! ```text
//! _catalog/log/00000000000000000001.json       one change each, written once, never rewritten
//! _catalog/snapshot/00000000000000000050.json  the state after entry 50, to shorten a cold start
//! ```
//!
//! Whoever puts entry *n* first has made change *n*; everybody else reads it and tries *n + 1*.
//!
//! Entries are never deleted: a process that slept through the clean-up would find the number of
//! a deleted entry free and put its own change there. Old snapshots are, because a reader that
//! misses one takes the next.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use serde::{Deserialize, Serialize};
use tracing::{debug, warn};
use url::Url;

use super::state::{Change, LogEntry, State};
use crate::error::{Error, Result};

const PARALLEL_READS: usize = 16;
const KEPT_SNAPSHOTS: usize = 3;

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

    /// Returns the URL of the lake.
    pub(super) fn root(&self) -> &Url {
        &self.root
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
                Err(error) => warn!(%path, %error, "catalog snapshot cannot be read, ignored"),
            }
        }
        Ok(State::default())
    }

    /// Reads the entries after `sequence`, in order, by asking for the next one: one request, no
    /// matter how long the log is, when there is none.
    ///
    /// # Errors
    ///
    /// Those of [`list_after`](Self::list_after).
    pub(super) async fn read_after(&self, sequence: u64) -> Result<Vec<LogEntry>> {
        match self.read_entry(sequence + 1).await? {
            None => Ok(Vec::new()),
            Some(next) => {
                let mut entries = vec![next];
                entries.append(&mut self.list_after(sequence + 1).await?);
                Ok(entries)
            }
        }
    }

    /// Lists and reads the entries after `sequence`, in order.
    ///
    /// # Errors
    ///
    /// [`Error::CatalogGap`] when an entry is missing although later ones exist,
    /// [`Error::UnknownCatalogChange`] when one was written by a newer version, and
    /// [`Error::CatalogCorrupt`] when one cannot be parsed.
    pub(super) async fn list_after(&self, sequence: u64) -> Result<Vec<LogEntry>> {
        let Some(last) = self.list("_catalog/log", sequence).await?.pop() else {
            return Ok(Vec::new());
        };
        // The files are fetched by number, not by what the listing showed: a listing that races
        // with two writers may show the later file only.
        stream::iter((sequence + 1)..=last)
            .map(|sequence| self.require_entry(sequence))
            .buffered(PARALLEL_READS)
            .try_collect()
            .await
    }

    async fn require_entry(&self, sequence: u64) -> Result<LogEntry> {
        let entry = self.read_entry(sequence).await?;
        entry.ok_or_else(|| Error::CatalogGap {
            path: self.display(&entry_path(sequence)),
        })
    }

    async fn read_entry(&self, sequence: u64) -> Result<Option<LogEntry>> {
        let path = entry_path(sequence);
        let Some(bytes) = self.read(&path).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| self.unreadable(&path, &bytes, source))
    }

    fn unreadable(&self, path: &Path, bytes: &[u8], source: serde_json::Error) -> Error {
        #[derive(Deserialize)]
        struct Kind {
            change: String,
        }
        let path = self.display(path);
        match serde_json::from_slice(bytes) {
            Ok(Kind { change }) if !Change::KINDS.contains(&change.as_str()) => {
                Error::UnknownCatalogChange { path, change }
            }
            _ => Error::CatalogCorrupt { path, source },
        }
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
                let ours = self.require_entry(entry.sequence).await?.id == entry.id;
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

    /// Deletes the snapshots that newer ones have replaced, but keeps a few for those who listed
    /// them and are about to read.
    pub(super) async fn delete_old_snapshots(&self) -> Result<()> {
        let mut sequences = self.list("_catalog/snapshot", 0).await?;
        sequences.truncate(sequences.len().saturating_sub(KEPT_SNAPSHOTS));
        for sequence in sequences {
            let path = snapshot_path(sequence);
            match self.store.delete(&path).await {
                Ok(()) => debug!(%path, "old catalog snapshot deleted"),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => {
                    return Err(self.storage_error("deleting an old catalog snapshot", source));
                }
            }
        }
        Ok(())
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
