//! What the engine adds to DataFusion's planner: types, relations and the meaning of expressions.

use datafusion::execution::session_state::SessionStateBuilder;

/// Adds our planners and rules to a session's state.
pub(super) fn install(builder: SessionStateBuilder) -> SessionStateBuilder {
    builder
}
