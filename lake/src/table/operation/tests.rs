//! What a store that breaks in the middle of an operation leaves behind.

use std::sync::Arc;

use object_store::memory::InMemory;

use super::*;
use crate::lake::Lake;
use crate::maintenance::{Maintainer, MaintenanceConfig, Progress, Scope};
use crate::table::testing::*;
use crate::table::{AppendCommit, AppendOutcome, AsOf, MergeRequest, MergeSource, OffsetRange};

/// More calls than any of the operations makes.
const CALLS: usize = 400;

#[derive(Debug, Clone, Copy)]
enum Tried {
    Append,
    Delete,
    Update,
    Merge,
    Overwrite,
    Restore,
    Compact,
}

impl Tried {
    async fn run(self, lake: &Arc<Lake>, table: &LakeTable) -> Result<()> {
        let note = CommitNote::default();
        match self {
            Self::Append => {
                let commit = AppendCommit::of_range(OffsetRange::new("s", None, 1));
                let outcome = table.append(vec![events([9])], commit).await?;
                assert!(
                    matches!(outcome, AppendOutcome::Committed { .. }),
                    "{outcome:?}"
                );
            }
            Self::Delete => drop(table.delete(Some("id = 1"), note).await?),
            // Not the same when it is done twice.
            Self::Update => drop(
                table
                    .update(&[("id", "id + 10")], Some("id > 0"), note)
                    .await?,
            ),
            Self::Merge => {
                let source = MergeSource::Batches(vec![named(&[(1, "changed"), (9, "new")])]);
                let request = MergeRequest::upsert(source, "source.id = target.id");
                table.merge(request, note).await?;
            }
            Self::Overwrite => drop(table.overwrite(vec![events([9])], None, note).await?),
            Self::Restore => drop(table.restore(AsOf::Version(1), note).await?),
            Self::Compact => {
                let config = MaintenanceConfig::default().on_demand();
                let maintainer = Maintainer::new(Arc::clone(lake), config);
                let progress = Progress::default();
                maintainer.compact(table, Scope::All, &progress).await?;
            }
        }
        Ok(())
    }
}

/// Runs an operation on a fresh table whose store fails at the n-th call, for every n until it
/// does not fail any more. Returns how many calls there were.
async fn break_everywhere(tried: Tried, fault: Fault) -> usize {
    for n in 1..CALLS {
        let memory = Arc::new(InMemory::new());
        let store = FaultyStore::over(&memory, fault);
        let lake = lake_over(Arc::clone(&store) as _).await;
        let table = events_table(&lake, &[], 0..3).await;
        append(&table, events([3])).await;
        let old = rows(&table).await;
        // The first time, everything has to be loaded.
        let (lake, table) = if n % 2 == 0 {
            (lake, table)
        } else {
            let lake = lake_over(Arc::clone(&store) as _).await;
            let table = lake.table(&name("events")).await.unwrap();
            (lake, table)
        };
        let before = table.snapshot(AsOf::Latest).await.unwrap().version();
        store.fail_at(n);
        let result = tried.run(&lake, &table).await;
        let failed = store.has_failed();
        store.fail_at(usize::MAX);

        let new = expected(tried);
        let reopened = lake_over(memory as _)
            .await
            .table(&name("events"))
            .await
            .unwrap();
        let found = rows(&reopened).await;
        let version = reopened.snapshot(AsOf::Latest).await.unwrap().version();
        let context = format!("{tried:?} {fault:?} at call {n}: {result:?}");
        if result.is_ok() {
            assert_eq!((&found, version), (&new, before + 1), "{context}");
        } else {
            assert!(
                (found == old && version == before) || (found == new && version == before + 1),
                "{context}: {found:?} at version {version}"
            );
        }
        if !failed {
            assert!(result.is_ok(), "{context}");
            return n;
        }
        // Once the store works again, so does the table that met the fault.
        if fault != Fault::Crashed {
            assert_eq!(rows(&table).await, found, "{context}");
        }
    }
    panic!("{tried:?} makes too many calls");
}

fn expected(tried: Tried) -> Vec<String> {
    sorted(match tried {
        Tried::Append => vec!["0|n0", "1|n1", "2|n2", "3|n3", "9|n9"],
        Tried::Delete => vec!["0|n0", "2|n2", "3|n3"],
        Tried::Update => vec!["0|n0", "11|n1", "12|n2", "13|n3"],
        Tried::Merge => vec!["0|n0", "1|changed", "2|n2", "3|n3", "9|new"],
        Tried::Overwrite => vec!["9|n9"],
        Tried::Restore => vec!["0|n0", "1|n1", "2|n2"],
        Tried::Compact => vec!["0|n0", "1|n1", "2|n2", "3|n3"],
    })
}

async fn break_in_every_way(tried: Tried) {
    for fault in [Fault::Refused, Fault::AnswerLost, Fault::Crashed] {
        let calls = break_everywhere(tried, fault).await;
        assert!(calls > 3, "{tried:?} made {calls} calls only");
    }
}

#[tokio::test]
async fn a_broken_append_leaves_the_old_or_the_new_version() {
    break_in_every_way(Tried::Append).await;
}

#[tokio::test]
async fn a_broken_delete_leaves_the_old_or_the_new_version() {
    break_in_every_way(Tried::Delete).await;
}

#[tokio::test]
async fn a_broken_update_leaves_the_old_or_the_new_version() {
    break_in_every_way(Tried::Update).await;
}

#[tokio::test]
async fn a_broken_merge_leaves_the_old_or_the_new_version() {
    break_in_every_way(Tried::Merge).await;
}

#[tokio::test]
async fn a_broken_overwrite_leaves_the_old_or_the_new_version() {
    break_in_every_way(Tried::Overwrite).await;
}

#[tokio::test]
async fn a_broken_restore_leaves_the_old_or_the_new_version() {
    break_in_every_way(Tried::Restore).await;
}

#[tokio::test]
async fn a_broken_compaction_leaves_the_old_or_the_new_version() {
    break_in_every_way(Tried::Compact).await;
}
