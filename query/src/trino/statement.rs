//! `/v1/statement`: submit, poll, cancel.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Door;
use super::encode::RowEncoder;
use super::error_codes::TrinoError;
use super::headers::{self, Prefix};
use super::model::{self, Document, TypeStyle};
use crate::engine::registry::{EncodeRows, PageLookup, QueryId, RunningQuery};

/// How long a poll may wait.
const LONG_POLL: Duration = Duration::from_secs(1);

/// Polling URLs carry what the POST said of the client, because later requests do not repeat it.
#[derive(Debug, Clone, Copy)]
struct Style(TypeStyle);

impl Style {
    fn to_slug(self, slug: &str) -> String {
        let legacy = if self.0.has_parametric_datetime {
            'n'
        } else {
            'l'
        };
        let prefix = if self.0.prefix == Prefix::Presto {
            'p'
        } else {
            't'
        };
        format!("{slug}{prefix}{legacy}")
    }

    /// Splits what [`to_slug`](Self::to_slug) joined.
    fn split_slug(text: &str) -> Option<(&str, Self)> {
        let (slug, style) = text.split_at_checked(text.len().checked_sub(2)?)?;
        let (prefix, has_parametric_datetime) = match style {
            "tn" => (Prefix::Trino, true),
            "tl" => (Prefix::Trino, false),
            "pn" => (Prefix::Presto, true),
            "pl" => (Prefix::Presto, false),
            _ => return None,
        };
        Some((
            slug,
            Self(TypeStyle {
                has_parametric_datetime,
                prefix,
            }),
        ))
    }
}

/// `HEAD /v1/statement`: whether this client may send statements.
pub(super) async fn accepts() -> StatusCode {
    StatusCode::OK
}

/// `POST /v1/statement`: registers the statement; nothing runs before the first poll.
pub(super) async fn submit(
    State(door): State<Arc<Door>>,
    request_headers: HeaderMap,
    body: String,
) -> Response {
    let client = match headers::read(&request_headers) {
        Ok(client) => client,
        Err((StatusCode::UNAUTHORIZED, message)) => {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Trino\"")];
            return (StatusCode::UNAUTHORIZED, challenge, message).into_response();
        }
        Err(refused) => return refused.into_response(),
    };
    if body.trim().is_empty() {
        return (StatusCode::BAD_REQUEST, "SQL statement is empty").into_response();
    }
    let style = Style(TypeStyle {
        has_parametric_datetime: client.has_parametric_datetime,
        prefix: client.prefix,
    });
    let encoder = RowEncoder {
        has_parametric_datetime: client.has_parametric_datetime,
    };
    let encode: EncodeRows = Arc::new(move |batch, out| encoder.write(batch, out));
    let query = door.engine.registry().submit(body, client.session, encode);
    let base = headers::base_url(&request_headers);
    let document = Document {
        id: query.id().as_str(),
        base: &base,
        next_uri: Some(uri(&base, "queued", &query, style, 1)),
        columns: None,
        rows: None,
        update_type: None,
        update_count: None,
        error: None,
        stats: &query.stats(),
    };
    answer(document.to_bytes())
}

/// `GET /v1/statement/queued/...`: starts the statement.
pub(super) async fn poll_queued(
    State(door): State<Arc<Door>>,
    Path((id, slug, token)): Path<(String, String, u64)>,
    request_headers: HeaderMap,
) -> Response {
    let Some((query, style)) = find(&door, &id, &slug) else {
        return not_found();
    };
    let base = headers::base_url(&request_headers);
    door.engine.registry().start(&query, &door.engine).await;
    query.wait_started(LONG_POLL).await;
    let next_uri = if query.is_queued() {
        uri(&base, "queued", &query, style, token.saturating_add(1))
    } else {
        uri(&base, "executing", &query, style, 0)
    };
    let document = Document {
        id: query.id().as_str(),
        base: &base,
        next_uri: Some(next_uri),
        columns: None,
        rows: None,
        update_type: None,
        update_count: None,
        error: None,
        stats: &query.stats(),
    };
    answer(document.to_bytes())
}

/// `GET /v1/statement/executing/...`: one page.
pub(super) async fn poll_executing(
    State(door): State<Arc<Door>>,
    Path((id, slug, token)): Path<(String, String, u64)>,
    request_headers: HeaderMap,
) -> Response {
    let Some((query, style)) = find(&door, &id, &slug) else {
        return not_found();
    };
    let page = match query.page(token, LONG_POLL).await {
        PageLookup::Page(page) => page,
        PageLookup::Gone => return StatusCode::GONE.into_response(),
        PageLookup::Unknown => return not_found(),
    };
    let base = headers::base_url(&request_headers);
    let head = page.head.as_deref();
    let update_count = head.and_then(|head| head.update_count);
    let columns = head.map(|head| match head.update_count {
        Some(_) => model::update_columns(style.0),
        None => model::columns(&head.schema, style.0),
    });
    let update_row = update_count.map(|count| format!("[{count}]").into_bytes());
    let rows = match &update_row {
        Some(row) if page.is_last => Some(row.as_slice()),
        Some(_) => None,
        None => (!page.rows.is_empty()).then_some(page.rows.as_ref()),
    };
    let error = page.failure.as_deref().map(TrinoError::of);
    let next_uri = (!page.is_last).then(|| {
        uri(
            &base,
            "executing",
            &query,
            style,
            page.token.saturating_add(1),
        )
    });
    let document = Document {
        id: query.id().as_str(),
        base: &base,
        next_uri,
        columns: columns.as_ref(),
        rows: if error.is_some() { None } else { rows },
        update_type: head.and_then(|head| head.update_type.as_deref()),
        update_count,
        error: error.as_ref(),
        stats: &page.stats,
    };
    let mut response = answer(document.to_bytes());
    if let Some(head) = head {
        headers::write(response.headers_mut(), style.0.prefix, &head.effects);
    }
    response
}

/// `DELETE` of a polling URL.
pub(super) async fn cancel(
    State(door): State<Arc<Door>>,
    Path((id, slug, _token)): Path<(String, String, u64)>,
) -> Response {
    match find(&door, &id, &slug) {
        Some((query, _)) => {
            query.cancel();
            StatusCode::NO_CONTENT.into_response()
        }
        None => not_found(),
    }
}

/// `HEAD` of a polling URL: the client is still there.
pub(super) async fn heartbeat(
    State(door): State<Arc<Door>>,
    Path((id, slug, _token)): Path<(String, String, u64)>,
) -> StatusCode {
    match find(&door, &id, &slug) {
        Some((query, _)) => {
            query.keep_alive();
            StatusCode::OK
        }
        None => StatusCode::NOT_FOUND,
    }
}

fn find(door: &Door, id: &str, slug: &str) -> Option<(Arc<RunningQuery>, Style)> {
    let (slug, style) = Style::split_slug(slug)?;
    let query = door.engine.registry().get(&QueryId::from(id))?;
    (query.slug() == slug).then_some((query, style))
}

fn uri(base: &str, stage: &str, query: &RunningQuery, style: Style, token: u64) -> String {
    format!(
        "{base}/v1/statement/{stage}/{}/{}/{token}",
        query.id(),
        style.to_slug(query.slug())
    )
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "Query not found").into_response()
}

fn answer(document: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(document));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
