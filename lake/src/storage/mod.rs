//! The bytes of the lake: one object store, rooted at one URL.
//!
//! ```text
//! StorageConfig -> location -> object store -> probe (two conditional puts of one key) -> Storage
//! ```
//!
//! Only this module opens an object store or sees a credential. Everything above gets a
//! [`Storage`], which hands out the store rooted at the lake, table URLs, and Delta log stores
//! that share the one connection pool (and, for `memory://`, the one memory).

mod bucket;
mod config;
mod location;
mod probe;

use std::sync::Arc;

use deltalake::logstore::{LogStoreRef, default_logstore};
use futures::TryStreamExt;
use futures::stream::StreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use tracing::info;
use url::Url;

pub use self::config::{S3Config, StorageConfig};
use self::location::Location;
use crate::error::{Error, Result};

/// The storage of one lake. Clones share the store.
#[derive(Debug, Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root_url: Url,
    /// The store of the whole bucket, disk or memory, as DataFusion registers it.
    root_store: Arc<dyn ObjectStore>,
    /// The same store, rooted at `root_url`.
    store: Arc<dyn ObjectStore>,
}

impl Storage {
    /// Opens the storage that the configuration names: creates the folder, or the bucket where
    /// that is asked for, and probes that conditional puts have one winner.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidStorageUrl`], [`Error::StorageOptionRefused`], [`Error::Folder`],
    /// [`Error::Bucket`], [`Error::Storage`] or [`Error::ConditionalPutIgnored`], each naming the
    /// place.
    pub async fn open(config: &StorageConfig) -> Result<Self> {
        bucket::refuse_locking_options(&config.s3)?;
        let location = Location::parse(&config.url)?;
        if let Location::S3 { bucket, .. } = &location
            && config.s3.create_bucket
        {
            bucket::ensure_bucket(&config.s3, bucket).await?;
        }
        let (root_url, root_store) = location.open(&config.s3)?;
        let storage = Self::over_store(root_url, root_store).await?;
        info!(url = %storage.root_url(), "storage opened");
        Ok(storage)
    }

    /// Builds the storage over a store and probes it. The URL's path is a path in the store.
    pub(crate) async fn over_store(
        root_url: Url,
        root_store: Arc<dyn ObjectStore>,
    ) -> Result<Self> {
        let path = object_path(&root_url)?;
        let store = Arc::new(PrefixStore::new(Arc::clone(&root_store), path));
        probe::probe(store.as_ref(), &root_url).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                root_url,
                root_store,
                store,
            }),
        })
    }

    /// Returns the URL of the lake; it ends with a slash.
    pub fn root_url(&self) -> &Url {
        &self.inner.root_url
    }

    /// Returns the store rooted at [`root_url`](Self::root_url).
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.inner.store)
    }

    /// Returns the URL of a table's location: a path relative to the lake, or a URL inside it.
    ///
    /// # Errors
    ///
    /// [`Error::LocationOutsideLake`] for anything else.
    pub fn table_url(&self, location: &str) -> Result<Url> {
        let outside = || Error::LocationOutsideLake {
            location: location.to_owned(),
            root: self.root_url().to_string(),
        };
        if location.contains("://") {
            let mut url = Url::parse(location).map_err(|_| outside())?;
            if !url.path().ends_with('/') {
                url.set_path(&format!("{}/", url.path()));
            }
            let root = self.root_url().as_str();
            let inside = url
                .as_str()
                .strip_prefix(root)
                .is_some_and(|below| !below.is_empty());
            return if inside { Ok(url) } else { Err(outside()) };
        }
        let mut url = self.root_url().clone();
        {
            let mut segments = url.path_segments_mut().map_err(|()| outside())?;
            segments.pop_if_empty();
            for segment in location.trim_end_matches('/').split('/') {
                if segment.is_empty() || segment == "." || segment == ".." {
                    return Err(outside());
                }
                segments.push(segment);
            }
            segments.push("");
        }
        Ok(url)
    }

    // MERGE: `external_url` and `external_store` are stand-ins for those of the storage part,
    // which also know `storage.external_locations`; drop these two.

    /// Returns the URL of a location that a table may have.
    ///
    /// # Errors
    ///
    /// [`Error::LocationOutsideLake`] for one that is not inside the lake.
    pub fn external_url(&self, location: &str) -> Result<Url> {
        self.table_url(location)
    }

    /// Returns the store of the whole disk, memory or bucket that a URL is in, as DataFusion
    /// registers it: the URL's path is the path in the store.
    ///
    /// # Errors
    ///
    /// Those of [`external_url`](Self::external_url).
    #[expect(clippy::unused_async, reason = "the storage part opens other stores")]
    pub async fn external_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.external_url(url.as_str())?;
        Ok(Arc::clone(&self.inner.root_store))
    }

    // MERGE: keep this one.

    /// Returns the Delta log store of a table that may be outside the lake.
    pub(crate) async fn external_log_store(&self, table_url: &Url) -> Result<LogStoreRef> {
        let path = object_path(table_url)?;
        let root_store = self.external_store(table_url).await?;
        let prefixed = Arc::new(PrefixStore::new(Arc::clone(&root_store), path));
        let options = deltalake::logstore::StorageConfig::default();
        Ok(default_logstore(prefixed, root_store, table_url, &options))
    }

    /// Returns the Delta log store of a table URL, over the shared store.
    pub(crate) fn log_store(&self, table_url: &Url) -> Result<LogStoreRef> {
        let path = object_path(table_url)?;
        let prefixed = Arc::new(PrefixStore::new(Arc::clone(&self.inner.root_store), path));
        let options = deltalake::logstore::StorageConfig::default();
        Ok(default_logstore(
            prefixed,
            Arc::clone(&self.inner.root_store),
            table_url,
            &options,
        ))
    }

    /// Deletes every object below a URL inside the lake and returns how many there were.
    pub(crate) async fn delete_below(&self, url: &Url) -> Result<usize> {
        let prefix = object_path(url)?;
        let listed = self
            .inner
            .root_store
            .list(Some(&prefix))
            .map_ok(|meta| meta.location);
        self.inner
            .root_store
            .delete_stream(listed.boxed())
            .try_fold(0, |count, _| async move { Ok(count + 1) })
            .await
            .map_err(|source| Error::Storage {
                url: url.to_string(),
                action: "deleting objects",
                source,
            })
    }
}

fn object_path(url: &Url) -> Result<Path> {
    Path::from_url_path(url.path()).map_err(|error| Error::InvalidStorageUrl {
        url: url.to_string(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
pub(crate) mod tests;
