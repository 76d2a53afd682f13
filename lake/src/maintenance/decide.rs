//! What a table needs, decided from its log alone.

use std::time::Duration;

use super::MaintenanceConfig;

/// Something to do for a table, in the order in which it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    ZOrder,
    Compact,
    Checkpoint,
    CleanLog,
    Vacuum,
}

/// What the log says of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Small files that would be packed with others.
    pub(super) files_to_pack: usize,
    /// The share of bytes that are not in z-order; none without declared columns.
    pub(super) unsorted_fraction: Option<f64>,
    /// Commits after the last checkpoint, or all of them.
    pub(super) commits_to_check: u64,
    /// The age of the first of them.
    pub(super) oldest_to_check: Duration,
    /// After how many commits the table wants a checkpoint.
    pub(super) checkpoint_interval: u64,
    /// The age of the oldest commit below the newest checkpoint; zero when there is none.
    pub(super) oldest_superfluous: Duration,
    /// How long the table wants its log to be kept.
    pub(super) log_retention: Duration,
    /// Time since the last vacuum by this process.
    pub(super) since_vacuum: Option<Duration>,
}

/// Commits that are worth a checkpoint by age: reading fewer is as fast as reading a checkpoint.
const FEWEST_COMMITS: u64 = 10;

/// Returns what to do, in order.
pub(super) fn decide(facts: &Facts, config: &MaintenanceConfig) -> Vec<Task> {
    let is_unsorted = facts
        .unsorted_fraction
        .is_some_and(|fraction| fraction > config.zorder_fraction);
    let is_checkpoint_due = facts.commits_to_check >= facts.checkpoint_interval
        || (facts.commits_to_check >= FEWEST_COMMITS
            && facts.oldest_to_check >= config.checkpoint_age);
    let is_vacuum_due = facts
        .since_vacuum
        .is_none_or(|since| since >= config.vacuum_interval);
    let due = [
        (Task::ZOrder, is_unsorted),
        // A z-order packs the files, too.
        (Task::Compact, facts.files_to_pack > 0 && !is_unsorted),
        (Task::Checkpoint, is_checkpoint_due),
        (
            Task::CleanLog,
            facts.oldest_superfluous > facts.log_retention,
        ),
        (Task::Vacuum, is_vacuum_due),
    ];
    due.into_iter()
        .filter_map(|(task, is_due)| is_due.then_some(task))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn quiet() -> Facts {
        Facts {
            checkpoint_interval: 100,
            log_retention: 720 * HOUR,
            since_vacuum: Some(HOUR),
            ..Facts::default()
        }
    }

    fn decided(facts: &Facts) -> Vec<Task> {
        decide(facts, &MaintenanceConfig::default())
    }

    #[test]
    fn a_quiet_table_needs_nothing() {
        assert!(decided(&quiet()).is_empty());
    }

    #[test]
    fn small_files_are_packed_unless_the_table_is_sorted_anew() {
        let facts = Facts {
            files_to_pack: 40,
            unsorted_fraction: Some(0.2),
            ..quiet()
        };
        assert_eq!(decided(&facts), [Task::Compact]);
        let facts = Facts {
            unsorted_fraction: Some(0.4),
            ..facts
        };
        assert_eq!(decided(&facts), [Task::ZOrder]);
    }

    #[test]
    fn a_checkpoint_is_due_by_number_or_by_age() {
        for (commits, age, is_due) in [(99, 0, false), (100, 0, true), (9, 2, false), (10, 2, true)]
        {
            let facts = Facts {
                commits_to_check: commits,
                oldest_to_check: age * HOUR,
                ..quiet()
            };
            assert_eq!(
                decided(&facts) == [Task::Checkpoint],
                is_due,
                "{commits} {age}"
            );
        }
    }

    #[test]
    fn the_log_is_cleaned_after_its_retention_and_files_daily() {
        let facts = Facts {
            oldest_superfluous: 721 * HOUR,
            since_vacuum: Some(24 * HOUR),
            ..quiet()
        };
        assert_eq!(decided(&facts), [Task::CleanLog, Task::Vacuum]);
        let facts = Facts {
            since_vacuum: None,
            ..quiet()
        };
        assert_eq!(decided(&facts), [Task::Vacuum]);
    }
}
