//! The HTTP door for people and scripts: the status page, the `/sql` API, health and metrics.

pub(crate) mod same_site;
mod sql_api;
mod status_page;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use metrics_exporter_prometheus::PrometheusHandle;
use query::QueryEngine;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::status::Status;

/// Longest SQL text that is accepted, in bytes.
const MAX_BODY_BYTES: usize = 1 << 20;
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Web {
    engine: QueryEngine,
    status: Arc<Status>,
    metrics: PrometheusHandle,
}

/// Returns the routes.
pub(crate) fn router(
    engine: QueryEngine,
    status: Arc<Status>,
    metrics: PrometheusHandle,
) -> Router {
    let web = Arc::new(Web {
        engine,
        status,
        metrics,
    });
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let layers = ServiceBuilder::new()
        .layer(header(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(CatchPanicLayer::new())
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES));
    Router::new()
        .route("/", get(status_page::show))
        .route("/sql", post(sql_api::run))
        .route("/assets/style.css", get(style))
        .route("/health/live", get(|| async { "live" }))
        .route("/health/ready", get(|| async { "ready" }))
        .route("/metrics", get(metrics_text))
        .fallback(not_found)
        .layer(layers)
        .with_state(web)
}

async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=300"),
    ];
    (headers, include_str!("../../assets/style.css")).into_response()
}

async fn metrics_text(axum::extract::State(web): axum::extract::State<Arc<Web>>) -> String {
    web.metrics.render()
}

async fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        Html(include_str!("../../templates/not_found.html")),
    )
        .into_response()
}
