//! Rows on their way into open files, one for each partition.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{
    SortColumn, SortOptions, concat_batches, lexsort_to_indices, partition, take_record_batch,
};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use deltalake::DeltaTableError;
use deltalake::datafile::writer::{PartitionWriter, PartitionWriterConfig};
use deltalake::kernel::Add;
use deltalake::kernel::scalars::ScalarExt;
use deltalake::logstore::ObjectStoreRef;
use deltalake::table::config::TablePropertiesExt;
use indexmap::IndexMap;
use tracing::warn;

use super::properties::{file_properties, small_file_properties};
use super::{SORT_COLUMNS, SORTED_RUN_ROWS, discard, paths_of};
use crate::error::{Error, Result};
use crate::table::TableSnapshot;
use crate::table::encoding::{Encodings, SAMPLE_ROWS};
use crate::table::mapping::{self, FileColumns};

/// Rows between two looks at the size of the open file.
const SLICE_ROWS: usize = 65_536;

/// What is the same for all files of an append.
pub(super) struct Encoder {
    store: ObjectStoreRef,
    file_schema: SchemaRef,
    /// Positions of the columns that go into files, in order.
    file_columns: Vec<usize>,
    partition_columns: Vec<(String, usize)>,
    sort_columns: Vec<usize>,
    columns: FileColumns,
    /// Which columns get statistics; none when no property names them.
    statistics_columns: Option<Vec<String>>,
    /// Found by the first rows, or by an earlier append.
    encodings: Arc<OnceLock<Encodings>>,
    snapshot: TableSnapshot,
    buffer_bytes: u64,
    open: HashMap<String, OpenFile>,
    /// The sum of the open files' bytes.
    open_bytes: u64,
    clock: u64,
    adds: Vec<Add>,
}

struct OpenFile {
    /// A row that has the partition's values.
    first: RecordBatch,
    /// None until enough rows have come, or no more will.
    writer: Option<PartitionWriter>,
    /// Rows that wait to be sorted, or for the writer.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    /// Arrow bytes written since the file was opened: more than it holds, never less.
    bytes: u64,
    used_at: u64,
}

impl Encoder {
    pub(super) fn new(
        snapshot: &TableSnapshot,
        encodings: Arc<OnceLock<Encodings>>,
        buffer_bytes: u64,
    ) -> Result<Self> {
        let columns = FileColumns::of(snapshot);
        let file_columns = columns.stored();
        let file_schema = columns.file_schema().map_err(|error| internal(&error))?;
        let position = |schema: &Schema, name: &str| {
            schema.index_of(name).map_err(|_| Error::SchemaMismatch {
                table: snapshot.table().to_string(),
                reason: format!("there is no column `{name}` to partition or sort by"),
            })
        };
        let sort_columns = snapshot
            .property(SORT_COLUMNS)
            .into_iter()
            .flat_map(|columns| columns.split(','))
            .map(|name| position(&file_schema, columns.file_name(name.trim()).unwrap_or(name)))
            .collect::<Result<Vec<_>>>()?;
        let partition_columns = columns.partition_columns.iter();
        Ok(Self {
            store: snapshot.delta_table().object_store(),
            partition_columns: partition_columns
                .map(|name| Ok((name.clone(), position(&columns.schema, name)?)))
                .collect::<Result<_>>()?,
            columns,
            statistics_columns: mapping::statistics_columns(snapshot),
            encodings,
            snapshot: snapshot.clone(),
            file_schema,
            file_columns,
            sort_columns,
            buffer_bytes,
            open: HashMap::new(),
            open_bytes: 0,
            clock: 0,
            adds: Vec::new(),
        })
    }

    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<(), DeltaTableError> {
        let batch = &self.columns.rename(batch)?;
        if self.partition_columns.is_empty() {
            return self.write_run(String::new(), batch).await;
        }
        let grouped = self.group(batch)?;
        let keys: Vec<ArrayRef> = self
            .partition_columns
            .iter()
            .map(|(_, index)| Arc::clone(grouped.column(*index)))
            .collect();
        for run in partition(&keys)?.ranges() {
            let rows = grouped.slice(run.start, run.len());
            let key = partition_key(&keys, run.start)?;
            self.write_run(key, &rows).await?;
        }
        Ok(())
    }

    /// Brings the rows of each partition together, unless they mostly are already.
    fn group(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<SortColumn> = self
            .partition_columns
            .iter()
            .map(|(_, index)| SortColumn {
                values: Arc::clone(batch.column(*index)),
                options: None,
            })
            .collect();
        let keys: Vec<ArrayRef> = columns.iter().map(|c| Arc::clone(&c.values)).collect();
        let runs = partition(&keys)?.len();
        // Every run costs a call into each column's encoder; a sort costs more than a few of them.
        if runs <= batch.num_rows() / 4_096 + 1 {
            return Ok(batch.clone());
        }
        take_record_batch(batch, &lexsort_to_indices(&columns, None)?)
    }

    /// Writes rows of one partition.
    async fn write_run(&mut self, key: String, rows: &RecordBatch) -> Result<(), DeltaTableError> {
        let bytes = slice_bytes(rows)?;
        let values = rows.project(&self.file_columns)?;
        self.clock += 1;
        let mut file = match self.open.remove(&key) {
            Some(file) => file,
            None => OpenFile {
                first: detached(&rows.slice(0, 1))?,
                writer: None,
                waiting: Vec::new(),
                waiting_rows: 0,
                bytes: 0,
                used_at: 0,
            },
        };
        file.used_at = self.clock;
        file.bytes += bytes;
        self.open_bytes += bytes;
        file.waiting_rows += values.num_rows();
        file.waiting.push(values);
        let written = self.write_waiting(&mut file).await;
        self.open.insert(key, file);
        written?;
        self.close_to_fit().await
    }

    /// Writes the rows of a file that wait, where enough do.
    async fn write_waiting(&self, file: &mut OpenFile) -> Result<(), DeltaTableError> {
        let enough = match &file.writer {
            _ if !self.sort_columns.is_empty() => SORTED_RUN_ROWS,
            Some(_) => 1,
            None => SAMPLE_ROWS,
        };
        if file.waiting_rows < enough {
            // A few rows must not keep alive the many that they came with.
            if let Some(last) = file.waiting.pop() {
                file.waiting.push(detached(&last)?);
            }
            return Ok(());
        }
        self.write_all(file, enough).await
    }

    /// Writes the rows of a file that wait, as long as `at_least` do.
    async fn write_all(&self, file: &mut OpenFile, at_least: usize) -> Result<(), DeltaTableError> {
        if file.waiting_rows == 0 {
            return Ok(());
        }
        let waiting = concat_batches(&self.file_schema, &file.waiting)?;
        file.waiting.clear();
        file.waiting_rows = 0;
        if self.encodings.get().is_none()
            && let Some(found) = Encodings::for_rows(&waiting)?
        {
            // Another append may have been first, which is as good.
            let _ = self.encodings.set(found);
        }
        let mut writer = match file.writer.take() {
            Some(writer) => writer,
            None => self.open_writer(&file.first, waiting.num_rows())?,
        };
        let rest = self.write_rows(&mut writer, &waiting, at_least).await;
        file.writer = Some(writer);
        if let Some(rest) = rest? {
            file.waiting_rows = rest.num_rows();
            file.waiting.push(rest);
        }
        Ok(())
    }

    /// Writes rows as they are, or sorted in row groups; returns those too few for one.
    async fn write_rows(
        &self,
        writer: &mut PartitionWriter,
        rows: &RecordBatch,
        at_least: usize,
    ) -> Result<Option<RecordBatch>, DeltaTableError> {
        if self.sort_columns.is_empty() {
            writer.write(rows).await?;
            return Ok(None);
        }
        let mut from = 0;
        while rows.num_rows() - from >= at_least {
            let group_rows = SORTED_RUN_ROWS.min(rows.num_rows() - from);
            let group = rows.slice(from, group_rows);
            let keys: Vec<SortColumn> = self
                .sort_columns
                .iter()
                .map(|index| SortColumn {
                    values: Arc::clone(group.column(*index)),
                    options: Some(SortOptions::default()),
                })
                .collect();
            let sorted = take_record_batch(&group, &lexsort_to_indices(&keys, None)?)?;
            writer.write(&sorted).await?;
            from += group_rows;
        }
        let left = rows.num_rows() - from;
        Ok((left > 0).then(|| rows.slice(from, left)))
    }

    /// Opens the file of a row's partition, whose first rows are so many.
    fn open_writer(
        &self,
        first: &RecordBatch,
        rows: usize,
    ) -> Result<PartitionWriter, DeltaTableError> {
        let mut values = IndexMap::new();
        for (name, index) in &self.partition_columns {
            let value =
                ScalarExt::from_array(first.column(*index).as_ref(), 0).ok_or_else(|| {
                    DeltaTableError::generic(format!(
                        "column `{name}` cannot be a partition column"
                    ))
                })?;
            values.insert(name.clone(), value);
        }
        let properties = match rows {
            SAMPLE_ROWS.. => file_properties(&self.sort_columns, self.encodings.get()),
            _ => small_file_properties(&self.sort_columns, self.encodings.get()),
        };
        let table = self.snapshot.delta_table().snapshot()?.table_config();
        let config = PartitionWriterConfig::try_new(
            Arc::clone(&self.file_schema),
            values,
            Some(properties),
            Some(table.target_file_size()),
            Some(SLICE_ROWS),
            None,
            None,
        )?
        // A row group must be one sorted run.
        .with_roll_on_row_group_boundary(!self.sort_columns.is_empty());
        PartitionWriter::try_with_config(
            Arc::clone(&self.store),
            config,
            table.num_indexed_cols(),
            self.statistics_columns.clone(),
        )
    }

    /// Closes files until the open ones fit into the buffer.
    async fn close_to_fit(&mut self) -> Result<(), DeltaTableError> {
        while self.open_bytes > self.buffer_bytes {
            let oldest = self.open.iter().min_by_key(|(_, file)| file.used_at);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return Ok(());
            };
            self.close(&key).await?;
        }
        Ok(())
    }

    async fn close(&mut self, key: &str) -> Result<(), DeltaTableError> {
        let Some(mut file) = self.open.remove(key) else {
            return Ok(());
        };
        self.open_bytes = self.open_bytes.saturating_sub(file.bytes);
        let written = self.write_all(&mut file, 1).await;
        let Some(writer) = file.writer else {
            return written;
        };
        if written.is_err() {
            abort(writer).await;
            return written;
        }
        self.adds.extend(writer.close().await?);
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<Vec<Add>, DeltaTableError> {
        let mut keys: Vec<String> = self.open.keys().cloned().collect();
        keys.sort_unstable();
        for key in keys {
            if let Err(error) = self.close(&key).await {
                self.abort().await;
                return Err(error);
            }
        }
        Ok(self.adds)
    }

    /// Deletes what was written; the reason to is with the caller, so that failing to is logged.
    pub(super) async fn abort(self) {
        for writer in self.open.into_values().filter_map(|file| file.writer) {
            abort(writer).await;
        }
        discard(&self.store, paths_of(&self.adds)).await;
    }
}

async fn abort(writer: PartitionWriter) {
    if let Err(error) = writer.abort().await {
        warn!(%error, "upload of an unfinished file not aborted");
    }
}

/// Returns the rows without the buffers of the batch that they are a small part of.
fn detached(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let is_part = rows.columns().iter().any(|column| {
        let data = column.to_data();
        let held: usize = data.buffers().iter().map(arrow::buffer::Buffer::len).sum();
        let used = data.get_slice_memory_size().unwrap_or(held);
        held > 2 * used
    });
    if !is_part {
        return Ok(rows.clone());
    }
    let count = u32::try_from(rows.num_rows()).unwrap_or(u32::MAX);
    take_record_batch(rows, &UInt32Array::from_iter_values(0..count))
}

/// Returns what tells the partition of a row from the others of this append.
fn partition_key(keys: &[ArrayRef], row: usize) -> Result<String, ArrowError> {
    let mut key = String::new();
    for values in keys {
        // A null is not the text that shows it.
        key.push(if values.is_null(row) { '0' } else { '1' });
        key.push_str(&arrow::util::display::array_value_to_string(values, row)?);
        key.push('\0');
    }
    Ok(key)
}

fn slice_bytes(rows: &RecordBatch) -> Result<u64, ArrowError> {
    let mut bytes = 0;
    for column in rows.columns() {
        bytes += column.to_data().get_slice_memory_size()? as u64;
    }
    Ok(bytes)
}

fn internal(error: &dyn std::error::Error) -> Error {
    Error::Internal {
        message: error.to_string(),
    }
}
