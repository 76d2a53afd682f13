//! The HTTP door for people and scripts.
//!
//! ```text
//! pages/   what people read: the shape of the system, the flights application, the SQL console
//! api/     what scripts call: POST /sql, prediction requests and answers
//! health, assets, metrics
//! ```
//!
//! Pages are rendered here and work without scripts; a script only saves waiting for a whole page.

mod api;
mod app;
mod assets;
mod bars;
mod bind;
mod decode;
mod distance;
mod error;
mod health;
mod lookups;
mod pages;
mod paging;
mod prediction_form;
pub(crate) mod same_site;
mod templates;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};
use metrics_exporter_prometheus::PrometheusHandle;
use query::QueryEngine;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use self::app::App;
use self::error::PageError;
use crate::predictions::Predictions;
use crate::status::Status;

/// Longest SQL text or form that is accepted, in bytes.
const MAX_BODY_BYTES: usize = 1 << 20;
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; \
                      img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What the doors show and hand on.
#[derive(Debug)]
pub(crate) struct Web {
    /// Answers every page's queries.
    pub(crate) engine: QueryEngine,
    /// What the services are doing.
    pub(crate) status: Arc<Status>,
    /// The numbers of `/metrics`.
    pub(crate) metrics: PrometheusHandle,
    /// The way to the predictor.
    pub(crate) predictions: Arc<Predictions>,
    /// Whether the built-in flights application is on; without it its pages are absent.
    pub(crate) flights: bool,
    /// Base URL for a client that does not say how it reached us.
    pub(crate) url: String,
}

/// Returns the routes.
pub(crate) fn router(web: Web) -> Router {
    let mut routes = Router::new()
        .route("/", get(pages::home::show))
        .route("/sql", get(pages::console::show).post(api::sql::run))
        .route("/assets/{name}", get(assets::serve))
        .route("/favicon.ico", get(assets::favicon))
        .route("/health/live", get(|| async { "live" }))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics_text));
    if web.flights {
        routes = routes.merge(flights_routes());
    }
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let layers = ServiceBuilder::new()
        .layer(header(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // With `no-referrer` a browser hides the origin of a plain form, and `same_site` would refuse it.
        .layer(header(header::REFERRER_POLICY, "same-origin"))
        .layer(CatchPanicLayer::new())
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES));
    routes
        .fallback(not_found)
        .layer(layers)
        .with_state(Arc::new(App::new(web)))
}

fn flights_routes() -> Router<Arc<App>> {
    let classify = "/flights/delays/predict/classify_realtime";
    Router::new()
        .route("/airlines", get(pages::airlines::show))
        .route("/airline/{code}", get(pages::airline::show))
        .route("/flights/search", get(pages::search::show))
        .route("/flights/delays/predict_kafka", get(pages::predict::show))
        .route(classify, post(api::classify::submit))
        .route(
            &format!("{classify}/response/{{id}}"),
            get(api::classify::answer),
        )
}

async fn metrics_text(State(app): State<Arc<App>>) -> String {
    app.web.metrics.render()
}

async fn not_found(State(app): State<Arc<App>>) -> Response {
    app.answer(Err(PageError::NotFound {
        what: "There is no such page.".to_owned(),
    }))
}
