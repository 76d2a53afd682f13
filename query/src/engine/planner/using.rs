//! Joins with `USING`: each of its columns is one column of the join, with the value of the side that has one.

use arrow::datatypes::FieldRef;
use datafusion::common::{Column, TableReference};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    Ident, JoinConstraint, JoinOperator, ObjectNamePart, TableFactor, TableWithJoins,
};

use super::function::failure;
use super::rules::{implied, widest};
use crate::presto::using::{USING, is_mark};

/// Plans what [`using`](crate::presto::using) marks.
#[derive(Debug)]
pub(super) struct UsingPlanner;

impl RelationPlanner for UsingPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let mut left = match relation {
            TableFactor::NestedJoin {
                table_with_joins,
                alias: Some(alias),
            } if is_mark(&alias) => *table_with_joins,
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        let Some(join) = left.joins.pop() else {
            return Err(DataFusionError::Internal("a join with one side".to_owned()));
        };
        let (join_type, names) = join_of(join.join_operator)?;
        let left = context.plan(without_parentheses(left))?;
        let right = context.plan(join.relation)?;
        let plan = join_using(left, right, join_type, &names)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, None,
        ))))
    }
}

fn without_parentheses(table: TableWithJoins) -> TableFactor {
    if table.joins.is_empty() {
        return table.relation;
    }
    TableFactor::NestedJoin {
        table_with_joins: Box::new(table),
        alias: None,
    }
}

/// Returns the type of a join, and the names of its `USING`.
fn join_of(operator: JoinOperator) -> Result<(JoinType, Vec<Ident>)> {
    use JoinOperator as O;
    let (join_type, constraint) = match operator {
        O::Join(constraint) | O::Inner(constraint) => (JoinType::Inner, constraint),
        O::Left(constraint) | O::LeftOuter(constraint) => (JoinType::Left, constraint),
        O::Right(constraint) | O::RightOuter(constraint) => (JoinType::Right, constraint),
        O::FullOuter(constraint) => (JoinType::Full, constraint),
        _ => return Err(DataFusionError::Internal("a join without USING".to_owned())),
    };
    let JoinConstraint::Using(names) = constraint else {
        return Err(DataFusionError::Internal("a join without USING".to_owned()));
    };
    let names = names
        .into_iter()
        .filter_map(|name| match name.0.into_iter().next() {
            Some(ObjectNamePart::Identifier(name)) => Some(name),
            _ => None,
        });
    Ok((join_type, names.collect()))
}

fn join_using(
    left: LogicalPlan,
    right: LogicalPlan,
    join_type: JoinType,
    names: &[Ident],
) -> Result<LogicalPlan> {
    let left = Side::new(left, "left", names)?;
    let right = Side::new(right, "right", names)?;
    let keys_of = |side: &Side| -> Vec<Column> {
        let keys = names.iter().map(|name| key_name(side.name, name));
        keys.map(Column::new_unqualified).collect()
    };
    let keys = (keys_of(&left), keys_of(&right));
    let mut columns = Vec::new();
    for ((l, r), name) in left.fields.iter().zip(&right.fields).zip(names) {
        let common = widest([l.data_type(), r.data_type()]);
        let common = common.unwrap_or_else(|| l.data_type().clone());
        let l = implied(left.key(name), l.data_type(), &common);
        let r = implied(right.key(name), r.data_type(), &common);
        let value = match join_type {
            JoinType::Right => r,
            JoinType::Full => coalesce(vec![l, r]),
            _ => l,
        };
        let qualifier = Some(TableReference::bare(USING));
        columns.push(value.alias_qualified(qualifier, name.value.to_lowercase()));
    }
    columns.extend(left.others);
    columns.extend(right.others);
    LogicalPlanBuilder::from(left.plan)
        .join(right.plan, join_type, keys, None)?
        .project(columns)?
        .build()
}

/// One side of a join, with names of its own for the columns that both sides have.
struct Side {
    plan: LogicalPlan,
    name: &'static str,
    /// The columns of `USING`.
    fields: Vec<FieldRef>,
    others: Vec<Expr>,
}

impl Side {
    fn new(plan: LogicalPlan, side: &'static str, names: &[Ident]) -> Result<Self> {
        let is_named = |field: &str, name: &Ident| field.eq_ignore_ascii_case(&name.value);
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for name in names {
            let found = plan.schema().iter();
            let mut found = found.filter(|(_, field)| is_named(field.name(), name));
            let Some((qualifier, field)) = found.next() else {
                return Err(failure(
                    "COLUMN_NOT_FOUND",
                    format!("Column '{name}' is missing from {side} side of join"),
                ));
            };
            if found.next().is_some() {
                return Err(failure(
                    "AMBIGUOUS_NAME",
                    format!("Column '{name}' is ambiguous"),
                ));
            }
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            columns.push(column.alias(key_name(side, name)));
            fields.push(FieldRef::clone(field));
        }
        let others = plan.schema().iter();
        let others: Vec<Expr> = others
            .filter(|(_, field)| !names.iter().any(|name| is_named(field.name(), name)))
            .map(|(qualifier, field)| Expr::Column(Column::new(qualifier.cloned(), field.name())))
            .collect();
        columns.extend(others.iter().cloned());
        let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
        Ok(Self {
            plan,
            name: side,
            fields,
            others,
        })
    }

    fn key(&self, name: &Ident) -> Expr {
        Expr::Column(Column::new_unqualified(key_name(self.name, name)))
    }
}

fn key_name(side: &str, name: &Ident) -> String {
    format!("{side}${}", name.value.to_lowercase())
}
