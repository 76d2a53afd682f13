use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::lake::Lake;
use crate::maintenance::MaintenanceConfig;
use crate::table::CommitNote;
use crate::table::testing::*;

fn maintainer(lake: &Arc<Lake>) -> Maintainer {
    let config = MaintenanceConfig::default().on_demand();
    Maintainer::new(Arc::clone(lake), config)
}

async fn compact(lake: &Arc<Lake>, table: &LakeTable) -> CompactSummary {
    let progress = Progress::default();
    let maintainer = maintainer(lake);
    let done = maintainer.compact(table, Scope::All, &progress).await;
    done.unwrap()
}

/// Returns a table of ten files in two partitions, half of them from before its columns changed.
async fn mapped_files(lake: &Arc<Lake>, properties: &[(&str, &str)]) -> LakeTable {
    let note = CommitNote::default;
    let table = mapped_table(lake, properties).await;
    append(&table, mapped_rows(&[4, 5])).await;
    table.rename_column("part", "parity", note()).await.unwrap();
    let added = [Field::new("extra", DataType::Utf8, true)];
    table.add_columns(&added, note()).await.unwrap();
    for id in 6..12 {
        let columns: [(&str, ArrayRef); 3] = [
            ("id", Arc::new(Int64Array::from(vec![id]))),
            (
                "parity",
                Arc::new(StringArray::from(vec![if id % 2 == 0 {
                    "even"
                } else {
                    "odd"
                }])),
            ),
            ("extra", Arc::new(StringArray::from(vec!["x"]))),
        ];
        append(&table, RecordBatch::try_from_iter(columns).unwrap()).await;
    }
    table
}

#[tokio::test]
async fn mapped_files_are_packed_under_the_names_that_files_have() {
    let lake = new_lake("memory://").await;
    let feed = [("delta.enableChangeDataFeed", "true")];
    let table = mapped_files(&lake, &feed).await;
    let before = rows(&table).await;
    let old = table.snapshot(AsOf::Latest).await.unwrap();
    let done = compact(&lake, &table).await;
    assert_eq!(
        (done.partitions, done.files_removed, done.files_added),
        (2, 10, 2)
    );
    assert_eq!(rows(&table).await, before);
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    let state = snapshot.delta_table().snapshot().unwrap();
    let store = snapshot.delta_table().object_store();
    let numbers: Vec<(String, i32)> = state
        .schema()
        .fields()
        .map(|field| {
            let metadata = serde_json::to_value(field).unwrap()["metadata"].clone();
            let name = metadata["delta.columnMapping.physicalName"].as_str();
            let id = metadata["delta.columnMapping.id"].as_i64().unwrap();
            (name.unwrap().to_owned(), i32::try_from(id).unwrap())
        })
        .collect();
    let [id, part, nested, extra] = numbers.as_slice() else {
        panic!("{numbers:?}")
    };
    #[expect(deprecated, reason = "the actions are what is looked at")]
    let adds: Vec<_> = state
        .snapshot()
        .try_log_data()
        .unwrap()
        .iter()
        .map(|file| file.add_action())
        .collect();
    for add in adds {
        let parity = add
            .partition_values
            .get(&part.0)
            .cloned()
            .flatten()
            .unwrap();
        assert_eq!(add.partition_values.len(), 1);
        let statistics: serde_json::Value = serde_json::from_str(&add.stats.unwrap()).unwrap();
        let (low, high) = if parity == "even" { (2, 10) } else { (1, 11) };
        assert_eq!(statistics["minValues"][&id.0], low, "{statistics}");
        assert_eq!(statistics["maxValues"][&id.0], high, "{statistics}");
        let path = Path::from_url_path(&add.path).unwrap();
        let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
        let file = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let found: Vec<(String, i32)> = file
            .parquet_schema()
            .root_schema()
            .get_fields()
            .iter()
            .map(|field| (field.name().to_owned(), field.get_basic_info().id()))
            .collect();
        assert_eq!(found, [id.clone(), nested.clone(), extra.clone()]);
    }
    let changes = table
        .changes(AsOf::Version(old.version()), AsOf::Latest)
        .await;
    assert_eq!(provided(&changes.unwrap(), Some(&["id"])).await, ["11"]);
    assert_eq!(rows_of(&old).await, before);
}

#[tokio::test]
async fn rows_of_mapped_files_are_sorted_by_the_columns_that_the_table_names() {
    let lake = new_lake("memory://").await;
    let table = mapped_files(&lake, &[("lakehouse.sort.columns", "id")]).await;
    let before = rows(&table).await;
    assert_eq!(compact(&lake, &table).await.files_added, 2);
    assert_eq!(rows(&table).await, before);
}

#[tokio::test]
async fn what_cannot_be_done_with_mapped_columns_is_refused_by_name() {
    let lake = new_lake("memory://").await;
    let table = mapped_files(&lake, &[]).await;
    let columns = vec!["id".to_owned()];
    let error = maintainer(&lake)
        .zorder(&table, columns, chrono::Utc::now())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`columnMapping` when rows are z-ordered"),
        "{text}"
    );
    let mut numbered = definition("numbered", events_schema());
    numbered.properties = texts(&[("delta.columnMapping.mode", "id")]);
    let table = lake.create_table(numbered).await.unwrap();
    append(&table, events(0..2)).await;
    append(&table, events(2..4)).await;
    let progress = Progress::default();
    let error = maintainer(&lake)
        .compact(&table, Scope::All, &progress)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`columnMapping` by `id` when files are compacted"),
        "{text}"
    );
}
