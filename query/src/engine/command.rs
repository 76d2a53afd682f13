//! Statements about tables, schemas, views and rows: read by readers of our own, because Trino's grammar of
//! them is not that of our parser.

use lake::Database;

use super::ddl::{self, AlterStatement, CreateTableStatement, DdlStatement};
use super::dml::{self, ChangeStatement, InsertStatement, MergeStatement};
use super::procedures::{self, CallStatement};
use super::reader::Reader;
use super::session::SessionSettings;
use super::show::{self, ShowStatement};
use super::views::{self, ViewStatement};
use super::{QueryEngine, StatementResult, names, refuse_in_transaction};
use crate::{Error, Result};

/// One of these statements.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    Show(ShowStatement),
    CreateTable(Box<CreateTableStatement>),
    Alter(Box<AlterStatement>),
    Ddl(DdlStatement),
    View(ViewStatement),
    Call(CallStatement),
    Insert(InsertStatement),
    Change(ChangeStatement),
    Merge(Box<MergeStatement>),
}

/// Returns the statement that `sql` is, if it is one of these.
///
/// # Errors
/// One of these statements, but malformed or not supported.
pub(super) fn parse(sql: &str) -> Result<Option<Command>> {
    // What cannot be split into tokens is refused by whoever is to read it.
    let Ok(mut reader) = Reader::new(sql) else {
        return Ok(None);
    };
    let reader = &mut reader;
    let Some(verb) = reader.one_of(&[
        "SHOW", "DESCRIBE", "DESC", "CREATE", "DROP", "ALTER", "COMMENT", "ANALYZE", "TRUNCATE",
        "CALL", "INSERT", "DELETE", "UPDATE", "MERGE", "GRANT", "REVOKE", "DENY", "REFRESH",
    ]) else {
        return Ok(None);
    };
    Ok(match verb {
        "SHOW" => show::read(reader)?.map(Command::Show),
        "DESCRIBE" | "DESC" => show::read_describe(reader)?.map(Command::Show),
        "CREATE" => read_create(reader)?,
        "DROP" => Some(if reader.word("VIEW") {
            let if_exists = reader.words(&["IF", "EXISTS"]);
            let name = reader.name()?;
            reader.end()?;
            Command::View(ViewStatement::Drop { name, if_exists })
        } else if reader.word("ROLE") {
            return Err(refused("roles"));
        } else {
            Command::Ddl(ddl::read_drop(reader)?)
        }),
        "ALTER" => read_alter(reader)?,
        "COMMENT" => {
            reader.expect_words(&["ON"])?;
            Some(Command::Ddl(ddl::read_comment(reader)?))
        }
        "ANALYZE" => Some(Command::Ddl(ddl::read_analyze(reader)?)),
        "TRUNCATE" => {
            let _ = reader.word("TABLE");
            let name = reader.name()?;
            reader.end()?;
            Some(Command::Ddl(DdlStatement::Truncate { name }))
        }
        "CALL" => Some(Command::Call(procedures::read_call(reader)?)),
        "INSERT" => Some(Command::Insert(dml::read_insert(reader)?)),
        "DELETE" => Some(Command::Change(dml::read_delete(reader)?)),
        "UPDATE" => Some(Command::Change(dml::read_update(reader)?)),
        "MERGE" => Some(Command::Merge(Box::new(dml::read_merge(reader)?))),
        "REFRESH" => return Err(refused("materialized views")),
        _ => return Err(refused(&format!("{verb}: the catalog keeps no privileges"))),
    })
}

fn refused(what: &str) -> Error {
    Error::NotSupported {
        what: what.to_owned(),
    }
}

fn read_create(reader: &mut Reader) -> Result<Option<Command>> {
    let replace = reader.words(&["OR", "REPLACE"]);
    if reader.word("TABLE") {
        let statement = ddl::read_create_table(reader, replace)?;
        return Ok(Some(Command::CreateTable(Box::new(statement))));
    }
    if reader.word("VIEW") {
        return Ok(Some(Command::View(views::read_create(reader, replace)?)));
    }
    for (word, what) in [
        ("ROLE", "roles"),
        ("MATERIALIZED", "materialized views"),
        ("FUNCTION", "functions of users"),
        ("CATALOG", "catalogs of users"),
        ("BRANCH", "branches"),
    ] {
        if reader.word(word) {
            return Err(refused(what));
        }
    }
    let mut ahead = reader.clone();
    if (ahead.word("SCHEMA") || ahead.word("DATABASE")) && is_authorized(&mut ahead) {
        return Err(refused(
            "CREATE SCHEMA with AUTHORIZATION: the catalog keeps no privileges",
        ));
    }
    // Schemas and tables of files have readers of their own.
    Ok(None)
}

fn is_authorized(reader: &mut Reader) -> bool {
    let _ = reader.words(&["IF", "NOT", "EXISTS"]);
    if reader.word("AUTHORIZATION") {
        return true;
    }
    reader.name().is_ok() && reader.word("AUTHORIZATION")
}

fn read_alter(reader: &mut Reader) -> Result<Option<Command>> {
    if reader.word("TABLE") {
        let statement = ddl::read_alter_table(reader)?;
        return Ok(statement.map(|statement| Command::Alter(Box::new(statement))));
    }
    if reader.word("VIEW") {
        let from = reader.name()?;
        if reader.words(&["SET", "AUTHORIZATION"]) || reader.word("REFRESH") {
            return Err(refused("ALTER VIEW with SET AUTHORIZATION or REFRESH"));
        }
        reader.expect_words(&["RENAME", "TO"])?;
        let to = reader.name()?;
        reader.end()?;
        return Ok(Some(Command::View(ViewStatement::Rename { from, to })));
    }
    let what = reader.rest();
    let what: Vec<&str> = what.split_whitespace().take(1).collect();
    Err(refused(&format!("ALTER {}", what.join(" ").to_uppercase())))
}

impl QueryEngine {
    /// Makes the schema that every metastore has when something is put into it: the lake need not have it, until
    /// then it is only shown.
    pub(super) async fn make_default(&self, schema: &str) -> Result<()> {
        if schema != names::DEFAULT {
            return Ok(());
        }
        match self.lake().create_database(Database::named(schema)).await {
            Err(lake::Error::DatabaseAlreadyExists { .. }) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Runs a statement about tables, schemas, views or rows.
    pub(super) async fn run_command(
        &self,
        command: Command,
        session: &SessionSettings,
    ) -> Result<StatementResult> {
        if let Command::Show(statement) = command {
            return show::run(self, statement, session).await;
        }
        refuse_in_transaction(session)?;
        let (kind, rows) = match command {
            Command::CreateTable(statement) => ddl::create_table(self, *statement, session).await?,
            Command::Alter(statement) => ddl::run_alter(self, *statement, session).await?,
            Command::Ddl(statement) => ddl::run(self, statement, session).await?,
            Command::View(statement) => (views::run(self, statement, session).await?, None),
            Command::Call(statement) => {
                procedures::run(self, statement, session).await?;
                ("CALL", None)
            }
            Command::Insert(statement) => dml::insert(self, statement, session).await?,
            Command::Change(statement) => dml::run_change(self, statement, session).await?,
            Command::Merge(statement) => dml::run_merge(self, *statement, session).await?,
            Command::Show(_) => ("SHOW", None),
        };
        Ok(StatementResult::done(kind, rows))
    }
}
