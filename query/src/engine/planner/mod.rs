//! What the engine adds to DataFusion's planner: types, relations and the meaning of expressions.

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;

use crate::presto::functions::{AggregatePlanner, ArrayPlanner};

/// Adds our planners and rules to a session's state.
pub(super) fn install(mut builder: SessionStateBuilder) -> SessionStateBuilder {
    // Ours are asked first.
    let planners = builder.expr_planners().get_or_insert_default();
    planners.insert(0, Arc::new(AggregatePlanner::new()));
    planners.insert(0, Arc::new(ArrayPlanner::new()));
    builder
}
