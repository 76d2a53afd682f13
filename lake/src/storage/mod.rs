//! The bytes of the lake: one object store, rooted at one URL.
//!
//! ```text
//! StorageConfig -> location -> region -> client -> observed store -> probe -> Storage
//!                                                  counted, timed    two conditional puts of one key
//! ```
//!
//! Only this module opens an object store or sees a credential. Everything above gets a
//! [`Storage`], which hands out the store rooted at the lake, table URLs, and Delta log stores
//! that share the one connection pool (and, for `memory://`, the one memory).

mod checkup;
mod config;
mod durable;
mod location;

mod client;
mod cloud;
mod s3;

mod bucket;
mod lifecycle;

mod external;
mod failure;
mod observed;
mod probe;

use std::collections::HashMap;
use std::sync::Arc;

use deltalake::logstore::{LogStoreRef, default_logstore};
use futures::TryStreamExt;
use futures::stream::StreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use parking_lot::Mutex;
use tracing::info;
use url::Url;

pub use self::bucket::{BucketRegion, BucketReport, Versioning};
pub use self::checkup::{Finding, Verdict};
pub use self::config::{AzureConfig, ClientConfig, GcsConfig, S3Config, StorageConfig};
use self::external::{Place, StoreKey};
pub use self::failure::StoreFailure;
pub use self::lifecycle::{Lifecycle, LifecycleRule};
use self::location::{Location, Opened};
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
    /// How other stores are opened.
    config: StorageConfig,
    /// The lake itself first, then the places outside it that are allowed.
    allowed: Vec<Place>,
    /// The stores outside the lake that were opened, so that each has one connection pool.
    external: Mutex<HashMap<StoreKey, Arc<dyn ObjectStore>>>,
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
        let location = Location::parse(&config.url)?;
        let config = &location.complete(config);
        if let Location::Folder(path) = &location {
            std::fs::create_dir_all(path).map_err(|source| Error::Folder {
                path: path.display().to_string(),
                source,
            })?;
        }
        let Opened { url, store, s3 } = location.open(config).await?;
        if let Some(bucket) = s3
            && config.s3.create_bucket
        {
            bucket.admin(config).await?.ensure().await?;
        }
        let storage = Self::assemble(url, store, config).await?;
        info!(url = %storage.root_url(), "storage opened");
        Ok(storage)
    }

    /// Builds the storage over a store and probes it. The URL's path is a path in the store.
    #[cfg(test)]
    pub(crate) async fn over_store(
        root_url: Url,
        root_store: Arc<dyn ObjectStore>,
    ) -> Result<Self> {
        let name = location::store_name(&root_url);
        let store = Arc::new(observed::ObservedStore::new(root_store, &name));
        Self::assemble(root_url, store, &StorageConfig::default()).await
    }

    async fn assemble(
        root_url: Url,
        root_store: Arc<dyn ObjectStore>,
        config: &StorageConfig,
    ) -> Result<Self> {
        let lake = Place::of(root_url.as_str(), &config.azure);
        let listed = config.external_locations.iter();
        let listed = listed.map(|location| Place::of(location, &config.azure));
        let allowed = std::iter::once(lake).chain(listed).collect::<Result<_>>()?;
        let path = object_path(&root_url)?;
        let store = Arc::new(PrefixStore::new(Arc::clone(&root_store), path));
        probe::probe(store.as_ref(), &root_url).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                root_url,
                root_store,
                store,
                config: config.clone(),
                allowed,
                external: Mutex::default(),
            }),
        })
    }

    /// Tries out the store of a configuration, and tells each finding as it is made. Leaves nothing
    /// behind, and creates neither bucket nor folder.
    pub async fn check_up(config: &StorageConfig, tell: &mut (dyn FnMut(Finding) + Send)) {
        checkup::check_up(config, tell).await;
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
            let place = Place::of(location, &self.inner.config.azure).map_err(|_| outside())?;
            let lake = self.inner.allowed.first();
            let is_inside = lake.is_some_and(|lake| lake.holds(&place) && *lake != place);
            return if is_inside {
                place.url()
            } else {
                Err(outside())
            };
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

    /// Returns the URL of a location that a table may have, inside the lake or outside it, in the
    /// form that names it in this house: without aliases (`s3a`), `..` or links, with a slash at
    /// the end.
    ///
    /// # Errors
    ///
    /// [`Error::ExternalLocationNotAllowed`] for a location that is neither in the lake nor below
    /// one of `storage.external_locations`; [`Error::InvalidStorageUrl`] or [`Error::Folder`] for
    /// one that cannot be understood.
    pub fn external_url(&self, location: &str) -> Result<Url> {
        self.allowed_place(location)?.url()
    }

    /// Returns the store of the whole disk, memory or bucket that a URL is in, as DataFusion
    /// registers it: the URL's path is the path in the store. Hand on no path but the one of the
    /// URL and those below it.
    ///
    /// # Errors
    ///
    /// Those of [`external_url`](Self::external_url), and those of opening the store.
    pub async fn external_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let place = self.allowed_place(url.as_str())?;
        let own = self.inner.allowed.first();
        if own.is_some_and(|lake| lake.store == place.store) {
            return Ok(Arc::clone(&self.inner.root_store));
        }
        if let Some(open) = self.inner.external.lock().get(&place.store) {
            return Ok(Arc::clone(open));
        }
        let opened = place.store.location()?.open(&self.inner.config).await?;
        let mut external = self.inner.external.lock();
        Ok(Arc::clone(
            external.entry(place.store).or_insert(opened.store),
        ))
    }

    fn allowed_place(&self, location: &str) -> Result<Place> {
        let place = Place::of(location, &self.inner.config.azure)?;
        if self
            .inner
            .allowed
            .iter()
            .any(|allowed| allowed.holds(&place))
        {
            return Ok(place);
        }
        Err(Error::ExternalLocationNotAllowed {
            location: place.url()?.into(),
        })
    }

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
