//! What the catalog says about databases and tables.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const LONGEST_NAME: usize = 128;

/// The name of a table: its database and its own name, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableName {
    /// The database.
    pub database: String,
    /// The table's name within the database.
    pub table: String,
}

impl TableName {
    /// Checks both parts and puts them into lower case.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] for a part that is empty, too long, or has a character other than
    /// letters, digits, `_` and `-`.
    pub fn new(database: &str, table: &str) -> Result<Self> {
        Ok(Self {
            database: normal_name(database)?,
            table: normal_name(table)?,
        })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

impl FromStr for TableName {
    type Err = Error;

    /// Parses `database.table`.
    fn from_str(text: &str) -> Result<Self> {
        let (database, table) = text.split_once('.').ok_or_else(|| Error::InvalidName {
            name: text.to_owned(),
            reason: "a table is named `database.table`",
        })?;
        Self::new(database, table)
    }
}

/// Checks a database's or table's name and puts it into lower case.
pub(crate) fn normal_name(name: &str) -> Result<String> {
    let invalid = |reason| Error::InvalidName {
        name: name.to_owned(),
        reason,
    };
    if name.is_empty() {
        return Err(invalid("it is empty"));
    }
    if name.len() > LONGEST_NAME {
        return Err(invalid("it is longer than 128 bytes"));
    }
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    {
        return Err(invalid("only letters, digits, `_` and `-` are allowed"));
    }
    Ok(name.to_ascii_lowercase())
}

/// A database: a name for a group of tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// The name, in lower case.
    pub name: String,
    /// What the database is for.
    pub comment: Option<String>,
    /// Free properties.
    pub properties: BTreeMap<String, String>,
    /// Where its tables go unless they say otherwise: a path relative to the lake, or a URL. None
    /// means a folder of the database's name in the lake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Who is responsible for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl Database {
    /// Returns a database with a name and nothing else.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

/// Whose files a table's files are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// The lake's: dropping the table deletes them, after a grace period.
    #[default]
    Managed,
    /// Somebody else's: the lake never deletes them.
    External,
}

/// How the files of a table are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableFormat {
    /// By its Delta log, which also has the columns, partitions and versions.
    #[default]
    Delta,
    /// Parquet files in Hive's folder layout.
    Parquet,
    /// Delimited text in Hive's folder layout.
    Csv,
    /// A JSON object per line in Hive's folder layout.
    Json,
}

impl fmt::Display for TableFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delta => "delta",
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Json => "json",
        })
    }
}

/// A column of a table that has no Delta log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The name, in lower case.
    pub name: String,
    /// The type as Hive writes it, such as `bigint` or `array<string>`; see
    /// [`hive_types`](super::hive_types).
    pub data_type: String,
    /// What the column means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl Column {
    /// Returns a column without a comment.
    pub fn new(name: impl Into<String>, data_type: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            data_type: data_type.into(),
            comment: None,
        }
    }
}

/// How Hive reads and writes the files of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageDescriptor {
    /// The Java class that reads rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serde: Option<String>,
    /// The Java class that reads files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_format: Option<String>,
    /// The Java class that writes files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_format: Option<String>,
    /// Options of `serde`, such as `field.delim`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub serde_parameters: BTreeMap<String, String>,
}

/// What was counted in a table when somebody asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableStatistics {
    /// Rows; none when the files do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Data files.
    pub files: u64,
    /// Bytes of the data files.
    pub bytes: u64,
    /// When they were counted; nothing updates them by itself.
    pub collected_at: DateTime<Utc>,
}

/// A table as the catalog knows it. Columns, partitions and versions of a Delta table are in its
/// Delta log; those of other formats have no other place than here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableEntry {
    /// The name.
    pub name: TableName,
    /// Where the table is: a path relative to the lake, or a URL.
    pub location: String,
    /// What the table is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What the columns of a Delta table mean, by column name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub column_comments: BTreeMap<String, String>,
    /// Free properties; those of Delta are in the Delta log.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// When the table was registered.
    pub created_at: DateTime<Utc>,
    /// Whose files the table's files are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: TableKind,
    /// How the files are read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: TableFormat,
    /// Who is responsible for the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The columns, without partition keys; empty for a Delta table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
    /// The columns whose values are in the names of folders; empty for a Delta table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_keys: Vec<Column>,
    /// How Hive reads and writes the files.
    #[serde(default, skip_serializing_if = "is_default")]
    pub storage: StorageDescriptor,
    /// What was counted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<TableStatistics>,
}

impl TableEntry {
    /// Returns the entry of a managed Delta table without comments and properties.
    pub fn delta(name: TableName, location: impl Into<String>, created_at: DateTime<Utc>) -> Self {
        Self {
            name,
            location: location.into(),
            comment: None,
            column_comments: BTreeMap::new(),
            properties: BTreeMap::new(),
            created_at,
            kind: TableKind::Managed,
            format: TableFormat::Delta,
            owner: None,
            columns: Vec::new(),
            partition_keys: Vec::new(),
            storage: StorageDescriptor::default(),
            statistics: None,
        }
    }

    /// Returns the entry of an external table of files, without partition keys.
    pub fn external(
        name: TableName,
        location: impl Into<String>,
        format: TableFormat,
        columns: Vec<Column>,
        created_at: DateTime<Utc>,
    ) -> Self {
        Self {
            kind: TableKind::External,
            format,
            columns,
            ..Self::delta(name, location, created_at)
        }
    }
}

/// A table that was dropped and can be had back until its files are deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DroppedTable {
    /// What was known of it.
    pub entry: TableEntry,
    /// When it was dropped.
    pub dropped_at: DateTime<Utc>,
    /// From when on its files may be deleted; none when they stay, because they are not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_after: Option<DateTime<Utc>>,
    /// Says that somebody has begun to delete the files: it cannot be had back.
    #[serde(default, skip_serializing_if = "is_default")]
    pub purging: bool,
}

/// What to do about something that is to be added and exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// Keep what exists and go on.
    Keep,
    /// Fail, and change nothing.
    Fail,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
