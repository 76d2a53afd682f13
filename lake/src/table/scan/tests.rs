use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Field;
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
