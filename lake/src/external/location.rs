//! Locations as Hive clients write them.

use object_store::path::Path;
use url::Url;

use crate::error::{Error, Result};
use crate::storage::Storage;

/// Returns the URL that a location means: a path relative to the lake, a URL, or an absolute path
/// of this machine. It ends with a slash.
///
/// # Errors
///
/// Those of [`Storage::table_url`] and [`Storage::external_url`].
pub(crate) fn location_url(storage: &Storage, location: &str) -> Result<Url> {
    let spelled = spelled_out(location);
    if spelled.contains("://") {
        storage.external_url(&spelled)
    } else {
        storage.table_url(&spelled)
    }
}

/// Returns a location as the catalog stores it: relative to the lake where that is possible, so
/// that the lake can be moved.
///
/// # Errors
///
/// Those of [`location_url`].
pub(crate) fn normal_location(storage: &Storage, location: &str) -> Result<String> {
    let url = location_url(storage, location)?;
    let path = object_path(&url)?;
    let root = object_path(storage.root_url())?;
    let inside = url.as_str().starts_with(storage.root_url().as_str());
    let below = path.prefix_match(&root).filter(|_| inside);
    Ok(match below {
        Some(parts) => {
            let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
            parts.join("/")
        }
        None => url.as_str().trim_end_matches('/').to_owned(),
    })
}

/// Returns the URL of a folder below another one; `path` is not percent-encoded.
pub(super) fn below(url: &Url, path: &str) -> Result<Url> {
    let mut below = url.clone();
    {
        let mut segments = below
            .path_segments_mut()
            .map_err(|()| Error::LocationOutsideLake {
                location: path.to_owned(),
                root: url.to_string(),
            })?;
        segments.pop_if_empty();
        for segment in path.split('/') {
            segments.push(segment);
        }
        segments.push("");
    }
    Ok(below)
}

/// Returns the path of a URL in its store.
pub(super) fn object_path(url: &Url) -> Result<Path> {
    Path::from_url_path(url.path()).map_err(|error| Error::InvalidStorageUrl {
        url: url.to_string(),
        reason: error.to_string(),
    })
}

/// Hadoop writes `file:/x` and `s3a://`; Hive takes `/x` for a folder of its file system.
fn spelled_out(location: &str) -> String {
    if let Some(rest) = location.strip_prefix("file:/")
        && !rest.starts_with('/')
    {
        return format!("file:///{rest}");
    }
    if location.starts_with('/') {
        return Url::from_file_path(location)
            .map_or_else(|()| location.to_owned(), |url| url.to_string());
    }
    for scheme in ["s3a://", "s3n://"] {
        if let Some(rest) = location.strip_prefix(scheme) {
            return format!("s3://{rest}");
        }
    }
    location.to_owned()
}
