//! `SHOW …` and `DESCRIBE` as queries over `information_schema`, with Presto's column names.

use datafusion::sql::sqlparser::ast::{
    ObjectName, ShowStatementFilter, ShowStatementFilterPosition, ShowStatementIn,
    ShowStatementOptions,
};

use super::names::{Names, quote_literal};
use super::session::SessionSettings;
use crate::{Error, Result};

/// Returns the query for `SHOW CATALOGS`.
pub(super) fn catalogs(options: &ShowStatementOptions) -> Result<String> {
    let pattern = like(options)?;
    Ok(format!(
        "SELECT * FROM (VALUES ('lake')) AS t(\"Catalog\") {}",
        filter("\"Catalog\"", pattern)
    ))
}

/// Returns the query for `SHOW SCHEMAS [FROM catalog]`.
pub(super) fn schemas(options: &ShowStatementOptions) -> Result<String> {
    if let Some(ShowStatementIn {
        parent_name: Some(name),
        ..
    }) = &options.show_in
    {
        Names::check_catalog(&name.to_string())?;
    }
    Ok(format!(
        "SELECT schema_name AS \"Schema\" FROM lake.information_schema.schemata {} ORDER BY 1",
        filter("schema_name", like(options)?)
    ))
}

/// Returns the query for `SHOW TABLES [FROM schema]`.
pub(super) fn tables(options: &ShowStatementOptions, session: &SessionSettings) -> Result<String> {
    let schema = match &options.show_in {
        Some(ShowStatementIn {
            parent_name: Some(name),
            ..
        }) => Names::schema(name)?,
        _ => session.schema.clone().ok_or_else(|| Error::Invalid {
            message: "SHOW TABLES needs a schema: SHOW TABLES FROM lake.flights".to_owned(),
        })?,
    };
    Ok(format!(
        "SELECT table_name AS \"Table\" FROM (SELECT * FROM lake.information_schema.tables WHERE table_schema = {}) AS t {} ORDER BY 1",
        quote_literal(&schema),
        filter("table_name", like(options)?)
    ))
}

/// Returns the query for `DESCRIBE table` and `SHOW COLUMNS FROM table`.
pub(super) fn columns(table: &ObjectName, session: &SessionSettings) -> Result<String> {
    let name = Names::table(table, session)?;
    Ok(format!(
        "SELECT column_name AS \"Column\", data_type AS \"Type\", '' AS \"Extra\", coalesce(comment, '') AS \"Comment\" \
         FROM lake.information_schema.columns WHERE table_schema = {} AND table_name = {} ORDER BY ordinal_position",
        quote_literal(&name.database),
        quote_literal(&name.table)
    ))
}

fn like(options: &ShowStatementOptions) -> Result<Option<&str>> {
    match &options.filter_position {
        None => Ok(None),
        Some(
            ShowStatementFilterPosition::Infix(ShowStatementFilter::Like(pattern))
            | ShowStatementFilterPosition::Suffix(ShowStatementFilter::Like(pattern)),
        ) => Ok(Some(pattern)),
        Some(_) => Err(Error::NotSupported {
            what: "SHOW with another filter than LIKE".to_owned(),
        }),
    }
}

fn filter(column: &str, pattern: Option<&str>) -> String {
    pattern.map_or_else(String::new, |pattern| {
        format!("WHERE {column} LIKE {}", quote_literal(pattern))
    })
}
