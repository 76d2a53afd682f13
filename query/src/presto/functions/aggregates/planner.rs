//! Forms of aggregates that have a function of their own.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawWindowExpr,
};
use datafusion::logical_expr::{AggregateUDF, WindowFunctionDefinition};

use super::extremes::{max_n, min_n};
use crate::presto::error::TrinoFailure;

/// Plans `max(x, n)` and `min(x, n)`, whose one-argument forms are the engine's.
#[derive(Debug)]
pub(crate) struct AggregatePlanner {
    max_n: Arc<AggregateUDF>,
    min_n: Arc<AggregateUDF>,
}

impl AggregatePlanner {
    /// Returns the planner.
    pub(crate) fn new() -> Self {
        Self {
            max_n: Arc::new(AggregateUDF::from(max_n())),
            min_n: Arc::new(AggregateUDF::from(min_n())),
        }
    }

    fn several(&self, name: &str, arguments: usize) -> Option<Arc<AggregateUDF>> {
        match (name, arguments) {
            ("max", 2) => Some(Arc::clone(&self.max_n)),
            ("min", 2) => Some(Arc::clone(&self.min_n)),
            _ => None,
        }
    }
}

impl ExprPlanner for AggregatePlanner {
    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        let func = self.several(expr.func.name(), expr.args.len());
        Ok(PlannerResult::Original(match func {
            Some(func) => RawAggregateExpr { func, ..expr },
            None => expr,
        }))
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        let name = expr.func_def.name();
        if matches!(name, "lag" | "lead") && expr.order_by.is_empty() {
            return Err(TrinoFailure::new(
                "MISSING_ORDER_BY",
                format!("{name} function requires an ORDER BY window clause"),
            )
            .into());
        }
        let func = self.several(expr.func_def.name(), expr.args.len());
        Ok(PlannerResult::Original(match func {
            Some(func) => RawWindowExpr {
                func_def: WindowFunctionDefinition::AggregateUDF(func),
                ..expr
            },
            None => expr,
        }))
    }
}
