//! `INTERSECT ALL` and `EXCEPT ALL`, for which DataFusion only asks whether a row is on the other side.
//!
//! Numbering equal rows makes each row distinct: the second `a` of one side meets the second `a` of the other.

use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, ExprFunctionExt as _, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{JoinOperator, TableFactor};

use crate::presto::shapes::MULTISET;

/// Plans what [`shapes`](crate::presto::shapes) makes of them.
#[derive(Debug)]
pub(super) struct MultisetPlanner;

impl RelationPlanner for MultisetPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let pair = match relation {
            TableFactor::NestedJoin {
                table_with_joins,
                alias: Some(alias),
            } if alias.name.value == MULTISET => *table_with_joins,
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        let mut joins = pair.joins;
        let Some(join) = joins.pop() else {
            return plan_err!("a set operation has two sides");
        };
        let left = numbered(context.plan(pair.relation)?)?;
        let right = numbered(context.plan(join.relation)?)?;
        let plan = match join.join_operator {
            JoinOperator::Semi(_) => LogicalPlanBuilder::intersect(left, right, false)?,
            _ => LogicalPlanBuilder::except(left, right, false)?,
        };
        let mut columns = plan.schema().columns();
        columns.pop();
        let plan = LogicalPlanBuilder::from(plan)
            .project(columns.into_iter().map(Expr::Column))?
            .build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, None,
        ))))
    }
}

/// Adds how many rows equal to it each row has before it.
fn numbered(plan: LogicalPlan) -> Result<LogicalPlan> {
    let columns = plan.schema().columns().into_iter().map(Expr::Column);
    let number = row_number()
        .partition_by(columns.clone().collect())
        .build()?;
    let columns = columns.collect::<Vec<_>>();
    let name = number.schema_name().to_string();
    let windowed = LogicalPlanBuilder::from(plan).window(vec![number])?;
    let number = Expr::Column(datafusion::common::Column::new_unqualified(name)).alias("$number");
    windowed
        .project(columns.into_iter().chain([number]))?
        .build()
}
