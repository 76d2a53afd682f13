//! `/airlines`: all airlines compared.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::web::app::{App, Page};
use crate::web::error::PageError;

#[derive(Debug, Serialize, Deserialize)]
struct Airline {
    carrier: String,
    name: Option<String>,
    flights: u64,
    mean_delay: Option<f64>,
    cancelled_percent: Option<f64>,
}

pub(in crate::web) async fn show(State(app): State<Arc<App>>) -> Response {
    app.answer(page(&app).await)
}

async fn page(app: &App) -> Result<Page, PageError> {
    let airlines: Vec<Airline> = app.rows("pages/airlines", &[]).await?;
    app.render("airlines.html", &airlines)
}
