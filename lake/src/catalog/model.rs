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

/// A table as the catalog knows it. Columns, partitions and versions are in its Delta log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableEntry {
    /// The name.
    pub name: TableName,
    /// Where the table is: a path relative to the lake, or a URL inside it.
    pub location: String,
    /// What the table is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What the columns mean, by column name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub column_comments: BTreeMap<String, String>,
    /// Free properties; those of Delta are in the Delta log.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// When the table was registered.
    pub created_at: DateTime<Utc>,
}
