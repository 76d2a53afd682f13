//! The metrics of ingestion; one function per event, so that names and labels are in one place.

use std::time::Duration;

use metrics::{counter, histogram};

/// Counts one commit of a topic's records and measures it.
pub(crate) fn flushed(topic: &str, rows: u64, elapsed: Duration) {
    counter!("lakehouse_ingest_rows_total", "topic" => topic.to_owned()).increment(rows);
    histogram!("lakehouse_ingest_flush_seconds", "topic" => topic.to_owned())
        .record(elapsed.as_secs_f64());
}

/// Counts records that could not become rows.
pub(crate) fn parked(topic: &str, records: u64) {
    counter!("lakehouse_ingest_dead_letters_total", "topic" => topic.to_owned()).increment(records);
}

/// Counts records whose rows are stored already.
pub(crate) fn repeated(topic: &str, records: u64) {
    counter!("lakehouse_ingest_repeated_records_total", "topic" => topic.to_owned())
        .increment(records);
}

/// Counts records that retention deleted before they were read.
pub(crate) fn expired(topic: &str, records: u64) {
    counter!("lakehouse_ingest_expired_records_total", "topic" => topic.to_owned())
        .increment(records);
}
