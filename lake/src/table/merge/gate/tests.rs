use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, DictionaryArray, Int64Array, RecordBatch, StringArray,
    UInt16Array,
};
use arrow::datatypes::{Int64Type, UInt16Type};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{
    GreedyMemoryPool, MemoryLimit, MemoryPool, MemoryReservation, UnboundedMemoryPool,
};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::physical_expr::expressions::col;

use super::*;
use crate::table::testing::*;
use crate::table::{CommitNote, MergeRequest, MergeSource, Resources, WriteOptions};

const ROWS: i64 = 4096;

/// Returns rows of one file each; of the rows `changed` the table's row changes.
fn rows_of_file(file: &str, from: i64, changed: Option<i64>) -> RecordBatch {
    let values = Int64Array::from_iter_values(from..from + ROWS);
    let keys = UInt16Array::from_iter_values((0..ROWS).map(|_| 0));
    let names: ArrayRef = Arc::new(StringArray::from(vec![file]));
    let files = DictionaryArray::<UInt16Type>::new(keys, names);
    let is_changed = |row: i64| (Some(row) == changed).then_some(false);
    // Null means true.
    let updates: BooleanArray = (from..from + ROWS)
        .map(|row| is_changed(row).map_or(Some(false), |_| None))
        .collect();
    let never: BooleanArray = (0..ROWS).map(|_| Some(false)).collect();
    let never: ArrayRef = Arc::new(never);
    RecordBatch::try_from_iter_with_nullable([
        ("file", Arc::new(files) as ArrayRef, true),
        ("value", Arc::new(values), true),
        ("__delta_rs_target_insert", Arc::clone(&never), true),
        ("__delta_rs_target_update", Arc::new(updates), true),
        ("__delta_rs_target_delete", never, true),
    ])
    .unwrap()
}

/// Returns 100 batches of two files in turns. Late, a row of one of them changes.
fn batches() -> Vec<RecordBatch> {
    let mut batches: Vec<RecordBatch> = (0..100)
        .map(|batch| {
            let file = if batch % 2 == 0 { "a" } else { "b" };
            rows_of_file(file, batch * ROWS, Some(90 * ROWS + 7))
        })
        .collect();
    batches.push(
        arrow::compute::concat_batches(
            &batches[0].schema(),
            &[
                rows_of_file("b", -3 * ROWS, None),
                rows_of_file("a", -2 * ROWS, None),
            ],
        )
        .unwrap(),
    );
    batches
}

async fn passed(runtime: RuntimeEnvBuilder) -> DataFusionResult<Vec<RecordBatch>> {
    let batches = batches();
    let schema = batches[0].schema();
    let input = MemorySourceConfig::try_new_exec(&[batches], Arc::clone(&schema), None)?;
    let gate = GateExec {
        input,
        file: col("file", &schema)?,
    };
    let context = TaskContext::default().with_runtime(runtime.build_arc()?);
    let rows = gate.execute(0, Arc::new(context))?;
    datafusion::physical_plan::common::collect(rows).await
}

fn small() -> RuntimeEnvBuilder {
    RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(2 << 20)))
}

#[tokio::test]
async fn rows_of_unchanged_files_wait_on_disk_and_do_not_pass() {
    let expected: Vec<i64> = (-2 * ROWS..-ROWS)
        .chain(
            (0..100)
                .step_by(2)
                .flat_map(|batch| batch * ROWS..(batch + 1) * ROWS),
        )
        .collect();
    for runtime in [RuntimeEnvBuilder::new(), small()] {
        let passed = passed(runtime).await.unwrap();
        let update = passed[0].column_by_name("__delta_rs_target_update");
        assert_eq!(
            update.unwrap().null_count(),
            1,
            "the changed row comes first"
        );
        let mut values: Vec<i64> = Vec::new();
        for batch in passed {
            let column = batch.column_by_name("value").unwrap();
            values.extend(column.as_primitive::<Int64Type>().values());
        }
        values.sort_unstable();
        assert_eq!(values, expected);
    }
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let error = passed(small().with_disk_manager_builder(disk))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("rows that wait"), "{error}");
}

/// Notes how much memory rows at the gate were accounted for.
#[derive(Debug, Default)]
struct Noting {
    inner: UnboundedMemoryPool,
    most_waiting: AtomicUsize,
}

impl fmt::Display for Noting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Noting")
    }
}

impl MemoryPool for Noting {
    fn name(&self) -> &'static str {
        "noting"
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        if reservation.consumer().name().starts_with("rows that wait") {
            let bytes = reservation.size() + additional;
            self.most_waiting.fetch_max(bytes, Ordering::Relaxed);
        }
        self.inner.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.inner.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> DataFusionResult<()> {
        self.grow(reservation, additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.inner.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.inner.memory_limit()
    }
}

#[tokio::test]
async fn rows_of_a_merge_are_accounted_for_while_they_wait() {
    let lake = new_lake("memory://").await;
    let table = events_table(&lake, &[], 0..1000).await;
    for file in 1..10 {
        append(&table, events(file * 1000..(file + 1) * 1000)).await;
    }
    let pool = Arc::new(Noting::default());
    let runtime: Arc<RuntimeEnv> = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::clone(&pool) as _)
        .build_arc()
        .unwrap();
    let session = SessionStateBuilder::new()
        .with_default_features()
        .with_runtime_env(runtime)
        .build();
    // Rows that the statistics of no file rule out.
    let source = named(&[
        (1, "one"),
        (5_500, "two"),
        (9_999, "three"),
        (20_000, "new"),
    ]);
    let source = MergeSource::Batches(vec![source]);
    let request = MergeRequest::upsert(source, "source.id = target.id");
    let options = WriteOptions {
        note: CommitNote::default(),
        resources: Resources::Session(Box::new(session)),
    };
    let merged = table.merge(request, options).await.unwrap();
    assert_eq!(merged.metric("num_target_rows_updated"), Some(3));
    assert_eq!(merged.metric("num_target_rows_inserted"), Some(1));
    assert_eq!(merged.metric("num_target_files_removed"), Some(3));
    assert!(pool.most_waiting.load(Ordering::Relaxed) > 7_000 * 8);
    let mut expected: Vec<String> = (0..10_000).map(|id| format!("{id}|n{id}")).collect();
    for (id, name) in [(1, "one"), (5_500, "two"), (9_999, "three")] {
        expected[id] = format!("{id}|{name}");
    }
    expected.push("20000|new".to_owned());
    assert_eq!(rows(&table).await, sorted(expected));
}
