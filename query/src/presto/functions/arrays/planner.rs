//! What operators mean on arrays.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use crate::presto::functions::shared::normal;

/// Plans `||` on arrays as `concat`.
#[derive(Debug)]
pub(crate) struct ArrayPlanner {
    concat: Arc<ScalarUDF>,
}

impl ArrayPlanner {
    /// Returns the planner.
    pub(crate) fn new() -> Self {
        let mut definitions = super::concat::definitions();
        let concat = Arc::new(ScalarUDF::from(definitions.swap_remove(0)));
        Self { concat }
    }
}

impl ExprPlanner for ArrayPlanner {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if expr.op != BinaryOperator::StringConcat {
            return Ok(PlannerResult::Original(expr));
        }
        let is_list = |side: &Expr| {
            side.get_type(schema)
                .is_ok_and(|t| matches!(normal(&t), DataType::List(_)))
        };
        if !is_list(&expr.left) && !is_list(&expr.right) {
            return Ok(PlannerResult::Original(expr));
        }
        let call = ScalarFunction::new_udf(Arc::clone(&self.concat), vec![expr.left, expr.right]);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
}
