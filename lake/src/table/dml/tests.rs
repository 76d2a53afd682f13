use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::table::testing::*;
use crate::table::{AsOf, CommitNote, MergeClause, MergeRequest, MergeSource};
use crate::{Error, Resources};

const FEED: [(&str, &str); 1] = [("delta.enableChangeDataFeed", "true")];
const CHANGE: [&str; 4] = ["id", "name", "_change_type", "_commit_version"];

fn none() -> CommitNote {
    CommitNote::default()
}

async fn changes(table: &LakeTable, from: u64) -> Vec<String> {
    let provider = table
        .changes(AsOf::Version(from), AsOf::Latest)
        .await
        .unwrap();
    provided(&provider, Some(&CHANGE)).await
}

#[tokio::test]
async fn deleted_rows_are_gone_and_told() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &FEED, 0..5).await;
    let outcome = table
        .delete(Some("id < 2 OR name = 'n4'"), none())
        .await
        .unwrap();
    assert_eq!(
        (outcome.version(), outcome.metric("num_deleted_rows")),
        (2, Some(3))
    );
    assert_eq!(rows(&table).await, ["2|n2", "3|n3"]);
    assert_eq!(
        changes(&table, 2).await,
        ["0|n0|delete|2", "1|n1|delete|2", "4|n4|delete|2"]
    );
    let before = table.snapshot(AsOf::Version(1)).await.unwrap();
    assert_eq!(rows_of(&before).await.len(), 5);
}

#[tokio::test]
async fn updated_rows_have_their_new_values_and_tell_the_old_ones() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &FEED, 0..4).await;
    let set = [("id", "id + 10"), ("name", "concat(name, '!')")];
    let outcome = table.update(&set, Some("id >= 2"), none()).await.unwrap();
    assert_eq!(outcome.metric("num_updated_rows"), Some(2));
    assert_eq!(
        rows(&table).await,
        sorted(["0|n0", "1|n1", "12|n2!", "13|n3!"])
    );
    assert_eq!(
        changes(&table, 2).await,
        [
            "12|n2!|update_postimage|2",
            "13|n3!|update_postimage|2",
            "2|n2|update_preimage|2",
            "3|n3|update_preimage|2",
        ]
    );
    let error = table
        .update(&[("nope", "1")], None, none())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "table `db.events`: it has no column `nope`"
    );
}

#[tokio::test]
async fn a_merge_updates_inserts_and_deletes() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &FEED, 0..4).await;
    let mut request = MergeRequest::upsert(
        MergeSource::Batches(vec![named(&[(1, "changed"), (2, "gone"), (9, "new")])]),
        "source.id = target.id",
    );
    request.clauses.insert(
        0,
        MergeClause::MatchedDelete {
            condition: Some("source.name = 'gone'".to_owned()),
        },
    );
    request.clauses.push(MergeClause::NotMatchedBySourceUpdate {
        condition: Some("target.id = 3".to_owned()),
        set: crate::Assignments::Columns(vec![("name".to_owned(), "'unseen'".to_owned())]),
    });
    let outcome = table.merge(request, none()).await.unwrap();
    let count = |name: &str| outcome.metric(name);
    assert_eq!(
        (
            count("num_target_rows_inserted"),
            count("num_target_rows_updated"),
            count("num_target_rows_deleted")
        ),
        (Some(1), Some(2), Some(1))
    );
    assert_eq!(
        rows(&table).await,
        ["0|n0", "1|changed", "3|unseen", "9|new"]
    );
    assert_eq!(
        changes(&table, 2).await,
        [
            "1|changed|update_postimage|2",
            "1|n1|update_preimage|2",
            "2|n2|delete|2",
            "3|n3|update_preimage|2",
            "3|unseen|update_postimage|2",
            "9|new|insert|2",
        ]
    );
}

#[tokio::test]
async fn a_merge_with_two_rows_for_one_is_refused() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..2).await;
    let twice = MergeSource::Batches(vec![named(&[(1, "a"), (1, "b")])]);
    let request = MergeRequest::upsert(twice, "source.id = target.id");
    let error = table.merge(request, none()).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Table {
                action: "merging into",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(rows(&table).await, ["0|n0", "1|n1"]);
}

#[tokio::test]
async fn overwriting_replaces_all_rows_or_those_of_a_predicate() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &FEED, 0..4).await;
    let where_small = Some("id < 2");
    table
        .overwrite(vec![named(&[(0, "zero")])], where_small, none())
        .await
        .unwrap();
    assert_eq!(rows(&table).await, ["0|zero", "2|n2", "3|n3"]);
    assert_eq!(
        changes(&table, 2).await,
        ["0|n0|delete|2", "0|zero|insert|2", "1|n1|delete|2"]
    );
    let error = table
        .overwrite(vec![named(&[(7, "seven")])], where_small, none())
        .await
        .unwrap_err();
    assert!(chain(&error).contains("db.events"), "{error:?}");
    table
        .overwrite(vec![events(7..9)], None, none())
        .await
        .unwrap();
    assert_eq!(rows(&table).await, ["7|n7", "8|n8"]);
    table.overwrite(Vec::new(), None, none()).await.unwrap();
    assert_eq!(rows(&table).await, Vec::<String>::new());
    assert_eq!(
        changes(&table, 3).await,
        [
            "0|zero|delete|3",
            "2|n2|delete|3",
            "3|n3|delete|3",
            "7|n7|delete|4",
            "7|n7|insert|3",
            "8|n8|delete|4",
            "8|n8|insert|3",
        ]
    );
}

#[tokio::test]
async fn a_truncated_table_is_empty_and_can_be_filled_again() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..4).await;
    let outcome = table.truncate(none()).await.unwrap();
    assert_eq!(outcome.metric("num_deleted_rows"), Some(4));
    assert_eq!(rows(&table).await, Vec::<String>::new());
    append(&table, events([5])).await;
    assert_eq!(rows(&table).await, ["5|n5"]);
}

#[tokio::test]
async fn nothing_to_change_makes_no_version() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..4).await;
    let unchanged = ChangeOutcome::Unchanged { version: 1 };
    assert_eq!(
        table.delete(Some("id > 100"), none()).await.unwrap(),
        unchanged
    );
    let set = [("name", "'x'")];
    assert_eq!(
        table.update(&set, Some("id > 100"), none()).await.unwrap(),
        unchanged
    );
    assert_eq!(table.snapshot(AsOf::Latest).await.unwrap().version(), 1);
}

#[tokio::test]
async fn the_history_tells_what_was_done_and_by_whom() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..4).await;
    let note = CommitNote {
        metadata: [("producer".to_owned(), json!("a test"))].into(),
    };
    table.delete(Some("id = 1"), note).await.unwrap();
    let commit = table.history(1).await.unwrap().remove(0);
    assert_eq!((commit.version, commit.operation.as_str()), (2, "DELETE"));
    assert_eq!(commit.metadata["producer"], "a test");
    assert_eq!(commit.metrics["num_deleted_rows"], 1);
    assert!(
        commit.parameters["predicate"]
            .as_str()
            .unwrap()
            .contains("id")
    );
    assert!(commit.engine.is_some());
}

#[tokio::test]
async fn a_predicate_without_sense_is_told_and_changes_nothing() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..4).await;
    for predicate in ["nope = 1", "id <", "id + 1"] {
        let error = table.delete(Some(predicate), none()).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Table {
                    action: "deleting from",
                    version: Some(1),
                    ..
                }
            ),
            "{predicate}: {error:?}"
        );
    }
    assert_eq!(rows(&table).await.len(), 4);
}

#[tokio::test]
async fn an_append_only_table_keeps_its_rows() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[("delta.appendOnly", "true")], 0..2).await;
    for error in [
        table.delete(None, none()).await.unwrap_err(),
        table
            .update(&[("name", "'x'")], None, none())
            .await
            .unwrap_err(),
        table
            .overwrite(vec![events(5..6)], None, none())
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(error, Error::AppendOnly { .. }),
            "{}",
            chain(&error)
        );
    }
    append(&table, events([2])).await;
    assert_eq!(rows(&table).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_merges_and_updates_of_two_processes_all_survive() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let first = new_lake(&url).await;
    events_table(&first, &[], 0..10).await;
    let second = lake_at(&url).await;
    let mut tasks = JoinSet::new();
    for lake in [&first, &second] {
        let table = lake.table(&name("events")).await.unwrap();
        let appender = table.clone();
        let start = if std::ptr::eq(lake, &first) {
            1000
        } else {
            2000
        };
        tasks.spawn(async move {
            for id in start..start + 6 {
                append(&appender, events([id])).await;
            }
        });
        let merger = table.clone();
        tasks.spawn(async move {
            for step in 0..2 {
                let rows = named(&[(start + 500 + step, "merged"), (step, "merged")]);
                let source = MergeSource::Batches(vec![rows]);
                let request = MergeRequest::upsert(source, "source.id = target.id");
                merger.merge(request, none()).await.unwrap();
            }
        });
        tasks.spawn(async move {
            for _ in 0..2 {
                let set = [("name", "concat(name, '+')")];
                table.update(&set, Some("id = 9"), none()).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let table = lake_at(&url).await.table(&name("events")).await.unwrap();
    let mut expected: Vec<String> = (2..9).map(|id| format!("{id}|n{id}")).collect();
    expected.extend(["0|merged", "1|merged", "9|n9++++"].map(str::to_owned));
    for start in [1000, 2000] {
        expected.extend((start..start + 6).map(|id| format!("{id}|n{id}")));
        expected.extend((0..2).map(|step| format!("{}|merged", start + 500 + step)));
    }
    assert_eq!(rows(&table).await, sorted(expected));
}

#[tokio::test]
async fn an_operation_that_was_overtaken_by_a_compaction_is_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let lake = new_lake(&url).await;
    let table = events_table(&lake, &[], 0..2).await;
    append(&table, events(2..4)).await;
    let other = lake_at(&url).await.table(&name("events")).await.unwrap();
    let note = none();
    let operation = Operation {
        action: "overwriting",
        isolation: Isolation::WriteSerializable,
        writes: Writes::Files,
        note: &note,
    };
    let mut runs = 0;
    let outcome = table
        .operate(operation, |run| {
            runs += 1;
            let overtake = (runs == 1).then(|| other.clone());
            async move {
                if let Some(other) = overtake {
                    let delta = other
                        .snapshot(AsOf::Latest)
                        .await
                        .unwrap()
                        .delta_table()
                        .clone();
                    delta.optimize().await.unwrap();
                }
                let rows = vec![events([7])];
                let builder = run.delta.write(rows).with_save_mode(SaveMode::Overwrite);
                builder.with_commit_properties(run.commit).await.map(drop)
            }
            .boxed()
        })
        .await
        .unwrap();
    assert_eq!((runs, outcome.version()), (2, 4));
    assert_eq!(rows(&table).await, ["7|n7"]);
}

/// Returns rows with names that take memory.
fn wide(ids: std::ops::Range<i64>) -> RecordBatch {
    let rows: Vec<(i64, String)> = ids.map(|id| (id, format!("{id:0>200}"))).collect();
    named(&rows)
}

#[tokio::test]
async fn a_merge_of_more_than_its_memory_goes_to_files() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], []).await;
    append(&table, wide(0..100_000)).await;
    let batches = (50..150).map(|step| wide(step * 1000..(step + 1) * 1000));
    let source = MergeSource::Batches(batches.collect());
    let request = MergeRequest::upsert(source, "source.id = target.id");
    // Each side has more than 20 MB.
    let options = |memory_bytes| WriteOptions {
        note: none(),
        resources: Resources::Bounded {
            memory_bytes,
            spill_bytes: 1 << 30,
        },
    };
    let outcome = table
        .merge(request.clone(), options(32 << 20))
        .await
        .unwrap();
    assert_eq!(outcome.metric("num_target_rows_inserted"), Some(50_000));
    assert_eq!(outcome.metric("num_target_rows_updated"), Some(50_000));
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    assert_eq!(snapshot.row_count(), Some(150_000));
    // The limit holds: with next to nothing it cannot be done.
    let error = table.merge(request, options(64 << 10)).await.unwrap_err();
    assert!(
        chain(&error).contains("Resources exhausted"),
        "{}",
        chain(&error)
    );
}
