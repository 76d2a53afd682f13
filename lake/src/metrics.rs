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

/// Counts an operation that made a version.
pub(crate) fn operation(table: &str, action: &'static str) {
    counter!("lakehouse_lake_operations_total", "table" => table.to_owned(), "action" => action)
        .increment(1);
}
