//! Rows waiting for a commit, and when it is due.

use arrow::array::RecordBatch;
use tokio::time::Instant;

use crate::IngestConfig;
use crate::dead_letters::DeadLetter;

/// What the next commit will hold.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) letters: Vec<DeadLetter>,
    rows: usize,
    bytes: usize,
    since: Option<Instant>,
}

impl Buffer {
    /// Adds what became of records of `bytes` bytes; records that became nothing still wait to be marked as read.
    pub(crate) fn add(&mut self, batch: RecordBatch, letters: Vec<DeadLetter>, bytes: usize) {
        self.rows += batch.num_rows();
        self.bytes += bytes;
        self.since.get_or_insert_with(Instant::now);
        if batch.num_rows() > 0 {
            self.batches.push(batch);
        }
        self.letters.extend(letters);
    }

    /// Reports whether it is so full that the commit cannot wait for its time.
    pub(crate) fn is_full(&self, config: &IngestConfig) -> bool {
        self.rows + self.letters.len() >= config.flush_rows || self.bytes >= config.flush_bytes
    }

    /// Returns when the commit is due by age; none when nothing waits.
    pub(crate) fn due(&self, config: &IngestConfig) -> Option<Instant> {
        self.since.map(|since| since + config.flush_interval)
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }
}
