//! Which files of a table are rewritten together.
//!
//! Files of one partition only. Those to be packed are taken in the order in which they were
//! written, because neighbours in time are often neighbours in value and a query's filter then
//! still skips whole files.

use std::collections::BTreeMap;

use deltalake::kernel::{EagerSnapshot, LogicalFileView};

use crate::error::Result;
use crate::table::TableSnapshot;
use crate::table::mapping::FileColumns;

/// What is compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Whatever becomes fewer files.
    All,
    /// Only partitions that have this many small files, and no file that is larger than the others
    /// it is packed with together: a row is then rewritten a logarithmic number of times, however
    /// often small files arrive.
    Gradual {
        /// The number of small files.
        min_small_files: usize,
    },
}

/// A data file of a snapshot.
#[derive(Clone)]
pub(super) struct DataFile {
    pub(super) view: LogicalFileView,
    pub(super) bytes: u64,
    pub(super) written_at: i64,
}

/// Files of one partition that become one file.
#[derive(Clone)]
pub(super) struct Bin {
    pub(super) files: Vec<DataFile>,
}

/// The bins of a table, with what was seen on the way.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) bins: Vec<Bin>,
    /// Partitions among the bins.
    pub(super) partitions: usize,
    /// Whether a file to be rewritten has rows that a deletion vector hides.
    pub(super) has_deletion_vectors: bool,
}

impl Bin {
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl Plan {
    pub(super) fn file_count(&self) -> usize {
        self.bins.iter().map(|bin| bin.files.len()).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bins.iter().map(Bin::bytes).sum()
    }
}

/// Plans the compaction of a snapshot. `max_files` bounds how many files are rewritten.
pub(super) fn plan(
    snapshot: &TableSnapshot,
    target_bytes: u64,
    scope: Scope,
    max_files: usize,
) -> Result<Plan> {
    let mut plan = Plan::default();
    let mut left = max_files;
    for mut files in data_files(snapshot)?.into_values() {
        // A shallow clone's files belong to another table.
        files.retain(|file| !file.view.path().contains("://"));
        let sized = |file: &DataFile| (file.bytes, file.written_at);
        let packed = pack(files, sized, target_bytes, scope);
        let before = plan.bins.len();
        for mut files in packed {
            files.truncate(left);
            if files.len() < 2 {
                break;
            }
            left -= files.len();
            plan.has_deletion_vectors |= files
                .iter()
                .any(|file| file.view.deletion_vector_descriptor().is_some());
            plan.bins.push(Bin { files });
        }
        plan.partitions += usize::from(plan.bins.len() > before);
    }
    Ok(plan)
}

/// Returns the data files by partition.
pub(super) fn data_files(
    snapshot: &TableSnapshot,
) -> Result<BTreeMap<Vec<Option<String>>, Vec<DataFile>>> {
    let state = loaded(snapshot)?;
    let columns = FileColumns::of(snapshot).partition_columns;
    let log_data = state
        .try_log_data()
        .map_err(|error| snapshot.error("reading the files of", error))?;
    let mut partitions: BTreeMap<_, Vec<DataFile>> = BTreeMap::new();
    for view in log_data.iter() {
        let mut values = view.partition_values_map();
        let key = columns
            .iter()
            .map(|column| values.remove(column).flatten())
            .collect();
        partitions.entry(key).or_default().push(DataFile {
            bytes: u64::try_from(view.size()).unwrap_or(0),
            written_at: view.modification_time(),
            view,
        });
    }
    Ok(partitions)
}

/// Returns the Delta snapshot inside.
pub(super) fn loaded(snapshot: &TableSnapshot) -> Result<&EagerSnapshot> {
    let state = snapshot
        .delta_table()
        .snapshot()
        .map_err(|error| snapshot.error("loading", error))?;
    Ok(state.snapshot())
}

/// Packs the files of one partition. `sized` tells a file's bytes and when it was written.
fn pack<F>(
    mut files: Vec<F>,
    sized: impl Fn(&F) -> (u64, i64),
    target_bytes: u64,
    scope: Scope,
) -> Vec<Vec<F>> {
    files.retain(|file| sized(file).0 < target_bytes);
    let min_files = match scope {
        Scope::All => 2,
        Scope::Gradual { min_small_files } => {
            keep_alike(&mut files, &sized, min_small_files);
            min_small_files.max(2)
        }
    };
    if files.len() < min_files {
        return Vec::new();
    }
    files.sort_by_key(|file| sized(file).1);
    let (mut bins, mut bin, mut bin_bytes) = (Vec::new(), Vec::new(), 0);
    for file in files {
        let bytes = sized(&file).0;
        if bin_bytes + bytes > target_bytes && !bin.is_empty() {
            bins.push(std::mem::take(&mut bin));
            bin_bytes = 0;
        }
        bin_bytes += bytes;
        bin.push(file);
    }
    bins.push(bin);
    bins.retain(|bin| bin.len() > 1);
    bins
}

/// Keeps the smallest files, as many as there are with the largest of them no larger than the
/// others together: a rewritten row is then in a file at least twice as large as before.
fn keep_alike<F>(files: &mut Vec<F>, sized: impl Fn(&F) -> (u64, i64), min_small_files: usize) {
    files.sort_by_key(|file| sized(file).0);
    let (mut smaller_bytes, mut alike) = (0, 0);
    for (index, file) in files.iter().enumerate() {
        let bytes = sized(file).0;
        if index + 1 >= min_small_files && bytes <= smaller_bytes {
            alike = index + 1;
        }
        smaller_bytes += bytes;
    }
    files.truncate(alike);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Packs files of the given sizes, written one after another, and returns their indexes.
    fn packed(sizes: &[u64], target: u64, scope: Scope) -> Vec<Vec<usize>> {
        let files: Vec<(usize, u64)> = sizes.iter().copied().enumerate().collect();
        let bins = pack(
            files,
            |(index, bytes)| (*bytes, *index as i64),
            target,
            scope,
        );
        bins.into_iter()
            .map(|bin| bin.into_iter().map(|(index, _)| index).collect())
            .collect()
    }

    #[test]
    fn files_are_packed_in_the_order_they_were_written() {
        let bins = packed(&[10, 40, 30, 200, 50, 20, 90], 100, Scope::All);
        assert_eq!(bins, [vec![0, 1, 2], vec![4, 5]]);
        assert!(packed(&[60, 60, 60], 100, Scope::All).is_empty());
    }

    #[test]
    fn few_small_files_wait_for_more() {
        let scope = Scope::Gradual { min_small_files: 4 };
        assert!(packed(&[1, 1, 1], 1000, scope).is_empty());
        assert_eq!(packed(&[1, 1, 1, 1], 1000, scope), [[0, 1, 2, 3]]);
    }

    #[test]
    fn a_file_larger_than_the_small_ones_together_is_left_alone() {
        let scope = Scope::Gradual { min_small_files: 4 };
        assert_eq!(packed(&[5, 1, 1, 1, 1], 1000, scope), [[1, 2, 3, 4]]);
        assert_eq!(packed(&[4, 1, 1, 1, 1], 1000, scope), [[0, 1, 2, 3, 4]]);
    }

    #[test]
    fn a_row_is_rewritten_a_logarithmic_number_of_times() {
        let scope = Scope::Gradual { min_small_files: 8 };
        let (mut files, mut written, mut arrived) = (Vec::<u64>::new(), 0, 0);
        for bytes in std::iter::repeat_n(1, 10_000) {
            files.push(bytes);
            arrived += bytes;
            for bin in packed(&files, 4096, scope) {
                let bytes: u64 = bin.iter().filter_map(|index| files.get(*index)).sum();
                written += bytes;
                let mut index = 0;
                files.retain(|_| {
                    index += 1;
                    !bin.contains(&(index - 1))
                });
                files.push(bytes);
            }
        }
        // The target is the twelfth power of two.
        assert!(written <= 12 * arrived, "{written}");
        assert!(files.len() < 64, "{}", files.len());
    }

    proptest! {
        #[test]
        fn bins_hold_each_file_at_most_once_and_stay_below_the_target(
            sizes in prop::collection::vec(1_u64..150, 0..60),
            gradual in prop::option::of(2_usize..10),
        ) {
            let scope = gradual.map_or(Scope::All, |min_small_files| Scope::Gradual { min_small_files });
            let bins = packed(&sizes, 100, scope);
            let mut seen: Vec<usize> = bins.iter().flatten().copied().collect();
            seen.sort_unstable();
            let unique = seen.windows(2).all(|pair| pair[0] < pair[1]);
            prop_assert!(unique);
            for bin in bins {
                prop_assert!(bin.len() > 1);
                prop_assert!(bin.iter().map(|index| sizes[*index]).sum::<u64>() <= 100);
            }
        }
    }
}
