//! What maintenance may do and what it may cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When maintenance acts, and how much it may read, write and hold while it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaintenanceConfig {
    /// Whether a running house maintains its tables; commands on demand work either way.
    pub enabled: bool,
    /// Pause between two rounds over all tables: how long small files may stay small.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
    /// Tables that are worked on at once; the rest of the machine belongs to queries and ingest.
    pub max_tables: usize,
    /// Bytes read and written in a second by all tables together; 0 means no limit.
    pub max_bytes_per_second: u64,
    /// Files of one table that are rewritten in one round, so that no table keeps others waiting.
    pub max_files_per_round: usize,
    /// Memory in bytes for the files and row groups of all compactions together.
    pub memory_limit_bytes: u64,
    /// Threads that encode files of one table; 0 means one per core.
    pub threads: usize,
    /// Size of a compacted file in bytes, for tables without `delta.targetFileSize`.
    pub target_file_bytes: u64,
    /// A partition is compacted when it has this many small files: each row is written again, so
    /// doing it for fewer costs more than it saves.
    pub min_small_files: usize,
    /// A checkpoint is written when commits wait for one for this long, however few they are.
    #[serde(with = "humantime_serde")]
    pub checkpoint_age: Duration,
    /// Share of a table's bytes that came after the last z-order which makes it due again.
    pub zorder_fraction: f64,
    /// Pause between two vacuums of a table; each lists all its files.
    #[serde(with = "humantime_serde")]
    pub vacuum_interval: Duration,
    /// Files are kept for at least this long after a version stopped naming them, for queries of
    /// other processes and for time travel; a table's `delta.deletedFileRetentionDuration` may
    /// demand more.
    #[serde(with = "humantime_serde")]
    pub vacuum_retention: Duration,
}

impl Default for MaintenanceConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            pause: Duration::from_secs(60),
            max_tables: 1,
            max_bytes_per_second: 64 << 20,
            max_files_per_round: 10_000,
            memory_limit_bytes: 256 << 20,
            threads: 1,
            target_file_bytes: 100 << 20,
            min_small_files: 32,
            checkpoint_age: Duration::from_secs(60 * 60),
            zorder_fraction: 0.3,
            vacuum_interval: Duration::from_secs(24 * 60 * 60),
            vacuum_retention: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

impl MaintenanceConfig {
    /// Returns the configuration for work that somebody waits for: all cores, no limit of bytes
    /// per second or files per round. Memory stays bounded.
    #[must_use]
    pub fn on_demand(&self) -> Self {
        Self {
            max_bytes_per_second: 0,
            max_files_per_round: usize::MAX,
            threads: 0,
            ..self.clone()
        }
    }

    /// Returns the number of encoding threads.
    pub(super) fn effective_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        }
    }
}
