//! What the engine adds to DataFusion's planner: types, relations and the meaning of expressions.

mod multisets;
mod sample;
mod unnest;

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;

use self::multisets::MultisetPlanner;
use self::sample::SamplePlanner;
use self::unnest::UnnestPlanner;

/// Adds our planners and rules to a session's state.
pub(super) fn install(builder: SessionStateBuilder) -> SessionStateBuilder {
    builder.with_relation_planners(vec![
        Arc::new(SamplePlanner),
        Arc::new(MultisetPlanner),
        Arc::new(UnnestPlanner),
    ])
}
