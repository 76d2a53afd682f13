//! Delta tables: appending with offsets, pinned versions, history.
//!
//! All users of a table in one process share a [`LakeTable`]. It keeps two views of the table's
//! Delta log, each advanced by what is new only: the newest snapshot, for readers, and the log's
//! tail with the stored offsets, for writers. Its lock makes the commits of this process queue
//! up; other processes are met in the log, where putting a commit has one winner.

mod append;
mod changes;
mod clone;
mod constraints;
mod convert;
mod dml;
mod encoding;
mod evolve;
mod files;
mod guard;
mod history;
mod leases;
mod log;
mod mapped_columns;
pub(crate) mod mapping;
mod merge;
pub(crate) mod nested;
mod offsets;
mod operation;
mod protocol;
mod restore;
pub(crate) mod rewrite;
mod scan;
pub(crate) mod schema;
mod snapshot;
mod writer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::TransactionError;
use deltalake::kernel::{Metadata, StructType};
use deltalake::logstore::{LogStoreRef, commit_uri_from_version};
use deltalake::operations::create::CreateBuilder;
use deltalake::{DeltaTable, DeltaTableError};
use object_store::ObjectStoreExt;
use tokio::sync::{Mutex, MutexGuard};
use url::Url;

pub use self::append::{AppendCommit, AppendOutcome, PendingAppend};
use self::constraints::Rules;
pub use self::convert::Conversion;
pub(crate) use self::encoding::{Encodings, SAMPLE_ROWS};
pub use self::files::FileSummary;
pub use self::history::CommitSummary;
use self::leases::Leases;
pub use self::leases::VersionLease;
use self::log::LogTail;
pub use self::merge::{Assignments, MergeClause, MergeRequest, MergeSource};
pub use self::offsets::OffsetRange;
pub use self::operation::{ChangeOutcome, CommitNote, Resources, Term, WriteOptions};
pub use self::scan::PRUNED_BY_LOG;
pub use self::snapshot::{AsOf, TableSnapshot};
pub(crate) use self::writer::{SORT_COLUMNS, SORTED_RUN_ROWS, file_properties};
use crate::backoff;
use crate::catalog::TableName;
use crate::error::{Error, Result};

const RELOAD_ATTEMPTS: usize = 3;
const PINNED_SNAPSHOTS: usize = 8;
/// How many commits are added to a loaded snapshot. Each keeps its files in columns of its own,
/// which take a hundred times the memory of those of a checkpoint.
const ADDED_COMMITS: u64 = 128;

const DEFAULT_WRITE_BUFFER_BYTES: u64 = 512 << 20;

/// Collect statistics of all columns, not only of the first 32.
const STATISTICS_COLUMNS: &str = "delta.dataSkippingNumIndexedCols";
const CHECKPOINT_INTERVAL: &str = "delta.checkpointInterval";
/// Statistics in checkpoints as columns, and not as text that has to be parsed to open the table.
const CHECKPOINT_STATISTICS: &str = "delta.checkpoint.writeStatsAsStruct";
/// Other writers would clean up the log without asking who pins its versions; maintenance does.
const LOG_CLEANUP: &str = "delta.enableExpiredLogCleanup";

/// What identifies a table, for its parts and for messages.
pub(crate) struct TableRef {
    pub(crate) name: TableName,
    pub(crate) url: Url,
    pub(crate) log_store: LogStoreRef,
    /// How many bytes of rows an append keeps in open files.
    pub(crate) write_buffer_bytes: u64,
}

impl TableRef {
    /// Wraps an error of Delta with the table, its place and its version.
    pub(crate) fn error(
        &self,
        action: &'static str,
        version: Option<u64>,
        source: DeltaTableError,
    ) -> Error {
        if matches!(source, DeltaTableError::NotATable(_)) {
            return self.missing_log();
        }
        if let DeltaTableError::Transaction {
            source: TransactionError::DeltaTableAppendOnly,
        } = source
        {
            return Error::AppendOnly {
                table: self.name.to_string(),
            };
        }
        Error::Table {
            table: self.name.to_string(),
            location: self.url.to_string(),
            version,
            action,
            source: Box::new(source),
        }
    }

    pub(crate) fn missing_log(&self) -> Error {
        Error::MissingLog {
            table: self.name.to_string(),
            location: self.url.to_string(),
        }
    }
}

/// What a new table's Delta log starts with.
pub(crate) struct NewTable {
    pub(crate) schema: SchemaRef,
    pub(crate) comment: Option<String>,
    pub(crate) partition_columns: Vec<String>,
    pub(crate) delta_properties: BTreeMap<String, String>,
}

/// A Delta table of the lake. Clones share what is loaded of it.
#[derive(Clone)]
pub struct LakeTable {
    table_ref: Arc<TableRef>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    newest: Mutex<Option<Newest>>,
    tail: Mutex<Option<LogTail>>,
    /// What earlier appends found out about the columns' values.
    encodings: Arc<OnceLock<Encodings>>,
    /// The rules of the definition that rows were checked against last.
    rules: parking_lot::Mutex<Option<(Metadata, Option<Arc<Rules>>)>>,
    /// Older versions that were asked for lately, the latest asked for last.
    pinned: parking_lot::Mutex<VecDeque<TableSnapshot>>,
    leases: Leases,
}

struct Newest {
    snapshot: TableSnapshot,
    /// The version that was loaded as a whole; commits were added to it since.
    base: u64,
    listed_at: Instant,
}

impl Newest {
    fn added_commits(&self) -> u64 {
        self.snapshot.version().saturating_sub(self.base)
    }
}

impl fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LakeTable")
            .field("name", &self.table_ref.name)
            .field("url", &self.table_ref.url.as_str())
            .finish_non_exhaustive()
    }
}

impl LakeTable {
    pub(crate) fn new(name: TableName, url: Url, log_store: LogStoreRef) -> Self {
        let table_ref = Arc::new(TableRef {
            name,
            url,
            log_store,
            write_buffer_bytes: DEFAULT_WRITE_BUFFER_BYTES,
        });
        Self {
            table_ref,
            shared: Arc::default(),
        }
    }

    /// Returns the table with another write buffer; for a table that nobody else has yet.
    pub(crate) fn with_write_buffer(self, bytes: u64) -> Self {
        let table_ref = Arc::new(TableRef {
            name: self.name().clone(),
            url: self.url().clone(),
            log_store: Arc::clone(&self.table_ref.log_store),
            write_buffer_bytes: bytes,
        });
        Self {
            table_ref,
            shared: self.shared,
        }
    }

    /// Writes the first commit of a table.
    pub(crate) async fn create(
        name: TableName,
        url: Url,
        log_store: LogStoreRef,
        table: NewTable,
    ) -> Result<Self> {
        let created = Self::new(name, url, log_store);
        let mismatch = |reason: String| Error::SchemaMismatch {
            table: created.name().to_string(),
            reason,
        };
        for column in &table.partition_columns {
            if table.schema.field_with_name(column).is_err() {
                return Err(mismatch(format!(
                    "partition column `{column}` is not a column"
                )));
            }
        }
        if table.partition_columns.len() >= table.schema.fields().len() {
            return Err(mismatch("every column is a partition column".to_owned()));
        }
        let columns: StructType = table
            .schema
            .as_ref()
            .try_into_kernel()
            .map_err(|error: arrow::error::ArrowError| mismatch(error.to_string()))?;
        created.check_definition(&table, &columns)?;
        let mut properties = BTreeMap::from([
            (STATISTICS_COLUMNS.to_owned(), "-1".to_owned()),
            (CHECKPOINT_INTERVAL.to_owned(), "100".to_owned()),
            (CHECKPOINT_STATISTICS.to_owned(), "true".to_owned()),
            (LOG_CLEANUP.to_owned(), "false".to_owned()),
        ]);
        properties.extend(table.delta_properties);
        let mut builder = CreateBuilder::new()
            .with_log_store(Arc::clone(&created.table_ref.log_store))
            .with_table_name(created.name().to_string())
            .with_columns(columns.fields().cloned())
            .with_partition_columns(table.partition_columns)
            // Our own properties are in the log too, so that every writer of the table sees them;
            // and constraints are properties that Delta's builder does not know.
            .with_raise_if_key_not_exists(false)
            .with_actions(constraints::needed_protocol(&properties))
            .with_configuration(
                properties
                    .into_iter()
                    .map(|(key, value)| (key, Some(value))),
            );
        if let Some(comment) = table.comment {
            builder = builder.with_comment(comment);
        }
        let delta = builder
            .await
            .map_err(|error| created.delta_error("creating", error))?;
        let snapshot = TableSnapshot::over(Arc::clone(&created.table_ref), delta).await?;
        *created.shared.newest.lock().await = Some(Newest {
            base: snapshot.version(),
            snapshot,
            listed_at: Instant::now(),
        });
        Ok(created)
    }

    /// Refuses a new table that needs what this writer lacks, or whose rules make no sense.
    fn check_definition(&self, table: &NewTable, columns: &StructType) -> Result<()> {
        protocol::check_properties(&self.table_ref, &table.delta_properties)?;
        protocol::check_columns(&self.table_ref, columns.fields())?;
        for key in table.delta_properties.keys() {
            if !key.starts_with(constraints::CONSTRAINT) {
                protocol::check_known(self.name(), key)?;
            }
        }
        constraints::check_definition(self.name(), &table.schema, &table.delta_properties)
    }

    /// Returns the name.
    pub fn name(&self) -> &TableName {
        &self.table_ref.name
    }

    /// Returns the URL of the table's folder.
    pub fn url(&self) -> &Url {
        &self.table_ref.url
    }

    /// Returns the columns of the newest version.
    ///
    /// # Errors
    ///
    /// Those of [`snapshot`](Self::snapshot).
    pub async fn schema(&self) -> Result<SchemaRef> {
        Ok(self.latest().await?.schema())
    }

    /// Pins a version of the table. The newest one costs one request when nothing changed. As
    /// long as the snapshot lives, maintenance in this process keeps what it needs.
    ///
    /// # Errors
    ///
    /// [`Error::MissingLog`], [`Error::VersionNotFound`] or [`Error::NoVersionAt`]; and
    /// [`Error::Table`] when the log cannot be read, or needs a feature that is not supported:
    /// the cause names it.
    pub async fn snapshot(&self, as_of: AsOf) -> Result<TableSnapshot> {
        let snapshot = match as_of {
            AsOf::Latest => self.latest().await?,
            AsOf::Version(version) => self.at_version(version).await?,
            AsOf::Timestamp(timestamp) => {
                let version = snapshot::version_at(&self.table_ref, timestamp).await?;
                self.at_version(version).await?
            }
        };
        let lease = self.lease(snapshot.version());
        Ok(snapshot.leased(lease))
    }

    /// Keeps maintenance in this process from removing what a version needs.
    pub fn lease(&self, version: u64) -> VersionLease {
        self.shared.leases.take(version)
    }

    /// Returns the versions that are in use in this process.
    pub fn leased_versions(&self) -> BTreeSet<u64> {
        self.shared.leases.versions()
    }

    /// Returns the same table opened under another name, sharing what is loaded and in use.
    pub(crate) fn sharing_with(&self, renamed: Self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            ..renamed
        }
    }

    /// Forgets what is loaded, so that the next use reads the log from its start.
    pub(crate) async fn forget(&self) {
        *self.shared.newest.lock().await = None;
        *self.shared.tail.lock().await = None;
        self.shared.pinned.lock().clear();
    }

    /// Returns what was found out about how to encode the columns' values.
    pub(crate) fn encodings(&self) -> &Arc<OnceLock<Encodings>> {
        &self.shared.encodings
    }

    pub(crate) fn table_ref(&self) -> &Arc<TableRef> {
        &self.table_ref
    }

    /// Returns the offset stored for a source: the next one to read.
    ///
    /// # Errors
    ///
    /// Those of [`stored_offsets`](Self::stored_offsets).
    pub async fn stored_offset(&self, source: &str) -> Result<Option<i64>> {
        let guard = self.current_tail().await?;
        Ok(guard
            .as_ref()
            .and_then(|tail| tail.offsets.get(source).copied()))
    }

    /// Returns the offsets stored for all sources, as the log has them now.
    ///
    /// # Errors
    ///
    /// [`Error::MissingLog`], [`Error::LogGap`], [`Error::CorruptLog`] or [`Error::Storage`].
    pub async fn stored_offsets(&self) -> Result<BTreeMap<String, i64>> {
        let guard = self.current_tail().await?;
        Ok(guard
            .as_ref()
            .map(|tail| tail.offsets.clone())
            .unwrap_or_default())
    }

    /// Returns the newest commits, the newest first, as far as the log has them.
    ///
    /// # Errors
    ///
    /// [`Error::MissingLog`], [`Error::CorruptLog`] or [`Error::Storage`].
    pub async fn history(&self, limit: usize) -> Result<Vec<CommitSummary>> {
        let latest = self.latest().await?.version();
        history::history(&self.table_ref, latest, limit).await
    }

    /// Returns a snapshot that is not older than a version, without looking for a newer one.
    async fn at_least(&self, version: u64) -> Result<TableSnapshot> {
        if let Some(newest) = self.shared.newest.lock().await.as_ref()
            && newest.snapshot.version() >= version
        {
            return Ok(newest.snapshot.clone());
        }
        self.latest().await
    }

    /// Returns the newest snapshot, loading only what is new.
    async fn latest(&self) -> Result<TableSnapshot> {
        let mut guard = self.shared.newest.lock().await;
        if let Some(newest) = guard.as_ref()
            && newest.listed_at.elapsed() < log::TRUST
            && !self.has_version(newest.snapshot.version() + 1).await?
        {
            return Ok(newest.snapshot.clone());
        }
        let known = guard
            .as_ref()
            .filter(|newest| newest.added_commits() < ADDED_COMMITS);
        let base = known.map(|newest| newest.base);
        let known = known.map(|newest| newest.snapshot.delta_table().clone());
        let listed_at = Instant::now();
        let delta = self.reload(known).await?;
        let snapshot = TableSnapshot::over(Arc::clone(&self.table_ref), delta).await?;
        *guard = Some(Newest {
            base: base.unwrap_or_else(|| snapshot.version()),
            snapshot: snapshot.clone(),
            listed_at,
        });
        Ok(snapshot)
    }

    /// Loads the table, or what is new since `known`. A listing that races with writers may show
    /// a hole in the log, so a failure is tried again.
    async fn reload(&self, known: Option<DeltaTable>) -> Result<DeltaTable> {
        let fresh = || DeltaTable::new(Arc::clone(&self.table_ref.log_store));
        let mut delta = known.unwrap_or_else(fresh);
        let mut attempt = 0;
        loop {
            match delta.update_incremental(None).await {
                Ok(()) => return Ok(delta),
                Err(error @ DeltaTableError::NotATable(_)) => {
                    return Err(self.delta_error("loading", error));
                }
                Err(error) if attempt + 1 >= RELOAD_ATTEMPTS => {
                    return Err(self.table_ref.error("loading", delta.version(), error));
                }
                Err(_) => {
                    backoff::pause(attempt).await;
                    attempt += 1;
                    delta = fresh();
                }
            }
        }
    }

    async fn at_version(&self, version: u64) -> Result<TableSnapshot> {
        let pinned = |pinned: &VecDeque<TableSnapshot>| {
            pinned
                .iter()
                .find(|snapshot| snapshot.version() == version)
                .cloned()
        };
        if let Some(snapshot) = pinned(&self.shared.pinned.lock()) {
            return Ok(snapshot);
        }
        let latest = self.latest().await?;
        if version == latest.version() {
            return Ok(latest);
        }
        if version > latest.version() {
            return Err(Error::VersionNotFound {
                table: self.name().to_string(),
                version,
                latest: latest.version(),
            });
        }
        let mut delta = DeltaTable::new(Arc::clone(&self.table_ref.log_store));
        delta
            .load_version(version)
            .await
            .map_err(|error| self.table_ref.error("loading", Some(version), error))?;
        let snapshot = TableSnapshot::over(Arc::clone(&self.table_ref), delta).await?;
        let mut pinned = self.shared.pinned.lock();
        if pinned.len() >= PINNED_SNAPSHOTS {
            pinned.pop_front();
        }
        pinned.push_back(snapshot.clone());
        Ok(snapshot)
    }

    async fn has_version(&self, version: u64) -> Result<bool> {
        let path = commit_uri_from_version(Some(version));
        match self
            .table_ref
            .log_store
            .object_store(None)
            .head(&path)
            .await
        {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(Error::Storage {
                url: self.url().to_string(),
                action: "looking for a new commit",
                source,
            }),
        }
    }

    /// Returns the log's tail, loaded and up to date. Who holds it is the only one in this
    /// process to commit to the table.
    async fn current_tail(&self) -> Result<MutexGuard<'_, Option<LogTail>>> {
        let mut guard = self.shared.tail.lock().await;
        match guard.as_mut() {
            Some(tail) if !tail.is_stale() => tail.advance(&self.table_ref).await?,
            _ => *guard = Some(LogTail::load(&self.table_ref).await?),
        }
        Ok(guard)
    }

    fn delta_error(&self, action: &'static str, error: DeltaTableError) -> Error {
        self.table_ref.error(action, None, error)
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
