//! Query results on their way to a person or a file.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;
use clap::ValueEnum;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// Aligned columns for people; the whole result is held in memory.
    Table,
    /// RFC 4180 with a header line.
    Csv,
    /// One JSON object a line.
    Json,
    /// One Parquet file, zstd.
    Parquet,
}

/// Writes `rows` to `file` or standard output and returns the number of rows.
///
/// # Errors
/// The query failed while running, or the output cannot be written.
pub(super) async fn write_rows(
    schema: SchemaRef,
    mut rows: SendableRecordBatchStream,
    format: OutputFormat,
    file: Option<&Path>,
) -> Result<u64> {
    let sink: Box<dyn Write + Send> = match file {
        Some(path) => Box::new(std::io::BufWriter::new(
            File::create(path).with_context(|| format!("cannot create `{}`", path.display()))?,
        )),
        None if format == OutputFormat::Parquet && std::io::stdout().is_terminal() => {
            bail!("Parquet is not for the terminal: name a file with -o FILE")
        }
        None => Box::new(std::io::BufWriter::new(std::io::stdout())),
    };
    let mut writer = RowWriter::new(schema, format, sink)?;
    let mut count = 0;
    while let Some(batch) = rows.try_next().await.context("the query failed")? {
        count += batch.num_rows() as u64;
        writer.write(batch)?;
    }
    writer.finish()?;
    Ok(count)
}

enum RowWriter {
    Table {
        batches: Vec<RecordBatch>,
        schema: SchemaRef,
        sink: Box<dyn Write + Send>,
    },
    Csv(arrow::csv::Writer<Box<dyn Write + Send>>),
    Json(arrow::json::LineDelimitedWriter<Box<dyn Write + Send>>),
    Parquet(ArrowWriter<Box<dyn Write + Send>>),
}

impl RowWriter {
    fn new(schema: SchemaRef, format: OutputFormat, sink: Box<dyn Write + Send>) -> Result<Self> {
        Ok(match format {
            OutputFormat::Table => Self::Table {
                batches: Vec::new(),
                schema,
                sink,
            },
            OutputFormat::Csv => {
                let mut writer = arrow::csv::WriterBuilder::new()
                    .with_header(true)
                    .build(sink);
                // The header must be there for an empty result, too.
                writer
                    .write(&RecordBatch::new_empty(schema))
                    .context("cannot write CSV")?;
                Self::Csv(writer)
            }
            OutputFormat::Json => Self::Json(arrow::json::LineDelimitedWriter::new(sink)),
            OutputFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .build();
                Self::Parquet(
                    ArrowWriter::try_new(sink, schema, Some(properties))
                        .context("cannot write this result as Parquet")?,
                )
            }
        })
    }

    fn write(&mut self, batch: RecordBatch) -> Result<()> {
        match self {
            Self::Table { batches, .. } => batches.push(batch),
            Self::Csv(writer) => writer.write(&batch).context("cannot write CSV")?,
            Self::Json(writer) => writer.write(&batch).context("cannot write JSON")?,
            Self::Parquet(writer) => writer.write(&batch).context("cannot write Parquet")?,
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Self::Table {
                batches,
                schema,
                mut sink,
            } => {
                let options = FormatOptions::default()
                    .with_null("NULL")
                    .with_display_error(true);
                let batches = if batches.is_empty() {
                    vec![RecordBatch::new_empty(schema)]
                } else {
                    batches
                };
                let table = pretty_format_batches_with_options(&batches, &options)
                    .context("cannot format the result")?;
                writeln!(sink, "{table}")?;
                sink.flush()?;
            }
            Self::Csv(writer) => writer.into_inner().flush()?,
            Self::Json(mut writer) => {
                writer.finish().context("cannot write JSON")?;
                writer.into_inner().flush()?;
            }
            Self::Parquet(writer) => {
                writer
                    .into_inner()
                    .context("cannot write Parquet")?
                    .flush()?;
            }
        }
        Ok(())
    }
}
