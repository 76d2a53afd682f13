use std::sync::Arc;

use arrow::array::{AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Field, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{col, lit};
use datafusion::physical_plan::{collect, displayable};

use super::*;
use crate::table::testing::*;
use crate::table::{AsOf, CommitNote, LakeTable};

fn session() -> Arc<SessionState> {
    Arc::new(SessionStateBuilder::new().with_default_features().build())
}

async fn provider(table: &LakeTable, state: &Arc<SessionState>) -> Arc<dyn TableProvider> {
    let snapshot = table.snapshot(AsOf::Latest).await.unwrap();
    snapshot.provider_for(Arc::clone(state)).await.unwrap()
}

/// Returns how many files a scan reads, and its rows.
async fn scanned(table: &LakeTable, filters: &[Expr]) -> (usize, usize) {
    let state = session();
    let provider = provider(table, &state).await;
    let plan = provider
        .scan(state.as_ref(), None, filters, None)
        .await
        .unwrap();
    let text = displayable(plan.as_ref()).indent(true).to_string();
    let files = text.matches(".parquet").count();
    let rows = collect(plan, state.task_ctx()).await.unwrap();
    (files, rows.iter().map(RecordBatch::num_rows).sum())
}

#[tokio::test]
async fn files_are_skipped_by_partition_and_by_bounds() {
    let lake = new_lake("memory://").await;
    let mut partitioned = definition("events", events_schema());
    partitioned.partition_columns = vec!["name".to_owned()];
    let table = lake.create_table(partitioned).await.unwrap();
    append(&table, named(&[(1, "a"), (2, "b")])).await;
    append(&table, named(&[(3, "a"), (4, "b")])).await;
    assert_eq!(scanned(&table, &[]).await, (4, 4));
    let text = |value: &str| lit(ScalarValue::Utf8View(Some(value.to_owned())));
    assert_eq!(scanned(&table, &[col("name").eq(text("a"))]).await, (2, 2));
    assert_eq!(scanned(&table, &[col("id").gt(lit(2_i64))]).await, (2, 2));
    let both = [col("name").eq(text("a")), col("id").gt(lit(2_i64))];
    assert_eq!(scanned(&table, &both).await, (1, 1));
    assert_eq!(scanned(&table, &[col("id").gt(lit(9_i64))]).await, (0, 0));
}

#[tokio::test]
async fn a_table_without_files_has_no_rows() {
    let lake = new_lake("memory://").await;
    let table = lake
        .create_table(definition("events", events_schema()))
        .await
        .unwrap();
    assert_eq!(scanned(&table, &[col("id").gt(lit(2_i64))]).await, (0, 0));
    assert!(rows(&table).await.is_empty());
}

#[tokio::test]
async fn absent_partition_values_and_later_columns_are_null() {
    let lake = new_lake("memory://").await;
    let mut partitioned = definition("events", events_schema());
    partitioned.partition_columns = vec!["name".to_owned()];
    let table = lake.create_table(partitioned).await.unwrap();
    let nulls = RecordBatch::try_new(
        events_schema(),
        vec![
            Arc::new(Int64Array::from(vec![1])),
            Arc::new(StringArray::from(vec![None::<&str>])),
        ],
    );
    append(&table, nulls.unwrap()).await;
    append(&table, named(&[(2, "b")])).await;
    let column = Field::new("later", DataType::Int64, true);
    table
        .add_columns(&[column], CommitNote::default())
        .await
        .unwrap();
    assert_eq!(rows(&table).await, ["1||", "2|b|"]);
    assert_eq!(scanned(&table, &[col("name").is_null()]).await, (1, 1));
}

#[tokio::test]
async fn a_long_file_is_read_in_parts() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..200_000).await;
    let state = session();
    let provider = provider(&table, &state).await;
    for filters in [
        vec![],
        vec![col("id").gt_eq(lit(199_000_i64)), col("name").is_not_null()],
    ] {
        let plan = provider.scan(state.as_ref(), None, &filters, None);
        let plan = plan.await.unwrap();
        let text = displayable(plan.as_ref()).indent(true).to_string();
        assert!(text.matches(".parquet").count() > 2, "{text}");
        let batches = collect(plan, state.task_ctx()).await.unwrap();
        let mut ids: Vec<i64> = Vec::new();
        for batch in &batches {
            ids.extend(batch.column(0).as_primitive::<Int64Type>().values());
        }
        ids.sort_unstable();
        let read = if filters.is_empty() { 0 } else { 199_000 };
        ids.retain(|id| *id >= read);
        assert_eq!(ids, (read..200_000).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn nulls_of_a_whole_file_are_not_those_of_its_parts() {
    let lake = new_lake("memory://").await;
    let table = lake
        .create_table(definition("events", events_schema()))
        .await
        .unwrap();
    // As many nulls as a part has rows, all of them in the first.
    let rows: i64 = 2 * 24_576 * 4;
    let names: StringArray = (0..rows)
        .map(|id| (id >= 2 * 24_576).then_some("x"))
        .collect();
    let ids = Int64Array::from_iter_values(0..rows);
    let batch = RecordBatch::try_new(events_schema(), vec![Arc::new(ids), Arc::new(names)]);
    append(&table, batch.unwrap()).await;
    let (_, named) = scanned(&table, &[col("name").is_not_null()]).await;
    assert!(named as i64 >= rows - 2 * 24_576, "{named}");
}

#[tokio::test]
async fn plans_know_counts_and_bounds_from_the_log() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 3..7).await;
    append(&table, events(10..12)).await;
    let statistics = provider(&table, &session()).await.statistics().unwrap();
    assert_eq!(statistics.num_rows, Precision::Exact(6));
    let [id, name] = statistics.column_statistics.as_slice() else {
        panic!("two columns");
    };
    let exact = |value: i64| Precision::Exact(ScalarValue::Int64(Some(value)));
    assert_eq!(
        (id.min_value.clone(), id.max_value.clone()),
        (exact(3), exact(11))
    );
    assert_eq!(id.null_count, Precision::Exact(0));
    // The log may hold the beginnings of texts only.
    assert!(matches!(name.max_value, Precision::Inexact(_)));
}
