//! The metrics of statements that wait for their clients; one function per event, so that names and labels are in one
//! place.

use metrics::{counter, gauge, histogram};

use crate::engine::registry::QueryStats;

/// Counts a statement that waits for its turn.
pub(crate) fn queued() {
    gauge!("lakehouse_query_queued_statements").increment(1.0);
}

/// Counts a statement that has left the queue, to run or for good.
pub(crate) fn left_queue() {
    gauge!("lakehouse_query_queued_statements").decrement(1.0);
}

/// Counts a statement that runs.
pub(crate) fn started() {
    gauge!("lakehouse_query_running_statements").increment(1.0);
}

/// Counts a statement that runs no more.
pub(crate) fn stopped() {
    gauge!("lakehouse_query_running_statements").decrement(1.0);
}

/// Counts a statement that was not registered.
pub(crate) fn refused() {
    counter!("lakehouse_query_refused_statements_total").increment(1);
}

/// Counts how a statement ended, and what it used; `outcome` is `FINISHED` or Trino's type of the error.
pub(crate) fn ended(outcome: &'static str, stats: &QueryStats) {
    counter!("lakehouse_query_statements_total", "outcome" => outcome).increment(1);
    histogram!("lakehouse_query_queued_seconds").record(stats.queued.as_secs_f64());
    histogram!("lakehouse_query_seconds").record(stats.elapsed.as_secs_f64());
    counter!("lakehouse_query_read_rows_total").increment(stats.work.rows_read);
    counter!("lakehouse_query_read_bytes_total").increment(stats.work.bytes_read);
    counter!("lakehouse_query_spilled_bytes_total").increment(stats.work.spilled_bytes);
}
