//! Running queries: registered at once, started by the first poll, read page by page.
//!
//! ```text
//! submit -> Queued --(first poll, then its turn)--> produce: run, write, prefetch --bounded channel--> page(token)
//!    |                                                  |                                        same token, same page
//!    +-- queue full, no room: refused                   +-- cancelled, killed, too long, or nobody polled for too long
//! ```
//!
//! The door brings the [`PageWriter`], so that the next page is being written while the client reads this one.
//! Whatever other doors come, they register their queries here: limits, lists and cancelling are one for all.

mod limits;
mod model;
mod produce;
mod query;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Utc;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::limits::TimeLimits;
pub(super) use self::limits::check_property;
pub use self::model::{
    Head, Page, PageLookup, QueryId, QueryState, QueryStats, QuerySummary, Refusal,
};
pub use self::produce::PageWriter;
pub use self::query::RunningQuery;
use super::QueryEngine;
use super::session::SessionSettings;
use crate::config::QueryConfig;
use crate::metrics;
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// Bytes of statements, their prepared statements and properties that all queries together may hold.
const HELD_TEXT_BYTES: usize = 256 << 20;

/// The queries of one engine.
#[derive(Debug)]
pub struct Registry {
    queries: Mutex<BTreeMap<QueryId, Arc<RunningQuery>>>,
    turns: Arc<Semaphore>,
    sequence: AtomicU64,
    config: QueryConfig,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Registry {
    pub(super) fn new(config: &QueryConfig) -> Self {
        Self {
            queries: Mutex::default(),
            turns: Arc::new(Semaphore::new(config.max_running_queries.max(1))),
            sequence: AtomicU64::new(1),
            config: config.clone(),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Returns an id that no other query has.
    pub fn new_id(&self) -> QueryId {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) % 100_000;
        let unique = Uuid::new_v4().simple().to_string();
        let (suffix, _) = unique.split_at_checked(5).unwrap_or((unique.as_str(), ""));
        let created = Utc::now().format("%Y%m%d_%H%M%S");
        QueryId(format!("{created}_{sequence:05}_{suffix}"))
    }

    /// Registers a statement. It starts with the first [`start`](Self::start).
    ///
    /// # Errors
    /// The queue is full, or the process has no room.
    pub fn submit(
        &self,
        sql: String,
        session: SessionSettings,
        writer: impl FnOnce(&QueryId) -> Box<dyn PageWriter>,
    ) -> Result<Arc<RunningQuery>, Refusal> {
        let registered = self.register(sql, session, writer);
        match registered {
            Ok(_) => metrics::queued(),
            Err(_) => metrics::refused(),
        }
        registered
    }

    fn register(
        &self,
        sql: String,
        mut session: SessionSettings,
        writer: impl FnOnce(&QueryId) -> Box<dyn PageWriter>,
    ) -> Result<Arc<RunningQuery>, Refusal> {
        if self.shutdown.is_cancelled() {
            return Err(Refusal::Busy);
        }
        session.work = Arc::default();
        let limits = TimeLimits::of(&session, &self.config).map_err(Arc::new);
        let id = self.new_id();
        let writer = writer(&id);
        let stop = self.shutdown.child_token();
        let query = RunningQuery::new(id.clone(), sql, session, limits, writer, stop);
        let query = Arc::new(query);
        let mut queries = self.queries.lock();
        let (waiting, bytes) = self.forget_old(&mut queries);
        let limit = self.config.max_queued_queries.max(1);
        if waiting >= limit {
            return Err(Refusal::QueueFull { limit });
        }
        if bytes + query.text_bytes() > HELD_TEXT_BYTES {
            return Err(Refusal::Busy);
        }
        queries.insert(id, Arc::clone(&query));
        Ok(query)
    }

    /// Returns the query with this id.
    pub fn get(&self, id: &QueryId) -> Option<Arc<RunningQuery>> {
        self.queries.lock().get(id).cloned()
    }

    /// Returns all queries that are remembered, oldest first.
    pub fn list(&self) -> Vec<QuerySummary> {
        let queries: Vec<_> = self.queries.lock().values().cloned().collect();
        queries.iter().map(|query| query.summary()).collect()
    }

    /// Starts the query if it is not started.
    pub async fn start(&self, query: &Arc<RunningQuery>, engine: &QueryEngine) {
        query.keep_alive();
        if query.is_started.swap(true, Ordering::AcqRel) || query.has_ended() {
            return;
        }
        let (pages, receiver) = mpsc::channel(produce::PREFETCHED_PAGES);
        query.reader.lock().await.pages = Some(receiver);
        let turns = Arc::clone(&self.turns);
        let work = produce::run(Arc::clone(query), engine.clone(), turns, pages);
        self.tasks.spawn(work);
    }

    /// Stops a query on behalf of somebody else than its client.
    ///
    /// # Errors
    /// `NOT_FOUND`, or `NOT_SUPPORTED` for a query that has ended.
    pub fn kill(&self, id: &QueryId, message: Option<&str>) -> Result<()> {
        let refuse =
            |name, text: &str| Error::from(TrinoFailure::new(name, format!("{text}: {id}")));
        let Some(query) = self.get(id) else {
            return Err(refuse("NOT_FOUND", "Target query not found"));
        };
        if query.has_ended() {
            return Err(refuse("NOT_SUPPORTED", "Target query is not running"));
        }
        let reason = match message {
            Some(message) => format!("Query killed. Message: {message}"),
            None => "Query killed. No message provided.".to_owned(),
        };
        query.kill(TrinoFailure::new("ADMINISTRATIVELY_KILLED", reason).into());
        Ok(())
    }

    /// Runs work that belongs to queries and must end with them; it is told by [`is_stopping`](Self::is_stopping).
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Returns the token that is cancelled when the queries must stop.
    pub(crate) fn is_stopping(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Returns how many tasks of queries are at work.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// Cancels all queries and returns when they have stopped.
    pub async fn shutdown(&self) {
        for query in self.queries.lock().values() {
            query.cancel();
        }
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Returns how many remembered queries are in each state.
    pub fn count_by_state(&self) -> HashMap<&'static str, usize> {
        let mut counts = HashMap::new();
        for query in self.queries.lock().values() {
            *counts.entry(query.stats().state.name()).or_default() += 1;
        }
        counts
    }

    /// Forgets what nobody will ask for, and returns how many wait and how many bytes of text are held.
    fn forget_old(&self, queries: &mut BTreeMap<QueryId, Arc<RunningQuery>>) -> (usize, usize) {
        let timeout = self.config.client_timeout;
        let (mut waiting, mut bytes, mut forgettable) = (0, 0, Vec::new());
        queries.retain(|id, query| {
            let progress = query.progress.lock();
            let is_alive = progress.last_poll.elapsed() < timeout;
            if progress.state == QueryState::Queued {
                // Nothing runs for a statement that was never polled; its end is that it is forgotten.
                if !is_alive && !query.is_started.load(Ordering::Acquire) {
                    return false;
                }
                waiting += 1;
            }
            if progress.ended.is_some() && (progress.is_drained || !is_alive) {
                forgettable.push(id.clone());
            }
            drop(progress);
            bytes += query.text_bytes();
            true
        });
        let mut surplus = queries
            .len()
            .saturating_sub(waiting + self.config.max_remembered_queries);
        for id in forgettable {
            if surplus == 0 && bytes <= HELD_TEXT_BYTES / 2 {
                break;
            }
            if let Some(query) = queries.remove(&id) {
                bytes = bytes.saturating_sub(query.text_bytes());
            }
            surplus = surplus.saturating_sub(1);
        }
        (waiting, bytes)
    }
}
