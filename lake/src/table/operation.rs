//! Running an operation of Delta's builders: again when another writer was faster, and at most
//! once in the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::execution::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use deltalake::delta_datafusion::create_session_state_with_spill_config;
use deltalake::delta_datafusion::planner::DeltaPlanner;
use deltalake::kernel::Action;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::{DeltaTable, DeltaTableError};
use futures::future::BoxFuture;
use serde_json::json;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::guard::{CommitGuard, Ending, Isolation};
use super::{LakeTable, TableSnapshot, log, writer};
use crate::backoff;
use crate::error::{Error, Result};
use crate::metrics;

/// How often an operation is run again because other writers came first.
const MAX_RUNS: usize = 24;
/// How much memory a partition of a bounded operation should have.
const PARTITION_BYTES: usize = 16 << 20;
/// Below this limit, batches are small.
const SMALL_BYTES: usize = 256 << 20;
const SMALL_BATCH_ROWS: usize = 1024;
/// From this run on, appends of this process wait until the operation is through.
const PATIENT_RUNS: usize = 4;

/// An expression over columns of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// SQL of DataFusion's dialect.
    Sql(String),
    /// A planned one.
    Planned(datafusion::logical_expr::Expr),
}

impl From<&str> for Term {
    fn from(text: &str) -> Self {
        Self::Sql(text.to_owned())
    }
}

impl From<String> for Term {
    fn from(text: String) -> Self {
        Self::Sql(text)
    }
}

impl From<datafusion::logical_expr::Expr> for Term {
    fn from(expr: datafusion::logical_expr::Expr) -> Self {
        Self::Planned(expr)
    }
}

/// What is noted in a commit, for those who read the history.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CommitNote {
    /// Who wrote it, from which revision, for which model, and so on.
    pub metadata: BTreeMap<String, serde_json::Value>,
}

/// What an operation may use to run in.
#[derive(Debug, Clone, Default)]
pub enum Resources {
    /// As much memory as it takes.
    #[default]
    Unbounded,
    /// A limit, beyond which sorts and joins go to temporary files.
    Bounded {
        /// Bytes of memory.
        memory_bytes: usize,
        /// Bytes of temporary files.
        spill_bytes: u64,
    },
    /// Those of a session, with its memory pool and its functions.
    Session(Box<SessionState>),
}

/// How an operation is run and what its commit says.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// What is noted in the commit.
    pub note: CommitNote,
    /// What it may use.
    pub resources: Resources,
}

impl From<CommitNote> for WriteOptions {
    fn from(note: CommitNote) -> Self {
        Self {
            note,
            resources: Resources::default(),
        }
    }
}

/// How an operation on a table ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeOutcome {
    /// It made a version.
    Committed {
        /// The version.
        version: u64,
        /// What the operation counted, by Delta's names.
        metrics: BTreeMap<String, serde_json::Value>,
    },
    /// There was nothing to change.
    Unchanged {
        /// The version that is as it should be.
        version: u64,
    },
}

impl ChangeOutcome {
    /// Returns the version that the table has after the operation.
    pub fn version(&self) -> u64 {
        match self {
            Self::Committed { version, .. } | Self::Unchanged { version } => *version,
        }
    }

    /// Returns a count of the operation, such as `num_deleted_rows`; none where it was not counted.
    pub fn metric(&self, name: &str) -> Option<u64> {
        match self {
            Self::Committed { metrics, .. } => {
                metrics.get(name).and_then(serde_json::Value::as_u64)
            }
            Self::Unchanged { .. } => None,
        }
    }
}

impl Resources {
    /// Returns the session that Delta's builders plan and run in.
    pub(super) fn session(&self) -> Arc<SessionState> {
        Arc::new(match self {
            Self::Unbounded => create_session_state_with_spill_config(None, None),
            Self::Bounded {
                memory_bytes,
                spill_bytes,
            } => {
                let state =
                    create_session_state_with_spill_config(Some(*memory_bytes), Some(*spill_bytes));
                let mut config = state.config().clone();
                let options = config.options_mut();
                // A hash join holds one side whole; a sorted one goes to files.
                options.optimizer.prefer_hash_join = false;
                // The memory is shared by the sorts of all partitions, and each must hold a few
                // batches and what merging its files takes.
                // A join of one partition is always a hash join.
                let partitions = (memory_bytes / PARTITION_BYTES).max(2);
                let execution = &mut options.execution;
                execution.target_partitions = execution.target_partitions.clamp(2, partitions);
                execution.sort_spill_reservation_bytes = execution
                    .sort_spill_reservation_bytes
                    .min(memory_bytes / 16);
                // A batch of views counts with all of the pages that it points into.
                execution.parquet.schema_force_view_types = false;
                if *memory_bytes < SMALL_BYTES {
                    config = config.with_batch_size(SMALL_BATCH_ROWS);
                }
                SessionStateBuilder::new_from_existing(state)
                    .with_config(config)
                    .build()
            }
            Self::Session(session) => {
                let mut config = session.config().clone();
                let options = config.options_mut();
                // Dictionaries of partition values make these panic.
                options.optimizer.hash_join_inlist_pushdown_max_size = 0;
                options
                    .optimizer
                    .hash_join_inlist_pushdown_max_distinct_values = 0;
                options.sql_parser.enable_ident_normalization = false;
                SessionStateBuilder::new_from_existing(session.as_ref().clone())
                    .with_config(config)
                    .with_query_planner(DeltaPlanner::new())
                    .build()
            }
        })
    }
}

/// Whether the files that an operation's commit adds are new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    /// They are, so that they go when the commit is not made.
    Files,
    /// They were there before.
    LogOnly,
}

/// An operation to run against a loaded table.
pub(super) struct Operation<'a> {
    /// What the operation does, for errors: "deleting from".
    pub(super) action: &'static str,
    pub(super) isolation: Isolation,
    pub(super) writes: Writes,
    pub(super) note: &'a CommitNote,
}

/// What an operation sees of the table, each time it is run.
pub(super) struct Run {
    /// The table, with a log that takes one commit.
    pub(super) delta: DeltaTable,
    pub(super) commit: CommitProperties,
    pub(super) snapshot: TableSnapshot,
}

impl LakeTable {
    /// Runs an operation on the newest version until it is committed, had nothing to do, or
    /// failed. After it the table's newest snapshot is the one that it made, or newer.
    pub(super) async fn operate<F>(
        &self,
        operation: Operation<'_>,
        mut run: F,
    ) -> Result<ChangeOutcome>
    where
        F: FnMut(Run) -> BoxFuture<'static, Result<(), DeltaTableError>> + Send,
    {
        for attempt in 0..MAX_RUNS {
            // In the end only one of us may try: appends are quick, operations are not.
            let tail = if attempt < PATIENT_RUNS {
                None
            } else {
                Some(self.current_tail().await?)
            };
            let snapshot = self.latest().await?;
            let state = snapshot
                .delta_table()
                .snapshot()
                .map_err(|error| self.delta_error("loading", error))?;
            self.check_writable(&snapshot)?;
            let isolation = required_isolation(operation.isolation, &snapshot);
            let guard = Arc::new(CommitGuard::new(
                Arc::clone(&self.table_ref),
                snapshot.version(),
                isolation,
            ));
            let mut delta = DeltaTable::new(Arc::clone(&guard) as _);
            delta.state = Some(state.clone());
            let result = run(Run {
                delta,
                commit: commit_properties(operation.note),
                snapshot: snapshot.clone(),
            })
            .await;
            drop(tail);
            match (guard.ending(), result) {
                (Ending::Made { version, commit }, _) => {
                    return self.committed(operation.action, version, &commit).await;
                }
                (Ending::Lost { version, commit }, _) => {
                    debug!(table = %self.name(), version, attempt, "operation is run again");
                    if operation.writes == Writes::Files {
                        self.discard_files_of(&commit).await;
                    }
                    backoff::pause(attempt).await;
                }
                (Ending::Failed(error), _) => return Err(error),
                (Ending::Untried, Ok(())) => {
                    return Ok(ChangeOutcome::Unchanged {
                        version: snapshot.version(),
                    });
                }
                (Ending::Untried, Err(error)) => {
                    return Err(self.operation_error(operation.action, &snapshot, error));
                }
            }
        }
        Err(Error::Contended {
            table: self.name().to_string(),
            location: self.url().to_string(),
            attempts: MAX_RUNS,
        })
    }

    /// Takes over a commit that was made.
    async fn committed(
        &self,
        action: &'static str,
        version: u64,
        commit: &Bytes,
    ) -> Result<ChangeOutcome> {
        let metrics = log::parse_actions(&self.table_ref, version, commit)?
            .into_iter()
            .find_map(|action| match action {
                Action::CommitInfo(mut info) => info.info.remove("operationMetrics"),
                _ => None,
            });
        let metrics: BTreeMap<_, _> = match metrics {
            Some(serde_json::Value::Object(metrics)) => metrics.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        metrics::operation(&self.name().to_string(), action);
        info!(table = %self.name(), version, action, "operation committed");
        // The commit is made: that it cannot be read now is no failure of the operation.
        match self.at_least(version).await {
            Ok(snapshot) => self.checkpoint_if_due(version, &snapshot).await,
            Err(error) => warn!(table = %self.name(), version, %error, "commit not read back"),
        }
        Ok(ChangeOutcome::Committed { version, metrics })
    }

    /// Writes a checkpoint when the version is one that should have it.
    async fn checkpoint_if_due(&self, version: u64, snapshot: &TableSnapshot) {
        if self
            .checkpoint_interval(snapshot)
            .is_ok_and(|interval| version.is_multiple_of(interval))
        {
            self.checkpoint(version).await;
        }
    }

    /// Deletes the files of a commit that was not made.
    async fn discard_files_of(&self, commit: &Bytes) {
        let store = self.table_ref.log_store.object_store(None);
        let actions = log::parse_actions(&self.table_ref, 0, commit).unwrap_or_default();
        let written = actions.iter().filter_map(|action| match action {
            Action::Add(add) => Some(add.path.as_str()),
            Action::Cdc(change) => Some(change.path.as_str()),
            _ => None,
        });
        writer::discard(&store, written).await;
    }
}

/// Returns how strictly an operation must be kept apart from commits it has not seen, by its own
/// needs and by what the table asks for.
fn required_isolation(needed: Isolation, snapshot: &TableSnapshot) -> Isolation {
    let serializable = snapshot.delta_table().snapshot().is_ok_and(|state| {
        state
            .metadata()
            .configuration()
            .get("delta.isolationLevel")
            .is_some_and(|level| level.eq_ignore_ascii_case("serializable"))
    });
    match needed {
        Isolation::WriteSerializable if serializable => Isolation::Serializable,
        needed => needed,
    }
}

pub(super) fn commit_properties(note: &CommitNote) -> CommitProperties {
    let mut metadata = note.metadata.clone();
    // Makes the commit's bytes unlike any other's.
    metadata.insert("lakehouse.commitId".to_owned(), json!(Uuid::new_v4()));
    CommitProperties::default()
        .with_metadata(metadata)
        // The guard decides, so that the builder has nothing to retry.
        .with_max_retries(0)
        .with_create_checkpoint(false)
        .with_cleanup_expired_logs(Some(false))
}

#[cfg(test)]
mod tests;
