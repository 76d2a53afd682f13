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

mod config;
mod encode;
mod error_codes;
mod headers;
mod model;
mod pages;
mod queries;
mod signature;
mod spool;
mod statement;
pub(crate) mod types;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::{Extensions, HeaderMap, Version, header};
use axum::routing::{delete, get, post, put};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate as _, SizeAbove};

pub use self::config::TrinoConfig;
pub use self::error_codes::{ErrorLocation, TrinoError};
use self::spool::Spool;
use crate::QueryEngine;
use crate::registry::RunningQuery;

/// What clients take for the server's version; JDBC reads anything but a number as version 0.
pub const NODE_VERSION: &str = crate::presto::rewrite::VERSION;
/// Pages below this many bytes are not worth compressing.
const COMPRESS_ABOVE_BYTES: u16 = 1024;

struct Door {
    engine: QueryEngine,
    config: TrinoConfig,
    /// None when results are not spooled.
    spool: Option<Arc<Spool>>,
    started: std::time::Instant,
}

impl Door {
    fn new(engine: QueryEngine) -> Self {
        let config = engine.config().trino.clone();
        let spool = match config.spooling.then(|| Spool::new(&engine, &config)) {
            None => None,
            Some(Ok(spool)) => Some(Arc::new(spool)),
            Some(Err(error)) => {
                tracing::error!(error = %error, "results cannot be spooled");
                None
            }
        };
        Self {
            engine,
            config,
            spool,
            started: std::time::Instant::now(),
        }
    }

    /// Cancels a query for its client, and deletes what it would have fetched yet.
    async fn cancel(&self, query: &RunningQuery) {
        query.cancel();
        if let Some(spool) = &self.spool {
            spool.discard(query.id()).await;
        }
    }
}

/// Returns the routes of the protocol.
pub fn router(engine: QueryEngine) -> Router {
    routes(Arc::new(Door::new(engine)))
}

fn routes(door: Arc<Door>) -> Router {
    let queued = "/v1/statement/queued/{id}/{slug}/{token}";
    let executing = "/v1/statement/executing/{id}/{slug}/{token}";
    let partial = "/v1/statement/executing/partialCancel/{id}/{stage}/{slug}/{token}";
    // Segments are compressed already, or not on purpose.
    let is_page = |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
        headers
            .get(header::CONTENT_TYPE)
            .is_none_or(|kind| kind != "application/octet-stream")
    };
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(COMPRESS_ABOVE_BYTES).and(is_page));
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
        .route(partial, delete(statement::cancel_stage))
        .route("/v1/spooled/download/{token}", get(spool::download))
        .route("/v1/spooled/ack/{token}", get(spool::acknowledge))
        .route("/v1/query", get(queries::list_queries))
        .route(
            "/v1/query/{id}",
            delete(queries::cancel_query).get(queries::query_info),
        )
        .route("/v1/query/{id}/killed", put(queries::kill_query))
        .route("/v1/info", get(queries::info))
        .route("/v1/info/state", get(async || axum::Json("ACTIVE")))
        .route("/v1/info/coordinator", get(async || StatusCode::OK))
        .route("/v1/status", get(queries::info))
        .route("/ui/query.html", get(queries::query_page))
        .layer(compression)
        .with_state(door)
}

#[cfg(test)]
mod tests;
