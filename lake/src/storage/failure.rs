//! Why a store did not do what we asked, in words that a caller can act on.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use object_store::client::{HttpError, HttpErrorKind};

/// Why a store did not do what we asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreFailure {
    /// There is no such bucket or container, or no longer.
    BucketMissing,
    /// There are no credentials to be had.
    CredentialsMissing,
    /// The credentials are wrong or expired, or may not do this.
    AccessDenied,
    /// The bucket is in another region.
    WrongRegion,
    /// Nobody answers at the endpoint, or the connection is not to be trusted.
    Unreachable,
    /// The store answered too late.
    TimedOut,
    /// The disk is full.
    DiskFull,
}

impl StoreFailure {
    /// Finds out why an operation failed, from its error and the causes of that.
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut chain = vec![error];
        while let Some(cause) = chain.last().copied().and_then(StdError::source) {
            chain.push(cause);
        }
        let texts = chain.iter().find_map(|error| Self::of_text(*error));
        texts.or_else(|| chain.iter().find_map(|error| Self::of_type(*error)))
    }

    /// Stores tell in the body of an answer what its status leaves open.
    fn of_text(error: &(dyn StdError + 'static)) -> Option<Self> {
        if error.downcast_ref::<BucketGone>().is_some() {
            return Some(Self::BucketMissing);
        }
        let text = error.downcast_ref::<object_store::Error>()?.to_string();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if is_missing_bucket(&text) {
            Some(Self::BucketMissing)
        } else if says(&[
            "latest/api/token",
            "latest/meta-data",
            "computeMetadata",
            "metadata/identity",
        ]) {
            Some(Self::CredentialsMissing)
        } else if says(&[
            "PermanentRedirect",
            "AuthorizationHeaderMalformed",
            "without LOCATION",
        ]) {
            Some(Self::WrongRegion)
        } else if says(&["ExpiredToken", "InvalidToken", "InvalidAccessKeyId"]) {
            Some(Self::AccessDenied)
        } else {
            None
        }
    }

    fn of_type(error: &(dyn StdError + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<object_store::Error>() {
            return match error {
                object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. } => Some(Self::AccessDenied),
                _ => None,
            };
        }
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return match error.kind() {
                HttpErrorKind::Connect | HttpErrorKind::Request | HttpErrorKind::Interrupted => {
                    Some(Self::Unreachable)
                }
                HttpErrorKind::Timeout => Some(Self::TimedOut),
                _ => None,
            };
        }
        let error = error.downcast_ref::<io::Error>()?;
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Self::DiskFull),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Some(Self::AccessDenied)
            }
            _ => None,
        }
    }

    /// Returns what to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::BucketMissing => {
                "check the bucket's name in storage.url; for S3, storage.s3.create_bucket = true \
                 creates it"
            }
            Self::CredentialsMissing => {
                "this machine has no credentials of its own: set storage.s3.access_key_id and \
                 secret_access_key, storage.gcs.credentials_file or storage.azure.access_key, or \
                 the usual variables of the cloud"
            }
            Self::AccessDenied => {
                "check the keys, that they have not expired, and that they may list, read, write \
                 and delete there"
            }
            Self::WrongRegion => "leave out storage.s3.region, and the bucket is asked for it",
            Self::Unreachable => {
                "check the endpoint and that this machine may reach it; a certificate of its own \
                 goes into storage.client.ca_file"
            }
            Self::TimedOut => {
                "the store is slow or stuck; storage.client.request_timeout is how long we wait"
            }
            Self::DiskFull => "free some space; nothing was committed",
        }
    }
}

impl fmt::Display for StoreFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BucketMissing => "the bucket does not exist",
            Self::CredentialsMissing => "there are no credentials",
            Self::AccessDenied => "access is denied",
            Self::WrongRegion => "the bucket is in another region",
            Self::Unreachable => "the store cannot be reached",
            Self::TimedOut => "the store answers too late",
            Self::DiskFull => "the disk is full",
        })
    }
}

/// A bucket that is not there, or no longer. The clients say "not found" for it as for an object,
/// and a table's log would be taken for empty.
#[derive(Debug, thiserror::Error)]
#[error("the bucket does not exist: {0}")]
pub(super) struct BucketGone(#[source] pub(super) object_store::Error);

/// Tells a missing bucket from a missing object, by the code in the body of the answer.
pub(super) fn is_missing_bucket(text: &str) -> bool {
    [
        "NoSuchBucket",
        "ContainerNotFound",
        "The specified bucket does not exist",
        "The specified container does not exist",
    ]
    .iter()
    .any(|word| text.contains(word))
}
