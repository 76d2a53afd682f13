//! Writing the rows of a bin into one new file.

use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::compute::{
    SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use deltalake::DeltaTableError;
use deltalake::datafile::writer::{PartitionWriter, PartitionWriterConfig};
use deltalake::kernel::Add;
use deltalake::table::config::TablePropertiesExt;
use futures::{StreamExt, stream};
use parquet::file::properties::WriterProperties;
use tokio::sync::mpsc;
use tracing::debug;

use super::Maintainer;
use super::plan::{self, Bin};
use super::progress::Progress;
use super::read::{self, Decoding, Reader};
use super::shares::Shares;
use crate::error::{Error, Result};
use crate::table::mapping::{self, FileColumns};
use crate::table::rewrite::Rewrite;
use crate::table::{
    Encodings, LakeTable, SAMPLE_ROWS, SORT_COLUMNS, SORTED_RUN_ROWS, TableRef, TableSnapshot,
    file_properties,
};

/// Groups that are fetched and decoded while one is written.
const READ_AHEAD: usize = 4;

pub(super) fn bytes_of(adds: &[Add]) -> u64 {
    let sizes = adds.iter().map(|add| u64::try_from(add.size).unwrap_or(0));
    sizes.sum()
}

/// Rewrites the bins of one snapshot.
pub(super) struct Rewriter<'a> {
    maintainer: &'a Maintainer,
    snapshot: &'a TableSnapshot,
    table_ref: Arc<TableRef>,
    reader: Reader,
    encodings: Arc<OnceLock<Encodings>>,
    columns: FileColumns,
    sort: SortOrder,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(
        maintainer: &'a Maintainer,
        table: &LakeTable,
        snapshot: &'a TableSnapshot,
    ) -> Result<Self> {
        let columns = FileColumns::of(snapshot);
        let schema = columns
            .file_schema()
            .map_err(|error| snapshot.error("compacting", error.into()))?;
        let shares = Shares::of(&maintainer.config, &schema);
        let reader = Reader {
            table: table.name().clone(),
            url: table.url().to_string(),
            store: snapshot.delta_table().object_store(),
            schema,
            shares,
            memory: Arc::clone(&maintainer.memory),
            throttle: Arc::clone(&maintainer.throttle),
        };
        Ok(Self {
            maintainer,
            snapshot,
            table_ref: Arc::clone(table.table_ref()),
            encodings: Arc::clone(table.encodings()),
            sort: SortOrder::of(snapshot, &columns, &reader.schema, shares.run_rows)?,
            columns,
            reader,
        })
    }

    /// Returns how many bins may be rewritten at once.
    pub(super) fn writers(&self) -> usize {
        self.reader.shares.writers
    }

    /// Writes the rows of a bin anew.
    pub(super) async fn rewrite(&self, bin: Bin, progress: &Progress) -> Result<Rewrite> {
        let open = self.writer(&bin)?;
        let groups = read::groups(&bin);
        let (sender, receiver) = mpsc::channel(1);
        let read = async {
            let mut opened = stream::iter(groups)
                .map(|group| self.reader.open(group))
                .buffered(READ_AHEAD);
            while let Some(group) = opened.next().await {
                let is_over = group.is_err();
                if sender.send(group).await.is_err() || is_over {
                    break;
                }
            }
            drop(sender);
        };
        // Encoding is CPU work that would hold an async worker for long.
        let runtime = tokio::runtime::Handle::current();
        let output = Output {
            table_ref: Arc::clone(&self.table_ref),
            encodings: Arc::clone(&self.encodings),
            sort: self.sort.clone(),
            row_group_bytes: self.reader.shares.row_group_bytes,
        };
        let write =
            tokio::task::spawn_blocking(move || runtime.block_on(output.write(receiver, open)));
        let ((), written) = tokio::join!(read, write);
        let (adds, rows) = written.map_err(|error| Error::Internal {
            message: format!("compacting: {error}"),
        })??;
        self.check_rows(&bin, rows)?;
        self.maintainer.throttle.admit(bytes_of(&adds)).await;
        progress.done(bin.bytes());
        debug!(files = bin.files.len(), rows, "bin rewritten");
        let removes = bin.files.iter().map(|file| file.view.remove_action(false));
        let adds = adds.into_iter().map(|add| Add {
            data_change: false,
            ..add
        });
        Ok(Rewrite {
            removes: removes.collect(),
            adds: adds.collect(),
        })
    }

    /// Returns what opens the new file, once it is known how to encode its values.
    fn writer(
        &self,
        bin: &Bin,
    ) -> Result<
        impl FnOnce(WriterProperties) -> Result<PartitionWriter, DeltaTableError> + Send + use<>,
    > {
        let properties = plan::loaded(self.snapshot)?.table_properties();
        let values = bin
            .files
            .first()
            .and_then(|file| file.view.partition_values())
            .map(|values| {
                let names = values.fields().iter().map(|field| {
                    let name = self.columns.file_name(field.name());
                    name.unwrap_or(field.name()).to_owned()
                });
                names.zip(values.values().iter().cloned()).collect()
            })
            .unwrap_or_default();
        let schema = Arc::clone(&self.reader.schema);
        let uploads = self.reader.shares.uploads;
        let store = self.snapshot.delta_table().object_store();
        let indexed = properties.num_indexed_cols();
        let columns = mapping::statistics_columns(self.snapshot);
        Ok(move |properties| {
            // A bin is one file, whatever its size.
            let (target, slice, prefix) = (None, None, None);
            let config = PartitionWriterConfig::try_new(
                schema,
                values,
                Some(properties),
                target,
                slice,
                Some(uploads),
                prefix,
            )?;
            PartitionWriter::try_with_config(store, config, indexed, columns)
        })
    }

    /// Compares the rows that were read with those that the log says the files have.
    fn check_rows(&self, bin: &Bin, rows: u64) -> Result<()> {
        let known: Option<usize> = bin.files.iter().map(|file| file.view.num_records()).sum();
        match known {
            Some(known) if known as u64 != rows => Err(Error::CorruptFile {
                table: self.snapshot.table().to_string(),
                file: bin.files.iter().map(|file| file.view.path()).take(1).collect(),
                source: format!(
                    "with the {} files packed with it, it has {rows} rows, but the log says {known}",
                    bin.files.len() - 1
                )
                .into(),
            }),
            _ => Ok(()),
        }
    }
}

/// Where the rows of a bin go.
struct Output {
    table_ref: Arc<TableRef>,
    encodings: Arc<OnceLock<Encodings>>,
    sort: SortOrder,
    row_group_bytes: usize,
}

impl Output {
    /// Writes the batches of all groups, in order, and returns the new files and their rows.
    async fn write(
        mut self,
        mut groups: mpsc::Receiver<Result<Decoding>>,
        open: impl FnOnce(WriterProperties) -> Result<PartitionWriter, DeltaTableError>,
    ) -> Result<(Vec<Add>, u64)> {
        let table_ref = Arc::clone(&self.table_ref);
        let failed = |error| table_ref.error("writing files of", None, error);
        let (mut open, mut head, mut head_rows) = (Some(open), Vec::new(), 0);
        let (mut writer, mut rows) = (None, 0);
        let written = async {
            while let Some(group) = groups.recv().await {
                let mut group = group?;
                while let Some(batch) = group.next().await? {
                    rows += batch.num_rows() as u64;
                    head_rows += batch.num_rows();
                    head.push(batch);
                    if writer.is_none() && head_rows < SAMPLE_ROWS {
                        continue;
                    }
                    self.append(&mut writer, &mut open, &mut head)
                        .await
                        .map_err(failed)?;
                }
            }
            self.append(&mut writer, &mut open, &mut head)
                .await
                .map_err(failed)?;
            if let (Some(rest), Some(writer)) = (
                self.sort.rest().map_err(|error| failed(error.into()))?,
                &mut writer,
            ) {
                writer.write(&rest).await.map_err(failed)?;
            }
            Ok(())
        };
        let result: Result<()> = written.await;
        let Some(writer) = writer else {
            return result.map(|()| (Vec::new(), rows));
        };
        if let Err(error) = result {
            // The first error is the one that tells what happened.
            let _ = writer.abort().await;
            return Err(error);
        }
        let adds = writer.close().await.map_err(failed)?;
        Ok((adds, rows))
    }

    /// Writes what has come, to a file that is opened for the first rows.
    async fn append(
        &mut self,
        writer: &mut Option<PartitionWriter>,
        open: &mut Option<
            impl FnOnce(WriterProperties) -> Result<PartitionWriter, DeltaTableError>,
        >,
        head: &mut Vec<RecordBatch>,
    ) -> Result<(), DeltaTableError> {
        let Some(first) = head.first() else {
            return Ok(());
        };
        if let Some(open) = open.take() {
            let sample = concat_batches(&first.schema(), head.iter())?;
            if self.encodings.get().is_none()
                && let Some(found) = Encodings::for_rows(&sample)?
            {
                // Another writer may have been first, which is as good.
                let _ = self.encodings.set(found);
            }
            *writer = Some(open(self.properties())?);
        }
        let Some(writer) = writer else {
            return Ok(());
        };
        for batch in head.drain(..) {
            if let Some(batch) = self.sort.push(batch)? {
                writer.write(&batch).await?;
            }
        }
        Ok(())
    }

    fn properties(&self) -> WriterProperties {
        let properties = file_properties(&self.sort.columns, self.encodings.get());
        let properties = properties.into_builder();
        if !self.sort.columns.is_empty() {
            // A row group of a sorted table is one sorted run, whatever its bytes.
            return properties
                .set_max_row_group_row_count(Some(self.sort.run_rows))
                .build();
        }
        properties
            .set_max_row_group_bytes(Some(self.row_group_bytes))
            .build()
    }
}

/// Sorts run by run where the table asks for it; otherwise batches pass as they are.
#[derive(Clone)]
struct SortOrder {
    columns: Vec<usize>,
    /// Rows that are sorted together.
    run_rows: usize,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
}

impl SortOrder {
    fn of(
        snapshot: &TableSnapshot,
        file_columns: &FileColumns,
        file_schema: &SchemaRef,
        most_rows: usize,
    ) -> Result<Self> {
        let names = snapshot.property(SORT_COLUMNS).into_iter();
        let columns = names
            .flat_map(|columns| columns.split(','))
            .map(|name| file_schema.index_of(file_columns.file_name(name.trim()).unwrap_or(name)))
            .collect::<Result<_, _>>()
            .map_err(|error| snapshot.error("sorting", error.into()))?;
        Ok(Self {
            columns,
            run_rows: most_rows.min(SORTED_RUN_ROWS),
            waiting: Vec::new(),
            waiting_rows: 0,
        })
    }

    /// Takes a batch and returns what is to be written now.
    fn push(&mut self, mut batch: RecordBatch) -> Result<Option<RecordBatch>, ArrowError> {
        if self.columns.is_empty() {
            return Ok(Some(batch));
        }
        let missing = self.run_rows.saturating_sub(self.waiting_rows);
        let over = (batch.num_rows() > missing).then(|| {
            let over = batch.slice(missing, batch.num_rows() - missing);
            batch = batch.slice(0, missing);
            over
        });
        self.waiting_rows += batch.num_rows();
        self.waiting.push(batch);
        if self.waiting_rows < self.run_rows {
            return Ok(None);
        }
        let sorted = self.rest()?;
        self.waiting_rows = over.as_ref().map_or(0, RecordBatch::num_rows);
        self.waiting.extend(over);
        Ok(sorted)
    }

    /// Returns what still waits, sorted.
    fn rest(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let waiting = std::mem::take(&mut self.waiting);
        let Some(first) = waiting.first() else {
            return Ok(None);
        };
        let rows = concat_batches(&first.schema(), &waiting)?;
        let keys: Vec<SortColumn> = self
            .columns
            .iter()
            .map(|index| SortColumn {
                values: Arc::clone(rows.column(*index)),
                options: Some(SortOptions::default()),
            })
            .collect();
        take_record_batch(&rows, &lexsort_to_indices(&keys, None)?).map(Some)
    }
}
