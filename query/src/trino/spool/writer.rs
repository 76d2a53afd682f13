//! Pages that say where their rows are.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::{SegmentId, Spool};
use crate::registry::{PageWriter, QueryId};
use crate::trino::TrinoConfig;
use crate::trino::encode::RowEncoder;
use crate::{Error, Result};

/// How much work a smaller segment is worth.
const ZSTD_LEVEL: i32 = 1;

/// How the bytes of a segment are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::trino) enum Encoding {
    Json,
    JsonLz4,
    JsonZstd,
}

impl Encoding {
    /// Returns the first of a client's list that we know.
    pub(in crate::trino) fn choose(wanted: &str) -> Option<Self> {
        wanted.split(',').find_map(|name| match name.trim() {
            "json" => Some(Self::Json),
            "json+lz4" => Some(Self::JsonLz4),
            "json+zstd" => Some(Self::JsonZstd),
            _ => None,
        })
    }

    pub(in crate::trino) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::JsonLz4 => "json+lz4",
            Self::JsonZstd => "json+zstd",
        }
    }

    /// Returns the compressed bytes; none if they are no fewer.
    fn compress(self, rows: &[u8]) -> Result<Option<Vec<u8>>> {
        let compressed = match self {
            Self::Json => return Ok(None),
            Self::JsonLz4 => lz4_flex::block::compress(rows),
            Self::JsonZstd => {
                zstd::bulk::compress(rows, ZSTD_LEVEL).map_err(|error| Error::Internal {
                    message: format!("cannot compress a segment: {error}"),
                })?
            }
        };
        Ok((compressed.len() < rows.len()).then_some(compressed))
    }
}

/// Writes `data` as a list of segments.
#[derive(Debug)]
pub(in crate::trino) struct SpooledPages {
    spool: Arc<Spool>,
    query: QueryId,
    /// What the client reached us under.
    base: String,
    encoding: Encoding,
    encoder: RowEncoder,
    segment_bytes: usize,
    inline_bytes: usize,
    rows: Vec<u8>,
    row_count: usize,
    row_offset: usize,
    /// Uploads outlive a page that is dropped midway, so that what they store can be deleted after them.
    uploads: TaskTracker,
}

impl SpooledPages {
    pub(in crate::trino) fn new(
        spool: Arc<Spool>,
        query: QueryId,
        base: String,
        encoding: Encoding,
        encoder: RowEncoder,
        config: &TrinoConfig,
    ) -> Self {
        Self {
            spool,
            query,
            base,
            encoding,
            encoder,
            segment_bytes: config.spool_segment_bytes.max(1),
            inline_bytes: config.spool_inline_bytes,
            rows: Vec::new(),
            row_count: 0,
            row_offset: 0,
            uploads: TaskTracker::new(),
        }
    }

    fn inline(&self, rows: &[u8], place: Value) -> Value {
        json!({ "type": "inline", "data": STANDARD.encode(rows), "metadata": place })
    }

    async fn spooled(&self, rows: Vec<u8>, mut place: Value) -> Result<Value> {
        let segment = self.spool.reserve(&self.query);
        let (spool, encoding) = (Arc::clone(&self.spool), self.encoding);
        let uploading = self.uploads.spawn(async move {
            let compressing = tokio::task::spawn_blocking(move || {
                let full = rows.len();
                let compressed = encoding.compress(&rows)?;
                let is_compressed = compressed.is_some();
                let bytes = compressed.unwrap_or(rows);
                Ok::<_, Error>((bytes, is_compressed.then_some(full)))
            });
            let (bytes, full) = compressing.await.map_err(lost)??;
            let size = bytes.len();
            spool.put(segment, Bytes::from(bytes)).await?;
            Ok::<_, Error>((size, full))
        });
        let (size, full) = uploading.await.map_err(lost)??;
        set(&mut place, "segmentSize", json!(size));
        if let Some(full) = full {
            set(&mut place, "uncompressedSize", json!(full));
        }
        set(&mut place, "expiresAt", json!(expires_at(segment)));
        let token = self.spool.signer.sign(segment);
        Ok(json!({
            "type": "spooled",
            "uri": format!("{}/v1/spooled/download/{token}", self.base),
            "ackUri": format!("{}/v1/spooled/ack/{token}", self.base),
            "metadata": place,
            "headers": {},
        }))
    }
}

fn expires_at(segment: SegmentId) -> String {
    segment
        .expires_at()
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

fn set(place: &mut Value, key: &str, value: Value) {
    if let Some(map) = place.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}

fn lost(error: tokio::task::JoinError) -> Error {
    Error::Internal {
        message: format!("a segment was lost: {error}"),
    }
}

#[async_trait]
impl PageWriter for SpooledPages {
    fn begin(&mut self, schema: &SchemaRef) -> Result<()> {
        self.encoder.set_schema(schema);
        Ok(())
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.row_count += batch.num_rows();
        self.encoder.write(batch, &mut self.rows)
    }

    fn page_bytes(&self) -> usize {
        self.rows.len()
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= self.segment_bytes
    }

    async fn finish_page(&mut self) -> Result<Bytes> {
        let next = Vec::with_capacity(self.rows.len().min(self.segment_bytes));
        let mut rows = std::mem::replace(&mut self.rows, next);
        rows.push(b']');
        let count = std::mem::take(&mut self.row_count);
        let mut place = json!({ "rowOffset": self.row_offset, "rowsCount": count });
        self.row_offset += count;
        let segment = if rows.len() <= self.inline_bytes {
            set(&mut place, "segmentSize", json!(rows.len()));
            self.inline(&rows, place)
        } else {
            self.spooled(rows, place).await?
        };
        let page = json!({
            "encoding": self.encoding.name(),
            "metadata": {},
            "segments": [segment],
        });
        Ok(Bytes::from(page.to_string()))
    }

    async fn discard(&mut self) {
        self.rows = Vec::new();
        self.uploads.close();
        self.uploads.wait().await;
        self.spool.discard(&self.query).await;
    }
}
