//! Producer ids and transactions.
//!
//! ```text
//! Empty --first partition--> Ongoing --end, time is up, or a new producer--> Ending --markers written--> Empty
//! ```
//!
//! The decision is recorded before the markers are written, so that a restart finishes what was decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::groups::Groups;
use super::journal::{CommittedOffset, Event, Journal};
use super::topics::Topics;

const MAX_TIMEOUT: Duration = Duration::from_secs(15 * 60);
const MAX_TRANSACTIONAL_IDS: usize = 10_000;
/// Producer ids that one line of the journal covers.
const ID_BLOCK: i64 = 1_000;

type Outcome<T> = Result<T, ResponseError>;

/// A producer's id and how often it was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProducerIdentity {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// The transaction of one transactional id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Transaction {
    producer: ProducerIdentity,
    timeout_ms: u64,
    state: State,
    partitions: BTreeSet<(String, i32)>,
    /// Offsets that count if it commits, by group.
    offsets: Vec<(String, CommittedOffset)>,
    #[serde(skip)]
    since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Nothing is open; the last one committed or not.
    Empty {
        committed: bool,
    },
    Ongoing,
    Ending {
        commit: bool,
    },
}

/// All transactions.
#[derive(Debug)]
pub(super) struct Transactions {
    journal: Arc<Journal>,
    topics: Arc<Topics>,
    groups: Arc<Groups>,
    ids: Mutex<Ids>,
    transactions: Mutex<BTreeMap<String, Transaction>>,
}

#[derive(Debug)]
struct Ids {
    next: i64,
    reserved: i64,
}

impl Transactions {
    /// Takes up what the journal knows and finishes what was decided.
    pub(super) fn resume(
        journal: Arc<Journal>,
        topics: Arc<Topics>,
        groups: Arc<Groups>,
        next_id: i64,
        mut known: BTreeMap<String, Transaction>,
    ) -> Outcome<Self> {
        for transaction in known.values_mut() {
            transaction.since = Some(Instant::now());
        }
        let transactions = Self {
            journal,
            topics,
            groups,
            ids: Mutex::new(Ids {
                next: next_id,
                reserved: next_id,
            }),
            transactions: Mutex::new(known),
        };
        for (id, transaction) in transactions.transactions.lock().iter_mut() {
            transactions.finish(id, transaction)?;
        }
        Ok(transactions)
    }

    /// Returns a fresh id for a producer without transactions.
    pub(super) fn new_producer(&self) -> Outcome<ProducerIdentity> {
        Ok(ProducerIdentity {
            id: self.next_id()?,
            epoch: 0,
        })
    }

    /// Gives a transactional id to a producer; whoever had it before is shut out and its open work aborted.
    pub(super) fn take_over(&self, id: &str, timeout: Duration) -> Outcome<ProducerIdentity> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        if timeout.is_zero() || timeout > MAX_TIMEOUT {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        let mut transactions = self.transactions.lock();
        let is_full = transactions.len() >= MAX_TRANSACTIONAL_IDS;
        let producer = match transactions.get_mut(id) {
            Some(transaction) => {
                if transaction.state == State::Ongoing {
                    self.replace(id, transaction.ending(false), transaction)?;
                }
                self.finish(id, transaction)?;
                match transaction.producer.epoch.checked_add(1) {
                    Some(epoch) => ProducerIdentity {
                        epoch,
                        ..transaction.producer
                    },
                    None => self.new_producer()?,
                }
            }
            None if is_full => {
                return Err(ResponseError::CoordinatorNotAvailable);
            }
            None => self.new_producer()?,
        };
        let transaction = Transaction {
            producer,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            state: State::Empty { committed: true },
            partitions: BTreeSet::new(),
            offsets: Vec::new(),
            since: None,
        };
        self.record(id, &transaction)?;
        transactions.insert(id.to_owned(), transaction);
        Ok(producer)
    }

    /// Opens a transaction on partitions.
    pub(super) fn add_partitions(
        &self,
        id: &str,
        producer: ProducerIdentity,
        partitions: &[(String, i32)],
    ) -> Outcome<()> {
        let unknown = |(topic, number): &&(String, i32)| {
            let topic = self.topics.get(topic);
            topic.is_none_or(|topic| topic.partition(*number).is_none())
        };
        if partitions.iter().any(|one| unknown(&one)) {
            return Err(ResponseError::UnknownTopicOrPartition);
        }
        let mut transactions = self.transactions.lock();
        let transaction = owned(&mut transactions, id, producer)?;
        let mut begun = transaction.begun()?;
        begun.partitions.extend(partitions.iter().cloned());
        self.replace(id, begun, transaction)
    }

    /// Opens a transaction for offsets of a group.
    pub(super) fn add_group(&self, id: &str, producer: ProducerIdentity) -> Outcome<()> {
        let mut transactions = self.transactions.lock();
        let transaction = owned(&mut transactions, id, producer)?;
        self.replace(id, transaction.begun()?, transaction)
    }

    /// Adds offsets that count if the transaction commits.
    pub(super) fn add_offsets(
        &self,
        id: &str,
        producer: ProducerIdentity,
        group: &str,
        offsets: Vec<CommittedOffset>,
    ) -> Outcome<()> {
        let mut transactions = self.transactions.lock();
        let transaction = owned(&mut transactions, id, producer)?;
        if transaction.state != State::Ongoing {
            return Err(ResponseError::InvalidTxnState);
        }
        let named = offsets.into_iter().map(|offset| (group.to_owned(), offset));
        let mut changed = transaction.clone();
        changed.offsets.extend(named);
        changed.keep_last_offsets();
        self.replace(id, changed, transaction)
    }

    /// Runs `append` if the producers have their transactions open on the partition; none ends before it returns.
    pub(super) fn append_within<T>(
        &self,
        id: &str,
        producers: impl IntoIterator<Item = ProducerIdentity>,
        partition: &(String, i32),
        append: impl FnOnce() -> Outcome<T>,
    ) -> Outcome<T> {
        let mut transactions = self.transactions.lock();
        for producer in producers {
            let transaction = owned(&mut transactions, id, producer)?;
            if transaction.state != State::Ongoing || !transaction.partitions.contains(partition) {
                return Err(ResponseError::InvalidTxnState);
            }
        }
        append()
    }

    /// Commits or aborts. An error says that nothing was decided; what is decided and cannot be carried out, because
    /// the disk is full perhaps, is carried out later.
    pub(super) fn end_by(&self, id: &str, producer: ProducerIdentity, commit: bool) -> Outcome<()> {
        let mut transactions = self.transactions.lock();
        let transaction = owned(&mut transactions, id, producer)?;
        match transaction.state {
            State::Ongoing => self.replace(id, transaction.ending(commit), transaction)?,
            // The answer to the first attempt was lost.
            State::Empty { committed } if committed == commit => {}
            State::Ending { commit: decided } if decided == commit => {}
            _ => return Err(ResponseError::InvalidTxnState),
        }
        if let Err(error) = self.finish(id, transaction) {
            tracing::warn!(id, %error, "a decided transaction is not carried out yet");
        }
        Ok(())
    }

    /// Aborts what has been open for longer than its producer allowed, and carries out what could not be before.
    pub(super) fn tick(&self) {
        for (id, transaction) in self.transactions.lock().iter_mut() {
            if let Err(error) = self.move_on(id, transaction) {
                tracing::error!(id, %error, "a transaction cannot be ended");
            }
        }
    }

    fn move_on(&self, id: &str, transaction: &mut Transaction) -> Outcome<()> {
        if transaction.is_late() {
            tracing::warn!(id, "transaction timed out and is aborted");
            let mut aborted = transaction.ending(false);
            // The producer is shut out: it must not go on as if its transaction were open.
            aborted.producer.epoch = aborted.producer.epoch.saturating_add(1);
            self.replace(id, aborted, transaction)?;
        }
        self.finish(id, transaction)
    }

    /// Carries out what was decided. After an error it stays decided, and this may be called again.
    fn finish(&self, id: &str, transaction: &mut Transaction) -> Outcome<()> {
        let State::Ending { commit } = transaction.state else {
            return Ok(());
        };
        let ProducerIdentity {
            id: producer,
            epoch,
        } = transaction.producer;
        let now_ms = super::now_ms();
        for (name, number) in &transaction.partitions {
            let topic = self.topics.get(name);
            // A topic that was deleted meanwhile has nothing to mark.
            if let Some(partition) = topic.as_ref().and_then(|topic| topic.partition(*number)) {
                partition
                    .lock()
                    .end_transaction(producer, epoch, commit, now_ms)?;
            }
        }
        if commit {
            for (group, offset) in &transaction.offsets {
                self.groups.commit_of_transaction(group, offset.clone())?;
            }
        }
        let ended = Transaction {
            producer: transaction.producer,
            timeout_ms: transaction.timeout_ms,
            state: State::Empty { committed: commit },
            partitions: BTreeSet::new(),
            offsets: Vec::new(),
            since: None,
        };
        self.replace(id, ended, transaction)
    }

    fn next_id(&self) -> Outcome<i64> {
        let mut ids = self.ids.lock();
        if ids.next >= ids.reserved {
            let reserved = ids.next + ID_BLOCK;
            self.journal
                .record(&Event::ProducerIds { next: reserved })?;
            ids.reserved = reserved;
        }
        ids.next += 1;
        Ok(ids.next - 1)
    }

    /// Records a change before it holds: if it cannot be recorded, nothing has changed.
    fn replace(
        &self,
        id: &str,
        changed: Transaction,
        transaction: &mut Transaction,
    ) -> Outcome<()> {
        self.record(id, &changed)?;
        *transaction = changed;
        Ok(())
    }

    fn record(&self, id: &str, transaction: &Transaction) -> Outcome<()> {
        self.journal.record(&Event::Transaction {
            id: id.to_owned(),
            transaction: transaction.clone(),
        })
    }
}

impl Transaction {
    /// Returns it open; one that is still ending has to end first.
    fn begun(&self) -> Outcome<Self> {
        match self.state {
            State::Ongoing => Ok(self.clone()),
            State::Ending { .. } => Err(ResponseError::ConcurrentTransactions),
            State::Empty { .. } => Ok(Self {
                state: State::Ongoing,
                since: Some(Instant::now()),
                ..self.clone()
            }),
        }
    }

    /// Returns it decided.
    fn ending(&self, commit: bool) -> Self {
        Self {
            state: State::Ending { commit },
            ..self.clone()
        }
    }

    fn is_late(&self) -> bool {
        let limit = Duration::from_millis(self.timeout_ms);
        self.state == State::Ongoing && self.since.is_some_and(|since| since.elapsed() > limit)
    }

    /// Of several offsets for one partition in one group, only the last one given counts.
    fn keep_last_offsets(&mut self) {
        fn place((group, offset): &(String, CommittedOffset)) -> (&str, &str, i32) {
            (group, &offset.topic, offset.partition)
        }
        self.offsets.reverse();
        self.offsets
            .sort_by(|one, other| place(one).cmp(&place(other)));
        self.offsets
            .dedup_by(|one, other| place(one) == place(other));
    }
}

/// Returns the transaction if `producer` is the one that owns it now.
fn owned<'a>(
    transactions: &'a mut BTreeMap<String, Transaction>,
    id: &str,
    producer: ProducerIdentity,
) -> Outcome<&'a mut Transaction> {
    let transaction = transactions
        .get_mut(id)
        .ok_or(ResponseError::InvalidProducerIdMapping)?;
    if transaction.producer.id != producer.id {
        return Err(ResponseError::InvalidProducerIdMapping);
    }
    if transaction.producer.epoch != producer.epoch {
        return Err(ResponseError::InvalidProducerEpoch);
    }
    Ok(transaction)
}

#[cfg(test)]
mod tests;
