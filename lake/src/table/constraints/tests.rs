use arrow::array::{Int64Array, StringArray};
use deltalake::kernel::schema::MetadataValue;

use super::*;
use crate::table::testing::*;
use crate::table::{AppendCommit, AsOf, CommitNote, MergeRequest, MergeSource};

async fn refused(table: &LakeTable, rows: RecordBatch) -> String {
    let appended = table.append(vec![rows], AppendCommit::default()).await;
    let error = appended.unwrap_err();
    assert!(
        matches!(error, Error::ConstraintViolated { .. }),
        "{error:?}"
    );
    error.to_string()
}

#[tokio::test]
async fn a_row_that_breaks_a_check_is_shown() {
    let lake = new_lake("memory://").await;
    let checks = [("delta.constraints.small", "id < 10 AND name <> 'bad'")];
    let table = events_table(&lake, &checks, 0..3).await;
    assert_eq!(
        refused(&table, events([3, 12, 13])).await,
        "table `db.events`: a row breaks the CHECK constraint `small` \
         (`id < 10 AND name <> 'bad'`): id = 12, name = n12"
    );
    assert_eq!(rows(&table).await, ["0|n0", "1|n1", "2|n2"]);
    assert_eq!(table.snapshot(AsOf::Latest).await.unwrap().version(), 1);
    // Whether it is kept is not known without a name, and so it is not.
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![4]));
    let nameless = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    assert!(
        refused(&table, nameless)
            .await
            .contains("id = 4, name = null")
    );
    let protocol = table.snapshot(AsOf::Latest).await.unwrap();
    let protocol = protocol
        .delta_table()
        .snapshot()
        .unwrap()
        .protocol()
        .clone();
    assert_eq!(protocol.min_writer_version(), 3);
}

#[tokio::test]
async fn every_operation_keeps_the_checks() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[("delta.constraints.small", "id < 10")], 0..3).await;
    let note = CommitNote::default;
    let source = MergeSource::Batches(vec![named(&[(11, "x")])]);
    let merge = MergeRequest::upsert(source, "source.id = target.id");
    for error in [
        table
            .overwrite(vec![events([11])], None, note())
            .await
            .unwrap_err(),
        table
            .update(&[("id", "id + 9")], Some("id > 0"), note())
            .await
            .unwrap_err(),
        table.merge(merge, note()).await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(
            matches!(error, Error::ConstraintViolated { .. }),
            "{error:?}"
        );
        assert!(
            text.contains("the CHECK constraint `small` (`id < 10`)"),
            "{text}"
        );
        assert!(text.contains("id = 1"), "{text}");
    }
    assert_eq!(rows(&table).await, ["0|n0", "1|n1", "2|n2"]);
}

#[tokio::test]
async fn only_the_broken_rule_is_named() {
    let lake = new_lake("memory://").await;
    let checks = [
        ("delta.constraints.named", "name IS NOT NULL"),
        ("delta.constraints.small", "id < 10"),
    ];
    let table = events_table(&lake, &checks, 0..3).await;
    let note = CommitNote::default;
    let source = MergeSource::Batches(vec![named(&[(11, "x")])]);
    let merge = MergeRequest::upsert(source, "source.id = target.id");
    for error in [
        table
            .update(&[("id", "id + 9")], Some("id > 0"), note())
            .await
            .unwrap_err(),
        table.merge(merge, note()).await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(
            text.contains("breaks the CHECK constraint `small`"),
            "{text}"
        );
        assert!(!text.contains("`named`"), "{text}");
    }
    let error = table
        .update(&[("id", "CAST(NULL AS BIGINT)")], Some("id > 0"), note())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("NOT NULL of column `id`"), "{text}");
    assert!(!text.contains("`named`"), "{text}");
}

#[tokio::test]
async fn a_constraint_is_added_when_the_rows_keep_it_and_dropped_again() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..3).await;
    let note = CommitNote::default;
    let error = table
        .add_constraint("large", "id > 1", note())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("the CHECK constraint `large` (`id > 1`): id = 0"),
        "{text}"
    );
    table
        .add_constraint("small", "id < 10", note())
        .await
        .unwrap();
    assert_eq!(
        table.constraints().await.unwrap(),
        texts(&[("small", "id < 10")])
    );
    refused(&table, events([10])).await;
    let error = table.drop_constraint("large", note()).await.unwrap_err();
    assert!(
        error.to_string().contains("its constraints are: small"),
        "{error}"
    );
    table.drop_constraint("small", note()).await.unwrap();
    append(&table, events([10])).await;
}

#[tokio::test]
async fn a_constraint_is_seen_by_an_append_that_began_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string();
    let lake = new_lake(&url).await;
    let table = events_table(&lake, &[], 0..3).await;
    let other = lake_at(&url).await.table(&name("events")).await.unwrap();
    other
        .add_constraint("small", "id < 10", CommitNote::default())
        .await
        .unwrap();
    refused(&table, events([10])).await;
}

fn with_generated(expression: &str) -> SchemaRef {
    let metadata = [(GENERATION.to_owned(), expression.to_owned())];
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("double", DataType::Int64, false).with_metadata(metadata.into()),
    ]))
}

#[tokio::test]
async fn generated_columns_are_computed_or_checked() {
    let lake = new_lake("memory://").await;
    let definition = definition("events", with_generated("id * 2"));
    let table = lake.create_table(definition).await.unwrap();
    let ids = || Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
    let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    append(&table, RecordBatch::try_from_iter([("id", ids())]).unwrap()).await;
    let right = RecordBatch::try_from_iter([("double", column(vec![2, 4])), ("id", ids())]);
    append(&table, right.unwrap()).await;
    assert_eq!(rows(&table).await, ["1|2", "1|2", "2|4", "2|4"]);
    let wrong = RecordBatch::try_from_iter([("id", ids()), ("double", column(vec![2, 5]))]);
    assert_eq!(
        refused(&table, wrong.unwrap()).await,
        "table `db.events`: a row breaks the generation expression of column `double` \
         (`id * 2`): id = 2, double = 5"
    );
    table
        .overwrite(
            vec![RecordBatch::try_from_iter([("id", ids())]).unwrap()],
            None,
            CommitNote::default(),
        )
        .await
        .unwrap();
    assert_eq!(rows(&table).await, ["1|2", "2|4"]);
    let source = RecordBatch::try_from_iter([("id", column(vec![7]))]).unwrap();
    let source = MergeSource::Batches(vec![source]);
    let mut request = MergeRequest::upsert(source, "source.id = target.id");
    request.clauses.remove(0);
    table.merge(request, CommitNote::default()).await.unwrap();
    assert_eq!(rows(&table).await, ["1|2", "2|4", "7|14"]);
}

#[tokio::test]
async fn invariants_of_other_writers_are_kept() {
    let lake = new_lake("memory://").await;
    let invariant = r#"{"expression":{"expression":"id > 0"}}"#;
    let metadata = [("delta.invariants".to_owned(), invariant.to_owned())];
    let id = Field::new("id", DataType::Int64, false).with_metadata(metadata.into());
    let name = Field::new("name", DataType::Utf8, true);
    let schema = Arc::new(Schema::new(vec![id, name]));
    let table = lake
        .create_table(definition("events", schema))
        .await
        .unwrap();
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    let columns = snapshot.delta_table().snapshot().unwrap().schema();
    let stored = columns
        .field("id")
        .unwrap()
        .metadata()
        .get("delta.invariants");
    assert_eq!(stored, Some(&MetadataValue::String(invariant.to_owned())));
    append(&table, events([1])).await;
    assert_eq!(
        refused(&table, events([0])).await,
        "table `db.events`: a row breaks the invariant of column `id` (`id > 0`): id = 0, name = n0"
    );
}

#[tokio::test]
async fn rules_without_sense_are_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let lake = new_lake(&folder.path().display().to_string()).await;
    for expression in ["nope > 1", "id + 1", "id >"] {
        let mut definition = definition("t", events_schema());
        definition.properties = texts(&[("delta.constraints.c", expression)]);
        let error = lake.create_table(definition).await.unwrap_err();
        assert!(
            error.to_string().contains("the CHECK constraint `c`"),
            "{error}"
        );
    }
    let error = lake
        .create_table(definition("t", with_generated("nope")))
        .await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("generation expression of column `double`"),
        "{error}"
    );
    assert!(!folder.path().join("db").exists());
}

#[test]
fn a_long_row_is_cut_at_a_character() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["ü".repeat(1000)]));
    let batch = RecordBatch::try_from_iter([("a", Arc::clone(&text)), ("b", text)]).unwrap();
    let shown = show_row(&batch, 0);
    assert!(
        shown.ends_with('…') && shown.len() < 2 * SHOWN_BYTES,
        "{shown}"
    );
}
