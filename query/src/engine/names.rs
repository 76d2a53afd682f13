//! Names in statements that DataFusion does not plan.

use datafusion::sql::sqlparser::ast::{ObjectName, ObjectNamePart};
use lake::TableName;

use super::session::SessionSettings;
use crate::{Error, Result};

/// Resolves names against catalog `lake` and a session's defaults.
pub(super) struct Names;

impl Names {
    pub(super) fn check_catalog(name: &str) -> Result<()> {
        let name = name.trim_matches('"');
        if name.eq_ignore_ascii_case(super::CATALOG) {
            return Ok(());
        }
        Err(Error::CatalogNotFound {
            name: name.to_owned(),
        })
    }

    /// Returns the schema named by `schema` or `lake.schema`.
    pub(super) fn schema(name: &ObjectName) -> Result<String> {
        match parts(name)?.as_slice() {
            [schema] => Ok(schema.to_ascii_lowercase()),
            [catalog, schema] => {
                Self::check_catalog(catalog)?;
                Ok(schema.to_ascii_lowercase())
            }
            _ => Err(Error::Invalid {
                message: format!("`{name}` is not a schema name"),
            }),
        }
    }

    /// Returns the table named by `table`, `schema.table` or `lake.schema.table`.
    pub(super) fn table(name: &ObjectName, session: &SessionSettings) -> Result<TableName> {
        match parts(name)?.as_slice() {
            [table] => {
                let schema = session.schema.as_deref();
                let schema = schema.ok_or_else(|| Error::MissingSchema {
                    name: table.clone(),
                })?;
                Ok(TableName::new(schema, table)?)
            }
            [schema, table] => Ok(TableName::new(schema, table)?),
            [catalog, schema, table] => {
                Self::check_catalog(catalog)?;
                Ok(TableName::new(schema, table)?)
            }
            _ => Err(Error::Invalid {
                message: format!("`{name}` is not a table name"),
            }),
        }
    }
}

fn parts(name: &ObjectName) -> Result<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(ident.value.clone()),
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
