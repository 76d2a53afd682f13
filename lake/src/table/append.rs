//! Appending rows together with the offsets they were read from.
//!
//! ```text
//! compare ranges with the log ---- stored? ----> AlreadyStored      moved? ----> OffsetsMoved
//!        |
//! write Parquet files with full column statistics      (module `writer`; no lock: appends encode side by side)
//!        |
//! one at a time in this process:
//!   read new commits -> compare again -> put commit n on condition that it is absent
//!        |                                       | lost to another process
//!        v                                       +--> pause, read the winner's commit, again
//!   Committed
//! ```
//!
//! Rows and offsets are one commit: either both are in the log or neither. Files of a commit that
//! was not made are deleted; after a crash they are orphans that no version refers to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use chrono::Utc;
use deltalake::kernel::transaction::{CommitData, PROTOCOL};
use deltalake::kernel::{Action, Add, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::config::TablePropertiesExt;
use serde_json::json;
use tracing::{debug, warn};
use uuid::Uuid;

use super::constraints::Rules;
use super::log::LogTail;
use super::offsets::{self, OffsetRange, Relation};
use super::writer::{self, FileWriter};
use super::{LakeTable, TableSnapshot, constraints, guard};
use crate::backoff;
use crate::error::{Error, Result};
use crate::metrics::{self, Outcome};

const MAX_ATTEMPTS: usize = 64;
/// How often files are written again because the table's definition changed meanwhile.
const MAX_REWRITES: usize = 4;

/// What is committed together with the rows.
#[derive(Debug, Clone, Default)]
pub struct AppendCommit {
    /// Where the rows were read from; none for rows that need no exactly-once.
    pub ranges: Vec<OffsetRange>,
    /// What to note in the commit, such as who wrote it.
    pub metadata: BTreeMap<String, serde_json::Value>,
}

impl AppendCommit {
    /// Returns a commit of one range.
    pub fn of_range(range: OffsetRange) -> Self {
        Self {
            ranges: vec![range],
            metadata: BTreeMap::new(),
        }
    }
}

/// How an append ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendOutcome {
    /// The rows and their offsets are in the log.
    Committed {
        /// The version that the commit made.
        version: u64,
        /// How many rows it added.
        rows: u64,
    },
    /// The log has every range already: the rows were stored before, nothing was written.
    AlreadyStored,
    /// Another writer moved the offsets of this source: nothing was written.
    OffsetsMoved {
        /// The source.
        source: String,
        /// What the range expected to be stored.
        expected: Option<i64>,
        /// What is stored.
        found: Option<i64>,
    },
}

/// Rows on their way into a table: written as they come, seen by readers when they are committed.
///
/// Dropped without a commit, it stores nothing.
#[derive(Debug)]
pub struct PendingAppend {
    table: LakeTable,
    /// The version whose columns and properties the files are written for.
    snapshot: TableSnapshot,
    schema: SchemaRef,
    /// What the rows must keep besides; none for most tables.
    rules: Option<Arc<Rules>>,
    writer: FileWriter,
    rows: u64,
}

/// The files of an append, written but not committed.
struct WrittenFiles {
    adds: Vec<Add>,
    snapshot: TableSnapshot,
    rows: u64,
}

/// How one try to commit written files ended.
enum Tried {
    Done(AppendOutcome),
    /// The table's columns, properties or protocol changed at this version, after the files were
    /// written.
    Redefined(u64),
}

impl LakeTable {
    /// Appends rows in one commit with the offset ranges they come from.
    ///
    /// The ranges are compared with the log before the commit, as often as other writers win the
    /// race for it; two processes may append the same ranges at the same time, and one of them is
    /// told [`AppendOutcome::AlreadyStored`] or [`AppendOutcome::OffsetsMoved`]. Without rows and
    /// ranges nothing is committed.
    ///
    /// # Errors
    ///
    /// [`Error::SchemaMismatch`] for rows that do not fit, [`Error::InvalidOffsetRange`],
    /// [`Error::UnsupportedFeature`] or [`Error::Table`] for a table this writer must not write,
    /// [`Error::Contended`] when every attempt was lost. An error of the store during the commit
    /// leaves open whether it was made; append the same ranges again to find out.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the commit is either made or not; orphaned files may stay.
    pub async fn append(
        &self,
        batches: Vec<RecordBatch>,
        commit: AppendCommit,
    ) -> Result<AppendOutcome> {
        let started = Instant::now();
        let result = self.try_append(batches, commit).await;
        measure(self, &result, started);
        result
    }

    async fn try_append(
        &self,
        batches: Vec<RecordBatch>,
        commit: AppendCommit,
    ) -> Result<AppendOutcome> {
        offsets::validate(&commit.ranges)?;
        let mut defined_at = {
            let guard = self.current_tail().await?;
            let tail = guard.as_ref().ok_or_else(no_tail)?;
            if let Some(outcome) = refusal(tail, &commit.ranges) {
                return Ok(outcome);
            }
            if commit.ranges.is_empty() && batches.iter().all(|batch| batch.num_rows() == 0) {
                return Ok(AppendOutcome::Committed {
                    version: tail.version,
                    rows: 0,
                });
            }
            tail.definition_version
        };
        for _ in 0..MAX_REWRITES {
            let mut pending = self.begin_append_at(defined_at).await?;
            for batch in &batches {
                pending.write(batch).await?;
            }
            match pending.try_commit(&commit).await? {
                Tried::Done(outcome) => return Ok(outcome),
                Tried::Redefined(version) => defined_at = version,
            }
        }
        Err(self.contended(MAX_REWRITES))
    }

    /// Begins an append of more rows than should be in memory at once.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFeature`] or [`Error::Table`] for a table this writer must not write.
    pub async fn begin_append(&self) -> Result<PendingAppend> {
        let defined_at = {
            let guard = self.current_tail().await?;
            guard.as_ref().ok_or_else(no_tail)?.definition_version
        };
        self.begin_append_at(defined_at).await
    }

    /// Begins an append for the definition that the table has since a version.
    async fn begin_append_at(&self, defined_at: u64) -> Result<PendingAppend> {
        let snapshot = self.at_least(defined_at).await?;
        self.check_writable(&snapshot)?;
        Ok(PendingAppend {
            table: self.clone(),
            rules: self.rules(&snapshot)?,
            schema: snapshot.schema(),
            writer: FileWriter::start(
                &snapshot,
                Arc::clone(&self.shared.encodings),
                self.table_ref.write_buffer_bytes,
            )?,
            snapshot,
            rows: 0,
        })
    }

    /// Commits written files, one append of this process at a time.
    async fn commit_files(&self, files: &WrittenFiles, commit: &AppendCommit) -> Result<Tried> {
        let rows = files.rows;
        let bytes = self.encode_commit(files, commit)?;
        let interval = self.checkpoint_interval(&files.snapshot)?;
        // The tail was current when the files were begun. If it is not now, the put is lost and
        // the new commits are read then.
        let mut guard = self.shared.tail.lock().await;
        let tail = guard.as_mut().ok_or_else(no_tail)?;
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 {
                tail.advance(&self.table_ref).await?;
            }
            if tail.definition_version > files.snapshot.version() {
                return Ok(Tried::Redefined(tail.definition_version));
            }
            if let Some(outcome) = refusal(tail, &commit.ranges) {
                return Ok(Tried::Done(outcome));
            }
            let version = tail.version + 1;
            if !self.put_commit(version, &bytes).await? {
                metrics::lost_race(&self.name().to_string());
                debug!(table = %self.name(), version, attempt, "commit lost to another writer");
                backoff::pause(attempt).await;
                continue;
            }
            tail.apply(&self.table_ref, &bytes)?;
            drop(guard);
            debug!(table = %self.name(), version, rows, files = files.adds.len(), "rows committed");
            if version.is_multiple_of(interval) {
                self.checkpoint(version).await;
            }
            return Ok(Tried::Done(AppendOutcome::Committed { version, rows }));
        }
        Err(self.contended(MAX_ATTEMPTS))
    }

    /// Puts a commit and reports whether it is ours.
    pub(super) async fn put_commit(&self, version: u64, bytes: &Bytes) -> Result<bool> {
        guard::put(&self.table_ref, version, bytes).await
    }

    fn encode_commit(&self, files: &WrittenFiles, commit: &AppendCommit) -> Result<Bytes> {
        let state = files
            .snapshot
            .delta_table()
            .snapshot()
            .map_err(|error| self.delta_error("loading", error))?;
        let partition_columns = files.snapshot.partition_columns();
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: (!partition_columns.is_empty()).then(|| partition_columns.to_vec()),
            predicate: None,
        };
        let actions: Vec<Action> = files.adds.iter().cloned().map(Action::Add).collect();
        PROTOCOL
            .can_commit(state, &actions, &operation)
            .map_err(|error| self.delta_error("committing to", error.into()))?;
        let mut metadata: HashMap<String, serde_json::Value> =
            commit.metadata.clone().into_iter().collect();
        metadata.insert("lakehouse.commitId".to_owned(), json!(Uuid::new_v4()));
        metadata.insert("isBlindAppend".to_owned(), json!(true));
        let bytes: i64 = files.adds.iter().map(|add| add.size).sum();
        metadata.insert(
            "operationMetrics".to_owned(),
            json!({
                "numFiles": files.adds.len(),
                "numOutputRows": files.rows,
                "numOutputBytes": bytes,
            }),
        );
        let now = Utc::now().timestamp_millis();
        let transactions = commit
            .ranges
            .iter()
            .filter(|range| !range.is_empty())
            .map(|range| Transaction::new_with_last_update(&range.source, range.end, Some(now)))
            .collect();
        CommitData::new(actions, operation, metadata, transactions)
            .get_bytes()
            .map_err(|error| self.delta_error("committing to", error.into()))
    }

    pub(super) fn checkpoint_interval(&self, snapshot: &TableSnapshot) -> Result<u64> {
        let state = snapshot
            .delta_table()
            .snapshot()
            .map_err(|error| self.delta_error("loading", error))?;
        Ok(state.table_config().checkpoint_interval().get())
    }

    /// Writes a checkpoint, which only saves readers time: failing to is logged.
    pub(super) async fn checkpoint(&self, version: u64) {
        let written = match self.latest().await {
            Ok(snapshot) => {
                let delta = snapshot.delta_table();
                deltalake::checkpoints::create_checkpoint(delta, None)
                    .await
                    .map_err(|error| self.delta_error("writing a checkpoint of", error))
            }
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => debug!(table = %self.name(), version, "checkpoint written"),
            Err(error) => warn!(table = %self.name(), version, %error, "checkpoint failed"),
        }
    }

    fn contended(&self, attempts: usize) -> Error {
        Error::Contended {
            table: self.name().to_string(),
            location: self.url().to_string(),
            attempts,
        }
    }
}

impl PendingAppend {
    /// Writes rows: columns by name in any order, absent nullable ones are null.
    ///
    /// # Errors
    ///
    /// [`Error::SchemaMismatch`] for rows that do not fit.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() > 0 {
            let rules = self.rules.as_deref();
            let batch = constraints::fit(rules, self.table.name(), &self.schema, batch)?;
            self.rows += batch.num_rows() as u64;
            self.writer.write(batch).await;
        }
        Ok(())
    }

    /// Returns how many rows were written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Commits the rows with the offset ranges they come from.
    ///
    /// # Errors
    ///
    /// Those of [`LakeTable::append`], and [`Error::TableRedefined`] when the table's columns or
    /// properties changed since the append was begun: nothing was stored, begin again.
    pub async fn commit(self, commit: AppendCommit) -> Result<AppendOutcome> {
        offsets::validate(&commit.ranges)?;
        let table = self.table.clone();
        let started = Instant::now();
        let result = match self.try_commit(&commit).await {
            Ok(Tried::Done(outcome)) => Ok(outcome),
            Ok(Tried::Redefined(version)) => Err(Error::TableRedefined {
                table: table.name().to_string(),
                version,
            }),
            Err(error) => Err(error),
        };
        measure(&table, &result, started);
        result
    }

    async fn try_commit(self, commit: &AppendCommit) -> Result<Tried> {
        let table = self.table;
        let adds = self
            .writer
            .finish()
            .await
            .map_err(|error| table.delta_error("writing files of", error))?;
        let files = WrittenFiles {
            adds,
            snapshot: self.snapshot,
            rows: self.rows,
        };
        // After an error the commit may have been made, so its files must stay.
        let tried = table.commit_files(&files, commit).await?;
        if !matches!(tried, Tried::Done(AppendOutcome::Committed { .. })) {
            let store = table.table_ref.log_store.object_store(None);
            writer::discard(&store, writer::paths_of(&files.adds)).await;
        }
        Ok(tried)
    }
}

fn measure(table: &LakeTable, result: &Result<AppendOutcome>, started: Instant) {
    let (outcome, rows) = match result {
        Ok(AppendOutcome::Committed { rows, .. }) => (Outcome::Committed, *rows),
        Ok(AppendOutcome::AlreadyStored) => (Outcome::AlreadyStored, 0),
        Ok(AppendOutcome::OffsetsMoved { .. }) => (Outcome::OffsetsMoved, 0),
        Err(_) => (Outcome::Failed, 0),
    };
    metrics::append(&table.name().to_string(), outcome, rows, started.elapsed());
}

/// Says why ranges cannot be appended now, if so.
fn refusal(tail: &LogTail, ranges: &[OffsetRange]) -> Option<AppendOutcome> {
    match offsets::relate(&tail.offsets, ranges) {
        Relation::Follows => None,
        Relation::AlreadyStored => Some(AppendOutcome::AlreadyStored),
        Relation::Moved {
            source,
            expected,
            found,
        } => Some(AppendOutcome::OffsetsMoved {
            source,
            expected,
            found,
        }),
    }
}

fn no_tail() -> Error {
    Error::Internal {
        message: "the log tail was not loaded".to_owned(),
    }
}
