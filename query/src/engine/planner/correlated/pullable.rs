//! Which correlated subqueries DataFusion plans, and plans right.
//!
//! It pulls correlated conditions up to the join, past whatever is in between. So nothing may be in between that gives
//! another answer for more rows: no limit, no window, no second aggregate, no outer join.

use datafusion::common::tree_node::TreeNode as _;
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, ExprSchemable as _, JoinType, LogicalPlan, Operator,
};

use super::plans::free;

/// Where a subquery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value: one row of one column.
    Scalar,
    /// `EXISTS (…)`.
    Exists,
    /// `… IN (…)`.
    In,
    /// The right side of a join.
    Lateral,
}

/// Returns whether all correlated conditions of the subquery may go up to the join.
pub(super) fn is_pullable(plan: &LogicalPlan, kind: Kind) -> Result<bool> {
    match kind {
        Kind::Scalar => is_scalar(plan),
        _ => is_plain(plan, kind, false),
    }
}

/// One aggregate of all rows, below projections.
fn is_scalar(plan: &LogicalPlan) -> Result<bool> {
    match plan {
        LogicalPlan::Projection(projection) => {
            Ok(!has_outer(&projection.expr) && is_scalar(&projection.input)?)
        }
        LogicalPlan::SubqueryAlias(alias) => is_scalar(&alias.input),
        LogicalPlan::Aggregate(Aggregate {
            input,
            group_expr,
            aggr_expr,
            ..
        }) => Ok(group_expr.is_empty()
            && !has_outer(aggr_expr)
            && is_plain(input, Kind::Scalar, true)?),
        _ => Ok(false),
    }
}

fn is_plain(plan: &LogicalPlan, kind: Kind, is_aggregated: bool) -> Result<bool> {
    if free(plan)?.is_empty() {
        return Ok(true);
    }
    match plan {
        LogicalPlan::Filter(filter) => Ok(split_conjunction(&filter.predicate)
            .into_iter()
            .filter(|condition| condition.contains_outer())
            .all(|condition| {
                !has_subquery(condition) && (!is_aggregated || is_equality(condition))
            })
            && is_plain(&filter.input, kind, is_aggregated)?),
        LogicalPlan::Projection(projection) => {
            Ok(!has_outer(&projection.expr) && is_plain(&projection.input, kind, is_aggregated)?)
        }
        LogicalPlan::SubqueryAlias(alias) => is_plain(&alias.input, kind, is_aggregated),
        LogicalPlan::Distinct(Distinct::All(input)) if matches!(kind, Kind::Exists | Kind::In) => {
            is_plain(input, kind, is_aggregated)
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            let on = join.on.iter().flat_map(|(left, right)| [left, right]);
            Ok(!on.chain(&join.filter).any(Expr::contains_outer)
                && is_plain(&join.left, kind, is_aggregated)?
                && is_plain(&join.right, kind, is_aggregated)?)
        }
        _ => Ok(false),
    }
}

/// Returns the memberships in a condition that DataFusion answers right.
///
/// Where a row's answer is unknown it takes `IN` for false, which a condition does, too, unless it is negated.
pub(super) fn memberships(condition: &Expr, input: &LogicalPlan) -> Result<Vec<Expr>> {
    let mut found = Vec::new();
    for conjunct in split_conjunction(condition) {
        affirmed(conjunct, &mut found);
        // Only the NULLs of columns are seen by its join for NOT IN, and none of correlated conditions.
        let negated = match conjunct {
            Expr::Not(inner) => match inner.as_ref() {
                Expr::InSubquery(membership) if !membership.negated => membership,
                _ => continue,
            },
            Expr::InSubquery(membership) if membership.negated => membership,
            _ => continue,
        };
        let is_seen = matches!(negated.expr.as_ref(), Expr::Column(_))
            || !negated.expr.nullable(input.schema().as_ref())?;
        if is_seen && free(&negated.subquery.subquery)?.is_empty() {
            found.push(Expr::InSubquery(negated.clone()));
        }
    }
    Ok(found)
}

/// Adds the memberships that are conditions themselves, or parts of AND and OR.
fn affirmed(condition: &Expr, found: &mut Vec<Expr>) {
    match condition {
        Expr::InSubquery(membership) if !membership.negated => found.push(condition.clone()),
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And | Operator::Or,
            right,
        }) => {
            affirmed(left, found);
            affirmed(right, found);
        }
        _ => {}
    }
}

fn has_outer(exprs: &[Expr]) -> bool {
    exprs.iter().any(Expr::contains_outer)
}

/// Returns whether there is a subquery in an expression.
pub(super) fn has_subquery(expr: &Expr) -> bool {
    let found = expr.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
        ))
    });
    found.unwrap_or(true)
}

/// A column of the subquery equals something of the outside.
fn is_equality(condition: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = condition
    else {
        return false;
    };
    let is_column = |expr: &Expr| match expr {
        Expr::Column(_) => true,
        Expr::Cast(cast) => matches!(cast.expr.as_ref(), Expr::Column(_)),
        _ => false,
    };
    is_column(left) && !right.any_column_refs() || is_column(right) && !left.any_column_refs()
}
