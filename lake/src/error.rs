//! What can go wrong on the ground floor, in the words of a caller who can act on it.

mod hint;

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deltalake::DeltaTableError;

use crate::catalog::TableFormat;
use crate::storage::StoreFailure;

/// The result of an operation on the lake.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the lake. The cause is in [`source`](std::error::Error::source) and not in the
/// message; a known remedy is in [`Error::hint`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage URL names no place a lake can live in.
    #[error("storage url `{url}` cannot be used: {reason}")]
    InvalidStorageUrl {
        /// The URL as configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A storage option is unknown, or would make concurrent commits unsafe.
    #[error("storage option `{option}` is refused: {reason}")]
    StorageOptionRefused {
        /// The option as configured.
        option: String,
        /// Why it is refused.
        reason: String,
    },

    /// The file of certificates to trust cannot be used.
    #[error("the certificates in `{path}` (storage.client.ca_file) cannot be used")]
    Certificates {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The store did not do what we asked.
    #[error("{action} at `{url}` failed{}", because(StoreFailure::of(source)))]
    Storage {
        /// The place.
        url: String,
        /// What we were doing.
        action: &'static str,
        /// The store's answer.
        #[source]
        source: object_store::Error,
    },

    /// The folder of the lake cannot be created or read.
    #[error("opening the lake folder `{path}` failed")]
    Folder {
        /// The folder.
        path: String,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },

    /// The bucket cannot be created or looked up.
    #[error("{action} bucket `{bucket}` at `{endpoint}` failed{}", because(*failure))]
    Bucket {
        /// The bucket.
        bucket: String,
        /// The S3 endpoint.
        endpoint: String,
        /// What we were doing.
        action: &'static str,
        /// Why it failed, where that is known.
        failure: Option<StoreFailure>,
        /// The answer of the S3 administration client.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The store accepts a conditional put but ignores its condition.
    #[error(
        "the store at `{url}` let a second conditional put of one key win: commits would be lost"
    )]
    ConditionalPutIgnored {
        /// The place.
        url: String,
    },

    /// The store answers, but not as a store must.
    #[error("the store at `{url}` cannot be relied on: {what}")]
    StoreUnreliable {
        /// The place.
        url: String,
        /// What it did.
        what: &'static str,
    },

    /// A rule of the bucket deletes objects of the lake.
    #[error("lifecycle rule {rule} of bucket `{bucket}` destroys the tables of the lake")]
    LifecycleDeletesTables {
        /// The bucket.
        bucket: String,
        /// The rule, in words.
        rule: String,
    },

    /// The name of a database or table is not allowed.
    #[error("`{name}` is not a valid name: {reason}")]
    InvalidName {
        /// The name as given.
        name: String,
        /// Why it is refused.
        reason: &'static str,
    },

    /// There is no such database.
    #[error("database `{name}` does not exist{}", did_you_mean(nearest))]
    DatabaseNotFound {
        /// The name that was asked for.
        name: String,
        /// The nearest names that exist.
        nearest: Vec<String>,
    },

    /// The database exists already.
    #[error("database `{name}` already exists")]
    DatabaseAlreadyExists {
        /// The database.
        name: String,
    },

    /// A database with tables is not dropped.
    #[error("database `{name}` still has {tables} tables")]
    DatabaseNotEmpty {
        /// The database.
        name: String,
        /// How many tables it has.
        tables: usize,
    },

    /// There is no such table.
    #[error("table `{name}` does not exist{}", did_you_mean(nearest))]
    TableNotFound {
        /// The name that was asked for.
        name: String,
        /// The nearest names that exist.
        nearest: Vec<String>,
    },

    /// The table exists already.
    #[error("table `{name}` already exists")]
    TableAlreadyExists {
        /// The table.
        name: String,
    },

    /// No dropped table has had that name, or its files are being deleted.
    #[error("no dropped table `{name}` can be had back{}", did_you_mean(nearest))]
    DroppedTableNotFound {
        /// The name that was asked for.
        name: String,
        /// The nearest names of dropped tables.
        nearest: Vec<String>,
    },

    /// A managed table cannot have files that another one deletes.
    #[error("location `{location}` belongs to table `{table}`")]
    LocationTaken {
        /// The location as given.
        location: String,
        /// The table whose files are there.
        table: String,
    },

    /// The table has another format than the operation needs.
    #[error("table `{table}` has format {format}, but this needs a Delta table")]
    NotDelta {
        /// The table.
        table: String,
        /// Its format.
        format: TableFormat,
    },

    /// The table has a Delta log, which the operation does not work on.
    #[error("table `{table}` is a Delta table, but this needs one of files without a log")]
    NotExternal {
        /// The table.
        table: String,
    },

    /// A partition contradicts its table.
    #[error("table `{table}` cannot have such a partition: {reason}")]
    InvalidPartition {
        /// The table.
        table: String,
        /// What is wrong.
        reason: String,
    },

    /// The table has no such partition.
    #[error("table `{table}` has no partition `{partition}`")]
    PartitionNotFound {
        /// The table.
        table: String,
        /// The partition's name.
        partition: String,
    },

    /// The table has such a partition already.
    #[error("table `{table}` already has partition `{partition}`")]
    PartitionAlreadyExists {
        /// The table.
        table: String,
        /// The partition's name.
        partition: String,
    },

    /// A data file cannot be read.
    #[error("table `{table}`: file `{file}` cannot be read")]
    CorruptFile {
        /// The table.
        table: String,
        /// The file.
        file: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A text is not a type of Hive.
    #[error("`{text}` is not a Hive type: {reason}")]
    InvalidHiveType {
        /// The text.
        text: String,
        /// What is wrong, and where.
        reason: String,
    },

    /// A newer version has changed the catalog in a way that this one does not know.
    #[error(
        "catalog file `{path}` has a change of kind `{change}`, which this version does not know"
    )]
    UnknownCatalogChange {
        /// The file.
        path: String,
        /// The kind of change.
        change: String,
    },

    /// A file of the catalog cannot be understood.
    #[error("catalog file `{path}` is corrupt")]
    CatalogCorrupt {
        /// The file.
        path: String,
        /// Why it cannot be parsed.
        #[source]
        source: serde_json::Error,
    },

    /// A file in the middle of the catalog's log is missing.
    #[error("catalog log file `{path}` is missing, although later ones exist")]
    CatalogGap {
        /// The missing file.
        path: String,
    },

    /// Other processes won every attempt to change the catalog.
    #[error("the catalog at `{url}` changed under us {attempts} times in a row")]
    CatalogContended {
        /// The catalog's folder.
        url: String,
        /// How often we tried.
        attempts: usize,
    },

    /// A table location points out of the lake.
    #[error("location `{location}` is not inside the lake `{root}`")]
    LocationOutsideLake {
        /// The location as given.
        location: String,
        /// The lake.
        root: String,
    },

    /// A location outside the lake that the configuration does not allow.
    #[error("location `{location}` is outside the lake, and nothing allows it")]
    ExternalLocationNotAllowed {
        /// The location as it was understood.
        location: String,
    },

    /// Delta refused or failed an operation on a table.
    #[error("{action} table `{table}` at `{location}`{} failed", at_version(*version))]
    Table {
        /// The table.
        table: String,
        /// Where it is.
        location: String,
        /// The version we worked with, if known.
        version: Option<u64>,
        /// What we were doing.
        action: &'static str,
        /// Delta's answer.
        #[source]
        source: Box<DeltaTableError>,
    },

    /// The catalog names a location that has no Delta log.
    #[error("table `{table}` has no Delta log at `{location}`")]
    MissingLog {
        /// The table.
        table: String,
        /// Where the log should be.
        location: String,
    },

    /// A commit in the middle of the Delta log is missing.
    #[error(
        "table `{table}` at `{location}`: log file `{file}` is missing, although later ones exist"
    )]
    LogGap {
        /// The table.
        table: String,
        /// Where it is.
        location: String,
        /// The missing file.
        file: String,
    },

    /// A file of the Delta log cannot be understood.
    #[error("table `{table}` at `{location}`: log file `{file}` is corrupt")]
    CorruptLog {
        /// The table.
        table: String,
        /// Where it is.
        location: String,
        /// The corrupt file.
        file: String,
        /// Why it cannot be parsed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The table has no such version.
    #[error("table `{table}` has no version {version}; its latest version is {latest}")]
    VersionNotFound {
        /// The table.
        table: String,
        /// The version that was asked for.
        version: u64,
        /// The latest version.
        latest: u64,
    },

    /// The table did not exist at that time, or its log of that time is gone.
    #[error("table `{table}` has no version at {timestamp}; its log starts at {earliest}")]
    NoVersionAt {
        /// The table.
        table: String,
        /// The time that was asked for.
        timestamp: DateTime<Utc>,
        /// The time of the earliest commit in the log.
        earliest: DateTime<Utc>,
    },

    /// Columns or rows do not fit the table, or a table of that shape cannot exist.
    #[error("table `{table}`: {reason}")]
    SchemaMismatch {
        /// The table.
        table: String,
        /// What does not fit.
        reason: String,
    },

    /// The table's property `delta.appendOnly` is set.
    #[error("table `{table}` is append-only: rows cannot be deleted, changed or replaced")]
    AppendOnly {
        /// The table.
        table: String,
    },

    /// The table uses a Delta feature that our writer does not honour.
    #[error("table `{table}` at `{location}` uses {feature}, which this writer does not support")]
    UnsupportedFeature {
        /// The table.
        table: String,
        /// Where it is.
        location: String,
        /// The feature, as the Delta protocol spells it.
        feature: String,
    },

    /// The table's columns or properties changed while rows were written.
    #[error("table `{table}` was redefined in version {version} while rows were written for it")]
    TableRedefined {
        /// The table.
        table: String,
        /// The version with the new definition.
        version: u64,
    },

    /// A row breaks a rule of the table.
    #[error("table `{table}`: a row breaks {rule}: {row}")]
    ConstraintViolated {
        /// The table.
        table: String,
        /// The rule, with its expression. When it is not known which one, all that it may be.
        rule: String,
        /// The row, as `column = value` pairs.
        row: String,
    },

    /// The table did not record what changed.
    #[error("table `{table}` did not record changes at version {version}")]
    ChangesNotRecorded {
        /// The table.
        table: String,
        /// The version.
        version: u64,
    },

    /// A data file of a version is gone.
    #[error("table `{table}`: data file `{file}` of version {version} is gone")]
    MissingFile {
        /// The table.
        table: String,
        /// The version.
        version: u64,
        /// The file, as the log names it.
        file: String,
    },

    /// A folder has no Parquet files to make a table of.
    #[error("table `{table}`: there are no Parquet files at `{location}`")]
    NothingToConvert {
        /// The table.
        table: String,
        /// Where they should be.
        location: String,
    },

    /// An offset range contradicts itself or the other ranges of its commit.
    #[error("offset range of source `{offset_source}` is not valid: {reason}")]
    InvalidOffsetRange {
        /// The source of the range.
        offset_source: String,
        /// What is wrong.
        reason: &'static str,
    },

    /// Other writers won every attempt to commit.
    #[error("table `{table}` at `{location}`: {attempts} commits in a row lost to other writers")]
    Contended {
        /// The table.
        table: String,
        /// Where it is.
        location: String,
        /// How often we tried.
        attempts: usize,
    },

    /// Files would be deleted that others may still need.
    #[error(
        "table `{table}`: keeping removed files for {} h only is refused, the minimum is {} h",
        asked.as_secs() / 3600,
        minimum.as_secs() / 3600
    )]
    RetentionTooShort {
        /// The table.
        table: String,
        /// The retention that was asked for.
        asked: Duration,
        /// The least that the table or the configuration allows.
        minimum: Duration,
    },

    /// A version can be read no more, because some of its files are gone.
    #[error(
        "version {version} of table `{table}` cannot be pinned: {missing} of its files are gone"
    )]
    VersionIncomplete {
        /// The table.
        table: String,
        /// The version.
        version: u64,
        /// How many of its data files do not exist.
        missing: usize,
    },

    /// A bug of ours.
    #[error("internal error: {message}; please report this")]
    Internal {
        /// What we did not expect.
        message: String,
    },
}

impl Error {
    /// Returns why a store failed, where it is the store's fault and the reason is known.
    pub fn store_failure(&self) -> Option<StoreFailure> {
        match self {
            Self::Bucket { failure, .. } => *failure,
            Self::Folder { .. } | Self::Certificates { .. } => None,
            error => StoreFailure::of(error),
        }
    }
}

fn because(failure: Option<StoreFailure>) -> String {
    failure.map_or_else(String::new, |failure| format!(": {failure}"))
}

fn did_you_mean(nearest: &[String]) -> String {
    let mut text = String::new();
    for (index, name) in nearest.iter().enumerate() {
        let lead = if index == 0 { "; did you mean" } else { " or" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{lead} `{name}`");
    }
    text
}

fn at_version(version: Option<u64>) -> String {
    version.map_or_else(String::new, |version| format!(" (version {version})"))
}
