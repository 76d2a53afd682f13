//! The Trino and Presto client protocol over HTTP.
//!
//! ```text
//! POST /v1/statement                        -> registered; nextUri queued/.../1
//! GET  queued/{id}/{slug}/{token}           -> starts it; nextUri executing/.../0 once it has its turn
//! GET  executing/{id}/{slug}/{token}        -> one page; no nextUri on the last
//! DELETE the same URLs, or /v1/query/{id}   -> cancels
//! ```
//!
//! # Source
//! <https://trino.io/docs/current/develop/client-protocol.html>

mod encode;
mod error_codes;
mod headers;
mod model;
mod statement;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde_json::{Value, json};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

pub use self::error_codes::{ErrorLocation, TrinoError};

use crate::QueryEngine;
use crate::engine::registry::{QueryId, QuerySummary};

/// What clients take for the server's version; JDBC wants a number first.
pub const NODE_VERSION: &str = concat!("476-lakehouse-", env!("CARGO_PKG_VERSION"));
/// Longest statement.
const MAX_STATEMENT_BYTES: usize = 16 << 20;
/// Pages below this many bytes are not worth compressing.
const COMPRESS_ABOVE_BYTES: u16 = 1024;

struct Door {
    engine: QueryEngine,
    started: std::time::Instant,
}

/// Returns the routes of the protocol.
pub fn router(engine: QueryEngine) -> Router {
    let door = Arc::new(Door {
        engine,
        started: std::time::Instant::now(),
    });
    let queued = "/v1/statement/queued/{id}/{slug}/{token}";
    let executing = "/v1/statement/executing/{id}/{slug}/{token}";
    // GET answers HEAD too, and a HEAD must not fetch a page: it has its own handler.
    Router::new()
        .route(
            "/v1/statement",
            post(statement::submit).head(statement::accepts),
        )
        .route(
            queued,
            get(statement::poll_queued)
                .delete(statement::cancel)
                .head(statement::heartbeat),
        )
        .route(
            executing,
            get(statement::poll_executing)
                .delete(statement::cancel)
                .head(statement::heartbeat),
        )
        .route("/v1/query", get(list_queries))
        .route("/v1/query/{id}", delete(cancel_query).get(query_info))
        .route("/v1/info", get(info))
        .route("/v1/info/state", get(async || axum::Json("ACTIVE")))
        .route("/v1/info/coordinator", get(async || StatusCode::OK))
        .route("/v1/status", get(info))
        .route("/ui/query.html", get(query_page))
        .layer(DefaultBodyLimit::max(MAX_STATEMENT_BYTES))
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(COMPRESS_ABOVE_BYTES)))
        .with_state(door)
}

async fn info(State(door): State<Arc<Door>>) -> axum::Json<Value> {
    let uptime = format!("{:.2}m", door.started.elapsed().as_secs_f64() / 60.0);
    axum::Json(json!({
        "nodeVersion": { "version": NODE_VERSION },
        "environment": "lakehouse",
        "coordinator": true,
        "starting": false,
        "uptime": uptime,
    }))
}

async fn list_queries(State(door): State<Arc<Door>>) -> axum::Json<Value> {
    axum::Json(door.engine.registry().list().iter().map(describe).collect())
}

async fn query_info(State(door): State<Arc<Door>>, Path(id): Path<String>) -> Response {
    match door.engine.registry().get(&QueryId::from(id.as_str())) {
        Some(query) => axum::Json(describe(&query.summary())).into_response(),
        None => StatusCode::GONE.into_response(),
    }
}

async fn cancel_query(State(door): State<Arc<Door>>, Path(id): Path<String>) -> StatusCode {
    if let Some(query) = door.engine.registry().get(&QueryId::from(id.as_str())) {
        query.cancel();
    }
    StatusCode::NO_CONTENT
}

fn describe(query: &QuerySummary) -> Value {
    let error = query.failure.as_deref().map(TrinoError::of);
    json!({
        "queryId": query.id.as_str(),
        "state": query.stats.state.name(),
        "query": query.sql,
        "session": { "user": query.user, "source": query.source },
        "queryStats": {
            "createTime": query.created,
            "endTime": query.ended,
            "elapsedTime": format!("{:.2}s", query.stats.elapsed.as_secs_f64()),
            "queuedTime": format!("{:.2}s", query.stats.queued.as_secs_f64()),
            "outputPositions": query.stats.rows,
            "outputDataSize": format!("{}B", query.stats.bytes),
        },
        "errorType": error.as_ref().map(|error| error.kind),
        "errorCode": error.as_ref().map(|error| json!({ "code": error.code, "name": error.name, "type": error.kind })),
    })
}

/// The target of `infoUri`: what clients link to.
async fn query_page(
    State(door): State<Arc<Door>>,
    axum::extract::RawQuery(id): axum::extract::RawQuery,
) -> Response {
    let id = id.unwrap_or_default();
    let Some(query) = door.engine.registry().get(&QueryId::from(id.as_str())) else {
        return (
            StatusCode::NOT_FOUND,
            Html("<p>This query is no longer known.</p>"),
        )
            .into_response();
    };
    let text = serde_json::to_string_pretty(&describe(&query.summary())).unwrap_or_default();
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    Html(format!(
        "<!doctype html><title>Query {}</title><pre>{text}</pre>",
        query.id()
    ))
    .into_response()
}

/// Returns the rows as clients read them, for tests of functions.
#[cfg(test)]
pub(crate) fn encoded_rows(batch: &arrow::array::RecordBatch) -> crate::Result<Vec<u8>> {
    let encoder = encode::RowEncoder {
        has_parametric_datetime: true,
    };
    let mut rows = Vec::new();
    encoder.write(batch, &mut rows)?;
    Ok([b"[".as_slice(), &rows, b"]"].concat())
}

#[cfg(test)]
mod tests;
