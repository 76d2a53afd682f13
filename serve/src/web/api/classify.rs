//! Prediction requests and their answers.
//!
//! ```text
//! POST classify_realtime               -> {"status":"OK","id":…}      422: what is wrong with which field
//! GET  classify_realtime/response/{id} -> {"status":"WAIT","id":…}    404: no such request
//!                                         {"status":"OK","id":…,"prediction":{…}}
//! ```
//!
//! A browser that sends the plain form is shown the page instead.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use ml::RequestStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::telemetry::chain;
use crate::web::app::App;
use crate::web::pages::predict;
use crate::web::prediction_form::{FieldError, Typed, validate};

/// Why no request was issued.
#[derive(Debug)]
pub(in crate::web) enum Refusal {
    /// The form is wrong.
    Invalid(Vec<FieldError>),
    /// Something outside does not answer; the text is for people.
    Unavailable(&'static str),
}

pub(in crate::web) async fn submit(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    form: Result<Form<Typed>, FormRejection>,
) -> Response {
    let typed = match form {
        Ok(Form(typed)) => typed,
        Err(rejection) => return failure(rejection.status(), &rejection.body_text()),
    };
    let outcome = issue(&app, &typed).await;
    if prefers_html(&headers) {
        return predict::after_submit(&app, typed, outcome).await;
    }
    match outcome {
        Ok(id) => Json(json!({ "status": "OK", "id": id })).into_response(),
        Err(Refusal::Invalid(errors)) => {
            let body = json!({ "status": "ERROR", "errors": errors });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
        }
        Err(Refusal::Unavailable(message)) => failure(StatusCode::SERVICE_UNAVAILABLE, message),
    }
}

pub(in crate::web) async fn answer(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
) -> Response {
    let body = |status: &str, id: Uuid| json!({ "status": status, "id": id });
    match find(&app, &text).await {
        Found::Unknown => failure(
            StatusCode::NOT_FOUND,
            "there is no prediction request with this id",
        ),
        Found::Away => failure(
            StatusCode::SERVICE_UNAVAILABLE,
            "the prediction store does not answer",
        ),
        Found::Waiting(id) => Json(body("WAIT", id)).into_response(),
        Found::Answered(id, prediction) => {
            let mut body = body("OK", id);
            if let Some(fields) = body.as_object_mut() {
                fields.insert("prediction".to_owned(), prediction);
            }
            Json(body).into_response()
        }
    }
}

/// What is known of an id as somebody wrote it.
#[derive(Debug)]
pub(in crate::web) enum Found {
    /// It was never issued, or is no id at all.
    Unknown,
    /// The store does not answer.
    Away,
    /// The answer is not there yet.
    Waiting(Uuid),
    /// The stored answer.
    Answered(Uuid, Value),
}

pub(in crate::web) async fn find(app: &App, text: &str) -> Found {
    let Ok(id) = Uuid::parse_str(text) else {
        return Found::Unknown;
    };
    match Box::pin(app.web.predictions.status(id)).await {
        Ok(RequestStatus::Unknown) => Found::Unknown,
        Ok(RequestStatus::Waiting) => Found::Waiting(id),
        Ok(RequestStatus::Answered(prediction)) => Found::Answered(id, prediction),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "a prediction cannot be looked up");
            Found::Away
        }
    }
}

/// Checks the form and hands the request on. What is kept may accept a form; only the newest tables refuse it.
async fn issue(app: &App, typed: &Typed) -> Result<Uuid, Refusal> {
    let lake_is_away = |error: &crate::web::error::PageError| {
        error.log();
        Refusal::Unavailable("the lake cannot be read right now")
    };
    let recent = app.lookups.recent(app).await;
    let recent = recent.map_err(|error| lake_is_away(&error))?;
    let facts = match validate(typed, &recent) {
        Ok(facts) => facts,
        Err(_) => {
            let fresh = app.lookups.fresh(app).await;
            let fresh = fresh.map_err(|error| lake_is_away(&error))?;
            validate(typed, &fresh).map_err(Refusal::Invalid)?
        }
    };
    Box::pin(app.web.predictions.submit(facts))
        .await
        .map_err(|error| {
            tracing::warn!(error = %chain(&error), "a prediction request cannot be sent");
            Refusal::Unavailable(match error {
                ml::Error::Kafka { .. } => "Kafka does not take the request right now",
                ml::Error::PredictionStore { .. } | ml::Error::NoPredictionStore { .. } => {
                    "the prediction store does not answer"
                }
                _ => "the request cannot be sent right now",
            })
        })
}

fn failure(status: StatusCode, message: &str) -> Response {
    let body = json!({ "status": "ERROR", "message": message });
    (status, Json(body)).into_response()
}

/// Returns whether the client wants a page more than JSON.
fn prefers_html(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    weight(accept, "text/html") > weight(accept, "application/json")
}

/// Returns the weight in thousandths that `accept` gives to a media type it names; 0 if it does not.
fn weight(accept: &str, media_type: &str) -> u32 {
    let weight_of = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case(media_type) {
            return None;
        }
        let quality = parts.find_map(|part| part.strip_prefix("q="));
        let quality = quality.map_or(1.0, |text| text.parse::<f32>().unwrap_or(0.0));
        Some((quality.clamp(0.0, 1.0) * 1000.0) as u32)
    };
    accept.split(',').filter_map(weight_of).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_pages_and_scripts_get_json() {
        let prefers = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            prefers_html(&headers)
        };
        assert!(prefers(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        ));
        assert!(prefers("application/json;q=0.5, text/html"));
        assert!(!prefers("text/html;q=0.5, application/json"));
        assert!(!prefers("application/json, text/html"));
        assert!(!prefers("*/*"));
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
