use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::TimeUnit;

use super::*;
use crate::table::testing::*;
use crate::table::{AsOf, MergeRequest, MergeSource, TableSnapshot};

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

#[tokio::test]
async fn a_table_with_column_mapping_is_written_and_read() {
    let lake = new_lake("memory://").await;
    let table = mapped_table(&lake, &[]).await;
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
}

/// Returns the field of a column in the table's own words, and the highest number given so far.
fn noted(snapshot: &TableSnapshot, column: &str) -> (serde_json::Value, i64) {
    let state = snapshot.delta_table().snapshot().unwrap();
    let schema = serde_json::to_value(state.schema()).unwrap();
    let mut fields = schema["fields"].as_array().unwrap().iter();
    let field = fields.find(|field| field["name"] == column).unwrap();
    let highest = snapshot.property("delta.columnMapping.maxColumnId");
    (field.clone(), highest.unwrap().parse().unwrap())
}

#[tokio::test]
async fn columns_added_with_column_mapping_get_the_next_numbers_and_names_of_their_own() {
    let lake = new_lake("memory://").await;
    let table = mapped_table(&lake, &[]).await;
    let (_, before) = noted(&table.snapshot(AsOf::Latest).await.unwrap(), "id");
    assert_eq!(before, 4);
    let inside = Field::new("inside", DataType::Utf8, true);
    let pair = DataType::Struct(vec![inside].into());
    let item = Field::new("element", pair, true);
    let added = [
        Field::new("extra", DataType::Utf8, true),
        Field::new("list", DataType::List(item.into()), true),
    ];
    table.add_columns(&added, note()).await.unwrap();
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    let (extra, highest) = noted(&snapshot, "extra");
    let (list, _) = noted(&snapshot, "list");
    assert_eq!(highest, 7);
    let inside = &list["type"]["elementType"]["fields"][0];
    let mut names = std::collections::BTreeSet::new();
    for (field, id) in [(&extra, 5), (&list, 6), (inside, 7)] {
        assert_eq!(field["metadata"]["delta.columnMapping.id"], id, "{field}");
        let name = &field["metadata"]["delta.columnMapping.physicalName"];
        let name = name.as_str().unwrap().to_owned();
        assert!(name.starts_with("col-") && names.insert(name), "{field}");
    }
    let none = [
        "1|odd|{inner: 1}||",
        "2|even|{inner: 2}||",
        "3|odd|{inner: 3}||",
    ];
    assert_eq!(rows(&table).await, none);
    let extra: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let id: ArrayRef = Arc::new(Int64Array::from(vec![4]));
    let batch = RecordBatch::try_from_iter([("id", id), ("extra", extra)]).unwrap();
    append(&table, batch).await;
    table.rename_column("extra", "more", note()).await.unwrap();
    table
        .update(&[("more", "'y'")], Some("id = 1"), note())
        .await
        .unwrap();
    assert_eq!(
        rows(&table).await,
        [
            "1|odd|{inner: 1}|y|",
            "2|even|{inner: 2}||",
            "3|odd|{inner: 3}||",
            "4|||x|"
        ]
    );
}

#[tokio::test]
async fn the_number_of_a_dropped_column_is_not_given_again() {
    let lake = new_lake("memory://").await;
    let table = mapped_table(&lake, &[]).await;
    table.drop_column("nested", note()).await.unwrap();
    let nested = Field::new("nested", DataType::Utf8, true);
    table.add_columns(&[nested], note()).await.unwrap();
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    let (nested, highest) = noted(&snapshot, "nested");
    assert_eq!(
        (&nested["metadata"]["delta.columnMapping.id"], highest),
        (&5.into(), 5)
    );
    // The values of the dropped column of that name are another column's.
    assert_eq!(rows(&table).await, ["1|odd|", "2|even|", "3|odd|"]);
}

#[tokio::test]
async fn times_without_a_zone_raise_the_protocol_and_keep_what_it_implied() {
    let lake = new_lake("memory://").await;
    let table = mapped_table(&lake, &[]).await;
    let at = Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true);
    table.add_columns(&[at], note()).await.unwrap();
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    let state = snapshot.delta_table().snapshot().unwrap();
    let protocol = serde_json::to_value(state.protocol()).unwrap();
    assert_eq!(protocol["minReaderVersion"], 3);
    assert_eq!(protocol["minWriterVersion"], 7);
    let features = |key: &str| serde_json::from_value::<Vec<String>>(protocol[key].clone());
    let mut reader = features("readerFeatures").unwrap();
    reader.sort_unstable();
    assert_eq!(reader, ["columnMapping", "timestampNtz"]);
    let writer = features("writerFeatures").unwrap();
    for feature in ["appendOnly", "columnMapping", "invariants", "timestampNtz"] {
        assert!(writer.iter().any(|known| known == feature), "{writer:?}");
    }
    append(&table, mapped_rows(&[4])).await;
    table.delete(Some("id < 4"), note()).await.unwrap();
    assert_eq!(rows(&table).await, ["4|even|{inner: 4}|"]);
}

#[tokio::test]
async fn files_are_told_by_the_names_of_the_table() {
    let lake = new_lake("memory://").await;
    let named = [("delta.dataSkippingStatsColumns", "id")];
    let table = mapped_table(&lake, &named).await;
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    for file in snapshot.files().unwrap() {
        let part = file.partition_values["part"].clone().unwrap();
        let highest = if part == "even" { 2 } else { 3 };
        let statistics = file.statistics.unwrap();
        assert_eq!(
            statistics["maxValues"],
            serde_json::json!({ "id": highest })
        );
    }
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
    let table = mapped_table(&lake, &[]).await;
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
