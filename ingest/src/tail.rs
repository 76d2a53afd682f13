//! A topic for a reader who only looks: no group, no offsets kept.

use std::time::Duration;

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};

use crate::client::LastReason;
use crate::{Error, KafkaConfig, Result};

/// Where looking begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailFrom {
    /// With the oldest record the broker keeps.
    Beginning,
    /// With the next one that arrives.
    End,
}

/// Reads all partitions of a topic.
pub struct Tail {
    consumer: StreamConsumer<LastReason>,
    topic: String,
    brokers: String,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Tail");
        debug.field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Tail {
    /// Finds the topic's partitions.
    ///
    /// # Errors
    /// The broker does not answer in time, or there is no such topic.
    pub async fn open(
        kafka: &KafkaConfig,
        topic: &str,
        from: TailFrom,
        timeout: Duration,
    ) -> Result<Self> {
        let fail = || Error::kafka("reading topic", topic, &kafka.brokers);
        let settings = kafka.client(&[
            // librdkafka wants a group even where none is used.
            ("group.id", "lakehouse-tail"),
            ("enable.auto.commit", "false"),
            ("allow.auto.create.topics", "false"),
        ]);
        let consumer: StreamConsumer<LastReason> = settings
            .create_with_context(LastReason::default())
            .map_err(fail())?;
        let name = topic.to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            let metadata = consumer.fetch_metadata(Some(&name), timeout)?;
            let mut list = TopicPartitionList::new();
            let offset = match from {
                TailFrom::Beginning => Offset::Beginning,
                TailFrom::End => Offset::End,
            };
            for topic in metadata.topics() {
                if let Some(code) = topic.error() {
                    return Err(rdkafka::error::KafkaError::MetadataFetch(code.into()));
                }
                for partition in topic.partitions() {
                    list.add_partition_offset(&name, partition.id(), offset)?;
                }
            }
            consumer.assign(&list)?;
            Ok(consumer)
        });
        let consumer = opened.await.map_err(Error::internal)?.map_err(fail())?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            brokers: kafka.brokers.clone(),
        })
    }

    /// Returns the payload of the next record; none for a record without one.
    ///
    /// # Errors
    /// The broker is away.
    ///
    /// # Cancel safety
    /// No record is lost when dropped midway.
    pub async fn next(&self) -> Result<Option<Vec<u8>>> {
        let received = self.consumer.recv().await;
        let message: OwnedMessage = received
            .map_err(Error::kafka("reading topic", &self.topic, &self.brokers))?
            .detach();
        Ok(message.payload().map(<[u8]>::to_vec))
    }
}
