//! A topic through librdkafka's consumer group, on a thread of its own.
//!
//! ```text
//! thread: poll -> pack records by partition --bounded channel--> pipeline
//!              -> rebalance callback: ask the pipeline and wait for its answer
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use arrow::array::BinaryBuilder;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{LanePosition, RawRecords, SourceEvent, Watermarks};
use crate::client::{self, LastReason};
use crate::producer::{LANE_HEADER, SEQUENCE_HEADER};
use crate::{Error, IngestConfig, KafkaConfig, Result};

/// Packs waiting for the pipeline; with [`PACK_BYTES`] they bound the memory before it.
const PACKS: usize = 4;
const PACK_RECORDS: usize = 16_384;
const PACK_BYTES: usize = 4 << 20;
/// How soon a stop is seen.
const POLL: Duration = Duration::from_millis(100);
/// Longest name of a numbering producer, in bytes.
const MAX_LANE: usize = 200;

/// A subscribed consumer.
pub(crate) struct KafkaSource {
    events: mpsc::Receiver<SourceEvent>,
    consumer: Arc<BaseConsumer<Context>>,
    thread: JoinHandle<()>,
    topic: String,
}

impl KafkaSource {
    /// Joins the group; partitions arrive as [`SourceEvent::Assigned`].
    pub(crate) fn subscribe(
        kafka: &KafkaConfig,
        config: &IngestConfig,
        topic: &str,
    ) -> Result<Self> {
        let fail = || Error::kafka("subscribing to topic", topic, &kafka.brokers);
        let (sender, events) = mpsc::channel(PACKS);
        let context = Context {
            events: sender.clone(),
            topic: topic.to_owned(),
            brokers: kafka.brokers.clone(),
            timeout: config.broker_timeout,
            reason: LastReason::default(),
        };
        let group = config.group(topic);
        let settings = kafka.client(&[
            ("group.id", &group),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // An offset the broker does not have means that the topic is another one than we knew.
            ("auto.offset.reset", "error"),
            ("fetch.wait.max.ms", "100"),
            ("queued.max.messages.kbytes", "32768"),
            ("topic.metadata.refresh.interval.ms", "10000"),
            ("reconnect.backoff.max.ms", "2000"),
        ]);
        let consumer: BaseConsumer<Context> =
            settings.create_with_context(context).map_err(fail())?;
        consumer.subscribe(&[topic]).map_err(fail())?;
        let consumer = Arc::new(consumer);
        let reader = Reader {
            consumer: Arc::clone(&consumer),
            events: sender,
            topic: topic.to_owned(),
            brokers: kafka.brokers.clone(),
        };
        Ok(Self {
            events,
            consumer,
            thread: tokio::task::spawn_blocking(move || reader.run()),
            topic: topic.to_owned(),
        })
    }

    /// Returns the next event; none when the thread ended without saying why.
    ///
    /// # Cancel safety
    /// Nothing is lost when dropped midway.
    pub(crate) async fn next(&mut self) -> Option<SourceEvent> {
        self.events.recv().await
    }

    /// Tells the group how far we are, for those who watch its lag; nobody reads it back.
    pub(crate) fn report(&self, next_offsets: &BTreeMap<i32, i64>) {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in next_offsets {
            let added = list.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset));
            if added.is_err() {
                return;
            }
        }
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(topic = %self.topic, %error, "offsets are not reported");
        }
    }

    /// Leaves the group and waits until the consumer is closed.
    pub(crate) async fn close(self) {
        let Self {
            events,
            consumer,
            thread,
            topic,
        } = self;
        // The thread sees that nobody listens.
        drop(events);
        let ended = thread.await;
        // Closing waits for the broker, which must not block the runtime.
        let closed = tokio::task::spawn_blocking(move || drop(consumer)).await;
        if let Err(error) = ended.and(closed) {
            tracing::error!(%topic, %error, "the reader of a topic ended early");
        }
    }
}

/// What runs on the thread.
struct Reader {
    consumer: Arc<BaseConsumer<Context>>,
    events: mpsc::Sender<SourceEvent>,
    topic: String,
    brokers: String,
}

impl Reader {
    fn run(self) {
        while !self.events.is_closed() {
            let (packs, outcome) = self.gather();
            for records in packs {
                if self
                    .events
                    .blocking_send(SourceEvent::Records(records))
                    .is_err()
                {
                    return;
                }
            }
            if let Err(error) = outcome {
                // The pipeline is gone when nobody takes it.
                let _ = self.events.blocking_send(SourceEvent::Failed(error));
                return;
            }
        }
    }

    /// Waits for a record, then takes what has arrived with it.
    fn gather(&self) -> (Vec<RawRecords>, Result<()>) {
        let mut packs: BTreeMap<i32, Packer> = BTreeMap::new();
        let (mut records, mut bytes) = (0, 0);
        let mut outcome = Ok(());
        while records < PACK_RECORDS && bytes < PACK_BYTES {
            let wait = if records == 0 { POLL } else { Duration::ZERO };
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    records += 1;
                    bytes += message.payload_len() + message.key_len();
                    let packer = packs.entry(message.partition()).or_default();
                    packer.push(&message);
                }
                Some(Err(error)) if is_passing(&error) => {
                    tracing::warn!(topic = %self.topic, %error, "reading goes on when the broker does");
                }
                Some(Err(error)) => {
                    outcome = Err(self.failure(error));
                    break;
                }
                None => break,
            }
        }
        let packs = packs
            .into_iter()
            .map(|(partition, packer)| packer.finish(partition));
        (packs.collect(), outcome)
    }

    fn failure(&self, source: KafkaError) -> Error {
        if source.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            return Error::NoBroker {
                brokers: self.brokers.clone(),
                reason: self.consumer.context().reason.get(),
            };
        }
        Error::kafka("reading topic", &self.topic, &self.brokers)(source)
    }
}

/// Reports whether librdkafka itself goes on after this.
fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        BrokerTransportFailure, NotCoordinator, OperationTimedOut, RequestTimedOut, Resolve,
    };
    let passing = [
        BrokerTransportFailure,
        NotCoordinator,
        OperationTimedOut,
        RequestTimedOut,
        Resolve,
    ];
    !matches!(error, KafkaError::MessageConsumptionFatal(_))
        && error
            .rdkafka_error_code()
            .is_some_and(|code| passing.contains(&code))
}

#[derive(Default)]
struct Packer {
    offsets: Vec<i64>,
    keys: BinaryBuilder,
    payloads: BinaryBuilder,
    lanes: Vec<Option<LanePosition>>,
    /// The last lane seen: records of one lane share its name.
    lane: Option<Arc<str>>,
}

impl Packer {
    fn push(&mut self, message: &BorrowedMessage<'_>) {
        self.offsets.push(message.offset());
        self.keys.append_option(message.key());
        self.payloads.append_option(message.payload());
        let position = self.lane_of(message);
        self.lanes.push(position);
    }

    fn lane_of(&mut self, message: &BorrowedMessage<'_>) -> Option<LanePosition> {
        let (mut lane, mut sequence) = (None, None);
        for header in message.headers()?.iter() {
            let text = std::str::from_utf8(header.value.unwrap_or_default());
            match header.key {
                LANE_HEADER => lane = Some(text.unwrap_or_default()),
                SEQUENCE_HEADER => sequence = text.ok().and_then(|text| text.parse::<i64>().ok()),
                _ => {}
            }
        }
        let lane = lane?;
        let (lane, sequence) = match sequence {
            Some(sequence) if sequence >= 0 && lane.len() <= MAX_LANE => (lane, sequence),
            _ => ("", 0),
        };
        let known = self.lane.as_ref().filter(|known| ***known == *lane);
        let lane = known.map_or_else(|| Arc::from(lane), Arc::clone);
        self.lane = Some(Arc::clone(&lane));
        Some(LanePosition { lane, sequence })
    }

    fn finish(mut self, partition: i32) -> RawRecords {
        RawRecords {
            partition,
            offsets: self.offsets,
            keys: self.keys.finish(),
            payloads: self.payloads.finish(),
            lanes: self.lanes,
        }
    }
}

/// What librdkafka calls back on the polling thread.
#[derive(Debug)]
pub(crate) struct Context {
    events: mpsc::Sender<SourceEvent>,
    topic: String,
    brokers: String,
    timeout: Duration,
    reason: LastReason,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reason.note(&error, reason);
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        err: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let is_cooperative = matches!(
            consumer.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        );
        let outcome = if err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let assigned = self.begin(consumer, partitions);
            // Without an answer nothing is read, but the group must be told that we took part.
            let (list, asked) = match assigned {
                Ok(list) => (list, Ok(())),
                Err(error) => (TopicPartitionList::new(), Err(error)),
            };
            let taken = if is_cooperative {
                consumer.incremental_assign(&list)
            } else {
                consumer.assign(&list)
            };
            asked.and(taken)
        } else {
            self.end(partitions);
            if is_cooperative {
                consumer.incremental_unassign(partitions)
            } else {
                consumer.unassign()
            }
        };
        if let Err(error) = outcome {
            let failed = Error::kafka("sharing partitions of", &self.topic, &self.brokers)(error);
            let _ = self.events.blocking_send(SourceEvent::Failed(failed));
        }
    }
}

impl Context {
    /// Asks the pipeline where to begin.
    fn begin(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &TopicPartitionList,
    ) -> Result<TopicPartitionList, KafkaError> {
        let (ready, answer) = sync_channel(1);
        if self
            .ask(SourceEvent::Assigning { ready }, &answer)
            .is_none()
        {
            return Ok(TopicPartitionList::new());
        }
        let mut watermarks = BTreeMap::new();
        let metadata = consumer.fetch_metadata(Some(&self.topic), self.timeout)?;
        for topic in metadata.topics() {
            if let Some(code) = topic.error() {
                return Err(KafkaError::MetadataFetch(code.into()));
            }
            for partition in topic.partitions() {
                let (low, high) =
                    consumer.fetch_watermarks(&self.topic, partition.id(), self.timeout)?;
                watermarks.insert(partition.id(), Watermarks { low, high });
            }
        }
        let partitions = ids(partitions);
        // An old broker may not know a new partition yet; taking it for an empty one would store it twice.
        if partitions.iter().any(|id| !watermarks.contains_key(id)) {
            return Err(KafkaError::MetadataFetch(
                RDKafkaErrorCode::UnknownPartition,
            ));
        }
        let (reply, answer) = sync_channel(1);
        let assigned = SourceEvent::Assigned {
            partitions,
            watermarks,
            reply,
        };
        let mut list = TopicPartitionList::new();
        for (partition, offset) in self.ask(assigned, &answer).unwrap_or_default() {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        }
        Ok(list)
    }

    /// Lets the pipeline store what it has before others go on.
    fn end(&self, partitions: &TopicPartitionList) {
        let (done, answer) = sync_channel(1);
        let partitions = ids(partitions);
        self.ask(SourceEvent::Revoked { partitions, done }, &answer);
    }

    /// Waits for the pipeline's answer; none when it is stopping.
    fn ask<T>(&self, event: SourceEvent, answer: &Receiver<T>) -> Option<T> {
        self.events.blocking_send(event).ok()?;
        loop {
            match answer.recv_timeout(POLL) {
                Ok(answer) => return Some(answer),
                // The event may lie in a channel that nobody reads any more.
                Err(RecvTimeoutError::Timeout) if !self.events.is_closed() => {}
                Err(_) => return None,
            }
        }
    }
}

fn ids(list: &TopicPartitionList) -> Vec<i32> {
    list.elements()
        .iter()
        .map(|element| element.partition())
        .collect()
}
