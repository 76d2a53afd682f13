//! `/airline/{code}`: one airline, its year, where it flies and with what.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::web::app::{App, Page};
use crate::web::bars::{self, Bar};
use crate::web::bind::Literal;
use crate::web::error::PageError;
use crate::web::paging::Paging;
use crate::web::prediction_form::code;

/// Aircraft on one page.
const PAGE_SIZE: u64 = 20;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[derive(Debug, Serialize, Deserialize)]
struct Airline {
    carrier: String,
    name: Option<String>,
    flights: u64,
    cancelled: u64,
    aircraft: u64,
    destinations: u64,
    mean_departure_delay: Option<f64>,
    mean_delay: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Month {
    month: usize,
    flights: u64,
    mean_delay: Option<f64>,
}

#[derive(Debug, Serialize)]
struct MonthBar {
    name: &'static str,
    flights: u64,
    mean_delay: Option<f64>,
    bar: Bar,
}

#[derive(Debug, Serialize, Deserialize)]
struct Destination {
    dest: String,
    name: Option<String>,
    flights: u64,
    mean_delay: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Aircraft {
    tailnum: String,
    manufacturer: Option<String>,
    model: Option<String>,
    year: Option<i64>,
    seats: Option<i64>,
    flights: u64,
}

#[derive(Debug, Serialize)]
struct AirlinePage {
    airline: Airline,
    months: Vec<MonthBar>,
    destinations: Vec<Destination>,
    aircraft: Vec<Aircraft>,
    paging: Paging,
}

pub(in crate::web) async fn show(
    State(app): State<Arc<App>>,
    Path(asked): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    app.answer(page(&app, &asked, query.get("page").map(String::as_str)).await)
}

async fn page(app: &App, asked: &str, number: Option<&str>) -> Result<Page, PageError> {
    let unknown = || PageError::NotFound {
        what: "There is no airline with this code.".to_owned(),
    };
    let carrier = Literal::Text(code(asked).ok_or_else(unknown)?);
    let of_carrier = [("carrier", carrier.clone())];
    let found: Vec<Airline> = app.rows("pages/airline", &of_carrier).await?;
    let airline = found.into_iter().next().ok_or_else(unknown)?;
    let months = app.rows("pages/airline_months", &of_carrier).await?;
    let destinations = app.rows("pages/airline_destinations", &of_carrier).await?;
    let path = format!("/airline/{}", airline.carrier);
    let paging = Paging::new(number, PAGE_SIZE, airline.aircraft, &path, &[]);
    let values = [
        ("carrier", carrier),
        ("limit", Literal::Integer(paging.limit())),
        ("offset", Literal::Integer(paging.offset())),
    ];
    let aircraft = app.rows("pages/airline_aircraft", &values).await?;
    let page = AirlinePage {
        airline,
        months: month_bars(months),
        destinations,
        aircraft,
        paging,
    };
    app.render("airline.html", &page)
}

fn month_bars(months: Vec<Month>) -> Vec<MonthBar> {
    let delays: Vec<Option<f64>> = months.iter().map(|month| month.mean_delay).collect();
    let named = |(month, bar): (Month, Bar)| MonthBar {
        name: MONTHS
            .get(month.month.wrapping_sub(1))
            .copied()
            .unwrap_or("?"),
        flights: month.flights,
        mean_delay: month.mean_delay,
        bar,
    };
    months
        .into_iter()
        .zip(bars::build(&delays))
        .map(named)
        .collect()
}
