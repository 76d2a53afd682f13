//! `/flights/delays/predict_kafka`: the form, the wait and the answer.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use ml::buckets;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::telemetry::chain;
use crate::web::api::classify::{Found, Refusal, find};
use crate::web::app::{App, Page};
use crate::web::bars::{self, Bar};
use crate::web::error::PageError;
use crate::web::lookups::{Choice, Lookups};
use crate::web::prediction_form::{DEFAULTS, FieldError, Typed};

const PATH: &str = "/flights/delays/predict_kafka";
/// A page without scripts looks for the answer so often, every two seconds, before it gives up.
const MAX_TRIES: u32 = 15;

#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Asked {
    id: Option<String>,
    /// How often the page looked for the answer already.
    tries: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct PredictPage {
    typed: Typed,
    errors: Vec<FieldError>,
    notice: Option<String>,
    airlines: Vec<Choice>,
    origins: Vec<Choice>,
    destinations: Vec<Choice>,
    model: Option<u64>,
    training: String,
    answer: Option<AnswerView>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum AnswerView {
    /// The page looks again on its own.
    Waiting { id: Uuid, next: String },
    /// The page stopped looking.
    Late { id: Uuid },
    /// There is no such request.
    Unknown,
    /// The store does not answer.
    Away,
    /// The stored answer.
    Answered(Box<Answer>),
}

#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    stored: Stored,
    label: &'static str,
    classes: Vec<Class>,
}

/// The stored answer, as far as it is shown.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
struct Stored {
    carrier: String,
    flight_num: String,
    flight_date: String,
    origin: String,
    dest: String,
    dep_delay: f64,
    distance: f64,
    prediction: usize,
    probabilities: Vec<f64>,
    model_version: u64,
    table_version: u64,
}

#[derive(Debug, Serialize)]
struct Class {
    label: &'static str,
    probability: f64,
    likeliest: bool,
    bar: Bar,
}

pub(in crate::web) async fn show(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
) -> Response {
    app.answer(asked_page(&app, &asked).await)
}

/// Answers the plain form: the page of the request, or the form again.
pub(in crate::web) async fn after_submit(
    app: &App,
    typed: Typed,
    outcome: Result<Uuid, Refusal>,
) -> Response {
    let mut page = PredictPage {
        typed,
        ..PredictPage::default()
    };
    let status = match outcome {
        Ok(id) => return Redirect::to(&format!("{PATH}?id={id}")).into_response(),
        Err(Refusal::Invalid(errors)) => {
            page.errors = errors;
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Err(Refusal::Unavailable(reason)) => {
            page.notice = Some(format!("The request was not sent: {reason}."));
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    let page = rendered(app, page).await;
    app.answer(page.map(|page| page.with_status(status)))
}

async fn asked_page(app: &App, asked: &Asked) -> Result<Page, PageError> {
    let mut page = PredictPage {
        typed: defaults(),
        ..PredictPage::default()
    };
    let mut status = StatusCode::OK;
    if let Some(id) = asked.id.as_deref().filter(|id| !id.is_empty()) {
        let answer = match find(app, id).await {
            Found::Unknown => AnswerView::Unknown,
            Found::Away => AnswerView::Away,
            Found::Waiting(id) => waiting(id, asked.tries.as_deref()),
            Found::Answered(_, stored) => match serde_json::from_value::<Stored>(stored) {
                Ok(stored) => AnswerView::Answered(Box::new(Answer::from(stored))),
                Err(error) => {
                    tracing::error!(error = %chain(&error), "a stored answer cannot be shown");
                    AnswerView::Away
                }
            },
        };
        match &answer {
            AnswerView::Unknown => status = StatusCode::NOT_FOUND,
            AnswerView::Away => status = StatusCode::SERVICE_UNAVAILABLE,
            AnswerView::Answered(answer) => page.typed = answer.stored.typed(),
            AnswerView::Waiting { .. } | AnswerView::Late { .. } => {}
        }
        page.answer = Some(answer);
    }
    Ok(rendered(app, page).await?.with_status(status))
}

/// Fills in what every state of the page shows; without the lake the form has no suggestions.
async fn rendered(app: &App, mut page: PredictPage) -> Result<Page, PageError> {
    let lookups = app.lookups.fresh(app).await.unwrap_or_else(|error| {
        error.log();
        Lookups::default()
    });
    page.airlines = lookups.airlines();
    page.origins = lookups.origins();
    page.destinations = lookups.destinations();
    page.training = app.web.status.snapshot().training;
    page.model = match app.web.predictions.registry().promoted().await {
        Ok(number) => number,
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the model in service is not known");
            None
        }
    };
    app.render("predict.html", &page)
}

fn defaults() -> Typed {
    let owned = |(field, value): (&str, &str)| (field.to_owned(), value.to_owned());
    DEFAULTS.into_iter().map(owned).collect()
}

fn waiting(id: Uuid, tries: Option<&str>) -> AnswerView {
    let tries = tries.and_then(|text| text.parse().ok()).unwrap_or(0_u32);
    if tries >= MAX_TRIES {
        return AnswerView::Late { id };
    }
    AnswerView::Waiting {
        id,
        next: format!("{PATH}?id={id}&tries={}", tries + 1),
    }
}

impl From<Stored> for Answer {
    fn from(stored: Stored) -> Self {
        let bars = bars::of_probabilities(&stored.probabilities);
        let classes = stored.probabilities.iter().zip(bars).enumerate();
        let classes = classes.map(|(class, (probability, bar))| Class {
            label: buckets::label(class),
            probability: *probability,
            likeliest: class == stored.prediction,
            bar,
        });
        Self {
            classes: classes.collect(),
            label: buckets::label(stored.prediction),
            stored,
        }
    }
}

impl Stored {
    fn typed(&self) -> Typed {
        let fields = [
            ("DepDelay", self.dep_delay.to_string()),
            ("Carrier", self.carrier.clone()),
            ("FlightDate", self.flight_date.clone()),
            ("Origin", self.origin.clone()),
            ("Dest", self.dest.clone()),
            ("FlightNum", self.flight_num.clone()),
        ];
        fields
            .into_iter()
            .map(|(field, value)| (field.to_owned(), value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stored_answer_is_told_in_words() {
        let stored: Stored = serde_json::from_value(json!({
            "Carrier": "AA", "FlightNum": "1", "FlightDate": "2013-12-25", "Origin": "JFK", "Dest": "LAX",
            "DepDelay": 15.0, "Distance": 2475.0, "Prediction": 2, "Probabilities": [0.1, 0.2, 0.5, 0.2],
            "ModelVersion": 3, "TableVersion": 7, "UUID": "x", "Route": "JFK-LAX",
        }))
        .unwrap();
        assert_eq!(stored.typed()["DepDelay"], "15");
        let answer = Answer::from(stored);
        assert_eq!(answer.label, buckets::LABELS[2]);
        let likeliest: Vec<bool> = answer.classes.iter().map(|class| class.likeliest).collect();
        assert_eq!(likeliest, [false, false, true, false]);
    }

    #[test]
    fn a_page_without_scripts_stops_looking() {
        let id = Uuid::nil();
        let AnswerView::Waiting { next, .. } = waiting(id, Some("3")) else {
            panic!("it has tries left");
        };
        assert!(next.ends_with("&tries=4"), "{next}");
        assert!(matches!(waiting(id, Some("15")), AnswerView::Late { .. }));
    }
}
