//! Maintenance that runs by itself.
//!
//! ```text
//! pause -> every managed table, few at once:  facts from the log -> decide -> z-order | compact, checkpoint, clean log, vacuum
//!   ^         |                                                                              |
//!   +---------+------------------ a lost race, an error: counted, tried in a later round ----+
//! ```

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deltalake::table::config::TablePropertiesExt;
use futures::{StreamExt, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::decide::{Facts, Task, decide};
use super::log::{LogFiles, log_retention};
use super::{Maintainer, Minimum, Mode, Progress, Scope, plan, zorder};
use crate::catalog::{TableEntry, TableFormat, TableKind, TableName};
use crate::error::Result;
use crate::table::{AsOf, LakeTable};

/// A table whose log has not grown is looked at again after this time, for what is due by age.
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);

/// What this process remembers of a table between rounds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    /// The version that was looked at last, and when.
    looked_at: Option<(u64, Instant)>,
    vacuumed_at: Option<Instant>,
}

/// What a round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoundReport {
    /// Tables that were looked at.
    pub tables: usize,
    /// Tables on which something failed; the log says what.
    pub failed_tables: usize,
    /// What was done, in words.
    pub done: Vec<String>,
}

impl fmt::Display for RoundReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tables", self.tables)?;
        if self.failed_tables > 0 {
            write!(f, ", {} of them failed", self.failed_tables)?;
        }
        match self.done.as_slice() {
            [] => f.write_str("; nothing was due"),
            [only] => write!(f, "; {only}"),
            [first, others @ ..] => write!(f, "; {first} and {} more", others.len()),
        }
    }
}

/// What was done for one table.
#[derive(Default)]
struct TableReport {
    done: Vec<String>,
    is_failed: bool,
}

impl Maintainer {
    /// Maintains all tables until it is told to stop. `report` is called after each round.
    ///
    /// # Errors
    ///
    /// Those of reading the catalog. What goes wrong with a table is logged and counted, and
    /// tried again in a later round.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, all tables are whole; files that no version names may stay for vacuum.
    pub async fn run(
        &self,
        shutdown: CancellationToken,
        report: impl Fn(&RoundReport) + Send + Sync,
    ) -> Result<()> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.config.pause) => {}
            }
            let round = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                round = self.round(Utc::now()) => round?,
            };
            report(&round);
        }
    }

    /// Looks at every managed table once and does what is due; deletes the files of tables that
    /// were dropped long enough ago.
    ///
    /// # Errors
    ///
    /// Those of reading the catalog.
    pub async fn round(&self, now: DateTime<Utc>) -> Result<RoundReport> {
        let mut entries = Vec::new();
        for database in self.lake.catalog().databases().await? {
            let tables = self.lake.catalog().tables(&database.name).await?;
            // External tables belong to somebody else, and files without a log have no versions.
            entries.extend(tables.into_iter().filter(|entry| {
                entry.kind == TableKind::Managed && entry.format == TableFormat::Delta
            }));
        }
        self.forget_others(&entries);
        let mut report = RoundReport {
            tables: entries.len(),
            ..RoundReport::default()
        };
        let mut tables = stream::iter(entries)
            .map(|entry| async move { self.maintain(&entry, now).await })
            .buffer_unordered(self.config.max_tables.max(1));
        while let Some(table) = tables.next().await {
            report.failed_tables += usize::from(table.is_failed);
            report.done.extend(table.done);
        }
        let purged = self.lake.purge_dropped(now).await?;
        let purged = purged
            .iter()
            .map(|name| format!("{name}: dropped for good"));
        report.done.extend(purged);
        debug!(tables = report.tables, failed = report.failed_tables, done = ?report.done, "round done");
        Ok(report)
    }

    async fn maintain(&self, entry: &TableEntry, now: DateTime<Utc>) -> TableReport {
        let mut report = TableReport::default();
        if let Err(error) = self.try_maintain(entry, now, &mut report).await {
            // The spans of the tasks have said what failed; the chain is in the error.
            warn!(table = %entry.name, error = &error as &dyn std::error::Error, "maintenance failed, tried again later");
            report.is_failed = true;
        }
        report
    }

    async fn try_maintain(
        &self,
        entry: &TableEntry,
        now: DateTime<Utc>,
        report: &mut TableReport,
    ) -> Result<()> {
        let table = self.lake.table(&entry.name).await?;
        let Some(facts) = self.facts(entry, &table, now).await? else {
            return Ok(());
        };
        for task in decide(&facts, &self.config) {
            let done = self.perform(task, entry, &table, now).await?;
            if let Some(done) = done {
                info!(table = %entry.name, ?task, "maintenance done");
                report.done.push(format!("{}: {done}", entry.name));
            }
        }
        Ok(())
    }

    /// Reads what the log says; none when there is nothing new to decide.
    async fn facts(
        &self,
        entry: &TableEntry,
        table: &LakeTable,
        now: DateTime<Utc>,
    ) -> Result<Option<Facts>> {
        let snapshot = table.snapshot(AsOf::Latest).await?;
        let memory = self.memory_of(&entry.name);
        let is_known = memory.looked_at.is_some_and(|(version, at)| {
            version == snapshot.version() && at.elapsed() < LOOK_AGAIN
        });
        if is_known {
            return Ok(None);
        }
        // A table that fails is left alone until it changes or the time has come.
        self.remember(&entry.name, |memory| {
            memory.looked_at = Some((snapshot.version(), Instant::now()));
        });
        let log = LogFiles::list(table.table_ref()).await?;
        let age = |written: &DateTime<Utc>| (now - *written).to_std().unwrap_or_default();
        let checkpoint = log.checkpoints.last().copied();
        let to_check = checkpoint.map_or(0, |version| version + 1);
        let oldest = |range: Option<(&u64, &DateTime<Utc>)>| {
            range.map(|(_, written)| age(written)).unwrap_or_default()
        };
        let columns = zorder::zorder_columns(entry, &snapshot)?;
        let unsorted_fraction = if columns.is_empty() {
            None
        } else {
            Some(zorder::unsorted_fraction(table, &snapshot, &columns).await?)
        };
        let properties = plan::loaded(&snapshot)?.table_properties();
        Ok(Some(Facts {
            files_to_pack: self.plan(&snapshot, self.gradual())?.file_count(),
            unsorted_fraction,
            commits_to_check: (snapshot.version() + 1).saturating_sub(to_check),
            oldest_to_check: oldest(log.commits.range(to_check..).next()),
            checkpoint_interval: properties.checkpoint_interval().get(),
            oldest_superfluous: oldest(log.commits.range(..checkpoint.unwrap_or(0)).next()),
            log_retention: log_retention(&snapshot)?,
            since_vacuum: memory.vacuumed_at.map(|at| at.elapsed()),
        }))
    }

    fn gradual(&self) -> Scope {
        Scope::Gradual {
            min_small_files: self.config.min_small_files,
        }
    }

    /// Does a task and says what was done; none when there was nothing to do.
    async fn perform(
        &self,
        task: Task,
        entry: &TableEntry,
        table: &LakeTable,
        now: DateTime<Utc>,
    ) -> Result<Option<String>> {
        let said = match task {
            Task::Compact => {
                let done = self
                    .compact(table, self.gradual(), &Progress::default())
                    .await?;
                (done.files_removed > 0)
                    .then(|| format!("{} files into {}", done.files_removed, done.files_added))
            }
            Task::ZOrder => {
                let snapshot = table.snapshot(AsOf::Latest).await?;
                let columns = zorder::zorder_columns(entry, &snapshot)?;
                let done = self.zorder(table, columns, now).await?;
                done.version
                    .map(|_| format!("{} files z-ordered", done.files_added))
            }
            Task::Checkpoint => Some(format!("checkpoint {}", self.checkpoint(table).await?)),
            Task::CleanLog => {
                let done = self.clean_log(table, None, Mode::Run, now).await?;
                (done.files > 0).then(|| format!("{} files of the log deleted", done.files))
            }
            Task::Vacuum => {
                let done = self
                    .vacuum(table, None, Minimum::Enforced, Mode::Run, now)
                    .await?;
                if !done.is_lost {
                    self.remember(&entry.name, |memory| {
                        memory.vacuumed_at = Some(Instant::now());
                    });
                }
                (done.files > 0).then(|| format!("{} files vacuumed", done.files))
            }
        };
        Ok(said)
    }

    fn memory_of(&self, table: &TableName) -> Memory {
        self.memories.lock().get(table).copied().unwrap_or_default()
    }

    fn remember(&self, table: &TableName, change: impl FnOnce(&mut Memory)) {
        change(self.memories.lock().entry(table.clone()).or_default());
    }

    /// Forgets tables that are gone.
    fn forget_others(&self, entries: &[TableEntry]) {
        let names: std::collections::HashSet<&TableName> =
            entries.iter().map(|entry| &entry.name).collect();
        self.memories.lock().retain(|name, _| names.contains(name));
    }
}
