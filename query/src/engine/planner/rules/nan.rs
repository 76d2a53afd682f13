//! Comparisons with NaN.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::functions::math::expr_fn::isnan;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{disjunction, merge_schema};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

use super::is_comparison;

/// Makes NaN neither equal to nor smaller or greater than anything; Arrow takes it for the greatest number.
#[derive(Debug)]
pub(in super::super) struct CompareNan;

impl AnalyzerRule for CompareNan {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let compared = plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|expr| compared(expr, &schema))?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })
        })?;
        Ok(compared.data)
    }

    fn name(&self) -> &str {
        "presto_compare_nan"
    }
}

fn compared(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_float = |side: &Expr| side.get_type(schema).is_ok_and(|known| known.is_floating());
    if let Some(said) = said_by_comparisons(&expr, is_float) {
        // The comparisons within are looked at in turn.
        let said = said.transform_up(|expr| compared(expr, schema))?;
        return Ok(Transformed::new(said.data, true, TreeNodeRecursion::Jump));
    }
    let Expr::BinaryExpr(binary) = &expr else {
        return Ok(Transformed::no(expr));
    };
    if !is_comparison(binary.op) || !is_float(&binary.left) || !is_float(&binary.right) {
        return Ok(Transformed::no(expr));
    }
    // The side whose NaN would make it true. A number is none.
    let side = match binary.op {
        Operator::Lt | Operator::LtEq => &binary.right,
        Operator::Gt | Operator::GtEq => &binary.left,
        _ if is_number(&binary.left) || is_number(&binary.right) => {
            return Ok(Transformed::no(expr));
        }
        _ => &binary.left,
    };
    if is_number(side) {
        return Ok(Transformed::no(expr));
    }
    let other = if side == &binary.left {
        &binary.right
    } else {
        &binary.left
    };
    let mut is_nan = isnan(side.as_ref().clone());
    // Beside NULL the answer is NULL.
    if other.nullable(schema)? {
        is_nan = is_nan.and(other.as_ref().clone().is_not_null());
    }
    Ok(Transformed::yes(if binary.op == Operator::NotEq {
        expr.or(is_nan)
    } else {
        expr.and(is_nan.is_not_true())
    }))
}

/// Says `BETWEEN` and `IN` of what may be NaN as comparisons.
fn said_by_comparisons(expr: &Expr, is_float: impl Fn(&Expr) -> bool) -> Option<Expr> {
    match expr {
        Expr::Between(between) if is_float(&between.expr) => {
            let (value, low) = (between.expr.as_ref(), between.low.as_ref());
            if is_number(low) && is_number(&between.high) {
                // NaN is greater than all numbers to Arrow, so it is not between two of them.
                return None;
            }
            let within = value.clone().gt_eq(low.clone());
            let within = within.and(value.clone().lt_eq(between.high.as_ref().clone()));
            Some(if between.negated { !within } else { within })
        }
        Expr::InList(list) if is_float(&list.expr) && !list.list.iter().all(is_number) => {
            let equal = list
                .list
                .iter()
                .map(|item| list.expr.as_ref().clone().eq(item.clone()));
            let any = disjunction(equal)?;
            Some(if list.negated { !any } else { any })
        }
        _ => None,
    }
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => !value.is_nan(),
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => !value.is_nan(),
        Expr::Cast(cast) => is_number(&cast.expr),
        Expr::Literal(value, _) => value.data_type().is_integer() || value.data_type().is_decimal(),
        _ => false,
    }
}
