//! The Parquet files of an append, written while its rows still arrive.
//!
//! ```text
//! write(batch) --bounded channel--> encoder, off the runtime's threads
//!                                      |  runs of rows of one partition: views, nothing is copied
//!                                      |  sorted, a row group at a time, where the table asks for it;
//!                                      |  the first rows of a file wait until there are enough of
//!                                      |  them to tell how its values are stored
//!                                      v
//!                                   one open file per partition; it is closed at the table's target
//!                                   size, or before, the longest unused first, when all open files
//!                                   together hold more than the write buffer
//! ```

mod encoder;
mod properties;

use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use deltalake::DeltaTableError;
use deltalake::kernel::Add;
use deltalake::logstore::ObjectStoreRef;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use self::encoder::Encoder;
pub(crate) use self::properties::file_properties;
pub(super) use self::properties::session_properties;
use super::TableSnapshot;
use super::encoding::Encodings;
use crate::error::Result;

/// The table property that names the columns each row group is sorted by, separated by commas.
pub(crate) const SORT_COLUMNS: &str = "lakehouse.sort.columns";

/// Rows that are sorted together, where a table has an order: the groups of a run follow each other.
pub(crate) const SORTED_RUN_ROWS: usize = 1 << 20;
/// Batches on their way to the encoder: one is encoded while the next one is read.
const BATCHES_AHEAD: usize = 2;

/// Writes the files of one append; dropped unfinished, it leaves no file behind.
#[derive(Debug)]
pub(super) struct FileWriter {
    batches: mpsc::Sender<Message>,
    encoder: JoinHandle<Result<Vec<Add>, DeltaTableError>>,
}

enum Message {
    Rows(RecordBatch),
    Finish,
}

impl FileWriter {
    /// Starts writing for the definition that the table has at a version, with `buffer_bytes` of
    /// rows in open files at most.
    /// What is learned about the rows goes into `encodings`.
    pub(super) fn start(
        snapshot: &TableSnapshot,
        encodings: Arc<OnceLock<Encodings>>,
        buffer_bytes: u64,
    ) -> Result<Self> {
        let mut encoder = Encoder::new(snapshot, encodings, buffer_bytes)?;
        let (batches, mut arriving) = mpsc::channel(BATCHES_AHEAD);
        let runtime = tokio::runtime::Handle::current();
        // Encoding is CPU work that would hold an async worker for long.
        let encode = move || {
            runtime.block_on(async move {
                while let Some(message) = arriving.recv().await {
                    let Message::Rows(batch) = message else {
                        return encoder.finish().await;
                    };
                    if let Err(error) = encoder.write(&batch).await {
                        // Senders are told at once, and learn the reason when they finish.
                        arriving.close();
                        encoder.abort().await;
                        return Err(error);
                    }
                }
                encoder.abort().await;
                Ok(Vec::new())
            })
        };
        Ok(Self {
            batches,
            encoder: tokio::task::spawn_blocking(encode),
        })
    }

    /// Hands rows of the table's columns to the encoder, waiting while it is behind. An encoder
    /// that failed takes no more; [`finish`](Self::finish) says why.
    pub(super) async fn write(&self, batch: RecordBatch) {
        // A closed channel means that the encoder failed, which is reported by `finish`.
        let _ = self.batches.send(Message::Rows(batch)).await;
    }

    /// Closes the open files and returns what to commit.
    pub(super) async fn finish(self) -> Result<Vec<Add>, DeltaTableError> {
        let _ = self.batches.send(Message::Finish).await;
        drop(self.batches);
        match self.encoder.await {
            Ok(result) => result,
            Err(error) => Err(DeltaTableError::GenericError {
                source: Box::new(error),
            }),
        }
    }
}

/// Deletes files that no commit refers to; one that cannot be deleted is an orphan for vacuum.
pub(super) async fn discard(store: &ObjectStoreRef, paths: impl Iterator<Item = &str>) {
    for path in paths {
        let deleted = match Path::parse(path) {
            Ok(path) => store.delete(&path).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = deleted {
            warn!(path, error, "orphan file not deleted");
        }
    }
}

/// Returns where files are.
pub(super) fn paths_of(adds: &[Add]) -> impl Iterator<Item = &str> {
    adds.iter().map(|add| add.path.as_str())
}

#[cfg(test)]
mod tests;
