//! The metrics of the lake; one function per event, so that names and labels are in one place.

use std::time::Duration;

use metrics::{counter, histogram};

/// How an append ended, for the `outcome` label.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Committed,
    AlreadyStored,
    OffsetsMoved,
    Failed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::AlreadyStored => "already_stored",
            Self::OffsetsMoved => "offsets_moved",
            Self::Failed => "failed",
        }
    }
}

/// Counts an append and its rows, and measures it.
pub(crate) fn append(table: &str, outcome: Outcome, rows: u64, elapsed: Duration) {
    let table = table.to_owned();
    counter!("lakehouse_lake_appends_total", "table" => table.clone(), "outcome" => outcome.as_str())
        .increment(1);
    histogram!("lakehouse_lake_append_seconds", "table" => table.clone())
        .record(elapsed.as_secs_f64());
    if matches!(outcome, Outcome::Committed) {
        counter!("lakehouse_lake_appended_rows_total", "table" => table).increment(rows);
    }
}

/// Counts a commit that another writer won.
pub(crate) fn lost_race(table: &str) {
    counter!("lakehouse_lake_lost_commit_races_total", "table" => table.to_owned()).increment(1);
}

/// How a task of maintenance ended, for the `outcome` label.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TaskOutcome {
    Done,
    NothingToDo,
    /// Another writer was first; the next round tries again.
    LostRace,
    Failed,
}

impl TaskOutcome {
    pub(crate) fn of<T, E>(result: &Result<T, E>) -> Self {
        if result.is_ok() {
            Self::Done
        } else {
            Self::Failed
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NothingToDo => "nothing_to_do",
            Self::LostRace => "lost_race",
            Self::Failed => "failed",
        }
    }
}

/// Counts a task of maintenance and measures it.
pub(crate) fn task(task: &'static str, table: &str, outcome: TaskOutcome, elapsed: Duration) {
    counter!(
        "lakehouse_lake_maintenance_tasks_total",
        "task" => task, "table" => table.to_owned(), "outcome" => outcome.as_str()
    )
    .increment(1);
    histogram!("lakehouse_lake_maintenance_seconds", "task" => task).record(elapsed.as_secs_f64());
}

/// Counts the files that were compacted, and the bytes read and written for it.
pub(crate) fn compacted(table: &str, files: u64, bytes: u64) {
    let table = table.to_owned();
    counter!("lakehouse_lake_compacted_files_total", "table" => table.clone()).increment(files);
    counter!("lakehouse_lake_compacted_bytes_total", "table" => table).increment(bytes);
}

/// Counts the files that were vacuumed, and their bytes.
pub(crate) fn vacuumed(table: &str, files: u64, bytes: u64) {
    let table = table.to_owned();
    counter!("lakehouse_lake_vacuumed_files_total", "table" => table.clone()).increment(files);
    counter!("lakehouse_lake_vacuumed_bytes_total", "table" => table).increment(bytes);
}
