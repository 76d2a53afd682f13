//! Comparisons with NaN.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::functions::math::expr_fn::isnan;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
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
    let Expr::BinaryExpr(binary) = &expr else {
        return Ok(Transformed::no(expr));
    };
    let is_float = |side: &Expr| side.get_type(schema).is_ok_and(|known| known.is_floating());
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
    let (is_nan, is_unequal) = (isnan(side.as_ref().clone()), binary.op == Operator::NotEq);
    Ok(Transformed::yes(if is_unequal {
        expr.or(is_nan)
    } else {
        expr.and(is_nan.is_false())
    }))
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
