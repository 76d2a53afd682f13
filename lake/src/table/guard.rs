//! One commit of an operation that Delta's builders run.
//!
//! ```text
//! builder: plan, write files, put commit n+1 ---> CommitGuard --- absent? ----> made
//!                                                     | taken: read it
//!                                                     +-- harmless? --> put commit n+2 ...
//!                                                     +-- conflict ---> Lost: run it all again
//! ```
//!
//! A builder gets its log through a [`CommitGuard`], which decides in its place, because Delta's
//! own check lets commits pass that undo each other (a compaction of files that are being
//! overwritten, rows appended while a constraint is added), and because only who puts the commit
//! knows for certain whether it was made: an answer lost on the way, or a failure after the
//! commit, must not lead to a second one.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use deltalake::DeltaTableError;
use deltalake::kernel::Action;
use deltalake::kernel::transaction::TransactionError;
use deltalake::logstore::{CommitOrBytes, LogStore, LogStoreConfig};
use object_store::ObjectStore;
use parking_lot::Mutex;
use tracing::debug;
use uuid::Uuid;

use super::{TableRef, log};
use crate::backoff;
use crate::error::{Error, Result};
use crate::metrics;

const MAX_PUTS: usize = 64;

type DeltaResult<T> = Result<T, DeltaTableError>;

/// Which commits of others an operation may follow without having seen them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// Appends, and rewrites of files that it does not remove.
    WriteSerializable,
    /// Rewrites of files that it does not remove.
    Serializable,
    /// None: the operation depends on all that the table is.
    Exclusive,
}

/// How the commit of an operation ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// No commit was tried.
    Untried,
    /// The commit is in the log.
    Made { version: u64, commit: Bytes },
    /// Another writer's commit came first and does not agree with it. Nothing was committed.
    Lost { version: u64, commit: Bytes },
    /// The store failed. The commit is not in the log, as far as the store can tell.
    Failed(Error),
}

type Rewrite = Box<dyn Fn(&Bytes) -> Result<Bytes> + Send + Sync>;

/// The log of a table, for one operation that read it at one version.
pub(super) struct CommitGuard {
    table: Arc<TableRef>,
    read_version: u64,
    isolation: Isolation,
    /// What is put right in the commit before it is put.
    rewrite: Option<Rewrite>,
    ending: Mutex<Ending>,
}

impl fmt::Debug for CommitGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitGuard")
            .field("table", &self.table.name)
            .field("read_version", &self.read_version)
            .field("isolation", &self.isolation)
            .finish_non_exhaustive()
    }
}

impl CommitGuard {
    pub(super) fn new(table: Arc<TableRef>, read_version: u64, isolation: Isolation) -> Self {
        Self {
            table,
            read_version,
            isolation,
            rewrite: None,
            ending: Mutex::new(Ending::Untried),
        }
    }

    /// Puts right what the builder gets wrong in its commit.
    pub(super) fn with_rewrite(
        mut self,
        rewrite: impl Fn(&Bytes) -> Result<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.rewrite = Some(Box::new(rewrite));
        self
    }

    /// Returns how the commit ended.
    pub(super) fn ending(&self) -> Ending {
        std::mem::replace(&mut *self.ending.lock(), Ending::Untried)
    }

    /// Puts a commit as the next version that is free and may follow what is there.
    async fn commit(&self, mut version: u64, commit: &Bytes) -> Result<Ending> {
        let rewritten = match &self.rewrite {
            Some(rewrite) => rewrite(commit)?,
            None => commit.clone(),
        };
        let commit = &rewritten;
        let ours = log::parse_actions(&self.table, version, commit)?;
        for attempt in 0..MAX_PUTS {
            if put(&self.table, version, commit).await? {
                return Ok(Ending::Made {
                    version,
                    commit: commit.clone(),
                });
            }
            metrics::lost_race(&self.table.name.to_string());
            let Some(winner) = log::read_commit(&self.table, version).await? else {
                // Cleaned up already, so that nobody can say what it was.
                return Ok(Ending::Lost {
                    version,
                    commit: commit.clone(),
                });
            };
            let theirs = log::parse_actions(&self.table, version, &winner)?;
            if let Some(reason) = conflict(self.isolation, &ours, &theirs) {
                debug!(table = %self.table.name, version, reason, "commit overtaken by another");
                return Ok(Ending::Lost {
                    version,
                    commit: commit.clone(),
                });
            }
            version += 1;
            backoff::pause(attempt.min(4)).await;
        }
        Ok(Ending::Lost {
            version,
            commit: commit.clone(),
        })
    }
}

/// Puts a commit on condition that there is none, and reports whether the one that is there is
/// ours.
pub(super) async fn put(table: &TableRef, version: u64, commit: &Bytes) -> Result<bool> {
    let put = table
        .log_store
        .write_commit_entry(
            version,
            CommitOrBytes::LogBytes(commit.clone()),
            Uuid::new_v4(),
        )
        .await;
    let error = match put {
        Ok(()) => return Ok(true),
        Err(error) => error,
    };
    // The store may have made the commit although its answer was lost on the way; a commit has a
    // random id, so equal bytes are ours.
    let found = log::read_commit(table, version).await;
    match (found, error) {
        (Ok(Some(found)), _) if found == *commit => Ok(true),
        (found, TransactionError::VersionAlreadyExists(_)) => found.map(|_| false),
        (_, error) => {
            Err(table.error("committing to", Some(version), DeltaTableError::from(error)))
        }
    }
}

/// Says why a commit must not follow another that its operation has not seen, if so.
fn conflict(isolation: Isolation, ours: &[Action], theirs: &[Action]) -> Option<&'static str> {
    if isolation == Isolation::Exclusive {
        return Some("the operation depends on the whole table");
    }
    let removed: HashSet<&str> = ours
        .iter()
        .filter_map(|action| match action {
            Action::Remove(remove) => Some(remove.path.as_str()),
            _ => None,
        })
        .collect();
    let redefines = |action: &Action| {
        matches!(
            action,
            Action::Metadata(_) | Action::Protocol(_) | Action::DomainMetadata(_)
        )
    };
    let appended = is_blind_append(theirs);
    for action in theirs {
        match action {
            action if redefines(action) => return Some("the table was redefined"),
            Action::Remove(remove) if removed.contains(remove.path.as_str()) => {
                return Some("a file that the operation removes is gone");
            }
            Action::Remove(remove) if remove.data_change => return Some("rows were removed"),
            Action::Add(add)
                if add.data_change && !(appended && isolation == Isolation::WriteSerializable) =>
            {
                return Some("rows were added");
            }
            _ => {}
        }
    }
    None
}

/// Reports whether a commit only added rows, without having looked at the table's.
fn is_blind_append(actions: &[Action]) -> bool {
    let mut info = None;
    for action in actions {
        match action {
            Action::Add(_) | Action::Txn(_) => {}
            Action::CommitInfo(commit) => info = Some(commit),
            _ => return false,
        }
    }
    let Some(info) = info else {
        return false;
    };
    // Not every writer says so; an append is told by its operation then.
    info.is_blind_append.unwrap_or_else(|| {
        let parameters = info.operation_parameters.as_ref();
        let parameter = |key: &str| {
            parameters
                .and_then(|parameters| parameters.get(key))
                .and_then(serde_json::Value::as_str)
        };
        info.operation.as_deref() == Some("WRITE")
            && parameter("mode") == Some("Append")
            && parameter("predicate").is_none()
    })
}

#[async_trait]
impl LogStore for CommitGuard {
    fn name(&self) -> String {
        self.table.log_store.name()
    }

    async fn read_commit_entry(&self, version: u64) -> DeltaResult<Option<Bytes>> {
        self.table.log_store.read_commit_entry(version).await
    }

    async fn write_commit_entry(
        &self,
        version: u64,
        commit: CommitOrBytes,
        _operation_id: Uuid,
    ) -> Result<(), TransactionError> {
        let failed = |message: &str| TransactionError::LogStoreError {
            msg: message.to_owned(),
            source: message.to_owned().into(),
        };
        let CommitOrBytes::LogBytes(commit) = commit else {
            return Err(failed("a commit came without its bytes"));
        };
        let ending = self.commit(version, &commit).await;
        let (ending, answer) = match ending {
            Ok(made @ Ending::Made { .. }) => (made, Ok(())),
            Ok(lost) => (lost, Err(TransactionError::VersionAlreadyExists(version))),
            Err(error) => (Ending::Failed(error), Err(failed("the commit failed"))),
        };
        *self.ending.lock() = ending;
        answer
    }

    async fn abort_commit_entry(
        &self,
        version: u64,
        commit: CommitOrBytes,
        operation_id: Uuid,
    ) -> Result<(), TransactionError> {
        self.table
            .log_store
            .abort_commit_entry(version, commit, operation_id)
            .await
    }

    /// Returns the version that was read: what came after it is met when the commit is put.
    async fn get_latest_version(&self, _start_version: u64) -> DeltaResult<u64> {
        Ok(self.read_version)
    }

    fn object_store(&self, operation_id: Option<Uuid>) -> Arc<dyn ObjectStore> {
        self.table.log_store.object_store(operation_id)
    }

    fn root_object_store(&self, operation_id: Option<Uuid>) -> Arc<dyn ObjectStore> {
        self.table.log_store.root_object_store(operation_id)
    }

    fn config(&self) -> &LogStoreConfig {
        self.table.log_store.config()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(lines: &[&str]) -> Vec<Action> {
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn add(path: &str, data_change: bool) -> String {
        format!(
            r#"{{"add":{{"path":"{path}","partitionValues":{{}},"size":1,"modificationTime":1,"dataChange":{data_change}}}}}"#
        )
    }

    fn remove(path: &str, data_change: bool) -> String {
        format!(r#"{{"remove":{{"path":"{path}","dataChange":{data_change}}}}}"#)
    }

    const OURS: &str = r#"{"commitInfo":{"operation":"WRITE","operationParameters":{"mode":"Append"},"isBlindAppend":true}}"#;
    const PYTHONS: &str =
        r#"{"commitInfo":{"operation":"WRITE","operationParameters":{"mode":"Append"}}}"#;
    const MERGE: &str = r#"{"commitInfo":{"operation":"MERGE","operationParameters":{}}}"#;

    #[test]
    fn appends_are_followed_unless_the_table_is_serializable() {
        let ours = actions(&[&remove("a", true), &add("b", true)]);
        for info in [OURS, PYTHONS] {
            let theirs = actions(&[info, &add("c", true)]);
            assert_eq!(conflict(Isolation::WriteSerializable, &ours, &theirs), None);
            assert!(conflict(Isolation::Serializable, &ours, &theirs).is_some());
            assert!(conflict(Isolation::Exclusive, &ours, &theirs).is_some());
        }
        let merged = actions(&[MERGE, &add("c", true)]);
        assert!(conflict(Isolation::WriteSerializable, &ours, &merged).is_some());
    }

    #[test]
    fn a_compaction_is_followed_unless_it_took_our_files() {
        let optimize = r#"{"commitInfo":{"operation":"OPTIMIZE"}}"#;
        let theirs = actions(&[optimize, &remove("a", false), &add("c", false)]);
        let elsewhere = actions(&[&remove("x", true)]);
        assert_eq!(conflict(Isolation::Serializable, &elsewhere, &theirs), None);
        let same = actions(&[&remove("a", true)]);
        assert!(conflict(Isolation::WriteSerializable, &same, &theirs).is_some());
    }

    #[test]
    fn a_redefinition_is_never_followed() {
        let theirs = actions(&[
            OURS,
            r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#,
        ]);
        assert!(conflict(Isolation::WriteSerializable, &[], &theirs).is_some());
    }
}
