//! Rows in the page itself.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;

use super::encode::RowEncoder;
use crate::Result;
use crate::registry::PageWriter;

/// Writes `data` as a JSON array of rows.
#[derive(Debug)]
pub(super) struct PlainPages {
    encoder: RowEncoder,
    rows: Vec<u8>,
    target_bytes: usize,
}

impl PlainPages {
    pub(super) fn new(encoder: RowEncoder, target_bytes: usize) -> Self {
        Self {
            encoder,
            rows: Vec::new(),
            target_bytes,
        }
    }
}

#[async_trait]
impl PageWriter for PlainPages {
    fn begin(&mut self, schema: &SchemaRef) -> Result<()> {
        self.encoder.set_schema(schema);
        Ok(())
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.encoder.write(batch, &mut self.rows)
    }

    fn page_bytes(&self) -> usize {
        self.rows.len()
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= self.target_bytes
    }

    async fn finish_page(&mut self) -> Result<Bytes> {
        // The next page is about as long as this one.
        let next = Vec::with_capacity(self.rows.len().min(self.target_bytes));
        let mut rows = std::mem::replace(&mut self.rows, next);
        rows.push(b']');
        Ok(Bytes::from(rows))
    }

    async fn discard(&mut self) {
        self.rows = Vec::new();
    }
}
