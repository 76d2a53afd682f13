//! The formats of the `/sql` API, each encoded batch by batch.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use axum::body::Body;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Rows of a row group: enough to compress well, little enough to hold.
const ROW_GROUP_ROWS: usize = 1 << 17;

/// A format whose encoder keeps state between batches.
pub(super) trait RowFormat: Sized + Send + 'static {
    fn start(schema: &SchemaRef) -> Result<Self, ArrowError>;
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError>;
    fn end(self) -> Result<Vec<u8>, ArrowError>;
}

/// Returns a body that encodes batch by batch; an error midway breaks the answer off, so that nobody takes
/// half of it for the whole.
pub(super) fn stream<F: RowFormat>(
    schema: SchemaRef,
    first: Option<RecordBatch>,
    rows: SendableRecordBatchStream,
) -> Body {
    let batches = futures::stream::iter(first.map(Ok)).chain(rows);
    let format = match F::start(&schema) {
        Ok(format) => format,
        Err(error) => return Body::from_stream(futures::stream::iter([Err::<Vec<u8>, _>(error)])),
    };
    let chunks = futures::stream::unfold(Some((format, batches)), |state| async {
        let (mut format, mut batches) = state?;
        match batches.next().await {
            Some(Ok(batch)) => match format.batch(&batch) {
                Ok(bytes) => Some((Ok(bytes), Some((format, batches)))),
                Err(error) => Some((Err(error), None)),
            },
            Some(Err(error)) => Some((Err(ArrowError::from_external_error(Box::new(error))), None)),
            None => Some((format.end(), None)),
        }
    });
    Body::from_stream(chunks)
}

pub(super) struct JsonRows;

impl RowFormat for JsonRows {
    fn start(_: &SchemaRef) -> Result<Self, ArrowError> {
        Ok(Self)
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        let mut writer = arrow::json::writer::WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, arrow::json::writer::LineDelimited>(Vec::new());
        writer.write(batch)?;
        writer.finish()?;
        Ok(writer.into_inner())
    }

    fn end(self) -> Result<Vec<u8>, ArrowError> {
        Ok(Vec::new())
    }
}

pub(super) struct CsvRows {
    header: Option<SchemaRef>,
}

impl CsvRows {
    fn header(&mut self) -> Result<Vec<u8>, ArrowError> {
        let Some(schema) = self.header.take() else {
            return Ok(Vec::new());
        };
        let mut writer = arrow::csv::WriterBuilder::new()
            .with_header(true)
            .build(Vec::new());
        writer.write(&RecordBatch::new_empty(schema))?;
        Ok(writer.into_inner())
    }
}

impl RowFormat for CsvRows {
    fn start(schema: &SchemaRef) -> Result<Self, ArrowError> {
        Ok(Self {
            header: Some(Arc::clone(schema)),
        })
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        let mut bytes = self.header()?;
        let mut writer = arrow::csv::WriterBuilder::new()
            .with_header(false)
            .build(&mut bytes);
        writer.write(batch)?;
        drop(writer);
        Ok(bytes)
    }

    fn end(mut self) -> Result<Vec<u8>, ArrowError> {
        self.header()
    }
}

pub(super) struct ArrowRows {
    writer: StreamWriter<Vec<u8>>,
}

impl RowFormat for ArrowRows {
    fn start(schema: &SchemaRef) -> Result<Self, ArrowError> {
        Ok(Self {
            writer: StreamWriter::try_new(Vec::new(), schema)?,
        })
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        self.writer.write(batch)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    fn end(mut self) -> Result<Vec<u8>, ArrowError> {
        self.writer.finish()?;
        Ok(std::mem::take(self.writer.get_mut()))
    }
}

/// One Parquet file; its rows leave with each row group, its footer at the end.
pub(super) struct ParquetRows {
    writer: ArrowWriter<Vec<u8>>,
}

impl RowFormat for ParquetRows {
    fn start(schema: &SchemaRef) -> Result<Self, ArrowError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties))?;
        Ok(Self { writer })
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        self.writer.write(batch)?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    fn end(self) -> Result<Vec<u8>, ArrowError> {
        Ok(self.writer.into_inner()?)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn pieces_of_parquet_are_one_file() {
        let rows = 0..i64::try_from(ROW_GROUP_ROWS).unwrap() + 10;
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone()));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let mut format = ParquetRows::start(&batch.schema()).unwrap();
        let mut bytes = format.batch(&batch).unwrap();
        assert!(!bytes.is_empty(), "the first row group has left");
        bytes.extend(format.end().unwrap());
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(
            axum::body::Bytes::from(bytes),
            4096,
        );
        let read: Vec<i64> = reader
            .unwrap()
            .flat_map(|batch| {
                batch
                    .unwrap()
                    .column(0)
                    .as_primitive::<Int64Type>()
                    .values()
                    .to_vec()
            })
            .collect();
        assert!(read.into_iter().eq(rows));
    }
}
