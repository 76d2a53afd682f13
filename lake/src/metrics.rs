//! The metrics of the lake; one function per event, so that names and labels are in one place.

use std::sync::Arc;
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

/// What was asked of a store, for the `operation` label.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StoreOperation {
    Put,
    PutIfAbsent,
    StartUpload,
    UploadPart,
    CompleteUpload,
    AbortUpload,
    Get,
    Head,
    List,
    Delete,
    Copy,
    CopyIfAbsent,
    Rename,
}

impl StoreOperation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::PutIfAbsent => "put_if_absent",
            Self::StartUpload => "start_upload",
            Self::UploadPart => "upload_part",
            Self::CompleteUpload => "complete_upload",
            Self::AbortUpload => "abort_upload",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Copy => "copy",
            Self::CopyIfAbsent => "copy_if_absent",
            Self::Rename => "rename",
        }
    }
}

/// How a request to a store ended, for the `outcome` label.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StoreOutcome {
    Ok,
    /// There is no such object.
    Absent,
    /// Another writer was first.
    Exists,
    Denied,
    Failed,
    /// The caller lost interest.
    Cancelled,
}

impl StoreOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Exists => "exists",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Counts and measures a request to a store, retries included; a body's time is its reader's.
pub(crate) fn store_request(
    store: &Arc<str>,
    operation: StoreOperation,
    outcome: StoreOutcome,
    elapsed: Duration,
) {
    let operation = operation.as_str();
    counter!("lakehouse_lake_store_requests_total", "store" => Arc::clone(store),
        "operation" => operation, "outcome" => outcome.as_str())
    .increment(1);
    histogram!("lakehouse_lake_store_request_seconds", "store" => Arc::clone(store),
        "operation" => operation)
    .record(elapsed.as_secs_f64());
}

/// Counts bytes that a store sent.
pub(crate) fn store_read(store: &Arc<str>, bytes: u64) {
    counter!("lakehouse_lake_store_read_bytes_total", "store" => Arc::clone(store))
        .increment(bytes);
}

/// Counts bytes that a store took.
pub(crate) fn store_wrote(store: &Arc<str>, bytes: u64) {
    counter!("lakehouse_lake_store_written_bytes_total", "store" => Arc::clone(store))
        .increment(bytes);
}

/// Counts an operation that made a version.
pub(crate) fn operation(table: &str, action: &'static str) {
    counter!("lakehouse_lake_operations_total", "table" => table.to_owned(), "action" => action)
        .increment(1);
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
