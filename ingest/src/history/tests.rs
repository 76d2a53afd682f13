use std::io::Write;

use arrow::datatypes::{DataType, Field};
use lake::{AsOf, Lake, StorageConfig, TableDefinition, TableName};

use super::*;

async fn table(lake: &Lake) -> LakeTable {
    lake.catalog()
        .create_database(lake::Database::named("s"))
        .await
        .unwrap();
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int32, true),
        Field::new("name", DataType::Utf8, true),
    ]);
    let definition = TableDefinition {
        name: TableName::new("s", "t").unwrap(),
        schema: Arc::new(schema),
        comment: None,
        partition_columns: Vec::new(),
        properties: std::collections::BTreeMap::default(),
    };
    lake.create_table(definition).await.unwrap()
}

async fn memory() -> Arc<Lake> {
    Lake::open(&StorageConfig::for_url("memory://"))
        .await
        .unwrap()
}

fn file(name: &str, text: &str) -> (tempfile::TempDir, DataSource) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    File::create(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    (dir, DataSource::Path(path))
}

async fn rows(table: &LakeTable) -> u64 {
    table
        .snapshot(AsOf::Latest)
        .await
        .unwrap()
        .row_count()
        .unwrap()
}

#[tokio::test]
async fn a_file_loaded_twice_is_stored_once() {
    let lake = memory().await;
    let table = table(&lake).await;
    let (_dir, source) = file("a.csv", "name,id\none,1\ntwo,2\n");
    let first = load(&source, &table, "file/a", LoadOptions::default(), |_| ())
        .await
        .unwrap();
    assert_eq!(
        first,
        HistorySummary {
            stored: 2,
            skipped: 0,
            commits: 1
        }
    );
    let second = load(&source, &table, "file/a", LoadOptions::default(), |_| ())
        .await
        .unwrap();
    assert_eq!(
        second,
        HistorySummary {
            stored: 0,
            skipped: 2,
            commits: 0
        }
    );
    assert_eq!(rows(&table).await, 2);
}

#[tokio::test]
async fn a_half_loaded_file_goes_on_where_it_stopped() {
    let lake = memory().await;
    let table = table(&lake).await;
    let (_dir, source) = file(
        "a.jsonl",
        "{\"id\":1}\n{\"id\":2,\"name\":\"b\"}\n{\"id\":3}\n",
    );
    assert_eq!(
        load(
            &source,
            &table,
            "file/a",
            LoadOptions {
                until: Some(2),
                ..LoadOptions::default()
            },
            |_| ()
        )
        .await
        .unwrap()
        .stored,
        2
    );
    assert_eq!(
        load(&source, &table, "file/a", LoadOptions::default(), |_| ())
            .await
            .unwrap()
            .stored,
        1
    );
    assert_eq!(
        (
            rows(&table).await,
            table.stored_offset("file/a").await.unwrap()
        ),
        (3, Some(3))
    );
}

#[tokio::test]
async fn two_loaders_of_one_file_store_it_once() {
    let lake = memory().await;
    let table = table(&lake).await;
    let text: String = (0..1000).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    let (_dir, source) = file("a.jsonl", &text);
    let (a, b) = tokio::join!(
        load(&source, &table, "file/a", LoadOptions::default(), |_| ()),
        load(&source, &table, "file/a", LoadOptions::default(), |_| ())
    );
    assert_eq!(a.unwrap().stored + b.unwrap().stored, 1000);
    assert_eq!(rows(&table).await, 1000);
}

#[tokio::test]
async fn a_file_that_does_not_fit_stores_nothing_and_says_why() {
    let lake = memory().await;
    let table = table(&lake).await;
    let (_dir, unknown) = file("a.csv", "id,colour\n1,red\n");
    let error = load(&unknown, &table, "file/a", LoadOptions::default(), |_| ())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("colour") && error.contains("s.t"), "{error}");
    let (_dir, wrong) = file("b.csv", "id\nred\n");
    let error = load(&wrong, &table, "file/b", LoadOptions::default(), |_| ())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("red"), "{error}");
    let missing = DataSource::Path("nowhere.parquet".into());
    let error = load(&missing, &table, "file/c", LoadOptions::default(), |_| ())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("nowhere.parquet"), "{error}");
    assert_eq!(rows(&table).await, 0);
}
