//! `/`: the shape of the system.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use lake::{AsOf, Lake, TableFormat, TableName, TableSnapshot};
use ml::ModelCard;
use serde::Serialize;

use crate::status::StatusSnapshot;
use crate::telemetry::chain;
use crate::web::app::{App, Page};
use crate::web::error::PageError;

#[derive(Debug, Default, Serialize)]
struct TableRow {
    name: String,
    comment: String,
    version: Option<u64>,
    rows: Option<u64>,
    files: Option<usize>,
    megabytes: Option<f64>,
}

#[derive(Debug, Serialize)]
struct HomePage {
    status: StatusSnapshot,
    tables: Vec<TableRow>,
    tables_readable: bool,
    model: Option<ModelView>,
    base_url: String,
    authority: String,
}

/// A model card with what only this page derives.
#[derive(Debug, Serialize)]
struct ModelView {
    card: ModelCard,
    learner: &'static str,
    trained: String,
}

pub(in crate::web) async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    app.answer(page(&app, &headers).await)
}

async fn page(app: &App, headers: &HeaderMap) -> Result<Page, PageError> {
    let tables = tables(app.web.engine.lake()).await.map_err(|error| {
        tracing::warn!(error = %chain(&error), "cannot list the tables");
    });
    let base_url = base_url(headers, &app.web.url);
    let page = HomePage {
        status: app.web.status.snapshot(),
        tables_readable: tables.is_ok(),
        tables: tables.unwrap_or_default(),
        model: model(app).await,
        authority: base_url.trim_start_matches("http://").to_owned(),
        base_url,
    };
    app.render("home.html", &page)
}

/// Returns the model in service; a registry that cannot be read does not hide the page.
async fn model(app: &App) -> Option<ModelView> {
    let registry = app.web.predictions.registry();
    let card = match registry.promoted().await {
        Ok(Some(number)) => registry.card(number).await,
        Ok(None) => return None,
        Err(error) => Err(error),
    };
    let card = card
        .map_err(|error| tracing::warn!(error = %chain(&error), "the model cannot be read"))
        .ok()?;
    Some(ModelView {
        learner: card.learner.name(),
        trained: card.created_at.format("%Y-%m-%d %H:%M UTC").to_string(),
        card,
    })
}

/// Returns how the reader reached us, which a port mapping or a name may have changed.
fn base_url(headers: &HeaderMap, fallback: &str) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .filter(|host| host.parse::<axum::http::uri::Authority>().is_ok());
    host.map_or_else(|| fallback.to_owned(), |host| format!("http://{host}"))
}

async fn tables(lake: &Lake) -> lake::Result<Vec<TableRow>> {
    let mut rows = Vec::new();
    for database in lake.catalog().databases().await? {
        for entry in lake.catalog().tables(&database.name).await? {
            let name = entry.name.to_string();
            if entry.format != TableFormat::Delta {
                let counted = entry.statistics.as_ref();
                rows.push(TableRow {
                    name,
                    comment: entry.comment.unwrap_or_default(),
                    version: None,
                    rows: counted.and_then(|counted| counted.rows),
                    files: counted.and_then(|counted| usize::try_from(counted.files).ok()),
                    megabytes: counted.map(|counted| counted.bytes as f64 / 1e6),
                });
                continue;
            }
            let snapshot = match latest(lake, &entry.name).await {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    tracing::warn!(table = %name, error = %chain(&error), "table cannot be read");
                    rows.push(TableRow {
                        name,
                        comment: "cannot be read; the log says why".to_owned(),
                        ..TableRow::default()
                    });
                    continue;
                }
            };
            rows.push(TableRow {
                name,
                comment: entry.comment.unwrap_or_default(),
                version: Some(snapshot.version()),
                rows: snapshot.row_count(),
                files: Some(snapshot.file_count()),
                megabytes: Some(snapshot.total_bytes() as f64 / 1e6),
            });
        }
    }
    Ok(rows)
}

async fn latest(lake: &Lake, name: &TableName) -> lake::Result<TableSnapshot> {
    lake.table(name).await?.snapshot(AsOf::Latest).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_show_the_address_the_reader_used() {
        let mut headers = HeaderMap::new();
        let fallback = "http://0.0.0.0:8080";
        assert_eq!(base_url(&headers, fallback), fallback);
        headers.insert(header::HOST, "lake.example:80".parse().unwrap());
        assert_eq!(base_url(&headers, fallback), "http://lake.example:80");
        headers.insert(header::HOST, "no host".parse().unwrap());
        assert_eq!(base_url(&headers, fallback), fallback);
    }
}
