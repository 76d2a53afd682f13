//! `SHOW …` and `DESCRIBE`, with Presto's column names.

mod functions;
mod stats;

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use datafusion::sql::sqlparser::tokenizer::Token;
use lake::{AsOf, OpenTable, Relation};

use self::functions::functions;
use self::stats::{stats, stats_of_query};
use super::names::{
    DEFAULT, FullName, Names, SYSTEM, catalog_not_found, catalog_of, did_you_mean, in_catalog,
    is_lake,
};
use super::reader::Reader;
use super::session::SessionSettings;
use super::statement::one_batch;
use super::system::{self, Listed, columns_of};
use super::{QueryEngine, StatementResult, ddl, metadata_tables, plan_error, views};
use crate::presto::error::TrinoFailure;
use crate::presto::types::type_name;
use crate::{Error, Result};

/// A statement that shows what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ShowStatement {
    Catalogs {
        like: Option<String>,
    },
    Schemas {
        catalog: Option<String>,
        like: Option<String>,
    },
    Tables {
        schema: Option<Vec<String>>,
        like: Option<String>,
    },
    Columns {
        table: Vec<String>,
        like: Option<String>,
    },
    Describe {
        table: Vec<String>,
        formatted: bool,
    },
    CreateTable {
        name: Vec<String>,
    },
    CreateView {
        name: Vec<String>,
    },
    CreateSchema {
        name: Vec<String>,
    },
    Functions {
        like: Option<String>,
    },
    StatsFor {
        table: Vec<String>,
    },
    StatsForQuery {
        sql: String,
    },
    Roles {
        column: &'static str,
    },
    Grants,
    Properties {
        table: Vec<String>,
    },
}

/// Reads what follows `SHOW`; none for statements of the session layer.
pub(super) fn read(reader: &mut Reader) -> Result<Option<ShowStatement>> {
    let from = |reader: &mut Reader| reader.word("FROM") || reader.word("IN");
    let statement = if reader.word("CATALOGS") {
        ShowStatement::Catalogs {
            like: reader.like()?,
        }
    } else if reader.word("SCHEMAS") || reader.word("DATABASES") {
        let catalog = match from(reader) {
            true => Some(reader.identifier()?),
            false => None,
        };
        let like = reader.like()?;
        ShowStatement::Schemas { catalog, like }
    } else if reader.word("TABLES") {
        let schema = match from(reader) {
            true => Some(reader.name()?),
            false => None,
        };
        let like = reader.like()?;
        ShowStatement::Tables { schema, like }
    } else if reader.word("COLUMNS") {
        if !from(reader) {
            return Err(reader.expected("FROM table"));
        }
        let table = reader.name()?;
        let like = reader.like()?;
        ShowStatement::Columns { table, like }
    } else if reader.word("CREATE") {
        match reader.one_of(&["TABLE", "VIEW", "SCHEMA", "DATABASE", "MATERIALIZED"]) {
            Some("TABLE") => ShowStatement::CreateTable {
                name: reader.name()?,
            },
            Some("VIEW") => ShowStatement::CreateView {
                name: reader.name()?,
            },
            Some("SCHEMA" | "DATABASE") => ShowStatement::CreateSchema {
                name: reader.name()?,
            },
            Some(_) => {
                return Err(Error::NotSupported {
                    what: "materialized views".to_owned(),
                });
            }
            None => return Err(reader.expected("TABLE, VIEW or SCHEMA")),
        }
    } else if reader.word("FUNCTIONS") {
        if from(reader) {
            reader.name()?;
        }
        ShowStatement::Functions {
            like: reader.like()?,
        }
    } else if reader.words(&["STATS", "FOR"]) {
        if reader.peek() == Some(&Token::LParen) {
            ShowStatement::StatsForQuery { sql: reader.rest() }
        } else {
            ShowStatement::StatsFor {
                table: reader.name()?,
            }
        }
    } else if reader.words(&["CURRENT", "ROLES"]) || reader.word("ROLES") {
        if from(reader) {
            reader.identifier()?;
        }
        ShowStatement::Roles { column: "Role" }
    } else if reader.words(&["ROLE", "GRANTS"]) {
        if from(reader) {
            reader.identifier()?;
        }
        ShowStatement::Roles {
            column: "Role Grants",
        }
    } else if reader.word("GRANTS") {
        if reader.word("ON") {
            let _ = reader.word("TABLE") || reader.word("SCHEMA");
            reader.name()?;
        }
        ShowStatement::Grants
    } else if reader.word("TBLPROPERTIES") {
        ShowStatement::Properties {
            table: reader.name()?,
        }
    } else {
        return Ok(None);
    };
    reader.end()?;
    Ok(Some(statement))
}

/// Reads what follows `DESCRIBE` or `DESC`; none for prepared statements.
pub(super) fn read_describe(reader: &mut Reader) -> Result<Option<ShowStatement>> {
    let mut ahead = reader.clone();
    // `DESCRIBE INPUT p` is about a prepared statement, `DESCRIBE input` about a table.
    if (ahead.word("INPUT") || ahead.word("OUTPUT")) && !ahead.is_done() {
        return Ok(None);
    }
    let formatted = reader.word("FORMATTED") || reader.word("EXTENDED");
    let _ = reader.word("TABLE");
    let table = reader.name()?;
    reader.end()?;
    Ok(Some(ShowStatement::Describe { table, formatted }))
}

/// Runs a statement that shows what there is.
pub(super) async fn run(
    engine: &QueryEngine,
    statement: ShowStatement,
    session: &SessionSettings,
) -> Result<StatementResult> {
    match statement {
        ShowStatement::Catalogs { like } => {
            let names = system::catalogs().map(str::to_owned).collect();
            one_column("Catalog", names, like.as_deref())
        }
        ShowStatement::Schemas { catalog, like } => {
            let catalog = catalog.unwrap_or_else(|| catalog_of(session));
            let names = schemas(engine, &catalog).await?;
            one_column("Schema", names, like.as_deref())
        }
        ShowStatement::Tables { schema, like } => {
            let (catalog, schema) = match schema {
                Some(parts) => {
                    let (catalog, schema) = Names::catalog_and_schema(&parts)?;
                    (catalog.unwrap_or_else(|| catalog_of(session)), schema)
                }
                None => {
                    let schema = session.schema.as_ref().map(|schema| schema.to_lowercase());
                    let schema = schema.ok_or_else(|| {
                        TrinoFailure::new(
                            "MISSING_SCHEMA_NAME",
                            "Schema must be specified when session schema is not set",
                        )
                    })?;
                    (catalog_of(session), schema)
                }
            };
            let names = tables(engine, &catalog, &schema).await?;
            one_column("Table", names, like.as_deref())
        }
        ShowStatement::Columns { table, like } => {
            columns(
                engine,
                &Names::full(&table, session)?,
                like.as_deref(),
                session,
            )
            .await
        }
        ShowStatement::Describe {
            table,
            formatted: false,
        } => columns(engine, &Names::full(&table, session)?, None, session).await,
        ShowStatement::Describe { table, .. } => {
            formatted(engine, &Names::full(&table, session)?, session).await
        }
        ShowStatement::CreateTable { name } => {
            let full = Names::full(&name, session)?;
            let text = ddl::show_create::table(engine, &full).await?;
            one_column("Create Table", vec![text], None)
        }
        ShowStatement::CreateView { name } => {
            let full = Names::full(&name, session)?;
            let view = views::find(engine, &full).await?;
            let text = views::show_create(&full.catalog, &view);
            one_column("Create View", vec![text], None)
        }
        ShowStatement::CreateSchema { name } => {
            let (catalog, schema) = Names::catalog_and_schema(&name)?;
            let catalog = catalog.unwrap_or_else(|| catalog_of(session));
            Names::check_catalog(&catalog)?;
            let text = ddl::show_create::schema(engine, &catalog, &schema).await?;
            one_column("Create Schema", vec![text], None)
        }
        ShowStatement::Functions { like } => functions(engine, like.as_deref(), session),
        ShowStatement::StatsFor { table } => {
            let full = Names::full(&table, session)?;
            stats(engine, &full, session).await
        }
        ShowStatement::StatsForQuery { sql } => stats_of_query(engine, &sql, session).await,
        ShowStatement::Roles { column } => one_column(column, Vec::new(), None),
        ShowStatement::Grants => {
            const COLUMNS: [&str; 10] = [
                "Grantor",
                "Grantor Type",
                "Grantee",
                "Grantee Type",
                "Catalog",
                "Schema",
                "Table",
                "Privilege",
                "Grantable",
                "With Hierarchy",
            ];
            one_batch(
                COLUMNS
                    .map(|name| (name, texts(Vec::<String>::new())))
                    .to_vec(),
            )
        }
        ShowStatement::Properties { table } => {
            let full = Names::full(&table, session)?;
            let entry = engine.lake().catalog().table(&full.in_lake()?).await?;
            let mut properties = entry.properties.clone();
            if let OpenTable::Delta(table) = engine.lake().open_table(&entry.name).await? {
                properties.extend(table.snapshot(AsOf::Latest).await?.properties());
            }
            let (keys, values): (Vec<String>, Vec<String>) = properties.into_iter().unzip();
            one_batch(vec![("Property", texts(keys)), ("Value", texts(values))])
        }
    }
}

fn texts(values: Vec<impl Into<String>>) -> ArrayRef {
    let values: Vec<String> = values.into_iter().map(Into::into).collect();
    Arc::new(StringArray::from(values))
}

fn one_column(
    name: &'static str,
    mut values: Vec<String>,
    like: Option<&str>,
) -> Result<StatementResult> {
    if let Some(pattern) = like {
        values.retain(|value| matches(pattern, value));
    }
    values.sort();
    one_batch(vec![(name, texts(values))])
}

/// Returns whether a text is like a pattern whose escape character is the backslash.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // The places of the pattern that the text so far may have reached.
    let mut places = vec![0];
    let skip = |places: &mut Vec<usize>| {
        let mut index = 0;
        while let Some(place) = places.get(index).copied() {
            if pattern.get(place) == Some(&'%') && !places.contains(&(place + 1)) {
                places.push(place + 1);
            }
            index += 1;
        }
    };
    skip(&mut places);
    for character in text {
        let mut next = Vec::new();
        for place in places {
            let reached = match pattern.get(place) {
                Some('%') => Some(place),
                Some('_') => Some(place + 1),
                Some('\\') => (pattern.get(place + 1) == Some(&character)).then_some(place + 2),
                Some(wanted) => (*wanted == character).then_some(place + 1),
                None => None,
            };
            if let Some(reached) = reached
                && !next.contains(&reached)
            {
                next.push(reached);
            }
        }
        places = next;
        skip(&mut places);
    }
    places.contains(&pattern.len())
}

async fn schemas(engine: &QueryEngine, catalog: &str) -> Result<Vec<String>> {
    let mut names: Vec<String> = if is_lake(catalog) {
        let databases = engine.lake().catalog().databases().await?;
        databases.into_iter().map(|known| known.name).collect()
    } else if catalog == SYSTEM {
        system::SYSTEM_SCHEMAS.map(str::to_owned).to_vec()
    } else {
        return Err(catalog_not_found(catalog));
    };
    if is_lake(catalog) && !names.iter().any(|name| name == DEFAULT) {
        names.push(DEFAULT.to_owned());
    }
    names.push(system::INFORMATION_SCHEMA.to_owned());
    Ok(names)
}

async fn tables(engine: &QueryEngine, catalog: &str, schema: &str) -> Result<Vec<String>> {
    let known = schemas(engine, catalog).await?;
    if !known.iter().any(|name| name == schema) {
        let nearest = lake::nearest(schema, known.iter().map(String::as_str));
        return Err(TrinoFailure::new(
            "SCHEMA_NOT_FOUND",
            format!("Schema '{schema}' does not exist{}", did_you_mean(&nearest)),
        )
        .into());
    }
    if schema == system::INFORMATION_SCHEMA {
        let own = system::information_tables().iter();
        return Ok(own.map(|spec| spec.name.to_owned()).collect());
    }
    if catalog == SYSTEM {
        let own = system::system_tables().filter(|spec| spec.schema == schema);
        return Ok(own.map(|spec| spec.name.to_owned()).collect());
    }
    let catalog = engine.lake().catalog();
    if schema == DEFAULT && catalog.database(schema).await.is_err() {
        return Ok(Vec::new());
    }
    let tables = catalog.tables(schema).await?.into_iter();
    let views = catalog.views(schema).await?.into_iter();
    Ok(tables
        .map(|entry| entry.name.table)
        .chain(views.map(|view| view.name.table))
        .collect())
}

/// Name, type, `extra` and comment of a column.
type Described = (String, String, String, String);

async fn described(
    engine: &QueryEngine,
    full: &FullName,
    session: &SessionSettings,
) -> Result<Vec<Described>> {
    let listed = if full.catalog == SYSTEM || full.schema == system::INFORMATION_SCHEMA {
        Listed::Own(system::find(&full.catalog, &full.schema, &full.table)?)
    } else if metadata_tables::split_name(&full.table).is_some() {
        let context = engine.context(session)?;
        let provider = context
            .table_provider(datafusion::common::TableReference::full(
                full.catalog.as_str(),
                full.schema.as_str(),
                full.table.as_str(),
            ))
            .await
            .map_err(plan_error)?;
        let schema = provider.schema();
        let fields = schema.fields().iter();
        return Ok(fields
            .map(|field| {
                (
                    field.name().clone(),
                    type_name(field.data_type()),
                    String::new(),
                    String::new(),
                )
            })
            .collect());
    } else {
        match engine.lake().catalog().relation(&full.in_lake()?).await {
            Ok(Relation::Table(entry)) => Listed::Table(entry),
            Ok(Relation::View(view)) => Listed::View(view),
            Err(error) => return Err(in_catalog(error, &full.catalog)),
        }
    };
    // Trino says `partition key` of Hive's tables only.
    let keys: Vec<String> = match &listed {
        Listed::Table(entry) => entry
            .partition_keys
            .iter()
            .map(|key| key.name.clone())
            .collect(),
        _ => Vec::new(),
    };
    let columns = columns_of(engine, &listed).await?;
    Ok(columns
        .into_iter()
        .map(|column| {
            let extra = if keys.contains(&column.name) {
                "partition key"
            } else {
                ""
            };
            (
                column.name,
                column.data_type,
                extra.to_owned(),
                column.comment.unwrap_or_default(),
            )
        })
        .collect())
}

async fn columns(
    engine: &QueryEngine,
    full: &FullName,
    like: Option<&str>,
    session: &SessionSettings,
) -> Result<StatementResult> {
    let mut rows = described(engine, full, session).await?;
    rows.retain(|(name, ..)| like.is_none_or(|pattern| matches(pattern, name)));
    let column = |pick: fn(&Described) -> &String| {
        texts(rows.iter().map(|row| pick(row).clone()).collect::<Vec<_>>())
    };
    one_batch(vec![
        ("Column", column(|row| &row.0)),
        ("Type", column(|row| &row.1)),
        ("Extra", column(|row| &row.2)),
        ("Comment", column(|row| &row.3)),
    ])
}

/// What Hive's `DESCRIBE FORMATTED` says: the columns, then facts of the table.
async fn formatted(
    engine: &QueryEngine,
    full: &FullName,
    session: &SessionSettings,
) -> Result<StatementResult> {
    let mut rows: Vec<(String, String, String)> = vec![(
        "# col_name".to_owned(),
        "data_type".to_owned(),
        "comment".to_owned(),
    )];
    for (name, data_type, _, comment) in described(engine, full, session).await? {
        rows.push((name, data_type, comment));
    }
    let mut fact = |name: &str, value: String| rows.push((name.to_owned(), value, String::new()));
    if let Ok(Relation::Table(entry)) = engine.lake().catalog().relation(&full.in_lake()?).await {
        fact("", String::new());
        fact("# Detailed Table Information", String::new());
        fact("Database:", entry.name.database.clone());
        fact("Owner:", entry.owner.clone().unwrap_or_default());
        fact("CreateTime:", entry.created_at.to_rfc3339());
        fact("Location:", entry.location.clone());
        let kind = match entry.kind {
            lake::TableKind::Managed => "MANAGED_TABLE",
            lake::TableKind::External => "EXTERNAL_TABLE",
        };
        fact("Table Type:", kind.to_owned());
        fact("Format:", entry.format.to_string());
        for (key, value) in &entry.properties {
            fact(&format!("Table Parameter {key}:"), value.clone());
        }
        if let OpenTable::Delta(table) = engine.lake().open_table(&entry.name).await? {
            let snapshot = table.snapshot(AsOf::Latest).await?;
            fact("Version:", snapshot.version().to_string());
            fact("numFiles", snapshot.file_count().to_string());
            fact("totalSize", snapshot.total_bytes().to_string());
            let rows = snapshot.row_count().map(|rows| rows.to_string());
            fact("numRows", rows.unwrap_or_default());
            fact(
                "Partition Columns:",
                snapshot.partition_columns().join(", "),
            );
            for (key, value) in snapshot.properties() {
                fact(&format!("Table Parameter {key}:"), value);
            }
        }
    }
    let column = |pick: fn(&(String, String, String)) -> &String| {
        texts(rows.iter().map(|row| pick(row).clone()).collect::<Vec<_>>())
    };
    one_batch(vec![
        ("col_name", column(|row| &row.0)),
        ("data_type", column(|row| &row.1)),
        ("comment", column(|row| &row.2)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_sql() {
        for (pattern, text, expected) in [
            ("a%", "abc", true),
            ("a%", "a", true),
            ("_b%", "abc", true),
            ("a\\_c", "abc", false),
            ("a\\_c", "a_c", true),
            ("%b%c", "aXbYc", true),
            ("%b", "ab c", false),
            ("", "", true),
            ("%", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{text} LIKE {pattern}");
        }
    }
}
