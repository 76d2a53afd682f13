//! Statements that change rows: a query or planned expressions, then one commit.

pub(super) mod assign;
mod change;
mod expressions;
mod merge;

use datafusion::sql::sqlparser::tokenizer::Token;
use futures::StreamExt;
use lake::AppendCommit;

use self::assign::Assigned;
pub(super) use self::change::{ChangeStatement, read_delete, read_update};
pub(super) use self::merge::{MergeStatement, read_merge};
use super::ddl::{self, Done};
use super::names::{self, Names};
use super::reader::Reader;
use super::session::SessionSettings;
use super::{QueryEngine, run_error};
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// What `INSERT` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InsertStatement {
    table: Vec<String>,
    columns: Vec<String>,
    sql: String,
}

/// Reads what follows `INSERT`.
pub(super) fn read_insert(reader: &mut Reader) -> Result<InsertStatement> {
    if reader.word("OVERWRITE") {
        return Err(Error::NotSupported {
            what: "INSERT OVERWRITE".to_owned(),
        });
    }
    reader.expect_words(&["INTO"])?;
    let _ = reader.word("TABLE");
    let table = reader.name()?;
    let mut columns = Vec::new();
    if reader.peek() == Some(&Token::LParen) {
        // `INSERT INTO t (SELECT …)` has no columns.
        let mut ahead = reader.clone();
        if let Ok(names) = ahead.list(Reader::identifier)
            && !ahead.is_done()
        {
            columns = names;
            *reader = ahead;
        }
    }
    Ok(InsertStatement {
        table,
        columns,
        sql: reader.rest(),
    })
}

/// Runs `INSERT`; rows are written as the query makes them.
pub(super) async fn insert(
    engine: &QueryEngine,
    statement: InsertStatement,
    session: &SessionSettings,
) -> Result<Done> {
    let full = Names::full(&statement.table, session)?;
    let name = ddl::writable(engine, &full, "Inserting into views is not supported").await?;
    let table = engine.lake().table(&name).await?;
    let schema = table.schema().await?;
    let mut columns = Vec::new();
    for wanted in &statement.columns {
        let mut fields = schema.fields().iter();
        let Some(field) = fields.find(|field| field.name().to_lowercase() == *wanted) else {
            let known = schema.fields().iter().map(|field| field.name().as_str());
            return Err(names::column_not_found(wanted, known, || {
                format!("Insert column name does not exist in target table: {wanted}")
            }));
        };
        if columns.contains(field.name()) {
            return Err(TrinoFailure::new(
                "DUPLICATE_COLUMN_NAME",
                format!("Insert column name is specified more than once: {wanted}"),
            )
            .into());
        }
        columns.push(field.name().clone());
    }
    if columns.is_empty() {
        columns = schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
    }
    let mut result = ddl::run_query(engine, &statement.sql, session, false).await?;
    let assigned = Assigned::new(&result.schema, &columns, &schema)?;
    let mut append = table.begin_append().await?;
    while let Some(batch) = result.rows.next().await {
        let batch = assigned.arrange(&batch.map_err(run_error)?)?;
        append.write(&batch).await?;
    }
    let rows = append.rows();
    if rows > 0 {
        append.commit(AppendCommit::default()).await?;
    }
    Ok(("INSERT", Some(rows)))
}

pub(super) use self::change::run as run_change;
pub(super) use self::merge::run as run_merge;
