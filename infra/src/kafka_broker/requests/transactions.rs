//! Producer ids and transactions.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResponse, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, EndTxnRequest,
    EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId,
    TxnOffsetCommitRequest,
};

use super::committed;
use crate::kafka_broker::connection::Request;
use crate::kafka_broker::transactions::ProducerIdentity;
use crate::kafka_broker::{Broker, code};

pub(super) fn init_producer_id(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: InitProducerIdRequest = request.decode()?;
    let given = match &asked.transactional_id {
        None => broker.transactions.new_producer(),
        Some(id) => {
            let timeout = u64::try_from(asked.transaction_timeout_ms).unwrap_or(0);
            let taken = broker
                .transactions
                .take_over(id.0.as_str(), Duration::from_millis(timeout));
            broker.appended.notify_waiters();
            taken
        }
    };
    let answer = InitProducerIdResponse::default().with_error_code(code(&given));
    request.reply(&match given {
        Ok(producer) => answer
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch),
        Err(_) => answer
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    })
}

pub(super) fn add_partitions(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: AddPartitionsToTxnRequest = request.decode()?;
    let topics = &asked.v3_and_below_topics;
    let mut partitions = Vec::new();
    for topic in topics {
        let name = topic.name.0.as_str();
        partitions.extend(
            topic
                .partitions
                .iter()
                .map(|number| (name.to_owned(), *number)),
        );
    }
    let added = broker.transactions.add_partitions(
        asked.v3_and_below_transactional_id.0.as_str(),
        producer(
            asked.v3_and_below_producer_id,
            asked.v3_and_below_producer_epoch,
        ),
        &partitions,
    );
    let results = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|number| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*number)
                .with_partition_error_code(code(&added))
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    });
    let answer = AddPartitionsToTxnResponse::default();
    request.reply(&answer.with_results_by_topic_v3_and_below(results.collect()))
}

pub(super) fn add_offsets(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: AddOffsetsToTxnRequest = request.decode()?;
    let added = broker.transactions.add_group(
        asked.transactional_id.0.as_str(),
        producer(asked.producer_id, asked.producer_epoch),
    );
    request.reply(&AddOffsetsToTxnResponse::default().with_error_code(code(&added)))
}

pub(super) fn offset_commit(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: TxnOffsetCommitRequest = request.decode()?;
    let offsets = asked.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| {
            committed(
                &topic.name,
                partition.partition_index,
                partition.committed_offset,
                partition.committed_metadata.as_ref(),
            )
        })
    });
    let offsets: Result<Vec<_>, _> = offsets.collect();
    let added = offsets.and_then(|offsets| {
        broker.transactions.add_offsets(
            asked.transactional_id.0.as_str(),
            producer(asked.producer_id, asked.producer_epoch),
            asked.group_id.0.as_str(),
            offsets,
        )
    });
    let topics = asked.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(&added))
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    request.reply(&TxnOffsetCommitResponse::default().with_topics(topics.collect()))
}

pub(super) fn end(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: EndTxnRequest = request.decode()?;
    let ended = broker.transactions.end_by(
        asked.transactional_id.0.as_str(),
        producer(asked.producer_id, asked.producer_epoch),
        asked.committed,
    );
    broker.appended.notify_waiters();
    request.reply(&EndTxnResponse::default().with_error_code(code(&ended)))
}

fn producer(id: ProducerId, epoch: i16) -> ProducerIdentity {
    ProducerIdentity { id: id.0, epoch }
}
