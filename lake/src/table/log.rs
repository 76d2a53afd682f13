//! What a writer must know of a table's Delta log: its latest version and the offsets stored
//! with it, kept up to date by reading only new commits.
//!
//! Delta's `txn` actions are not a filter, so a writer compares before it commits. Asking the
//! Delta kernel replays the log since the last checkpoint for every source; here the stored
//! offsets of all sources are loaded once (checkpoint, then commits) and each new commit is read
//! once. That nothing is new costs one request for the commit that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use deltalake::kernel::Action;
use deltalake::logstore::{LogStoreRef, commit_uri_from_version};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;

use super::TableRef;
use crate::error::{Error, Result};

/// After this time the log is listed again: another process may have cleaned up commits that we
/// have not read, and then the absence of the next one would not mean that there is none.
pub(crate) const TRUST: Duration = Duration::from_secs(600);

/// A writer's view of the log.
#[derive(Debug)]
pub(crate) struct LogTail {
    /// The latest version.
    pub(crate) version: u64,
    /// The offset stored for each source at that version.
    pub(crate) offsets: BTreeMap<String, i64>,
    /// The last version at which the table's columns, properties or protocol may have changed.
    pub(crate) definition_version: u64,
    loaded_at: Instant,
}

/// The actions a writer looks for in a commit; the others are not parsed further.
#[derive(Deserialize)]
struct Line {
    txn: Option<Txn>,
    #[serde(rename = "metaData")]
    metadata: Option<serde::de::IgnoredAny>,
    protocol: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Txn {
    app_id: String,
    version: i64,
}

/// What a listing of the log folder shows.
#[derive(Default)]
struct Listing {
    commits: BTreeSet<u64>,
    /// The files of each checkpoint, with the number of files it should have.
    checkpoints: BTreeMap<u64, Vec<(Path, usize)>>,
}

impl LogTail {
    /// Loads the offsets from the newest checkpoint and the commits after it.
    ///
    /// # Errors
    ///
    /// [`Error::MissingLog`] when there is no log, [`Error::LogGap`] when a commit in the middle
    /// is missing, [`Error::CorruptLog`] when a file cannot be parsed.
    pub(crate) async fn load(table: &TableRef) -> Result<Self> {
        let loaded_at = Instant::now();
        let store = table.log_store.object_store(None);
        let listing = list(table, store.as_ref()).await?;
        let checkpoint = listing
            .checkpoints
            .iter()
            .rev()
            .find(|(_, files)| files.iter().all(|(_, parts)| files.len() >= *parts));
        let (mut offsets, start) = match checkpoint {
            Some((version, files)) => {
                let mut offsets = BTreeMap::new();
                for (path, _) in files {
                    read_checkpoint(table, store.as_ref(), path, &mut offsets).await?;
                }
                (offsets, Some(*version))
            }
            None => (BTreeMap::new(), None),
        };
        let Some(last) = listing.commits.last().copied().max(start) else {
            return Err(Error::MissingLog {
                table: table.name.to_string(),
                location: table.url.to_string(),
            });
        };
        let mut definition_version = start.unwrap_or(0);
        for version in start.map_or(0, |version| version + 1)..=last {
            let Some(bytes) = read_commit(table, version).await? else {
                return Err(Error::LogGap {
                    table: table.name.to_string(),
                    location: table.url.to_string(),
                    file: commit_uri_from_version(Some(version)).to_string(),
                });
            };
            if apply_commit(table, version, &bytes, &mut offsets)? {
                definition_version = version;
            }
        }
        let mut tail = Self {
            version: last,
            offsets,
            definition_version,
            loaded_at,
        };
        tail.advance(table).await?;
        Ok(tail)
    }

    /// Reports whether the log should be listed again instead of advanced.
    pub(crate) fn is_stale(&self) -> bool {
        self.loaded_at.elapsed() > TRUST
    }

    /// Reads the commits that are new.
    pub(crate) async fn advance(&mut self, table: &TableRef) -> Result<()> {
        while let Some(bytes) = read_commit(table, self.version + 1).await? {
            self.apply(table, &bytes)?;
        }
        Ok(())
    }

    /// Takes over the next commit.
    pub(crate) fn apply(&mut self, table: &TableRef, commit: &Bytes) -> Result<()> {
        let version = self.version + 1;
        if apply_commit(table, version, commit, &mut self.offsets)? {
            self.definition_version = version;
        }
        self.version = version;
        Ok(())
    }
}

/// Reads a commit; none when there is no such commit.
pub(crate) async fn read_commit(table: &TableRef, version: u64) -> Result<Option<Bytes>> {
    table
        .log_store
        .read_commit_entry(version)
        .await
        .map_err(|error| table.error("reading the log of", Some(version), error))
}

/// Parses the actions of a commit.
pub(crate) fn parse_actions(table: &TableRef, version: u64, commit: &[u8]) -> Result<Vec<Action>> {
    lines(commit)
        .map(|line| serde_json::from_slice(line).map_err(|error| corrupt(table, version, error)))
        .collect()
}

/// Applies a commit's offsets and reports whether it may have changed the table's definition.
fn apply_commit(
    table: &TableRef,
    version: u64,
    commit: &[u8],
    offsets: &mut BTreeMap<String, i64>,
) -> Result<bool> {
    let mut redefined = false;
    for line in lines(commit) {
        let line: Line =
            serde_json::from_slice(line).map_err(|error| corrupt(table, version, error))?;
        redefined |= line.metadata.is_some() || line.protocol.is_some();
        if let Some(txn) = line.txn {
            offsets.insert(txn.app_id, txn.version);
        }
    }
    Ok(redefined)
}

fn lines(commit: &[u8]) -> impl Iterator<Item = &[u8]> {
    commit
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
}

fn corrupt(table: &TableRef, version: u64, error: serde_json::Error) -> Error {
    corrupt_file(
        table,
        commit_uri_from_version(Some(version)).as_ref(),
        error,
    )
}

fn corrupt_file(
    table: &TableRef,
    file: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::CorruptLog {
        table: table.name.to_string(),
        location: table.url.to_string(),
        file: file.to_owned(),
        source: error.into(),
    }
}

async fn list(table: &TableRef, store: &dyn ObjectStore) -> Result<Listing> {
    let folder = Path::from("_delta_log");
    let files = store
        .list_with_delimiter(Some(&folder))
        .await
        .map_err(|source| Error::Storage {
            url: table.url.to_string(),
            action: "listing the Delta log",
            source,
        })?;
    let mut listing = Listing::default();
    for meta in files.objects {
        let Some(name) = meta.location.filename() else {
            continue;
        };
        let parts: Vec<&str> = name.split('.').collect();
        let Some(version) = parts.first().and_then(|digits| parse_version(digits)) else {
            continue;
        };
        match parts.as_slice() {
            [_, "json"] => {
                listing.commits.insert(version);
            }
            // Classic, multi-part, and the main file of a V2 checkpoint named by a UUID.
            [_, "checkpoint", "parquet"] | [_, "checkpoint", _, "parquet" | "json"] => {
                listing
                    .checkpoints
                    .entry(version)
                    .or_default()
                    .push((meta.location, 1));
            }
            [_, "checkpoint", _, total, "parquet"] => {
                let total = total.parse().unwrap_or(usize::MAX);
                listing
                    .checkpoints
                    .entry(version)
                    .or_default()
                    .push((meta.location, total));
            }
            _ => {}
        }
    }
    Ok(listing)
}

pub(crate) fn parse_version(digits: &str) -> Option<u64> {
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

async fn read_checkpoint(
    table: &TableRef,
    store: &dyn ObjectStore,
    path: &Path,
    offsets: &mut BTreeMap<String, i64>,
) -> Result<()> {
    let read = async { store.get(path).await?.bytes().await };
    let bytes = read.await.map_err(|source| Error::Storage {
        url: table.url.to_string(),
        action: "reading a checkpoint",
        source,
    })?;
    if path.as_ref().ends_with(".json") {
        apply_commit(table, 0, &bytes, offsets)
            .map_err(|error| corrupt_file(table, path.as_ref(), error))?;
        return Ok(());
    }
    let found = tokio::task::spawn_blocking(move || parse_checkpoint(bytes))
        .await
        .map_err(|error| Error::Internal {
            message: error.to_string(),
        })?
        .map_err(|error| corrupt_file(table, path.as_ref(), error))?;
    offsets.extend(found);
    Ok(())
}

fn parse_checkpoint(
    bytes: Bytes,
) -> Result<Vec<(String, i64)>, Box<dyn std::error::Error + Send + Sync>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let columns = ["txn.appId", "txn.version"];
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns);
    let mut found = Vec::new();
    for batch in builder.with_projection(mask).build()? {
        let batch = batch?;
        let Some(txn) = batch
            .column_by_name("txn")
            .and_then(|txn| txn.as_struct_opt())
        else {
            break;
        };
        let (Some(ids), Some(versions)) = (
            txn.column_by_name("appId"),
            txn.column_by_name("version")
                .and_then(|v| v.as_primitive_opt::<Int64Type>()),
        ) else {
            return Err("the txn column has no appId or version".into());
        };
        let ids = arrow::compute::cast(ids, &arrow::datatypes::DataType::Utf8)?;
        let ids = ids.as_string::<i32>();
        for row in (0..txn.len()).filter(|row| txn.is_valid(*row) && ids.is_valid(*row)) {
            found.push((ids.value(row).to_owned(), versions.value(row)));
        }
    }
    Ok(found)
}

/// Lists the commits in the log with the time each was written, in order.
pub(crate) async fn commit_times(
    log_store: &LogStoreRef,
) -> Result<Vec<(u64, chrono::DateTime<chrono::Utc>)>, object_store::Error> {
    let folder = Path::from("_delta_log");
    let store = log_store.object_store(None);
    let mut times: Vec<_> = store
        .list(Some(&folder))
        .try_filter_map(|meta| async move {
            let version = meta
                .location
                .filename()
                .and_then(|name| name.strip_suffix(".json"))
                .and_then(parse_version);
            Ok(version.map(|version| (version, meta.last_modified)))
        })
        .try_collect()
        .await?;
    times.sort_unstable();
    Ok(times)
}
