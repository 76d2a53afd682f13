//! `POST /sql`: one statement in the body, its rows in the answer, streamed.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use query::{Error, SessionSettings};
use serde::Deserialize;
use serde_json::json;

use super::Web;

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// One object a line.
    #[default]
    Json,
    /// RFC 4180 with a header.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
}

/// The query parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    #[serde(default)]
    format: Format,
    schema: Option<String>,
}

pub(super) async fn run(
    State(web): State<Arc<Web>>,
    Query(parameters): Query<Parameters>,
    sql: String,
) -> Response {
    let session = SessionSettings {
        user: "sql-api".to_owned(),
        source: Some("sql-api".to_owned()),
        schema: parameters.schema,
        ..SessionSettings::default()
    };
    let mut result = match Box::pin(web.engine.run(&sql, &session)).await {
        Ok(result) => result,
        Err(error) => return refuse(&error),
    };
    // The first batch is awaited, so that a query that fails at once gets a proper status.
    let first = match result.rows.next().await {
        Some(Ok(batch)) => Some(batch),
        Some(Err(error)) => return refuse(&Error::Execution(error)),
        None => None,
    };
    let (media_type, body) = match parameters.format {
        Format::Json => (
            "application/x-ndjson",
            stream::<JsonRows>(result.schema, first, result.rows),
        ),
        Format::Csv => (
            "text/csv; charset=utf-8",
            stream::<CsvRows>(result.schema, first, result.rows),
        ),
        Format::Arrow => (
            "application/vnd.apache.arrow.stream",
            stream::<ArrowRows>(result.schema, first, result.rows),
        ),
    };
    let mut response = ([(header::CONTENT_TYPE, media_type)], body).into_response();
    if let Some(kind) = result.update_type
        && let Ok(value) = match result.update_count {
            Some(count) => format!("{kind}: {count} rows"),
            None => kind,
        }
        .parse()
    {
        response.headers_mut().insert("x-lakehouse-update", value);
    }
    response
}

fn refuse(error: &Error) -> Response {
    let status = match error {
        Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    (status, Json(json!({ "message": message }))).into_response()
}

/// A format whose encoder keeps state between batches.
trait RowFormat: Sized + Send + 'static {
    fn start(schema: &SchemaRef) -> Result<Self, ArrowError>;
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError>;
    fn end(self) -> Result<Vec<u8>, ArrowError>;
}

/// Returns a body that encodes batch by batch; an error midway breaks the answer off, so that nobody takes
/// half of it for the whole.
fn stream<F: RowFormat>(
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

struct JsonRows;

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

struct CsvRows {
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

struct ArrowRows {
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
