//! Limits of the engine.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::hive_metastore::HiveMetastoreConfig;
use crate::trino::TrinoConfig;

/// How much a process may spend on SQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueryConfig {
    /// Memory of all running queries together, in bytes; operators spill to disk beyond it.
    pub memory_limit_bytes: usize,
    /// Folder of what is spilled; empty for the system's temporary folder.
    pub spill_dir: PathBuf,
    /// Bytes that all running queries together may have spilled at a time.
    pub spill_limit_bytes: u64,
    /// Threads one query may use; 0 means one per core.
    pub target_partitions: usize,
    /// Rows in one batch.
    pub batch_rows: usize,
    /// Queries of protocol clients that run at once; more wait in the queue.
    pub max_running_queries: usize,
    /// Statements that wait at once; more are refused.
    pub max_queued_queries: usize,
    /// Ended queries that lists still show.
    pub max_remembered_queries: usize,
    /// Longest a query may take, its time in the queue included; the session property `query_max_run_time` says otherwise.
    #[serde(with = "humantime_serde")]
    pub max_run_time: Duration,
    /// Longest a query may take once it has left the queue; the session property `query_max_execution_time` says otherwise.
    #[serde(with = "humantime_serde")]
    pub max_execution_time: Duration,
    /// A query whose client has not polled for this long is cancelled.
    #[serde(with = "humantime_serde")]
    pub client_timeout: Duration,
    /// The door for clients of Trino and Presto.
    pub trino: TrinoConfig,
    /// The door for clients of a Hive metastore.
    pub hive_metastore: HiveMetastoreConfig,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            memory_limit_bytes: 1 << 30,
            spill_dir: PathBuf::new(),
            spill_limit_bytes: 100 << 30,
            target_partitions: 0,
            batch_rows: 8192,
            max_running_queries: 16,
            max_queued_queries: 1000,
            max_remembered_queries: 200,
            max_run_time: Duration::from_secs(100 * 86_400),
            max_execution_time: Duration::from_secs(100 * 86_400),
            client_timeout: Duration::from_secs(300),
            trino: TrinoConfig::default(),
            hive_metastore: HiveMetastoreConfig::default(),
        }
    }
}
