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
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::kafka_broker::batch::BatchHeader;
    use crate::kafka_broker::batch::tests::batch as make;
    use crate::kafka_broker::topics::TopicSettings;

    const ID: &str = "writer";

    /// A transaction open on two partitions, with a batch in each and an offset of a group.
    struct Open {
        dir: tempfile::TempDir,
        journal: Arc<Journal>,
        topics: Arc<Topics>,
        groups: Arc<Groups>,
        transactions: Transactions,
        producer: ProducerIdentity,
    }

    impl Open {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let journal = Arc::new(Journal::start(dir.path(), &[]).unwrap());
            let folder = dir.path().join("topics");
            let topics = Topics::open(folder, Arc::clone(&journal), &BTreeMap::new()).unwrap();
            // Every batch, also a marker, starts a file.
            let settings = TopicSettings {
                segment_bytes: 1,
                retention_bytes: None,
                retention_ms: None,
                max_message_bytes: 10_000,
            };
            topics.create("t", 2, settings).unwrap();
            let topics = Arc::new(topics);
            let groups = Arc::new(Groups::new(Arc::clone(&journal), []));
            let transactions = Transactions::resume(
                Arc::clone(&journal),
                Arc::clone(&topics),
                Arc::clone(&groups),
                0,
                BTreeMap::new(),
            )
            .unwrap();
            let producer = transactions.take_over(ID, Duration::from_secs(60)).unwrap();
            let open = Self {
                dir,
                journal,
                topics,
                groups,
                transactions,
                producer,
            };
            open.begin().unwrap();
            open.append(0).unwrap();
            open.append(1).unwrap();
            for offset in [1, 2] {
                let offset = CommittedOffset {
                    topic: "t".to_owned(),
                    partition: 0,
                    offset,
                    metadata: None,
                };
                let added = open
                    .transactions
                    .add_offsets(ID, producer, "g", vec![offset]);
                added.unwrap();
            }
            open
        }

        fn begin(&self) -> Outcome<()> {
            let partitions = [0, 1].map(|number| ("t".to_owned(), number));
            self.transactions
                .add_partitions(ID, self.producer, &partitions)
        }

        fn append(&self, number: i32) -> Outcome<i64> {
            let place = ("t".to_owned(), number);
            let work = || self.append_unchecked(number, 0);
            self.transactions
                .append_within(ID, [self.producer], &place, work)
        }

        fn append_unchecked(&self, number: i32, sequence: i32) -> Outcome<i64> {
            let bytes = make(&[b"one"], 1_000, (self.producer.id, 0, sequence), true);
            let header = BatchHeader::parse(&bytes).unwrap();
            let topic = self.topics.get("t").unwrap();
            let mut partition = topic.partition(number).unwrap().lock();
            partition.append(&header, &bytes)
        }

        fn end(&self, commit: bool) -> Outcome<()> {
            self.transactions.end_by(ID, self.producer, commit)
        }

        fn take_over(&self) -> Outcome<ProducerIdentity> {
            self.transactions.take_over(ID, Duration::from_secs(60))
        }

        fn is_decided(&self, number: i32) -> bool {
            let topic = self.topics.get("t").unwrap();
            let partition = topic.partition(number).unwrap().lock();
            partition.last_stable() == partition.end()
        }

        fn committed(&self) -> Option<i64> {
            let offset = self.groups.offset("g", "t", 0);
            offset.map(|offset| offset.offset)
        }

        fn folder_of_partition_1(&self) -> PathBuf {
            let topics = self.dir.path().join("topics");
            let topic = std::fs::read_dir(topics).unwrap().next().unwrap().unwrap();
            topic.path().join("1")
        }
    }

    #[test]
    fn an_end_that_fails_half_way_is_carried_out_later() {
        type Retry = fn(&Open);
        let retries: [Retry; 3] = [
            |open| open.transactions.tick(),
            |open| open.end(true).unwrap(),
            |open| {
                let producer = open.take_over().unwrap();
                assert_eq!((producer.id, producer.epoch), (open.producer.id, 1));
            },
        ];
        for retry in retries {
            let open = Open::new();
            let folder = open.folder_of_partition_1();
            let aside = open.dir.path().join("aside");
            std::fs::rename(&folder, &aside).unwrap();
            // It is decided, and that is what the producer asked for.
            assert_eq!(open.end(true), Ok(()));
            assert!(open.is_decided(0) && !open.is_decided(1));
            assert_eq!(open.committed(), None);
            assert_eq!(open.begin(), Err(ResponseError::ConcurrentTransactions));
            assert_eq!(open.end(false), Err(ResponseError::InvalidTxnState));
            assert_eq!(open.append(1), Err(ResponseError::InvalidTxnState));
            assert_eq!(open.take_over(), Err(ResponseError::KafkaStorageError));
            open.transactions.tick();
            assert!(!open.is_decided(1));

            std::fs::rename(&aside, &folder).unwrap();
            retry(&open);
            assert!(open.is_decided(0) && open.is_decided(1));
            assert_eq!(open.committed(), Some(2));
        }
    }

    #[test]
    fn an_end_that_cannot_be_recorded_decides_nothing() {
        let open = Open::new();
        open.journal.write_to("/dev/full".as_ref());
        assert_eq!(open.end(true), Err(ResponseError::KafkaStorageError));
        assert_eq!(open.take_over(), Err(ResponseError::KafkaStorageError));
        assert!(!open.is_decided(0) && !open.is_decided(1));
        open.journal
            .write_to(&open.dir.path().join("journal.jsonl"));
        assert_eq!(open.end(false), Ok(()));
        assert!(open.is_decided(0) && open.is_decided(1));
        assert_eq!(open.committed(), None);
        assert_eq!(open.begin(), Ok(()));
    }

    #[test]
    fn no_transaction_ends_between_check_and_append() {
        let open = Open::new();
        let place = ("t".to_owned(), 0);
        let (ended, has_ended) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let appended = open
                .transactions
                .append_within(ID, [open.producer], &place, || {
                    scope.spawn(|| ended.send(open.take_over()));
                    let early = has_ended.recv_timeout(Duration::from_millis(50));
                    assert!(early.is_err(), "{early:?}");
                    open.append_unchecked(0, 1)
                });
            appended.unwrap();
        });
        assert!(has_ended.recv().unwrap().is_ok());
        assert!(open.is_decided(0));
        assert_eq!(open.append(0), Err(ResponseError::InvalidProducerEpoch));
    }
}
