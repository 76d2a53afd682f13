//! Z-order: rows sorted along a curve through several columns, so that a filter on any of them
//! skips files.
//!
//! The columns are declared by the property `lakehouse.zorder.columns` (`carrier, flight_date`):
//! in the table's Delta configuration, where it travels with the table, or else in the catalog.
//! When a table was last z-ordered is in its log, as an offset whose source names the columns, so
//! that every process knows it and other columns start anew.

use std::time::Instant;

use chrono::{DateTime, Utc};
use deltalake::operations::optimize::OptimizeType;
use serde_json::json;
use tracing::{info, instrument};

use super::compact::{self, CompactSummary};
use super::{Maintainer, plan};
use crate::catalog::TableEntry;
use crate::error::Result;
use crate::metrics::{self, TaskOutcome};
use crate::table::mapping;
use crate::table::{AppendCommit, AsOf, LakeTable, OffsetRange, TableSnapshot};

/// The property that names the columns.
pub const ZORDER_COLUMNS: &str = "lakehouse.zorder.columns";

/// Returns the columns that a table declares; none when it declares none.
pub fn zorder_columns(entry: &TableEntry, snapshot: &TableSnapshot) -> Result<Vec<String>> {
    let metadata = plan::loaded(snapshot)?.metadata();
    let declared = metadata
        .configuration()
        .get(ZORDER_COLUMNS)
        .or_else(|| entry.properties.get(ZORDER_COLUMNS));
    let names = declared.map(|declared| declared.split(','));
    Ok(names
        .into_iter()
        .flatten()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect())
}

/// Returns the source under which the time of the last z-order is stored.
fn source(columns: &[String]) -> String {
    format!("lakehouse.zorder/{}", columns.join(","))
}

/// Returns the share of a table's bytes that came after the last z-order.
pub(super) async fn unsorted_fraction(
    table: &LakeTable,
    snapshot: &TableSnapshot,
    columns: &[String],
) -> Result<f64> {
    let sorted_at = table.stored_offset(&source(columns)).await?;
    let (mut total, mut unsorted) = (0_u64, 0_u64);
    for file in plan::data_files(snapshot)?.into_values().flatten() {
        total += file.bytes;
        if sorted_at.is_none_or(|sorted_at| file.written_at > sorted_at) {
            unsorted += file.bytes;
        }
    }
    Ok(unsorted as f64 / total.max(1) as f64)
}

impl Maintainer {
    /// Rewrites a table with its rows in z-order.
    ///
    /// # Errors
    ///
    /// [`Error::Table`](crate::Error::Table) for columns that the table has not,
    /// [`Error::UnsupportedFeature`](crate::Error::UnsupportedFeature) for a table with column
    /// mapping, and those of [`compact`](Self::compact). A lost race is no error.
    #[instrument(name = "lake.zorder", skip_all, fields(table = %table.name()), err)]
    pub async fn zorder(
        &self,
        table: &LakeTable,
        columns: Vec<String>,
        now: DateTime<Utc>,
    ) -> Result<CompactSummary> {
        let started = Instant::now();
        let result = self.try_zorder(table, columns, now).await;
        let name = table.name().to_string();
        let outcome = match &result {
            Ok(summary) if summary.files_lost > 0 => TaskOutcome::LostRace,
            result => TaskOutcome::of(result),
        };
        metrics::task("zorder", &name, outcome, started.elapsed());
        if let Ok(done) = &result {
            metrics::compacted(
                &name,
                done.files_removed,
                done.bytes_removed + done.bytes_added,
            );
        }
        result
    }

    async fn try_zorder(
        &self,
        table: &LakeTable,
        columns: Vec<String>,
        now: DateTime<Utc>,
    ) -> Result<CompactSummary> {
        let snapshot = table.snapshot(AsOf::Latest).await?;
        table.check_writable(&snapshot)?;
        if mapping::is_mapped(&snapshot) {
            return Err(table.unsupported("`columnMapping` when rows are z-ordered"));
        }
        if snapshot.file_count() == 0 {
            return Ok(CompactSummary::default());
        }
        self.throttle.admit(2 * snapshot.total_bytes()).await;
        let kind = OptimizeType::ZOrder(columns.clone());
        let done = match compact::session_optimize(self, snapshot.delta_table(), kind).await {
            Ok((_, done)) => done,
            Err(error) if compact::is_lost_race(&error) => {
                metrics::lost_race(&table.name().to_string());
                return Ok(CompactSummary {
                    files_lost: snapshot.file_count() as u64,
                    ..CompactSummary::default()
                });
            }
            Err(error) => return Err(snapshot.error("z-ordering", error)),
        };
        let version = self.note_zorder(table, &columns, now).await?;
        info!(table = %table.name(), version, ?columns, "table z-ordered");
        Ok(CompactSummary {
            version: Some(version),
            partitions: usize::try_from(done.partitions_optimized).unwrap_or(usize::MAX),
            files_removed: done.num_files_removed,
            bytes_removed: u64::try_from(done.files_removed.total_size).unwrap_or(0),
            files_added: done.num_files_added,
            bytes_added: u64::try_from(done.files_added.total_size).unwrap_or(0),
            files_lost: 0,
        })
    }

    /// Stores that what is in the table now is in order. Files that were appended meanwhile count
    /// as sorted, too; they are few.
    async fn note_zorder(
        &self,
        table: &LakeTable,
        columns: &[String],
        now: DateTime<Utc>,
    ) -> Result<u64> {
        let snapshot = table.snapshot(AsOf::Latest).await?;
        let files = plan::data_files(&snapshot)?;
        let written_at = files.values().flatten().map(|file| file.written_at);
        let sorted_at = written_at.max().unwrap_or_else(|| now.timestamp_millis());
        let source = source(columns);
        let stored = table.stored_offset(&source).await?;
        let mut commit = AppendCommit::of_range(OffsetRange::new(&source, stored, sorted_at));
        commit
            .metadata
            .insert("lakehouse.maintenance".to_owned(), json!("zorder"));
        table.append(Vec::new(), commit).await?;
        Ok(table.snapshot(AsOf::Latest).await?.version())
    }
}
