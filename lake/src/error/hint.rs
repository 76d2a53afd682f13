//! What to do about an error.

use super::Error;

impl Error {
    /// Returns what to do about the error, where a remedy is known.
    pub fn hint(&self) -> Option<&'static str> {
        if let Some(failure) = self.store_failure() {
            return Some(failure.hint());
        }
        match self {
            Self::InvalidStorageUrl { .. } => Some(
                "use a folder, `file:///path`, `memory://`, `s3://bucket/prefix`, \
                 `gs://bucket/prefix` or `az://container/prefix`",
            ),
            Self::Certificates { .. } => {
                Some("storage.client.ca_file names a PEM file that this user may read")
            }
            Self::ExternalLocationNotAllowed { .. } => {
                Some("list the URL, or one above it, in storage.external_locations")
            }
            Self::LifecycleDeletesTables { .. } => {
                Some("remove the rule, or limit it to a prefix outside the lake")
            }
            Self::Storage { .. } => Some(
                "check that the store is reachable and that the credentials may read and write",
            ),
            Self::Folder { .. } => Some("check that the folder exists and may be written"),
            Self::Bucket { .. } => Some(
                "check storage.s3.endpoint, region and keys; or create the bucket yourself and set \
                 storage.s3.create_bucket = false",
            ),
            Self::ConditionalPutIgnored { .. } => Some(
                "use a store that honours `If-None-Match: *` (AWS S3, MinIO, RustFS, a local folder)",
            ),
            Self::DatabaseNotEmpty { .. } => Some("drop its tables first"),
            Self::LocationTaken { .. } => {
                Some("register the table as external, or choose another location")
            }
            Self::NotDelta { .. } => Some("use an external table through SQL, which only reads it"),
            Self::InvalidHiveType { .. } => Some(
                "write types like `bigint`, `decimal(10,2)`, `array<string>` or `struct<a:int>`",
            ),
            Self::UnknownCatalogChange { .. } => Some("upgrade this process"),
            Self::ChangesNotRecorded { .. } => Some(
                "set the property delta.enableChangeDataFeed = true; later versions record changes",
            ),
            Self::MissingFile { .. } => {
                Some("vacuum removed it; restore a version within the retention period")
            }
            Self::MissingLog { .. } => {
                Some("restore the table's folder, or drop the table from the catalog")
            }
            Self::CatalogCorrupt { .. }
            | Self::CatalogGap { .. }
            | Self::LogGap { .. }
            | Self::CorruptLog { .. }
            | Self::CorruptFile { .. } => Some("restore the file from a backup"),
            Self::TableRedefined { .. } => Some("write the rows again"),
            Self::CatalogContended { .. } | Self::Contended { .. } => {
                Some("try again, or write from fewer processes")
            }
            Self::RetentionTooShort { .. } => Some(
                "queries of other processes may read files that were removed lately; if nothing \
                 else uses the table, ask for it explicitly",
            ),
            Self::VersionIncomplete { .. } => Some(
                "a vacuum has removed them; pin a version before it is older than the retention",
            ),
            _ => None,
        }
    }
}
