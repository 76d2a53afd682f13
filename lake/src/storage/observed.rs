//! A store that counts and measures what is asked of it, and tells a missing bucket from a missing
//! object.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result, UploadPart,
};

use super::failure::{BucketGone, is_missing_bucket};
use crate::metrics::{self, StoreOperation, StoreOutcome};

/// A store whose requests are counted under its name.
#[derive(Debug)]
pub(super) struct ObservedStore {
    inner: Arc<dyn ObjectStore>,
    name: Arc<str>,
}

impl ObservedStore {
    /// Wraps a store. The name becomes a label: a scheme, with a bucket if there is one.
    pub(super) fn new(inner: Arc<dyn ObjectStore>, name: &str) -> Self {
        Self {
            inner,
            name: Arc::from(name),
        }
    }

    fn begin(&self, operation: StoreOperation) -> Request {
        Request::new(&self.name, operation)
    }
}

impl fmt::Display for ObservedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for ObservedStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let request = self.begin(match options.mode {
            PutMode::Create => StoreOperation::PutIfAbsent,
            PutMode::Overwrite | PutMode::Update(_) => StoreOperation::Put,
        });
        let bytes = payload.content_length() as u64;
        let result = request.end(self.inner.put_opts(location, payload, options).await);
        if result.is_ok() {
            metrics::store_wrote(&self.name, bytes);
        }
        result
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let request = self.begin(StoreOperation::StartUpload);
        let inner = request.end(self.inner.put_multipart_opts(location, options).await)?;
        Ok(Box::new(ObservedUpload {
            inner,
            name: Arc::clone(&self.name),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_head = options.head;
        let request = self.begin(if is_head {
            StoreOperation::Head
        } else {
            StoreOperation::Get
        });
        let mut result = request.end(self.inner.get_opts(location, options).await)?;
        if is_head {
            return Ok(result);
        }
        result.payload = match result.payload {
            GetResultPayload::Stream(body) => {
                let name = Arc::clone(&self.name);
                GetResultPayload::Stream(Box::pin(body.inspect(move |part| {
                    if let Ok(part) = part {
                        metrics::store_read(&name, part.len() as u64);
                    }
                })))
            }
            // Whoever has the file reads it directly, and reads what was asked for.
            file @ GetResultPayload::File(..) => {
                metrics::store_read(&self.name, result.range.end - result.range.start);
                file
            }
        };
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let request = self.begin(StoreOperation::Get);
        let parts = request.end(self.inner.get_ranges(location, ranges).await)?;
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        metrics::store_read(&self.name, bytes);
        Ok(parts)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let request = self.begin(StoreOperation::Delete);
        ObservedStream::new(self.inner.delete_stream(locations), request).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let request = self.begin(StoreOperation::List);
        ObservedStream::new(self.inner.list(prefix), request).boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let request = self.begin(StoreOperation::List);
        ObservedStream::new(self.inner.list_with_offset(prefix, offset), request).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let request = self.begin(StoreOperation::List);
        request.end(self.inner.list_with_delimiter(prefix).await)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let request = self.begin(match options.mode {
            CopyMode::Create => StoreOperation::CopyIfAbsent,
            CopyMode::Overwrite => StoreOperation::Copy,
        });
        request.end(self.inner.copy_opts(from, to, options).await)
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let request = self.begin(StoreOperation::Rename);
        request.end(self.inner.rename_opts(from, to, options).await)
    }
}

#[derive(Debug)]
struct ObservedUpload {
    inner: Box<dyn MultipartUpload>,
    name: Arc<str>,
}

#[async_trait]
impl MultipartUpload for ObservedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let name = Arc::clone(&self.name);
        let bytes = data.content_length() as u64;
        let part = self.inner.put_part(data);
        Box::pin(async move {
            let request = Request::new(&name, StoreOperation::UploadPart);
            request.end(part.await)?;
            metrics::store_wrote(&name, bytes);
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let request = Request::new(&self.name, StoreOperation::CompleteUpload);
        request.end(self.inner.complete().await)
    }

    async fn abort(&mut self) -> Result<()> {
        let request = Request::new(&self.name, StoreOperation::AbortUpload);
        request.end(self.inner.abort().await)
    }
}

/// A request under way. One that is dropped before its end was cancelled.
#[derive(Debug)]
struct Request {
    name: Arc<str>,
    operation: StoreOperation,
    begin: Instant,
    /// What the caller took for itself, between the items of a stream.
    idle: Duration,
    outcome: Option<StoreOutcome>,
}

impl Request {
    fn new(name: &Arc<str>, operation: StoreOperation) -> Self {
        Self {
            name: Arc::clone(name),
            operation,
            begin: Instant::now(),
            idle: Duration::ZERO,
            outcome: None,
        }
    }

    fn end<T>(mut self, result: Result<T>) -> Result<T> {
        self.outcome = Some(outcome(result.as_ref().err()));
        result.map_err(name_missing_bucket)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let outcome = self.outcome.unwrap_or(StoreOutcome::Cancelled);
        let elapsed = self.begin.elapsed().saturating_sub(self.idle);
        metrics::store_request(&self.name, self.operation, outcome, elapsed);
    }
}

fn outcome(error: Option<&Error>) -> StoreOutcome {
    match error {
        None | Some(Error::NotModified { .. }) => StoreOutcome::Ok,
        Some(Error::NotFound { .. }) => StoreOutcome::Absent,
        Some(Error::AlreadyExists { .. } | Error::Precondition { .. }) => StoreOutcome::Exists,
        Some(Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => {
            StoreOutcome::Denied
        }
        Some(_) => StoreOutcome::Failed,
    }
}

fn name_missing_bucket(error: Error) -> Error {
    match error {
        error @ Error::NotFound { .. } if is_missing_bucket(&error.to_string()) => Error::Generic {
            store: "bucket",
            source: Box::new(BucketGone(error)),
        },
        error => error,
    }
}

/// The answers to one request, measured without the time that the caller takes between them.
struct ObservedStream<T> {
    inner: BoxStream<'static, Result<T>>,
    request: Request,
    /// Since when the caller has not asked for more; nothing while the store is being waited for.
    paused: Option<Instant>,
}

impl<T> ObservedStream<T> {
    fn new(inner: BoxStream<'static, Result<T>>, request: Request) -> Self {
        Self {
            inner,
            paused: Some(request.begin),
            request,
        }
    }
}

impl<T> Stream for ObservedStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(since) = self.paused.take() {
            self.request.idle += since.elapsed();
        }
        let polled = self.inner.poll_next_unpin(context);
        Poll::Ready(match std::task::ready!(polled) {
            None => {
                self.request.outcome.get_or_insert(StoreOutcome::Ok);
                self.paused = Some(Instant::now());
                None
            }
            Some(result) => {
                if let Err(error) = &result {
                    self.request.outcome = Some(outcome(Some(error)));
                }
                self.paused = Some(Instant::now());
                Some(result.map_err(name_missing_bucket))
            }
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<T> Drop for ObservedStream<T> {
    fn drop(&mut self) {
        if let Some(since) = self.paused.take() {
            self.request.idle += since.elapsed();
        }
    }
}
