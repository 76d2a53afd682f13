//! Which topics there are.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicResult, CreateTopicsResponse,
};
use kafka_protocol::messages::delete_topics_response::{
    DeletableTopicResult, DeleteTopicsResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{DeleteTopicsRequest, MetadataRequest};

use super::{NODE, text, topic_name};
use crate::kafka_broker::connection::Request;
use crate::kafka_broker::topics::TopicSettings;
use crate::kafka_broker::{Broker, code};

/// Small segments would mean many files.
const MIN_SEGMENT_BYTES: u64 = 1 << 20;

pub(super) fn metadata(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: MetadataRequest = request.decode()?;
    let names = match asked.topics {
        // Version 0 says "all" with an empty list, later ones with none.
        Some(topics) if request.version > 0 || !topics.is_empty() => {
            let names = topics.into_iter().filter_map(|topic| topic.name);
            names.map(|name| name.0.to_string()).collect()
        }
        _ => broker
            .topics
            .all()
            .into_iter()
            .map(|(name, _)| name)
            .collect::<BTreeSet<_>>(),
    };
    let may_create = broker.auto_create_topics && asked.allow_auto_topic_creation;
    let topics = names.iter().map(|name| describe(broker, name, may_create));
    let node = MetadataResponseBroker::default()
        .with_node_id(NODE)
        .with_host(text(&broker.address.ip().to_string()))
        .with_port(i32::from(broker.address.port()));
    let mut answer = MetadataResponse::default()
        .with_controller_id(NODE)
        .with_brokers(vec![node])
        .with_topics(topics.collect());
    if request.version >= 2 {
        answer.cluster_id = Some(text(&broker.cluster_id));
    }
    request.reply(&answer)
}

fn describe(broker: &Broker, name: &str, may_create: bool) -> MetadataResponseTopic {
    let topic = match broker.topics.get(name) {
        None if may_create => {
            let made = broker
                .topics
                .create(name, broker.default_partitions, broker.defaults);
            match made {
                Err(ResponseError::TopicAlreadyExists) => broker
                    .topics
                    .get(name)
                    .ok_or(ResponseError::UnknownTopicOrPartition),
                made => made,
            }
        }
        None => Err(ResponseError::UnknownTopicOrPartition),
        Some(topic) => Ok(topic),
    };
    let answer = MetadataResponseTopic::default()
        .with_name(Some(topic_name(name)))
        .with_error_code(code(&topic));
    let Ok(topic) = topic else {
        return answer;
    };
    let partitions = (0..i32::try_from(topic.len()).unwrap_or(0)).map(|number| {
        MetadataResponsePartition::default()
            .with_partition_index(number)
            .with_leader_id(NODE)
            .with_replica_nodes(vec![NODE])
            .with_isr_nodes(vec![NODE])
    });
    answer.with_partitions(partitions.collect())
}

pub(super) fn create(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: CreateTopicsRequest = request.decode()?;
    let results = asked.topics.iter().map(|topic| {
        let made = create_one(broker, topic, asked.validate_only);
        let mut result = CreatableTopicResult::default()
            .with_name(topic.name.clone())
            .with_error_code(made.as_ref().err().map_or(0, |(error, _)| error.code()));
        if let Err((_, reason)) = made {
            result.error_message = Some(text(&reason));
        }
        result
    });
    request.reply(&CreateTopicsResponse::default().with_topics(results.collect()))
}

fn create_one(
    broker: &Broker,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<(), (ResponseError, String)> {
    let plain = |error: ResponseError| (error, error.to_string());
    if !topic.assignments.is_empty() {
        let reason = "this broker is one node: replicas cannot be assigned".to_owned();
        return Err((ResponseError::InvalidReplicaAssignment, reason));
    }
    if !matches!(topic.replication_factor, -1 | 1) {
        let reason = "this broker is one node: the replication factor is 1".to_owned();
        return Err((ResponseError::InvalidReplicationFactor, reason));
    }
    let mut settings = broker.defaults;
    for config in &topic.configs {
        let value = config.value.as_ref().map_or("", |value| value.as_str());
        apply(&mut settings, config.name.as_str(), value)
            .map_err(|reason| (ResponseError::InvalidConfig, reason))?;
    }
    let partitions = match topic.num_partitions {
        -1 => broker.default_partitions,
        given => given,
    };
    let name = topic.name.0.as_str();
    if validate_only {
        broker.topics.check(name, partitions).map_err(plain)?;
    } else {
        broker
            .topics
            .create(name, partitions, settings)
            .map_err(plain)?;
    }
    Ok(())
}

/// Applies one of the topic settings we have; others are refused and not ignored.
fn apply(settings: &mut TopicSettings, name: &str, value: &str) -> Result<(), String> {
    let number = || {
        value
            .parse::<i64>()
            .map_err(|_| format!("`{name}` is `{value}`, not a number"))
    };
    let size = || {
        number().and_then(|size| u64::try_from(size).map_err(|_| format!("`{name}` is negative")))
    };
    match name {
        "retention.ms" => settings.retention_ms = Some(number()?).filter(|age| *age >= 0),
        "retention.bytes" => settings.retention_bytes = u64::try_from(number()?).ok(),
        "segment.bytes" => settings.segment_bytes = size()?.max(MIN_SEGMENT_BYTES),
        "max.message.bytes" => {
            settings.max_message_bytes = usize::try_from(size()?).unwrap_or(usize::MAX);
        }
        "cleanup.policy" if value == "delete" => {}
        "cleanup.policy" => return Err("this broker does not compact".to_owned()),
        _ => return Err(format!("this broker has no topic setting `{name}`")),
    }
    Ok(())
}

pub(super) fn delete(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: DeleteTopicsRequest = request.decode()?;
    let results = asked.topic_names.into_iter().map(|name| {
        let deleted = broker.topics.delete(name.0.as_str());
        if deleted.is_ok() {
            broker.groups.forget_topic(name.0.as_str());
        }
        DeletableTopicResult::default()
            .with_error_code(code(&deleted))
            .with_name(Some(name))
    });
    request.reply(&DeleteTopicsResponse::default().with_responses(results.collect()))
}
