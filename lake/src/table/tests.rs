use std::fs::File;
use std::time::SystemTime;

use arrow::array::{
    Array, ArrayRef, Date32Array, DictionaryArray, Int32Array, Int64Array, RecordBatch,
    StringArray, StringViewArray, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use chrono::{DateTime, TimeDelta, Utc};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::collect;
use object_store::PutPayload;
use object_store::path::Path;
use tokio::task::JoinSet;

use super::*;
use crate::catalog::Database;
use crate::lake::{Lake, TableDefinition};
use crate::storage::StorageConfig;

fn events_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
    ]))
}

fn events(ids: std::ops::Range<i64>) -> RecordBatch {
    let names: Vec<String> = ids.clone().map(|id| format!("event {id}")).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(ids)),
        Arc::new(StringArray::from(names)),
    ];
    RecordBatch::try_new(events_schema(), columns).unwrap()
}

fn definition(table: &str, schema: SchemaRef) -> TableDefinition {
    TableDefinition {
        name: TableName::new("db", table).unwrap(),
        schema,
        comment: Some("of a test".to_owned()),
        partition_columns: Vec::new(),
        properties: BTreeMap::new(),
    }
}

async fn lake_at(url: &str) -> Arc<Lake> {
    Lake::open(&StorageConfig::for_url(url)).await.unwrap()
}

async fn new_lake(url: &str) -> Arc<Lake> {
    let lake = lake_at(url).await;
    lake.catalog()
        .create_database(Database::named("db"))
        .await
        .unwrap();
    lake
}

async fn events_table(lake: &Arc<Lake>) -> LakeTable {
    lake.create_table(definition("events", events_schema()))
        .await
        .unwrap()
}

async fn open_events(lake: &Arc<Lake>) -> LakeTable {
    lake.table(&TableName::new("db", "events").unwrap())
        .await
        .unwrap()
}

fn range(start: Option<i64>, end: i64) -> AppendCommit {
    AppendCommit::of_range(OffsetRange::new("s", start, end))
}

async fn append(table: &LakeTable, start: Option<i64>, end: i64) -> AppendOutcome {
    let rows = events(start.unwrap_or(0)..end);
    table.append(vec![rows], range(start, end)).await.unwrap()
}

async fn scan(snapshot: &TableSnapshot) -> Vec<RecordBatch> {
    let state = SessionStateBuilder::new().with_default_features().build();
    let provider = snapshot.provider().await.unwrap();
    let plan = provider.scan(&state, None, &[], None).await.unwrap();
    collect(plan, state.task_ctx()).await.unwrap()
}

async fn stored_ids(table: &LakeTable) -> Vec<i64> {
    let batches = scan(&table.snapshot(AsOf::Latest).await.unwrap()).await;
    let mut ids: Vec<i64> = batches
        .iter()
        .flat_map(|batch| {
            let ids = batch.column_by_name("id").unwrap();
            ids.as_any()
                .downcast_ref::<Int64Array>()
                .unwrap()
                .values()
                .to_vec()
        })
        .collect();
    ids.sort_unstable();
    ids
}

fn table_folder(table: &LakeTable) -> std::path::PathBuf {
    table.url().to_file_path().unwrap()
}

fn commit_file(table: &LakeTable, version: u64) -> std::path::PathBuf {
    table_folder(table).join(format!("_delta_log/{version:020}.json"))
}

#[tokio::test]
async fn rows_and_offsets_are_stored_in_one_commit() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake).await;
    assert_eq!(table.stored_offsets().await.unwrap(), BTreeMap::new());
    assert_eq!(
        append(&table, None, 10).await,
        AppendOutcome::Committed {
            version: 1,
            rows: 10
        }
    );
    assert_eq!(
        append(&table, Some(10), 25).await,
        AppendOutcome::Committed {
            version: 2,
            rows: 15
        }
    );
    assert_eq!(table.stored_offset("s").await.unwrap(), Some(25));
    assert_eq!(table.stored_offset("other").await.unwrap(), None);

    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    assert_eq!(snapshot.version(), 2);
    assert_eq!(snapshot.row_count(), Some(25));
    assert_eq!(snapshot.file_count(), 2);
    assert!(snapshot.total_bytes() > 0);
    assert!(snapshot.timestamp().is_some());
    assert_eq!(snapshot.schema(), events_schema());
    assert_eq!(stored_ids(&table).await, (0..25).collect::<Vec<_>>());
}

#[tokio::test]
async fn our_offsets_are_those_that_delta_reads() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake).await;
    append(&table, None, 10).await;
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    let delta = snapshot.delta_table();
    let state = delta.snapshot().unwrap();
    let read = state
        .transaction_version(&delta.log_store(), "s")
        .await
        .unwrap();
    assert_eq!(read, Some(10));
}

#[tokio::test]
async fn a_stored_range_is_not_stored_again() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake).await;
    append(&table, None, 10).await;
    append(&table, Some(10), 20).await;
    assert_eq!(
        append(&table, Some(10), 20).await,
        AppendOutcome::AlreadyStored
    );
    assert_eq!(append(&table, None, 10).await, AppendOutcome::AlreadyStored);
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    assert_eq!((snapshot.version(), snapshot.row_count()), (2, Some(20)));
}

#[tokio::test]
async fn a_second_process_moves_the_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let one = events_table(&new_lake(&url).await).await;
    let two = open_events(&lake_at(&url).await).await;
    append(&one, None, 10).await;
    append(&two, Some(10), 30).await;
    assert_eq!(
        append(&one, Some(10), 20).await,
        AppendOutcome::AlreadyStored,
        "the other process stored these offsets"
    );
    assert_eq!(
        append(&one, Some(10), 40).await,
        AppendOutcome::OffsetsMoved {
            source: "s".into(),
            expected: Some(10),
            found: Some(30)
        }
    );
    assert_eq!(
        append(&one, Some(50), 60).await,
        AppendOutcome::OffsetsMoved {
            source: "s".into(),
            expected: Some(50),
            found: Some(30)
        }
    );
    assert_eq!(stored_ids(&one).await, (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn files_of_an_append_that_was_overtaken_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let one = events_table(&new_lake(&url).await).await;
    let two = open_events(&lake_at(&url).await).await;
    let tasks = [one.clone(), two].map(|table| async move { append(&table, None, 10).await });
    let outcomes = futures::future::join_all(tasks).await;
    assert!(outcomes.contains(&AppendOutcome::Committed {
        version: 1,
        rows: 10
    }));
    assert!(outcomes.contains(&AppendOutcome::AlreadyStored));
    let parquet = std::fs::read_dir(table_folder(&one))
        .unwrap()
        .filter(|file| {
            file.as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|e| e == "parquet")
        });
    assert_eq!(parquet.count(), 1);
}

/// Four writers in two processes append ten ranges each; some ranges are wanted by two writers.
async fn nothing_is_lost_or_doubled(config: &StorageConfig) {
    let open = async || Lake::open(config).await.unwrap();
    let lakes = [open().await, open().await];
    lakes[0]
        .catalog()
        .create_database(Database::named("db"))
        .await
        .unwrap();
    events_table(&lakes[0]).await;
    let mut tasks = JoinSet::new();
    for writer in 0..4 {
        let table = open_events(&lakes[writer % 2]).await;
        // Writers 0 and 1 share a source, as two owners of a topic partition do for a moment.
        let source = format!("s{}", writer.max(1));
        tasks.spawn(async move {
            let mut committed = 0;
            for step in 0..10 {
                let (start, end) = (step * 3, step * 3 + 3);
                let commit = AppendCommit::of_range(OffsetRange::new(
                    &source,
                    (start > 0).then_some(start),
                    end,
                ));
                let rows = events(writer as i64 * 1000 + start..writer as i64 * 1000 + end);
                match table.append(vec![rows], commit).await.unwrap() {
                    AppendOutcome::Committed { .. } => committed += 1,
                    AppendOutcome::AlreadyStored => {}
                    moved @ AppendOutcome::OffsetsMoved { .. } => panic!("{moved:?}"),
                }
            }
            committed
        });
    }
    let committed: u64 = tasks.join_all().await.into_iter().sum();
    assert_eq!(committed, 30);
    let table = open_events(&open().await).await;
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    assert_eq!((snapshot.version(), snapshot.row_count()), (30, Some(90)));
    let offsets = table.stored_offsets().await.unwrap();
    assert_eq!(
        offsets,
        ["s1", "s2", "s3"].map(|s| (s.to_owned(), 30)).into()
    );
    let ids = stored_ids(&table).await;
    for source in [2, 3] {
        let of_source: Vec<i64> = ids
            .iter()
            .copied()
            .filter(|id| id / 1000 == source)
            .collect();
        assert_eq!(
            of_source,
            (source * 1000..source * 1000 + 30).collect::<Vec<_>>()
        );
    }
    let mut shared: Vec<i64> = ids
        .iter()
        .filter(|id| **id < 2000)
        .map(|id| id % 1000)
        .collect();
    shared.sort_unstable();
    assert_eq!(shared, (0..30).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_on_a_folder_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = StorageConfig::for_url(folder.path().display().to_string());
    nothing_is_lost_or_doubled(&config).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_in_memory_lose_nothing() {
    let config = StorageConfig::for_url("memory://concurrent-appends");
    nothing_is_lost_or_doubled(&config).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_on_s3_lose_nothing() {
    if let Some(config) = crate::storage::tests::s3_config("appends") {
        nothing_is_lost_or_doubled(&config).await;
        let dropped = Lake::open(&config).await.unwrap();
        let name = TableName::new("db", "events").unwrap();
        let url = dropped.table(&name).await.unwrap().url().clone();
        dropped.drop_table(&name).await.unwrap();
        let later = Utc::now() + TimeDelta::days(8);
        dropped.purge_dropped(later).await.unwrap();
        assert_eq!(dropped.storage().delete_below(&url).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn offsets_move_without_rows_and_an_empty_append_commits_nothing() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake).await;
    let outcome = table.append(Vec::new(), range(None, 7)).await.unwrap();
    assert_eq!(
        outcome,
        AppendOutcome::Committed {
            version: 1,
            rows: 0
        }
    );
    assert_eq!(table.stored_offset("s").await.unwrap(), Some(7));
    let outcome = table
        .append(vec![events(0..0)], AppendCommit::default())
        .await
        .unwrap();
    assert_eq!(
        outcome,
        AppendOutcome::Committed {
            version: 1,
            rows: 0
        }
    );
    assert_eq!(table.snapshot(AsOf::Latest).await.unwrap().version(), 1);
}

#[tokio::test]
async fn an_append_is_found_again_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    {
        let table = events_table(&new_lake(&url).await).await;
        append(&table, None, 10).await;
    }
    let table = open_events(&lake_at(&url).await).await;
    assert_eq!(table.stored_offset("s").await.unwrap(), Some(10));
    assert_eq!(append(&table, None, 10).await, AppendOutcome::AlreadyStored);
    assert_eq!(
        append(&table, Some(10), 12).await,
        AppendOutcome::Committed {
            version: 2,
            rows: 2
        }
    );
    assert_eq!(stored_ids(&table).await, (0..12).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_checkpoint_is_written_when_due_and_offsets_are_read_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let lake = new_lake(&url).await;
    let mut frequent = definition("events", events_schema());
    frequent
        .properties
        .insert("delta.checkpointInterval".into(), "3".into());
    let table = lake.create_table(frequent).await.unwrap();
    for step in 0..4 {
        append(&table, (step > 0).then_some(step), step + 1).await;
    }
    let checkpoint =
        table_folder(&table).join("_delta_log/00000000000000000003.checkpoint.parquet");
    assert!(checkpoint.exists());
    // As after a clean-up: what the checkpoint covers is gone from the log.
    for version in 0..3 {
        std::fs::remove_file(commit_file(&table, version)).unwrap();
    }
    let table = open_events(&lake_at(&url).await).await;
    assert_eq!(table.stored_offset("s").await.unwrap(), Some(4));
    assert_eq!(stored_ids(&table).await, [0, 1, 2, 3]);
    let history = table.history(10).await.unwrap();
    assert_eq!(
        history
            .iter()
            .map(|commit| commit.version)
            .collect::<Vec<_>>(),
        [4, 3]
    );
}

#[tokio::test]
async fn versions_can_be_read_by_number_and_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let table = events_table(&new_lake(&url).await).await;
    append(&table, None, 10).await;
    append(&table, Some(10), 30).await;
    let start: DateTime<Utc> = "2013-01-01T00:00:00Z".parse().unwrap();
    for version in 0..3 {
        let written = start + TimeDelta::hours(version);
        let file = File::options()
            .write(true)
            .open(commit_file(&table, version as u64))
            .unwrap();
        file.set_modified(SystemTime::from(written)).unwrap();
    }
    let table = open_events(&lake_at(&url).await).await;
    let rows_as_of = async |as_of| table.snapshot(as_of).await.map(|s| s.row_count().unwrap());
    assert_eq!(rows_as_of(AsOf::Version(0)).await.unwrap(), 0);
    assert_eq!(rows_as_of(AsOf::Version(1)).await.unwrap(), 10);
    assert_eq!(rows_as_of(AsOf::Version(1)).await.unwrap(), 10);
    assert_eq!(rows_as_of(AsOf::Version(2)).await.unwrap(), 30);
    for (minutes, rows) in [
        (0, 0),
        (59, 0),
        (60, 10),
        (119, 10),
        (120, 30),
        (10_000, 30),
    ] {
        let time = AsOf::Timestamp(start + TimeDelta::minutes(minutes));
        assert_eq!(rows_as_of(time).await.unwrap(), rows, "{minutes}");
    }
    let early = rows_as_of(AsOf::Timestamp(start - TimeDelta::seconds(1)))
        .await
        .unwrap_err();
    assert!(matches!(&early, Error::NoVersionAt { earliest, .. } if *earliest == start));
    let late = rows_as_of(AsOf::Version(9)).await.unwrap_err();
    assert_eq!(
        late.to_string(),
        "table `db.events` has no version 9; its latest version is 2"
    );
    let pinned = table.snapshot(AsOf::Version(1)).await.unwrap();
    assert_eq!(pinned.timestamp(), Some(start + TimeDelta::hours(1)));
    let rows: usize = scan(&pinned).await.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 10);
}

#[tokio::test]
async fn history_tells_the_newest_commits_first() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake).await;
    let mut commit = range(None, 5);
    commit
        .metadata
        .insert("producer".to_owned(), serde_json::json!("a test"));
    table.append(vec![events(0..5)], commit).await.unwrap();
    let history = table.history(10).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|c| (c.version, c.operation.as_str()))
        .collect();
    assert_eq!(told, [(1, "WRITE"), (0, "CREATE TABLE")]);
    assert_eq!(history[0].metadata["producer"], "a test");
    assert_eq!(history[0].metadata["operationMetrics"]["numOutputRows"], 5);
    assert_eq!(table.history(1).await.unwrap().len(), 1);
    assert!(
        table
            .snapshot(AsOf::Timestamp(history[0].timestamp))
            .await
            .unwrap()
            .version()
            == 1
    );
}

#[tokio::test]
async fn representations_of_a_type_are_converted_and_columns_found_by_name() {
    let lake = new_lake("memory://").await;
    let schema = Arc::new(Schema::new(vec![
        Field::new("at", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
        Field::new("carrier", DataType::Utf8View, true),
        Field::new("origin", DataType::LargeUtf8, true),
        Field::new("day", DataType::Date32, true),
    ]));
    let table = lake
        .create_table(definition("mixed", schema))
        .await
        .unwrap();
    let stored = table.schema().await.unwrap();
    assert_eq!(
        stored
            .fields()
            .iter()
            .map(|f| f.data_type().clone())
            .collect::<Vec<_>>(),
        [
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Utf8,
            DataType::Utf8,
            DataType::Date32
        ]
    );
    let origin: DictionaryArray<Int32Type> = vec!["JFK", "LGA"].into_iter().collect();
    let batch = RecordBatch::try_from_iter([
        ("origin", Arc::new(origin) as ArrayRef),
        ("carrier", Arc::new(StringViewArray::from(vec!["UA", "AA"]))),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![1, 2]))),
    ])
    .unwrap();
    table
        .append(vec![batch], AppendCommit::default())
        .await
        .unwrap();
    let rows = scan(&table.snapshot(AsOf::Latest).await.unwrap()).await;
    let day = rows[0].column_by_name("day").unwrap();
    assert_eq!(
        day.as_any()
            .downcast_ref::<Date32Array>()
            .unwrap()
            .null_count(),
        2
    );
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused_by_column() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake).await;
    let refusal = async |columns: Vec<(&str, ArrayRef, bool)>| {
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        table
            .append(vec![batch], AppendCommit::default())
            .await
            .unwrap_err()
            .to_string()
    };
    let ids = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let unknown = refusal(vec![("id", ids(), false), ("x", ids(), false)]).await;
    assert_eq!(unknown, "table `db.events`: it has no column `x`");
    let narrow = Arc::new(Int32Array::from(vec![1])) as ArrayRef;
    let other = refusal(vec![("id", narrow, false)]).await;
    assert!(
        other.contains("column `id` has type Int64, but the batch has Int32"),
        "{other}"
    );
    let names = Arc::new(StringArray::from(vec!["a"])) as ArrayRef;
    let missing = refusal(vec![("name", names, false)]).await;
    assert!(missing.contains("column `id` is NOT NULL"), "{missing}");
    let nulls = Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef;
    let null = refusal(vec![("id", nulls, true)]).await;
    assert!(null.contains("1 of 2 rows have no value"), "{null}");
    assert_eq!(table.snapshot(AsOf::Latest).await.unwrap().version(), 0);
}

#[tokio::test]
async fn tables_that_delta_cannot_store_are_refused() {
    let lake = new_lake("memory://").await;
    let refusal = async |definition| lake.create_table(definition).await.unwrap_err().to_string();
    let schema = |fields: Vec<Field>| Arc::new(Schema::new(fields));
    let unsigned = schema(vec![Field::new("n", DataType::UInt64, true)]);
    assert!(
        refusal(definition("t", unsigned))
            .await
            .contains("column `n` has type UInt64")
    );
    assert!(
        refusal(definition("t", schema(vec![])))
            .await
            .contains("no columns")
    );
    let twice = schema(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("A", DataType::Int32, true),
    ]);
    assert!(
        refusal(definition("t", twice))
            .await
            .contains("column `A` occurs twice")
    );
    let mut partitioned = definition("t", events_schema());
    partitioned.partition_columns = vec!["nope".to_owned()];
    assert!(
        refusal(partitioned)
            .await
            .contains("partition column `nope`")
    );
}

#[tokio::test]
async fn a_partitioned_table_keeps_its_rows_and_columns() {
    let lake = new_lake("memory://").await;
    let mut partitioned = definition("events", events_schema());
    partitioned.partition_columns = vec!["name".to_owned()];
    let table = lake.create_table(partitioned).await.unwrap();
    table
        .append(vec![events(0..3), events(0..3)], range(None, 6))
        .await
        .unwrap();
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    assert_eq!(snapshot.partition_columns(), ["name"]);
    assert_eq!((snapshot.file_count(), snapshot.row_count()), (3, Some(6)));
    assert_eq!(stored_ids(&table).await, [0, 0, 1, 1, 2, 2]);
}

#[tokio::test]
async fn every_column_has_statistics() {
    let lake = new_lake("memory://").await;
    let fields: Vec<_> = (0..40)
        .map(|n| Field::new(format!("c{n}"), DataType::Int64, true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let table = lake
        .create_table(definition("wide", Arc::clone(&schema)))
        .await
        .unwrap();
    let column: ArrayRef = Arc::new(Int64Array::from(vec![3, 1, 2]));
    let batch = RecordBatch::try_new(schema, vec![column; 40]).unwrap();
    table
        .append(vec![batch], AppendCommit::default())
        .await
        .unwrap();
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    let log_data = snapshot.delta_table().snapshot().unwrap().log_data();
    let stats = log_data.iter().next().unwrap().stats().unwrap();
    assert!(stats.contains("\"c39\""), "{stats}");
}

#[tokio::test]
async fn of_two_processes_that_create_a_table_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let lakes = [new_lake(&url).await, lake_at(&url).await];
    let created = futures::future::join_all(
        lakes
            .iter()
            .map(|lake| lake.create_table(definition("events", events_schema()))),
    )
    .await;
    assert_eq!(created.iter().filter(|created| created.is_ok()).count(), 1);
    let lost = created
        .iter()
        .find_map(|created| created.as_ref().err())
        .unwrap();
    assert!(matches!(lost, Error::TableAlreadyExists { .. }), "{lost}");
    let table = open_events(&lakes[0]).await;
    assert_eq!(
        append(&table, None, 1).await,
        AppendOutcome::Committed {
            version: 1,
            rows: 1
        }
    );
    assert_eq!(open_events(&lakes[1]).await.url(), table.url());
}

#[tokio::test]
async fn a_purged_table_leaves_no_files_and_a_dropped_ones_name_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let lake = new_lake(&folder.path().display().to_string()).await;
    let dropped = events_table(&lake).await;
    append(&dropped, None, 5).await;
    lake.drop_table(dropped.name()).await.unwrap();
    assert!(commit_file(&dropped, 0).exists());
    lake.purge_dropped(Utc::now() + TimeDelta::days(8))
        .await
        .unwrap();
    assert!(!commit_file(&dropped, 0).exists());
    let again = events_table(&lake).await;
    assert_eq!(again.stored_offsets().await.unwrap(), BTreeMap::new());
    assert_eq!(again.snapshot(AsOf::Latest).await.unwrap().version(), 0);
}

#[tokio::test]
async fn comments_and_properties_go_where_they_belong() {
    let lake = new_lake("memory://").await;
    let id = Field::new("id", DataType::Int64, false)
        .with_metadata([("comment".to_owned(), "unique".to_owned())].into());
    let mut definition = definition("t", Arc::new(Schema::new(vec![id])));
    definition.properties = [("delta.appendOnly", "true"), ("steward", "ops")]
        .map(|(k, v)| (k.into(), v.into()))
        .into();
    let table = lake.create_table(definition).await.unwrap();
    let entry = lake.catalog().table(table.name()).await.unwrap();
    assert_eq!(entry.comment.as_deref(), Some("of a test"));
    assert_eq!(
        entry.column_comments,
        [("id".to_owned(), "unique".to_owned())].into()
    );
    assert_eq!(
        entry.properties,
        [("steward".to_owned(), "ops".to_owned())].into()
    );
    let schema = table.schema().await.unwrap();
    assert_eq!(schema.field(0).metadata()["comment"], "unique");
    assert!(!schema.field(0).is_nullable());
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    let configuration = snapshot
        .delta_table()
        .snapshot()
        .unwrap()
        .metadata()
        .configuration();
    assert_eq!(configuration["delta.appendOnly"], "true");
}

#[tokio::test]
async fn a_table_with_a_rule_the_writer_does_not_check_is_not_written() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake).await;
    append(&table, None, 1).await;
    let delta = table
        .snapshot(AsOf::Latest)
        .await
        .unwrap()
        .delta_table()
        .clone();
    let constraint = [("positive", "id >= 0")].into_iter().collect();
    delta
        .add_constraint()
        .with_constraints(constraint)
        .await
        .unwrap();
    let error = table
        .append(vec![events(1..2)], range(Some(1), 2))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "table `db.events` at `{}` uses the CHECK constraint `delta.constraints.positive`, \
             which this writer does not support",
            table.url()
        )
    );
}

#[tokio::test]
async fn an_unsupported_reader_feature_is_named_by_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let table = events_table(&new_lake(&url).await).await;
    let protocol = r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["timeMachine"],"writerFeatures":["timeMachine"]}}"#;
    std::fs::write(commit_file(&table, 1), protocol).unwrap();
    let table = open_events(&lake_at(&url).await).await;
    let chain = match table
        .append(vec![events(0..1)], AppendCommit::default())
        .await
    {
        Ok(outcome) => panic!("{outcome:?}"),
        Err(error) => cause_chain(&error),
    };
    assert!(chain.contains("timeMachine"), "{chain}");
    assert!(chain.contains("db.events"), "{chain}");
}

fn cause_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn an_append_notices_that_another_process_changed_the_columns() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let table = events_table(&new_lake(&url).await).await;
    append(&table, None, 5).await;
    let other = open_events(&lake_at(&url).await).await;
    let snapshot = other.snapshot(AsOf::Latest).await.unwrap();
    let added =
        deltalake::kernel::StructField::nullable("extra", deltalake::kernel::DataType::LONG);
    snapshot
        .delta_table()
        .clone()
        .add_columns()
        .with_fields([added])
        .await
        .unwrap();
    assert_eq!(
        append(&table, Some(5), 8).await,
        AppendOutcome::Committed {
            version: 3,
            rows: 3
        }
    );
    assert_eq!(table.schema().await.unwrap().fields().len(), 3);
    assert_eq!(stored_ids(&table).await, (0..8).collect::<Vec<_>>());
}

async fn damaged(damage: impl FnOnce(&LakeTable)) -> (LakeTable, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let table = events_table(&new_lake(&url).await).await;
    for step in 0..3 {
        append(&table, (step > 0).then_some(step), step + 1).await;
    }
    damage(&table);
    (open_events(&lake_at(&url).await).await, folder)
}

#[tokio::test]
async fn a_missing_commit_is_named() {
    let (table, _folder) =
        damaged(|table| std::fs::remove_file(commit_file(table, 2)).unwrap()).await;
    let error = table.stored_offsets().await.unwrap_err();
    assert!(
        matches!(&error, Error::LogGap { file, .. } if file.ends_with("0002.json")),
        "{error}"
    );
    let error = table.snapshot(AsOf::Latest).await.unwrap_err();
    assert!(error.to_string().contains("db.events"), "{error}");
    assert!(error.to_string().contains(table.url().as_str()), "{error}");
}

#[tokio::test]
async fn a_corrupt_commit_is_named() {
    let (table, _folder) =
        damaged(|table| std::fs::write(commit_file(table, 2), "{\"add\":").unwrap()).await;
    let error = table
        .append(vec![events(0..1)], range(Some(3), 4))
        .await
        .unwrap_err();
    assert!(matches!(&error, Error::CorruptLog { file, .. } if file.ends_with("0002.json")));
    assert!(error.to_string().contains("db.events"), "{error}");
    assert!(table.snapshot(AsOf::Latest).await.is_err());
}

#[tokio::test]
async fn a_missing_log_is_named() {
    let (table, _folder) = damaged(|table| {
        std::fs::remove_dir_all(table_folder(table).join("_delta_log")).unwrap();
    })
    .await;
    for error in [
        table.snapshot(AsOf::Latest).await.map(drop).unwrap_err(),
        table.stored_offsets().await.map(drop).unwrap_err(),
        table
            .append(vec![events(0..1)], AppendCommit::default())
            .await
            .map(drop)
            .unwrap_err(),
    ] {
        assert!(matches!(error, Error::MissingLog { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_recognised_as_ours() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake).await;
    append(&table, None, 5).await;
    let store = lake.storage().object_store();
    let location = lake.catalog().table(table.name()).await.unwrap().location;
    let ours = bytes::Bytes::from_static(b"{\"commitInfo\":{\"lakehouse.commitId\":\"x\"}}");
    let path = Path::from(format!("{location}/_delta_log/{:020}.json", 2));
    store
        .put(&path, PutPayload::from(ours.clone()))
        .await
        .unwrap();
    assert!(table.put_commit(2, &ours).await.unwrap());
    assert!(!table.put_commit(1, &ours).await.unwrap());
}
