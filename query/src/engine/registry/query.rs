//! One query: its progress, and its pages as the client reads them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::limits::TimeLimits;
use super::model::{Head, Page, PageLookup, QueryId, QueryState, QueryStats, QuerySummary};
use super::produce::PageWriter;
use crate::Error;
use crate::engine::session::SessionSettings;
use crate::metrics;
use crate::trino::TrinoError;

/// One query.
pub struct RunningQuery {
    pub(super) id: QueryId,
    pub(super) slug: String,
    pub(super) sql: String,
    pub(super) session: SessionSettings,
    pub(super) limits: Result<TimeLimits, Arc<Error>>,
    pub(super) created: DateTime<Utc>,
    pub(super) born: Instant,
    pub(super) is_started: AtomicBool,
    pub(super) writer: Mutex<Option<Box<dyn PageWriter>>>,
    pub(super) progress: Mutex<Progress>,
    /// The number of the newest queue URL the client has followed.
    queue_token: AtomicU64,
    /// Told when the state changes.
    changed: Notify,
    pub(super) reader: tokio::sync::Mutex<Reader>,
    /// Stops the work.
    pub(super) stop: CancellationToken,
}

#[derive(Debug)]
pub(super) struct Progress {
    pub(super) state: QueryState,
    pub(super) last_poll: Instant,
    started: Option<Instant>,
    planned: Option<Instant>,
    pub(super) ended: Option<Instant>,
    head: Option<Arc<Head>>,
    failure: Option<Arc<Error>>,
    rows: u64,
    bytes: u64,
    /// The client has been handed the last page.
    pub(super) is_drained: bool,
}

/// The client's side of the channel.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) pages: Option<mpsc::Receiver<Chunk>>,
    last: Option<Page>,
}

/// Rows on their way from the producer to the client.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) rows: Bytes,
    pub(super) is_last: bool,
}

impl fmt::Debug for RunningQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningQuery")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl RunningQuery {
    pub(super) fn new(
        id: QueryId,
        sql: String,
        session: SessionSettings,
        limits: Result<TimeLimits, Arc<Error>>,
        writer: Box<dyn PageWriter>,
        stop: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        Self {
            id,
            slug: format!("y{}", uuid::Uuid::new_v4().simple()),
            sql,
            session,
            limits,
            created: Utc::now(),
            born: now,
            is_started: AtomicBool::new(false),
            writer: Mutex::new(Some(writer)),
            progress: Mutex::new(Progress {
                state: QueryState::Queued,
                last_poll: now,
                started: None,
                planned: None,
                ended: None,
                head: None,
                failure: None,
                rows: 0,
                bytes: 0,
                is_drained: false,
            }),
            queue_token: AtomicU64::new(0),
            changed: Notify::new(),
            reader: tokio::sync::Mutex::default(),
            stop,
        }
    }

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
        let end = progress.ended.unwrap_or_else(Instant::now);
        let started = progress.started.unwrap_or(end);
        let planned = progress.planned.unwrap_or(end);
        QueryStats {
            state: progress.state,
            elapsed: end.duration_since(self.born),
            queued: started.duration_since(self.born),
            planning: planned.duration_since(started),
            rows: progress.rows,
            bytes: progress.bytes,
            work: self.session.work.totals(),
        }
    }

    /// Returns its line in lists.
    #[must_use]
    pub fn summary(&self) -> QuerySummary {
        let stats = self.stats();
        let progress = self.progress.lock();
        let at = |instant: Instant| self.created + instant.duration_since(self.born);
        QuerySummary {
            id: self.id.clone(),
            user: self.session.user.clone(),
            source: self.session.source.clone(),
            catalog: self.session.catalog.clone(),
            schema: self.session.schema.clone(),
            sql: self.sql.clone(),
            created: self.created,
            started: progress.started.map(at),
            last_heartbeat: at(progress.last_poll),
            ended: progress.ended.map(at),
            failure: progress.failure.clone(),
            stats,
        }
    }

    /// Cancels the query; one that has ended stays as it ended.
    pub fn cancel(&self) {
        self.kill(Error::Cancelled);
    }

    /// Stops the query with this reason; one that has ended stays as it ended.
    pub(super) fn kill(&self, reason: Error) {
        self.end(Some(reason));
        self.stop.cancel();
    }

    /// Notes that the client follows the queue URL with this number; false if it is none that was handed out last.
    pub fn take_queue_token(&self, token: u64) -> bool {
        let advance = |last: u64| {
            let is_next = token == last || Some(token) == last.checked_add(1);
            is_next.then_some(token)
        };
        let order = Ordering::Relaxed;
        self.queue_token.fetch_update(order, order, advance).is_ok()
    }

    /// Waits up to `patience` for the query to leave the queue.
    pub async fn wait_started(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let changed = self.changed.notified();
            if !self.is_queued() || tokio::time::timeout_at(deadline, changed).await.is_err() {
                break;
            }
        }
        self.keep_alive();
    }

    /// Returns page `token`, waiting up to `patience` for rows.
    ///
    /// # Cancel safety
    /// Dropped midway it has taken nothing: a page that was received is stored before it is returned.
    pub async fn page(&self, token: u64, patience: Duration) -> PageLookup {
        self.keep_alive();
        let mut reader = self.reader.lock().await;
        match &reader.last {
            Some(last) if token == last.token => return PageLookup::Page(Box::new(last.clone())),
            Some(last) if token < last.token => return PageLookup::Gone,
            Some(last) if token != last.token + 1 || last.is_last => return PageLookup::Unknown,
            None if token != 0 => return PageLookup::Unknown,
            _ => {}
        }
        let chunk = self
            .next_chunk(&mut reader, Instant::now() + patience)
            .await;
        let stats = self.stats();
        let (head, failure) = {
            let mut progress = self.progress.lock();
            progress.is_drained |= chunk.is_last;
            let failure = progress.failure.clone().filter(|_| chunk.is_last);
            (progress.head.clone(), failure)
        };
        let page = Page {
            token,
            rows: chunk.rows,
            is_last: chunk.is_last,
            head,
            failure,
            stats,
        };
        if page.is_last {
            reader.pages = None;
        }
        reader.last = Some(page.clone());
        drop(reader);
        self.keep_alive();
        PageLookup::Page(Box::new(page))
    }

    async fn next_chunk(&self, reader: &mut Reader, deadline: Instant) -> Chunk {
        let end = Chunk {
            rows: Bytes::new(),
            is_last: true,
        };
        let Some(pages) = reader.pages.as_mut() else {
            // Nothing was started, or all was read: only a query that has ended is at its end.
            let is_last = self.progress.lock().ended.is_some();
            return Chunk { is_last, ..end };
        };
        loop {
            let changed = self.changed.notified();
            // The work may take a moment to stop; its client need not wait for that.
            if self.progress.lock().failure.is_some() {
                return end;
            }
            tokio::select! {
                biased;
                chunk = pages.recv() => match chunk {
                    Some(chunk) => return chunk,
                    None => return end,
                },
                () = changed => {}
                () = tokio::time::sleep_until(deadline) => {
                    return Chunk { is_last: false, ..end };
                }
            }
        }
    }

    pub(super) fn set_started(&self) {
        let mut progress = self.progress.lock();
        if progress.ended.is_none() {
            progress.state = QueryState::Planning;
            progress.started = Some(Instant::now());
            metrics::left_queue();
            metrics::started();
        }
        drop(progress);
        self.changed.notify_waiters();
    }

    pub(super) fn set_planned(&self, head: Head) {
        let mut progress = self.progress.lock();
        if progress.ended.is_none() {
            progress.state = QueryState::Running;
            // A write has done all its work by the time its columns are known.
            progress.planned = match head.update_type {
                Some(_) => progress.started,
                None => Some(Instant::now()),
            };
        }
        progress.head = Some(Arc::new(head));
    }

    pub(super) fn count(&self, rows: usize, bytes: usize) {
        let mut progress = self.progress.lock();
        progress.rows += rows as u64;
        progress.bytes += bytes as u64;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.progress.lock().ended.is_some()
    }

    /// Notes how the query ended; the first end counts.
    pub(super) fn end(&self, failure: Option<Error>) {
        let mut progress = self.progress.lock();
        if progress.ended.is_some() {
            return;
        }
        progress.ended = Some(Instant::now());
        progress.state = match failure {
            Some(_) => QueryState::Failed,
            None => QueryState::Finished,
        };
        let outcome = match &failure {
            Some(error) => TrinoError::of(error).kind,
            None => "FINISHED",
        };
        progress.failure = failure.map(Arc::new);
        match progress.started {
            Some(_) => metrics::stopped(),
            None => metrics::left_queue(),
        }
        drop(progress);
        metrics::ended(outcome, &self.stats());
        self.changed.notify_waiters();
    }

    /// Notes that the client is still there.
    pub fn keep_alive(&self) {
        self.progress.lock().last_poll = Instant::now();
    }

    /// Bytes of text that are kept as long as the query is remembered.
    pub(super) fn text_bytes(&self) -> usize {
        let prepared = self.session.prepared.iter();
        let prepared: usize = prepared.map(|(name, sql)| name.len() + sql.len()).sum();
        let properties = self.session.properties.iter();
        let properties: usize = properties
            .map(|(name, value)| name.len() + value.len())
            .sum();
        self.sql.len() + prepared + properties
    }

    /// Returns when nobody has polled for `patience`.
    pub(super) async fn abandoned(&self, patience: Duration) {
        loop {
            let until = self.progress.lock().last_poll + patience;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}
