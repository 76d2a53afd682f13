//! Reading `storage.url`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Weak};

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use parking_lot::Mutex;
use url::Url;
use uuid::Uuid;

use super::bucket;
use super::config::S3Config;
use crate::error::{Error, Result};

/// The named memories of this process; one dies with its last user.
static MEMORIES: LazyLock<Mutex<HashMap<String, Weak<InMemory>>>> =
    LazyLock::new(|| Mutex::new(HashMap::new()));

/// A place that a lake can live in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    Folder(PathBuf),
    /// A memory shared by name, or a private one.
    Memory(Option<String>),
    S3 {
        bucket: String,
        prefix: String,
    },
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
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "file" => url
                .to_file_path()
                .map(Self::Folder)
                .map_err(|()| invalid("it is not an absolute path on this machine".to_owned())),
            "memory" if !url.path().trim_matches('/').is_empty() => {
                Err(invalid("a memory has a name but no path".to_owned()))
            }
            "memory" => Ok(Self::Memory((!host.is_empty()).then(|| host.to_owned()))),
            "s3" | "s3a" if host.is_empty() => Err(invalid("it names no bucket".to_owned())),
            "s3" | "s3a" => Ok(Self::S3 {
                bucket: host.to_owned(),
                prefix: url.path().trim_matches('/').to_owned(),
            }),
            scheme => Err(invalid(format!("the scheme `{scheme}` is not supported"))),
        }
    }

    /// Opens the store of the whole disk, memory or bucket, and returns it with the lake's URL.
    pub(super) fn open(&self, s3: &S3Config) -> Result<(Url, Arc<dyn ObjectStore>)> {
        match self {
            Self::Folder(path) => {
                let folder_error = |source| Error::Folder {
                    path: path.display().to_string(),
                    source,
                };
                std::fs::create_dir_all(path).map_err(folder_error)?;
                let path = path.canonicalize().map_err(folder_error)?;
                let url =
                    Url::from_directory_path(&path).map_err(|()| Error::InvalidStorageUrl {
                        url: path.display().to_string(),
                        reason: "it is not an absolute path".to_owned(),
                    })?;
                Ok((url, Arc::new(LocalFileSystem::new())))
            }
            Self::Memory(name) => {
                let store = name.as_deref().map_or_else(Arc::default, shared_memory);
                // DataFusion finds a store by scheme and host, so each memory has its own host.
                let host = name
                    .clone()
                    .unwrap_or_else(|| Uuid::new_v4().simple().to_string());
                Ok((parse_url(&format!("memory://{host}/"))?, store))
            }
            Self::S3 { bucket, prefix } => {
                let store = bucket::build_s3(s3, bucket)?;
                let slash = if prefix.is_empty() { "" } else { "/" };
                Ok((parse_url(&format!("s3://{bucket}/{prefix}{slash}"))?, store))
            }
        }
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

fn parse_url(text: &str) -> Result<Url> {
    Url::parse(text).map_err(|error| Error::InvalidStorageUrl {
        url: text.to_owned(),
        reason: error.to_string(),
    })
}
