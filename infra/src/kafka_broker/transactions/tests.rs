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
