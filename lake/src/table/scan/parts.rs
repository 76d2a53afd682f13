//! Files in parts, so that every core has work.
//!
//! Parquet files are divided among cores by row groups, and whoever is idle takes the next part. Undivided, a table of
//! one row group would be read by one core, and so would the one row group of a sorted table that the filters leave.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use futures::future::join_all;
use object_store::ObjectStore;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::file::metadata::RowGroupMetaData;

/// Rows of a page of the files we write: parts that end with a page decode none of them twice.
const PAGE_ROWS: usize = 24_576;
/// Rows of a part, unless the file's own row groups are longer than one and shorter than two.
const MAX_ROWS: usize = 10 * PAGE_ROWS;
/// Each core gets at least so many parts of a table, unless they would be shorter than a page.
const PARTS_PER_CORE: usize = 2;

/// Splits few files into parts for all cores; many are left as they are. The footers stay in the session's cache, where
/// the scan finds them.
pub(super) async fn split(
    files: Vec<PartitionedFile>,
    state: &dyn Session,
    store: &dyn ObjectStore,
) -> Vec<PartitionedFile> {
    let cores = state.config().target_partitions();
    if files.len() >= cores * PARTS_PER_CORE {
        return files;
    }
    let groups = files.iter().map(|file| row_groups(file, state, store));
    let groups: Vec<Option<Vec<usize>>> = join_all(groups).await;
    let total: usize = groups.iter().flatten().flatten().sum();
    let rows = total / (cores * PARTS_PER_CORE).max(1);
    let rows = rows.next_multiple_of(PAGE_ROWS).clamp(PAGE_ROWS, MAX_ROWS);
    let mut parts = Vec::new();
    for (file, groups) in files.into_iter().zip(groups) {
        match groups.map(|groups| plans(&groups, rows)) {
            Some(plans) if plans.len() > 1 => {
                parts.extend(plans.into_iter().map(|plan| part(&file, plan)));
            }
            // A file that cannot be read is the scan's to report.
            _ => parts.push(file),
        }
    }
    parts
}

/// Returns the rows of each row group; none if the file is too short to split, or cannot be read.
async fn row_groups(
    file: &PartitionedFile,
    state: &dyn Session,
    store: &dyn ObjectStore,
) -> Option<Vec<usize>> {
    let known = file.statistics.as_ref().map(|known| known.num_rows);
    if let Some(Precision::Exact(..=PAGE_ROWS)) = known {
        return None;
    }
    let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
    let footer = DFParquetMetadata::new(store, &file.object_meta)
        .with_file_metadata_cache(Some(cache))
        .fetch_metadata()
        .await
        .ok()?;
    let rows = |group: &RowGroupMetaData| usize::try_from(group.num_rows()).ok();
    footer.row_groups().iter().map(rows).collect()
}

/// Which rows a part has, and how many.
#[derive(Debug, PartialEq)]
struct Plan {
    access: ParquetAccessPlan,
    rows: usize,
}

/// Divides row groups into parts of about `rows`: several whole groups, or some pages of one.
fn plans(groups: &[usize], rows: usize) -> Vec<Plan> {
    let none = || Plan {
        access: ParquetAccessPlan::new_none(groups.len()),
        rows: 0,
    };
    let mut plans = Vec::new();
    let mut open = none();
    for (index, group) in groups.iter().copied().enumerate() {
        if group >= 2 * rows {
            for start in (0..group).step_by(rows) {
                let some = rows.min(group - start);
                let access = selection(start, some, group);
                let mut plan = none();
                plan.access.set(index, RowGroupAccess::Selection(access));
                plan.rows = some;
                plans.push(plan);
            }
            continue;
        }
        if open.rows > 0 && open.rows + group > rows {
            plans.push(std::mem::replace(&mut open, none()));
        }
        open.access.scan(index);
        open.rows += group;
    }
    if open.rows > 0 {
        plans.push(open);
    }
    plans
}

/// Selects `rows` from `start` of `all`.
fn selection(start: usize, rows: usize, all: usize) -> RowSelection {
    let selectors = [
        RowSelector::skip(start),
        RowSelector::select(rows),
        RowSelector::skip(all - start - rows),
    ];
    let selectors = selectors.into_iter();
    RowSelection::from_iter(selectors.filter(|selector| selector.row_count > 0))
}

fn part(file: &PartitionedFile, plan: Plan) -> PartitionedFile {
    let mut part = file.clone().with_extension(plan.access);
    // Bounds of the file bound its parts. Its counts are not theirs: as many nulls as rows means that all are null.
    part.statistics = file.statistics.as_ref().map(|known| {
        let mut known = known.as_ref().clone().to_inexact();
        known.num_rows = Precision::Inexact(plan.rows);
        known.total_byte_size = Precision::Absent;
        for column in &mut known.column_statistics {
            column.null_count = Precision::Absent;
        }
        Arc::new(known)
    });
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_of(groups: &[usize], rows: usize) -> Vec<usize> {
        let plans = plans(groups, rows);
        for (index, group) in groups.iter().enumerate() {
            let selected = plans.iter().map(|plan| match &plan.access.inner()[index] {
                RowGroupAccess::Skip => 0,
                RowGroupAccess::Scan => *group,
                RowGroupAccess::Selection(selection) => selection.row_count(),
            });
            assert_eq!(selected.sum::<usize>(), *group, "group {index}");
        }
        plans.iter().map(|plan| plan.rows).collect()
    }

    #[test]
    fn long_groups_are_divided_and_short_ones_taken_together() {
        assert_eq!(rows_of(&[250], 100), [100, 100, 50]);
        assert_eq!(rows_of(&[40, 40, 40, 199, 10], 100), [80, 40, 199, 10]);
        assert_eq!(rows_of(&[10, 300, 20], 100), [100, 100, 100, 30]);
        assert!(rows_of(&[], 100).is_empty());
    }
}
