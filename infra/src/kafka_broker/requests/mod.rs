//! Each request and its answer: the protocol's shapes stop here.

mod groups;
mod records;
mod topics;
mod transactions;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::{ApiKey, BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::Broker;
use super::connection::Request;
use super::shape::{API_VERSIONS, SHAPES};

/// This node's number.
const NODE: BrokerId = BrokerId(1);

/// Answers a request; a producer that wants no answer gets none.
pub(super) async fn answer(broker: &Arc<Broker>, request: &Request) -> io::Result<Option<Bytes>> {
    match request.api {
        ApiKey::ApiVersions => request.reply(&api_versions(0)),
        ApiKey::Metadata => topics::metadata(broker, request),
        ApiKey::CreateTopics => topics::create(broker, request),
        ApiKey::DeleteTopics => topics::delete(broker, request),
        ApiKey::Produce => records::produce(broker, request).await,
        ApiKey::Fetch => records::fetch(broker, request).await,
        ApiKey::ListOffsets => records::list_offsets(broker, request),
        ApiKey::FindCoordinator => groups::find_coordinator(broker, request),
        ApiKey::JoinGroup => groups::join(broker, request).await,
        ApiKey::SyncGroup => groups::sync(broker, request).await,
        ApiKey::Heartbeat => groups::heartbeat(broker, request),
        ApiKey::LeaveGroup => groups::leave(broker, request),
        ApiKey::OffsetCommit => groups::offset_commit(broker, request),
        ApiKey::OffsetFetch => groups::offset_fetch(broker, request),
        ApiKey::DescribeGroups => groups::describe(broker, request),
        ApiKey::ListGroups => groups::list(broker, request),
        ApiKey::DeleteGroups => groups::delete(broker, request),
        ApiKey::InitProducerId => transactions::init_producer_id(broker, request),
        ApiKey::AddPartitionsToTxn => transactions::add_partitions(broker, request),
        ApiKey::AddOffsetsToTxn => transactions::add_offsets(broker, request),
        ApiKey::TxnOffsetCommit => transactions::offset_commit(broker, request),
        ApiKey::EndTxn => transactions::end(broker, request),
        other => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{other:?} is not offered"),
        )),
    }
}

/// Returns what is offered.
pub(super) fn api_versions(error: i16) -> ApiVersionsResponse {
    let mut offered = vec![
        ApiVersion::default()
            .with_api_key(ApiKey::ApiVersions as i16)
            .with_min_version(API_VERSIONS.0)
            .with_max_version(API_VERSIONS.1),
    ];
    for shape in SHAPES {
        let key = shape.api as i16;
        match offered.last_mut().filter(|last| last.api_key == key) {
            Some(last) => last.max_version = shape.max,
            None => offered.push(
                ApiVersion::default()
                    .with_api_key(key)
                    .with_min_version(shape.min)
                    .with_max_version(shape.max),
            ),
        }
    }
    ApiVersionsResponse::default()
        .with_error_code(error)
        .with_api_keys(offered)
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}
