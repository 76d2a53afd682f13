//! How far a group has read a topic, for pages and dashboards.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::LastReason;
use crate::{Error, KafkaConfig, Result};

/// Events of the client that are taken at one look.
const MAX_EVENTS: usize = 100;

/// Records of a topic, over all partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopicLag {
    /// Offsets the broker keeps.
    pub records: u64,
    /// Offsets after what the group committed.
    pub lag: u64,
}

/// Asks a broker without joining the group.
pub struct LagProbe {
    consumer: Arc<BaseConsumer<LastReason>>,
    topic: String,
    brokers: String,
    timeout: Duration,
}

impl std::fmt::Debug for LagProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("LagProbe");
        debug.field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl LagProbe {
    /// Prepares a probe; it connects in the background.
    ///
    /// # Errors
    /// A setting is not one of librdkafka's.
    pub fn new(kafka: &KafkaConfig, topic: &str, group: &str, timeout: Duration) -> Result<Self> {
        let settings = kafka.client(&[("group.id", group), ("enable.auto.commit", "false")]);
        let consumer = settings
            .create_with_context(LastReason::default())
            .map_err(Error::kafka("watching topic", topic, &kafka.brokers))?;
        Ok(Self {
            consumer: Arc::new(consumer),
            topic: topic.to_owned(),
            brokers: kafka.brokers.clone(),
            timeout,
        })
    }

    /// Returns what the broker keeps and what the group has left to read.
    ///
    /// # Errors
    /// The broker does not answer in time.
    pub async fn measure(&self) -> Result<TopicLag> {
        let (consumer, topic, timeout) =
            (Arc::clone(&self.consumer), self.topic.clone(), self.timeout);
        let measured = tokio::task::spawn_blocking(move || {
            // Nobody else takes the client's events, and they must not pile up.
            for _ in 0..MAX_EVENTS {
                consumer.poll(Duration::ZERO);
            }
            let mut list = TopicPartitionList::new();
            let metadata = consumer.fetch_metadata(Some(&topic), timeout)?;
            let code = metadata.topics().iter().find_map(|topic| topic.error());
            match code.map(RDKafkaErrorCode::from) {
                None => {}
                Some(
                    RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic,
                ) => return Ok(TopicLag::default()),
                Some(code) => return Err(KafkaError::MetadataFetch(code)),
            }
            for partition in metadata
                .topics()
                .iter()
                .flat_map(|topic| topic.partitions())
            {
                list.add_partition(&topic, partition.id());
            }
            let mut sum = TopicLag::default();
            let committed = consumer.committed_offsets(list, timeout)?;
            for element in committed.elements() {
                let (low, high) =
                    consumer.fetch_watermarks(&topic, element.partition(), timeout)?;
                let next = match element.offset() {
                    Offset::Offset(next) => next.clamp(low, high),
                    _ => low,
                };
                sum.records += (high - low).unsigned_abs();
                sum.lag += (high - next).unsigned_abs();
            }
            Ok(sum)
        });
        let measured = measured.await.map_err(Error::internal)?;
        measured.map_err(Error::kafka("watching topic", &self.topic, &self.brokers))
    }
}
