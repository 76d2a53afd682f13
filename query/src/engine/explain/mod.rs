//! `EXPLAIN` and `EXPLAIN ANALYZE`.
//!
//! ```text
//! EXPLAIN [(TYPE t, FORMAT f)] query    the plan, before anything runs
//! EXPLAIN ANALYZE [VERBOSE] query       the query runs to its end; the plan with what each operator did
//! ```
//!
//! The answer is one row, as Trino's: tools read it as one text.

mod analyze;
mod estimate;
mod options;

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{BooleanArray, StringArray};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::sql::parser::Statement as ParsedStatement;
use datafusion::sql::sqlparser::ast::{SetExpr, Statement};

use self::options::{Format, Kind, Request};
use super::session::{SessionSettings, task};
use super::statement::one_batch;
use super::{QueryEngine, StatementResult, memory, plan_error, run_error};
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// A query that is planned and not started.
struct Planned {
    state: SessionState,
    logical: LogicalPlan,
    physical: Arc<dyn ExecutionPlan>,
}

impl QueryEngine {
    /// Runs an `EXPLAIN` of any form; `sql` is the whole statement.
    ///
    /// # Errors
    /// Its options are none of Trino's, or what it explains cannot be planned, or run.
    pub(super) async fn explain(
        &self,
        sql: &str,
        session: &SessionSettings,
    ) -> Result<StatementResult> {
        match options::parse(sql)? {
            Request::Analyze { verbosity, sql } => self.analyze(verbosity, &sql, session).await,
            Request::Plan { kind, format, sql } => {
                let planned = self.plan(&sql, "EXPLAIN", session).await?;
                if kind == Kind::Validate {
                    let valid = Arc::new(BooleanArray::from(vec![true]));
                    return one_batch(vec![("Valid", valid)]);
                }
                one_text(&planned.show(kind, format)?)
            }
        }
    }

    async fn analyze(
        &self,
        verbosity: analyze::Verbosity,
        sql: &str,
        session: &SessionSettings,
    ) -> Result<StatementResult> {
        let started = Instant::now();
        let planned = self.plan(sql, "EXPLAIN ANALYZE", session).await?;
        let planning = started.elapsed();
        let task = task(&planned.state)?;
        let state = planned.state;
        // Metrics are kept by the nodes that ran, so the plan that ran is the one that is shown.
        let plan = memory::execute_to_end(state, &planned.logical, planned.physical, task).await;
        let plan = plan.map_err(run_error)?;
        let execution = started.elapsed().saturating_sub(planning);
        one_text(&analyze::render(&plan, verbosity, planning, execution))
    }

    async fn plan(&self, sql: &str, verb: &str, session: &SessionSettings) -> Result<Planned> {
        let refuse = |what: &str| {
            let message = format!("{verb} doesn't support statement type: {what}");
            Error::from(TrinoFailure::new("NOT_SUPPORTED", message))
        };
        let parsed = self.parse(sql, session)?;
        let is_query = match &parsed.statement {
            Statement::Query(query) => !matches!(
                query.body.as_ref(),
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
            ),
            _ => false,
        };
        if !is_query {
            return Err(refuse(&first_words(sql)));
        }
        let statement = Box::new(parsed.statement);
        let state = self.state(session)?;
        let logical = state
            .statement_to_plan(ParsedStatement::Statement(statement))
            .await
            .map_err(plan_error)?;
        let logical = state.optimize(&logical).map_err(plan_error)?;
        let physical = state
            .query_planner()
            .create_physical_plan(&logical, &state)
            .await
            .map_err(plan_error)?;
        Ok(Planned {
            state,
            logical,
            physical,
        })
    }
}

impl Planned {
    fn show(&self, kind: Kind, format: Format) -> Result<String> {
        if kind == Kind::Io {
            return estimate::document(&self.logical, self.physical.as_ref());
        }
        let is_distributed = kind == Kind::Distributed;
        Ok(match format {
            Format::Text => {
                let estimate = estimate::one_line(self.physical.as_ref());
                let plan = match is_distributed {
                    true => displayable(self.physical.as_ref())
                        .indent(false)
                        .to_string(),
                    false => self.logical.display_indent().to_string(),
                };
                format!(
                    "Lakehouse version: {}\n{estimate}\n{plan}",
                    env!("CARGO_PKG_VERSION")
                )
            }
            Format::Graphviz => match is_distributed {
                true => displayable(self.physical.as_ref()).graphviz().to_string(),
                false => self.logical.display_graphviz().to_string(),
            },
            Format::Json => match is_distributed {
                true => estimate::tree(self.physical.as_ref())?,
                false => self.logical.display_pg_json().to_string(),
            },
        })
    }
}

fn one_text(text: &str) -> Result<StatementResult> {
    one_batch(vec![(
        "Query Plan",
        Arc::new(StringArray::from(vec![text])),
    )])
}

/// Returns what a statement begins with.
fn first_words(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().take(2).collect();
    words.join(" ").to_uppercase()
}

#[cfg(test)]
mod tests;
