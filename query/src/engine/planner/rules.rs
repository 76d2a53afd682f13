//! Rules on whole plans: what has no common type in Presto is refused before types are coerced, and `TRY` is put
//! into its form for running after that.

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ExprSchema};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Case, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

use super::attempted::{is_marked, lift};
use super::expressions::{are_comparable, shown};
use super::function::{failure, is_text};
use crate::presto::types::{field_type_name, type_name};

/// Refuses what DataFusion would turn into text.
#[derive(Debug)]
pub(super) struct CommonTypes;

impl AnalyzerRule for CommonTypes {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.apply_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            if let LogicalPlan::Union(union) = plan {
                check_union(&union.inputs)?;
            }
            plan.apply_expressions(|expr| {
                expr.apply(|expr| {
                    check(expr, &schema)?;
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        "presto_common_types"
    }
}

fn check_union(inputs: &[std::sync::Arc<LogicalPlan>]) -> Result<()> {
    let Some((first, others)) = inputs.split_first() else {
        return Ok(());
    };
    for other in others {
        let columns = first.schema().fields().iter().zip(other.schema().fields());
        for (position, (left, right)) in columns.enumerate() {
            if !are_comparable(left, right) {
                return Err(failure(
                    "TYPE_MISMATCH",
                    format!(
                        "column {} in UNION query has incompatible types: {}, {}",
                        position + 1,
                        field_type_name(left),
                        field_type_name(right)
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn check(expr: &Expr, schema: &DFSchema) -> Result<()> {
    match expr {
        Expr::Case(Case {
            when_then_expr,
            else_expr,
            ..
        }) => {
            let results = when_then_expr.iter().map(|(_, then)| then.as_ref());
            let results: Vec<&Expr> = results.chain(else_expr.as_deref()).collect();
            common(&results, "All CASE results", schema)
        }
        Expr::ScalarFunction(function) => match function.name() {
            "coalesce" => common(
                &function.args.iter().collect::<Vec<_>>(),
                "All COALESCE operands",
                schema,
            ),
            "make_array" => common(
                &function.args.iter().collect::<Vec<_>>(),
                "All ARRAY elements",
                schema,
            ),
            _ => Ok(()),
        },
        Expr::InList(list) => {
            let all: Vec<&Expr> = std::iter::once(list.expr.as_ref())
                .chain(&list.list)
                .collect();
            common(&all, "IN value and list items", schema)
        }
        Expr::Between(between) => {
            let (low, high) = (between.low.as_ref(), between.high.as_ref());
            let all = [between.expr.as_ref(), low, high];
            common(&all, "BETWEEN", schema).map_err(|_| {
                let name = |expr: &Expr| match expr.to_field(schema) {
                    Ok((_, field)) => shown(expr, &field),
                    Err(_) => "unknown".to_owned(),
                };
                let (value, low, high) = (name(between.expr.as_ref()), name(low), name(high));
                let message = format!("Cannot check if {value} is BETWEEN {low} and {high}");
                failure("TYPE_MISMATCH", message)
            })
        }
        Expr::Like(like) => match like.expr.get_type(schema) {
            Ok(other) if !is_text(&other) && (other.is_numeric() || other == DataType::Boolean) => {
                Err(failure(
                    "TYPE_MISMATCH",
                    format!(
                        "Left side of LIKE expression must evaluate to a varchar (actual: {})",
                        type_name(&other)
                    ),
                ))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn common(exprs: &[&Expr], what: &str, schema: &DFSchema) -> Result<()> {
    let mut first: Option<(&Expr, Field)> = None;
    for expr in exprs {
        let Ok((_, field)) = expr.to_field(schema) else {
            return Ok(());
        };
        match &first {
            Some((before, known)) if !are_comparable(known, &field) => {
                let (left, right) = (shown(before, known), shown(expr, &field));
                return Err(failure(
                    "TYPE_MISMATCH",
                    format!(
                        "{what} must be the same type or coercible to a common type. Cannot find common type \
                         between {left} and {right}, all types (without duplicates): [{left}, {right}]"
                    ),
                ));
            }
            Some(_) => {}
            None if field.data_type().is_null() => {}
            None => first = Some((expr, field.as_ref().clone())),
        }
    }
    Ok(())
}

/// Moves the expressions of `TRY` inside their functions.
#[derive(Debug)]
pub(super) struct LiftTry;

impl AnalyzerRule for LiftTry {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let lifted = plan.transform_up_with_subqueries(|plan| {
            if !has_try(&plan)? {
                return Ok(Transformed::no(plan));
            }
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            let schema: &dyn ExprSchema = &schema;
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(lift(expr, schema)?.update_data(|expr| name.restore(expr)))
            })
        })?;
        Ok(lifted.data)
    }

    fn name(&self) -> &str {
        "presto_lift_try"
    }
}

fn has_try(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= expr.exists(|expr| {
            Ok(matches!(expr, Expr::ScalarFunction(function) if is_marked(function)))
        })?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
