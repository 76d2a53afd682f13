//! Plans as they are given: DataFusion's builder would look for columns under other names.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinConstraint, JoinType, NullEquality, Result};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, Filter, Join, LogicalPlan, Operator, Projection,
};

/// Returns the outer columns that `plan` reads; not those of subqueries in it that DataFusion plans, which end there.
pub(super) fn free(plan: &LogicalPlan) -> Result<Vec<Column>> {
    let mut found = Vec::new();
    plan.apply(|node| {
        if matches!(node, LogicalPlan::Subquery(_)) {
            return Ok(TreeNodeRecursion::Jump);
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::OuterReferenceColumn(_, column) = expr
                    && !found.contains(column)
                {
                    found.push(column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found)
}

/// Returns whether the subquery looks at each outer row alone, so that equal ones need not become one.
pub(super) fn is_by_row(plan: &LogicalPlan) -> Result<bool> {
    if free(plan)?.is_empty() {
        return Ok(true);
    }
    match plan {
        LogicalPlan::Projection(projection) => is_by_row(&projection.input),
        LogicalPlan::Filter(filter) => is_by_row(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => is_by_row(&alias.input),
        LogicalPlan::Unnest(unnest) => is_by_row(&unnest.input),
        LogicalPlan::Values(_) => Ok(true),
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            let is_one_sided = free(&join.left)?.is_empty() || free(&join.right)?.is_empty();
            Ok(is_one_sided && is_by_row(&join.left)? && is_by_row(&join.right)?)
        }
        _ => Ok(false),
    }
}

/// Returns the columns of a schema.
pub(super) fn columns_of(schema: &DFSchema) -> Vec<Expr> {
    schema.columns().into_iter().map(Expr::Column).collect()
}

/// A projection.
pub(super) fn project(
    input: LogicalPlan,
    exprs: impl IntoIterator<Item = Expr>,
) -> Result<LogicalPlan> {
    let exprs = exprs.into_iter().collect();
    Projection::try_new(exprs, Arc::new(input)).map(LogicalPlan::Projection)
}

/// A filter.
pub(super) fn filter(input: LogicalPlan, condition: Expr) -> Result<LogicalPlan> {
    Filter::try_new(condition, Arc::new(input)).map(LogicalPlan::Filter)
}

/// An aggregate.
pub(super) fn aggregate(
    input: LogicalPlan,
    groups: Vec<Expr>,
    aggregates: Vec<Expr>,
) -> Result<LogicalPlan> {
    Aggregate::try_new(Arc::new(input), groups, aggregates).map(LogicalPlan::Aggregate)
}

/// A join on a condition.
pub(super) fn join(
    left: LogicalPlan,
    right: LogicalPlan,
    join_type: JoinType,
    condition: Option<Expr>,
) -> Result<LogicalPlan> {
    let join = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        Vec::new(),
        condition,
        join_type,
        JoinConstraint::On,
        NullEquality::NullEqualsNothing,
        false,
    )?;
    Ok(LogicalPlan::Join(join))
}

/// A column without a table.
pub(super) fn named(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// A comparison.
pub(super) fn compare(left: Expr, operator: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
}

/// Equal, or both NULL.
pub(super) fn same(left: Expr, right: Expr) -> Expr {
    compare(left, Operator::IsNotDistinctFrom, right)
}

/// The columns of one schema under the names of another.
pub(super) fn renamed(from: &DFSchema, to: &DFSchema) -> Vec<Expr> {
    let pairs = columns_of(from).into_iter().zip(to.columns());
    pairs
        .map(|(column, name)| column.alias_qualified(name.relation, name.name))
        .collect()
}
