//! Limits of the engine.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::hive_metastore::HiveMetastoreConfig;

/// How much a process may spend on SQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueryConfig {
    /// Memory of all running queries together, in bytes; operators spill to disk beyond it.
    pub memory_limit_bytes: usize,
    /// Threads one query may use; 0 means one per core.
    pub target_partitions: usize,
    /// Rows in one batch.
    pub batch_rows: usize,
    /// Queries of protocol clients that run at once; more wait in the queue.
    pub max_running_queries: usize,
    /// A query whose client has not polled for this long is cancelled.
    #[serde(with = "humantime_serde")]
    pub client_timeout: Duration,
    /// The door for clients of a Hive metastore.
    pub hive_metastore: HiveMetastoreConfig,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            memory_limit_bytes: 1 << 30,
            target_partitions: 0,
            batch_rows: 8192,
            max_running_queries: 16,
            client_timeout: Duration::from_secs(300),
            hive_metastore: HiveMetastoreConfig::default(),
        }
    }
}
