//! Compaction: many small files become few large ones with the same rows.
//!
//! ```text
//! plan::plan -> bins, several side by side:
//!                 groups of files  -- fetch, decode ahead -->  one Parquet writer
//!                 new file, statistics of all columns
//!            -> commit_rewrites: remove + add, no change of data; a bin whose files somebody
//!               else removed meanwhile is dropped and counted as a lost race
//! ```
//!
//! Nothing is locked while files are read and written. A crash leaves files that no version
//! names; vacuum finds them.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use deltalake::kernel::transaction::{CommitProperties, TransactionError};
use deltalake::operations::optimize::OptimizeType;
use deltalake::{DeltaTable, DeltaTableError};
use futures::{StreamExt, stream};
use serde_json::json;
use tracing::instrument;

use super::plan::{self, Plan, Scope};
use super::progress::Progress;
use super::rewriter::{Rewriter, bytes_of};
use super::{Maintainer, session};
use crate::error::{Error, Result};
use crate::metrics::{self, TaskOutcome};
use crate::table::mapping;
use crate::table::rewrite::{Rewrite, RewriteNote};
use crate::table::{AsOf, LakeTable, TableSnapshot, file_properties};

/// What a long compaction has finished is committed after this time: others see it, and less is
/// lost to a conflict.
const COMMIT_EVERY: Duration = Duration::from_secs(60);

/// What a compaction did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactSummary {
    /// The version it made; none when there was nothing to do or everything was lost.
    pub version: Option<u64>,
    /// Partitions that had files to pack.
    pub partitions: usize,
    /// Files replaced.
    pub files_removed: u64,
    /// Their bytes.
    pub bytes_removed: u64,
    /// Files written.
    pub files_added: u64,
    /// Their bytes.
    pub bytes_added: u64,
    /// Files that another writer removed while they were rewritten; the next run sees what became
    /// of their rows.
    pub files_lost: u64,
}

impl Maintainer {
    /// Packs small files of a table into large ones.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFeature`] and [`Error::Table`] for a table that must not be written,
    /// [`Error::Storage`] when files cannot be read or written. A lost race is no error.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the table is whole; files that no version names may stay for vacuum.
    #[instrument(name = "lake.compact", skip_all, fields(table = %table.name()), err)]
    pub async fn compact(
        &self,
        table: &LakeTable,
        scope: Scope,
        progress: &Progress,
    ) -> Result<CompactSummary> {
        let started = Instant::now();
        let result = self.try_compact(table, scope, progress).await;
        let outcome = match &result {
            Ok(summary) if summary.files_lost > 0 => TaskOutcome::LostRace,
            Ok(summary) if summary.version.is_some() => TaskOutcome::Done,
            Ok(_) => TaskOutcome::NothingToDo,
            Err(_) => TaskOutcome::Failed,
        };
        let name = table.name().to_string();
        metrics::task("compact", &name, outcome, started.elapsed());
        if let Ok(summary) = &result {
            metrics::compacted(
                &name,
                summary.files_removed,
                summary.bytes_removed + summary.bytes_added,
            );
        }
        result
    }

    /// Returns what [`compact`](Self::compact) would do now; the added files are as many as there
    /// would be, their bytes are not known.
    ///
    /// # Errors
    ///
    /// Those of loading the table.
    pub async fn plan_compaction(&self, table: &LakeTable, scope: Scope) -> Result<CompactSummary> {
        let snapshot = table.snapshot(AsOf::Latest).await?;
        let plan = self.plan(&snapshot, scope)?;
        Ok(CompactSummary {
            partitions: plan.partitions,
            files_removed: plan.file_count() as u64,
            bytes_removed: plan.bytes(),
            files_added: plan.bins.len() as u64,
            ..CompactSummary::default()
        })
    }

    pub(super) fn plan(&self, snapshot: &TableSnapshot, scope: Scope) -> Result<Plan> {
        let target = self.target_file_bytes(snapshot)?;
        plan::plan(snapshot, target, scope, self.config.max_files_per_round)
    }

    /// Returns the size that the table, or else the configuration, wants files to have.
    fn target_file_bytes(&self, snapshot: &TableSnapshot) -> Result<u64> {
        let properties = plan::loaded(snapshot)?.table_properties();
        let own = properties.target_file_size.map(NonZeroU64::get);
        Ok(own.unwrap_or(self.config.target_file_bytes).max(1))
    }

    async fn try_compact(
        &self,
        table: &LakeTable,
        scope: Scope,
        progress: &Progress,
    ) -> Result<CompactSummary> {
        let snapshot = table.snapshot(AsOf::Latest).await?;
        table.check_writable(&snapshot)?;
        table.require_names_in_files(&snapshot, "when files are compacted")?;
        let plan = self.plan(&snapshot, scope)?;
        if plan.bins.is_empty() {
            return Ok(CompactSummary::default());
        }
        progress.plan(plan.bytes());
        if plan.has_deletion_vectors {
            let (files, partitions) = (plan.file_count(), plan.partitions);
            return self
                .compact_with_delta(table, &snapshot, files, partitions)
                .await;
        }
        let (files, partitions) = (plan.file_count(), plan.partitions);
        match self.rewrite(table, &snapshot, plan, progress).await {
            // Whatever else became of a column, deltalake may know how to read it.
            Err(Error::SchemaMismatch { .. }) if !mapping::is_mapped(&snapshot) => {
                self.compact_with_delta(table, &snapshot, files, partitions)
                    .await
            }
            done => done,
        }
    }

    /// Rewrites the bins of a snapshot and commits them.
    pub(super) async fn rewrite(
        &self,
        table: &LakeTable,
        snapshot: &TableSnapshot,
        plan: Plan,
        progress: &Progress,
    ) -> Result<CompactSummary> {
        let mut summary = CompactSummary {
            partitions: plan.partitions,
            ..CompactSummary::default()
        };
        let note = RewriteNote {
            target_file_bytes: self.target_file_bytes(snapshot)?,
            metadata: BTreeMap::from([("lakehouse.maintenance".to_owned(), json!("compact"))]),
        };
        let rewriter = Rewriter::new(self, table, snapshot)?;
        let mut rewritten = stream::iter(plan.bins)
            .map(|bin| rewriter.rewrite(bin, progress))
            .buffer_unordered(rewriter.writers());
        let (mut waiting, mut committed_at) = (Vec::new(), Instant::now());
        let mut failure = None;
        while let Some(result) = rewritten.next().await {
            match result {
                Ok(rewrite) => waiting.push(rewrite),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
            if committed_at.elapsed() > COMMIT_EVERY {
                let batch = std::mem::take(&mut waiting);
                summary.commit(table, snapshot, batch, &note).await?;
                committed_at = Instant::now();
            }
        }
        drop(rewritten);
        // What is finished is worth a commit, whatever became of the rest.
        if !waiting.is_empty() {
            summary.commit(table, snapshot, waiting, &note).await?;
        }
        failure.map_or(Ok(summary), Err)
    }

    /// Compacts through deltalake, which applies deletion vectors on the way.
    async fn compact_with_delta(
        &self,
        table: &LakeTable,
        snapshot: &TableSnapshot,
        files: usize,
        partitions: usize,
    ) -> Result<CompactSummary> {
        let target = NonZeroU64::new(self.target_file_bytes(snapshot)?);
        let mut optimize = session_optimize(self, snapshot.delta_table(), OptimizeType::Compact);
        if let Some(target) = target {
            optimize = optimize.with_target_size(target);
        }
        self.throttle.admit(snapshot.total_bytes()).await;
        match optimize.await {
            Ok((delta, done)) => Ok(CompactSummary {
                version: (done.num_files_removed > 0)
                    .then(|| delta.version())
                    .flatten(),
                partitions,
                files_removed: done.num_files_removed,
                bytes_removed: u64::try_from(done.files_removed.total_size).unwrap_or(0),
                files_added: done.num_files_added,
                bytes_added: u64::try_from(done.files_added.total_size).unwrap_or(0),
                files_lost: 0,
            }),
            Err(error) if is_lost_race(&error) => {
                metrics::lost_race(&table.name().to_string());
                Ok(CompactSummary {
                    files_lost: files as u64,
                    ..CompactSummary::default()
                })
            }
            Err(error) => Err(snapshot.error("compacting", error)),
        }
    }
}

/// Returns deltalake's own optimizer, within our limits.
pub(super) fn session_optimize(
    maintainer: &Maintainer,
    delta: &DeltaTable,
    kind: OptimizeType,
) -> deltalake::operations::optimize::OptimizeBuilder<'static> {
    delta
        .clone()
        .optimize()
        .with_type(kind)
        .with_writer_properties(file_properties(&[], None))
        .with_max_concurrent_tasks(maintainer.config.effective_threads())
        // A registered table may ask for it, and pins need versions that this would not spare.
        .with_commit_properties(CommitProperties::default().with_cleanup_expired_logs(Some(false)))
        .with_session_state(session(&maintainer.config))
}

/// Reports whether another writer's commit made an operation impossible.
pub(super) fn is_lost_race(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::Transaction {
            source: TransactionError::CommitConflict(_)
                | TransactionError::MaxCommitAttempts(_)
                | TransactionError::VersionAlreadyExists(_)
        }
    )
}

impl CompactSummary {
    async fn commit(
        &mut self,
        table: &LakeTable,
        snapshot: &TableSnapshot,
        rewrites: Vec<Rewrite>,
        note: &RewriteNote,
    ) -> Result<()> {
        let outcome = table.commit_rewrites(snapshot, rewrites, note).await?;
        self.version = outcome.version.or(self.version);
        for rewrite in &outcome.committed {
            let removed = rewrite.removes.iter().filter_map(|remove| remove.size);
            self.files_removed += rewrite.removes.len() as u64;
            self.bytes_removed += u64::try_from(removed.sum::<i64>()).unwrap_or(0);
            self.files_added += rewrite.adds.len() as u64;
            self.bytes_added += bytes_of(&rewrite.adds);
        }
        let lost = outcome
            .lost
            .iter()
            .map(|rewrite| rewrite.removes.len() as u64);
        self.files_lost += lost.sum::<u64>();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
