//! Reading the URLs of stores.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Weak};

use object_store::ObjectStore;
use object_store::aws::AmazonS3;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use parking_lot::Mutex;
use url::Url;
use uuid::Uuid;

use super::bucket::{Bucket, BucketRegion};
use super::config::StorageConfig;
use super::durable::DurableFileSystem;
use super::observed::ObservedStore;
use super::{cloud, s3};
use crate::error::{Error, Result};

/// The named memories of this process; one dies with its last user.
static MEMORIES: LazyLock<Mutex<HashMap<String, Weak<InMemory>>>> =
    LazyLock::new(|| Mutex::new(HashMap::new()));

/// A place that a lake or a table can live in. Prefixes are as in a URL, without outer slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    Folder(PathBuf),
    /// A memory shared by name, or a private one.
    Memory(Option<String>),
    S3 {
        bucket: String,
        prefix: String,
    },
    Gcs {
        bucket: String,
        prefix: String,
    },
    Azure {
        /// The account, where the URL names it.
        account: Option<String>,
        container: String,
        prefix: String,
    },
}

/// The store of a whole disk, memory or bucket.
#[derive(Debug)]
pub(super) struct Opened {
    /// The place in it that was asked for; ends with a slash.
    pub(super) url: Url,
    pub(super) store: Arc<dyn ObjectStore>,
    /// What bucket administration needs to know, for S3.
    pub(super) s3: Option<OpenedBucket>,
}

#[derive(Debug)]
pub(super) struct OpenedBucket {
    pub(super) name: String,
    pub(super) region: BucketRegion,
    pub(super) client: Arc<AmazonS3>,
}

impl OpenedBucket {
    /// Prepares the administration of the bucket.
    ///
    /// # Errors
    ///
    /// Those of [`Bucket::connect`].
    pub(super) async fn admin(&self, config: &StorageConfig) -> Result<Bucket> {
        Bucket::connect(config, &self.name, self.region.clone(), &self.client).await
    }
}

impl Location {
    /// Parses a folder path or a URL.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let invalid = |reason: String| Error::InvalidStorageUrl {
            url: text.to_owned(),
            reason,
        };
        if text.trim().is_empty() {
            return Err(invalid("it is empty".to_owned()));
        }
        if !text.contains("://") {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it has a query or a fragment".to_owned()));
        }
        if url.password().is_some() {
            return Err(invalid(
                "it has a password; credentials belong into the configuration".to_owned(),
            ));
        }
        let host = url.host_str().unwrap_or_default();
        let prefix = || url.path().trim_matches('/').to_owned();
        match url.scheme() {
            "file" => url
                .to_file_path()
                .map(Self::Folder)
                .map_err(|()| invalid("it is not an absolute path on this machine".to_owned())),
            "memory" if !prefix().is_empty() => {
                Err(invalid("a memory has a name but no path".to_owned()))
            }
            "memory" => Ok(Self::Memory((!host.is_empty()).then(|| host.to_owned()))),
            "s3" | "s3a" | "gs" if host.is_empty() => Err(invalid("it names no bucket".to_owned())),
            "s3" | "s3a" => Ok(Self::S3 {
                bucket: host.to_owned(),
                prefix: prefix(),
            }),
            "gs" => Ok(Self::Gcs {
                bucket: host.to_owned(),
                prefix: prefix(),
            }),
            "az" | "abfs" | "abfss" => {
                let (account, container) = azure_names(&url).map_err(invalid)?;
                Ok(Self::Azure {
                    account,
                    container,
                    prefix: prefix(),
                })
            }
            scheme => Err(invalid(format!("the scheme `{scheme}` is not supported"))),
        }
    }

    /// Returns the configuration with what the URL says and it does not.
    pub(super) fn complete(&self, config: &StorageConfig) -> StorageConfig {
        let mut config = config.clone();
        if let Self::Azure { account, .. } = self
            && config.azure.account.is_none()
        {
            config.azure.account.clone_from(account);
        }
        config
    }

    /// Opens the store of the whole disk, memory or bucket; creates nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`], [`Error::StorageOptionRefused`], [`Error::Certificates`],
    /// [`Error::Bucket`] or [`Error::Storage`].
    pub(super) async fn open(&self, config: &StorageConfig) -> Result<Opened> {
        let (url, store): (Url, Arc<dyn ObjectStore>) = match self {
            Self::Folder(path) => {
                let path = path.canonicalize().map_err(|source| Error::Folder {
                    path: path.display().to_string(),
                    source,
                })?;
                let url = Url::from_directory_path(&path);
                let url = url.map_err(|()| Error::InvalidStorageUrl {
                    url: path.display().to_string(),
                    reason: "it is not an absolute path".to_owned(),
                })?;
                if config.fsync {
                    (url, Arc::new(DurableFileSystem::default()))
                } else {
                    (url, Arc::new(LocalFileSystem::new()))
                }
            }
            Self::Memory(name) => {
                let store = name.as_deref().map_or_else(Arc::default, shared_memory);
                // DataFusion finds a store by scheme and host, so each memory has its own host.
                let host = name
                    .clone()
                    .unwrap_or_else(|| Uuid::new_v4().simple().to_string());
                (folder_url("memory", &host, "")?, store)
            }
            Self::S3 { bucket, prefix } => return open_s3(config, bucket, prefix).await,
            Self::Gcs { bucket, prefix } => (
                folder_url("gs", bucket, prefix)?,
                Arc::new(cloud::build_gcs(config, bucket)?),
            ),
            Self::Azure {
                account,
                container,
                prefix,
            } => {
                let account = azure_account(account.as_deref(), config)?;
                (
                    folder_url("az", container, prefix)?,
                    Arc::new(cloud::build_azure(config, Some(account), container)?),
                )
            }
        };
        let store = Arc::new(ObservedStore::new(store, &store_name(&url)));
        Ok(Opened {
            url,
            store,
            s3: None,
        })
    }
}

/// Returns what a store is called in metrics. A private memory's name is random and would be a
/// label without end.
pub(super) fn store_name(url: &Url) -> String {
    match url.scheme() {
        scheme @ ("file" | "memory") => scheme.to_owned(),
        scheme => format!("{scheme}://{}", url.host_str().unwrap_or_default()),
    }
}

async fn open_s3(config: &StorageConfig, bucket: &str, prefix: &str) -> Result<Opened> {
    // A setting that is wrong is told before anybody is asked.
    s3::builder(config, bucket)?;
    let region = Bucket::find_region(config, bucket).await?;
    let client = Arc::new(s3::build(config, bucket, region.name())?);
    let url = folder_url("s3", bucket, prefix)?;
    let whole: Arc<dyn ObjectStore> = Arc::clone(&client) as _;
    Ok(Opened {
        store: Arc::new(ObservedStore::new(whole, &store_name(&url))),
        url,
        s3: Some(OpenedBucket {
            name: bucket.to_owned(),
            region,
            client,
        }),
    })
}

/// Reads `az://container`, `abfs[s]://container` and the form that Hadoop writes,
/// `abfs[s]://container@account.dfs.core.windows.net`.
fn azure_names(url: &Url) -> Result<(Option<String>, String), String> {
    let host = url.host_str().unwrap_or_default();
    if url.username().is_empty() {
        return if host.is_empty() || host.contains('.') {
            Err("it names no container".to_owned())
        } else {
            Ok((None, host.to_owned()))
        };
    }
    match host.split_once('.') {
        Some((account, "dfs.core.windows.net" | "blob.core.windows.net")) => {
            Ok((Some(account.to_owned()), url.username().to_owned()))
        }
        _ => Err(format!("`{host}` is no host of Azure Storage")),
    }
}

/// The keys belong to one account; a URL that names another would be asked with the wrong ones.
fn azure_account<'a>(named: Option<&'a str>, config: &'a StorageConfig) -> Result<&'a str> {
    let refuse = |reason: String| Error::StorageOptionRefused {
        option: "storage.azure.account".to_owned(),
        reason,
    };
    match (named, config.azure.account.as_deref()) {
        (Some(named), Some(configured)) if named != configured => Err(refuse(format!(
            "it is `{configured}`, but the URL names the account `{named}`"
        ))),
        (Some(account), _) | (None, Some(account)) => Ok(account),
        (None, None) => Err(refuse("it is missing, and the URL names none".to_owned())),
    }
}

fn shared_memory(name: &str) -> Arc<InMemory> {
    let mut memories = MEMORIES.lock();
    if let Some(memory) = memories.get(name).and_then(Weak::upgrade) {
        return memory;
    }
    let memory = Arc::new(InMemory::new());
    memories.insert(name.to_owned(), Arc::downgrade(&memory));
    memory
}

/// Builds the URL of a folder of a store; it ends with a slash.
pub(super) fn folder_url(scheme: &str, host: &str, prefix: &str) -> Result<Url> {
    let slash = if prefix.is_empty() { "" } else { "/" };
    let text = format!("{scheme}://{host}/{prefix}{slash}");
    Url::parse(&text).map_err(|error| Error::InvalidStorageUrl {
        url: text,
        reason: error.to_string(),
    })
}
