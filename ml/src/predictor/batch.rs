//! What was waiting on the request topic.

use std::collections::BTreeMap;

use futures::FutureExt;
use rdkafka::consumer::StreamConsumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use crate::prediction_store::Prediction;
use crate::requests::PredictionRequest;
use crate::{Error, LoadedModel, Result};

#[derive(Debug, Default)]
pub(super) struct Batch {
    requests: Vec<PredictionRequest>,
    malformed: u64,
    /// Next position to read, per partition.
    next: BTreeMap<i32, i64>,
}

impl Batch {
    /// Waits for one record and takes along what else has arrived, up to `max`.
    ///
    /// # Cancel safety
    /// Only the wait for the first record can be cancelled; no record is lost.
    pub(super) async fn receive(consumer: &StreamConsumer, max: usize) -> Result<Self, KafkaError> {
        let mut batch = Self::default();
        batch.take(&consumer.recv().await?);
        for _ in 1..max {
            // An error here comes again when nothing else is in hand.
            let Some(Ok(message)) = consumer.recv().now_or_never() else {
                break;
            };
            batch.take(&message);
        }
        Ok(batch)
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        self.next.insert(message.partition(), message.offset() + 1);
        match PredictionRequest::decode(message.payload().unwrap_or_default()) {
            Ok(request) => self.requests.push(request),
            Err(error) => {
                self.malformed += 1;
                tracing::warn!(
                    partition = message.partition(),
                    offset = message.offset(),
                    error = %error,
                    "record is not a prediction request, skipped"
                );
            }
        }
    }

    pub(super) fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Answers every request; the last of several with one id wins, as it would one after another.
    pub(super) fn predict(&self, model: &LoadedModel) -> Vec<Prediction> {
        let by_id: BTreeMap<_, _> = self
            .requests
            .iter()
            .map(|request| (request.uuid, request))
            .collect();
        let answer = |request: &PredictionRequest| {
            let (class, probabilities) = model.predict(&request.flight());
            Prediction {
                request: request.clone(),
                class,
                probabilities,
                model_version: model.card.model,
                table_version: model.card.table_version,
            }
        };
        by_id.into_values().map(answer).collect()
    }

    pub(super) fn next_offsets(&self, topic: &str) -> Result<TopicPartitionList> {
        let mut offsets = TopicPartitionList::with_capacity(self.next.len());
        for (partition, next) in &self.next {
            offsets
                .add_partition_offset(topic, *partition, Offset::Offset(*next))
                .map_err(|source| Error::Kafka {
                    action: "noting offsets",
                    topic: topic.to_owned(),
                    source,
                })?;
        }
        Ok(offsets)
    }
}
