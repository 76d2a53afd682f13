//! Running queries: registered at once, started by the first poll, read page by page.
//!
//! ```text
//! submit -> Queued --(first poll)--> producer: run, encode, prefetch --bounded channel--> page(token)
//!                                        |                                                   same token, same page
//!                                        +-- cancelled, or nobody polled for too long
//! ```
//!
//! The door brings the encoder, so that the next page is being written while the client reads this one.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::QueryEngine;
use super::session::{SessionEffect, SessionSettings};
use crate::config::QueryConfig;
use crate::{Error, Result};

/// A page is handed out at this size, even if more rows wait.
const PAGE_TARGET_BYTES: usize = 16 << 20;
/// A page that is not full is handed out after this time.
const PAGE_PATIENCE: Duration = Duration::from_secs(1);
/// Pages written ahead of the client.
const PREFETCHED_PAGES: usize = 2;
/// Ended queries that are remembered for lists.
const REMEMBERED_QUERIES: usize = 200;

/// Writes the rows of a batch in a door's format, each batch after a separator if the buffer has rows.
pub type EncodeRows = Arc<dyn Fn(&RecordBatch, &mut Vec<u8>) -> Result<()> + Send + Sync>;

/// Names a query in lists and URLs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(String);

impl QueryId {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for QueryId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a query is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryState {
    /// Registered, not started.
    Queued,
    /// Started; no row yet.
    Planning,
    /// Rows are made.
    Running,
    /// All rows are made.
    Finished,
    /// It failed or was cancelled.
    Failed,
}

impl QueryState {
    /// Returns Presto's name of the state.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Planning => "PLANNING",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
        }
    }
}

/// What is known of a query once it is planned.
#[derive(Debug, Clone)]
pub struct Head {
    /// The columns.
    pub schema: SchemaRef,
    /// What a statement that is no query did.
    pub update_type: Option<String>,
    /// How many rows it changed.
    pub update_count: Option<u64>,
    /// What the client's session must remember.
    pub effects: Vec<SessionEffect>,
}

/// One page as it was made; the same token gets it again.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its number.
    pub token: u64,
    /// Encoded rows; empty if there are none.
    pub rows: Bytes,
    /// No page follows.
    pub is_last: bool,
    /// The columns, once they are known.
    pub head: Option<Arc<Head>>,
    /// Why the query failed; the page is then the last.
    pub failure: Option<Arc<Error>>,
    /// Numbers at the time the page was made.
    pub stats: QueryStats,
}

/// The answer to a token.
#[derive(Debug)]
pub enum PageLookup {
    /// The page.
    Page(Box<Page>),
    /// An older page, which is not kept.
    Gone,
    /// A token that was never handed out.
    Unknown,
}

/// Numbers of a query.
#[derive(Debug, Clone)]
pub struct QueryStats {
    /// How far it is.
    pub state: QueryState,
    /// Time since it was registered.
    pub elapsed: Duration,
    /// Time until it was started.
    pub queued: Duration,
    /// Rows made.
    pub rows: u64,
    /// Encoded bytes made.
    pub bytes: u64,
}

/// One line of the list of queries.
#[derive(Debug, Clone)]
pub struct QuerySummary {
    /// Its id.
    pub id: QueryId,
    /// Who asked.
    pub user: String,
    /// With which program.
    pub source: Option<String>,
    /// The statement.
    pub sql: String,
    /// When it was registered.
    pub created: DateTime<Utc>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// Why it failed.
    pub failure: Option<Arc<Error>>,
    /// Its numbers.
    pub stats: QueryStats,
}

/// The queries of one engine.
#[derive(Debug)]
pub struct Registry {
    queries: Mutex<BTreeMap<QueryId, Arc<RunningQuery>>>,
    running: Arc<Semaphore>,
    sequence: AtomicU64,
    client_timeout: Duration,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// One query.
pub struct RunningQuery {
    id: QueryId,
    slug: String,
    sql: String,
    session: SessionSettings,
    encode: EncodeRows,
    created: DateTime<Utc>,
    born: Instant,
    progress: Mutex<Progress>,
    reader: tokio::sync::Mutex<Reader>,
    cancel: CancellationToken,
}

#[derive(Debug)]
struct Progress {
    state: QueryState,
    last_poll: Instant,
    started: Option<Instant>,
    ended: Option<(DateTime<Utc>, Instant)>,
    failure: Option<Arc<Error>>,
    rows: u64,
    bytes: u64,
}

/// The client's side of the channel.
#[derive(Debug, Default)]
struct Reader {
    events: Option<mpsc::Receiver<Event>>,
    head: Option<Arc<Head>>,
    last: Option<Page>,
}

#[derive(Debug)]
enum Event {
    Head(Arc<Head>),
    Rows { rows: Bytes, is_last: bool },
}

impl fmt::Debug for RunningQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningQuery")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Registry {
    pub(super) fn new(config: &QueryConfig) -> Self {
        Self {
            queries: Mutex::default(),
            running: Arc::new(Semaphore::new(config.max_running_queries.max(1))),
            sequence: AtomicU64::new(1),
            client_timeout: config.client_timeout,
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Registers a statement. It starts with the first [`start`](Self::start).
    pub fn submit(
        &self,
        sql: String,
        session: SessionSettings,
        encode: EncodeRows,
    ) -> Arc<RunningQuery> {
        self.forget_old();
        let created = Utc::now();
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) % 100_000;
        let unique = Uuid::new_v4().simple().to_string();
        let (suffix, _) = unique.split_at_checked(5).unwrap_or((unique.as_str(), ""));
        let id = QueryId(format!(
            "{}_{sequence:05}_{suffix}",
            created.format("%Y%m%d_%H%M%S")
        ));
        let query = Arc::new(RunningQuery {
            id: id.clone(),
            slug: format!("y{}", Uuid::new_v4().simple()),
            sql,
            session,
            encode,
            created,
            born: Instant::now(),
            progress: Mutex::new(Progress {
                state: QueryState::Queued,
                last_poll: Instant::now(),
                started: None,
                ended: None,
                failure: None,
                rows: 0,
                bytes: 0,
            }),
            reader: tokio::sync::Mutex::default(),
            cancel: self.shutdown.child_token(),
        });
        self.queries.lock().insert(id, Arc::clone(&query));
        query
    }

    /// Returns the query with this id.
    pub fn get(&self, id: &QueryId) -> Option<Arc<RunningQuery>> {
        self.queries.lock().get(id).cloned()
    }

    /// Returns all queries that are remembered, oldest first.
    pub fn list(&self) -> Vec<QuerySummary> {
        self.queries
            .lock()
            .values()
            .map(|query| query.summary())
            .collect()
    }

    /// Starts the query if it is not started.
    pub async fn start(&self, query: &Arc<RunningQuery>, engine: &QueryEngine) {
        let mut reader = query.reader.lock().await;
        query.touch();
        if reader.events.is_some() || query.cancel.is_cancelled() {
            return;
        }
        let (events, receiver) = mpsc::channel(PREFETCHED_PAGES);
        reader.events = Some(receiver);
        let (query, engine) = (Arc::clone(query), engine.clone());
        let (permits, patience) = (Arc::clone(&self.running), self.client_timeout);
        self.tasks.spawn(async move {
            let outcome = tokio::select! {
                outcome = query.produce(&engine, &permits, &events) => outcome,
                () = query.cancel.cancelled() => Err(Error::Cancelled),
                () = query.abandoned(patience) => Err(Error::Abandoned),
            };
            query.end(outcome.err());
        });
    }

    /// Cancels all queries and returns when they have stopped.
    pub async fn shutdown(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn forget_old(&self) {
        let mut queries = self.queries.lock();
        let timeout = self.client_timeout;
        queries.retain(|_, query| {
            let progress = query.progress.lock();
            let is_alive = progress.last_poll.elapsed() < timeout;
            match progress.state {
                QueryState::Queued => is_alive,
                QueryState::Planning | QueryState::Running => true,
                QueryState::Finished | QueryState::Failed => {
                    // What the client has not fetched is of no use after the timeout; the line in lists stays.
                    if !is_alive && let Ok(mut reader) = query.reader.try_lock() {
                        *reader = Reader {
                            events: None,
                            head: None,
                            last: reader.last.take(),
                        };
                    }
                    true
                }
            }
        });
        let surplus = queries.len().saturating_sub(REMEMBERED_QUERIES);
        let old: Vec<QueryId> = queries
            .iter()
            .filter(|(_, query)| {
                let progress = query.progress.lock();
                progress.ended.is_some() && progress.last_poll.elapsed() >= timeout
            })
            .map(|(id, _)| id.clone())
            .take(surplus)
            .collect();
        for id in old {
            queries.remove(&id);
        }
    }
}

impl RunningQuery {
    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> &QueryId {
        &self.id
    }

    /// Returns the secret that polling URLs carry.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// Returns whether it waits for its turn.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.progress.lock().state == QueryState::Queued
    }

    /// Returns its numbers now.
    #[must_use]
    pub fn stats(&self) -> QueryStats {
        let progress = self.progress.lock();
        let end = progress.ended.map_or_else(Instant::now, |(_, end)| end);
        QueryStats {
            state: progress.state,
            elapsed: end.duration_since(self.born),
            queued: progress.started.unwrap_or(end).duration_since(self.born),
            rows: progress.rows,
            bytes: progress.bytes,
        }
    }

    /// Returns its line in lists.
    #[must_use]
    pub fn summary(&self) -> QuerySummary {
        let (ended, failure) = {
            let progress = self.progress.lock();
            (
                progress.ended.map(|(time, _)| time),
                progress.failure.clone(),
            )
        };
        QuerySummary {
            id: self.id.clone(),
            user: self.session.user.clone(),
            source: self.session.source.clone(),
            sql: self.sql.clone(),
            created: self.created,
            ended,
            failure,
            stats: self.stats(),
        }
    }

    /// Cancels the query; one that has ended stays as it ended.
    pub fn cancel(&self) {
        self.cancel.cancel();
        let is_queued = self.is_queued();
        if is_queued {
            self.end(Some(Error::Cancelled));
        }
    }

    /// Waits up to `patience` for the query to leave the queue.
    pub async fn wait_started(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.is_queued() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.touch();
    }

    /// Returns page `token`, waiting up to `patience` for rows.
    ///
    /// # Cancel safety
    /// Dropped midway it has taken nothing: a page that was received is stored before it is returned.
    pub async fn page(&self, token: u64, patience: Duration) -> PageLookup {
        self.touch();
        let mut reader = self.reader.lock().await;
        match &reader.last {
            Some(last) if token == last.token => return PageLookup::Page(Box::new(last.clone())),
            Some(last) if token < last.token => return PageLookup::Gone,
            Some(last) if token != last.token + 1 || last.is_last => return PageLookup::Unknown,
            None if token != 0 => return PageLookup::Unknown,
            _ => {}
        }
        let deadline = Instant::now() + patience;
        let (mut rows, mut is_last) = (Bytes::new(), false);
        loop {
            let Some(events) = reader.events.as_mut() else {
                is_last = true;
                break;
            };
            match tokio::time::timeout_at(deadline, events.recv()).await {
                Ok(Some(Event::Head(head))) => reader.head = Some(head),
                Ok(Some(Event::Rows {
                    rows: made,
                    is_last: last,
                })) => {
                    (rows, is_last) = (made, last);
                    break;
                }
                Ok(None) => {
                    is_last = true;
                    break;
                }
                Err(_) => break,
            }
        }
        let failure = if is_last {
            self.progress.lock().failure.clone()
        } else {
            None
        };
        let page = Page {
            token,
            rows,
            is_last,
            head: reader.head.clone(),
            failure,
            stats: self.stats(),
        };
        reader.last = Some(page.clone());
        drop(reader);
        self.touch();
        PageLookup::Page(Box::new(page))
    }

    async fn produce(
        &self,
        engine: &QueryEngine,
        permits: &Semaphore,
        events: &mpsc::Sender<Event>,
    ) -> Result<()> {
        let closed = |_| Error::Internal {
            message: "the semaphore is closed".to_owned(),
        };
        let _permit = permits.acquire().await.map_err(closed)?;
        {
            let mut progress = self.progress.lock();
            progress.state = QueryState::Planning;
            progress.started = Some(Instant::now());
        }
        let mut result = Box::pin(engine.run(&self.sql, &self.session)).await?;
        let head = Arc::new(Head {
            schema: Arc::clone(&result.schema),
            update_type: result.update_type.take(),
            update_count: result.update_count,
            effects: std::mem::take(&mut result.effects),
        });
        self.progress.lock().state = QueryState::Running;
        // A reader that is gone has dropped the query; the next send or the cancel tells.
        let _ = events.send(Event::Head(head)).await;
        let mut page = Vec::new();
        let mut page_ends: Option<Instant> = None;
        loop {
            let next = match page_ends {
                Some(end) => tokio::time::timeout_at(end, result.rows.next()).await,
                None => Ok(result.rows.next().await),
            };
            match next {
                Ok(Some(batch)) => {
                    let batch = batch.map_err(super::run_error)?;
                    if batch.num_rows() == 0 {
                        continue;
                    }
                    let before = page.len();
                    (self.encode)(&batch, &mut page)?;
                    let mut progress = self.progress.lock();
                    progress.rows += batch.num_rows() as u64;
                    progress.bytes += (page.len() - before) as u64;
                    page_ends.get_or_insert_with(|| Instant::now() + PAGE_PATIENCE);
                    if page.len() < PAGE_TARGET_BYTES {
                        continue;
                    }
                }
                Ok(None) => break,
                Err(_) => {}
            }
            let rows = Bytes::from(std::mem::take(&mut page));
            page_ends = None;
            let _ = events
                .send(Event::Rows {
                    rows,
                    is_last: false,
                })
                .await;
        }
        self.end(None);
        let _ = events
            .send(Event::Rows {
                rows: Bytes::from(page),
                is_last: true,
            })
            .await;
        Ok(())
    }

    /// Notes how the query ended; the first end counts.
    fn end(&self, failure: Option<Error>) {
        let mut progress = self.progress.lock();
        if progress.ended.is_some() {
            return;
        }
        progress.ended = Some((Utc::now(), Instant::now()));
        progress.state = if failure.is_some() {
            QueryState::Failed
        } else {
            QueryState::Finished
        };
        progress.failure = failure.map(Arc::new);
    }

    /// Notes that the client is still there.
    pub fn keep_alive(&self) {
        self.touch();
    }

    fn touch(&self) {
        self.progress.lock().last_poll = Instant::now();
    }

    /// Returns when nobody has polled for `patience`.
    async fn abandoned(&self, patience: Duration) {
        loop {
            let last_poll = self.progress.lock().last_poll;
            let until = last_poll + patience;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// Counts queries by state, for status pages.
impl Registry {
    /// Returns how many remembered queries are in each state.
    pub fn count_by_state(&self) -> HashMap<&'static str, usize> {
        let mut counts = HashMap::new();
        for query in self.queries.lock().values() {
            *counts.entry(query.stats().state.name()).or_default() += 1;
        }
        counts
    }
}
