//! Each request and its answer: the protocol's shapes stop here.

mod groups;
mod records;
mod topics;
mod transactions;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use kafka_protocol::messages::{ApiKey, BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::Broker;
use super::connection::Request;
use super::journal::CommittedOffset;
use super::shape::{API_VERSIONS, SHAPES};

/// This node's number.
const NODE: BrokerId = BrokerId(1);
/// A consumer's note on an offset, as in Kafka.
const MAX_NOTE_BYTES: usize = 4096;

/// Answers a request; a producer that wants no answer gets none.
pub(super) async fn answer(broker: &Arc<Broker>, request: Request) -> io::Result<Option<Bytes>> {
    match request.api {
        ApiKey::ApiVersions => request.reply(&api_versions(0)),
        ApiKey::Metadata => topics::metadata(broker, &request),
        ApiKey::CreateTopics => apart(broker, request, topics::create).await,
        ApiKey::DeleteTopics => apart(broker, request, topics::delete).await,
        ApiKey::Produce => records::produce(broker, &request).await,
        ApiKey::Fetch => records::fetch(broker, request).await,
        ApiKey::ListOffsets => apart(broker, request, records::list_offsets).await,
        ApiKey::FindCoordinator => groups::find_coordinator(broker, &request),
        ApiKey::JoinGroup => groups::join(broker, request).await,
        ApiKey::SyncGroup => groups::sync(broker, request).await,
        ApiKey::Heartbeat => groups::heartbeat(broker, &request),
        ApiKey::LeaveGroup => groups::leave(broker, &request),
        ApiKey::OffsetCommit => groups::offset_commit(broker, &request),
        ApiKey::OffsetFetch => groups::offset_fetch(broker, &request),
        ApiKey::DescribeGroups => groups::describe(broker, &request),
        ApiKey::ListGroups => groups::list(broker, &request),
        ApiKey::DeleteGroups => groups::delete(broker, &request),
        ApiKey::InitProducerId => apart(broker, request, transactions::init_producer_id).await,
        ApiKey::AddPartitionsToTxn => apart(broker, request, transactions::add_partitions).await,
        ApiKey::AddOffsetsToTxn => apart(broker, request, transactions::add_offsets).await,
        ApiKey::TxnOffsetCommit => apart(broker, request, transactions::offset_commit).await,
        ApiKey::EndTxn => apart(broker, request, transactions::end).await,
        other => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{other:?} is not offered"),
        )),
    }
}

/// Answers where waiting for a disk, or for a lock that is held meanwhile, keeps nobody else waiting.
async fn apart(
    broker: &Arc<Broker>,
    request: Request,
    work: fn(&Broker, &Request) -> io::Result<Option<Bytes>>,
) -> io::Result<Option<Bytes>> {
    let broker = Arc::clone(broker);
    let answered = tokio::task::spawn_blocking(move || work(&broker, &request)).await;
    answered.map_err(io::Error::other)?
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

/// Returns an offset to be stored, with the consumer's note on it.
fn committed(
    topic: &TopicName,
    partition: i32,
    offset: i64,
    note: Option<&StrBytes>,
) -> Result<CommittedOffset, ResponseError> {
    if note.is_some_and(|note| note.len() > MAX_NOTE_BYTES) {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(CommittedOffset {
        topic: topic.0.to_string(),
        partition,
        offset,
        metadata: note.map(|note| note.to_string()),
    })
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}
