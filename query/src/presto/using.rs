//! Joins with `USING`, whose columns become one column of the join.
//!
//! The planner would have `x` stand for the left table's column, which is NULL for rows of the right table alone. So
//! everything up to such a join becomes a relation that is marked for a planner of our own.
//!
//! ```text
//! a JOIN b USING (x) JOIN c ON …  ->  (a JOIN b USING (x)) AS "$using" JOIN c ON …
//! ```

use datafusion::sql::sqlparser::ast::{
    JoinConstraint, JoinOperator, TableAlias, TableFactor, TableWithJoins,
};

use super::shapes::table_alias;
use crate::{Error, Result};

/// The alias of a relation whose last join is one with `USING`; its columns have this qualifier.
pub(crate) const USING: &str = "$using";

/// Marks the joins with `USING`.
///
/// # Errors
/// A natural join.
pub(super) fn mark(table: &mut TableWithJoins) -> Result<()> {
    for join in std::mem::take(&mut table.joins) {
        let is_using = match constraint(&join.join_operator) {
            Some(JoinConstraint::Natural) => {
                return Err(Error::NotSupported {
                    what: "NATURAL JOIN".to_owned(),
                });
            }
            constraint => matches!(constraint, Some(JoinConstraint::Using(_))),
        };
        table.joins.push(join);
        if is_using {
            let left = table.clone();
            table.joins.clear();
            table.relation = TableFactor::NestedJoin {
                table_with_joins: Box::new(left),
                alias: Some(table_alias(USING)),
            };
        }
    }
    Ok(())
}

/// Returns whether it is the alias of a marked relation.
pub(crate) fn is_mark(alias: &TableAlias) -> bool {
    alias.name.value == USING
}

/// Returns the constraint of a join that may have `USING`.
fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}
