//! Places outside the lake that tables may live in.
//!
//! A location comes from a user's SQL, and the server reads it with its own rights: only what is
//! listed in `storage.external_locations` can be named. Locations are compared segment by segment,
//! after `..`, escapes and, on disk, symbolic links were resolved.

use std::path::{Path, PathBuf};

use url::Url;

use super::config::AzureConfig;
use super::location::{Location, folder_url};
use crate::error::{Error, Result};

/// A location in the one form that is compared: no aliases, no escapes, no links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) store: StoreKey,
    segments: Vec<String>,
}

/// What tells one whole disk, memory or bucket from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct StoreKey {
    /// Such as `s3://bucket/`.
    url: Url,
    /// The account of an Azure store: two accounts may have a container of one name.
    account: Option<String>,
}

impl StoreKey {
    fn new(scheme: &str, host: &str) -> Result<Self> {
        Ok(Self {
            url: folder_url(scheme, host, "")?,
            account: None,
        })
    }

    /// Returns the location that opens the store.
    pub(super) fn location(&self) -> Result<Location> {
        let mut location = Location::parse(self.url.as_str())?;
        if let Location::Azure { account, .. } = &mut location {
            account.clone_from(&self.account);
        }
        Ok(location)
    }
}

impl Place {
    /// Resolves a location. A folder need not exist; what exists of its path is resolved.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidStorageUrl`] for a location that cannot be understood, or that goes up
    /// (`..`) behind an escape; [`Error::Folder`] for a path that cannot be resolved.
    pub(super) fn of(location: &str, config: &AzureConfig) -> Result<Self> {
        let invalid = |reason: &dyn std::fmt::Display| Error::InvalidStorageUrl {
            url: location.to_owned(),
            reason: reason.to_string(),
        };
        // As the place of a lake, a memory has no path; the tables in it have one.
        let memory = Url::parse(location).ok();
        let memory = memory.filter(|url| url.scheme() == "memory" && url.has_host());
        let (store, prefix) = if let Some(url) = memory {
            let host = url.host_str().unwrap_or_default();
            let path = url.path().trim_matches('/').to_owned();
            (StoreKey::new("memory", host)?, path)
        } else {
            match Location::parse(location)? {
                Location::Folder(path) if path.is_relative() => {
                    return Err(invalid(&"it is neither a URL nor an absolute path"));
                }
                Location::Folder(path) => {
                    let url = Url::from_file_path(resolve(&path)?)
                        .map_err(|()| invalid(&"it is not an absolute path"))?;
                    let path = url.path().trim_start_matches('/').to_owned();
                    (StoreKey::new("file", "")?, path)
                }
                Location::Memory(_) => return Err(invalid(&"it names no memory")),
                Location::S3 { bucket, prefix } => (StoreKey::new("s3", &bucket)?, prefix),
                Location::Gcs { bucket, prefix } => (StoreKey::new("gs", &bucket)?, prefix),
                Location::Azure {
                    account,
                    container,
                    prefix,
                } => {
                    let store = StoreKey {
                        account: account.or_else(|| config.account.clone()),
                        ..StoreKey::new("az", &container)?
                    };
                    (store, prefix)
                }
            }
        };
        let path =
            object_store::path::Path::from_url_path(&prefix).map_err(|error| invalid(&error))?;
        Ok(Self {
            store,
            segments: path.parts().map(|part| part.as_ref().to_owned()).collect(),
        })
    }

    /// Returns whether another place is this one or below it.
    pub(super) fn holds(&self, other: &Self) -> bool {
        self.store == other.store && other.segments.starts_with(&self.segments)
    }

    /// Returns the URL, which ends with a slash: a table is a folder.
    pub(super) fn url(&self) -> Result<Url> {
        let mut url = self.store.url.clone();
        url.path_segments_mut()
            .map_err(|()| Error::Internal {
                message: format!("`{}` has no path", self.store.url),
            })?
            .pop_if_empty()
            .extend(&self.segments)
            .push("");
        Ok(url)
    }
}

/// Resolves the links of what exists of a path, and keeps the rest.
fn resolve(path: &Path) -> Result<PathBuf> {
    let failed = |source| Error::Folder {
        path: path.display().to_string(),
        source,
    };
    let absolute = std::path::absolute(path).map_err(failed)?;
    let mut rest = Vec::new();
    let mut existing = absolute.as_path();
    loop {
        match existing.canonicalize() {
            Ok(mut resolved) => {
                resolved.extend(rest.iter().rev());
                return Ok(resolved);
            }
            // A dangling link is no missing file: what it points to may be made later.
            Err(error) if existing.is_symlink() => return Err(failed(error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else {
            return Err(failed(std::io::ErrorKind::InvalidInput.into()));
        };
        rest.push(name.to_owned());
        existing = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(location: &str) -> Result<Place> {
        Place::of(location, &AzureConfig::default())
    }

    fn allows(allowed: &str, asked: &str) -> bool {
        let allowed = place(allowed).unwrap();
        place(asked).is_ok_and(|place| allowed.holds(&place))
    }

    #[test]
    fn a_place_is_below_another_by_whole_segments() {
        assert!(allows("s3://landing/raw", "s3://landing/raw"));
        assert!(allows("s3://landing/raw/", "s3a://landing/raw/a/b.parquet"));
        assert!(allows("s3://landing", "s3://landing/anything"));
        assert!(!allows("s3://landing/raw", "s3://landing/raw2/a"));
        assert!(!allows("s3://landing/raw", "s3://landing/"));
        assert!(!allows("s3://landing", "s3://landing2/raw"));
        assert!(!allows("s3://landing", "gs://landing/raw"));
        assert!(allows("az://raw", "abfss://raw/a"));
    }

    #[test]
    fn nothing_climbs_out_by_dots_or_escapes() {
        for asked in [
            "s3://landing/raw/../secret",
            "s3://landing/raw/%2e%2e/secret",
            "s3://landing/raw/..%2fsecret",
            "s3://landing/raw/a%2f..%2f..%2fsecret",
            "s3://landing/raw//../../secret",
        ] {
            assert!(!allows("s3://landing/raw", asked), "{asked}");
        }
        assert!(allows("s3://landing/raw", "s3://landing/x/../raw/a"));
    }

    #[test]
    fn accounts_with_a_container_of_one_name_are_two_places() {
        let config = AzureConfig {
            account: Some("ours".to_owned()),
            ..AzureConfig::default()
        };
        let of = |location: &str| Place::of(location, &config).unwrap();
        let lake = of("az://raw/lake");
        assert!(lake.holds(&of("abfss://raw@ours.dfs.core.windows.net/lake/a")));
        assert!(!lake.holds(&of("abfss://raw@theirs.dfs.core.windows.net/lake/a")));
    }

    #[test]
    fn links_on_disk_are_resolved() {
        let disk = tempfile::tempdir().unwrap();
        let path = |name: &str| disk.path().join(name);
        std::fs::create_dir_all(path("open/inner")).unwrap();
        std::fs::create_dir_all(path("closed")).unwrap();
        std::os::unix::fs::symlink(path("closed"), path("open/out")).unwrap();
        std::os::unix::fs::symlink(path("open"), path("in")).unwrap();
        std::os::unix::fs::symlink(path("nowhere"), path("open/dangling")).unwrap();
        let text = |name: &str| path(name).display().to_string();
        assert!(allows(&text("open"), &text("open/inner")));
        assert!(allows(&text("open"), &text("open/not/yet/there")));
        assert!(allows(&text("open"), &text("in/inner")));
        assert!(allows(
            &text("open"),
            &format!("file://{}", text("in/inner/"))
        ));
        assert!(!allows(&text("open"), &text("open/out")));
        assert!(!allows(&text("open"), &text("open/out/deeper")));
        assert!(!allows(&text("open"), &text("open/../closed")));
        assert!(!allows(&text("open"), &text("open/inner/../../closed")));
        assert!(!allows(&text("open"), &text("open/dangling/x")));
        assert!(!allows(&text("open"), &text("open2")));
    }

    #[test]
    fn the_url_of_a_place_reads_back_as_the_place() {
        for location in [
            "s3://b/a b/ü/k=v%3F",
            "az://c/x",
            "gs://b/",
            "memory://m/a/b",
            "/no/such/place #1",
        ] {
            let known = place(location).unwrap();
            let url = known.url().unwrap();
            assert!(url.as_str().ends_with('/'), "{url}");
            assert_eq!(place(url.as_str()).unwrap(), known, "{url}");
        }
    }
}
