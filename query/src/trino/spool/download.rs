//! `/v1/spooled`: fetching segments and saying that they have arrived.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use object_store::{GetResultPayload, ObjectStoreExt};
use tokio_util::io::ReaderStream;

use super::{SegmentId, Spool, Verdict};
use crate::trino::Door;

/// Files are read in parts of this size.
const READ_BYTES: usize = 1 << 20;

type Refused = (StatusCode, &'static str);

fn check(door: &Door, token: &str) -> Result<(Arc<Spool>, SegmentId), Refused> {
    let Some(spool) = &door.spool else {
        return Err((StatusCode::NOT_FOUND, "results are not spooled"));
    };
    match spool.signer.check(token) {
        Verdict::Valid(segment) => Ok((Arc::clone(spool), segment)),
        Verdict::Expired => Err((StatusCode::GONE, "the segment has expired")),
        Verdict::Forged => Err((StatusCode::FORBIDDEN, "not an address that was given out")),
    }
}

/// `GET /v1/spooled/download/{id}`: the bytes of a segment.
pub(in crate::trino) async fn download(
    State(door): State<Arc<Door>>,
    Path(token): Path<String>,
) -> Response {
    let (spool, segment) = match check(&door, &token) {
        Ok(found) => found,
        Err(refused) => return refused.into_response(),
    };
    let found = match spool.store().get(&segment.path()).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => {
            return (StatusCode::GONE, "the segment was acknowledged").into_response();
        }
        Err(error) => {
            tracing::error!(error = %error, "cannot read a spooled segment");
            let message = "the segment cannot be read now";
            return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
        }
    };
    let size = found.meta.size;
    let body = match found.payload {
        GetResultPayload::File(file, _) => {
            let file = tokio::fs::File::from_std(file);
            Body::from_stream(ReaderStream::with_capacity(file, READ_BYTES))
        }
        GetResultPayload::Stream(bytes) => Body::from_stream(bytes.boxed()),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET /v1/spooled/ack/{id}`: the client has the segment; asking again is no error.
pub(in crate::trino) async fn acknowledge(
    State(door): State<Arc<Door>>,
    Path(token): Path<String>,
) -> Response {
    match check(&door, &token) {
        Ok((spool, segment)) => {
            spool.delete(segment).await;
            StatusCode::OK.into_response()
        }
        Err(refused) => refused.into_response(),
    }
}
