//! Committing files that hold the same rows as the files they replace.
//!
//! ```text
//! files of version n -> new files -> which of the replaced files does the log still have?
//!                                       all of them        some were removed since version n
//!                                          |                       |
//!                                       commit                  this rewrite is lost: its files
//!                                                               are deleted, the rest commits
//! ```
//!
//! Rows appended meanwhile are in files of their own and do not matter. A removed file means that
//! somebody deleted, changed or rewrote its rows, and a change of columns or protocol may give
//! the rows another meaning: both lose, because the other writer's work is not ours to undo.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use deltalake::DeltaTableError;
use deltalake::kernel::transaction::{CommitData, PROTOCOL};
use deltalake::kernel::{Action, Add, Remove};
use deltalake::protocol::DeltaOperation;
use serde_json::json;
use tracing::debug;
use uuid::Uuid;

use super::{LakeTable, TableSnapshot, log, writer};
use crate::backoff;
use crate::error::{Error, Result};
use crate::metrics;

const MAX_ATTEMPTS: usize = 64;

/// Files and what replaces them: the same rows.
#[derive(Debug, Default)]
pub(crate) struct Rewrite {
    pub(crate) removes: Vec<Remove>,
    pub(crate) adds: Vec<Add>,
}

/// What is said of rewrites in their commit.
#[derive(Debug, Clone)]
pub(crate) struct RewriteNote {
    pub(crate) target_file_bytes: u64,
    pub(crate) metadata: BTreeMap<String, serde_json::Value>,
}

/// How rewrites ended.
#[derive(Debug, Default)]
pub(crate) struct RewriteOutcome {
    /// The version of the commit; none when nothing was left to commit.
    pub(crate) version: Option<u64>,
    pub(crate) committed: Vec<Rewrite>,
    /// Those whose files another writer removed. Their new files are deleted.
    pub(crate) lost: Vec<Rewrite>,
}

/// What the commits since a version did to the files to be replaced.
struct Since<'a> {
    table: &'a LakeTable,
    /// The last commit that was looked at.
    checked: u64,
    owner: HashMap<&'a str, usize>,
    lost: HashSet<usize>,
    redefined: bool,
}

impl<'a> Since<'a> {
    fn new(table: &'a LakeTable, base: u64, rewrites: &'a [Rewrite]) -> Self {
        let owner = rewrites
            .iter()
            .enumerate()
            .flat_map(|(index, rewrite)| {
                let paths = rewrite.removes.iter().map(|remove| remove.path.as_str());
                paths.map(move |path| (path, index))
            })
            .collect();
        Self {
            table,
            checked: base,
            owner,
            lost: HashSet::new(),
            redefined: false,
        }
    }

    /// Looks at the commits up to a version, or to the end of the log.
    async fn look(&mut self, until: Option<u64>) -> Result<()> {
        while until.is_none_or(|until| self.checked < until) {
            let version = self.checked + 1;
            let Some(bytes) = log::read_commit(&self.table.table_ref, version).await? else {
                // The tail knows a commit that is gone: it was cleaned up, unseen by us.
                self.redefined |= until.is_some();
                return Ok(());
            };
            for action in log::parse_actions(&self.table.table_ref, version, &bytes)? {
                match action {
                    Action::Remove(remove) => {
                        self.lost
                            .extend(self.owner.get(remove.path.as_str()).copied());
                    }
                    Action::Metadata(_) | Action::Protocol(_) => self.redefined = true,
                    _ => {}
                }
            }
            self.checked = version;
        }
        Ok(())
    }

    fn is_lost(&self, index: usize) -> bool {
        self.redefined || self.lost.contains(&index)
    }
}

impl LakeTable {
    /// Replaces files by others that hold the same rows, in one commit. `base` is the version
    /// whose files were read.
    ///
    /// # Errors
    ///
    /// [`Error::Table`] for a table that this writer must not write, and an error of the store
    /// during the commit, which leaves open whether it was made: the new files stay.
    pub(crate) async fn commit_rewrites(
        &self,
        base: &TableSnapshot,
        rewrites: Vec<Rewrite>,
        note: &RewriteNote,
    ) -> Result<RewriteOutcome> {
        let mut since = Since::new(self, base.version(), &rewrites);
        // Appends of this process wait while we hold the tail, so most of the log is read before.
        since.look(None).await?;
        let mut version = None;
        {
            let mut guard = self.current_tail().await?;
            let tail = guard.as_mut().ok_or_else(|| Error::Internal {
                message: "the log tail was not loaded".to_owned(),
            })?;
            for attempt in 0..MAX_ATTEMPTS {
                if attempt > 0 {
                    backoff::pause(attempt).await;
                    tail.advance(&self.table_ref).await?;
                }
                since.look(Some(tail.version)).await?;
                let left: Vec<&Rewrite> = rewrites
                    .iter()
                    .enumerate()
                    .filter_map(|(index, rewrite)| (!since.is_lost(index)).then_some(rewrite))
                    .collect();
                if left.is_empty() {
                    break;
                }
                let bytes = self.encode_rewrites(base, &left, note)?;
                if self.put_commit(tail.version + 1, &bytes).await? {
                    tail.apply(&self.table_ref, &bytes)?;
                    version = Some(tail.version);
                    break;
                }
                metrics::lost_race(&self.name().to_string());
            }
        }
        let is_lost: Vec<bool> = (0..rewrites.len())
            .map(|index| version.is_none() || since.is_lost(index))
            .collect();
        let mut outcome = RewriteOutcome {
            version,
            ..RewriteOutcome::default()
        };
        for (rewrite, is_lost) in rewrites.into_iter().zip(is_lost) {
            if is_lost {
                let store = self.table_ref.log_store.object_store(None);
                writer::discard(&store, writer::paths_of(&rewrite.adds)).await;
                outcome.lost.push(rewrite);
            } else {
                outcome.committed.push(rewrite);
            }
        }
        debug!(
            table = %self.name(),
            version = outcome.version,
            committed = outcome.committed.len(),
            lost = outcome.lost.len(),
            "rewritten files committed"
        );
        Ok(outcome)
    }

    fn encode_rewrites(
        &self,
        base: &TableSnapshot,
        rewrites: &[&Rewrite],
        note: &RewriteNote,
    ) -> Result<Bytes> {
        let refused = |error: DeltaTableError| self.delta_error("committing to", error);
        let state = base.delta_table().snapshot().map_err(refused)?;
        let removes = rewrites.iter().flat_map(|rewrite| &rewrite.removes);
        let adds = rewrites.iter().flat_map(|rewrite| &rewrite.adds);
        let metrics = json!({
            "numRemovedFiles": removes.clone().count(),
            "numRemovedBytes": removes.clone().filter_map(|remove| remove.size).sum::<i64>(),
            "numAddedFiles": adds.clone().count(),
            "numAddedBytes": adds.clone().map(|add| add.size).sum::<i64>(),
        });
        let actions: Vec<Action> = removes
            .cloned()
            .map(Action::Remove)
            .chain(adds.cloned().map(Action::Add))
            .collect();
        let operation = DeltaOperation::Optimize {
            predicate: Some("[]".to_owned()),
            target_size: i64::try_from(note.target_file_bytes).unwrap_or(i64::MAX),
        };
        PROTOCOL
            .can_commit(state, &actions, &operation)
            .map_err(|error| refused(error.into()))?;
        let mut metadata: HashMap<String, serde_json::Value> =
            note.metadata.clone().into_iter().collect();
        metadata.insert("lakehouse.commitId".to_owned(), json!(Uuid::new_v4()));
        metadata.insert("readVersion".to_owned(), json!(base.version()));
        metadata.insert("isBlindAppend".to_owned(), json!(false));
        metadata.insert("operationMetrics".to_owned(), metrics);
        CommitData::new(actions, operation, metadata, Vec::new())
            .get_bytes()
            .map_err(|error| refused(error.into()))
    }
}
