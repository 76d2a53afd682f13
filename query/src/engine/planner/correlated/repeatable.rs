//! Whether rows are the same when they are read twice.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, ExprSchemable as _, LogicalPlan};

use super::shared::{is_shared, shared};

/// Aggregates that have one answer, whatever the order of the rows; of floating-point numbers only the first three.
const EXACT: [&str; 9] = [
    "min", "max", "count", "sum", "avg", "bool_and", "bool_or", "every", "count_if",
];
const EXACT_OF_FLOATS: usize = 3;

/// Returns a plan of the same rows that gives them each time it is read.
pub(super) fn repeatable(plan: LogicalPlan) -> Result<LogicalPlan> {
    if is_repeatable(&plan)? {
        return Ok(plan);
    }
    Ok(shared(plan))
}

/// Returns whether reading the rows of `plan` again gives the same rows.
fn is_repeatable(plan: &LogicalPlan) -> Result<bool> {
    let mut is_repeatable = true;
    plan.apply_with_subqueries(|node| {
        if is_shared(node) {
            return Ok(TreeNodeRecursion::Jump);
        }
        let is_fixed = match node {
            LogicalPlan::Limit(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Extension(_)
            | LogicalPlan::RecursiveQuery(_)
            | LogicalPlan::Distinct(Distinct::On(_)) => false,
            LogicalPlan::Sort(sort) => sort.fetch.is_none(),
            LogicalPlan::Aggregate(aggregate) => is_exact(aggregate)?,
            _ => true,
        };
        let mut is_volatile = false;
        node.apply_expressions(|expr| {
            is_volatile |= expr.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })?;
        is_repeatable &= is_fixed && !is_volatile;
        Ok(if is_repeatable {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    })?;
    Ok(is_repeatable)
}

fn is_exact(aggregate: &Aggregate) -> Result<bool> {
    let schema = aggregate.input.schema();
    for expr in &aggregate.aggr_expr {
        let Expr::AggregateFunction(function) = expr.clone().unalias() else {
            return Ok(false);
        };
        let place = EXACT.iter().position(|name| *name == function.func.name());
        let mut is_exact = place.is_some();
        for argument in &function.params.args {
            let is_floating = argument.get_type(schema)?.is_floating();
            is_exact &= !is_floating || place.is_some_and(|place| place < EXACT_OF_FLOATS);
        }
        if !is_exact {
            return Ok(false);
        }
    }
    Ok(true)
}
