//! Consumer groups and their offsets.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_groups_response::{
    DeletableGroupResult, DeleteGroupsResponse,
};
use kafka_protocol::messages::describe_groups_response::{
    DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use kafka_protocol::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use kafka_protocol::messages::list_groups_response::{ListGroupsResponse, ListedGroup};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorResponse, GroupId, HeartbeatRequest,
    HeartbeatResponse, JoinGroupRequest, LeaveGroupRequest, LeaveGroupResponse,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest, SyncGroupResponse,
};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{NODE, committed, text, topic_name};
use crate::kafka_broker::connection::Request;
use crate::kafka_broker::groups::{Join, Joining, MAX_REBALANCE};
use crate::kafka_broker::journal::CommittedOffset;
use crate::kafka_broker::{Broker, code};

/// The first version that gives a newcomer its id before it may join.
const ID_FIRST_VERSION: i16 = 4;

pub(super) fn find_coordinator(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let answer = FindCoordinatorResponse::default()
        .with_node_id(NODE)
        .with_host(text(&broker.address.ip().to_string()))
        .with_port(i32::from(broker.address.port()));
    request.reply(&answer)
}

pub(super) async fn join(broker: &Broker, mut request: Request) -> io::Result<Option<Bytes>> {
    let refused = |error: ResponseError, member: &str| {
        JoinGroupResponse::default()
            .with_error_code(error.code())
            .with_generation_id(-1)
            .with_protocol_name(Some(text("")))
            .with_member_id(text(member))
    };
    let wish = read_join(&request)?;
    request.release();
    let member = wish.member.clone();
    let wait = match broker.groups.join(wish) {
        Ok(Joining::Wait(wait)) => wait,
        Ok(Joining::TakeId(id)) => {
            return request.reply(&refused(ResponseError::MemberIdRequired, &id));
        }
        Err(error) => return request.reply(&refused(error, &member)),
    };
    let Ok(joined) = wait.await else {
        return request.reply(&refused(ResponseError::UnknownMemberId, &member));
    };
    let members = joined.members.into_iter().map(|(id, metadata)| {
        JoinGroupResponseMember::default()
            .with_member_id(text(&id))
            .with_metadata(metadata)
    });
    let answer = JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_name(Some(joined.protocol))
        .with_leader(text(&joined.leader))
        .with_member_id(text(&joined.member))
        .with_members(members.collect());
    request.reply(&answer)
}

/// Copies what is kept, so that it does not keep the request.
fn read_join(request: &Request) -> io::Result<Join> {
    let asked: JoinGroupRequest = request.decode()?;
    let millis = |value: i32| Duration::from_millis(u64::try_from(value).unwrap_or(0));
    let rebalance = match request.version {
        0 => asked.session_timeout_ms,
        _ => asked.rebalance_timeout_ms,
    };
    let protocols = asked.protocols.iter();
    Ok(Join {
        group: asked.group_id.0.to_string(),
        member: asked.member_id.to_string(),
        client: request.client.clone(),
        session: millis(asked.session_timeout_ms),
        rebalance: millis(rebalance),
        protocol_type: text(&asked.protocol_type),
        protocols: protocols
            .map(|one| (text(&one.name), Bytes::copy_from_slice(&one.metadata)))
            .collect(),
        id_first: request.version >= ID_FIRST_VERSION,
    })
}

pub(super) async fn sync(broker: &Broker, mut request: Request) -> io::Result<Option<Bytes>> {
    let waiting = hand_in(broker, &request)?;
    request.release();
    let assigned = match waiting {
        // A dropped sender says that the next rebalance has begun.
        Ok(wait) => match timeout(MAX_REBALANCE, wait).await {
            Ok(Ok(assignment)) => Ok(assignment),
            _ => Err(ResponseError::RebalanceInProgress),
        },
        Err(error) => Err(error),
    };
    let answer = SyncGroupResponse::default().with_error_code(code(&assigned));
    request.reply(&answer.with_assignment(assigned.unwrap_or_default()))
}

/// Copies what is kept, so that it does not keep the request.
fn hand_in(
    broker: &Broker,
    request: &Request,
) -> io::Result<Result<oneshot::Receiver<Bytes>, ResponseError>> {
    let asked: SyncGroupRequest = request.decode()?;
    let assignments = asked.assignments.iter().map(|one| {
        let assignment = Bytes::copy_from_slice(&one.assignment);
        (one.member_id.to_string(), assignment)
    });
    Ok(broker.groups.sync(
        asked.group_id.0.as_str(),
        asked.member_id.as_str(),
        asked.generation_id,
        assignments.collect(),
    ))
}

pub(super) fn heartbeat(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: HeartbeatRequest = request.decode()?;
    let group = asked.group_id.0.as_str();
    let beat = broker
        .groups
        .heartbeat(group, asked.member_id.as_str(), asked.generation_id);
    request.reply(&HeartbeatResponse::default().with_error_code(code(&beat)))
}

pub(super) fn leave(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: LeaveGroupRequest = request.decode()?;
    let group = asked.group_id.0.as_str();
    let left = broker.groups.leave(group, asked.member_id.as_str());
    request.reply(&LeaveGroupResponse::default().with_error_code(code(&left)))
}

pub(super) fn offset_commit(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: OffsetCommitRequest = request.decode()?;
    let group = asked.group_id.0.as_str();
    let topics = asked.topics.iter().map(|topic| {
        let known = broker.topics.get(topic.name.0.as_str());
        let partitions = topic.partitions.iter().map(|partition| {
            let number = partition.partition_index;
            let place = known.as_ref().and_then(|topic| topic.partition(number));
            let note = partition.committed_metadata.as_ref();
            let committed = place
                .ok_or(ResponseError::UnknownTopicOrPartition)
                .and_then(|_| committed(&topic.name, number, partition.committed_offset, note))
                .and_then(|offset| {
                    let generation = asked.generation_id_or_member_epoch;
                    broker
                        .groups
                        .commit(group, asked.member_id.as_str(), generation, offset)
                });
            OffsetCommitResponsePartition::default()
                .with_partition_index(number)
                .with_error_code(code(&committed))
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    request.reply(&OffsetCommitResponse::default().with_topics(topics.collect()))
}

pub(super) fn offset_fetch(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: OffsetFetchRequest = request.decode()?;
    let group = asked.group_id.0.as_str();
    let mut topics: Vec<OffsetFetchResponseTopic> = Vec::new();
    match asked.topics {
        Some(wishes) => {
            for wish in wishes {
                let name = wish.name.0.as_str();
                let partitions = wish
                    .partition_indexes
                    .iter()
                    .map(|number| fetched(*number, broker.groups.offset(group, name, *number)));
                topics.push(
                    OffsetFetchResponseTopic::default()
                        .with_partitions(partitions.collect())
                        .with_name(wish.name.clone()),
                );
            }
        }
        None => {
            for offset in broker.groups.offsets(group) {
                let partition = fetched(offset.partition, Some(offset.clone()));
                match topics.last_mut() {
                    Some(last) if last.name.0.as_str() == offset.topic => {
                        last.partitions.push(partition);
                    }
                    _ => topics.push(
                        OffsetFetchResponseTopic::default()
                            .with_name(topic_name(&offset.topic))
                            .with_partitions(vec![partition]),
                    ),
                }
            }
        }
    }
    request.reply(&OffsetFetchResponse::default().with_topics(topics))
}

fn fetched(partition: i32, offset: Option<CommittedOffset>) -> OffsetFetchResponsePartition {
    let note = offset.as_ref().and_then(|offset| offset.metadata.clone());
    OffsetFetchResponsePartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset.map_or(-1, |offset| offset.offset))
        .with_committed_leader_epoch(-1)
        .with_metadata(Some(text(&note.unwrap_or_default())))
}

pub(super) fn describe(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: DescribeGroupsRequest = request.decode()?;
    let ids: BTreeSet<_> = asked.groups.into_iter().collect();
    let groups = ids.into_iter().map(|id| {
        let Some(group) = broker.groups.describe(id.0.as_str()) else {
            return DescribedGroup::default()
                .with_group_id(id)
                .with_group_state(text("Dead"));
        };
        let members = group
            .members
            .into_iter()
            .map(|(id, client, metadata, assignment)| {
                DescribedGroupMember::default()
                    .with_member_id(text(&id))
                    .with_client_id(text(&client))
                    .with_client_host(text("/127.0.0.1"))
                    .with_member_metadata(metadata)
                    .with_member_assignment(assignment)
            });
        DescribedGroup::default()
            .with_group_id(id)
            .with_group_state(text(group.phase))
            .with_protocol_type(group.protocol_type)
            .with_protocol_data(group.protocol)
            .with_members(members.collect())
    });
    request.reply(&DescribeGroupsResponse::default().with_groups(groups.collect()))
}

pub(super) fn list(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let groups = broker.groups.all().into_iter().map(|group| {
        ListedGroup::default()
            .with_group_id(GroupId(text(&group.group)))
            .with_protocol_type(group.protocol_type)
    });
    request.reply(&ListGroupsResponse::default().with_groups(groups.collect()))
}

pub(super) fn delete(broker: &Broker, request: &Request) -> io::Result<Option<Bytes>> {
    let asked: DeleteGroupsRequest = request.decode()?;
    let results = asked.groups_names.into_iter().map(|id| {
        let deleted = broker.groups.delete(id.0.as_str());
        DeletableGroupResult::default()
            .with_error_code(code(&deleted))
            .with_group_id(id)
    });
    request.reply(&DeleteGroupsResponse::default().with_results(results.collect()))
}
