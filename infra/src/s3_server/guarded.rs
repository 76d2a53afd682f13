//! `s3s-fs` with one writer per key at a time, and without the conditions it would ignore.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tokio::sync::{Mutex, MutexGuard};

/// Keys share locks by hash: enough of them that writers of different keys rarely meet.
const LOCKS: usize = 256;

pub(super) struct Guarded {
    files: s3s_fs::FileSystem,
    locks: Vec<Mutex<()>>,
}

impl Guarded {
    pub(super) fn new(files: s3s_fs::FileSystem) -> Self {
        Self {
            files,
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
        }
    }

    /// Waits until nobody else writes one of `keys`. Locks are taken in one order, so writers cannot block each other
    /// in a circle.
    async fn lock<'a>(
        &'a self,
        bucket: &str,
        keys: impl Iterator<Item = &str>,
    ) -> Vec<MutexGuard<'a, ()>> {
        let number = |key: &str| {
            let mut hasher = DefaultHasher::new();
            (bucket, key).hash(&mut hasher);
            usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or(0)
        };
        let numbers: BTreeSet<usize> = keys.map(number).collect();
        let mut guards = Vec::with_capacity(numbers.len());
        for lock in numbers
            .into_iter()
            .filter_map(|number| self.locks.get(number))
        {
            guards.push(lock.lock().await);
        }
        guards
    }
}

#[async_trait::async_trait]
impl S3 for Guarded {
    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        let _guards = self.lock(&bucket, std::iter::once(key.as_str())).await;
        self.files.put_object(request).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        let _guards = self.lock(&bucket, std::iter::once(key.as_str())).await;
        self.files.complete_multipart_upload(request).await
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        if request.headers.contains_key("if-none-match") || request.headers.contains_key("if-match")
        {
            return Err(s3_error!(
                NotImplemented,
                "conditions on the destination of CopyObject"
            ));
        }
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        let _guards = self.lock(&bucket, std::iter::once(key.as_str())).await;
        self.files.copy_object(request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        if request.input.if_match.is_some() {
            return Err(s3_error!(NotImplemented, "conditions on DeleteObject"));
        }
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        let _guards = self.lock(&bucket, std::iter::once(key.as_str())).await;
        self.files.delete_object(request).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let bucket = request.input.bucket.clone();
        let keys: Vec<String> = request
            .input
            .delete
            .objects
            .iter()
            .map(|object| object.key.clone())
            .collect();
        let _guards = self.lock(&bucket, keys.iter().map(String::as_str)).await;
        self.files.delete_objects(request).await
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        self.files.get_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.files.head_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.files.list_objects_v2(request).await
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(request).await
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(request).await
    }

    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        self.files.list_buckets(request).await
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.files.get_bucket_location(request).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.files.create_multipart_upload(request).await
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        self.files.upload_part(request).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.files.abort_multipart_upload(request).await
    }
}
