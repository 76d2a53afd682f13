//! The topics by name. A topic that is made again under its old name is another one, in another folder.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::journal::{Event, Journal};
use super::partition::Partition;

/// Partitions of all topics together.
const MAX_PARTITIONS: usize = 1_000;
const MAX_NAME_BYTES: usize = 249;

/// What may differ from topic to topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TopicSettings {
    pub(super) segment_bytes: u64,
    /// Bytes a partition keeps at most, rounded up to whole segments.
    pub(super) retention_bytes: Option<u64>,
    /// Milliseconds a record is kept at least.
    pub(super) retention_ms: Option<i64>,
    pub(super) max_message_bytes: usize,
}

/// A topic.
#[derive(Debug)]
pub(super) struct Topic {
    id: Uuid,
    partitions: Vec<Mutex<Partition>>,
}

/// All topics.
#[derive(Debug)]
pub(super) struct Topics {
    folder: PathBuf,
    journal: Arc<Journal>,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
}

impl Topic {
    fn open(folder: &Path, id: Uuid, partitions: u32, settings: TopicSettings) -> io::Result<Self> {
        let folder = folder.join(id.to_string());
        let open = |number: u32| {
            Partition::open(folder.join(number.to_string()), settings).map(Mutex::new)
        };
        Ok(Self {
            id,
            partitions: (0..partitions).map(open).collect::<io::Result<_>>()?,
        })
    }

    /// Returns a partition.
    pub(super) fn partition(&self, number: i32) -> Option<&Mutex<Partition>> {
        self.partitions.get(usize::try_from(number).ok()?)
    }

    /// Returns how many partitions there are.
    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }
}

impl Topics {
    /// Opens the topics that the journal knows; folders of others are left alone.
    pub(super) fn open(
        folder: PathBuf,
        journal: Arc<Journal>,
        known: &BTreeMap<String, (Uuid, u32, TopicSettings)>,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let mut topics = BTreeMap::new();
        for (name, (id, partitions, settings)) in known {
            let topic = Topic::open(&folder, *id, *partitions, *settings)?;
            topics.insert(name.clone(), Arc::new(topic));
        }
        for id in find_ids(&folder)? {
            if !known.values().any(|(known, ..)| *known == id) {
                let folder = folder.join(id.to_string());
                tracing::warn!(folder = %folder.display(), "a folder belongs to no known topic and is left alone");
            }
        }
        Ok(Self {
            folder,
            journal,
            topics: RwLock::new(topics),
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().get(name).cloned()
    }

    pub(super) fn all(&self) -> Vec<(String, Arc<Topic>)> {
        let topics = self.topics.read();
        topics
            .iter()
            .map(|(name, topic)| (name.clone(), Arc::clone(topic)))
            .collect()
    }

    /// Checks whether a topic could be made.
    pub(super) fn check(&self, name: &str, partitions: i32) -> Result<u32, ResponseError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty()
            || name.len() > MAX_NAME_BYTES
            || matches!(name, "." | "..")
            || !name.bytes().all(is_plain)
        {
            return Err(ResponseError::InvalidTopicException);
        }
        let topics = self.topics.read();
        if topics.contains_key(name) {
            return Err(ResponseError::TopicAlreadyExists);
        }
        let there: usize = topics.values().map(|topic| topic.len()).sum();
        match u32::try_from(partitions) {
            Ok(count) if count > 0 && there + count as usize <= MAX_PARTITIONS => Ok(count),
            _ => Err(ResponseError::InvalidPartitions),
        }
    }

    /// Makes a topic.
    pub(super) fn create(
        &self,
        name: &str,
        partitions: i32,
        settings: TopicSettings,
    ) -> Result<Arc<Topic>, ResponseError> {
        let count = self.check(name, partitions)?;
        let id = Uuid::new_v4();
        let created = self.create_as(id, name, count, settings);
        if created.is_err() {
            self.remove_folder(id);
        }
        created
    }

    fn create_as(
        &self,
        id: Uuid,
        name: &str,
        partitions: u32,
        settings: TopicSettings,
    ) -> Result<Arc<Topic>, ResponseError> {
        let topic = Topic::open(&self.folder, id, partitions, settings).map_err(|error| {
            tracing::error!(topic = name, %error, "a topic cannot be made");
            ResponseError::KafkaStorageError
        })?;
        let topic = Arc::new(topic);
        let mut topics = self.topics.write();
        if topics.contains_key(name) {
            // Somebody was faster.
            return Err(ResponseError::TopicAlreadyExists);
        }
        self.journal.record(&Event::TopicCreated {
            name: name.to_owned(),
            id,
            partitions,
            settings,
        })?;
        topics.insert(name.to_owned(), Arc::clone(&topic));
        Ok(topic)
    }

    /// Removes a topic and its records.
    pub(super) fn delete(&self, name: &str) -> Result<(), ResponseError> {
        let mut topics = self.topics.write();
        let Some(topic) = topics.get(name) else {
            return Err(ResponseError::UnknownTopicOrPartition);
        };
        self.journal.record(&Event::TopicDeleted {
            name: name.to_owned(),
        })?;
        self.remove_folder(topic.id);
        topics.remove(name);
        Ok(())
    }

    fn remove_folder(&self, id: Uuid) {
        let folder = self.folder.join(id.to_string());
        if let Err(error) = std::fs::remove_dir_all(&folder) {
            tracing::warn!(folder = %folder.display(), %error, "a topic's folder cannot be removed");
        }
    }
}

/// Returns the ids of all topics that have a folder, known or not.
pub(super) fn find_ids(folder: &Path) -> io::Result<Vec<Uuid>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        ids.extend(name.to_str().and_then(|name| name.parse::<Uuid>().ok()));
    }
    Ok(ids)
}
