//! Runs expressions against the library, without the engine.

use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::{collect, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::dialect::DatabricksDialect;
use futures::TryStreamExt as _;

use crate::presto::error::TrinoFailure;
use crate::presto::functions::{AggregatePlanner, ArrayPlanner, Library};
use crate::presto::rewrite::{SessionFacts, functions};
use crate::presto::types::type_name;

fn state(partitions: usize) -> SessionState {
    let config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(3)
        .set_str("datafusion.sql_parser.default_null_ordering", "nulls_last")
        .set_bool("datafusion.sql_parser.parse_float_as_decimal", true);
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features();
    let planners = builder.expr_planners().get_or_insert_default();
    planners.insert(0, Arc::new(AggregatePlanner::new()));
    planners.insert(0, Arc::new(ArrayPlanner::new()));
    let mut state = builder.build();
    Library::new().register(&mut state).unwrap();
    state
}

async fn run(sql: &str, partitions: usize) -> Result<String, datafusion::error::DataFusionError> {
    let state = state(partitions);
    let mut statements = DFParserBuilder::new(sql)
        .with_dialect(&DatabricksDialect {})
        .build()?
        .parse_statements()?;
    let mut statement = statements.pop_front().unwrap();
    if let Statement::Statement(inner) = &mut statement {
        functions(inner, &SessionFacts::default())
            .map_err(|error| datafusion::error::DataFusionError::Plan(error.to_string()))?;
    }
    let plan = state.statement_to_plan(statement).await?;
    let plan = state.create_physical_plan(&plan).await?;
    let schema = plan.schema();
    let context = Arc::new(datafusion::execution::TaskContext::from(&state));
    let batches = if partitions == 1 {
        execute_stream(plan, context)?.try_collect().await?
    } else {
        collect(plan, context).await?
    };
    let options = FormatOptions::new().with_null("NULL");
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let values: Vec<String> = batch
                .columns()
                .iter()
                .map(|column| {
                    let formatter = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
                    formatter.value(row).to_string()
                })
                .collect();
            rows.push(values.join(" | "));
        }
    }
    let types: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| type_name(field.data_type()))
        .collect();
    Ok(format!("{} :: {}", rows.join("; "), types.join(" | ")))
}

/// Returns `rows :: types`, or `NAME: message`.
async fn answer(sql: &str, partitions: usize) -> String {
    match run(sql, partitions).await {
        Ok(text) => text,
        Err(error) => match TrinoFailure::find(&error) {
            Some(failure) => format!("{}: {}", failure.name, failure.message),
            None => format!("OTHER: {error}"),
        },
    }
}

/// Runs each statement in one partition and in several, and tells all that answer something else.
pub(in crate::presto::functions) async fn check(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (sql, expected) in cases {
        for partitions in [1, 3] {
            let sql = if sql.contains("SELECT") {
                (*sql).to_owned()
            } else {
                format!("SELECT {sql}")
            };
            let found = answer(&sql, partitions).await;
            let is_right = match expected.strip_suffix('*') {
                Some(start) => found.starts_with(start),
                None => found == *expected,
            };
            if !is_right {
                wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
                break;
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
