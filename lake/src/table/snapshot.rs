//! One version of a table.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::DataFusionError;
use deltalake::logstore::commit_uri_from_version;
use deltalake::{DeltaTable, DeltaTableError};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::Mutex;

use super::scan::FileStatistics;
use super::{TableRef, VersionLease, log};
use crate::catalog::TableName;
use crate::error::{Error, Result};

/// Which version of a table is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AsOf {
    /// The newest version in the log.
    Latest,
    /// A version by its number.
    Version(u64),
    /// The newest version that was written at that time or before.
    Timestamp(DateTime<Utc>),
}

/// One version of a table, pinned: it never changes.
#[derive(Clone)]
pub struct TableSnapshot {
    inner: Arc<Inner>,
    /// None in the caches of the table: what is only remembered is not in use.
    lease: Option<Arc<VersionLease>>,
}

struct Inner {
    table_ref: Arc<TableRef>,
    delta: DeltaTable,
    version: u64,
    timestamp: Option<DateTime<Utc>>,
    schema: SchemaRef,
    partition_columns: Vec<String>,
    totals: OnceLock<FileTotals>,
    /// By whether texts are read as views, which changes the types of bounds.
    statistics: Mutex<HashMap<SchemaRef, Arc<FileStatistics>>>,
}

#[derive(Debug, Clone, Copy)]
struct FileTotals {
    files: usize,
    bytes: u64,
    rows: Option<u64>,
}

impl fmt::Debug for TableSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableSnapshot")
            .field("table", &self.inner.table_ref.name)
            .field("version", &self.inner.version)
            .field("leased", &self.lease.is_some())
            .finish_non_exhaustive()
    }
}

impl TableSnapshot {
    /// Wraps a loaded Delta table.
    pub(super) async fn over(table_ref: Arc<TableRef>, delta: DeltaTable) -> Result<Self> {
        let state = delta
            .snapshot()
            .map_err(|error| table_ref.error("loading", None, error))?;
        let version = state.version();
        let timestamp = match state.version_timestamp(version) {
            Some(millis) => DateTime::from_timestamp_millis(millis),
            // The log of a checkpointed version may list no commits.
            None => commit_time(&table_ref, version).await,
        };
        let schema = state.snapshot().arrow_schema();
        let partition_columns = state.metadata().partition_columns().to_vec();
        state
            .snapshot()
            .try_log_data()
            .map_err(|error| table_ref.error("reading the files of", Some(version), error))?;
        let totals = OnceLock::new();
        let inner = Inner {
            table_ref,
            delta,
            version,
            timestamp,
            schema,
            partition_columns,
            totals,
            statistics: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
            lease: None,
        })
    }

    /// Returns the snapshot with a lease that lives as long as it and its clones.
    pub(super) fn leased(self, lease: VersionLease) -> Self {
        Self {
            lease: Some(Arc::new(lease)),
            ..self
        }
    }

    /// Returns the table's name.
    pub fn table(&self) -> &TableName {
        &self.inner.table_ref.name
    }

    /// Returns the version.
    pub fn version(&self) -> u64 {
        self.inner.version
    }

    /// Returns when the version was written; none when its log file is gone.
    pub fn timestamp(&self) -> Option<DateTime<Utc>> {
        self.inner.timestamp
    }

    /// Returns the columns. A field that is not nullable is NOT NULL.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.inner.schema)
    }

    /// Returns the columns that the files are partitioned by.
    pub fn partition_columns(&self) -> &[String] {
        &self.inner.partition_columns
    }

    /// Returns the number of rows by the files' statistics; none when a file has none.
    pub fn row_count(&self) -> Option<u64> {
        self.totals().rows
    }

    /// Returns the number of data files.
    pub fn file_count(&self) -> usize {
        self.totals().files
    }

    /// Returns the size of the data files in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.totals().bytes
    }

    /// Returns a property of the table, such as `delta.appendOnly`.
    pub fn property(&self, key: &str) -> Option<&str> {
        let state = self.inner.delta.snapshot().ok()?;
        state
            .metadata()
            .configuration()
            .get(key)
            .map(String::as_str)
    }

    /// Returns the loaded Delta table, for plans that need more than a provider.
    pub fn delta_table(&self) -> &DeltaTable {
        &self.inner.delta
    }

    /// Returns a provider of the rows. It registers the lake's store with the session that scans
    /// it.
    ///
    /// # Errors
    ///
    /// [`Error::Table`] when Delta cannot provide the table, for example because it needs a
    /// reader feature that is not supported; the cause names it.
    pub async fn provider(&self) -> Result<Arc<dyn TableProvider>> {
        let built = self.inner.delta.table_provider().await;
        built.map_err(|error| self.provider_error(error))
    }

    /// Returns a provider whose scan follows the session's Parquet settings (string views,
    /// filter push-down).
    ///
    /// # Errors
    ///
    /// Those of [`provider`](Self::provider).
    pub async fn provider_for<S: Session + 'static>(
        &self,
        session: Arc<S>,
    ) -> Result<Arc<dyn TableProvider>> {
        if let Some(scan) = self.plain_scan(session.as_ref()) {
            return Ok(scan);
        }
        let built = self
            .inner
            .delta
            .table_provider()
            .with_session(session)
            .await;
        built.map_err(|error| self.provider_error(error))
    }

    /// Returns what the log says of the files' columns, read as `schema`.
    pub(super) fn file_statistics(
        &self,
        schema: &SchemaRef,
    ) -> datafusion::error::Result<Arc<FileStatistics>> {
        let mut known = self.inner.statistics.lock();
        if let Some(statistics) = known.get(schema) {
            return Ok(Arc::clone(statistics));
        }
        let state = self.inner.delta.snapshot();
        let state = state.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let statistics = Arc::new(FileStatistics::read(state.snapshot(), schema)?);
        known.insert(Arc::clone(schema), Arc::clone(&statistics));
        Ok(statistics)
    }

    /// Returns the store of the whole lake.
    pub(super) fn root_store(&self) -> Arc<dyn ObjectStore> {
        self.inner.table_ref.log_store.root_object_store(None)
    }

    /// Returns where the table is in it.
    pub(super) fn location(&self) -> datafusion::error::Result<Path> {
        Path::from_url_path(self.inner.table_ref.url.path())
            .map_err(|error| DataFusionError::External(Box::new(error)))
    }

    /// Wraps an error of Delta with the table and this version.
    pub(crate) fn error(&self, action: &'static str, source: DeltaTableError) -> Error {
        let version = Some(self.version());
        self.inner.table_ref.error(action, version, source)
    }

    fn provider_error(&self, error: DataFusionError) -> Error {
        let error = DeltaTableError::GenericError {
            source: Box::new(error),
        };
        self.inner
            .table_ref
            .error("planning a scan of", Some(self.version()), error)
    }

    fn totals(&self) -> FileTotals {
        *self.inner.totals.get_or_init(|| {
            let mut totals = FileTotals {
                files: 0,
                bytes: 0,
                rows: Some(0),
            };
            let state = self.inner.delta.snapshot().map(|state| state.snapshot());
            let Ok(Ok(log_data)) = state.map(|snapshot| snapshot.try_log_data()) else {
                // Both were checked when the snapshot was loaded.
                return FileTotals {
                    rows: None,
                    ..totals
                };
            };
            for file in log_data.iter() {
                totals.files += 1;
                totals.bytes += u64::try_from(file.size()).unwrap_or(0);
                let deleted = file
                    .deletion_vector_descriptor()
                    .map_or(0, |vector| u64::try_from(vector.cardinality).unwrap_or(0));
                let rows = file
                    .num_records()
                    .map(|rows| (rows as u64).saturating_sub(deleted));
                totals.rows = totals.rows.zip(rows).map(|(sum, rows)| sum + rows);
            }
            totals
        })
    }
}

async fn commit_time(table_ref: &TableRef, version: u64) -> Option<DateTime<Utc>> {
    let path = commit_uri_from_version(Some(version));
    let head = table_ref.log_store.object_store(None).head(&path).await;
    head.ok().map(|meta| meta.last_modified)
}

/// Finds the newest version that was written at a time or before.
pub(super) async fn version_at(table_ref: &TableRef, timestamp: DateTime<Utc>) -> Result<u64> {
    let commits = log::commit_times(&table_ref.log_store)
        .await
        .map_err(|source| Error::Storage {
            url: table_ref.url.to_string(),
            action: "listing the Delta log",
            source,
        })?;
    // After a clean-up, what stands alone below the rest is a pinned version: when the next one
    // was written is not known any more.
    let whole = commits
        .windows(2)
        .rposition(|pair| !matches!(pair, [(one, _), (next, _)] if *next == one + 1))
        .map_or(0, |gap| gap + 1);
    let commits = commits.get(whole..).unwrap_or_default();
    let Some((_, earliest)) = commits.first().copied() else {
        return Err(table_ref.missing_log());
    };
    // As the protocol demands, a version is never older than its predecessor, whatever the
    // clocks of the writers said.
    let mut newest_so_far = earliest;
    let mut found = None;
    for (version, written) in commits.iter().copied() {
        newest_so_far = newest_so_far.max(written);
        if newest_so_far > timestamp {
            break;
        }
        found = Some(version);
    }
    found.ok_or_else(|| Error::NoVersionAt {
        table: table_ref.name.to_string(),
        timestamp,
        earliest,
    })
}
