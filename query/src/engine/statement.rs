//! Runs the statements of the session layer.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::Schema;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::frontend::{self, FrontStatement};
use super::information_schema::batch;
use super::session::{SessionEffect, SessionSettings};
use super::{QueryEngine, StatementResult, names};
use crate::presto::types::type_name;
use crate::{Error, Result};

/// Properties clients set that have no meaning here: accepted, so that their sessions start.
const PROPERTIES: [(&str, &str, &str, &str); 7] = [
    ("time_zone_id", "UTC", "varchar", "Time zone of the session"),
    (
        "query_max_run_time",
        "100.00d",
        "varchar",
        "Maximum run time of a query, its time in the queue included",
    ),
    (
        "query_max_execution_time",
        "100.00d",
        "varchar",
        "Maximum execution time of a query",
    ),
    (
        "join_distribution_type",
        "AUTOMATIC",
        "varchar",
        "Accepted and not used",
    ),
    (
        "join_reordering_strategy",
        "AUTOMATIC",
        "varchar",
        "Accepted and not used",
    ),
    ("query_priority", "1", "integer", "Accepted and not used"),
    (
        "optimize_hash_generation",
        "true",
        "boolean",
        "Accepted and not used",
    ),
];

impl QueryEngine {
    /// Runs a statement of the session layer; none if it is SQL for the parser.
    pub(super) async fn run_front(
        &self,
        statement: FrontStatement,
        session: &SessionSettings,
    ) -> Result<Option<StatementResult>> {
        Ok(Some(match statement {
            FrontStatement::Sql => return Ok(None),
            FrontStatement::Metastore(statement) => self.run_metastore(*statement, session).await?,
            FrontStatement::Explain { sql } => self.explain(&sql, session).await?,
            FrontStatement::Prepare { name, sql } => {
                StatementResult::effect("PREPARE", vec![SessionEffect::AddPrepared(name, sql)])
            }
            FrontStatement::Execute { name, arguments } => {
                let sql = frontend::bind(prepared(session, &name)?, &arguments)?;
                Box::pin(self.run(&sql, session)).await?
            }
            FrontStatement::ExecuteImmediate { sql, arguments } => {
                let sql = frontend::bind(&sql, &arguments)?;
                Box::pin(self.run(&sql, session)).await?
            }
            FrontStatement::Deallocate { name } => {
                prepared(session, &name)?;
                StatementResult::effect("DEALLOCATE", vec![SessionEffect::RemovePrepared(name)])
            }
            FrontStatement::DescribeInput { name } => {
                let count = frontend::count_placeholders(prepared(session, &name)?)?;
                let positions = (0_i64..).take(count).collect::<Int64Array>();
                let types: ArrayRef = Arc::new(StringArray::from(vec!["unknown"; count]));
                one_batch(vec![("Position", Arc::new(positions)), ("Type", types)])?
            }
            FrontStatement::DescribeOutput { name } => {
                self.describe_output(prepared(session, &name)?, session)
                    .await?
            }
            FrontStatement::SetSession { name, value } => {
                if !is_property(&name) {
                    return Err(Error::InvalidSessionProperty { name });
                }
                super::registry::check_property(&name, &value)?;
                StatementResult::effect(
                    "SET SESSION",
                    vec![SessionEffect::SetProperty(name, value)],
                )
            }
            FrontStatement::ResetSession { name } => {
                if !is_property(&name) {
                    return Err(Error::InvalidSessionProperty { name });
                }
                StatementResult::effect("RESET SESSION", vec![SessionEffect::ResetProperty(name)])
            }
            FrontStatement::SetTimeZone { zone: Some(zone) } => {
                check_time_zone(&zone)?;
                StatementResult::effect("SET TIME ZONE", vec![SessionEffect::SetTimeZone(zone)])
            }
            FrontStatement::SetTimeZone { zone: None } => StatementResult::effect(
                "SET TIME ZONE",
                vec![SessionEffect::ResetProperty("time_zone_id".to_owned())],
            ),
            FrontStatement::ShowSession { pattern } => {
                let rows: Vec<String> = PROPERTIES
                    .iter()
                    .map(|(name, default, kind, what)| {
                        let value = session
                            .properties
                            .get(*name)
                            .map_or(*default, String::as_str);
                        let fields = [*name, value, *default, *kind, *what];
                        let fields: Vec<String> = fields
                            .iter()
                            .map(|text| names::quote_literal(text))
                            .collect();
                        format!("({})", fields.join(", "))
                    })
                    .collect();
                let sql = format!(
                    "SELECT * FROM (VALUES {}) AS t(\"Name\", \"Value\", \"Default\", \"Type\", \"Description\"){} ORDER BY 1",
                    rows.join(", "),
                    where_like("\"Name\"", pattern.as_deref())
                );
                self.query(&sql, session).await?
            }
            FrontStatement::StartTransaction => {
                let id = uuid::Uuid::new_v4().to_string();
                StatementResult::effect(
                    "START TRANSACTION",
                    vec![SessionEffect::StartTransaction(id)],
                )
            }
            FrontStatement::Commit => {
                StatementResult::effect("COMMIT", vec![SessionEffect::EndTransaction])
            }
            FrontStatement::Rollback => {
                StatementResult::effect("ROLLBACK", vec![SessionEffect::EndTransaction])
            }
        }))
    }

    /// Plans the statement without running it.
    async fn describe_output(
        &self,
        sql: &str,
        session: &SessionSettings,
    ) -> Result<StatementResult> {
        let nulls = vec!["NULL".to_owned(); frontend::count_placeholders(sql)?];
        let schema = self
            .output_schema(&frontend::bind(sql, &nulls)?, session)
            .await?;
        let count = schema.fields().len();
        let fields = || schema.fields().iter();
        let empty = || Arc::new(StringArray::from(vec![""; count])) as ArrayRef;
        let names = fields()
            .map(|field| Some(field.name().clone()))
            .collect::<StringArray>();
        let types = fields()
            .map(|field| Some(type_name(field.data_type())))
            .collect::<StringArray>();
        let sizes = fields()
            .map(|field| {
                i64::try_from(field.data_type().primitive_width().unwrap_or(0)).unwrap_or(0)
            })
            .collect::<Int64Array>();
        one_batch(vec![
            ("Column Name", Arc::new(names)),
            ("Catalog", empty()),
            ("Schema", empty()),
            ("Table", empty()),
            ("Type", Arc::new(types)),
            ("Type Size", Arc::new(sizes)),
            ("Aliased", Arc::new(BooleanArray::from(vec![false; count]))),
        ])
    }
}

fn prepared<'a>(session: &'a SessionSettings, name: &str) -> Result<&'a str> {
    let found = session.prepared.get(name).map(String::as_str);
    found.ok_or_else(|| Error::NotFound {
        what: "Prepared statement",
        name: name.to_owned(),
    })
}

fn is_property(name: &str) -> bool {
    PROPERTIES.iter().any(|(known, ..)| *known == name)
}

fn where_like(column: &str, pattern: Option<&str>) -> String {
    pattern.map_or_else(String::new, |pattern| {
        format!(" WHERE {column} LIKE {}", names::quote_literal(pattern))
    })
}

fn check_time_zone(zone: &str) -> Result<()> {
    let parsed: Result<arrow::array::timezone::Tz, _> = zone.parse();
    parsed.map(drop).map_err(|_| Error::Invalid {
        message: format!("Time zone not supported: {zone}"),
    })
}

pub(super) fn one_batch(columns: Vec<(&'static str, ArrayRef)>) -> Result<StatementResult> {
    let rows = batch(columns)?;
    let schema: Arc<Schema> = rows.schema();
    let stream = RecordBatchStreamAdapter::new(schema, futures::stream::iter([Ok(rows)]));
    Ok(StatementResult::rows(Box::pin(stream)))
}
