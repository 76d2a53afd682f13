use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;

use super::*;
use crate::table::testing::*;

fn note() -> CommitNote {
    CommitNote::default()
}

#[tokio::test]
async fn a_clone_and_its_source_go_their_own_ways() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    clones_go_their_own_ways(&url).await;
    clones_go_their_own_ways("memory://").await;
}

async fn clones_go_their_own_ways(url: &str) {
    let lake = new_lake(url).await;
    let mut partitioned = definition("events", events_schema());
    partitioned.partition_columns = vec!["name".to_owned()];
    let source = lake.create_table(partitioned).await.unwrap();
    append(&source, named(&[(1, "a b"), (2, "c%d"), (3, "e")])).await;
    append(&source, named(&[(4, "later")])).await;
    let clone = lake
        .clone_table(source.name(), AsOf::Version(1), &name("copy"), note())
        .await
        .unwrap();
    assert_eq!(rows(&clone).await, ["1|a b", "2|c%d", "3|e"]);
    assert_eq!(clone.history(1).await.unwrap()[0].operation, "CLONE");
    append(&clone, named(&[(9, "own")])).await;
    clone.delete(Some("id = 1"), note()).await.unwrap();
    clone
        .update(&[("id", "id + 10")], Some("id = 2"), note())
        .await
        .unwrap();
    assert_eq!(rows(&clone).await, ["12|c%d", "3|e", "9|own"]);
    assert_eq!(rows(&source).await, ["1|a b", "2|c%d", "3|e", "4|later"]);
    source.delete(Some("id = 3"), note()).await.unwrap();
    assert_eq!(rows(&clone).await, ["12|c%d", "3|e", "9|own"]);
    clone.restore(AsOf::Version(0), note()).await.unwrap();
    assert_eq!(rows(&clone).await, ["1|a b", "2|c%d", "3|e"]);
    let twice = lake
        .clone_table(clone.name(), AsOf::Latest, &name("copy2"), note())
        .await
        .unwrap();
    assert_eq!(rows(&twice).await, ["1|a b", "2|c%d", "3|e"]);
    clone.truncate(note()).await.unwrap();
    vacuum(&clone).await;
    assert_eq!(rows(&twice).await, ["1|a b", "2|c%d", "3|e"]);
    let before = source.snapshot(AsOf::Version(2)).await.unwrap();
    assert_eq!(rows_of(&before).await.len(), 4);
    let error = lake
        .clone_table(source.name(), AsOf::Latest, &name("copy"), note())
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::TableAlreadyExists { .. }),
        "{error:?}"
    );
    lake.drop_table(&name("copy")).await.unwrap();
    assert_eq!(rows(&source).await, ["1|a b", "2|c%d", "4|later"]);
}

async fn vacuum(table: &LakeTable) {
    for mode in [
        deltalake::operations::vacuum::VacuumMode::Lite,
        deltalake::operations::vacuum::VacuumMode::Full,
    ] {
        let delta = table
            .snapshot(AsOf::Latest)
            .await
            .unwrap()
            .delta_table()
            .clone();
        delta
            .vacuum()
            .with_retention_period(chrono::TimeDelta::zero())
            .with_enforce_retention_duration(false)
            .with_mode(mode)
            .await
            .unwrap();
    }
}

fn write_parquet(path: &Path, ids: &[i64]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[tokio::test]
async fn a_folder_of_parquet_files_becomes_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let lake = new_lake(&folder.path().display().to_string()).await;
    let raw = folder.path().join("raw/flights");
    for (path, ids) in [
        ("year=2013/at=10%3A00/a.parquet", [1, 2]),
        ("year=2013/at=10%3A30/b.parquet", [3, 4]),
        (
            "year=2014/at=__HIVE_DEFAULT_PARTITION__/c d.parquet",
            [5, 6],
        ),
    ] {
        write_parquet(&raw.join(path), &ids);
    }
    let convert = async |table: &str, location: &str| {
        lake.convert(&name(table), location, Conversion::default())
            .await
            .unwrap()
    };
    let table = convert("flights", "raw/flights").await;
    let expected = [
        "1|2013|10:00",
        "2|2013|10:00",
        "3|2013|10:30",
        "4|2013|10:30",
        "5|2014|",
        "6|2014|",
    ];
    assert_eq!(rows(&table).await, expected);
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    assert_eq!(snapshot.partition_columns(), ["year", "at"]);
    assert_eq!(snapshot.schema().field(1).data_type(), &DataType::Int32);
    assert_eq!((snapshot.row_count(), snapshot.version()), (Some(6), 0));
    let stats = snapshot.delta_table().snapshot().unwrap().log_data();
    let stats = stats.iter().next().unwrap().stats().unwrap();
    assert!(
        stats.contains("\"minValues\"") && stats.contains("\"id\""),
        "{stats}"
    );
    assert_eq!(convert("flights", "raw/flights").await.url(), table.url());
    assert_eq!(table.snapshot(AsOf::Latest).await.unwrap().version(), 0);
    let other = convert("again", "raw/flights/").await;
    assert_eq!(rows(&other).await, expected);
    table.delete(Some("at = '10:00'"), note()).await.unwrap();
    assert_eq!(rows(&table).await, expected[2..]);
}

#[tokio::test]
async fn folders_that_are_no_table_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lake = new_lake(&folder.path().display().to_string()).await;
    let refusal = async |location: &str| {
        lake.convert(&name("t"), location, Conversion::default())
            .await
            .unwrap_err()
    };
    assert!(matches!(
        refusal("empty").await,
        Error::NothingToConvert { .. }
    ));
    assert!(matches!(
        refusal("../x").await,
        Error::LocationOutsideLake { .. }
    ));
    write_parquet(&folder.path().join("mixed/a=1/x.parquet"), &[1]);
    write_parquet(&folder.path().join("mixed/y.parquet"), &[1]);
    let text = refusal("mixed").await.to_string();
    assert!(
        text.contains("mixed") || text.contains("y.parquet"),
        "{text}"
    );
    assert!(!folder.path().join("mixed/_delta_log").exists());
    assert!(lake.table(&name("t")).await.is_err());
}
