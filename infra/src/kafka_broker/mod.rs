//! The embedded Kafka broker: one node, for one machine, reached through any Kafka client like the real one. It is not
//! Apache Kafka and says so in its start-up log.
//!
//! ```text
//! client --TCP--> connection (frames) -> shape (claims checked) -> requests
//!                                                                    |-- topics -> partition -> segment files
//!                                                                    |-- groups        } journal
//!                                                                    '-- transactions  }
//! ```
//!
//! What was acknowledged is in the files of the system and outlives `kill -9`; once a second it is synced to disk, so
//! a power failure may take the last second. What the broker does not offer it does not advertise.

mod batch;
mod connection;
mod groups;
mod journal;
mod partition;
mod requests;
mod segment;
mod shape;
mod topics;
mod transactions;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kafka_protocol::error::ResponseError;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::groups::Groups;
use self::journal::{Event, Journal};
use self::topics::{TopicSettings, Topics};
use self::transactions::Transactions;
use crate::error::{Error, Result};

/// How often groups and transactions are looked at.
const TICK: Duration = Duration::from_millis(25);
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
const RETENTION_INTERVAL: Duration = Duration::from_secs(30);

/// Where the broker keeps its files and listens, and what a topic is like unless its creator says otherwise.
#[derive(Debug, Clone)]
pub struct KafkaBrokerConfig {
    /// Folder of the broker; made if absent. One process may own it.
    pub data_dir: PathBuf,
    /// Port 0 picks a free one. There is no TLS and no authentication: listen on loopback.
    pub listen: SocketAddr,
    /// Partitions of a topic whose creator does not say.
    pub default_partitions: u16,
    /// Whether asking for a topic makes it.
    pub auto_create_topics: bool,
    /// Size at which a new segment file is started; retention deletes whole segments.
    pub segment_bytes: u64,
    /// Bytes a partition keeps at most; nothing is deleted for its size if absent.
    pub retention_bytes: Option<u64>,
    /// How long a record is kept at least; nothing is deleted for its age if absent.
    pub retention: Option<Duration>,
    /// Largest batch.
    pub max_message_bytes: usize,
}

impl KafkaBrokerConfig {
    /// Returns the settings of a broker on `data_dir`, on any free port of this machine.
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            default_partitions: 1,
            auto_create_topics: true,
            segment_bytes: 64 << 20,
            retention_bytes: Some(4 << 30),
            retention: Some(Duration::from_secs(7 * 24 * 3600)),
            max_message_bytes: 64 << 20,
        }
    }

    fn topic_settings(&self) -> TopicSettings {
        TopicSettings {
            segment_bytes: self.segment_bytes,
            retention_bytes: self.retention_bytes,
            retention_ms: self
                .retention
                .map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX)),
            max_message_bytes: self.max_message_bytes,
        }
    }
}

/// A running broker.
#[derive(Debug)]
pub struct KafkaBroker {
    address: SocketAddr,
    cluster_id: String,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    broker: Arc<Broker>,
}

/// What the requests work on.
#[derive(Debug)]
struct Broker {
    cluster_id: String,
    address: SocketAddr,
    defaults: TopicSettings,
    default_partitions: i32,
    auto_create_topics: bool,
    journal: Arc<Journal>,
    topics: Arc<Topics>,
    groups: Arc<Groups>,
    transactions: Transactions,
    /// Told when records were appended.
    appended: Notify,
    /// Held, not read: its lock ends with the broker.
    _lock: File,
}

impl KafkaBroker {
    /// Opens the folder and listens.
    ///
    /// # Errors
    /// [`Error::FolderInUse`] when another process has the folder, [`Error::Listen`] when the address is taken, and
    /// [`Error::Storage`] when the folder cannot be used or a file in it is damaged.
    pub async fn start(config: KafkaBrokerConfig) -> Result<Self> {
        let listen_error = |source| Error::Listen {
            address: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let opening = tokio::task::spawn_blocking(move || Broker::open(&config, address));
        let broker = Arc::new(opening.await.map_err(|error| Error::Internal {
            what: error.to_string(),
        })??);
        tracing::info!(%address, cluster = %broker.cluster_id, "embedded Kafka broker (one node) is listening; it is not Apache Kafka");
        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(connection::accept(
            listener,
            Arc::clone(&broker),
            shutdown.clone(),
            tasks.clone(),
        ));
        tasks.spawn(housekeeping(Arc::clone(&broker), shutdown.clone()));
        Ok(Self {
            address,
            cluster_id: broker.cluster_id.clone(),
            shutdown,
            tasks,
            broker,
        })
    }

    /// Returns the address for clients.
    pub fn bootstrap_servers(&self) -> String {
        self.address.to_string()
    }

    /// Returns the id of the folder's cluster: another folder, another id.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Stops accepting, ends the connections and syncs the files.
    pub async fn shutdown(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.broker.sync();
    }
}

impl Drop for KafkaBroker {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Broker {
    fn open(config: &KafkaBrokerConfig, address: SocketAddr) -> Result<Self> {
        let folder = config.data_dir.as_path();
        let failed = |source: io::Error| Error::Storage {
            folder: folder.to_owned(),
            source: source.into(),
        };
        let lock = lock_folder(folder)?;
        let events = Journal::read(folder).map_err(failed)?;
        let is_new = !events
            .iter()
            .any(|one| matches!(one, Event::Cluster { .. }));
        let topics_folder = folder.join("topics");
        if is_new && !topics::find_ids(&topics_folder).map_err(failed)?.is_empty() {
            let reason =
                "there are topics, but `journal.jsonl`, which names them, is missing or damaged";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
        let known = Known::collect(events);
        let journal = Journal::start(folder, &known.events()).map_err(failed)?;
        let journal = Arc::new(journal);
        let topics = Topics::open(topics_folder, Arc::clone(&journal), &known.topics);
        let topics = Arc::new(topics.map_err(failed)?);
        let groups = Arc::new(Groups::new(Arc::clone(&journal), known.committed()));
        let transactions = Transactions::resume(
            Arc::clone(&journal),
            Arc::clone(&topics),
            Arc::clone(&groups),
            known.next_producer_id,
            known.transactions,
        )
        .map_err(|error| Error::Storage {
            folder: folder.to_owned(),
            source: Box::new(error),
        })?;
        Ok(Self {
            cluster_id: known.cluster.simple().to_string(),
            address,
            defaults: config.topic_settings(),
            default_partitions: i32::from(config.default_partitions.max(1)),
            auto_create_topics: config.auto_create_topics,
            journal,
            topics,
            groups,
            transactions,
            appended: Notify::new(),
            _lock: lock,
        })
    }

    fn sync(&self) {
        self.for_each_partition(partition::Partition::sync);
        self.journal.sync();
    }

    fn for_each_partition(&self, act: impl Fn(&mut partition::Partition)) {
        for (_, topic) in self.topics.all() {
            for number in 0..i32::try_from(topic.len()).unwrap_or(i32::MAX) {
                if let Some(partition) = topic.partition(number) {
                    act(&mut partition.lock());
                }
            }
        }
    }
}

/// What the journal's events amount to.
#[derive(Debug)]
struct Known {
    cluster: Uuid,
    topics: BTreeMap<String, (Uuid, u32, TopicSettings)>,
    offsets: BTreeMap<(String, String, i32), journal::CommittedOffset>,
    next_producer_id: i64,
    transactions: BTreeMap<String, transactions::Transaction>,
}

impl Known {
    fn collect(events: Vec<Event>) -> Self {
        let mut known = Self {
            cluster: Uuid::new_v4(),
            topics: BTreeMap::new(),
            offsets: BTreeMap::new(),
            next_producer_id: 1_000,
            transactions: BTreeMap::new(),
        };
        for event in events {
            match event {
                Event::Cluster { id } => known.cluster = id,
                Event::TopicCreated {
                    name,
                    id,
                    partitions,
                    settings,
                } => {
                    known.topics.insert(name, (id, partitions, settings));
                }
                Event::TopicDeleted { name } => {
                    known.topics.remove(&name);
                    known.offsets.retain(|(_, topic, _), _| *topic != name);
                }
                Event::ProducerIds { next } => {
                    known.next_producer_id = known.next_producer_id.max(next);
                }
                Event::OffsetCommitted { group, offset } => {
                    let key = (group, offset.topic.clone(), offset.partition);
                    known.offsets.insert(key, offset);
                }
                Event::GroupDeleted { group } => {
                    known.offsets.retain(|(name, ..), _| *name != group);
                }
                Event::Transaction { id, transaction } => {
                    known.transactions.insert(id, transaction);
                }
            }
        }
        known
    }

    fn committed(&self) -> Vec<(String, journal::CommittedOffset)> {
        let offsets = self.offsets.iter();
        offsets
            .map(|((group, ..), offset)| (group.clone(), offset.clone()))
            .collect()
    }

    fn events(&self) -> Vec<Event> {
        let mut events = vec![
            Event::Cluster { id: self.cluster },
            Event::ProducerIds {
                next: self.next_producer_id,
            },
        ];
        for (name, (id, partitions, settings)) in &self.topics {
            events.push(Event::TopicCreated {
                name: name.clone(),
                id: *id,
                partitions: *partitions,
                settings: *settings,
            });
        }
        for (group, offset) in self.committed() {
            events.push(Event::OffsetCommitted { group, offset });
        }
        for (id, transaction) in &self.transactions {
            events.push(Event::Transaction {
                id: id.clone(),
                transaction: transaction.clone(),
            });
        }
        events
    }
}

/// Moves groups and transactions on, syncs, and deletes what need not be kept.
async fn housekeeping(broker: Arc<Broker>, shutdown: CancellationToken) {
    let mut tick = tokio::time::interval(TICK);
    let (mut since_sync, mut since_retention) = (Duration::ZERO, Duration::ZERO);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = tick.tick() => {}
        }
        broker.groups.tick();
        since_sync += TICK;
        since_retention += TICK;
        if since_sync >= SYNC_INTERVAL {
            since_sync = Duration::ZERO;
            let retain = since_retention >= RETENTION_INTERVAL;
            if retain {
                since_retention = Duration::ZERO;
            }
            let broker = Arc::clone(&broker);
            // Disk work waits elsewhere; a panic there is a bug and shows in the log of the runtime.
            let _ = tokio::task::spawn_blocking(move || {
                broker.transactions.tick();
                broker.sync();
                if retain {
                    broker.for_each_partition(|partition| partition.retain(now_ms()));
                }
                broker.appended.notify_waiters();
            })
            .await;
        }
    }
}

fn lock_folder(folder: &Path) -> Result<File> {
    let failed = |source: io::Error| Error::Storage {
        folder: folder.to_owned(),
        source: source.into(),
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let file = File::create(folder.join("lock")).map_err(failed)?;
    match fs4::fs_std::FileExt::try_lock_exclusive(&file) {
        Ok(true) => Ok(file),
        Ok(false) => Err(Error::FolderInUse {
            folder: folder.to_owned(),
        }),
        Err(source) => Err(failed(source)),
    }
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Returns what a client is told: 0 for success.
fn code<T>(outcome: &Result<T, ResponseError>) -> i16 {
    outcome.as_ref().err().map_or(0, ResponseError::code)
}

#[cfg(test)]
mod conformance;
