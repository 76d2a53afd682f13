//! `CREATE TABLE` in all of its forms.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::tokenizer::Token;
use futures::StreamExt;
use lake::{AppendCommit, AsOf, NamingMode, OpenTable, Relation, TableDefinition};

use super::properties::{self, Properties};
use super::{Done, types};
use crate::engine::dml::assign::{Assigned, storable, unstorable};
use crate::engine::names::{FullName, Names};
use crate::engine::reader::Reader;
use crate::engine::session::SessionSettings;
use crate::engine::{Parsed, QueryEngine, StatementResult, run_error, views};
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// What `CREATE TABLE` says.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) struct CreateTableStatement {
    name: Vec<String>,
    replace: bool,
    if_not_exists: bool,
    elements: Vec<Element>,
    /// The columns of a query, renamed.
    aliases: Vec<String>,
    comment: Option<String>,
    properties: Properties,
    query: Option<Filling>,
}

/// The query that fills a table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filling {
    sql: String,
    with_data: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Element {
    Column(Field),
    Like {
        name: Vec<String>,
        with_properties: bool,
    },
}

/// Reads what follows `CREATE [OR REPLACE] TABLE`.
pub(in crate::engine) fn read_create_table(
    reader: &mut Reader,
    replace: bool,
) -> Result<CreateTableStatement> {
    let if_not_exists = reader.words(&["IF", "NOT", "EXISTS"]);
    if replace && if_not_exists {
        return Err(Error::Syntax {
            message: "Expected: a table name, found: IF NOT EXISTS after OR REPLACE".to_owned(),
        });
    }
    let name = reader.name()?;
    let (mut elements, mut aliases) = (Vec::new(), Vec::new());
    if reader.peek() == Some(&Token::LParen) {
        match read_aliases(reader) {
            Some(names) => aliases = names,
            None => elements = reader.list(read_element)?,
        }
    }
    let mut comment = None;
    if reader.word("COMMENT") {
        let _ = reader.token(&Token::Eq);
        comment = Some(reader.string()?);
    }
    let mut properties = Properties::new();
    if reader.word("WITH") {
        properties = properties::read_list(reader)?;
    }
    // Our own files say the comment last.
    if comment.is_none() && reader.word("COMMENT") {
        comment = Some(reader.string()?);
    }
    let mut query = None;
    if reader.word("AS") {
        if !elements.is_empty() {
            return Err(Error::Syntax {
                message: "Expected: column names without types before AS, found: a type".to_owned(),
            });
        }
        query = Some(filling(&reader.rest()));
    } else if elements.is_empty() {
        return Err(reader.expected("columns or AS"));
    }
    reader.end()?;
    Ok(CreateTableStatement {
        name,
        replace,
        if_not_exists,
        elements,
        aliases,
        comment,
        properties,
        query,
    })
}

/// Reads `(a, b)` if what follows shows that these are names only.
fn read_aliases(reader: &mut Reader) -> Option<Vec<String>> {
    let mut ahead = reader.clone();
    let names = ahead.list(Reader::identifier).ok()?;
    let mut after = ahead.clone();
    let follows = after.word("AS") || after.word("COMMENT") || after.word("WITH");
    if follows {
        *reader = ahead;
    }
    follows.then_some(names)
}

/// Splits `WITH [NO] DATA` off the end of a query.
fn filling(sql: &str) -> Filling {
    let upper = sql.to_ascii_uppercase();
    let words: Vec<&str> = upper.split_whitespace().collect();
    let tail = match words.as_slice() {
        [.., "WITH", "NO", "DATA"] => Some(false),
        [.., "WITH", "DATA"] => Some(true),
        _ => None,
    };
    let cut = tail.and_then(|_| upper.rfind("WITH"));
    Filling {
        sql: cut
            .and_then(|cut| sql.get(..cut))
            .unwrap_or(sql)
            .trim()
            .to_owned(),
        with_data: tail != Some(false),
    }
}

fn read_element(reader: &mut Reader) -> Result<Element> {
    let mut ahead = reader.clone();
    if ahead.word("LIKE") && !matches!(ahead.peek(), Some(Token::LParen)) && ahead.name().is_ok() {
        reader.expect_words(&["LIKE"])?;
        let name = reader.name()?;
        let with_properties = reader.words(&["INCLUDING", "PROPERTIES"]);
        if !with_properties {
            let _ = reader.words(&["EXCLUDING", "PROPERTIES"]);
        }
        return Ok(Element::Like {
            name,
            with_properties,
        });
    }
    read_column(reader).map(Element::Column)
}

/// Reads `name type [NOT NULL] [COMMENT 'text']`.
pub(super) fn read_column(reader: &mut Reader) -> Result<Field> {
    let name = reader.identifier()?;
    let data_type = types::read(reader).map_err(|error| match error {
        Error::Named(failure) if failure.name == "TYPE_NOT_FOUND" => TrinoFailure::new(
            "TYPE_NOT_FOUND",
            format!("{} for column '{name}'", failure.message),
        )
        .into(),
        other => other,
    })?;
    let (mut nullable, mut metadata) = (true, HashMap::new());
    loop {
        if reader.words(&["NOT", "NULL"]) {
            nullable = false;
        } else if reader.word("NULL") {
            nullable = true;
        } else if reader.word("COMMENT") {
            metadata.insert("comment".to_owned(), reader.string()?);
        } else if reader.word("DEFAULT") {
            return Err(Error::NotSupported {
                what: "default values of columns".to_owned(),
            });
        } else if reader.word("WITH") {
            let given = properties::read_list(reader)?;
            let name = given.first().map_or("", |(name, _)| name.as_str());
            return Err(TrinoFailure::new(
                "INVALID_COLUMN_PROPERTY",
                format!("column property '{name}' does not exist"),
            )
            .into());
        } else {
            break;
        }
    }
    Ok(Field::new(name, data_type, nullable).with_metadata(metadata))
}

/// Runs `CREATE TABLE`.
pub(in crate::engine) async fn create_table(
    engine: &QueryEngine,
    statement: CreateTableStatement,
    session: &SessionSettings,
) -> Result<Done> {
    let full = Names::full(&statement.name, session)?;
    let name = full.in_lake()?;
    let is_filled = statement.query.is_some();
    engine.make_default(&name.database).await?;
    match engine.lake().catalog().relation(&name).await {
        Ok(_) if statement.if_not_exists => {
            return Ok(("CREATE TABLE", is_filled.then_some(0)));
        }
        Ok(Relation::View(_)) => return Err(exists(&full)),
        Ok(Relation::Table(_)) if !statement.replace => return Err(exists(&full)),
        Ok(_) | Err(lake::Error::TableNotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    match statement.query.clone() {
        Some(query) => {
            let rows = fill(engine, &full, statement, query, session).await?;
            Ok(("CREATE TABLE", Some(rows)))
        }
        None => {
            let (fields, inherited) = fields(engine, &statement.elements, session).await?;
            let mut pending = begin(engine, &full, fields, &statement, inherited).await?;
            pending.set_owner(owner(session));
            match pending.finish().await {
                Err(lake::Error::TableAlreadyExists { .. }) if statement.if_not_exists => {}
                other => drop(other?),
            }
            Ok(("CREATE TABLE", None))
        }
    }
}

fn exists(full: &FullName) -> Error {
    TrinoFailure::new(
        "TABLE_ALREADY_EXISTS",
        format!("Table '{full}' already exists"),
    )
    .into()
}

fn owner(session: &SessionSettings) -> Option<String> {
    (!session.user.is_empty()).then(|| session.user.clone())
}

/// Returns the columns, and the properties and keys that `LIKE` takes over.
async fn fields(
    engine: &QueryEngine,
    elements: &[Element],
    session: &SessionSettings,
) -> Result<(Vec<Field>, properties::TableProperties)> {
    let (mut fields, mut inherited) = (Vec::new(), properties::TableProperties::default());
    for element in elements {
        match element {
            Element::Column(field) => fields.push(field.clone()),
            Element::Like {
                name,
                with_properties,
            } => {
                let full = Names::full(name, session)?;
                let name =
                    super::writable(engine, &full, "LIKE table is a view expression").await?;
                match engine.lake().open_table(&name).await? {
                    OpenTable::Delta(table) => {
                        let snapshot = table.snapshot(AsOf::Latest).await?;
                        for field in snapshot.schema().fields() {
                            let lower = field.name().to_lowercase();
                            fields.push(Field::new(
                                lower,
                                field.data_type().clone(),
                                field.is_nullable(),
                            ));
                        }
                        if *with_properties {
                            inherited.partition_columns = snapshot
                                .partition_columns()
                                .iter()
                                .map(|column| column.to_lowercase())
                                .collect();
                            let own = snapshot.properties().into_iter();
                            inherited.own = own
                                .filter(|(key, _)| {
                                    !key.starts_with("delta.min")
                                        && !key.starts_with("delta.columnMapping.max")
                                        && !key.starts_with("delta.constraints")
                                })
                                .collect();
                        }
                    }
                    OpenTable::Files(table) => {
                        let schema = table.schema();
                        fields.extend(schema.fields().iter().map(|field| field.as_ref().clone()));
                    }
                }
            }
        }
    }
    Ok((fields, inherited))
}

async fn begin<'a>(
    engine: &'a QueryEngine,
    full: &FullName,
    fields: Vec<Field>,
    statement: &CreateTableStatement,
    inherited: properties::TableProperties,
) -> Result<lake::PendingTable<'a>> {
    let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    views::check_distinct(&names)?;
    let given = properties::of_table(statement.properties.clone(), &full.catalog)?;
    let mut own: BTreeMap<String, String> = inherited.own;
    own.extend(given.own);
    let partition_columns = if given.partition_columns.is_empty() {
        inherited.partition_columns
    } else {
        given.partition_columns
    };
    let missing: Vec<&str> = partition_columns
        .iter()
        .filter(|column| !names.contains(column))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Err(TrinoFailure::new(
            "INVALID_TABLE_PROPERTY",
            format!(
                "Table property 'partitioned_by' contained column names which do not exist: [{}]",
                missing.join(", ")
            ),
        )
        .into());
    }
    let definition = TableDefinition {
        name: full.in_lake()?,
        schema: Arc::new(Schema::new(fields)),
        comment: statement.comment.clone(),
        partition_columns,
        properties: own,
    };
    let mode = if statement.replace {
        NamingMode::Replace
    } else {
        NamingMode::New
    };
    Ok(engine
        .lake()
        .begin_table(definition, given.location.as_deref(), mode)
        .await?)
}

/// Makes a table of a query's rows, which are written as they come; the table gets its name when all are in.
async fn fill(
    engine: &QueryEngine,
    full: &FullName,
    statement: CreateTableStatement,
    query: Filling,
    session: &SessionSettings,
) -> Result<u64> {
    let result = run_query(engine, &query.sql, session, statement.aliases.is_empty()).await?;
    let count = result.schema.fields().len();
    if !statement.aliases.is_empty() && statement.aliases.len() != count {
        return Err(TrinoFailure::new(
            "MISMATCHED_COLUMN_ALIASES",
            format!(
                "Column alias list has {} entries but relation has {count} columns",
                statement.aliases.len()
            ),
        )
        .into());
    }
    let mut fields = Vec::new();
    for (position, field) in result.schema.fields().iter().enumerate() {
        let name = statement.aliases.get(position).unwrap_or(field.name());
        let name = name.to_lowercase();
        if field.data_type() == &DataType::Null {
            return Err(TrinoFailure::new(
                "COLUMN_TYPE_UNKNOWN",
                format!("Column type is unknown at position {}", position + 1),
            )
            .into());
        }
        if let Some(own) = unstorable(field) {
            return Err(Error::NotSupported {
                what: format!("column type {own}"),
            });
        }
        fields.push(Field::new(name, storable(field.data_type()), true));
    }
    let inherited = properties::TableProperties::default();
    let mut pending = begin(engine, full, fields, &statement, inherited).await?;
    pending.set_owner(owner(session));
    if !query.with_data {
        pending.finish().await?;
        return Ok(0);
    }
    match write_all(pending.table(), result).await {
        Ok(rows) => {
            let finished = pending.finish().await;
            match finished {
                Err(lake::Error::TableAlreadyExists { .. }) if statement.if_not_exists => Ok(0),
                other => {
                    drop(other?);
                    Ok(rows)
                }
            }
        }
        Err(error) => {
            pending.discard().await;
            Err(error)
        }
    }
}

/// Starts a query of which nothing but its text is known.
pub(in crate::engine) async fn run_query(
    engine: &QueryEngine,
    sql: &str,
    session: &SessionSettings,
    needs_names: bool,
) -> Result<StatementResult> {
    let not_query = || Error::Syntax {
        message: format!("Expected: a query, found: {sql}"),
    };
    let Parsed { statement, labels } = engine.parse(sql, session)?;
    let Some(labels) = labels else {
        return Err(not_query());
    };
    if needs_names && let Some(position) = labels.unnamed() {
        return Err(TrinoFailure::new(
            "MISSING_COLUMN_NAME",
            format!("Column name not specified at position {position}"),
        )
        .into());
    }
    if needs_names {
        views::check_distinct(&labels.names())?;
    }
    Box::pin(engine.run_statement(statement, session)).await
}

async fn write_all(table: &lake::LakeTable, mut result: StatementResult) -> Result<u64> {
    let schema = table.schema().await?;
    let names: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let assigned = Assigned::new(&result.schema, &names, &schema)?;
    let mut append = table.begin_append().await?;
    while let Some(batch) = result.rows.next().await {
        append
            .write(&assigned.arrange(&batch.map_err(run_error)?)?)
            .await?;
    }
    let rows = append.rows();
    if rows > 0 {
        append.commit(AppendCommit::default()).await?;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> CreateTableStatement {
        let mut reader = Reader::new(sql).unwrap();
        read_create_table(&mut reader, false).unwrap()
    }

    #[test]
    fn all_forms_are_read() {
        let table = read(
            "IF NOT EXISTS a.b.T (\"Id\" integer NOT NULL COMMENT 'k', x ARRAY(row(y bigint)), \
             LIKE s.o INCLUDING PROPERTIES) COMMENT 'c' WITH (partitioned_by = ARRAY['id'], \
             checkpoint_interval = 5, change_data_feed_enabled = true)",
        );
        assert_eq!(table.name, ["a", "b", "t"]);
        assert_eq!(table.elements.len(), 3);
        assert_eq!(table.properties.len(), 3);
        let table = read("t (a, b) AS (SELECT 1, 2) WITH NO DATA");
        assert_eq!(table.aliases, ["a", "b"]);
        let query = table.query.unwrap();
        assert_eq!(query.sql, "(SELECT 1, 2)");
        assert!(!query.with_data);
        let table = read("t WITH (location = 'x') AS WITH q AS (SELECT 1 a) SELECT * FROM q");
        assert!(table.query.unwrap().with_data);
    }
}
