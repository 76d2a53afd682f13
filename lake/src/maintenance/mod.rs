//! Keeping tables fast and small: compaction, z-order, checkpoints, log clean-up, vacuum.
//!
//! ```text
//! service   rounds over all tables, on its own        | what both do:  compact  zorder
//! commands  one table, on demand                      |                log      vacuum
//!                                                     | what both ask: pins, leases
//! ```
//!
//! Nothing here locks a table. Whatever is committed is a put on condition that the version is
//! absent, checked against what other writers did meanwhile; who loses a race tries again later.
//! What a pin, a running query of this process or the retention protects is never removed.

mod compact;
mod config;
mod decide;
mod log;
pub mod pins;
mod plan;
mod progress;
mod read;
mod rewriter;
mod service;
mod shares;
mod throttle;
mod vacuum;
mod zorder;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use datafusion::catalog::Session;
use deltalake::delta_datafusion::create_session_state_with_spill_config;
use parking_lot::Mutex;

pub use self::compact::CompactSummary;
pub use self::config::MaintenanceConfig;
pub use self::log::CleanLogSummary;
use self::pins::{Pin, Pins};
pub use self::plan::Scope;
pub use self::progress::Progress;
use self::read::MemoryBudget;
pub use self::service::RoundReport;
use self::throttle::Throttle;
pub use self::vacuum::{Minimum, VacuumSummary};
pub use self::zorder::{ZORDER_COLUMNS, zorder_columns};
use crate::catalog::TableName;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::table::{AsOf, LakeTable};

/// Whether something is done or only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is done.
    Run,
    /// What would be done is counted; nothing is written or deleted.
    DryRun,
}

/// Maintains the tables of a lake, within limits.
pub struct Maintainer {
    lake: Arc<Lake>,
    config: MaintenanceConfig,
    throttle: Arc<Throttle>,
    memory: Arc<MemoryBudget>,
    memories: Mutex<HashMap<TableName, service::Memory>>,
}

impl fmt::Debug for Maintainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maintainer")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Lake {
    /// Pins a version of a table and checks that it is still there.
    ///
    /// # Errors
    ///
    /// Those of loading the version, and [`Error::VersionIncomplete`] when a vacuum was there
    /// before; nothing is pinned then.
    pub async fn pin(&self, pin: &Pin) -> Result<()> {
        let table = self.table(&pin.table).await?;
        let snapshot = table.snapshot(AsOf::Version(pin.version)).await?;
        // Pinned first and looked for after: a vacuum in between is seen either way.
        self.pins().pin(pin).await?;
        let existing = vacuum::list_files(&table).await?;
        let missing = plan::data_files(&snapshot)?
            .into_values()
            .flatten()
            // What lies outside of the table, as a shallow clone's files do, is not ours to list.
            .filter(|file| !file.view.path().contains("://"))
            .map(|file| file.view.object_store_path())
            .filter(|path| !existing.contains_key(path.as_ref()))
            .count();
        if missing == 0 {
            return Ok(());
        }
        self.pins()
            .unpin(&pin.table, pin.version, &pin.owner)
            .await?;
        Err(Error::VersionIncomplete {
            table: pin.table.to_string(),
            version: pin.version,
            missing,
        })
    }
}

impl Maintainer {
    /// Returns a maintainer of a lake.
    pub fn new(lake: Arc<Lake>, config: MaintenanceConfig) -> Self {
        Self {
            throttle: Arc::new(Throttle::new(config.max_bytes_per_second)),
            memory: Arc::new(MemoryBudget::new(config.memory_limit_bytes / 2)),
            memories: Mutex::default(),
            lake,
            config,
        }
    }

    /// Returns the pins of the lake.
    pub fn pins(&self) -> Pins {
        self.lake.pins()
    }

    /// Opens a table of the lake.
    ///
    /// # Errors
    ///
    /// Those of [`Lake::table`].
    pub async fn table(&self, name: &TableName) -> Result<LakeTable> {
        self.lake.table(name).await
    }
}

/// Returns a session for deltalake's own operations, which sort on disk beyond the memory limit.
fn session(config: &MaintenanceConfig) -> Arc<dyn Session> {
    let memory = usize::try_from(config.memory_limit_bytes).unwrap_or(usize::MAX);
    Arc::new(create_session_state_with_spill_config(Some(memory), None))
}

#[cfg(test)]
mod tests;
