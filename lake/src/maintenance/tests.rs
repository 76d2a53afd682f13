use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::{DateTime, TimeDelta, Utc};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::collect;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::catalog::Database;
use crate::lake::TableDefinition;
use crate::storage::StorageConfig;
use crate::table::{AppendCommit, TableSnapshot};

/// The rows of a table: each id with its name, as often as it is there.
type Rows = BTreeMap<i64, Vec<String>>;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("part", DataType::Utf8, true),
    ]))
}

fn rows(ids: std::ops::Range<i64>, part: &str) -> RecordBatch {
    let names: Vec<String> = ids.clone().map(|id| format!("event {id}")).collect();
    let parts = vec![part; names.len()];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(ids)),
        Arc::new(StringArray::from(names)),
        Arc::new(StringArray::from(parts)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn expected(ids: impl IntoIterator<Item = i64>) -> Rows {
    ids.into_iter()
        .map(|id| (id, vec![format!("event {id}")]))
        .collect()
}

async fn lake_at(url: &str) -> Arc<Lake> {
    Lake::open(&StorageConfig::for_url(url)).await.unwrap()
}

fn name() -> TableName {
    TableName::new("db", "events").unwrap()
}

/// Returns a lake with an empty table.
async fn new_lake(url: &str, partition_columns: &[&str]) -> (Arc<Lake>, LakeTable) {
    let lake = lake_at(url).await;
    let catalog = lake.catalog();
    catalog
        .create_database(Database::named("db"))
        .await
        .unwrap();
    let definition = TableDefinition {
        name: name(),
        schema: schema(),
        comment: None,
        partition_columns: partition_columns.iter().map(|c| (*c).to_owned()).collect(),
        properties: BTreeMap::new(),
    };
    let table = lake.create_table(definition).await.unwrap();
    (lake, table)
}

fn maintainer(lake: &Arc<Lake>) -> Maintainer {
    let config = MaintenanceConfig {
        min_small_files: 4,
        ..MaintenanceConfig::default().on_demand()
    };
    Maintainer::new(Arc::clone(lake), config)
}

async fn append(table: &LakeTable, batch: RecordBatch) {
    table
        .append(vec![batch], AppendCommit::default())
        .await
        .unwrap();
}

/// Appends files of ten rows each.
async fn append_files(table: &LakeTable, files: std::ops::Range<i64>) {
    for file in files {
        append(table, rows(file * 10..file * 10 + 10, "p")).await;
    }
}

async fn scan(snapshot: &TableSnapshot) -> Rows {
    let state = SessionStateBuilder::new().with_default_features().build();
    let provider = snapshot.provider().await.unwrap();
    let plan = provider.scan(&state, None, &[], None).await.unwrap();
    let mut rows = Rows::new();
    for batch in collect(plan, state.task_ctx()).await.unwrap() {
        let column = |name: &str, to: &DataType| cast(batch.column_by_name(name).unwrap(), to);
        let ids = column("id", &DataType::Int64).unwrap();
        let names = column("name", &DataType::Utf8).unwrap();
        let ids = ids.as_any().downcast_ref::<Int64Array>().unwrap();
        let names = names.as_any().downcast_ref::<StringArray>().unwrap();
        for row in 0..batch.num_rows() {
            let name = names.value(row).to_owned();
            rows.entry(ids.value(row)).or_default().push(name);
        }
    }
    rows
}

async fn latest(table: &LakeTable) -> TableSnapshot {
    table.snapshot(AsOf::Latest).await.unwrap()
}

async fn compact(maintainer: &Maintainer, table: &LakeTable) -> CompactSummary {
    let progress = Progress::default();
    let done = maintainer.compact(table, Scope::All, &progress).await;
    done.unwrap()
}

/// Deletes one row through deltalake, as another process would.
async fn delete(table: &LakeTable, id: i64) {
    for _ in 0..50 {
        let delta = latest(table).await.delta_table().clone();
        if delta
            .delete()
            .with_predicate(format!("id = {id}"))
            .await
            .is_ok()
        {
            return;
        }
    }
    panic!("{id} could not be deleted");
}

fn parquet_files(table: &LakeTable) -> usize {
    let files = std::fs::read_dir(table.url().to_file_path().unwrap()).unwrap();
    files
        .filter(|file| {
            file.as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|e| e == "parquet")
        })
        .count()
}

fn pin(version: u64) -> Pin {
    Pin {
        table: name(),
        version,
        owner: "test".to_owned(),
        reason: "a test".to_owned(),
        created_at: Utc::now(),
        expires_at: None,
    }
}

/// Makes all files and commits of a table look as old as that.
fn age(table: &LakeTable, time: DateTime<Utc>) {
    let folder = table.url().to_file_path().unwrap();
    for folder in [folder.clone(), folder.join("_delta_log")] {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let file = std::fs::File::options().write(true).open(path).unwrap();
                file.set_modified(time.into()).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn small_files_become_one_with_the_same_rows_and_statistics() {
    let (lake, table) = new_lake("memory://", &[]).await;
    append_files(&table, 0..12).await;
    let maintainer = maintainer(&lake);
    let planned = maintainer
        .plan_compaction(&table, Scope::All)
        .await
        .unwrap();
    assert_eq!((planned.files_removed, planned.files_added), (12, 1));
    let done = compact(&maintainer, &table).await;
    assert_eq!(
        (done.files_removed, done.files_added, done.version),
        (12, 1, Some(13))
    );
    let after = latest(&table).await;
    assert_eq!((after.file_count(), after.row_count()), (1, Some(120)));
    assert_eq!(scan(&after).await, expected(0..120));
    let files = plan::data_files(&after).unwrap();
    let stats = files
        .values()
        .flatten()
        .next()
        .unwrap()
        .view
        .stats()
        .unwrap();
    assert!(
        stats.contains(r#""maxValues":{"#) && stats.contains(r#""id":119"#),
        "{stats}"
    );
    let history = table.history(1).await.unwrap();
    assert_eq!(history[0].operation, "OPTIMIZE");
    assert_eq!(
        history[0].metadata["operationMetrics"]["numRemovedFiles"],
        12
    );
    assert_eq!(
        scan(&table.snapshot(AsOf::Version(12)).await.unwrap()).await,
        expected(0..120)
    );
    assert_eq!(
        compact(&maintainer, &table).await,
        CompactSummary::default()
    );
}

#[tokio::test]
async fn partitions_are_compacted_each_by_itself_and_absent_columns_are_null() {
    let (lake, table) = new_lake("memory://", &["part"]).await;
    for file in 0..6_i64 {
        let part = if file % 2 == 0 { "a b/ü" } else { "c" };
        append(&table, rows(file * 10..file * 10 + 10, part)).await;
    }
    let delta = latest(&table).await.delta_table().clone();
    let extra =
        deltalake::kernel::StructField::nullable("extra", deltalake::kernel::DataType::LONG);
    delta.add_columns().with_fields([extra]).await.unwrap();
    let done = compact(&maintainer(&lake), &table).await;
    assert_eq!(
        (done.partitions, done.files_removed, done.files_added),
        (2, 6, 2)
    );
    let after = latest(&table).await;
    assert_eq!(scan(&after).await, expected(0..60));
    assert_eq!(after.schema().fields().len(), 4);
    let partitions: Vec<_> = plan::data_files(&after)
        .unwrap()
        .into_keys()
        .flatten()
        .collect();
    assert_eq!(partitions, [Some("a b/ü".to_owned()), Some("c".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_kept_while_others_append_and_delete() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let (lake, table) = new_lake(&url, &[]).await;
    append_files(&table, 0..20).await;
    let mut others = JoinSet::new();
    let (appender, deleter) = (lake_at(&url).await, lake_at(&url).await);
    others.spawn(async move {
        let table = appender.table(&name()).await.unwrap();
        append_files(&table, 20..50).await;
    });
    others.spawn(async move {
        let table = deleter.table(&name()).await.unwrap();
        for id in (0..200).step_by(25) {
            delete(&table, id).await;
        }
    });
    let maintainer = maintainer(&lake);
    let mut compacted = 0;
    while !others.is_empty() {
        compacted += compact(&maintainer, &table).await.files_removed;
        tokio::select! {
            done = others.join_next() => done.unwrap().unwrap(),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
    compact(&maintainer, &table).await;
    assert!(compacted > 0);
    let kept = (0..500).filter(|id| *id >= 200 || id % 25 != 0);
    assert_eq!(scan(&latest(&table).await).await, expected(kept));
}

#[tokio::test]
async fn a_bin_that_lost_its_race_is_left_for_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, table) = new_lake(&folder.path().display().to_string(), &["part"]).await;
    for file in 0..6_i64 {
        append(
            &table,
            rows(file * 10..file * 10 + 10, if file < 3 { "a" } else { "b" }),
        )
        .await;
    }
    let maintainer = maintainer(&lake);
    let before = latest(&table).await;
    let plan = maintainer.plan(&before, Scope::All).unwrap();
    delete(&table, 5).await;
    let files = parquet_files_below(&table);
    let progress = Progress::default();
    let done = maintainer
        .rewrite(&table, &before, plan, &progress)
        .await
        .unwrap();
    assert_eq!(
        (done.files_lost, done.files_removed, done.files_added),
        (3, 3, 1)
    );
    assert_eq!(
        parquet_files_below(&table),
        files + 1,
        "the lost bin's file is deleted"
    );
    let kept = || expected((0..60).filter(|id| *id != 5));
    assert_eq!(scan(&latest(&table).await).await, kept());
    let done = compact(&maintainer, &table).await;
    assert_eq!((done.files_lost, done.files_removed), (0, 3));
    assert_eq!(scan(&latest(&table).await).await, kept());
}

fn parquet_files_below(table: &LakeTable) -> usize {
    let folder = table.url().to_file_path().unwrap();
    let parts =
        ["part=a", "part=b"].map(|part| std::fs::read_dir(folder.join(part)).unwrap().count());
    parts.iter().sum()
}

#[tokio::test]
async fn a_changed_definition_loses_the_race() {
    let (lake, table) = new_lake("memory://", &[]).await;
    append_files(&table, 0..3).await;
    let maintainer = maintainer(&lake);
    let before = latest(&table).await;
    let plan = maintainer.plan(&before, Scope::All).unwrap();
    let extra =
        deltalake::kernel::StructField::nullable("extra", deltalake::kernel::DataType::LONG);
    let delta = before.delta_table().clone();
    delta.add_columns().with_fields([extra]).await.unwrap();
    let progress = Progress::default();
    let done = maintainer
        .rewrite(&table, &before, plan, &progress)
        .await
        .unwrap();
    assert_eq!((done.files_lost, done.version), (3, None));
    assert_eq!(scan(&latest(&table).await).await, expected(0..30));
}

#[tokio::test]
async fn files_of_a_crashed_compaction_are_orphans_that_vacuum_finds() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, table) = new_lake(&folder.path().display().to_string(), &[]).await;
    append_files(&table, 0..4).await;
    let maintainer = maintainer(&lake);
    let before = latest(&table).await;
    let plan = maintainer.plan(&before, Scope::All).unwrap();
    let rewriter = rewriter::Rewriter::new(&maintainer, &table, &before).unwrap();
    for bin in plan.bins {
        rewriter.rewrite(bin, &Progress::default()).await.unwrap();
    }
    assert_eq!(parquet_files(&table), 5);
    assert_eq!(scan(&latest(&table).await).await, expected(0..40));
    age(&table, Utc::now() - TimeDelta::days(8));
    let vacuumed = maintainer
        .vacuum(&table, None, Minimum::Enforced, Mode::Run, Utc::now())
        .await
        .unwrap();
    assert_eq!((vacuumed.files, parquet_files(&table)), (1, 4));
    assert_eq!(scan(&latest(&table).await).await, expected(0..40));
}

#[tokio::test]
async fn memory_and_files_of_a_round_are_bounded() {
    let (lake, table) = new_lake("memory://", &[]).await;
    append_files(&table, 0..30).await;
    let config = MaintenanceConfig {
        memory_limit_bytes: 2048,
        max_files_per_round: 10,
        target_file_bytes: 10 * latest(&table).await.total_bytes() / 30,
        ..MaintenanceConfig::default().on_demand()
    };
    let maintainer = Maintainer::new(lake, config);
    let done = compact(&maintainer, &table).await;
    assert!((2..=10).contains(&done.files_removed), "{done:?}");
    assert_eq!(scan(&latest(&table).await).await, expected(0..300));
}

/// Vacuums everything that nobody protects.
async fn vacuum_all(maintainer: &Maintainer, table: &LakeTable, mode: Mode) -> VacuumSummary {
    maintainer
        .vacuum(
            table,
            Some(Duration::ZERO),
            Minimum::Ignored,
            mode,
            Utc::now(),
        )
        .await
        .unwrap()
}

#[tokio::test]
async fn vacuum_keeps_what_is_pinned_or_in_use_and_removes_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, table) = new_lake(&folder.path().display().to_string(), &[]).await;
    let maintainer = maintainer(&lake);
    // Versions 2, 5 and 8 have two files each that no later version names.
    for step in 0..3 {
        append_files(&table, step * 2..step * 2 + 2).await;
        compact(&maintainer, &table).await;
    }
    maintainer.lake.pin(&pin(2)).await.unwrap();
    let in_use = table.snapshot(AsOf::Version(5)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let planned = vacuum_all(&maintainer, &table, Mode::DryRun).await;
    assert_eq!(planned.kept_versions, [2, 5]);
    let files = parquet_files(&table);
    assert!(planned.files > 0 && planned.bytes > 0);
    let done = vacuum_all(&maintainer, &table, Mode::Run).await;
    assert_eq!((done.files, done.bytes), (planned.files, planned.bytes));
    assert_eq!(parquet_files(&table), files - done.files as usize);
    let rows_at =
        async |version| scan(&table.snapshot(AsOf::Version(version)).await.unwrap()).await;
    assert_eq!(rows_at(2).await, expected(0..20));
    assert_eq!(scan(&in_use).await, expected(0..40));
    let gone = maintainer.lake.pin(&pin(8)).await.unwrap_err();
    assert!(
        matches!(gone, Error::VersionIncomplete { version: 8, .. }),
        "{gone}"
    );
    drop(in_use);
    assert!(table.leased_versions().is_empty());
    assert!(vacuum_all(&maintainer, &table, Mode::Run).await.files > 0);
    assert_eq!(rows_at(2).await, expected(0..20));
    assert!(maintainer.pins().unpin(&name(), 2, "test").await.unwrap());
    assert!(vacuum_all(&maintainer, &table, Mode::Run).await.files > 0);
    assert_eq!(parquet_files(&table), 1);
    assert_eq!(scan(&latest(&table).await).await, expected(0..60));
}

#[tokio::test]
async fn a_retention_below_the_minimum_is_refused() {
    let (lake, table) = new_lake("memory://", &[]).await;
    let hour = Some(Duration::from_secs(3600));
    let refused = maintainer(&lake)
        .vacuum(&table, hour, Minimum::Enforced, Mode::DryRun, Utc::now())
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "table `db.events`: keeping removed files for 1 h only is refused, the minimum is 168 h"
    );
}

#[tokio::test]
async fn log_clean_up_keeps_time_travel_within_the_retention_and_pins() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let (lake, table) = new_lake(&url, &[]).await;
    let maintainer = maintainer(&lake);
    append_files(&table, 0..10).await;
    assert_eq!(maintainer.checkpoint(&table).await.unwrap(), 10);
    append_files(&table, 10..15).await;
    let old = Utc::now() - TimeDelta::days(40);
    age(&table, old);
    append_files(&table, 15..20).await;
    for version in [3, 6] {
        maintainer.lake.pin(&pin(version)).await.unwrap();
    }
    let now = Utc::now();
    let planned = maintainer
        .clean_log(&table, None, Mode::DryRun, now)
        .await
        .unwrap();
    let done = maintainer
        .clean_log(&table, None, Mode::Run, now)
        .await
        .unwrap();
    assert_eq!(planned, done);
    assert_eq!(
        (done.readable_from, done.kept_versions.as_slice()),
        (Some(10), [3, 6].as_slice())
    );
    assert_eq!(done.files, 8);
    for table in [table, lake_at(&url).await.table(&name()).await.unwrap()] {
        for version in [3, 6, 10, 12, 15, 18, 20] {
            let snapshot = table.snapshot(AsOf::Version(version)).await.unwrap();
            let ids = 0..i64::try_from(version).unwrap() * 10;
            assert_eq!(scan(&snapshot).await, expected(ids), "{version}");
        }
        assert!(table.snapshot(AsOf::Version(4)).await.is_err());
        // What was the newest version 35 days ago is known; 41 days ago no whole log is left.
        let at = async |days| {
            table
                .snapshot(AsOf::Timestamp(Utc::now() - TimeDelta::days(days)))
                .await
        };
        assert_eq!(at(35).await.unwrap().version(), 15);
        let gone = at(41).await.unwrap_err();
        assert!(matches!(gone, Error::NoVersionAt { .. }), "{gone}");
        append(&table, rows(200..201, "p")).await;
        let kept = vacuum_all(&maintainer, &table, Mode::Run)
            .await
            .kept_versions;
        assert_eq!(kept, [3, 6]);
    }
}

#[tokio::test]
async fn a_round_does_what_is_due_and_the_next_one_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, table) = new_lake(&folder.path().display().to_string(), &[]).await;
    append_files(&table, 0..3).await;
    let maintainer = maintainer(&lake);
    let round = async || maintainer.round(Utc::now()).await.unwrap();
    assert_eq!(
        round().await,
        RoundReport {
            tables: 1,
            ..RoundReport::default()
        }
    );
    append_files(&table, 3..4).await;
    assert_eq!(round().await.done, ["db.events: 4 files into 1"]);
    assert!(round().await.done.is_empty());
    assert_eq!(scan(&latest(&table).await).await, expected(0..40));
}

#[tokio::test]
async fn a_table_that_fails_does_not_keep_others_from_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, table) = new_lake(&folder.path().display().to_string(), &[]).await;
    append_files(&table, 0..4).await;
    let entry = lake.catalog().table(&name()).await.unwrap();
    let missing = crate::catalog::TableEntry {
        name: TableName::new("db", "aaa").unwrap(),
        location: "db/nowhere".to_owned(),
        ..entry
    };
    lake.catalog().register_table(missing).await.unwrap();
    let report = maintainer(&lake).round(Utc::now()).await.unwrap();
    assert_eq!((report.tables, report.failed_tables), (2, 1));
    assert_eq!(report.done, ["db.events: 4 files into 1"]);
}

#[tokio::test]
async fn declared_columns_are_z_ordered_once() {
    let (lake, table) = new_lake("memory://", &[]).await;
    append_files(&table, 0..4).await;
    let entry = lake.catalog().table(&name()).await.unwrap();
    let declared = crate::catalog::TableEntry {
        properties: [(ZORDER_COLUMNS.to_owned(), "name, id".to_owned())].into(),
        ..entry
    };
    let snapshot = latest(&table).await;
    let columns = zorder_columns(&declared, &snapshot).unwrap();
    assert_eq!(columns, ["name", "id"]);
    let unsorted = async || {
        let snapshot = latest(&table).await;
        zorder::unsorted_fraction(&table, &snapshot, &columns)
            .await
            .unwrap()
    };
    assert_eq!(unsorted().await, 1.0);
    let maintainer = maintainer(&lake);
    let done = maintainer
        .zorder(&table, columns.clone(), Utc::now())
        .await
        .unwrap();
    assert_eq!((done.files_removed, done.files_added), (4, 1));
    assert_eq!(unsorted().await, 0.0);
    assert_eq!(scan(&latest(&table).await).await, expected(0..40));
    tokio::time::sleep(Duration::from_millis(5)).await;
    append_files(&table, 4..6).await;
    assert!((0.3..1.0).contains(&unsorted().await));
}

#[tokio::test]
async fn the_service_stops_when_it_is_told_to() {
    let (lake, table) = new_lake("memory://", &[]).await;
    append_files(&table, 0..4).await;
    let config = MaintenanceConfig {
        pause: Duration::from_millis(1),
        min_small_files: 4,
        ..MaintenanceConfig::default()
    };
    let maintainer = Maintainer::new(lake, config);
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let run = maintainer.run(shutdown, move |round| {
        if !round.done.is_empty() {
            stop.cancel();
        }
    });
    tokio::time::timeout(Duration::from_secs(20), run)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(latest(&table).await.file_count(), 1);
}

#[test]
fn the_configuration_reads_back() {
    let config = MaintenanceConfig::default();
    let text = serde_json::to_string(&config).unwrap();
    assert!(text.contains(r#""pause":"1m""#), "{text}");
    assert_eq!(
        serde_json::from_str::<MaintenanceConfig>(&text).unwrap(),
        config
    );
}

#[tokio::test]
async fn a_dropped_table_is_purged_after_its_grace_unless_it_is_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, table) = new_lake(&folder.path().display().to_string(), &[]).await;
    append_files(&table, 0..1).await;
    let maintainer = maintainer(&lake);
    maintainer.lake.pin(&pin(1)).await.unwrap();
    lake.drop_table(&name()).await.unwrap();
    let round = async |days| {
        let now = Utc::now() + TimeDelta::days(days);
        maintainer.round(now).await.unwrap().done
    };
    assert!(round(8).await.is_empty());
    assert_eq!(parquet_files(&table), 1);
    lake.pins().unpin(&name(), 1, "test").await.unwrap();
    assert!(round(6).await.is_empty());
    assert_eq!(round(8).await, ["db.events: dropped for good"]);
    assert!(
        !table
            .url()
            .to_file_path()
            .unwrap()
            .join("_delta_log")
            .join("00000000000000000000.json")
            .exists()
    );
}

#[tokio::test]
async fn a_renamed_table_keeps_its_pins_and_leases() {
    let (lake, table) = new_lake("memory://", &[]).await;
    append_files(&table, 0..2).await;
    let in_use = table.snapshot(AsOf::Version(1)).await.unwrap();
    lake.pin(&pin(2)).await.unwrap();
    let new = TableName::new("db", "renamed").unwrap();
    lake.rename_table(&name(), &new).await.unwrap();
    let renamed = lake.table(&new).await.unwrap();
    assert_eq!(renamed.leased_versions(), [in_use.version()].into());
    let pinned = lake.pins().list(None).await.unwrap();
    assert_eq!((pinned.len(), &pinned[0].table), (1, &new));
}
