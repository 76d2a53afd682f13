//! `/`: the shape of the system.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use lake::{AsOf, Lake, TableName, TableSnapshot};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use serde::Serialize;

use super::Web;

const TEMPLATE: &str = include_str!("../../templates/status.html");

#[derive(Debug, Default, Serialize)]
struct TableRow {
    name: String,
    comment: String,
    version: u64,
    rows: String,
    files: usize,
    megabytes: String,
}

pub(super) async fn show(State(web): State<Arc<Web>>) -> Response {
    let tables = match tables(&web).await {
        Ok(tables) => tables,
        Err(error) => {
            tracing::warn!(error = %error, "cannot list the tables");
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "the lake cannot be read right now",
            )
                .into_response();
        }
    };
    match render(&web, &tables) {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "cannot render the status page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn render(web: &Web, tables: &[TableRow]) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.add_template("status.html", TEMPLATE)?;
    let template = environment.get_template("status.html")?;
    template.render(context! {
        tables => Value::from(Serde(tables)),
        status => Value::from(Serde(web.status.snapshot())),
    })
}

async fn tables(web: &Web) -> lake::Result<Vec<TableRow>> {
    let lake = web.engine.lake();
    let mut rows = Vec::new();
    for database in lake.catalog().databases().await? {
        for entry in lake.catalog().tables(&database.name).await? {
            let name = entry.name.to_string();
            let snapshot = match latest(lake, &entry.name).await {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    tracing::warn!(table = %name, error = %error, "table cannot be read");
                    let comment = "cannot be read; the log says why".to_owned();
                    rows.push(TableRow {
                        name,
                        comment,
                        ..TableRow::default()
                    });
                    continue;
                }
            };
            rows.push(TableRow {
                name,
                comment: entry.comment.unwrap_or_default(),
                version: snapshot.version(),
                rows: snapshot.row_count().map_or_else(|| "?".to_owned(), grouped),
                files: snapshot.file_count(),
                megabytes: format!("{:.1}", snapshot.total_bytes() as f64 / 1e6),
            });
        }
    }
    Ok(rows)
}

async fn latest(lake: &Lake, name: &TableName) -> lake::Result<TableSnapshot> {
    lake.table(name).await?.snapshot(AsOf::Latest).await
}

/// Returns `336776` as `336,776`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [grouped(7), grouped(1000), grouped(336_776)],
            ["7", "1,000", "336,776"]
        );
    }
}
