//! Files into tables, exactly once: the number of rows stored is in the same commit as the rows.
//!
//! ```text
//! stored_offset(source) -> reader: rows from there on -> begin_append, write ... -> commit(offset range)
//! ```
//!
//! A load that was interrupted goes on where the table's log says; a load that was finished does nothing.

mod arrow_file;

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use lake::{AppendCommit, AppendOutcome, LakeTable, OffsetRange, PendingAppend};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::arrow_file::ArrowFile;
use crate::{Error, Result};

const BATCH_ROWS: usize = 65_536;
/// Decoded batches that wait to be encoded.
const BATCHES_AHEAD: usize = 2;
/// How often another writer of the same source may get ahead of us before we give up.
const MAX_OVERTAKEN: usize = 16;

type Rows = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// Where rows are read from.
#[derive(Debug, Clone)]
pub enum DataSource {
    /// A `.parquet`, `.arrow` (IPC file), `.csv` or `.json` (one object a line) file.
    Path(PathBuf),
    /// Parquet in memory.
    Embedded {
        /// For messages.
        name: &'static str,
        /// The file.
        bytes: &'static [u8],
    },
}

/// How a load ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistorySummary {
    /// Rows this load stored.
    pub stored: u64,
    /// Rows that were stored before.
    pub skipped: u64,
    /// Commits this load made.
    pub commits: u64,
}

impl std::fmt::Display for DataSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Embedded { name, .. } => write!(f, "embedded {name}"),
        }
    }
}

impl DataSource {
    /// Returns the id of a file's rows: its name and size, so that a changed file is another source.
    ///
    /// # Errors
    /// The file cannot be looked at.
    pub fn file_id(path: &Path) -> Result<String> {
        let fail = |error: std::io::Error| Error::File {
            file: path.display().to_string(),
            reason: error.to_string(),
        };
        let size = std::fs::metadata(path).map_err(fail)?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(format!("file/{name}/{size}"))
    }

    fn fail(&self, reason: impl ToString) -> Error {
        Error::File {
            file: self.to_string(),
            reason: reason.to_string(),
        }
    }
}

/// Which rows are loaded, and in which steps.
#[derive(Debug, Clone, Copy)]
pub struct LoadOptions {
    /// Rows from this one on are left out.
    pub until: Option<u64>,
    /// Rows of one commit: a crash loses as many at most, and each commit makes files.
    pub commit_rows: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            until: None,
            commit_rows: 1 << 22,
        }
    }
}

/// Stores rows `stored..until` of `source` in `table`, where `stored` is what the log says of `source_id`.
///
/// `progress` is told the rows done after each commit.
///
/// # Errors
/// [`Error::File`] and [`Error::Columns`] before anything of the chunk is stored; what was committed stays.
pub async fn load(
    source: &DataSource,
    table: &LakeTable,
    source_id: &str,
    options: LoadOptions,
    progress: impl Fn(u64),
) -> Result<HistorySummary> {
    let mut summary = HistorySummary::default();
    let mut stored = table.stored_offset(source_id).await?;
    summary.skipped = unsigned(stored);
    let schema = table.schema().await?;
    let mut overtaken = 0;
    'from_stored: loop {
        let from = unsigned(stored);
        let limit = options
            .until
            .map_or(u64::MAX, |until| until.saturating_sub(from));
        let mut rows = RowReader::start(source.clone(), Arc::clone(&schema), table, from, limit);
        loop {
            let mut append = table.begin_append().await?;
            let at_end = rows.read_into(&mut append, options.commit_rows).await?;
            let count = append.rows();
            if count == 0 {
                return Ok(summary);
            }
            let end = signed(unsigned(stored) + count)?;
            let range = OffsetRange::new(source_id, stored, end);
            match append.commit(AppendCommit::of_range(range)).await {
                Ok(AppendOutcome::Committed { .. }) => {
                    summary.stored += count;
                    summary.commits += 1;
                    stored = Some(end);
                    progress(unsigned(stored));
                }
                Ok(AppendOutcome::AlreadyStored | AppendOutcome::OffsetsMoved { .. })
                | Err(lake::Error::TableRedefined { .. }) => {
                    overtaken += 1;
                    if overtaken > MAX_OVERTAKEN {
                        return Err(Error::Contended {
                            source_id: source_id.to_owned(),
                            table: table.name().clone(),
                        });
                    }
                    stored = table.stored_offset(source_id).await?;
                    continue 'from_stored;
                }
                Err(error) => return Err(error.into()),
            }
            if at_end {
                return Ok(summary);
            }
        }
    }
}

/// Returns the number of rows, where the format tells it without reading them all.
///
/// # Errors
/// The file cannot be read.
pub fn count_rows(source: &DataSource) -> Result<Option<u64>> {
    if !is_parquet(source) {
        return Ok(None);
    }
    let metadata = match source {
        DataSource::Embedded { bytes, .. } => parquet_metadata(
            ParquetRecordBatchReaderBuilder::try_new(Bytes::from_static(bytes)),
        ),
        DataSource::Path(path) => {
            let file = File::open(path).map_err(|error| source.fail(error))?;
            parquet_metadata(ParquetRecordBatchReaderBuilder::try_new(file))
        }
    };
    metadata.map(Some).map_err(|error| source.fail(error))
}

fn parquet_metadata<T>(
    builder: parquet::errors::Result<ParquetRecordBatchReaderBuilder<T>>,
) -> parquet::errors::Result<u64>
where
    T: parquet::file::reader::ChunkReader + 'static,
{
    let rows = builder?.metadata().file_metadata().num_rows();
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// Returns the rows of a Parquet source from row `from` on, in the file's own columns.
///
/// # Errors
/// The file cannot be read.
pub fn read_parquet(source: &DataSource, from: u64) -> Result<Rows> {
    match source {
        DataSource::Embedded { bytes, .. } => build_parquet(
            ParquetRecordBatchReaderBuilder::try_new(Bytes::from_static(bytes)),
            from,
        ),
        DataSource::Path(path) => {
            let file = File::open(path).map_err(|error| source.fail(error))?;
            build_parquet(ParquetRecordBatchReaderBuilder::try_new(file), from)
        }
    }
    .map_err(|error| source.fail(error))
}

fn build_parquet<T>(
    builder: parquet::errors::Result<ParquetRecordBatchReaderBuilder<T>>,
    from: u64,
) -> parquet::errors::Result<Rows>
where
    T: parquet::file::reader::ChunkReader + 'static,
{
    let builder = builder?.with_batch_size(BATCH_ROWS);
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let skip = usize::try_from(from).unwrap_or(usize::MAX).min(rows);
    let selection = RowSelection::from(vec![
        RowSelector::skip(skip),
        RowSelector::select(rows - skip),
    ]);
    Ok(Box::new(builder.with_row_selection(selection).build()?))
}

fn is_parquet(source: &DataSource) -> bool {
    match source {
        DataSource::Embedded { .. } => true,
        DataSource::Path(path) => extension(path) == "parquet",
    }
}

fn extension(path: &Path) -> String {
    path.extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase()
}

/// Reads and decodes a source on a thread of its own, while what it read before is written.
struct RowReader {
    batches: mpsc::Receiver<RecordBatch>,
    /// What the last commit left of a batch.
    rest: Option<RecordBatch>,
    reader: JoinHandle<Result<()>>,
}

impl RowReader {
    fn start(
        source: DataSource,
        schema: SchemaRef,
        table: &LakeTable,
        from: u64,
        limit: u64,
    ) -> Self {
        let (decoded, batches) = mpsc::channel(BATCHES_AHEAD);
        let table = table.name().clone();
        let reader = tokio::task::spawn_blocking(move || {
            for batch in open(&source, &schema, &table, from, limit)? {
                let batch = batch.map_err(|error| source.fail(error))?;
                let batch = conform(&batch, &schema).map_err(|reason| Error::Columns {
                    file: source.to_string(),
                    table: table.clone(),
                    reason,
                })?;
                if decoded.blocking_send(batch).is_err() {
                    // Nobody wants the rest.
                    break;
                }
            }
            Ok(())
        });
        Self {
            batches,
            rest: None,
            reader,
        }
    }

    /// Writes up to `rows` rows, and reports whether the source is at its end.
    async fn read_into(&mut self, append: &mut PendingAppend, rows: u64) -> Result<bool> {
        while append.rows() < rows {
            let batch = match self.rest.take() {
                Some(rest) => rest,
                None => match self.batches.recv().await {
                    Some(batch) => batch,
                    None => {
                        self.finished().await?;
                        return Ok(true);
                    }
                },
            };
            let wanted = usize::try_from(rows - append.rows()).unwrap_or(usize::MAX);
            if batch.num_rows() > wanted {
                self.rest = Some(batch.slice(wanted, batch.num_rows() - wanted));
                append.write(&batch.slice(0, wanted)).await?;
            } else {
                append.write(&batch).await?;
            }
        }
        Ok(false)
    }

    /// Returns why the reader stopped, if it failed.
    async fn finished(&mut self) -> Result<()> {
        match (&mut self.reader).await {
            Ok(result) => result,
            Err(error) => Err(Error::Internal {
                message: format!("a reader stopped: {error}"),
            }),
        }
    }
}

/// Opens the source at row `from`.
fn open(
    source: &DataSource,
    schema: &SchemaRef,
    table: &lake::TableName,
    from: u64,
    limit: u64,
) -> Result<Rows> {
    let rows = match source {
        source if is_parquet(source) => read_parquet(source, from)?,
        DataSource::Path(path) => match extension(path).as_str() {
            "arrow" | "feather" => skip_rows(read_arrow(source, path)?, from),
            "csv" => skip_rows(read_csv(source, path, schema, table)?, from),
            "json" | "jsonl" | "ndjson" => {
                skip_rows(read_json(source, path, Arc::clone(schema))?, from)
            }
            other => {
                return Err(source.fail(format!(
                    "`.{other}` is not one of .parquet, .arrow, .csv, .json, .jsonl"
                )));
            }
        },
        DataSource::Embedded { .. } => return Err(source.fail("it is not Parquet")),
    };
    Ok(take_rows(rows, limit))
}

fn read_arrow(source: &DataSource, path: &Path) -> Result<Rows> {
    let file = File::open(path).map_err(|error| source.fail(error))?;
    let batches = ArrowFile::open(file).map_err(|error| source.fail(error))?;
    Ok(Box::new(batches))
}

fn read_csv(
    source: &DataSource,
    path: &Path,
    schema: &Schema,
    table: &lake::TableName,
) -> Result<Rows> {
    let mut file = File::open(path).map_err(|error| source.fail(error))?;
    let format = arrow::csv::reader::Format::default().with_header(true);
    let (header, _) = format
        .infer_schema(&file, Some(0))
        .map_err(|error| source.fail(error))?;
    let fields = header
        .fields()
        .iter()
        .map(|column| {
            let name = column.name().to_ascii_lowercase();
            schema
                .field_with_name(&name)
                .cloned()
                .map_err(|_| Error::Columns {
                    file: source.to_string(),
                    table: table.clone(),
                    reason: format!("the table has no column `{name}`"),
                })
        })
        .collect::<Result<Vec<_>>>()?;
    file.seek(SeekFrom::Start(0))
        .map_err(|error| source.fail(error))?;
    let reader = arrow::csv::ReaderBuilder::new(Arc::new(Schema::new(fields)))
        .with_header(true)
        .with_batch_size(BATCH_ROWS)
        .build(file)
        .map_err(|error| source.fail(error))?;
    Ok(Box::new(reader))
}

fn read_json(source: &DataSource, path: &Path, schema: SchemaRef) -> Result<Rows> {
    let file = File::open(path).map_err(|error| source.fail(error))?;
    let reader = arrow::json::ReaderBuilder::new(schema)
        .with_batch_size(BATCH_ROWS)
        .build(BufReader::new(file))
        .map_err(|error| source.fail(error))?;
    Ok(Box::new(reader))
}

fn skip_rows(rows: Rows, mut skip: u64) -> Rows {
    Box::new(rows.filter_map(move |batch| match batch {
        Ok(batch) => {
            let here = usize::try_from(skip)
                .unwrap_or(usize::MAX)
                .min(batch.num_rows());
            skip -= here as u64;
            (here < batch.num_rows()).then(|| Ok(batch.slice(here, batch.num_rows() - here)))
        }
        Err(error) => Some(Err(error)),
    }))
}

fn take_rows(rows: Rows, mut left: u64) -> Rows {
    Box::new(rows.map_while(move |batch| match batch {
        _ if left == 0 => None,
        Ok(batch) => {
            let here = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(batch.num_rows());
            left -= here as u64;
            Some(Ok(batch.slice(0, here)))
        }
        Err(error) => Some(Err(error)),
    }))
}

/// Returns the rows in the table's columns and types; columns are matched by name.
fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, String> {
    if let Some(unknown) = batch.schema().fields().iter().find(|field| {
        schema
            .column_with_name(&field.name().to_ascii_lowercase())
            .is_none()
    }) {
        return Err(format!("the table has no column `{}`", unknown.name()));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let columns = schema
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef, String> {
            let own = batch.schema();
            let found = own
                .fields()
                .iter()
                .position(|f| f.name().eq_ignore_ascii_case(field.name()));
            match found.and_then(|position| batch.columns().get(position)) {
                Some(values) if values.data_type() == field.data_type() => Ok(Arc::clone(values)),
                Some(values) => cast_with_options(values, field.data_type(), &options)
                    .map_err(|error| format!("column `{}`: {error}", field.name())),
                None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            }
        })
        .collect::<Result<Vec<_>, String>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| error.to_string())
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Internal {
            message: format!("a reader stopped: {error}"),
        }),
    }
}

fn unsigned(offset: Option<i64>) -> u64 {
    offset
        .and_then(|offset| u64::try_from(offset).ok())
        .unwrap_or(0)
}

fn signed(offset: u64) -> Result<i64> {
    i64::try_from(offset).map_err(|_| Error::Internal {
        message: format!("row {offset} is out of range"),
    })
}

#[cfg(test)]
mod tests;
