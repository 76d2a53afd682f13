use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, StructArray};
use arrow::datatypes::TimeUnit;

use super::*;
use crate::lake::Lake;
use crate::table::testing::*;
use crate::table::{AsOf, MergeRequest, MergeSource};

fn note() -> CommitNote {
    CommitNote::default()
}

#[tokio::test]
async fn added_columns_are_null_in_old_rows() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..2).await;
    let added = [
        Field::new("extra", DataType::Utf8View, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
    ];
    table.add_columns(&added, note()).await.unwrap();
    let extra: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let id: ArrayRef = Arc::new(Int64Array::from(vec![2]));
    append(
        &table,
        RecordBatch::try_from_iter([("id", id), ("extra", extra)]).unwrap(),
    )
    .await;
    assert_eq!(rows(&table).await, ["0|n0||", "1|n1||", "2||x|"]);
    table
        .update(&[("extra", "name")], Some("id = 1"), note())
        .await
        .unwrap();
    assert_eq!(rows(&table).await, ["0|n0||", "1|n1|n1|", "2||x|"]);
    let old = table.snapshot(AsOf::Version(1)).await.unwrap();
    assert_eq!(rows_of(&old).await, ["0|n0", "1|n1"]);
}

#[tokio::test]
async fn columns_that_cannot_be_added_are_refused() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..2).await;
    let refusal = async |field: Field| {
        table
            .add_columns(&[field], note())
            .await
            .unwrap_err()
            .to_string()
    };
    let known = refusal(Field::new("NAME", DataType::Utf8, true)).await;
    assert!(known.contains("it has a column `name` already"), "{known}");
    let strict = refusal(Field::new("x", DataType::Utf8, false)).await;
    assert!(strict.contains("column `x` is NOT NULL"), "{strict}");
    let unsigned = refusal(Field::new("x", DataType::UInt64, true)).await;
    assert!(unsigned.contains("UInt64"), "{unsigned}");
    let metadata = [(GENERATION.to_owned(), "id".to_owned())];
    let generated = Field::new("x", DataType::Int64, true).with_metadata(metadata.into());
    let generated = refusal(generated).await;
    assert!(generated.contains("a generated column `x`"), "{generated}");
}

#[tokio::test]
async fn a_type_is_not_widened() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..2).await;
    let error = table
        .alter_column_type("id", &DataType::Float64)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::UnsupportedFeature { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("`typeWidening`"), "{error}");
    let same = table
        .alter_column_type("id", &DataType::Int64)
        .await
        .unwrap();
    assert_eq!(same, ChangeOutcome::Unchanged { version: 1 });
}

#[tokio::test]
async fn not_null_is_dropped_and_comments_are_kept() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..2).await;
    table.comment_column("id", "unique", note()).await.unwrap();
    table.drop_not_null("id", note()).await.unwrap();
    table.comment("of a test", note()).await.unwrap();
    let schema = table.schema().await.unwrap();
    assert!(schema.field(0).is_nullable());
    assert_eq!(schema.field(0).metadata()["comment"], "unique");
    let names: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    append(
        &table,
        RecordBatch::try_from_iter([("name", names)]).unwrap(),
    )
    .await;
    assert_eq!(rows(&table).await, ["0|n0", "1|n1", "|x"]);
    let again = table.drop_not_null("id", note()).await.unwrap();
    assert!(matches!(again, ChangeOutcome::Unchanged { .. }));
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    let metadata = snapshot
        .delta_table()
        .snapshot()
        .unwrap()
        .metadata()
        .clone();
    assert_eq!(metadata.description(), Some("of a test"));
}

#[tokio::test]
async fn changes_are_recorded_from_the_property_on() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..2).await;
    let feed = texts(&[("delta.enableChangeDataFeed", "true"), ("steward", "ops")]);
    table.set_properties(feed, note()).await.unwrap();
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    assert_eq!(snapshot.property("steward"), Some("ops"));
    table.delete(Some("id = 1"), note()).await.unwrap();
    let changes = table.changes(AsOf::Version(2), AsOf::Latest).await.unwrap();
    let columns = ["id", "_change_type"];
    assert_eq!(provided(&changes, Some(&columns)).await, ["1|delete"]);
    let error = table
        .changes(AsOf::Version(1), AsOf::Latest)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::ChangesNotRecorded { version: 1, .. }),
        "{error:?}"
    );
}

/// Creates a table with column mapping, a nested column and a partition column.
async fn mapped_table(lake: &Arc<Lake>) -> LakeTable {
    let inner = Field::new("inner", DataType::Int64, true);
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("part", DataType::Utf8, true),
        Field::new("nested", DataType::Struct(vec![inner].into()), true),
    ]));
    let mut mapped = definition("events", schema);
    mapped.partition_columns = vec!["part".to_owned()];
    mapped.properties = texts(&[("delta.columnMapping.mode", "name")]);
    let table = lake.create_table(mapped).await.unwrap();
    append(&table, mapped_rows(&[1, 2, 3])).await;
    table
}

fn mapped_rows(ids: &[i64]) -> RecordBatch {
    let values: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    let inner = Arc::new(Field::new("inner", DataType::Int64, true));
    let nested: ArrayRef = Arc::new(StructArray::from(vec![(inner, Arc::clone(&values))]));
    let part: ArrayRef = Arc::new(StringArray::from_iter_values(
        ids.iter()
            .map(|id| if id % 2 == 0 { "even" } else { "odd" }),
    ));
    RecordBatch::try_from_iter([("id", values), ("part", part), ("nested", nested)]).unwrap()
}

#[tokio::test]
async fn a_table_with_column_mapping_is_written_and_read() {
    let lake = new_lake("memory://").await;
    let table = mapped_table(&lake).await;
    assert_eq!(
        rows(&table).await,
        ["1|odd|{inner: 1}", "2|even|{inner: 2}", "3|odd|{inner: 3}"]
    );
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    for add in snapshot.adds().unwrap() {
        assert!(!add.stats.unwrap().contains("\"id\""));
        assert!(
            add.partition_values
                .keys()
                .all(|key| key.starts_with("col-"))
        );
    }
    table.delete(Some("part = 'even'"), note()).await.unwrap();
    table
        .update(&[("id", "id + 10")], Some("id = 3"), note())
        .await
        .unwrap();
    assert_eq!(
        rows(&table).await,
        ["13|odd|{inner: 3}", "1|odd|{inner: 1}"]
    );
    let request = MergeRequest::upsert(
        MergeSource::Batches(vec![mapped_rows(&[1, 4])]),
        "source.id = target.id",
    );
    table.merge(request, note()).await.unwrap();
    assert_eq!(
        rows(&table).await,
        ["13|odd|{inner: 3}", "1|odd|{inner: 1}", "4|even|{inner: 4}"]
    );
    let error = table
        .add_columns(&[Field::new("x", DataType::Int64, true)], note())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("`columnMapping`"), "{error}");
}

#[tokio::test]
async fn column_mapping_is_not_added_to_a_table() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..2).await;
    let mapping = texts(&[("delta.columnMapping.mode", "name")]);
    let error = table.set_properties(mapping, note()).await.unwrap_err();
    assert!(error.to_string().contains("`columnMapping`"), "{error}");
}

#[tokio::test]
async fn columns_are_renamed_and_dropped_with_column_mapping() {
    let lake = new_lake("memory://").await;
    let table = mapped_table(&lake).await;
    table.rename_column("part", "parity", note()).await.unwrap();
    table.rename_column("id", "number", note()).await.unwrap();
    table.drop_column("nested", note()).await.unwrap();
    assert_eq!(rows(&table).await, ["1|odd", "2|even", "3|odd"]);
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    assert_eq!(snapshot.partition_columns(), ["parity"]);
    let number: ArrayRef = Arc::new(Int64Array::from(vec![4]));
    let parity: ArrayRef = Arc::new(StringArray::from(vec!["even"]));
    let batch = RecordBatch::try_from_iter([("number", number), ("parity", parity)]).unwrap();
    append(&table, batch).await;
    table
        .delete(Some("parity = 'odd' AND number > 2"), note())
        .await
        .unwrap();
    assert_eq!(rows(&table).await, ["1|odd", "2|even", "4|even"]);
    let history = table.history(10).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|commit| commit.operation.as_str())
        .collect();
    assert!(
        told.contains(&"RENAME COLUMN") && told.contains(&"DROP COLUMNS"),
        "{told:?}"
    );
    let error = table.drop_column("parity", note()).await.unwrap_err();
    assert!(
        error.to_string().contains("partitioned by column `parity`"),
        "{error}"
    );
    table
        .add_constraint("positive", "number > 0", note())
        .await
        .unwrap();
    let error = table
        .rename_column("number", "n", note())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the CHECK constraint `positive`"),
        "{error}"
    );
}

#[tokio::test]
async fn columns_are_not_renamed_without_column_mapping() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..2).await;
    for error in [
        table.rename_column("id", "x", note()).await.unwrap_err(),
        table.drop_column("id", note()).await.unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("the feature `columnMapping`"),
            "{error}"
        );
    }
    let error = table.rename_column("id", "NAME", note()).await.unwrap_err();
    assert!(
        error.to_string().contains("cannot be renamed to `NAME`"),
        "{error}"
    );
}
