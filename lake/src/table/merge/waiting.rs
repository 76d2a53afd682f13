//! The rows that wait at the gate of a merge, by file.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, RecordBatch, StringViewArray, UInt32Array,
};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result as DataFusionResult;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::execution::{SpillFile, TaskContext};
use datafusion::physical_plan::SpillManager;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use futures::StreamExt;
use tokio::sync::mpsc::Sender;

/// Columns of a merge's rows that are null where a row of the table is changed.
const CHANGES: [&str; 3] = [
    "__delta_rs_target_insert",
    "__delta_rs_target_update",
    "__delta_rs_target_delete",
];

/// The part of the memory pool that the rows of all partitions may take while they wait: the
/// joins and sorts below need the rest.
const SHARE: usize = 8;
/// So much may always wait in memory, in bytes.
const LEAST_BYTES: usize = 1 << 20;
/// Batches of a file that are made one: each costs memory by itself.
const MANY_BATCHES: usize = 64;

/// Rows of one partition: those that wait, and where the others go.
pub(super) struct Waiting {
    files: Vec<FileRows>,
    known: HashMap<Option<String>, usize>,
    passing: Sender<DataFusionResult<RecordBatch>>,
    memory: MemoryReservation,
    /// What may wait in memory, in bytes.
    limit: usize,
    spills: SpillManager,
    schema: SchemaRef,
}

/// The rows of one file that wait.
#[derive(Default)]
struct FileRows {
    is_open: bool,
    batches: Vec<RecordBatch>,
    bytes: usize,
    spilled: Vec<Arc<dyn SpillFile>>,
}

impl Waiting {
    pub(super) fn new(
        context: &TaskContext,
        schema: SchemaRef,
        partition: usize,
        partitions: usize,
        passing: Sender<DataFusionResult<RecordBatch>>,
    ) -> Self {
        let pool = context.memory_pool();
        let limit = match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => (bytes / SHARE / partitions.max(1)).max(LEAST_BYTES),
            _ => usize::MAX,
        };
        let memory = MemoryConsumer::new("rows that wait for a merge to change their file")
            .with_can_spill(true)
            .register(pool);
        let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), partition);
        Self {
            files: Vec::new(),
            known: HashMap::new(),
            passing,
            memory,
            limit,
            spills: SpillManager::new(context.runtime_env(), metrics, Arc::clone(&schema)),
            schema,
        }
    }

    /// Takes rows with the files they are in, and passes what may pass. Reports whether anybody
    /// still wants rows.
    pub(super) async fn take(
        &mut self,
        batch: RecordBatch,
        files: &ArrayRef,
    ) -> DataFusionResult<bool> {
        let files = self.number(files)?;
        let mut opened = Vec::new();
        for row in changed_rows(&batch)? {
            if let Some((number, file)) = files
                .get(row)
                .and_then(|number| Some((*number, self.files.get_mut(*number)?)))
                && !file.is_open
            {
                file.is_open = true;
                opened.push(number);
            }
        }
        if !self.pass(batch, &files).await? {
            return Ok(false);
        }
        for number in opened {
            if !self.release(number).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns for each row the number of its file.
    fn number(&mut self, files: &ArrayRef) -> DataFusionResult<Vec<usize>> {
        let Some(dictionary) = files.as_any_dictionary_opt() else {
            return datafusion::common::internal_err!("files of a merge are no dictionary");
        };
        let names = cast(dictionary.values(), &DataType::Utf8)?;
        let names = names.as_string::<i32>();
        let mut numbers = vec![None; names.len()];
        let mut number_of = |name: Option<&str>| {
            if let Some(number) = self.known.get(&name.map(str::to_owned)) {
                return *number;
            }
            self.files.push(FileRows::default());
            let number = self.files.len() - 1;
            self.known.insert(name.map(str::to_owned), number);
            number
        };
        if names.is_empty() {
            let none = number_of(None);
            return Ok(vec![none; files.len()]);
        }
        let keys = dictionary.keys();
        let rows = dictionary.normalized_keys().into_iter().enumerate();
        let numbered = rows.map(|(row, key)| {
            let known = numbers.get_mut(key).filter(|_| keys.is_valid(row));
            let Some(known) = known else {
                return number_of(None);
            };
            *known.get_or_insert_with(|| number_of(names.is_valid(key).then(|| names.value(key))))
        });
        Ok(numbered.collect())
    }

    /// Passes the rows of open files; the others wait.
    async fn pass(&mut self, batch: RecordBatch, files: &[usize]) -> DataFusionResult<bool> {
        let is_open = |number: &usize| self.files.get(*number).is_some_and(|file| file.is_open);
        if files.iter().all(is_open) {
            return Ok(self.send(Ok(batch)).await);
        }
        let mut passing = Vec::new();
        let mut closed: HashMap<usize, Vec<u32>> = HashMap::new();
        for (row, number) in (0_u32..).zip(files) {
            if is_open(number) {
                passing.push(row);
            } else {
                closed.entry(*number).or_default().push(row);
            }
        }
        for (number, rows) in closed {
            let rows = if rows.len() == batch.num_rows() {
                batch.clone()
            } else {
                take_record_batch(&batch, &UInt32Array::from(rows))?
            };
            self.hold(number, own(&rows)?).await?;
        }
        if passing.is_empty() {
            return Ok(true);
        }
        let rows = take_record_batch(&batch, &UInt32Array::from(passing))?;
        Ok(self.send(Ok(rows)).await)
    }

    async fn send(&self, rows: DataFusionResult<RecordBatch>) -> bool {
        self.passing.send(rows).await.is_ok()
    }

    /// Lets rows of a file wait.
    async fn hold(&mut self, number: usize, rows: RecordBatch) -> DataFusionResult<()> {
        let bytes = rows.get_array_memory_size();
        let fits = self.memory.size() + bytes <= self.limit && self.memory.try_grow(bytes).is_ok();
        let Some(file) = self.files.get_mut(number) else {
            return datafusion::common::internal_err!("rows of a merge are in no file");
        };
        file.batches.push(rows);
        if fits {
            file.bytes += bytes;
            if file.batches.len() < MANY_BATCHES {
                return Ok(());
            }
            let one = arrow::compute::concat_batches(&self.schema, &file.batches)?;
            let bytes = one.get_array_memory_size().min(file.bytes);
            self.memory.shrink(file.bytes - bytes);
            file.bytes = bytes;
            file.batches = vec![one];
            return Ok(());
        }
        self.spill().await
    }

    /// Writes all rows that wait in memory to temporary files, one for each file of the table.
    async fn spill(&mut self) -> DataFusionResult<()> {
        let waiting = self.files.iter_mut().enumerate();
        let waiting: Vec<(usize, Vec<RecordBatch>)> = waiting
            .filter(|(_, file)| !file.batches.is_empty())
            .map(|(number, file)| {
                file.bytes = 0;
                (number, std::mem::take(&mut file.batches))
            })
            .collect();
        let spills = self.spills.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut written = Vec::new();
            for (number, batches) in waiting {
                let what = "rows that wait for a merge";
                if let Some(file) = spills.spill_record_batch_and_finish(&batches, what)? {
                    written.push((number, file));
                }
            }
            Ok::<_, DataFusionError>(written)
        });
        let written = written
            .await
            .map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))??;
        for (number, spilled) in written {
            if let Some(file) = self.files.get_mut(number) {
                file.spilled.push(spilled);
            }
        }
        self.memory.free();
        Ok(())
    }

    /// Passes the rows of a file that waited.
    async fn release(&mut self, number: usize) -> DataFusionResult<bool> {
        let Some(file) = self.files.get_mut(number) else {
            return Ok(true);
        };
        let (batches, spilled) = (
            std::mem::take(&mut file.batches),
            std::mem::take(&mut file.spilled),
        );
        let bytes = std::mem::take(&mut file.bytes);
        for batch in batches {
            if !self.send(Ok(batch)).await {
                return Ok(false);
            }
        }
        self.memory.shrink(bytes);
        for spilled in spilled {
            let mut rows = self.spills.read_spill_as_stream(spilled, None)?;
            while let Some(batch) = rows.next().await {
                if !self.send(Ok(batch?)).await {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// Returns the rows that change a file, in order.
fn changed_rows(batch: &RecordBatch) -> DataFusionResult<Vec<usize>> {
    let mut rows = Vec::new();
    for name in CHANGES {
        let Some(column) = batch.column_by_name(name) else {
            return datafusion::common::internal_err!("rows of a merge have no column `{name}`");
        };
        if let Some(nulls) = column
            .logical_nulls()
            .filter(|nulls| nulls.null_count() > 0)
        {
            rows.extend((0..batch.num_rows()).filter(|row| nulls.is_null(*row)));
        }
    }
    Ok(rows)
}

/// Returns rows whose texts do not keep alive those of other rows.
fn own(rows: &RecordBatch) -> DataFusionResult<RecordBatch> {
    let columns = rows.columns().iter().map(|column| -> ArrayRef {
        if let Some(texts) = column.as_any().downcast_ref::<StringViewArray>() {
            return Arc::new(texts.gc());
        }
        match column.as_any().downcast_ref::<BinaryViewArray>() {
            Some(bytes) => Arc::new(bytes.gc()),
            None => Arc::clone(column),
        }
    });
    Ok(RecordBatch::try_new(rows.schema(), columns.collect())?)
}
