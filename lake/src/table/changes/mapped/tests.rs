use arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::collect;
use datafusion::prelude::{col, lit};

use super::*;
use crate::error::Error;
use crate::lake::TableDefinition;
use crate::table::testing::*;
use crate::table::{AsOf, CommitNote, LakeTable};

const FEED: [(&str, &str); 1] = [("delta.enableChangeDataFeed", "true")];

/// Returns a table whose rows and columns have changed in all ways.
async fn changed_table() -> LakeTable {
    let lake = new_lake("memory://").await;
    let table = mapped_table(&lake, &FEED).await;
    let note = CommitNote::default;
    table.rename_column("id", "number", note()).await.unwrap();
    table.rename_column("part", "parity", note()).await.unwrap();
    table
        .update(&[("number", "number + 10")], Some("number = 3"), note())
        .await
        .unwrap();
    let even = Some("parity = 'even'");
    table.delete(even, note()).await.unwrap();
    let extra = Field::new("extra", DataType::Utf8, true);
    table.add_columns(&[extra], note()).await.unwrap();
    let columns: [(&str, ArrayRef); 3] = [
        ("number", Arc::new(Int64Array::from(vec![4]))),
        ("parity", Arc::new(StringArray::from(vec!["even"]))),
        ("extra", Arc::new(StringArray::from(vec!["x"]))),
    ];
    append(&table, RecordBatch::try_from_iter(columns).unwrap()).await;
    table
}

const TOLD: [&str; 6] = [
    "_commit_version",
    "_change_type",
    "number",
    "parity",
    "nested",
    "extra",
];

#[tokio::test]
async fn changes_are_told_under_the_names_of_the_table() {
    let table = changed_table().await;
    let changes = table.changes(AsOf::Version(0), AsOf::Latest).await.unwrap();
    let told = provided(&changes, Some(&TOLD)).await;
    assert_eq!(
        told,
        [
            "1|insert|1|odd|{inner: 1}|",
            "1|insert|2|even|{inner: 2}|",
            "1|insert|3|odd|{inner: 3}|",
            "4|update_postimage|13|odd|{inner: 3}|",
            "4|update_preimage|3|odd|{inner: 3}|",
            "5|delete|2|even|{inner: 2}|",
            "7|insert|4|even||x",
        ]
    );
}

#[tokio::test]
async fn names_are_those_of_the_last_version() {
    let table = changed_table().await;
    let changes = table.changes(AsOf::Version(1), AsOf::Version(2)).await;
    let changes = changes.unwrap();
    let told = provided(&changes, Some(&["number", "part"])).await;
    assert_eq!(told, ["1|odd", "2|even", "3|odd"]);
}

#[tokio::test]
async fn filters_reach_the_files_under_their_names() {
    let table = changed_table().await;
    let changes = table.changes(AsOf::Version(0), AsOf::Latest).await.unwrap();
    let state = SessionStateBuilder::new().with_default_features().build();
    let wanted = [
        col("number").gt(lit(2_i64)),
        col("parity").eq(lit("odd")),
        col("_change_type").not_eq(lit("insert")),
        col("nested").is_not_null(),
    ];
    let [number, parity, kind, nested] = &wanted;
    let pushed = changes.supports_filters_pushdown(&[number, parity, kind, nested]);
    let (exact, unsupported) = (
        TableProviderFilterPushDown::Exact,
        TableProviderFilterPushDown::Unsupported,
    );
    assert_eq!(
        pushed.unwrap(),
        [exact.clone(), exact.clone(), exact, unsupported]
    );
    let number_alone = vec![0];
    let filters = [number.clone(), parity.clone(), kind.clone()];
    let plan = changes.scan(&state, Some(&number_alone), &filters, None);
    let batches = collect(plan.await.unwrap(), state.task_ctx())
        .await
        .unwrap();
    let mut numbers: Vec<i64> = Vec::new();
    for batch in batches {
        let column = batch.column_by_name("number").unwrap();
        let column = column.as_any().downcast_ref::<Int64Array>().unwrap();
        numbers.extend(column.values());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [3, 13]);
}

#[tokio::test]
async fn files_that_tell_columns_by_number_are_refused() {
    let lake = new_lake("memory://").await;
    let mut numbered: TableDefinition = definition("events", events_schema());
    numbered.properties = texts(&FEED);
    numbered
        .properties
        .extend(texts(&[("delta.columnMapping.mode", "id")]));
    let table = lake.create_table(numbered).await.unwrap();
    append(&table, events(0..2)).await;
    let error = table
        .changes(AsOf::Version(0), AsOf::Latest)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::UnsupportedFeature { .. }),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("`columnMapping` by `id` when changes are read"),
        "{text}"
    );
}

#[tokio::test]
async fn files_of_partitions_are_found_whatever_their_values_are() {
    for mapping in ["none", "name"] {
        let lake = new_lake("memory://").await;
        let mut parted: TableDefinition = definition("events", events_schema());
        parted.partition_columns = vec!["name".to_owned()];
        parted.properties = texts(&FEED);
        parted
            .properties
            .extend(texts(&[("delta.columnMapping.mode", mapping)]));
        let table = lake.create_table(parted).await.unwrap();
        append(&table, named(&[(1, "A A/%:é"), (2, "b")])).await;
        let change = table.update(&[("id", "id + 10")], None, CommitNote::default());
        change.await.unwrap();
        let changes = table.changes(AsOf::Version(0), AsOf::Latest).await.unwrap();
        let told = provided(&changes, Some(&["id", "name", "_change_type"])).await;
        assert_eq!(
            told,
            [
                "11|A A/%:é|update_postimage",
                "12|b|update_postimage",
                "1|A A/%:é|insert",
                "1|A A/%:é|update_preimage",
                "2|b|insert",
                "2|b|update_preimage",
            ]
        );
    }
}
