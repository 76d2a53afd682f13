//! What the broker knows beside records: a file of JSON lines, read at start and then only appended to.
//!
//! At start the file is written anew with what still holds, so that it does not grow for ever.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use kafka_protocol::error::ResponseError;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::topics::TopicSettings;
use super::transactions::Transaction;

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Event {
    /// The first line.
    Cluster {
        id: Uuid,
    },
    TopicCreated {
        name: String,
        id: Uuid,
        partitions: u32,
        settings: TopicSettings,
    },
    TopicDeleted {
        name: String,
    },
    /// Producer ids below this may have been given away.
    ProducerIds {
        next: i64,
    },
    OffsetCommitted {
        group: String,
        offset: CommittedOffset,
    },
    GroupDeleted {
        group: String,
    },
    Transaction {
        id: String,
        transaction: Transaction,
    },
}

/// How far a group has read a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CommittedOffset {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// The consumer's own note.
    pub(super) metadata: Option<String>,
}

/// The open file.
#[derive(Debug)]
pub(super) struct Journal {
    file: Mutex<File>,
    path: PathBuf,
}

impl Journal {
    /// Reads the events of `folder`. A last line that was never finished is dropped.
    pub(super) fn read(folder: &Path) -> io::Result<Vec<Event>> {
        let path = path(folder);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let finished = bytes.iter().rposition(|byte| *byte == b'\n');
        let whole = bytes
            .get(..finished.map_or(0, |end| end + 1))
            .unwrap_or_default();
        let lines = whole.split_inclusive(|byte| *byte == b'\n').enumerate();
        lines
            .map(|(number, line)| {
                serde_json::from_slice(line).map_err(|error| {
                    let place = format!("`{}` line {}: {error}", path.display(), number + 1);
                    io::Error::new(io::ErrorKind::InvalidData, place)
                })
            })
            .collect()
    }

    /// Replaces the file by `events` and opens it for more.
    pub(super) fn start(folder: &Path, events: &[Event]) -> io::Result<Self> {
        let path = path(folder);
        let mut bytes = Vec::new();
        for event in events {
            serde_json::to_writer(&mut bytes, event)?;
            bytes.push(b'\n');
        }
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        std::fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()?;
        let file = OpenOptions::new().append(true).open(&path)?;
        Ok(Self {
            file: Mutex::new(file),
            path,
        })
    }

    /// Writes an event; once this returns it outlives the process.
    pub(super) fn record(&self, event: &Event) -> Result<(), ResponseError> {
        self.append(event).map_err(|error| {
            tracing::error!(file = %self.path.display(), %error, "the broker's journal cannot be written");
            ResponseError::KafkaStorageError
        })
    }

    /// Makes what was recorded outlive a power failure.
    pub(super) fn sync(&self) {
        if let Err(error) = self.file.lock().sync_data() {
            tracing::error!(file = %self.path.display(), %error, "the broker's journal cannot be synced");
        }
    }

    fn append(&self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        let mut file = self.file.lock();
        let before = file.metadata()?.len();
        if let Err(error) = file.write_all(&line) {
            // Half a line would end the next one's meaning too.
            file.set_len(before)?;
            return Err(error);
        }
        Ok(())
    }
}

#[cfg(test)]
impl Journal {
    /// Goes on in another file.
    pub(super) fn write_to(&self, path: &Path) {
        *self.file.lock() = OpenOptions::new().append(true).open(path).unwrap();
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}
