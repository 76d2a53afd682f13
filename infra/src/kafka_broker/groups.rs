//! Consumer groups: who is a member, who got which partitions, and how far the group has read.
//!
//! ```text
//! Empty --join--> Preparing --all joined, or time is up--> Completing --leader's assignment--> Stable
//!                     ^------------- a member joins, leaves, or falls silent --------------------'
//! ```
//!
//! A request that has to wait for the others gets a receiver; the rebalance answers it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::journal::{CommittedOffset, Event, Journal};

/// How long the first member of a group waits for others.
const FIRST_REBALANCE_DELAY: Duration = Duration::from_millis(50);
/// How long an id that was handed out waits for its owner.
const PENDING_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_SESSION: Duration = Duration::from_secs(30 * 60);
/// How long a member waits for the others at most, whatever they ask for.
pub(super) const MAX_REBALANCE: Duration = Duration::from_secs(30 * 60);
const MAX_GROUPS: usize = 10_000;
const MAX_MEMBERS: usize = 1_000;
/// Protocols of one member, and bytes of all of them.
const MAX_PROTOCOLS: usize = 32;
const MAX_PROTOCOL_BYTES: usize = 512 << 10;

type Outcome<T> = Result<T, ResponseError>;

/// A member's way of sharing partitions, and what it says about itself.
pub(super) type Protocol = (StrBytes, Bytes);

/// What a member asks for when it joins.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) group: String,
    /// Empty for a newcomer.
    pub(super) member: String,
    pub(super) client: String,
    pub(super) session: Duration,
    pub(super) rebalance: Duration,
    pub(super) protocol_type: StrBytes,
    pub(super) protocols: Vec<Protocol>,
    /// Whether a newcomer has to come again with the id it is given.
    pub(super) id_first: bool,
}

/// What a member learns when everybody has joined.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) generation: i32,
    pub(super) protocol: StrBytes,
    pub(super) leader: String,
    pub(super) member: String,
    /// All members, for the leader only.
    pub(super) members: Vec<(String, Bytes)>,
}

/// How joining goes on.
#[derive(Debug)]
pub(super) enum Joining {
    /// Come again with this id.
    TakeId(String),
    /// Wait for the others.
    Wait(oneshot::Receiver<Joined>),
}

/// A group as others see it.
#[derive(Debug, Clone)]
pub(super) struct Description {
    pub(super) group: String,
    pub(super) phase: &'static str,
    pub(super) protocol_type: StrBytes,
    pub(super) protocol: StrBytes,
    /// Id, client, metadata and assignment.
    pub(super) members: Vec<(String, String, Bytes, Bytes)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Empty,
    Preparing,
    Completing,
    Stable,
}

#[derive(Debug)]
struct Member {
    client: String,
    protocols: Vec<Protocol>,
    session: Duration,
    rebalance: Duration,
    last_seen: Instant,
    joining: Option<oneshot::Sender<Joined>>,
    syncing: Option<oneshot::Sender<Bytes>>,
    assignment: Bytes,
}

#[derive(Debug)]
struct Group {
    phase: Phase,
    generation: i32,
    protocol_type: StrBytes,
    protocol: StrBytes,
    leader: String,
    members: BTreeMap<String, Member>,
    /// Ids handed out and not yet used.
    pending: HashMap<String, Instant>,
    /// A rebalance ends not before, and not after.
    earliest: Instant,
    deadline: Instant,
    offsets: BTreeMap<(String, i32), CommittedOffset>,
}

/// All groups.
#[derive(Debug)]
pub(super) struct Groups {
    journal: Arc<Journal>,
    groups: Mutex<BTreeMap<String, Group>>,
}

impl Groups {
    pub(super) fn new(
        journal: Arc<Journal>,
        committed: impl IntoIterator<Item = (String, CommittedOffset)>,
    ) -> Self {
        let mut groups = BTreeMap::new();
        for (name, offset) in committed {
            let group = groups.entry(name).or_insert_with(Group::new);
            group.store(offset);
        }
        Self {
            journal,
            groups: Mutex::new(groups),
        }
    }

    /// Takes a member in; the answer comes when all have joined.
    pub(super) fn join(&self, join: Join) -> Outcome<Joining> {
        if join.group.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        if join.session.is_zero() || join.session > MAX_SESSION {
            return Err(ResponseError::InvalidSessionTimeout);
        }
        let sizes = join.protocols.iter();
        let bytes: usize = sizes.map(|(name, about)| name.len() + about.len()).sum();
        if join.protocols.len() > MAX_PROTOCOLS || bytes > MAX_PROTOCOL_BYTES {
            return Err(ResponseError::InvalidRequest);
        }
        let mut groups = self.groups.lock();
        if groups.len() >= MAX_GROUPS && !groups.contains_key(&join.group) {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        let group = groups.entry(join.group).or_insert_with(Group::new);
        if !group.agrees(&join.member, &join.protocol_type, &join.protocols) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        let mut id = join.member;
        if id.is_empty() {
            if group.members.len() + group.pending.len() >= MAX_MEMBERS {
                return Err(ResponseError::GroupMaxSizeReached);
            }
            id = format!("{}-{}", join.client, Uuid::new_v4());
            if join.id_first {
                group.pending.insert(id.clone(), Instant::now());
                return Ok(Joining::TakeId(id));
            }
        } else if !group.members.contains_key(&id) && group.pending.remove(&id).is_none() {
            return Err(ResponseError::UnknownMemberId);
        }
        let (answer, wait) = oneshot::channel();
        let member = Member {
            client: join.client,
            protocols: join.protocols,
            session: join.session,
            rebalance: join.rebalance.min(MAX_REBALANCE),
            last_seen: Instant::now(),
            joining: Some(answer),
            syncing: None,
            assignment: Bytes::new(),
        };
        group.protocol_type = join.protocol_type;
        group.members.insert(id, member);
        group.rebalance();
        group.complete_if_due(Instant::now());
        Ok(Joining::Wait(wait))
    }

    /// Hands in the leader's assignment, or waits for it.
    pub(super) fn sync(
        &self,
        group: &str,
        member: &str,
        generation: i32,
        assignments: Vec<(String, Bytes)>,
    ) -> Outcome<oneshot::Receiver<Bytes>> {
        let mut groups = self.groups.lock();
        let group = groups
            .get_mut(group)
            .ok_or(ResponseError::UnknownMemberId)?;
        let is_leader = group.leader == member;
        let phase = group.phase;
        let waiting = group.member(member, generation)?;
        if phase == Phase::Preparing {
            return Err(ResponseError::RebalanceInProgress);
        }
        let (answer, wait) = oneshot::channel();
        waiting.syncing = Some(answer);
        if phase == Phase::Completing && is_leader {
            for (id, assignment) in assignments {
                if let Some(member) = group.members.get_mut(&id) {
                    member.assignment = assignment;
                }
            }
            group.phase = Phase::Stable;
        }
        if group.phase == Phase::Stable {
            for member in group.members.values_mut() {
                member.last_seen = Instant::now();
                if let Some(syncing) = member.syncing.take() {
                    let _ = syncing.send(member.assignment.clone());
                }
            }
        }
        Ok(wait)
    }

    pub(super) fn heartbeat(&self, group: &str, member: &str, generation: i32) -> Outcome<()> {
        let mut groups = self.groups.lock();
        let group = groups
            .get_mut(group)
            .ok_or(ResponseError::UnknownMemberId)?;
        group.member(member, generation)?.last_seen = Instant::now();
        if group.phase == Phase::Preparing {
            return Err(ResponseError::RebalanceInProgress);
        }
        Ok(())
    }

    pub(super) fn leave(&self, group: &str, member: &str) -> Outcome<()> {
        let mut groups = self.groups.lock();
        let group = groups
            .get_mut(group)
            .ok_or(ResponseError::UnknownMemberId)?;
        if group.pending.remove(member).is_some() {
            return Ok(());
        }
        let left = group.members.remove(member);
        left.ok_or(ResponseError::UnknownMemberId)?;
        group.rebalance();
        group.complete_if_due(Instant::now());
        Ok(())
    }

    /// Stores how far a member has read. A consumer outside the group protocol says generation -1.
    pub(super) fn commit(
        &self,
        name: &str,
        member: &str,
        generation: i32,
        offset: CommittedOffset,
    ) -> Outcome<()> {
        let mut groups = self.groups.lock();
        if !groups.contains_key(name) {
            if generation >= 0 {
                return Err(ResponseError::IllegalGeneration);
            }
            if groups.len() >= MAX_GROUPS {
                return Err(ResponseError::GroupMaxSizeReached);
            }
        }
        let group = groups.entry(name.to_owned()).or_insert_with(Group::new);
        if generation >= 0 || !group.members.is_empty() {
            group.member(member, generation)?.last_seen = Instant::now();
        }
        self.journal.record(&Event::OffsetCommitted {
            group: name.to_owned(),
            offset: offset.clone(),
        })?;
        group.store(offset);
        Ok(())
    }

    /// Stores what a committed transaction says; its coordinator has checked who may.
    pub(super) fn commit_of_transaction(&self, name: &str, offset: CommittedOffset) -> Outcome<()> {
        let mut groups = self.groups.lock();
        self.journal.record(&Event::OffsetCommitted {
            group: name.to_owned(),
            offset: offset.clone(),
        })?;
        let group = groups.entry(name.to_owned()).or_insert_with(Group::new);
        group.store(offset);
        Ok(())
    }

    pub(super) fn offset(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
    ) -> Option<CommittedOffset> {
        let groups = self.groups.lock();
        let offsets = &groups.get(group)?.offsets;
        offsets.get(&(topic.to_owned(), partition)).cloned()
    }

    pub(super) fn offsets(&self, group: &str) -> Vec<CommittedOffset> {
        let groups = self.groups.lock();
        let offsets = groups.get(group).map(|group| group.offsets.values());
        offsets.into_iter().flatten().cloned().collect()
    }

    pub(super) fn describe(&self, name: &str) -> Option<Description> {
        let groups = self.groups.lock();
        groups.get(name).map(|group| group.describe(name))
    }

    pub(super) fn all(&self) -> Vec<Description> {
        let groups = self.groups.lock();
        groups
            .iter()
            .map(|(name, group)| group.describe(name))
            .collect()
    }

    pub(super) fn delete(&self, name: &str) -> Outcome<()> {
        let mut groups = self.groups.lock();
        let group = groups.get(name).ok_or(ResponseError::GroupIdNotFound)?;
        if !group.members.is_empty() {
            return Err(ResponseError::NonEmptyGroup);
        }
        self.journal.record(&Event::GroupDeleted {
            group: name.to_owned(),
        })?;
        groups.remove(name);
        Ok(())
    }

    /// Forgets the offsets of a topic that is gone.
    pub(super) fn forget_topic(&self, topic: &str) {
        for group in self.groups.lock().values_mut() {
            group.offsets.retain(|(name, _), _| name != topic);
        }
    }

    /// Removes silent members, ends rebalances whose time has come, and drops groups that hold nothing.
    pub(super) fn tick(&self) {
        let now = Instant::now();
        self.groups.lock().retain(|_, group| {
            group
                .pending
                .retain(|_, since| now - *since < PENDING_TIMEOUT);
            let before = group.members.len();
            group.members.retain(|_, member| member.is_alive(now));
            if group.members.len() < before {
                group.rebalance();
            }
            group.complete_if_due(now);
            !group.members.is_empty() || !group.pending.is_empty() || !group.offsets.is_empty()
        });
    }
}

impl Member {
    fn is_alive(&self, now: Instant) -> bool {
        if let Some(joining) = &self.joining {
            return !joining.is_closed();
        }
        let is_waiting = |syncing: &oneshot::Sender<Bytes>| !syncing.is_closed();
        self.syncing.as_ref().is_some_and(is_waiting) || now - self.last_seen <= self.session
    }
}

impl Group {
    fn new() -> Self {
        Self {
            phase: Phase::Empty,
            generation: 0,
            protocol_type: StrBytes::default(),
            protocol: StrBytes::default(),
            leader: String::new(),
            members: BTreeMap::new(),
            pending: HashMap::new(),
            earliest: Instant::now(),
            deadline: Instant::now(),
            offsets: BTreeMap::new(),
        }
    }

    fn store(&mut self, offset: CommittedOffset) {
        let key = (offset.topic.clone(), offset.partition);
        self.offsets.insert(key, offset);
    }

    /// Whether a member with these protocols can share work with the others.
    fn agrees(&self, member: &str, protocol_type: &StrBytes, protocols: &[Protocol]) -> bool {
        let others: Vec<_> = self
            .members
            .iter()
            .filter(|(id, _)| *id != member)
            .collect();
        let common = |name: &StrBytes| others.iter().all(|(_, other)| other.knows(name));
        (others.is_empty() || *protocol_type == self.protocol_type)
            && protocols.iter().any(|(name, _)| common(name))
    }

    fn member(&mut self, id: &str, generation: i32) -> Outcome<&mut Member> {
        let member = self
            .members
            .get_mut(id)
            .ok_or(ResponseError::UnknownMemberId)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        Ok(member)
    }

    fn rebalance(&mut self) {
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            return;
        }
        if self.phase == Phase::Preparing {
            return;
        }
        let now = Instant::now();
        let longest = self.members.values().map(|member| member.rebalance).max();
        self.deadline = now + longest.unwrap_or_default();
        self.earliest = match self.phase {
            Phase::Empty => now + FIRST_REBALANCE_DELAY,
            _ => now,
        };
        self.phase = Phase::Preparing;
        for member in self.members.values_mut() {
            // The receiver takes a dropped sender for a rebalance.
            member.syncing = None;
        }
    }

    fn complete_if_due(&mut self, now: Instant) {
        let all_joined = self.members.values().all(|member| member.joining.is_some());
        if self.phase != Phase::Preparing
            || now < self.earliest
            || !(all_joined || now >= self.deadline)
        {
            return;
        }
        self.members.retain(|_, member| member.joining.is_some());
        let Some((first, chooser)) = self.members.iter().next() else {
            self.phase = Phase::Empty;
            return;
        };
        let common = |name: &&StrBytes| self.members.values().all(|member| member.knows(name));
        let protocol = chooser.protocols.iter().map(|(name, _)| name).find(common);
        self.protocol = protocol.cloned().unwrap_or_default();
        if !self.members.contains_key(&self.leader) {
            self.leader.clone_from(first);
        }
        self.generation += 1;
        self.phase = Phase::Completing;
        let everybody: Vec<_> = self
            .members
            .iter()
            .map(|(id, member)| (id.clone(), member.metadata(&self.protocol)))
            .collect();
        for (id, member) in &mut self.members {
            member.last_seen = now;
            member.assignment = Bytes::new();
            if let Some(joining) = member.joining.take() {
                let is_leader = *id == self.leader;
                let _ = joining.send(Joined {
                    generation: self.generation,
                    protocol: self.protocol.clone(),
                    leader: self.leader.clone(),
                    member: id.clone(),
                    members: if is_leader {
                        everybody.clone()
                    } else {
                        Vec::new()
                    },
                });
            }
        }
    }

    fn describe(&self, name: &str) -> Description {
        Description {
            group: name.to_owned(),
            phase: match self.phase {
                Phase::Empty => "Empty",
                Phase::Preparing => "PreparingRebalance",
                Phase::Completing => "CompletingRebalance",
                Phase::Stable => "Stable",
            },
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            members: self
                .members
                .iter()
                .map(|(id, member)| {
                    let metadata = member.metadata(&self.protocol);
                    (
                        id.clone(),
                        member.client.clone(),
                        metadata,
                        member.assignment.clone(),
                    )
                })
                .collect(),
        }
    }
}

impl Member {
    fn knows(&self, protocol: &StrBytes) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    fn metadata(&self, protocol: &StrBytes) -> Bytes {
        let known = self.protocols.iter().find(|(name, _)| name == protocol);
        known
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> (tempfile::TempDir, Groups) {
        let dir = tempfile::tempdir().unwrap();
        let journal = Arc::new(Journal::start(dir.path(), &[]).unwrap());
        (dir, Groups::new(journal, []))
    }

    fn join(groups: &Groups, member: &str, protocols: usize) -> Outcome<Joining> {
        let protocol = (StrBytes::from_static_str("range"), Bytes::new());
        groups.join(Join {
            group: "g".to_owned(),
            member: member.to_owned(),
            client: "c".to_owned(),
            session: Duration::from_secs(60),
            rebalance: Duration::from_secs(60),
            protocol_type: StrBytes::from_static_str("consumer"),
            protocols: vec![protocol; protocols],
            id_first: false,
        })
    }

    #[test]
    fn a_member_that_syncs_too_early_is_refused_and_does_not_wait() {
        let (_dir, groups) = groups();
        let Ok(Joining::Wait(mut wait)) = join(&groups, "", 1) else {
            panic!("the first member is not taken in");
        };
        // A second one makes the group prepare again once the first rebalance is over.
        groups.groups.lock().get_mut("g").unwrap().earliest = Instant::now();
        groups.tick();
        let first = wait.try_recv().unwrap();
        assert!(join(&groups, "", 1).is_ok());
        let early = groups.sync("g", &first.member, first.generation, Vec::new());
        assert_eq!(early.unwrap_err(), ResponseError::RebalanceInProgress);
        let groups = groups.groups.lock();
        assert!(groups["g"].members[&first.member].syncing.is_none());
    }

    #[test]
    fn a_group_that_holds_nothing_is_dropped() {
        let (_dir, groups) = groups();
        assert_eq!(
            join(&groups, "", 0).unwrap_err(),
            ResponseError::InconsistentGroupProtocol
        );
        assert_eq!(
            join(&groups, "", MAX_PROTOCOLS + 1).unwrap_err(),
            ResponseError::InvalidRequest
        );
        groups.tick();
        assert!(groups.all().is_empty());
        let offset = CommittedOffset {
            topic: "t".to_owned(),
            partition: 0,
            offset: 1,
            metadata: None,
        };
        groups.commit("g", "", -1, offset).unwrap();
        groups.tick();
        assert_eq!(groups.all().len(), 1);
    }
}
