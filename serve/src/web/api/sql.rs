//! `POST /sql`: one statement in the body, its rows in the answer, streamed.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{QueryRejection, StringRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use query::trino::TrinoError;
use query::{Error, SessionSettings};
use serde::Deserialize;
use serde_json::json;

use super::formats::{ArrowRows, CsvRows, JsonRows, ParquetRows, stream};
use crate::telemetry::chain;
use crate::web::app::App;

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// One object a line.
    #[default]
    Json,
    /// RFC 4180 with a header.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
    /// One Parquet file, zstd.
    Parquet,
}

/// The query parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Parameters {
    #[serde(default)]
    format: Format,
    schema: Option<String>,
}

pub(in crate::web) async fn run(
    State(app): State<Arc<App>>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    sql: Result<String, StringRejection>,
) -> Response {
    let parameters = match parameters {
        Ok(Query(parameters)) => parameters,
        Err(rejection) => return malformed(rejection.status(), &rejection.body_text()),
    };
    let sql = match sql {
        Ok(sql) => sql,
        Err(rejection) => return malformed(rejection.status(), &rejection.body_text()),
    };
    let session = SessionSettings {
        user: "sql-api".to_owned(),
        source: Some("sql-api".to_owned()),
        schema: parameters.schema,
        ..SessionSettings::default()
    };
    let mut result = match Box::pin(app.web.engine.run(&sql, &session)).await {
        Ok(result) => result.readable(),
        Err(error) => return refuse(&error),
    };
    // The first batch is awaited, so that a query that fails at once gets a proper status.
    let first = match result.rows.next().await {
        Some(Ok(batch)) => Some(batch),
        Some(Err(error)) => return refuse(&Error::Execution(error)),
        None => None,
    };
    let (media_type, body) = match parameters.format {
        Format::Json => (
            "application/x-ndjson",
            stream::<JsonRows>(result.schema, first, result.rows),
        ),
        Format::Csv => (
            "text/csv; charset=utf-8",
            stream::<CsvRows>(result.schema, first, result.rows),
        ),
        Format::Arrow => (
            "application/vnd.apache.arrow.stream",
            stream::<ArrowRows>(result.schema, first, result.rows),
        ),
        Format::Parquet => (
            "application/vnd.apache.parquet",
            stream::<ParquetRows>(result.schema, first, result.rows),
        ),
    };
    let mut response = ([(header::CONTENT_TYPE, media_type)], body).into_response();
    if let Some(kind) = result.update_type
        && let Ok(value) = match result.update_count {
            Some(count) => format!("{kind}: {count} rows"),
            None => kind,
        }
        .parse()
    {
        response.headers_mut().insert("x-lakehouse-update", value);
    }
    response
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Statement,
    Resources,
    House,
}

fn fault(known: &TrinoError) -> Fault {
    match known.kind {
        "USER_ERROR" => Fault::Statement,
        "INSUFFICIENT_RESOURCES" => Fault::Resources,
        _ => Fault::House,
    }
}

/// Returns what a person may read of a failure: a fault of ours is logged, and told without places.
pub(in crate::web) fn message(error: &Error) -> String {
    let known = TrinoError::of(error);
    match fault(&known) {
        Fault::Statement => chain(error),
        Fault::Resources => known.message,
        Fault::House => {
            tracing::error!(error = %chain(error), error_name = known.name, "a statement failed");
            match known.kind {
                "EXTERNAL" => "the lake's storage failed; the log says why".to_owned(),
                _ => "the statement failed through a fault of ours; the log says why".to_owned(),
            }
        }
    }
}

fn refuse(error: &Error) -> Response {
    let known = TrinoError::of(error);
    let status = match fault(&known) {
        Fault::Statement => StatusCode::BAD_REQUEST,
        Fault::Resources => StatusCode::SERVICE_UNAVAILABLE,
        Fault::House => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = json!({ "message": message(error), "error_name": known.name });
    (status, Json(body)).into_response()
}

fn malformed(status: StatusCode, message: &str) -> Response {
    let body = json!({ "message": message, "error_name": "GENERIC_USER_ERROR" });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use datafusion::error::DataFusionError;

    use super::*;

    #[test]
    fn a_fault_of_the_storage_names_no_place() {
        let cause = std::io::Error::other("/srv/lake/part-0.parquet: broken");
        let error = Error::Execution(DataFusionError::IoError(cause));
        assert!(!message(&error).contains("/srv"));
        assert_eq!(refuse(&error).status(), StatusCode::INTERNAL_SERVER_ERROR);
        let name = "nope".to_owned();
        let user = Error::TableNotFound { name };
        assert_eq!(refuse(&user).status(), StatusCode::BAD_REQUEST);
    }
}
