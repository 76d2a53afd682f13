//! Names in statements that DataFusion does not plan.

use datafusion::sql::sqlparser::ast::{ObjectName, ObjectNamePart};
use lake::TableName;

use super::session::SessionSettings;
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// The catalog of what the engine says about itself.
pub(super) const SYSTEM: &str = "system";

/// The schema that every metastore has.
pub(super) const DEFAULT: &str = "default";

/// The names of the lake; all mean the same.
pub(super) const CATALOGS: [&str; 3] = ["delta", "hive", super::CATALOG];

/// Resolves names against the catalogs and a session's defaults.
pub(super) struct Names;

/// A name with all of its parts, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FullName {
    pub(super) catalog: String,
    pub(super) schema: String,
    pub(super) table: String,
}

impl std::fmt::Display for FullName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.schema, self.table)
    }
}

impl FullName {
    /// Returns the name in the lake.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` for what only can be read: the `system` catalog and `information_schema`.
    pub(super) fn in_lake(&self) -> Result<TableName> {
        if self.catalog == SYSTEM || self.schema == super::information_schema::NAME {
            return Err(TrinoFailure::new(
                "NOT_SUPPORTED",
                format!("Table '{self}' can only be read"),
            )
            .into());
        }
        Ok(TableName::new(&self.schema, &self.table)?)
    }
}

impl Names {
    pub(super) fn check_catalog(name: &str) -> Result<()> {
        let name = name.trim_matches('"');
        if is_lake(name) {
            return Ok(());
        }
        if name.eq_ignore_ascii_case(SYSTEM) {
            return Err(
                TrinoFailure::new("NOT_SUPPORTED", "Catalog 'system' can only be read").into(),
            );
        }
        Err(catalog_not_found(name))
    }

    /// Returns the schema named by `schema` or `catalog.schema`.
    pub(super) fn schema(name: &ObjectName) -> Result<String> {
        let (catalog, schema) = Self::catalog_and_schema(&parts(name)?)?;
        if let Some(catalog) = catalog {
            Self::check_catalog(&catalog)?;
        }
        Ok(schema)
    }

    /// Splits `[catalog.]schema`; nothing is checked.
    pub(super) fn catalog_and_schema(parts: &[String]) -> Result<(Option<String>, String)> {
        match parts {
            [schema] => Ok((None, schema.to_lowercase())),
            [catalog, schema] => Ok((Some(catalog.to_lowercase()), schema.to_lowercase())),
            _ => Err(Error::Syntax {
                message: format!("Expected: a schema name, found: {}", parts.join(".")),
            }),
        }
    }

    /// Returns the table named by `table`, `schema.table` or `catalog.schema.table`.
    pub(super) fn table(name: &ObjectName, session: &SessionSettings) -> Result<TableName> {
        Self::full(&parts(name)?, session)?.in_lake()
    }

    /// Completes a name by the session's defaults.
    ///
    /// # Errors
    /// [`Error::MissingSchema`], and `CATALOG_NOT_FOUND`.
    pub(super) fn full(parts: &[String], session: &SessionSettings) -> Result<FullName> {
        let default_catalog = || catalog_of(session);
        let (catalog, schema, table) = match parts {
            [table] => {
                let schema = session.schema.clone();
                let schema = schema.ok_or_else(|| Error::MissingSchema {
                    name: table.clone(),
                })?;
                (default_catalog(), schema, table)
            }
            [schema, table] => (default_catalog(), schema.clone(), table),
            [catalog, schema, table] => (catalog.clone(), schema.clone(), table),
            _ => {
                return Err(Error::Syntax {
                    message: format!("Expected: a table name, found: {}", parts.join(".")),
                });
            }
        };
        if !is_lake(&catalog) && !catalog.eq_ignore_ascii_case(SYSTEM) {
            return Err(catalog_not_found(&catalog));
        }
        Ok(FullName {
            catalog: catalog.to_lowercase(),
            schema: schema.to_lowercase(),
            table: table.to_lowercase(),
        })
    }
}

/// Returns the catalog that a session's names are in.
pub(super) fn catalog_of(session: &SessionSettings) -> String {
    let catalog = session.catalog.as_deref().unwrap_or(super::CATALOG);
    catalog.to_lowercase()
}

/// Returns whether a catalog is the lake.
pub(super) fn is_lake(catalog: &str) -> bool {
    CATALOGS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(catalog))
}

pub(super) fn catalog_not_found(name: &str) -> Error {
    TrinoFailure::new("CATALOG_NOT_FOUND", format!("Catalog '{name}' not found")).into()
}

/// Returns an error of the lake in Trino's words, with the names that may have been meant.
pub(super) fn in_catalog(error: lake::Error, catalog: &str) -> Error {
    match error {
        lake::Error::DatabaseNotFound { name, nearest } => TrinoFailure::new(
            "SCHEMA_NOT_FOUND",
            format!("Schema '{name}' does not exist{}", did_you_mean(&nearest)),
        )
        .into(),
        lake::Error::TableNotFound { name, nearest } => TrinoFailure::new(
            "TABLE_NOT_FOUND",
            format!(
                "Table '{catalog}.{name}' does not exist{}",
                did_you_mean(&nearest)
            ),
        )
        .into(),
        lake::Error::TableAlreadyExists { name } => TrinoFailure::new(
            "TABLE_ALREADY_EXISTS",
            format!("Table '{catalog}.{name}' already exists"),
        )
        .into(),
        lake::Error::DatabaseAlreadyExists { name } => TrinoFailure::new(
            "SCHEMA_ALREADY_EXISTS",
            format!("Schema '{catalog}.{name}' already exists"),
        )
        .into(),
        lake::Error::DatabaseNotEmpty { name, .. } => TrinoFailure::new(
            "SCHEMA_NOT_EMPTY",
            format!("Cannot drop non-empty schema '{name}'"),
        )
        .into(),
        lake::Error::ConstraintViolated { .. } => {
            TrinoFailure::new("CONSTRAINT_VIOLATION", error.to_string()).into()
        }
        lake::Error::TableRedefined { .. } => {
            TrinoFailure::new("TRANSACTION_CONFLICT", error.to_string()).into()
        }
        lake::Error::RetentionTooShort { .. } => {
            TrinoFailure::new("GENERIC_USER_ERROR", error.to_string()).into()
        }
        lake::Error::MissingLog { location, .. } => TrinoFailure::new(
            "GENERIC_USER_ERROR",
            format!("No transaction log found in location {location}"),
        )
        .into(),
        other => other.into(),
    }
}

/// Returns `; did you mean …` for names that are near; nothing for none.
pub(super) fn did_you_mean(nearest: &[String]) -> String {
    if nearest.is_empty() {
        return String::new();
    }
    format!("; did you mean '{}'?", nearest.join("' or '"))
}

/// Returns the error that a table has no such column.
pub(super) fn column_not_found<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    message: impl FnOnce() -> String,
) -> Error {
    let nearest = lake::nearest(name, known);
    TrinoFailure::new(
        "COLUMN_NOT_FOUND",
        format!("{}{}", message(), did_you_mean(&nearest)),
    )
    .into()
}

pub(super) fn parts(name: &ObjectName) -> Result<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(ident.value.to_lowercase()),
            ObjectNamePart::Function(_) => Err(Error::Invalid {
                message: format!("`{name}` is not a name"),
            }),
        })
        .collect()
}

/// Returns `text` as an SQL string literal.
pub(crate) fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns `name` as an identifier, in quotes where it needs them.
pub(super) fn quote_name(name: &str) -> String {
    let mut characters = name.chars();
    let simple = characters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if simple && !is_reserved(name) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Trino's reserved words.
fn is_reserved(name: &str) -> bool {
    const WORDS: [&str; 73] = [
        "alter",
        "and",
        "as",
        "between",
        "by",
        "case",
        "cast",
        "constraint",
        "create",
        "cross",
        "cube",
        "current_catalog",
        "current_date",
        "current_path",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "deallocate",
        "delete",
        "describe",
        "distinct",
        "drop",
        "else",
        "end",
        "escape",
        "except",
        "execute",
        "exists",
        "extract",
        "false",
        "for",
        "from",
        "full",
        "group",
        "grouping",
        "having",
        "in",
        "inner",
        "insert",
        "intersect",
        "into",
        "is",
        "join",
        "json_exists",
        "left",
        "like",
        "localtime",
        "localtimestamp",
        "natural",
        "normalize",
        "not",
        "null",
        "on",
        "or",
        "order",
        "outer",
        "prepare",
        "recursive",
        "right",
        "rollup",
        "select",
        "skip",
        "table",
        "then",
        "trim",
        "true",
        "uescape",
        "union",
        "unnest",
        "using",
        "values",
    ];
    const MORE: [&str; 3] = ["when", "where", "with"];
    WORDS.contains(&name) || MORE.contains(&name)
}
