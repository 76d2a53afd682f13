//! `x = ANY (SELECT …)` and its like, as `IN` and `EXISTS`.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr::{InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use datafusion::optimizer::rewrite_set_comparison::RewriteSetComparison;
use datafusion::optimizer::{AnalyzerRule, OptimizerContext, OptimizerRule as _};

/// Says quantified comparisons as what the rules after it plan wherever they stand; DataFusion does so only after
/// subqueries in `SELECT` have been planned.
#[derive(Debug)]
pub(in super::super) struct QuantifiedComparisons;

impl AnalyzerRule for QuantifiedComparisons {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        if !has_quantifier(&plan)? {
            return Ok(plan);
        }
        let memberships = plan.transform_up_with_subqueries(|plan| {
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|expr| Ok(membership(expr)))?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })
        })?;
        let rewritten = RewriteSetComparison.rewrite(memberships.data, &OptimizerContext::new())?;
        Ok(rewritten.data)
    }

    fn name(&self) -> &str {
        "presto_quantified_comparisons"
    }
}

fn has_quantifier(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|plan| {
        plan.apply_expressions(|expr| {
            found |= expr.exists(|expr| Ok(matches!(expr, Expr::SetComparison(_))))?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}

/// `= ANY` is `IN`, and `<> ALL` is `NOT IN`.
fn membership(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::SetComparison(SetComparison {
            expr,
            subquery,
            op: op @ (Operator::Eq | Operator::NotEq),
            quantifier,
        }) if (op == Operator::Eq) == (quantifier == SetQuantifier::Any) => {
            let negated = op == Operator::NotEq;
            let membership = InSubquery::new(expr, subquery, negated);
            Transformed::yes(Expr::InSubquery(membership))
        }
        other => Transformed::no(other),
    }
}
