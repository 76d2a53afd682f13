use std::fs;
use std::path::{Path as FilePath, PathBuf};

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::DataType;
use chrono::{TimeDelta, Utc};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::catalog::{Database, IfExists, NULL_PARTITION, TableKind};
use crate::lake::{Lake, OpenTable, TableDefinition};
use crate::storage::StorageConfig;
use crate::table::{AppendCommit, AsOf};

struct House {
    folder: tempfile::TempDir,
    lake: Arc<Lake>,
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StorageConfig::for_url(folder.path().display().to_string());
        let lake = Lake::open(&config).await.unwrap();
        lake.create_database(Database::named("db")).await.unwrap();
        Self { folder, lake }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(below)
    }

    fn put_rows(&self, path: &str, rows: i64) {
        let ids: Int64Array = (0..rows).collect();
        let batch = RecordBatch::try_from_iter([("id", Arc::new(ids) as _)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        self.put(path, &bytes);
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    async fn delta(&self, table: &str) -> TableName {
        let name = name(table);
        let schema = Schema::new(vec![Field::new("id", DataType::Int64, true)]);
        let definition = TableDefinition {
            name: name.clone(),
            schema: Arc::new(schema.clone()),
            comment: None,
            partition_columns: Vec::new(),
            properties: Default::default(),
        };
        let created = self.lake.create_table(definition).await.unwrap();
        let ids = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let batch = RecordBatch::try_new(Arc::new(schema), vec![ids]).unwrap();
        created
            .append(vec![batch], AppendCommit::default())
            .await
            .unwrap();
        name
    }

    async fn rows(&self, name: &TableName) -> Option<u64> {
        let table = self.lake.table(name).await.unwrap();
        table.snapshot(AsOf::Latest).await.unwrap().row_count()
    }
}

fn name(table: &str) -> TableName {
    TableName::new("db", table).unwrap()
}

fn by_year(table: &str, location: impl Into<String>) -> TableEntry {
    let columns = vec![Column::new("id", "bigint")];
    TableEntry {
        partition_keys: vec![Column::new("year", "int"), Column::new("place", "string")],
        ..TableEntry::external(
            name(table),
            location,
            TableFormat::Parquet,
            columns,
            Utc::now(),
        )
    }
}

fn exists(path: &FilePath) -> bool {
    path.exists()
}

#[tokio::test]
async fn partitions_are_found_by_their_folders() {
    let house = House::open().await;
    house.put_rows("data/year=2013/place=jfk/a.parquet", 3);
    house.put_rows("data/year=2013/place=a%2Fb/a.parquet", 4);
    house.put_rows(
        "data/YEAR=2014/place=__HIVE_DEFAULT_PARTITION__/a.parquet",
        1,
    );
    house.put_rows("data/_staging/place=x/a.parquet", 1);
    house.put_rows("data/year=2015/a.parquet", 1);
    let table = name("t");
    let created = house
        .lake
        .create_external_table(by_year("t", "data"))
        .await
        .unwrap();
    assert!(created.folders().unwrap().is_empty());

    let summary = house
        .lake
        .discover_partitions(&table, RepairMode::Add)
        .await
        .unwrap();
    let mut added = summary.added.clone();
    added.sort();
    assert_eq!(
        added,
        [
            "year=2013/place=a%2Fb",
            "year=2013/place=jfk",
            "year=2014/place=__HIVE_DEFAULT_PARTITION__",
        ]
    );
    let open = house.lake.external_table(&table).await.unwrap();
    let values: Vec<&[String]> = open
        .partitions()
        .iter()
        .map(|partition| partition.values.as_slice())
        .collect();
    assert!(values.contains(&["2013".to_owned(), "a/b".to_owned()].as_slice()));
    assert!(values.contains(&["2014".to_owned(), NULL_PARTITION.to_owned()].as_slice()));
    for folder in open.folders().unwrap() {
        // Also the folder whose key is in another case than Hive would write it.
        let files = open.list_files(&folder.url).await.unwrap();
        assert_eq!(files.len(), 1, "{folder:?}");
    }

    fs::remove_dir_all(house.path("data/year=2013/place=jfk")).unwrap();
    let summary = house
        .lake
        .discover_partitions(&table, RepairMode::Sync)
        .await
        .unwrap();
    let expected = RepairSummary {
        added: Vec::new(),
        removed: vec!["year=2013/place=jfk".to_owned()],
        unchanged: 2,
    };
    assert_eq!(summary, expected);

    house.put_rows("data/year=may/place=jfk/a.parquet", 1);
    let odd = house
        .lake
        .discover_partitions(&table, RepairMode::Add)
        .await;
    assert!(
        matches!(odd, Err(Error::InvalidPartition { .. })),
        "{odd:?}"
    );
}

#[tokio::test]
async fn a_location_may_be_written_in_many_ways() {
    let house = House::open().await;
    let path = house.path("data/x y");
    let path = path.display().to_string();
    for (number, location) in [
        "data/x y".to_owned(),
        path.clone(),
        format!("file:{path}"),
        format!("file://{}", path.replace(' ', "%20")),
        format!("{path}/"),
    ]
    .into_iter()
    .enumerate()
    {
        let table = house
            .lake
            .create_external_table(by_year(&format!("t{number}"), &location))
            .await
            .unwrap();
        assert_eq!(table.entry().location, "data/x y", "{location}");
        assert!(table.url().path().ends_with("/data/x%20y/"), "{location}");
    }
    for outside in ["/somewhere/else", "s3://bucket/x", "../x", "", "a//b"] {
        let refused = house
            .lake
            .create_external_table(by_year("out", outside))
            .await;
        assert!(refused.is_err(), "{outside}");
    }
}

#[tokio::test]
async fn statistics_come_from_footers_and_logs() {
    let house = House::open().await;
    house.put_rows("data/year=2013/place=jfk/a.parquet", 3);
    house.put_rows("data/year=2013/place=lga/a.parquet", 4);
    house.put_rows("elsewhere/b.parquet", 5);
    let table = name("t");
    let lake = &house.lake;
    lake.create_external_table(by_year("t", "data"))
        .await
        .unwrap();
    lake.discover_partitions(&table, RepairMode::Add)
        .await
        .unwrap();
    let elsewhere = Partition {
        location: Some(house.path("elsewhere").display().to_string()),
        ..Partition::new(vec!["1".to_owned(), "x".to_owned()], Utc::now())
    };
    lake.add_partitions(&table, vec![elsewhere], IfExists::Fail)
        .await
        .unwrap();
    let counted = lake.collect_statistics(&table).await.unwrap();
    assert_eq!((counted.rows, counted.files), (Some(12), 3));
    assert!(counted.bytes > 0);
    let entry = lake.catalog().table(&table).await.unwrap();
    assert_eq!(entry.statistics, Some(counted));

    let delta = house.delta("delta").await;
    let counted = lake.collect_statistics(&delta).await.unwrap();
    assert_eq!((counted.rows, counted.files), (Some(3), 1));

    house.put("data/year=2013/place=jfk/bad.parquet", b"not a footer");
    let bad = lake.collect_statistics(&table).await;
    assert!(
        matches!(&bad, Err(Error::CorruptFile { file, .. }) if file.contains("bad.parquet")),
        "{bad:?}"
    );
}

#[tokio::test]
async fn a_dropped_table_comes_back_with_its_rows_until_it_is_purged() {
    let house = House::open().await;
    let lake = &house.lake;
    let table = house.delta("t").await;
    let location = lake.catalog().table(&table).await.unwrap().location;
    let files = house.path(&location);
    lake.drop_table(&table).await.unwrap();
    let early = Utc::now() + TimeDelta::days(6);
    assert!(lake.purge_dropped(early).await.unwrap().is_empty());
    lake.undrop_table(&table).await.unwrap();
    assert_eq!(house.rows(&table).await, Some(3));

    // A new table of the name has nothing to do with the dropped one.
    lake.drop_table(&table).await.unwrap();
    house.delta("t").await;
    let late = Utc::now() + TimeDelta::days(8);
    let purged = lake.purge_dropped(late).await.unwrap();
    assert_eq!(purged, std::slice::from_ref(&table));
    assert!(!exists(&files.join("_delta_log/00000000000000000000.json")));
    assert_eq!(house.rows(&table).await, Some(3));
    let gone = lake.undrop_table(&table).await;
    assert!(matches!(gone, Err(Error::DroppedTableNotFound { .. })));
}

#[tokio::test]
async fn files_of_an_external_table_outlive_it() {
    let house = House::open().await;
    let lake = &house.lake;
    house.put_rows("data/year=2013/place=jfk/a.parquet", 3);
    let table = name("t");
    lake.create_external_table(by_year("t", "data"))
        .await
        .unwrap();
    lake.discover_partitions(&table, RepairMode::Add)
        .await
        .unwrap();
    lake.drop_table(&table).await.unwrap();
    assert!(lake.external_table(&table).await.is_err());
    lake.undrop_table(&table).await.unwrap();
    let open = lake.external_table(&table).await.unwrap();
    assert_eq!(open.partitions().len(), 1);
    lake.drop_table(&table).await.unwrap();
    let late = Utc::now() + TimeDelta::days(800);
    assert!(lake.purge_dropped(late).await.unwrap().is_empty());
    assert!(exists(&house.path("data/year=2013/place=jfk/a.parquet")));
    let gone = lake.undrop_table(&table).await;
    assert!(matches!(gone, Err(Error::DroppedTableNotFound { .. })));
}

#[tokio::test]
async fn a_delta_table_is_registered_where_it_is() {
    let house = House::open().await;
    let lake = &house.lake;
    let table = house.delta("t").await;
    let entry = lake.unregister_table(&table).await.unwrap();
    assert!(lake.table(&table).await.is_err());
    let other = name("other");
    let path = house.path(&entry.location).display().to_string();
    let registered = lake
        .register_delta_table(&other, &path, TableKind::External)
        .await
        .unwrap();
    assert_eq!(house.rows(&other).await, Some(3));
    assert!(
        registered
            .url()
            .path()
            .ends_with(&format!("{}/", entry.location))
    );
    let entry_again = lake.catalog().table(&other).await.unwrap();
    assert_eq!(entry_again.location, entry.location);

    house.put_rows("data/a.parquet", 1);
    let nothing = lake
        .register_delta_table(&name("x"), "data", TableKind::Managed)
        .await;
    assert!(
        matches!(nothing, Err(Error::MissingLog { .. })),
        "{nothing:?}"
    );
    let taken = lake
        .register_delta_table(&other, &path, TableKind::External)
        .await;
    assert!(matches!(taken, Err(Error::TableAlreadyExists { .. })));

    lake.drop_table(&other).await.unwrap();
    let late = Utc::now() + TimeDelta::days(8);
    lake.purge_dropped(late).await.unwrap();
    let again = lake
        .register_delta_table(&table, &path, TableKind::Managed)
        .await;
    again.unwrap();
    assert_eq!(house.rows(&table).await, Some(3));
}

#[tokio::test]
async fn a_renamed_table_is_the_same_table() {
    let house = House::open().await;
    let lake = &house.lake;
    let (from, to) = (house.delta("t").await, name("renamed"));
    let before = lake.table(&from).await.unwrap();
    lake.rename_table(&from, &to).await.unwrap();
    let after = lake.table(&to).await.unwrap();
    assert_eq!((after.url(), after.name()), (before.url(), &to));
    assert_eq!(house.rows(&to).await, Some(3));
    assert!(matches!(
        lake.table(&from).await,
        Err(Error::TableNotFound { .. })
    ));
}

#[tokio::test]
async fn tables_are_opened_as_their_format_demands() {
    let house = House::open().await;
    let lake = &house.lake;
    let delta = house.delta("t").await;
    lake.create_external_table(by_year("files", "data"))
        .await
        .unwrap();
    let files = name("files");
    let refused = lake.table(&files).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "table `db.files` has format parquet, but this needs a Delta table"
    );
    let refused = lake.external_table(&delta).await;
    assert!(matches!(refused, Err(Error::NotExternal { .. })));
    assert!(matches!(
        lake.open_table(&delta).await.unwrap(),
        OpenTable::Delta(_)
    ));
    let OpenTable::Files(open) = lake.open_table(&files).await.unwrap() else {
        panic!("a table of files")
    };
    let names: Vec<String> = open
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), field.data_type()))
        .collect();
    assert_eq!(names, ["id Int64", "year Int32", "place Utf8"]);
}

#[tokio::test]
async fn tables_of_a_database_go_to_its_location() {
    let house = House::open().await;
    let place = house.path("place/of db").display().to_string();
    let database = Database {
        location: Some(place),
        ..Database::named("placed")
    };
    house.lake.create_database(database).await.unwrap();
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, true)]);
    let definition = TableDefinition {
        name: TableName::new("placed", "t").unwrap(),
        schema: Arc::new(schema),
        comment: None,
        partition_columns: Vec::new(),
        properties: Default::default(),
    };
    house.lake.create_table(definition).await.unwrap();
    let entry = house
        .lake
        .catalog()
        .tables("placed")
        .await
        .unwrap()
        .remove(0);
    assert!(
        entry.location.starts_with("place/of db/t-"),
        "{}",
        entry.location
    );
}
