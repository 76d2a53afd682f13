//! `/v1/statement`: submit, poll, cancel.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::Door;
use super::encode::{Dates, RowEncoder};
use super::error_codes::TrinoError;
use super::headers::{self, Client, Prefix};
use super::model::{self, Document, TypeStyle};
use super::pages::PlainPages;
use super::spool::{Encoding, SpooledPages};
use crate::Error;
use crate::engine::work::Totals;
use crate::presto::error::TrinoFailure;
use crate::registry::{
    PageLookup, PageWriter, QueryId, QueryState, QueryStats, Refusal, RunningQuery,
};

/// How long a poll may wait.
const LONG_POLL: Duration = Duration::from_secs(1);
/// A client that may come back should do so after so many seconds.
const RETRY_AFTER_SECONDS: u64 = 1;
/// A body this many times too long is not even read to its end.
const DRAIN_FACTOR: usize = 4;

/// Polling URLs carry what the POST said of the client, because later requests do not repeat it.
#[derive(Debug, Clone, Copy)]
struct Style {
    types: TypeStyle,
    /// Rows come as segments.
    spooled: Option<Encoding>,
}

impl Style {
    fn of(client: &Client, door: &Door) -> Self {
        let spooled = client.data_encoding.as_deref().and_then(Encoding::choose);
        Self {
            types: TypeStyle {
                has_parametric_datetime: client.has_parametric_datetime,
                prefix: client.prefix,
            },
            spooled: spooled.filter(|_| door.spool.is_some()),
        }
    }

    fn to_slug(self, slug: &str) -> String {
        let dates = match self.types.has_parametric_datetime {
            true => 'n',
            false => 'l',
        };
        let prefix = match self.types.prefix {
            Prefix::Presto => 'p',
            Prefix::Trino => 't',
        };
        let spooled = match self.spooled {
            None => '0',
            Some(Encoding::Json) => 'j',
            Some(Encoding::JsonLz4) => '4',
            Some(Encoding::JsonZstd) => 'z',
        };
        format!("{slug}{prefix}{dates}{spooled}")
    }

    /// Splits what [`to_slug`](Self::to_slug) joined.
    fn split_slug(text: &str) -> Option<(&str, Self)> {
        let (slug, style) = text.split_at_checked(text.len().checked_sub(3)?)?;
        let &[prefix, dates, spooled] = style.as_bytes() else {
            return None;
        };
        let prefix = match prefix {
            b't' => Prefix::Trino,
            b'p' => Prefix::Presto,
            _ => return None,
        };
        let has_parametric_datetime = match dates {
            b'n' => true,
            b'l' => false,
            _ => return None,
        };
        let spooled = match spooled {
            b'0' => None,
            b'j' => Some(Encoding::Json),
            b'4' => Some(Encoding::JsonLz4),
            b'z' => Some(Encoding::JsonZstd),
            _ => return None,
        };
        let types = TypeStyle {
            has_parametric_datetime,
            prefix,
        };
        Some((slug, Self { types, spooled }))
    }
}

/// `HEAD /v1/statement`: whether this client may send statements.
pub(super) async fn accepts(State(door): State<Arc<Door>>, request_headers: HeaderMap) -> Response {
    match headers::read(&request_headers, &door.config) {
        Ok(_) => StatusCode::OK.into_response(),
        Err(refused) => refused.into_response(),
    }
}

/// `POST /v1/statement`: registers the statement; nothing runs before the first poll.
pub(super) async fn submit(
    State(door): State<Arc<Door>>,
    request_headers: HeaderMap,
    body: Body,
) -> Response {
    let client = match headers::read(&request_headers, &door.config) {
        Ok(client) => client,
        Err(refused) => return refused.into_response(),
    };
    let base = headers::base_url(&request_headers);
    let limit = door.config.max_statement_bytes;
    let sql = match read_text(body, limit).await {
        Ok(sql) => sql,
        Err(Unread::TooLong { bytes }) => {
            let message =
                format!("Query text length ({bytes}) exceeds the maximum length ({limit})");
            return refuse(&door, &base, "QUERY_TEXT_TOO_LARGE", message);
        }
        Err(Unread::Broken(message)) => {
            return (StatusCode::BAD_REQUEST, message).into_response();
        }
    };
    if sql.trim().is_empty() {
        return (StatusCode::BAD_REQUEST, "SQL statement is empty").into_response();
    }
    let style = Style::of(&client, &door);
    let writer = |id: &QueryId| writer(&door, style, id, &base);
    let query = match door.engine.registry().submit(sql, client.session, writer) {
        Ok(query) => query,
        Err(Refusal::QueueFull { limit }) => {
            let message =
                format!("Too many queued queries: {limit} are waiting, which is the limit");
            return refuse(&door, &base, "QUERY_QUEUE_FULL", message);
        }
        Err(Refusal::Busy) => {
            let later = [(header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())];
            let message = "the server cannot take more statements now";
            return (StatusCode::SERVICE_UNAVAILABLE, later, message).into_response();
        }
    };
    answer(Document {
        next_uri: Some(uri(&base, "queued", &query, style, 1)),
        ..Document::empty(query.id().as_str(), &base, &query.stats())
    })
}

fn writer(door: &Door, style: Style, id: &QueryId, base: &str) -> Box<dyn PageWriter> {
    let encoder = RowEncoder::new(match style.types.has_parametric_datetime {
        true => Dates::Parametric,
        false => Dates::Legacy,
    });
    match (style.spooled, &door.spool) {
        (Some(encoding), Some(spool)) => Box::new(SpooledPages::new(
            Arc::clone(spool),
            id.clone(),
            base.to_owned(),
            encoding,
            encoder,
            &door.config,
        )),
        _ => Box::new(PlainPages::new(encoder, door.config.page_bytes)),
    }
}

enum Unread {
    TooLong { bytes: usize },
    Broken(String),
}

/// Reads the statement. What is too long is read on for a while, because a client that is still sending reads no answer.
async fn read_text(body: Body, limit: usize) -> Result<String, Unread> {
    let (mut text, mut bytes) = (BytesMut::new(), 0_usize);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Unread::Broken(error.to_string()))?;
        bytes = bytes.saturating_add(chunk.len());
        if bytes <= limit {
            text.extend_from_slice(&chunk);
        } else if bytes > limit.saturating_mul(DRAIN_FACTOR) {
            break;
        }
    }
    if bytes > limit {
        return Err(Unread::TooLong { bytes });
    }
    String::from_utf8(text.into())
        .map_err(|_| Unread::Broken("the statement is not UTF-8".to_owned()))
}

/// Answers a statement that is not registered: with a document, because that is where clients look for the reason.
fn refuse(door: &Door, base: &str, name: &'static str, message: String) -> Response {
    let id = door.engine.registry().new_id();
    let error = TrinoError::of(&Error::from(TrinoFailure::new(name, message)));
    let stats = QueryStats {
        state: QueryState::Failed,
        elapsed: Duration::ZERO,
        queued: Duration::ZERO,
        planning: Duration::ZERO,
        rows: 0,
        bytes: 0,
        work: Totals::default(),
    };
    answer(Document {
        error: Some(&error),
        ..Document::empty(id.as_str(), base, &stats)
    })
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
    if !query.take_queue_token(token) {
        return gone();
    }
    let base = headers::base_url(&request_headers);
    door.engine.registry().start(&query, &door.engine).await;
    query.wait_started(LONG_POLL).await;
    let next_uri = if query.is_queued() {
        uri(&base, "queued", &query, style, token.saturating_add(1))
    } else {
        uri(&base, "executing", &query, style, 0)
    };
    answer(Document {
        next_uri: Some(next_uri),
        ..Document::empty(query.id().as_str(), &base, &query.stats())
    })
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
        PageLookup::Gone => return gone(),
        PageLookup::Unknown => return not_found(),
    };
    let base = headers::base_url(&request_headers);
    let head = page.head.as_deref();
    let update_count = head.and_then(|head| head.update_count);
    let columns = head.map(|head| match head.update_count {
        Some(_) => model::update_columns(style.types),
        None => model::columns(&head.schema, style.types),
    });
    let error = page.failure.as_deref().map(TrinoError::of);
    let data = match update_count {
        _ if error.is_some() => None,
        Some(count) if page.is_last => Some(Bytes::from(format!("[[{count}]]"))),
        Some(_) => None,
        None => Some(page.rows).filter(|rows| !rows.is_empty()),
    };
    let next = page.token.saturating_add(1);
    let next_uri = (!page.is_last).then(|| uri(&base, "executing", &query, style, next));
    let partial_cancel_uri = (!page.is_last).then(|| {
        let stage = "executing/partialCancel";
        let (id, slug) = (query.id(), style.to_slug(query.slug()));
        format!("{base}/v1/statement/{stage}/{id}/0/{slug}/{next}")
    });
    let document = Document {
        next_uri,
        partial_cancel_uri,
        columns: columns.as_ref(),
        data,
        update_type: head.and_then(|head| head.update_type.as_deref()),
        update_count,
        error: error.as_ref(),
        ..Document::empty(query.id().as_str(), &base, &page.stats)
    };
    let mut response = answer(document);
    if let Some(head) = head {
        headers::write(response.headers_mut(), style.types.prefix, &head.effects);
    }
    if let Some(encoding) = style.spooled {
        headers::write_encoding(response.headers_mut(), encoding.name());
    }
    response
}

/// `DELETE` of a polling URL.
pub(super) async fn cancel(
    State(door): State<Arc<Door>>,
    Path((id, slug, _token)): Path<(String, String, u64)>,
) -> Response {
    cancel_with(&door, &id, &slug).await
}

/// `DELETE` of the URL that stops one stage: there is one, the whole query.
pub(super) async fn cancel_stage(
    State(door): State<Arc<Door>>,
    Path((id, _stage, slug, _token)): Path<(String, String, String, u64)>,
) -> Response {
    cancel_with(&door, &id, &slug).await
}

async fn cancel_with(door: &Door, id: &str, slug: &str) -> Response {
    match find(door, id, slug) {
        Some((query, _)) => {
            door.cancel(&query).await;
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

fn gone() -> Response {
    (StatusCode::GONE, "Invalid token").into_response()
}

fn answer(document: Document<'_>) -> Response {
    let mut response = Response::new(document.into_body());
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
