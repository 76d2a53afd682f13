//! `system.runtime`: what runs.

use super::rows::Cell;
use super::{Kind, TableSpec};
use crate::engine::QueryEngine;
use crate::engine::registry::{QueryState, QuerySummary};
use crate::trino::TrinoError;

const NODE: &str = "lakehouse";

pub(super) static TABLES: [TableSpec; 5] = [
    TableSpec {
        schema: "runtime",
        name: "nodes",
        columns: &[
            ("node_id", Kind::Text),
            ("http_uri", Kind::Text),
            ("node_version", Kind::Text),
            ("coordinator", Kind::Boolean),
            ("state", Kind::Text),
        ],
        visible: 5,
    },
    TableSpec {
        schema: "runtime",
        name: "optimizer_rule_stats",
        columns: &[
            ("rule_name", Kind::Text),
            ("invocations", Kind::Bigint),
            ("matches", Kind::Bigint),
            ("failures", Kind::Bigint),
            ("average_time", Kind::Double),
        ],
        visible: 5,
    },
    TableSpec {
        schema: "runtime",
        name: "queries",
        columns: &[
            ("query_id", Kind::Text),
            ("state", Kind::Text),
            ("user", Kind::Text),
            ("source", Kind::Text),
            ("query", Kind::Text),
            ("resource_group_id", Kind::Texts),
            ("queued_time_ms", Kind::Bigint),
            ("analysis_time_ms", Kind::Bigint),
            ("planning_time_ms", Kind::Bigint),
            ("created", Kind::Time),
            ("started", Kind::Time),
            ("last_heartbeat", Kind::Time),
            ("end", Kind::Time),
            ("error_type", Kind::Text),
            ("error_code", Kind::Text),
        ],
        visible: 15,
    },
    TableSpec {
        schema: "runtime",
        name: "tasks",
        columns: &[
            ("node_id", Kind::Text),
            ("task_id", Kind::Text),
            ("stage_id", Kind::Text),
            ("query_id", Kind::Text),
            ("state", Kind::Text),
            ("splits", Kind::Bigint),
            ("queued_splits", Kind::Bigint),
            ("running_splits", Kind::Bigint),
            ("completed_splits", Kind::Bigint),
            ("split_scheduled_time_ms", Kind::Bigint),
            ("split_cpu_time_ms", Kind::Bigint),
            ("split_blocked_time_ms", Kind::Bigint),
            ("raw_input_bytes", Kind::Bigint),
            ("raw_input_rows", Kind::Bigint),
            ("processed_input_bytes", Kind::Bigint),
            ("processed_input_rows", Kind::Bigint),
            ("output_bytes", Kind::Bigint),
            ("output_rows", Kind::Bigint),
            ("physical_input_bytes", Kind::Bigint),
            ("physical_written_bytes", Kind::Bigint),
            ("created", Kind::Time),
            ("start", Kind::Time),
            ("last_heartbeat", Kind::Time),
            ("end", Kind::Time),
        ],
        visible: 24,
    },
    TableSpec {
        schema: "runtime",
        name: "transactions",
        columns: &[
            ("transaction_id", Kind::Text),
            ("isolation_level", Kind::Text),
            ("read_only", Kind::Boolean),
            ("auto_commit_context", Kind::Boolean),
            ("create_time", Kind::Time),
            ("idle_time_secs", Kind::Bigint),
            ("written_catalog", Kind::Text),
            ("catalogs", Kind::Texts),
        ],
        visible: 8,
    },
];

pub(super) fn rows(engine: &QueryEngine, table: &str) -> Vec<Vec<Cell>> {
    let queries = || engine.registry().list();
    match table {
        "nodes" => vec![vec![
            NODE.into(),
            // The engine does not know where it is served.
            Cell::Null,
            env!("CARGO_PKG_VERSION").into(),
            true.into(),
            "active".into(),
        ]],
        "queries" => queries().iter().map(query).collect(),
        "tasks" => queries()
            .iter()
            .filter(|query| query.stats.state != QueryState::Queued)
            .map(task)
            .collect(),
        // Statements commit by themselves, and rules of the optimizer are not measured.
        _ => Vec::new(),
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn started(query: &QuerySummary) -> Option<chrono::DateTime<chrono::Utc>> {
    (query.stats.state != QueryState::Queued).then(|| query.created + query.stats.queued)
}

fn query(query: &QuerySummary) -> Vec<Cell> {
    let failure = query.failure.as_ref().map(|error| TrinoError::of(error));
    vec![
        query.id.as_str().into(),
        query.stats.state.name().into(),
        query.user.as_str().into(),
        query.source.as_deref().into(),
        query.sql.as_str().into(),
        Cell::Texts(vec!["global".to_owned()]),
        millis(query.stats.queued).into(),
        0.into(),
        0.into(),
        query.created.into(),
        started(query).into(),
        query
            .ended
            .unwrap_or(query.created + query.stats.elapsed)
            .into(),
        query.ended.into(),
        failure.as_ref().map(|failure| failure.kind).into(),
        failure.as_ref().map(|failure| failure.name).into(),
    ]
}

/// A query is one task of one node.
fn task(query: &QuerySummary) -> Vec<Cell> {
    let id = query.id.as_str();
    let is_done = query.ended.is_some();
    let work = &query.stats.work;
    vec![
        NODE.into(),
        format!("{id}.0.0.0").into(),
        format!("{id}.0").into(),
        id.into(),
        query.stats.state.name().into(),
        1.into(),
        0.into(),
        i64::from(!is_done).into(),
        i64::from(is_done).into(),
        millis(query.stats.elapsed).into(),
        Cell::Null,
        Cell::Null,
        count(work.bytes_read).into(),
        count(work.rows_read).into(),
        count(work.bytes_read).into(),
        count(work.rows_read).into(),
        count(query.stats.bytes).into(),
        count(query.stats.rows).into(),
        count(work.bytes_read).into(),
        Cell::Null,
        query.created.into(),
        started(query).into(),
        query
            .ended
            .unwrap_or(query.created + query.stats.elapsed)
            .into(),
        query.ended.into(),
    ]
}
