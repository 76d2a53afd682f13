//! Arguments of methods, as the IDL numbers them.

use lake::{Error, TableName};
use pilota::FastStr;

use super::failure::{Failure, Result};
use super::wire::Fields;

/// The catalog that Hive 3 and later put in front of a database: `@hive#database`.
const CATALOG: &str = "hive";

fn missing(id: i16, kind: &str) -> Failure {
    Failure::Argument(format!("argument {id} is missing or is no {kind}"))
}

pub(super) fn text(fields: &Fields, id: i16) -> Result<FastStr> {
    fields.text(id).ok_or_else(|| missing(id, "text"))
}

pub(super) fn texts(fields: &Fields, id: i16) -> Result<Vec<FastStr>> {
    fields.texts(id).ok_or_else(|| missing(id, "list of texts"))
}

pub(super) fn object(fields: &Fields, id: i16) -> Result<&Fields> {
    fields.fields(id).ok_or_else(|| missing(id, "structure"))
}

pub(super) fn objects(fields: &Fields, id: i16) -> Result<Vec<&Fields>> {
    fields
        .list(id)
        .ok_or_else(|| missing(id, "list of structures"))
}

/// Returns the most results the client wants; none or less than none means all.
pub(super) fn limit(fields: &Fields, id: i16) -> usize {
    match fields.number(id) {
        Some(number) if number >= 0 => usize::try_from(number).unwrap_or(usize::MAX),
        _ => usize::MAX,
    }
}

/// Returns the name of a database in lower case, without its catalog.
pub(super) fn database(fields: &Fields, id: i16) -> Result<String> {
    without_catalog(&text(fields, id)?)
}

/// Takes `@hive#` off; after it, `!` stands for no database at all.
pub(super) fn without_catalog(name: &str) -> Result<String> {
    let Some(qualified) = name.strip_prefix('@') else {
        return Ok(name.to_ascii_lowercase());
    };
    match qualified.split_once('#') {
        Some((CATALOG, "!")) => Ok(String::new()),
        Some((CATALOG, database)) => Ok(database.to_ascii_lowercase()),
        _ => Err(Failure::DatabaseMissing(format!(
            "there is no such catalog in `{name}`; the only one is `{CATALOG}`"
        ))),
    }
}

/// Returns the table named by two arguments. A name that no table can have is one that none has.
pub(super) fn table(fields: &Fields, database_id: i16, table_id: i16) -> Result<TableName> {
    let (database, table) = (database(fields, database_id)?, text(fields, table_id)?);
    existing_table(&database, &table)
}

/// Returns the name of a table that is looked for.
pub(super) fn existing_table(database: &str, table: &str) -> Result<TableName> {
    TableName::new(database, table).map_err(|error: Error| Failure::TableMissing(error.to_string()))
}
