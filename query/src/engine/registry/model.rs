//! What doors and system tables see of a query.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::Error;
use crate::engine::session::SessionEffect;
use crate::engine::work::Totals;
use crate::trino::TrinoError;

/// Names a query in lists and URLs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub(super) String);

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
    /// Registered, or waiting for its turn.
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

    /// Returns whether nothing more will happen.
    #[must_use]
    pub fn is_done(self) -> bool {
        matches!(self, Self::Finished | Self::Failed)
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
    /// Written rows; empty if there are none.
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
    /// Time from its start until its columns were known.
    pub planning: Duration,
    /// Rows made.
    pub rows: u64,
    /// Written bytes made.
    pub bytes: u64,
    /// What was used for it.
    pub work: Totals,
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
    /// The session's catalog.
    pub catalog: Option<String>,
    /// The session's schema.
    pub schema: Option<String>,
    /// The statement.
    pub sql: String,
    /// When it was registered.
    pub created: DateTime<Utc>,
    /// When it left the queue.
    pub started: Option<DateTime<Utc>>,
    /// When its client last asked for it.
    pub last_heartbeat: DateTime<Utc>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// Why it failed.
    pub failure: Option<Arc<Error>>,
    /// Its numbers.
    pub stats: QueryStats,
}

impl QuerySummary {
    /// Returns why it failed, with type, number and name as clients see them.
    #[must_use]
    pub fn error(&self) -> Option<TrinoError> {
        self.failure.as_deref().map(TrinoError::of)
    }
}

/// Why a statement was not registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// As many statements wait as may.
    QueueFull {
        /// How many that is.
        limit: usize,
    },
    /// The process has no room now, or is shutting down; later it may have.
    Busy,
}
