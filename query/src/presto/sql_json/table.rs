//! What a `JSON_TABLE` says: its columns, and how the rows of its paths go together.

use serde::{Deserialize, Serialize};

use super::{Clauses, is_default};

/// `json_table`
pub const TABLE: &str = "$json_table";

/// A whole call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Of the input, the parameters and the first path; `ON ERROR` is NULL where that gives no rows.
    pub search: Clauses,
    /// In the order they are written, those of nested paths among them.
    pub columns: Vec<Column>,
    /// The rows of the first path.
    pub rows: Rows,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// As it is written in quotes, else in upper case.
    pub name: String,
    /// Where its values come from.
    pub source: Source,
}

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `FOR ORDINALITY`
    Ordinality,
    /// A path, as `json_value` takes it.
    Value {
        /// In the item of the row.
        path: String,
        /// Of the value.
        clauses: Clauses,
    },
    /// A path, as `json_query` takes it: `FORMAT JSON`.
    Query {
        /// In the item of the row.
        path: String,
        /// Of the value.
        clauses: Clauses,
    },
}

/// The rows of a path: one for each item that it finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// In the input, or in the item of the row around.
    pub path: String,
    /// The places of its own columns.
    pub columns: Vec<usize>,
    /// What nested paths give an item; none if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nested: Option<Nested>,
    /// What becomes of an item that they give no rows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub childless: Childless,
}

/// The rows of nested paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nested {
    /// Of one path.
    Path(Box<Rows>),
    /// Of one after the other.
    Union(Vec<Nested>),
    /// Each of the one with each of the other.
    Cross(Vec<Nested>),
}

/// What becomes of an item without nested rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Childless {
    /// `OUTER`: a row with NULL in the nested columns.
    #[default]
    Kept,
    /// `INNER`
    Dropped,
}

impl Table {
    /// Returns the table as text.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the table that a text says; none if it is not one of ours.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl Source {
    /// Returns how many arguments of the call are for the column.
    #[must_use]
    pub const fn arguments(&self) -> usize {
        match self {
            Self::Ordinality => 0,
            Self::Value { .. } => 3,
            Self::Query { .. } => 1,
        }
    }
}
