//! Whether the house is ready for work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::app::App;
use crate::status::{Health, ServiceStatus};

/// Answers 200 unless a service is starting or degraded; then 503 with which and why.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let waiting: Vec<Value> = app
        .web
        .status
        .snapshot()
        .services
        .iter()
        .filter_map(not_ready)
        .collect();
    if waiting.is_empty() {
        return "ready".into_response();
    }
    let body = json!({ "status": "not ready", "services": waiting });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

fn not_ready(service: &ServiceStatus) -> Option<Value> {
    let (state, reason) = match &service.health {
        Health::Starting => ("starting", "it has not finished starting"),
        Health::Degraded(reason) => ("degraded", reason.as_str()),
        Health::Running | Health::Finished | Health::Stopped => return None,
    };
    Some(json!({ "name": service.name, "state": state, "reason": reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_and_degraded_services_are_named() {
        let service = |health| ServiceStatus {
            name: "kafka".to_owned(),
            kind: "stand-in".to_owned(),
            address: String::new(),
            health,
        };
        assert!(not_ready(&service(Health::Running)).is_none());
        assert!(not_ready(&service(Health::Finished)).is_none());
        let named = not_ready(&service(Health::Degraded("away".to_owned()))).unwrap();
        assert_eq!(
            named,
            json!({ "name": "kafka", "state": "degraded", "reason": "away" })
        );
        assert_eq!(
            not_ready(&service(Health::Starting)).unwrap()["state"],
            "starting"
        );
    }
}
