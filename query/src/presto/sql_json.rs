//! What the clauses of SQL/JSON calls say, between the reader of their syntax and the functions they become.
//!
//! ```text
//! json_exists(j, p …)     ->  "$json_exists"(j, p, clauses, parameter, …)
//! json_query(j, p …)      ->  "$json_query"(j, p, clauses, CAST(NULL AS type), parameter, …)
//! json_value(j, p …)      ->  "$json_value"(j, p, clauses, CAST(NULL AS type), on empty, on error, parameter, …)
//! json_object(k : v, …)   ->  "$json_object"(clauses, CAST(NULL AS type), k, v, …)
//! json_array(v, …)        ->  "$json_array"(clauses, CAST(NULL AS type), v, …)
//! json_table(j, p …)      ->  UNNEST("$json_table"(j, table, argument of a column, …, parameter, …))
//! ```
//!
//! The clauses travel as a text. They have no places, because calls that say the same must be the same to `GROUP BY`.

pub mod table;

use serde::{Deserialize, Serialize};

/// `json_exists`
pub const EXISTS: &str = "$json_exists";
/// `json_query`
pub const QUERY: &str = "$json_query";
/// `json_value`
pub const VALUE: &str = "$json_value";
/// `json_object`
pub const OBJECT: &str = "$json_object";
/// `json_array`
pub const ARRAY: &str = "$json_array";

/// What a call says besides its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clauses {
    /// How the input is read.
    #[serde(skip_serializing_if = "is_default")]
    pub input: Format,
    /// The names of parameters, in the order of their values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// How values are read: parameters, elements, members.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<Format>,
    /// How the result is written.
    #[serde(skip_serializing_if = "is_default")]
    pub output: Format,
    /// `WITH WRAPPER`
    #[serde(skip_serializing_if = "is_default")]
    pub wrapper: Wrapper,
    /// `OMIT QUOTES`
    #[serde(skip_serializing_if = "is_default")]
    pub quotes: Quotes,
    /// `ON EMPTY`
    #[serde(skip_serializing_if = "is_default")]
    pub on_empty: Behaviour,
    /// `ON ERROR`
    #[serde(skip_serializing_if = "is_default")]
    pub on_error: Behaviour,
    /// `ON NULL`
    #[serde(skip_serializing_if = "is_default")]
    pub nulls: Nulls,
    /// `UNIQUE KEYS`
    #[serde(skip_serializing_if = "is_default")]
    pub keys: Keys,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How JSON is read from a value, or written as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Not at all: the value is one of SQL.
    #[default]
    Sql,
    /// `FORMAT JSON`
    Json,
    /// `FORMAT JSON ENCODING UTF8`
    Utf8,
    /// `FORMAT JSON ENCODING UTF16`
    Utf16,
    /// `FORMAT JSON ENCODING UTF32`
    Utf32,
}

impl Format {
    /// Returns the format as messages write it.
    #[must_use]
    pub const fn shown(self) -> &'static str {
        match self {
            Self::Sql | Self::Json => "JSON",
            Self::Utf8 => "JSON ENCODING UTF8",
            Self::Utf16 => "JSON ENCODING UTF16",
            Self::Utf32 => "JSON ENCODING UTF32",
        }
    }
}

/// What several items become.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrapper {
    /// An error.
    #[default]
    Without,
    /// An array, unless it is one array or object.
    Conditional,
    /// An array.
    Unconditional,
}

/// What is around a text that is the only item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quotes {
    /// Its quotes.
    #[default]
    Keep,
    /// Nothing.
    Omit,
}

/// What the result is where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// NULL; of `json_exists`, `UNKNOWN`.
    #[default]
    Null,
    /// There is none.
    Error,
    /// An expression.
    Default,
    /// `[]`
    EmptyArray,
    /// `{}`
    EmptyObject,
    /// `TRUE`
    True,
    /// `FALSE`
    False,
}

/// What NULLs among values are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// `null`
    #[default]
    Null,
    /// Left out.
    Absent,
}

/// Whether keys that repeat are the caller's mistake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// They are not, but we do not have objects with them.
    #[default]
    Any,
    /// They are.
    Unique,
}

impl Clauses {
    /// Returns the clauses as text.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the clauses that a text says; none if it is not one of ours.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
