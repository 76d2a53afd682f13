//! Expressions of a statement, planned over the rows that it is about.
//!
//! They are planned as the select list of a query, so that they mean what they mean in queries; queries within
//! them that do not depend on the row are run first and become values.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery, lit};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement as ParsedStatement;

use crate::engine::planner::DECORRELATE;
use crate::engine::session::SessionSettings;
use crate::engine::{QueryEngine, plan_error, run_error};
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// The most values of a query in a condition.
const MOST_VALUES: usize = 5_000_000;

/// Planned expressions.
pub(super) struct Planned {
    /// In the order they were given.
    pub(super) exprs: Vec<Expr>,
    /// What they select from.
    pub(super) input: LogicalPlan,
    /// The session that they were planned in.
    pub(super) state: SessionState,
}

/// Plans expressions over `from`, which is what follows FROM; none if a query within them depends on the row.
///
/// # Errors
/// Those of planning a query.
pub(super) async fn plan(
    engine: &QueryEngine,
    session: &SessionSettings,
    exprs: &[String],
    from: &str,
) -> Result<Option<Planned>> {
    let items: Vec<String> = exprs
        .iter()
        .enumerate()
        .map(|(index, expr)| format!("({expr}) AS expression_{index}"))
        .collect();
    let items = if items.is_empty() {
        "1".to_owned()
    } else {
        items.join(", ")
    };
    let sql = format!("SELECT {items} FROM {from}");
    let statement = Box::new(engine.parse(&sql, session)?.statement);
    let context = engine.context(session)?;
    let state = context.state();
    let plan = state
        .statement_to_plan(ParsedStatement::Statement(statement))
        .await
        .map_err(plan_error)?;
    if is_correlated(&plan).map_err(plan_error)? {
        return Ok(None);
    }
    let options = Arc::clone(state.config_options());
    // Queries become values here, not joins.
    let mut analyzer = state.analyzer().clone();
    analyzer.rules.retain(|rule| rule.name() != DECORRELATE);
    let plan = analyzer
        .execute_and_check(plan, &options, |_, _| {})
        .map_err(plan_error)?;
    let LogicalPlan::Projection(projection) = plan else {
        return Err(Error::NotSupported {
            what: "aggregates and windows in a statement that changes rows".to_owned(),
        });
    };
    let input = projection.input.as_ref().clone();
    if matches!(input, LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)) {
        return Err(Error::NotSupported {
            what: "aggregates and windows in a statement that changes rows".to_owned(),
        });
    }
    let mut planned = Vec::new();
    for expr in projection.expr {
        let expr = expr.unalias_nested().data;
        planned.push(run_queries(&context, expr).await?);
    }
    Ok(Some(Planned {
        exprs: planned,
        input,
        state,
    }))
}

/// Returns whether a query within the expressions of `plan` reads columns of its rows.
fn is_correlated(plan: &LogicalPlan) -> datafusion::error::Result<bool> {
    let rows: Vec<_> = plan.inputs().iter().map(|input| input.schema()).collect();
    let mut is_correlated = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            is_correlated |= expr.exists(|expr| {
                Ok(matches!(expr, Expr::OuterReferenceColumn(_, column)
                    if rows.iter().any(|schema| schema.has_column(column))))
            })?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(is_correlated)
}

/// Replaces the queries in an expression by their values.
async fn run_queries(context: &SessionContext, expr: Expr) -> Result<Expr> {
    let mut expr = expr;
    loop {
        let mut found = None;
        expr.apply(|inner| {
            let is_query = matches!(
                inner,
                Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_)
            );
            if is_query {
                found = Some(inner.clone());
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(plan_error)?;
        let Some(query) = found else {
            return Ok(expr);
        };
        let value = value_of(context, &query).await?;
        expr = expr
            .transform_down(|inner| {
                Ok(if inner == query {
                    Transformed::yes(value.clone())
                } else {
                    Transformed::no(inner)
                })
            })
            .map_err(plan_error)?
            .data;
    }
}

async fn value_of(context: &SessionContext, query: &Expr) -> Result<Expr> {
    match query {
        Expr::Exists(Exists { subquery, negated }) => {
            let plan = datafusion::logical_expr::LogicalPlanBuilder::from(plan_of(subquery))
                .limit(0, Some(1))
                .and_then(datafusion::logical_expr::LogicalPlanBuilder::build)
                .map_err(plan_error)?;
            let exists = !first_column(context, plan).await?.is_empty();
            Ok(lit(exists != *negated))
        }
        Expr::ScalarSubquery(subquery) => {
            let plan = plan_of(subquery);
            let null = plan
                .schema()
                .fields()
                .first()
                .map_or(Ok(ScalarValue::Null), |field| {
                    ScalarValue::try_from(field.data_type())
                })
                .map_err(plan_error)?;
            let mut values = first_column(context, plan).await?;
            match (values.pop(), values.is_empty()) {
                (None, _) => Ok(lit(null)),
                (Some(value), true) => Ok(lit(value)),
                (Some(_), false) => Err(TrinoFailure::new(
                    "SUBQUERY_MULTIPLE_ROWS",
                    "Scalar sub-query has returned multiple rows",
                )
                .into()),
            }
        }
        Expr::InSubquery(InSubquery {
            expr,
            subquery,
            negated,
        }) => {
            let mut values = first_column(context, plan_of(subquery)).await?;
            let mut seen = std::collections::HashSet::new();
            values.retain(|value| seen.insert(value.clone()));
            if values.is_empty() {
                return Ok(lit(*negated));
            }
            let list = values.into_iter().map(lit).collect();
            Ok(expr.as_ref().clone().in_list(list, *negated))
        }
        other => Err(Error::Internal {
            message: format!("`{other}` is no query"),
        }),
    }
}

fn plan_of(subquery: &Subquery) -> LogicalPlan {
    subquery.subquery.as_ref().clone()
}

async fn first_column(context: &SessionContext, plan: LogicalPlan) -> Result<Vec<ScalarValue>> {
    let frame = context
        .execute_logical_plan(plan)
        .await
        .map_err(plan_error)?;
    let batches = frame.collect().await.map_err(run_error)?;
    let mut values = Vec::new();
    for batch in &batches {
        let Some(column) = batch.columns().first() else {
            continue;
        };
        if values.len() + column.len() > MOST_VALUES {
            return Err(Error::NotSupported {
                what: format!(
                    "a query in a condition with more than {MOST_VALUES} rows: use MERGE"
                ),
            });
        }
        for row in 0..column.len() {
            values.push(ScalarValue::try_from_array(column, row).map_err(run_error)?);
        }
    }
    Ok(values)
}
