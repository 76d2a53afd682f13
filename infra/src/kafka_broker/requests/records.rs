//! Appending and reading records.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchResponse, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, ProduceRequest};
use kafka_protocol::messages::produce_response::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, ProducerId};
use tokio::time::{Instant, timeout_at};

use crate::kafka_broker::connection::Request;
use crate::kafka_broker::topics::Topic;
use crate::kafka_broker::transactions::ProducerIdentity;
use crate::kafka_broker::{Broker, batch};

/// Most bytes in one answer to a fetch; one batch may be larger.
const MAX_FETCH_BYTES: usize = 64 << 20;
const MAX_FETCH_WAIT: Duration = Duration::from_secs(60);
const READ_COMMITTED: i8 = 1;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

pub(super) async fn produce(broker: &Arc<Broker>, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: ProduceRequest = request.decode()?;
    let acks = asked.acks;
    let work = Arc::clone(broker);
    let appended = tokio::task::spawn_blocking(move || append(&work, &asked)).await;
    let topics = appended.map_err(io::Error::other)?;
    broker.appended.notify_waiters();
    if acks == 0 {
        return Ok(None);
    }
    request.reply(&ProduceResponse::default().with_responses(topics))
}

fn append(broker: &Broker, asked: &ProduceRequest) -> Vec<TopicProduceResponse> {
    let transaction = asked.transactional_id.as_ref().map(|id| id.0.as_str());
    let topics = asked.topic_data.iter().map(|data| {
        let name = data.name.0.as_str();
        let topic = broker.topics.get(name);
        let partitions = data.partition_data.iter().map(|data| {
            let place = topic.as_ref().ok_or(ResponseError::UnknownTopicOrPartition);
            let appended = match asked.acks {
                -1..=1 => {
                    place.and_then(|topic| append_to(broker, (name, topic), data, transaction))
                }
                _ => Err(ResponseError::InvalidRequiredAcks),
            };
            let mut answer = PartitionProduceResponse::default()
                .with_index(data.index)
                .with_log_append_time_ms(-1);
            match appended {
                Ok((base, start)) => {
                    answer.base_offset = base;
                    answer.log_start_offset = start;
                }
                Err(error) => {
                    answer.error_code = error.code();
                    answer.base_offset = -1;
                }
            }
            answer
        });
        TopicProduceResponse::default()
            .with_name(data.name.clone())
            .with_partition_responses(partitions.collect())
    });
    topics.collect()
}

/// Appends and returns the offset of the first record and the first offset that is kept.
fn append_to(
    broker: &Broker,
    (name, topic): (&str, &Arc<Topic>),
    data: &PartitionProduceData,
    transaction: Option<&str>,
) -> Result<(i64, i64), ResponseError> {
    let partition = topic
        .partition(data.index)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let batches = batch::split(data.records.clone().unwrap_or_default())?;
    let append = || {
        let mut partition = partition.lock();
        let mut base = None;
        for (header, batch) in &batches {
            let offset = partition.append(header, batch)?;
            base.get_or_insert(offset);
        }
        let base = base.ok_or(ResponseError::InvalidRecord)?;
        Ok((base, partition.start()))
    };
    let headers = batches.iter().map(|(header, _)| header);
    let producers: Vec<_> = headers
        .filter(|header| header.is_transactional())
        .map(|header| ProducerIdentity {
            id: header.producer_id,
            epoch: header.producer_epoch,
        })
        .collect();
    if producers.is_empty() {
        return append();
    }
    let id = transaction.ok_or(ResponseError::InvalidTxnState)?;
    let place = (name.to_owned(), data.index);
    broker
        .transactions
        .append_within(id, producers, &place, append)
}

/// Waits until there is enough to read, or until the consumer's patience ends.
pub(super) async fn fetch(broker: &Arc<Broker>, mut request: Request) -> io::Result<Option<Bytes>> {
    let asked: Arc<FetchRequest> = Arc::new(request.decode()?);
    request.release();
    let patience = Duration::from_millis(u64::try_from(asked.max_wait_ms).unwrap_or(0));
    let until = Instant::now() + patience.min(MAX_FETCH_WAIT);
    let wanted = usize::try_from(asked.min_bytes).unwrap_or(0);
    loop {
        // Asked for before reading, so that nothing appended in between is missed.
        let mut appended = std::pin::pin!(broker.appended.notified());
        appended.as_mut().enable();
        let (work, wishes) = (Arc::clone(broker), Arc::clone(&asked));
        let read = tokio::task::spawn_blocking(move || read(&work, &wishes)).await;
        let read = read.map_err(io::Error::other)?;
        if read.has_error || read.bytes >= wanted || Instant::now() >= until {
            return request.reply(&FetchResponse::default().with_responses(read.topics));
        }
        // Whether told or out of patience, the next round decides.
        let _ = timeout_at(until, appended).await;
    }
}

struct Read {
    topics: Vec<FetchableTopicResponse>,
    bytes: usize,
    has_error: bool,
}

fn read(broker: &Broker, asked: &FetchRequest) -> Read {
    let mut read = Read {
        topics: Vec::new(),
        bytes: 0,
        has_error: false,
    };
    let most = usize::try_from(asked.max_bytes).unwrap_or(0);
    let most = most.min(MAX_FETCH_BYTES);
    for wish in &asked.topics {
        let topic = broker.topics.get(wish.topic.0.as_str());
        let mut partitions = Vec::new();
        for partition in &wish.partitions {
            let left = most.saturating_sub(read.bytes);
            let mut answer = PartitionData::default()
                .with_partition_index(partition.partition)
                .with_preferred_read_replica(BrokerId(-1))
                .with_high_watermark(-1)
                .with_last_stable_offset(-1)
                .with_records(Some(Bytes::new()));
            let outcome = topic
                .as_ref()
                .ok_or(ResponseError::UnknownTopicOrPartition)
                .and_then(|topic| {
                    read_partition(topic, partition, asked.isolation_level, left, &mut answer)
                });
            if let Err(error) = outcome {
                answer.error_code = error.code();
                read.has_error = true;
            }
            read.bytes += answer.records.as_ref().map_or(0, Bytes::len);
            partitions.push(answer);
        }
        read.topics.push(
            FetchableTopicResponse::default()
                .with_topic(wish.topic.clone())
                .with_partitions(partitions),
        );
    }
    read
}

fn read_partition(
    topic: &Topic,
    wish: &FetchPartition,
    isolation: i8,
    left: usize,
    answer: &mut PartitionData,
) -> Result<(), ResponseError> {
    let partition = topic
        .partition(wish.partition)
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let partition = partition.lock();
    let until = match isolation {
        READ_COMMITTED => partition.last_stable(),
        _ => partition.end(),
    };
    answer.high_watermark = partition.end();
    answer.last_stable_offset = partition.last_stable();
    answer.log_start_offset = partition.start();
    let max = usize::try_from(wish.partition_max_bytes)
        .unwrap_or(0)
        .min(left);
    // Without room nothing is read, but the offset is checked.
    let until = if left == 0 { wish.fetch_offset } else { until };
    let records = partition.read(wish.fetch_offset, until, max)?;
    answer.records = Some(records.into());
    if isolation == READ_COMMITTED {
        let aborted = partition.aborted(wish.fetch_offset, until).map(|one| {
            AbortedTransaction::default()
                .with_producer_id(ProducerId(one.producer_id))
                .with_first_offset(one.first_offset)
        });
        answer.aborted_transactions = Some(aborted.collect());
    }
    Ok(())
}

pub(super) fn list_offsets(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: ListOffsetsRequest = request.decode()?;
    let topics = asked.topics.iter().map(|wish| {
        let topic = broker.topics.get(wish.name.0.as_str());
        let partitions = wish.partitions.iter().map(|partition| {
            let number = partition.partition_index;
            let found = topic
                .as_ref()
                .and_then(|topic| topic.partition(number))
                .ok_or(ResponseError::UnknownTopicOrPartition)
                .and_then(|place| {
                    let place = place.lock();
                    match partition.timestamp {
                        LATEST if asked.isolation_level == READ_COMMITTED => {
                            Ok((place.last_stable(), -1))
                        }
                        LATEST => Ok((place.end(), -1)),
                        EARLIEST => Ok((place.start(), -1)),
                        time if time >= 0 => Ok(place.first_at(time)?.unwrap_or((-1, -1))),
                        _ => Err(ResponseError::UnsupportedVersion),
                    }
                });
            let answer = ListOffsetsPartitionResponse::default().with_partition_index(number);
            match found {
                Ok((offset, timestamp)) => answer.with_offset(offset).with_timestamp(timestamp),
                Err(error) => answer
                    .with_error_code(error.code())
                    .with_offset(-1)
                    .with_timestamp(-1),
            }
        });
        ListOffsetsTopicResponse::default()
            .with_name(wish.name.clone())
            .with_partitions(partitions.collect())
    });
    request.reply(&ListOffsetsResponse::default().with_topics(topics.collect()))
}
