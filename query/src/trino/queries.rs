//! `/v1/query`, `/v1/info` and the page that `infoUri` names.

use std::sync::Arc;

use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Door, NODE_VERSION, headers};
use crate::registry::{QueryId, QuerySummary};

/// Which queries a list has.
#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    state: Option<String>,
    user: Option<String>,
}

pub(super) async fn info(State(door): State<Arc<Door>>) -> axum::Json<Value> {
    let uptime = format!("{:.2}m", door.started.elapsed().as_secs_f64() / 60.0);
    axum::Json(json!({
        "nodeVersion": { "version": NODE_VERSION },
        "environment": "lakehouse",
        "coordinator": true,
        "starting": false,
        "uptime": uptime,
    }))
}

pub(super) async fn list_queries(
    State(door): State<Arc<Door>>,
    Query(filter): Query<Filter>,
    request_headers: HeaderMap,
) -> axum::Json<Value> {
    let base = headers::base_url(&request_headers);
    let queries = door.engine.registry().list();
    let is_wanted = |query: &&QuerySummary| {
        let state = filter.state.as_deref();
        let user = filter.user.as_deref();
        state.is_none_or(|state| state.eq_ignore_ascii_case(query.stats.state.name()))
            && user.is_none_or(|user| user == query.user)
    };
    let shown = queries.iter().filter(is_wanted);
    axum::Json(shown.map(|query| describe(query, &base)).collect())
}

pub(super) async fn query_info(
    State(door): State<Arc<Door>>,
    Path(id): Path<String>,
    request_headers: HeaderMap,
) -> Response {
    let base = headers::base_url(&request_headers);
    match door.engine.registry().get(&QueryId::from(id.as_str())) {
        Some(query) => axum::Json(describe(&query.summary(), &base)).into_response(),
        None => StatusCode::GONE.into_response(),
    }
}

pub(super) async fn cancel_query(
    State(door): State<Arc<Door>>,
    Path(id): Path<String>,
) -> StatusCode {
    if let Some(query) = door.engine.registry().get(&QueryId::from(id.as_str())) {
        door.cancel(&query).await;
    }
    StatusCode::NO_CONTENT
}

/// `PUT /v1/query/{id}/killed`: an administrator ends it; the body says why.
pub(super) async fn kill_query(
    State(door): State<Arc<Door>>,
    Path(id): Path<String>,
    message: String,
) -> Response {
    let id = QueryId::from(id.as_str());
    let message = Some(message.trim()).filter(|message| !message.is_empty());
    let registry = door.engine.registry();
    let Some(query) = registry.get(&id) else {
        return StatusCode::GONE.into_response();
    };
    match registry.kill(&id, message) {
        Ok(()) => {
            door.cancel(&query).await;
            StatusCode::OK.into_response()
        }
        Err(error) => (StatusCode::CONFLICT, error.to_string()).into_response(),
    }
}

fn describe(query: &QuerySummary, base: &str) -> Value {
    let error = query.error();
    let work = &query.stats.work;
    json!({
        "queryId": query.id.as_str(),
        "self": format!("{base}/v1/query/{}", query.id),
        "state": query.stats.state.name(),
        "query": query.sql,
        "session": { "user": query.user, "source": query.source, "catalog": query.catalog, "schema": query.schema },
        "queryStats": {
            "createTime": query.created,
            "executionStartTime": query.started,
            "lastHeartbeat": query.last_heartbeat,
            "endTime": query.ended,
            "elapsedTime": format!("{:.2}s", query.stats.elapsed.as_secs_f64()),
            "queuedTime": format!("{:.2}s", query.stats.queued.as_secs_f64()),
            "planningTime": format!("{:.2}s", query.stats.planning.as_secs_f64()),
            "physicalInputPositions": work.rows_read,
            "physicalInputDataSize": format!("{}B", work.bytes_read),
            "totalMemoryReservation": format!("{}B", work.memory_bytes),
            "peakTotalMemoryReservation": format!("{}B", work.peak_memory_bytes),
            "spilledDataSize": format!("{}B", work.spilled_bytes),
            "outputPositions": query.stats.rows,
            "outputDataSize": format!("{}B", query.stats.bytes),
        },
        "errorType": error.as_ref().map(|error| error.kind),
        "errorCode": error.as_ref().map(|error| json!({ "code": error.code, "name": error.name, "type": error.kind })),
    })
}

/// The target of `infoUri`: what clients link to.
pub(super) async fn query_page(
    State(door): State<Arc<Door>>,
    RawQuery(id): RawQuery,
    request_headers: HeaderMap,
) -> Response {
    let base = headers::base_url(&request_headers);
    let id = id.unwrap_or_default();
    let Some(query) = door.engine.registry().get(&QueryId::from(id.as_str())) else {
        return (
            StatusCode::NOT_FOUND,
            Html("<p>This query is no longer known.</p>"),
        )
            .into_response();
    };
    let text = serde_json::to_string_pretty(&describe(&query.summary(), &base)).unwrap_or_default();
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    Html(format!(
        "<!doctype html><title>Query {}</title><pre>{text}</pre>",
        query.id()
    ))
    .into_response()
}
