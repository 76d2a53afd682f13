//! Documents and type signatures of the protocol.

use arrow::datatypes::SchemaRef;
use axum::body::Body;
use bytes::Bytes;
use serde_json::{Value, json};

use super::error_codes::TrinoError;
pub(super) use super::signature::{TypeStyle, digits};
use super::signature::{int64_type, type_of};
use crate::registry::{QueryState, QueryStats};

/// Pages from this size on are sent in pieces, so that their rows are not copied.
const STREAMED_BYTES: usize = 256 << 10;

/// What one document says.
pub(super) struct Document<'a> {
    pub(super) id: &'a str,
    pub(super) base: &'a str,
    pub(super) next_uri: Option<String>,
    pub(super) partial_cancel_uri: Option<String>,
    pub(super) columns: Option<&'a Value>,
    /// The JSON of `data`; none means no rows.
    pub(super) data: Option<Bytes>,
    pub(super) update_type: Option<&'a str>,
    pub(super) update_count: Option<u64>,
    pub(super) error: Option<&'a TrinoError>,
    pub(super) stats: &'a QueryStats,
}

impl<'a> Document<'a> {
    /// Returns a document that says nothing but how far the query is.
    pub(super) fn empty(id: &'a str, base: &'a str, stats: &'a QueryStats) -> Self {
        Self {
            id,
            base,
            next_uri: None,
            partial_cancel_uri: None,
            columns: None,
            data: None,
            update_type: None,
            update_count: None,
            error: None,
            stats,
        }
    }

    /// Returns the JSON text as a body.
    pub(super) fn into_body(self) -> Body {
        let Some(data) = self.data.clone() else {
            return Body::from(self.head());
        };
        let mut head = self.head();
        head.pop();
        head.extend_from_slice(b",\"data\":");
        if data.len() < STREAMED_BYTES {
            head.extend_from_slice(&data);
            head.push(b'}');
            return Body::from(head);
        }
        let parts = [Bytes::from(head), data, Bytes::from_static(b"}")];
        let parts = parts.into_iter().map(Ok::<_, std::convert::Infallible>);
        Body::from_stream(futures::stream::iter(parts))
    }

    /// Returns all but the rows.
    fn head(&self) -> Vec<u8> {
        let mut head = serde_json::Map::new();
        let mut put = |key: &str, value: Value| head.insert(key.to_owned(), value);
        put("id", json!(self.id));
        let info_uri = format!("{}/ui/query.html?{}", self.base, self.id);
        put("infoUri", json!(info_uri));
        if let Some(uri) = &self.partial_cancel_uri {
            put("partialCancelUri", json!(uri));
        }
        if let Some(next) = &self.next_uri {
            put("nextUri", json!(next));
        }
        if let Some(columns) = self.columns {
            put("columns", columns.clone());
        }
        put("stats", stats(self.stats));
        put("warnings", json!([]));
        if let Some(kind) = self.update_type {
            put("updateType", json!(kind));
        }
        if let Some(count) = self.update_count {
            put("updateCount", json!(count));
        }
        if let Some(error) = self.error {
            put("error", error_document(error));
        }
        Value::Object(head).to_string().into_bytes()
    }
}

fn stats(stats: &QueryStats) -> Value {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let work = &stats.work;
    let is_queued = stats.state == QueryState::Queued;
    let is_done = stats.state.is_done();
    let running = !is_queued && !is_done;
    json!({
        "state": stats.state.name(),
        "queued": is_queued,
        "scheduled": !is_queued,
        "progressPercentage": if is_done { json!(100.0) } else { Value::Null },
        "runningPercentage": Value::Null,
        "nodes": i32::from(!is_queued),
        "totalSplits": 1,
        "queuedSplits": i32::from(is_queued),
        "runningSplits": i32::from(running),
        "completedSplits": i32::from(is_done),
        "cpuTimeMillis": millis(stats.elapsed.saturating_sub(stats.queued)),
        "wallTimeMillis": millis(stats.elapsed.saturating_sub(stats.queued)),
        "queuedTimeMillis": millis(stats.queued),
        "elapsedTimeMillis": millis(stats.elapsed),
        "planningTimeMillis": millis(stats.planning),
        "analysisTimeMillis": millis(stats.planning),
        "finishingTimeMillis": 0,
        "physicalInputTimeMillis": 0,
        "internalNetworkInputBytes": 0,
        "processedRows": work.rows_read,
        "processedBytes": work.bytes_read,
        "physicalInputBytes": work.bytes_read,
        "physicalWrittenBytes": 0,
        "peakMemoryBytes": work.peak_memory_bytes,
        "spilledBytes": work.spilled_bytes,
        "rootStage": Value::Null,
    })
}

fn error_document(error: &TrinoError) -> Value {
    let location = error
        .location
        .map(|at| json!({ "lineNumber": at.line, "columnNumber": at.column }));
    let class = if error.name == "SYNTAX_ERROR" {
        "io.trino.sql.parser.ParsingException"
    } else {
        "io.trino.spi.TrinoException"
    };
    let mut document = json!({
        "message": error.message,
        "errorCode": error.code,
        "errorName": error.name,
        "errorType": error.kind,
        "failureInfo": {
            "type": class,
            "message": error.message,
            "suppressed": [],
            "stack": [],
        },
    });
    if let (Some(location), Some(map)) = (location, document.as_object_mut()) {
        map.insert("errorLocation".to_owned(), location.clone());
        if let Some(info) = map.get_mut("failureInfo").and_then(Value::as_object_mut) {
            info.insert("errorLocation".to_owned(), location);
        }
    }
    document
}

/// Returns the `columns` of a result.
pub(super) fn columns(schema: &SchemaRef, style: TypeStyle) -> Value {
    let columns = schema.fields().iter().map(|field| {
        let (text, signature) = type_of(field, style);
        json!({ "name": field.name(), "type": text, "typeSignature": signature })
    });
    columns.collect()
}

/// Returns the `columns` of a statement that changed rows.
pub(super) fn update_columns(style: TypeStyle) -> Value {
    let (text, signature) = int64_type(style);
    json!([{ "name": "rows", "type": text, "typeSignature": signature }])
}
