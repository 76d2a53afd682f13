//! Checkpoints, and cleaning up what they made superfluous in the log.
//!
//! ```text
//! before   0 1 2 3 … 40 … 97 98 99 100c 101 … 230c 231      c: a checkpoint
//!                    pinned         retention starts at 210
//! after              40c               100c 101 … 230c 231
//! ```
//!
//! Every version that is younger than the retention, or was the newest when the retention began,
//! stays readable; so does every pinned version and every version in use. A kept version far
//! below the others gets a checkpoint of its own, and the commits around it go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use deltalake::table::config::TablePropertiesExt;
use futures::{StreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt, PutPayload};
use tracing::{info, instrument};

use super::{Maintainer, Mode, plan};
use crate::error::{Error, Result};
use crate::metrics::{self, TaskOutcome};
use crate::table::{AsOf, LakeTable, TableRef, TableSnapshot};

const HINT: &str = "_delta_log/_last_checkpoint";

/// What a clean-up of the log did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanLogSummary {
    /// Files deleted.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The oldest version from which on all versions can be read.
    pub readable_from: Option<u64>,
    /// Older versions that are kept because somebody needs them.
    pub kept_versions: Vec<u64>,
}

/// The files of a log by version.
#[derive(Debug, Default)]
pub(super) struct LogFiles {
    pub(super) commits: BTreeMap<u64, DateTime<Utc>>,
    /// Versions with a whole checkpoint.
    pub(super) checkpoints: BTreeSet<u64>,
    files: Vec<(u64, ObjectMeta)>,
}

impl LogFiles {
    pub(super) async fn list(table: &TableRef) -> Result<Self> {
        let store = table.log_store.object_store(None);
        let folder = Path::from("_delta_log");
        let listed = store.list_with_delimiter(Some(&folder));
        let listed = listed.await.map_err(|source| Error::Storage {
            url: table.url.to_string(),
            action: "listing the Delta log",
            source,
        })?;
        let mut files = Self::default();
        let mut parts: BTreeMap<(u64, usize), usize> = BTreeMap::new();
        for meta in listed.objects {
            let name = meta.location.filename().unwrap_or_default().to_owned();
            let words: Vec<&str> = name.split('.').collect();
            let Some(version) = words.first().and_then(|word| parse_version(word)) else {
                continue;
            };
            let version = match words.as_slice() {
                [_, "json"] => {
                    files.commits.insert(version, meta.last_modified);
                    version
                }
                [_, "checkpoint", "parquet"] | [_, "checkpoint", _, "parquet" | "json"] => {
                    files.checkpoints.insert(version);
                    version
                }
                [_, "checkpoint", _, total, "parquet"] => {
                    let total = total.parse().unwrap_or(usize::MAX);
                    let found = parts.entry((version, total)).or_default();
                    *found += 1;
                    if *found == total {
                        files.checkpoints.insert(version);
                    }
                    version
                }
                // Covers commits up to the second number.
                [_, until, "compacted", "json"] => parse_version(until).unwrap_or(u64::MAX),
                [_, "crc"] => version,
                _ => continue,
            };
            files.files.push((version, meta));
        }
        Ok(files)
    }

    /// Returns the version that was the newest at a time.
    fn newest_at(&self, time: DateTime<Utc>) -> Option<u64> {
        // As for time travel: a version is never older than its predecessor.
        let mut newest_so_far = DateTime::<Utc>::MIN_UTC;
        let mut found = None;
        for (version, written) in &self.commits {
            newest_so_far = newest_so_far.max(*written);
            if newest_so_far > time {
                break;
            }
            found = Some(*version);
        }
        found
    }
}

fn parse_version(digits: &str) -> Option<u64> {
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

impl Maintainer {
    /// Writes a checkpoint of the newest version and returns the version.
    ///
    /// # Errors
    ///
    /// [`Error::Table`] when the table cannot be loaded or the checkpoint not be written.
    #[instrument(name = "lake.checkpoint", skip_all, fields(table = %table.name()), err)]
    pub async fn checkpoint(&self, table: &LakeTable) -> Result<u64> {
        let started = Instant::now();
        let written = async {
            let snapshot = table.snapshot(AsOf::Latest).await?;
            write_checkpoint(&snapshot).await?;
            Ok(snapshot.version())
        };
        let result = written.await;
        let outcome = TaskOutcome::of(&result);
        metrics::task(
            "checkpoint",
            &table.name().to_string(),
            outcome,
            started.elapsed(),
        );
        result
    }

    /// Deletes the files of the log that no version within the retention, no pin and no running
    /// query needs. Without a retention the table's `delta.logRetentionDuration` counts.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], and [`Error::Table`] when a version that must be kept cannot be read:
    /// nothing is deleted then.
    #[instrument(name = "lake.clean_log", skip_all, fields(table = %table.name()), err)]
    pub async fn clean_log(
        &self,
        table: &LakeTable,
        retention: Option<Duration>,
        mode: Mode,
        now: DateTime<Utc>,
    ) -> Result<CleanLogSummary> {
        let started = Instant::now();
        let result = self.try_clean_log(table, retention, mode, now).await;
        if mode == Mode::Run {
            let outcome = match &result {
                Ok(summary) if summary.files == 0 => TaskOutcome::NothingToDo,
                result => TaskOutcome::of(result),
            };
            metrics::task(
                "clean_log",
                &table.name().to_string(),
                outcome,
                started.elapsed(),
            );
        }
        result
    }

    async fn try_clean_log(
        &self,
        table: &LakeTable,
        retention: Option<Duration>,
        mode: Mode,
        now: DateTime<Utc>,
    ) -> Result<CleanLogSummary> {
        let snapshot = table.snapshot(AsOf::Latest).await?;
        let retention = match retention {
            Some(retention) => retention,
            None => log_retention(&snapshot)?,
        };
        let log = LogFiles::list(table.table_ref()).await?;
        let readable_from = log.commits.keys().next().copied();
        let nothing = CleanLogSummary {
            readable_from,
            ..CleanLogSummary::default()
        };
        let Some(needed_from) = log.newest_at(now - retention) else {
            return Ok(nothing);
        };
        let needed_from = needed_from.min(snapshot.version());
        let Some(keep_from) = log.checkpoints.range(..=needed_from).next_back().copied() else {
            return Ok(nothing);
        };
        let kept: BTreeSet<u64> = self
            .kept_versions(table, &snapshot, now)
            .await?
            .into_iter()
            .filter(|version| *version < keep_from)
            .collect();
        let doomed: Vec<ObjectMeta> = log
            .files
            .into_iter()
            .filter(|(version, _)| *version < keep_from && !kept.contains(version))
            .map(|(_, meta)| meta)
            .collect();
        let summary = CleanLogSummary {
            files: doomed.len() as u64,
            bytes: doomed.iter().map(|meta| meta.size).sum(),
            readable_from: Some(keep_from),
            kept_versions: kept.iter().copied().collect(),
        };
        if mode == Mode::DryRun || doomed.is_empty() {
            return Ok(summary);
        }
        let missing = kept.difference(&log.checkpoints).copied().collect();
        write_old_checkpoints(table, missing).await?;
        delete(table, doomed).await?;
        // What is loaded may read the deleted files again.
        table.forget().await;
        info!(table = %table.name(), files = summary.files, readable_from = keep_from, "log cleaned up");
        Ok(summary)
    }
}

/// Returns how long the table wants its log to be kept.
pub(super) fn log_retention(snapshot: &TableSnapshot) -> Result<Duration> {
    Ok(plan::loaded(snapshot)?
        .table_properties()
        .log_retention_duration())
}

async fn write_checkpoint(snapshot: &TableSnapshot) -> Result<()> {
    deltalake::checkpoints::create_checkpoint(snapshot.delta_table(), None)
        .await
        .map_err(|error| snapshot.error("writing a checkpoint of", error))
}

/// Writes checkpoints of old versions, and leaves the hint at the newest one.
async fn write_old_checkpoints(table: &LakeTable, versions: Vec<u64>) -> Result<()> {
    if versions.is_empty() {
        return Ok(());
    }
    let store = table.table_ref().log_store.object_store(None);
    let storage_error = |source| Error::Storage {
        url: format!("{}{HINT}", table.url()),
        action: "keeping the checkpoint hint",
        source,
    };
    let hint_path = Path::from(HINT);
    let hint = match store.get(&hint_path).await {
        Ok(found) => Some(found.bytes().await.map_err(storage_error)?),
        Err(object_store::Error::NotFound { .. }) => None,
        Err(source) => return Err(storage_error(source)),
    };
    for version in versions {
        let snapshot = table.snapshot(AsOf::Version(version)).await?;
        write_checkpoint(&snapshot).await?;
    }
    if let Some(hint) = hint {
        let put = store.put(&hint_path, PutPayload::from(hint));
        put.await.map_err(storage_error)?;
    }
    Ok(())
}

async fn delete(table: &LakeTable, files: Vec<ObjectMeta>) -> Result<()> {
    let store = table.table_ref().log_store.object_store(None);
    // The oldest first: whatever stops this midway leaves the rest readable.
    let mut paths: Vec<Path> = files.into_iter().map(|meta| meta.location).collect();
    paths.sort_unstable();
    let mut deleted = store.delete_stream(stream::iter(paths.into_iter().map(Ok)).boxed());
    while let Some(result) = deleted.next().await {
        match result {
            // Somebody else cleans up, too.
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(source) => {
                return Err(Error::Storage {
                    url: table.url().to_string(),
                    action: "cleaning up the Delta log",
                    source,
                });
            }
        }
    }
    Ok(())
}
