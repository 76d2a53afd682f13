//! Locations as Hadoop writes them, and as the lake does.
//!
//! ```text
//! lake     file:///data/a%20b/    s3://bucket/flights/      URLs, relative ones below the lake
//! Hadoop   file:///data/a b       s3a://bucket/flights      nothing escaped, no slash at the end
//! ```

use lake::{Database, Partition, Storage, TableEntry};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::hive_metastore::failure::{Failure, Result};

/// What a path of Hadoop may hold and a path of a URL may not.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// Knows where the lake is and how clients call it.
#[derive(Debug, Clone)]
pub(in crate::hive_metastore) struct Locations {
    root: String,
    /// The scheme of S3 in answers.
    s3_scheme: String,
}

impl Locations {
    pub(in crate::hive_metastore) fn new(storage: &Storage, s3_scheme: &str) -> Self {
        Self {
            root: storage.root_url().to_string(),
            s3_scheme: s3_scheme.to_owned(),
        }
    }

    /// Returns where the tables of a database go, for clients.
    pub(super) fn of_database(&self, database: &Database) -> String {
        match &database.location {
            Some(location) => self.outward(location),
            None => self.outward(&database.name),
        }
    }

    /// Returns where a table is, for clients.
    pub(super) fn of_table(&self, entry: &TableEntry) -> String {
        self.outward(&entry.location)
    }

    /// Returns where a partition is, for clients.
    pub(super) fn of_partition(&self, entry: &TableEntry, partition: &Partition) -> String {
        match &partition.location {
            Some(location) => self.outward(location),
            None => {
                let name = partition.name(&entry.partition_keys);
                format!("{}/{name}", self.of_table(entry))
            }
        }
    }

    /// Writes a location of the lake, relative or not, as Hadoop does.
    pub(super) fn outward(&self, location: &str) -> String {
        let url = self.absolute(location);
        let decoded = percent_decode_str(url.trim_end_matches('/'))
            .decode_utf8_lossy()
            .into_owned();
        match decoded.strip_prefix("s3://") {
            Some(rest) => format!("{}://{rest}", self.s3_scheme),
            None => decoded,
        }
    }

    fn absolute(&self, location: &str) -> String {
        if location.contains("://") {
            return location.to_owned();
        }
        let escaped = utf8_percent_encode(location, ESCAPED);
        format!("{}{escaped}", self.root)
    }

    /// Reads a location of Hadoop: a path, or a URL without escapes. One below the lake becomes
    /// relative to it.
    pub(in crate::hive_metastore) fn inward(&self, location: &str) -> Result<String> {
        let (scheme, path) = match location.split_once(':') {
            Some((scheme, path)) if !scheme.contains('/') => (scheme, path),
            _ if location.starts_with('/') => ("file", location),
            _ => {
                return Err(Failure::Invalid(format!(
                    "location `{location}` is neither a URL nor an absolute path"
                )));
            }
        };
        let scheme = match scheme {
            "s3a" | "s3n" => "s3",
            other => other,
        };
        // `file:/a`, `file:///a` and `file://localhost/a` are the same.
        let path = match (scheme, path.strip_prefix("//")) {
            ("file", Some(rest)) => rest.strip_prefix("localhost").unwrap_or(rest),
            (_, Some(rest)) => rest,
            (_, None) => path,
        };
        let path = path.trim_end_matches('/');
        let url = format!("{scheme}://{}", utf8_percent_encode(path, ESCAPED));
        let inside = url.strip_prefix(self.root.as_str());
        match inside.map(|inside| percent_decode_str(inside).decode_utf8()) {
            Some(Ok(inside)) if !inside.is_empty() => Ok(inside.into_owned()),
            _ => Ok(url),
        }
    }

    /// Returns whether two locations, of Hadoop or of the lake, are one.
    pub(super) fn same(&self, left: &str, right: &str) -> bool {
        let normal = |location: &str| {
            let inward = self.inward(location);
            self.outward(inward.as_deref().unwrap_or(location))
        };
        normal(left) == normal(right)
    }
}
