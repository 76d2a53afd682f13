//! Deleting data files that no version needs any more.
//!
//! A file goes when the newest version does not name it, when it was removed longer ago than the
//! retention, and when no pin and no running query of this process needs a version that names
//! it. Files that never were in a commit go by their age: what a crashed writer left behind.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use deltalake::kernel::transaction::CommitProperties;
use deltalake::operations::vacuum::VacuumMode;
use deltalake::table::config::TablePropertiesExt;
use futures::TryStreamExt;
use object_store::path::Path;
use serde_json::json;
use tracing::{info, instrument};

use super::compact::is_lost_race;
use super::{Maintainer, Mode, plan};
use crate::error::{Error, Result};
use crate::external::location_url;
use crate::metrics::{self, TaskOutcome};
use crate::table::{AsOf, LakeTable, TableSnapshot};

/// Whether a retention below the minimum is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Minimum {
    /// It is refused: a query of another process, or a writer that has not yet committed, may
    /// need the files.
    #[default]
    Enforced,
    /// It is allowed: the caller knows that nobody else uses the table.
    Ignored,
}

/// What a vacuum did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VacuumSummary {
    /// Files deleted.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Versions whose files were kept because somebody needs them.
    pub kept_versions: Vec<u64>,
    /// How long removed files are kept.
    pub retention: Duration,
    /// Whether another writer's commit made it impossible; the next run does it.
    pub is_lost: bool,
}

impl Maintainer {
    /// Deletes data files that no version within the retention, no pin and no running query
    /// needs, and orphans of that age. Without a retention the larger of the configuration's and
    /// the table's counts.
    ///
    /// # Errors
    ///
    /// [`Error::RetentionTooShort`], [`Error::Table`] when a version that must be kept cannot be
    /// read, [`Error::Storage`].
    #[instrument(name = "lake.vacuum", skip_all, fields(table = %table.name()), err)]
    pub async fn vacuum(
        &self,
        table: &LakeTable,
        retention: Option<Duration>,
        minimum: Minimum,
        mode: Mode,
        now: DateTime<Utc>,
    ) -> Result<VacuumSummary> {
        let started = Instant::now();
        let result = self.try_vacuum(table, retention, minimum, mode, now).await;
        if mode == Mode::Run {
            let name = table.name().to_string();
            let outcome = match &result {
                Ok(summary) if summary.is_lost => TaskOutcome::LostRace,
                Ok(summary) if summary.files == 0 => TaskOutcome::NothingToDo,
                result => TaskOutcome::of(result),
            };
            metrics::task("vacuum", &name, outcome, started.elapsed());
            if let Ok(summary) = &result {
                metrics::vacuumed(&name, summary.files, summary.bytes);
            }
        }
        result
    }

    async fn try_vacuum(
        &self,
        table: &LakeTable,
        retention: Option<Duration>,
        minimum: Minimum,
        mode: Mode,
        now: DateTime<Utc>,
    ) -> Result<VacuumSummary> {
        let snapshot = table.snapshot(AsOf::Latest).await?;
        let retention = self.retention(&snapshot, retention, minimum)?;
        // Pins are read after the snapshot: a version pinned later than that is a young one.
        let kept = self.kept_versions(table, &snapshot, now).await?;
        let sizes = list_files(table).await?;
        let full = !self.has_tables_inside(table).await?;
        let mut summary = VacuumSummary {
            kept_versions: kept.iter().copied().collect(),
            retention,
            ..VacuumSummary::default()
        };
        let note = CommitProperties::default()
            .with_metadata([("lakehouse.maintenance".to_owned(), json!("vacuum"))])
            .with_cleanup_expired_logs(Some(false));
        let retention = TimeDelta::from_std(retention).unwrap_or(TimeDelta::MAX);
        let mut vacuum = snapshot
            .delta_table()
            .clone()
            .vacuum()
            .with_retention_period(retention)
            .with_enforce_retention_duration(minimum == Minimum::Enforced)
            .with_mode(if full {
                VacuumMode::Full
            } else {
                VacuumMode::Lite
            })
            .with_commit_properties(note)
            .with_dry_run(mode == Mode::DryRun);
        if !kept.is_empty() {
            vacuum = vacuum.with_keep_versions(&summary.kept_versions);
        }
        let deleted = match vacuum.await {
            Ok((_, done)) => done.files_deleted,
            Err(error) if is_lost_race(&error) => {
                metrics::lost_race(&table.name().to_string());
                summary.is_lost = true;
                return Ok(summary);
            }
            Err(error) => return Err(snapshot.error("vacuuming", error)),
        };
        // A removed file may be gone already, and is named all the same.
        let existing = deleted.iter().filter_map(|path| sizes.get(path.as_str()));
        summary.files = existing.clone().count() as u64;
        summary.bytes = existing.sum();
        if mode == Mode::Run && summary.files > 0 {
            info!(table = %table.name(), files = summary.files, bytes = summary.bytes, "vacuumed");
        }
        Ok(summary)
    }

    fn retention(
        &self,
        snapshot: &TableSnapshot,
        asked: Option<Duration>,
        minimum: Minimum,
    ) -> Result<Duration> {
        let own = plan::loaded(snapshot)?
            .table_properties()
            .deleted_file_retention_duration();
        let least = own.max(self.config.vacuum_retention);
        match asked {
            Some(asked) if asked < least && minimum == Minimum::Enforced => {
                Err(Error::RetentionTooShort {
                    table: snapshot.table().to_string(),
                    asked,
                    minimum: least,
                })
            }
            asked => Ok(asked.unwrap_or(least)),
        }
    }

    /// Returns the versions that a pin or a lease keeps, each of which can be read. Those that
    /// the table never had, such as pins of a dropped namesake, keep nothing.
    pub(super) async fn kept_versions(
        &self,
        table: &LakeTable,
        latest: &TableSnapshot,
        now: DateTime<Utc>,
    ) -> Result<BTreeSet<u64>> {
        let mut versions = self.pins().versions(table.name(), now).await?;
        versions.extend(table.leased_versions());
        versions.retain(|version| *version < latest.version());
        for version in &versions {
            table.snapshot(AsOf::Version(*version)).await?;
        }
        Ok(versions)
    }

    /// Reports whether another table lies below a table's folder; its files are not orphans.
    async fn has_tables_inside(&self, table: &LakeTable) -> Result<bool> {
        let catalog = self.lake.catalog();
        for database in catalog.databases().await? {
            for entry in catalog.tables(&database.name).await? {
                let Ok(url) = location_url(self.lake.storage(), &entry.location) else {
                    continue;
                };
                let is_inside =
                    url != *table.url() && url.as_str().starts_with(table.url().as_str());
                if is_inside {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Returns the size of each file of a table, without its log.
pub(super) async fn list_files(table: &LakeTable) -> Result<HashMap<String, u64>> {
    let store = table.table_ref().log_store.object_store(None);
    let log = Path::from("_delta_log");
    store
        .list(None)
        .try_filter(|meta| std::future::ready(!meta.location.prefix_matches(&log)))
        .map_ok(|meta| (meta.location.to_string(), meta.size))
        .try_collect()
        .await
        .map_err(|source| Error::Storage {
            url: table.url().to_string(),
            action: "listing data files",
            source,
        })
}
