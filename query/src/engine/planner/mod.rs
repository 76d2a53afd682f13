//! What the engine adds to DataFusion's planner: types, relations and the meaning of expressions.
//!
//! ```text
//! syntax  -> presto::typing -> expressions: literals, arithmetic, casts, patterns, subscripts, zones
//! plan    -> rules: quantified comparisons, common types -> DataFusion's coercion -> correlated subqueries -> rules: NaN, TRY
//! ```

mod arithmetic;
mod attempt;
mod attempted;
mod casts;
mod comparable;
mod correlated;
mod expressions;
mod extract;
mod function;
mod like;
mod literals;
mod multisets;
mod nested;
mod readable;
mod rules;
mod sample;
mod sql_json;
mod subscripts;
mod type_of;
mod types;
mod unnest;
mod using;
mod values;
mod zones;

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::optimizer::{Analyzer, AnalyzerRule};

pub(super) use self::correlated::DECORRELATE;
use self::multisets::MultisetPlanner;
pub(super) use self::readable::{readable_batch, readable_schema};
use self::sample::SamplePlanner;
use self::unnest::UnnestPlanner;
use self::using::UsingPlanner;
use self::values::ValuesPlanner;

use crate::presto::functions::{AggregatePlanner, ArrayPlanner};

/// Adds our planners and rules to a session's state.
pub(super) fn install(mut builder: SessionStateBuilder) -> SessionStateBuilder {
    // Ours are asked first.
    let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(expressions::PrestoExpressions)];
    planners.push(Arc::new(ArrayPlanner::new()));
    planners.push(Arc::new(AggregatePlanner::new()));
    planners.extend(builder.expr_planners().take().unwrap_or_default());
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![
        Arc::new(rules::QuantifiedComparisons),
        Arc::new(rules::CommonTypes),
    ];
    rules.extend(Analyzer::new().rules);
    rules.push(Arc::new(correlated::Decorrelate));
    rules.push(Arc::new(rules::CompareNan));
    rules.push(Arc::new(rules::LiftTry));
    let functions = builder.scalar_functions().get_or_insert_default();
    functions.extend(sql_json::functions());
    builder
        .with_query_planner(Arc::new(correlated::SharingPlanner))
        .with_expr_planners(planners)
        .with_relation_planners(vec![
            Arc::new(SamplePlanner),
            Arc::new(MultisetPlanner),
            Arc::new(UsingPlanner),
            Arc::new(UnnestPlanner),
            Arc::new(ValuesPlanner),
        ])
        .with_type_planner(Arc::new(types::PrestoTypes))
        .with_analyzer_rules(rules)
}

#[cfg(test)]
mod tests;
