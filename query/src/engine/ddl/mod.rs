//! Schemas and tables come, change and go.

mod alter;
mod create;
pub(super) mod properties;
pub(super) mod show_create;
pub(super) mod types;

use lake::{OpenTable, Relation, TableName};

pub(super) use self::alter::{
    AlterStatement, optimize, parse_duration, read_alter_table, run as run_alter, vacuum,
};
pub(super) use self::create::{CreateTableStatement, create_table, read_create_table, run_query};
use super::names::{FullName, Names, catalog_of};
use super::reader::Reader;
use super::session::SessionSettings;
use super::{QueryEngine, names};
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// A statement that drops something, or changes what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DdlStatement {
    DropTable {
        name: Vec<String>,
        if_exists: bool,
    },
    DropSchema {
        name: Vec<String>,
        if_exists: bool,
        cascade: bool,
    },
    Truncate {
        name: Vec<String>,
    },
    Analyze {
        name: Vec<String>,
        properties: properties::Properties,
    },
    Comment {
        object: CommentObject,
        name: Vec<String>,
        comment: Option<String>,
    },
}

/// What a comment is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommentObject {
    Schema,
    Table,
    View,
    Column,
}

/// Reads what follows `DROP`; views are not read here.
pub(super) fn read_drop(reader: &mut Reader) -> Result<DdlStatement> {
    if reader.word("TABLE") {
        let if_exists = reader.words(&["IF", "EXISTS"]);
        let name = reader.name()?;
        reader.end()?;
        return Ok(DdlStatement::DropTable { name, if_exists });
    }
    if reader.word("SCHEMA") || reader.word("DATABASE") {
        let if_exists = reader.words(&["IF", "EXISTS"]);
        let name = reader.name()?;
        let cascade = reader.word("CASCADE");
        if !cascade {
            let _ = reader.word("RESTRICT");
        }
        reader.end()?;
        return Ok(DdlStatement::DropSchema {
            name,
            if_exists,
            cascade,
        });
    }
    let what = reader.rest();
    let what = what.split_whitespace().next().unwrap_or_default();
    Err(Error::NotSupported {
        what: format!("DROP {what}"),
    })
}

/// Reads what follows `COMMENT ON`.
pub(super) fn read_comment(reader: &mut Reader) -> Result<DdlStatement> {
    let object = match reader.one_of(&["TABLE", "VIEW", "COLUMN", "SCHEMA", "DATABASE"]) {
        Some("TABLE") => CommentObject::Table,
        Some("VIEW") => CommentObject::View,
        Some("COLUMN") => CommentObject::Column,
        Some(_) => CommentObject::Schema,
        None => return Err(reader.expected("TABLE, VIEW, COLUMN or SCHEMA")),
    };
    let name = reader.name()?;
    reader.expect_words(&["IS"])?;
    let comment = match reader.word("NULL") {
        true => None,
        false => Some(reader.string()?),
    };
    reader.end()?;
    Ok(DdlStatement::Comment {
        object,
        name,
        comment,
    })
}

/// Reads what follows `ANALYZE`.
pub(super) fn read_analyze(reader: &mut Reader) -> Result<DdlStatement> {
    let _ = reader.word("TABLE");
    let name = reader.name()?;
    let mut known = Vec::new();
    if reader.word("COMPUTE") {
        reader.expect_words(&["STATISTICS"])?;
    } else if reader.word("WITH") {
        known = properties::read_list(reader)?;
    }
    reader.end()?;
    Ok(DdlStatement::Analyze {
        name,
        properties: known,
    })
}

/// What clients are told of a statement: what it was, and how many rows it was about.
pub(super) type Done = (&'static str, Option<u64>);

/// Runs a statement.
pub(super) async fn run(
    engine: &QueryEngine,
    statement: DdlStatement,
    session: &SessionSettings,
) -> Result<Done> {
    match statement {
        DdlStatement::DropTable { name, if_exists } => {
            drop_table(engine, &Names::full(&name, session)?, if_exists).await?;
            Ok(("DROP TABLE", None))
        }
        DdlStatement::DropSchema {
            name,
            if_exists,
            cascade,
        } => {
            drop_schema(engine, &name, if_exists, cascade).await?;
            Ok(("DROP SCHEMA", None))
        }
        DdlStatement::Truncate { name } => {
            let full = Names::full(&name, session)?;
            let name = writable(engine, &full, "Cannot truncate a view").await?;
            let table = engine.lake().table(&name).await?;
            table.truncate(lake::WriteOptions::default()).await?;
            Ok(("TRUNCATE TABLE", None))
        }
        DdlStatement::Analyze { name, properties } => {
            let full = Names::full(&name, session)?;
            check_analyze(&properties, &full.catalog)?;
            let name = writable(engine, &full, "Analyzing views is not supported").await?;
            let statistics = engine.lake().collect_statistics(&name).await?;
            Ok(("ANALYZE", statistics.rows))
        }
        DdlStatement::Comment {
            object,
            name,
            comment,
        } => {
            comment_on(engine, object, &name, comment, session).await?;
            Ok(("COMMENT", None))
        }
    }
}

fn check_analyze(given: &properties::Properties, catalog: &str) -> Result<()> {
    let Some((name, _)) = given.first() else {
        return Ok(());
    };
    if properties::ANALYZE.iter().any(|known| known.name == name) {
        return Err(Error::NotSupported {
            what: format!("the analyze property `{name}`: statistics are of whole tables"),
        });
    }
    Err(TrinoFailure::new(
        "INVALID_ANALYZE_PROPERTY",
        format!("Catalog '{catalog}' analyze property '{name}' does not exist"),
    )
    .into())
}

/// Returns the name of a table that may be written.
///
/// # Errors
/// `NOT_SUPPORTED` with `of_view` for a view, and for what can only be read.
pub(super) async fn writable(
    engine: &QueryEngine,
    full: &FullName,
    of_view: &str,
) -> Result<TableName> {
    let name = full.in_lake()?;
    match engine.lake().catalog().relation(&name).await {
        Ok(Relation::Table(_)) => Ok(name),
        Ok(Relation::View(_)) => Err(TrinoFailure::new("NOT_SUPPORTED", of_view).into()),
        Err(error) => Err(names::in_catalog(error, &full.catalog)),
    }
}

async fn drop_table(engine: &QueryEngine, full: &FullName, if_exists: bool) -> Result<()> {
    let name = full.in_lake()?;
    match engine.lake().catalog().relation(&name).await {
        Ok(Relation::Table(_)) => Ok(engine.lake().drop_table(&name).await?),
        Ok(Relation::View(_)) => Err(TrinoFailure::new(
            "GENERIC_USER_ERROR",
            format!(
                "Table '{full}' does not exist, but a view with that name exists. Did you mean DROP VIEW {full}?"
            ),
        )
        .into()),
        Err(lake::Error::TableNotFound { .. } | lake::Error::DatabaseNotFound { .. })
            if if_exists =>
        {
            Ok(())
        }
        Err(error) => Err(names::in_catalog(error, &full.catalog)),
    }
}

async fn drop_schema(
    engine: &QueryEngine,
    name: &[String],
    if_exists: bool,
    cascade: bool,
) -> Result<()> {
    let (catalog, schema) = Names::catalog_and_schema(name)?;
    if let Some(catalog) = catalog {
        Names::check_catalog(&catalog)?;
    }
    let known = engine.lake().catalog();
    match known.database(&schema).await {
        Err(lake::Error::DatabaseNotFound { .. }) if if_exists => return Ok(()),
        other => other?,
    };
    if cascade {
        for view in known.views(&schema).await? {
            known.drop_view(&view.name).await?;
        }
        for table in known.tables(&schema).await? {
            engine.lake().drop_table(&table.name).await?;
        }
    }
    Ok(known.drop_database(&schema).await?)
}

async fn comment_on(
    engine: &QueryEngine,
    object: CommentObject,
    name: &[String],
    comment: Option<String>,
    session: &SessionSettings,
) -> Result<()> {
    let catalog = engine.lake().catalog();
    match object {
        CommentObject::Schema => {
            let (given, schema) = Names::catalog_and_schema(name)?;
            Names::check_catalog(&given.unwrap_or_else(|| catalog_of(session)))?;
            catalog
                .edit_database(&schema, |database| database.comment.clone_from(&comment))
                .await?;
        }
        CommentObject::Table => {
            let full = Names::full(name, session)?;
            let table = writable(
                engine,
                &full,
                "Relation is a view, not a table: use COMMENT ON VIEW",
            )
            .await?;
            catalog
                .edit_table(&table, |entry| entry.comment.clone_from(&comment))
                .await?;
        }
        CommentObject::View => {
            let full = Names::full(name, session)?;
            let view = super::views::find(engine, &full).await?;
            catalog
                .edit_view(&view.name, |view| view.comment.clone_from(&comment))
                .await?;
        }
        CommentObject::Column => {
            let Some((column, table)) = name.split_last() else {
                return Ok(());
            };
            let full = Names::full(table, session)?;
            comment_on_column(engine, &full, column, comment).await?;
        }
    }
    Ok(())
}

async fn comment_on_column(
    engine: &QueryEngine,
    full: &FullName,
    column: &str,
    comment: Option<String>,
) -> Result<()> {
    let name = full.in_lake()?;
    let catalog = engine.lake().catalog();
    let missing = |known: Vec<&str>| {
        names::column_not_found(column, known, || format!("Column does not exist: {column}"))
    };
    match catalog.relation(&name).await {
        Ok(Relation::View(view)) => {
            if !view.columns.iter().any(|known| known.name == column) {
                return Err(missing(
                    view.columns
                        .iter()
                        .map(|known| known.name.as_str())
                        .collect(),
                ));
            }
            catalog
                .edit_view(&name, |view| {
                    for known in &mut view.columns {
                        if known.name == column {
                            known.comment.clone_from(&comment);
                        }
                    }
                })
                .await?;
            Ok(())
        }
        Ok(Relation::Table(_)) => {
            let schema = match engine.lake().open_table(&name).await? {
                OpenTable::Delta(table) => table.schema().await?,
                OpenTable::Files(table) => table.schema(),
            };
            let mut fields = schema.fields().iter();
            let Some(field) = fields.find(|field| field.name().to_lowercase() == column) else {
                let known = schema.fields().iter().map(|field| field.name().as_str());
                return Err(missing(known.collect()));
            };
            let own = field.name().clone();
            catalog
                .edit_table(&name, |entry| {
                    let columns = entry.columns.iter_mut().chain(&mut entry.partition_keys);
                    for known in columns.filter(|known| known.name == own) {
                        known.comment.clone_from(&comment);
                    }
                    if let Some(comment) = &comment {
                        entry.column_comments.insert(own.clone(), comment.clone());
                    } else {
                        entry.column_comments.remove(&own);
                    }
                })
                .await?;
            Ok(())
        }
        Err(error) => Err(names::in_catalog(error, &full.catalog)),
    }
}
