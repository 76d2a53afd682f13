//! `CALL`: what is done to tables by name.

use lake::{AsOf, CommitNote, TableKind, TableName};

use datafusion::sql::sqlparser::tokenizer::Token;

use super::ddl::properties::{PropertyValue, read_value};
use super::ddl::{optimize, parse_duration, vacuum};
use super::names::{SYSTEM, catalog_of, is_lake};
use super::reader::Reader;
use super::registry::QueryId;
use super::session::SessionSettings;
use super::{QueryEngine, names};
use crate::Result;
use crate::presto::error::TrinoFailure;

/// What `CALL` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallStatement {
    name: Vec<String>,
    arguments: Vec<(Option<String>, PropertyValue)>,
}

/// The procedures of the lake: their parameters, and how many must be given.
const PROCEDURES: [(&str, &[&str], usize); 8] = [
    (
        "register_table",
        &["schema_name", "table_name", "table_location"],
        3,
    ),
    ("unregister_table", &["schema_name", "table_name"], 2),
    ("vacuum", &["schema_name", "table_name", "retention"], 3),
    ("optimize", &["schema_name", "table_name"], 2),
    ("flush_metadata_cache", &["schema_name", "table_name"], 0),
    ("drop_extended_stats", &["schema_name", "table_name"], 2),
    ("restore", &["schema_name", "table_name", "version"], 3),
    ("undrop_table", &["schema_name", "table_name"], 2),
];

/// Reads what follows `CALL`.
pub(super) fn read_call(reader: &mut Reader) -> Result<CallStatement> {
    let name = reader.name()?;
    reader.expect(&Token::LParen)?;
    let mut arguments = Vec::new();
    while !reader.token(&Token::RParen) {
        let mut ahead = reader.clone();
        let named = ahead
            .identifier()
            .ok()
            .filter(|_| ahead.token(&Token::RArrow));
        if named.is_some() {
            *reader = ahead;
        }
        let value = match reader.word("NULL") {
            true => PropertyValue::Default,
            false => read_value(reader)?,
        };
        arguments.push((named, value));
        if !reader.token(&Token::Comma) && reader.peek() != Some(&Token::RParen) {
            return Err(reader.expected(", or )"));
        }
    }
    reader.end()?;
    Ok(CallStatement { name, arguments })
}

/// Runs a procedure.
pub(super) async fn run(
    engine: &QueryEngine,
    call: CallStatement,
    session: &SessionSettings,
) -> Result<()> {
    let (catalog, schema, name) = match call.name.as_slice() {
        [name] => (
            catalog_of(session),
            session.schema.clone().unwrap_or_else(|| SYSTEM.to_owned()),
            name.clone(),
        ),
        [schema, name] => (catalog_of(session), schema.clone(), name.clone()),
        [catalog, schema, name] => (catalog.clone(), schema.clone(), name.clone()),
        _ => return Err(unknown(&call.name.join("."))),
    };
    if catalog == SYSTEM && schema == "runtime" && name == "kill_query" {
        let arguments = bind(&call.arguments, &["query_id", "message"], 1)?;
        let argument = |place: usize| arguments.get(place).and_then(Option::as_deref);
        let id = QueryId::from(argument(0).unwrap_or_default());
        return engine.registry().kill(&id, argument(1));
    }
    if !is_lake(&catalog) {
        if catalog == SYSTEM {
            return Err(unknown(&format!("{schema}.{name}")));
        }
        return Err(names::catalog_not_found(&catalog));
    }
    let found = PROCEDURES.iter().find(|(known, ..)| *known == name);
    let Some((_, parameters, required)) = found.filter(|_| schema == SYSTEM) else {
        return Err(unknown(&format!("{schema}.{name}")));
    };
    let arguments = bind(&call.arguments, parameters, *required)?;
    let text = |index: usize| -> &str {
        arguments
            .get(index)
            .and_then(Option::as_deref)
            .unwrap_or_default()
    };
    let lake = engine.lake();
    if name == "flush_metadata_cache" {
        // What is loaded of a table is compared with its log at each use.
        return Ok(());
    }
    let table = TableName::new(text(0), text(1))?;
    match name.as_str() {
        "register_table" => {
            lake.register_delta_table(&table, text(2), TableKind::External)
                .await?;
        }
        "unregister_table" => {
            lake.unregister_table(&table).await?;
        }
        "vacuum" => {
            let retention = parse_duration(text(2))?;
            vacuum(engine, &lake.table(&table).await?, Some(retention)).await?;
        }
        "optimize" => optimize(engine, &lake.table(&table).await?, None).await?,
        "drop_extended_stats" => {
            lake.catalog()
                .edit_table(&table, |entry| entry.statistics = None)
                .await?;
        }
        "undrop_table" => {
            lake.undrop_table(&table).await?;
        }
        _ => {
            let version = text(2).parse().map_err(|_| {
                TrinoFailure::new(
                    "INVALID_PROCEDURE_ARGUMENT",
                    format!("'{}' is not a version", text(2)),
                )
            })?;
            let table = lake.table(&table).await?;
            table
                .restore(AsOf::Version(version), CommitNote::default())
                .await?;
        }
    }
    Ok(())
}

fn unknown(name: &str) -> crate::Error {
    let known = PROCEDURES.iter().map(|(known, ..)| *known);
    let last = name.rsplit('.').next().unwrap_or_default();
    let nearest: Vec<String> = lake::nearest(last, known)
        .into_iter()
        .map(|known| format!("system.{known}"))
        .collect();
    TrinoFailure::new(
        "PROCEDURE_NOT_FOUND",
        format!(
            "Procedure not registered: {name}{}",
            names::did_you_mean(&nearest)
        ),
    )
    .into()
}

/// Puts arguments into the order of the parameters.
fn bind(
    given: &[(Option<String>, PropertyValue)],
    parameters: &[&str],
    required: usize,
) -> Result<Vec<Option<String>>> {
    let invalid = |message: String| -> crate::Error {
        TrinoFailure::new("INVALID_ARGUMENTS", message).into()
    };
    let named = given.iter().filter(|(name, _)| name.is_some()).count();
    if named > 0 && named < given.len() {
        return Err(invalid(
            "Named and positional arguments cannot be mixed".to_owned(),
        ));
    }
    let mut bound: Vec<Option<String>> = vec![None; parameters.len()];
    for (index, (name, value)) in given.iter().enumerate() {
        let place = match name {
            Some(name) => parameters.iter().position(|known| known == name),
            None => Some(index),
        };
        let Some(place) = place.and_then(|place| bound.get_mut(place)) else {
            return Err(invalid(match name {
                Some(name) => format!("Unknown argument name: {}", name.to_uppercase()),
                None => "Too many arguments for procedure".to_owned(),
            }));
        };
        *place = match value {
            PropertyValue::Text(text) | PropertyValue::Number(text) => Some(text.clone()),
            PropertyValue::Boolean(value) => Some(value.to_string()),
            PropertyValue::Texts(texts) => Some(texts.join(",")),
            PropertyValue::Default => None,
        };
    }
    let missing = parameters
        .iter()
        .zip(&bound)
        .take(required)
        .find(|(_, value)| value.is_none());
    match missing {
        Some((name, _)) => Err(invalid(format!(
            "Required procedure argument '{}' is missing",
            name.to_uppercase()
        ))),
        None => Ok(bound),
    }
}
