//! Reading the files of a bin: many small ones at once, a large one in pieces.
//!
//! A small file is mostly latency and footer, so files are fetched whole, side by side, and a
//! group of them is decoded in one go. What is fetched, and what decoding it takes, holds a share
//! of the memory budget until it is decoded.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::plan::Bin;
use super::shares::Shares;
use super::throttle::Throttle;
use crate::catalog::TableName;
use crate::error::{Error, Result};
use crate::table::{nested, schema};

const GROUP_BYTES: u64 = 4 << 20;
const GROUP_FILES: usize = 64;
const PARALLEL_FETCHES: usize = 16;
/// Decoded batches that may wait for the writer; a few, so that memory is the budget's.
const WAITING_BATCHES: usize = 2;
/// What a permit stands for.
const PERMIT_BYTES: u64 = 1024;

/// Files that are fetched and decoded together.
pub(super) struct Group {
    files: Vec<(Path, u64)>,
    bytes: u64,
    /// None when the log does not say.
    rows: Option<u64>,
}

/// A group on its way.
pub(super) struct Decoding {
    batches: mpsc::Receiver<Result<RecordBatch>>,
    task: JoinHandle<()>,
}

/// What reading needs to know of the table, its store and its limits.
pub(super) struct Reader {
    pub(super) table: TableName,
    pub(super) url: String,
    pub(super) store: Arc<dyn ObjectStore>,
    /// The columns that files have, by the names in them: the table's without its partition columns.
    pub(super) schema: SchemaRef,
    pub(super) shares: Shares,
    pub(super) memory: Arc<MemoryBudget>,
    pub(super) throttle: Arc<Throttle>,
}

/// Memory that fetched files share.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    permits: Arc<Semaphore>,
    total: u32,
}

impl MemoryBudget {
    pub(super) fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes / PERMIT_BYTES).unwrap_or(u32::MAX >> 4);
        let total = total.clamp(1, u32::MAX >> 4);
        Self {
            permits: Arc::new(Semaphore::new(total as usize)),
            total,
        }
    }

    /// Waits for a share. What is larger than all there is takes everything and goes alone.
    async fn acquire(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.permits);
        permits
            .acquire_many_owned(wanted.clamp(1, self.total))
            .await
            .map_err(|error| Error::Internal {
                message: error.to_string(),
            })
    }
}

impl Decoding {
    /// Returns the next batch; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.batches.recv().await {
            return batch.map(Some);
        }
        // A decoder that panicked has ended early, too, and its rows must not be lost.
        let ended = (&mut self.task).await;
        ended.map(|()| None).map_err(|error| Error::Internal {
            message: format!("decoding a data file: {error}"),
        })
    }
}

/// Splits a bin into groups, in order.
pub(super) fn groups(bin: &Bin) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for file in &bin.files {
        let path = file.view.object_store_path();
        let rows = file.view.num_records().map(|rows| rows as u64);
        match groups.last_mut() {
            Some(group)
                if group.bytes + file.bytes <= GROUP_BYTES && group.files.len() < GROUP_FILES =>
            {
                group.bytes += file.bytes;
                group.rows = group.rows.zip(rows).map(|(all, rows)| all + rows);
                group.files.push((path, file.bytes));
            }
            _ => groups.push(Group {
                bytes: file.bytes,
                rows,
                files: vec![(path, file.bytes)],
            }),
        }
    }
    groups
}

impl Reader {
    /// Fetches a group and starts to decode it; the batches come out in the files' order.
    pub(super) async fn open(&self, group: Group) -> Result<Decoding> {
        self.throttle.admit(group.bytes).await;
        let needed = group.bytes + self.shares.decoding_bytes(group.rows);
        let share = self.memory.acquire(needed).await?;
        let fetched: Vec<(Path, Bytes)> = stream::iter(group.files)
            .map(|(path, _)| self.fetch(path))
            .buffered(PARALLEL_FETCHES)
            .try_collect()
            .await?;
        let (sender, receiver) = mpsc::channel(WAITING_BATCHES);
        let files = FileDecoder {
            table: self.table.clone(),
            url: self.url.clone(),
            schema: Arc::clone(&self.schema),
            batch_rows: self.shares.batch_rows,
        };
        let task = tokio::task::spawn_blocking(move || {
            for (path, bytes) in fetched {
                if let Err(error) = files.decode(&path, bytes, &sender) {
                    // Nobody is there to be told when the receiver is gone.
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            }
            drop(share);
        });
        Ok(Decoding {
            batches: receiver,
            task,
        })
    }

    async fn fetch(&self, path: Path) -> Result<(Path, Bytes)> {
        let fetch = async { self.store.get(&path).await?.bytes().await };
        match fetch.await {
            Ok(bytes) => Ok((path, bytes)),
            Err(source) => Err(Error::Storage {
                url: format!("{}{path}", self.url),
                action: "reading a data file",
                source,
            }),
        }
    }
}

/// Decodes files into batches of the table's columns.
struct FileDecoder {
    table: TableName,
    url: String,
    schema: SchemaRef,
    batch_rows: usize,
}

impl FileDecoder {
    fn decode(
        &self,
        path: &Path,
        bytes: Bytes,
        sender: &mpsc::Sender<Result<RecordBatch>>,
    ) -> Result<()> {
        let batches = self
            .open(bytes)
            .map_err(|error| self.corrupt(path, error.into()))?;
        for batch in batches {
            let batch = batch.map_err(|error| self.corrupt(path, error.into()))?;
            let batch = self
                .fit_within(&batch)
                .map_err(|error| self.corrupt(path, error.into()))?;
            let fitted = schema::fit_batch(&self.table, &self.schema, &batch)?;
            if sender.blocking_send(Ok(fitted)).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Gives columns that have columns within the fields that the table has.
    fn fit_within(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let given = batch.schema();
        let columns = given.fields().iter().zip(batch.columns());
        let fitted = columns
            .map(
                |(field, column)| match self.schema.field_with_name(field.name()) {
                    Ok(wanted) => Ok((field.name(), nested::fit(column, wanted.data_type())?)),
                    Err(_) => Ok((field.name(), Arc::clone(column))),
                },
            )
            .collect::<Result<Vec<_>, ArrowError>>()?;
        if fitted.is_empty() {
            return Ok(batch.clone());
        }
        RecordBatch::try_from_iter(fitted)
    }

    fn open(&self, bytes: Bytes) -> Result<ParquetRecordBatchReader, ParquetError> {
        // The writer's own Arrow types, such as views or dictionaries, are of no interest.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)?;
        let fields = builder.schema().fields().iter().enumerate();
        let roots = fields
            .filter(|(_, field)| self.schema.field_with_name(field.name()).is_ok())
            .map(|(index, _)| index);
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        builder
            .with_projection(mask)
            .with_batch_size(self.batch_rows)
            .build()
    }

    fn corrupt(&self, path: &Path, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::CorruptFile {
            table: self.table.to_string(),
            file: format!("{}{path}", self.url),
            source,
        }
    }
}
