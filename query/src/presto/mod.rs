//! What the Presto dialect adds to DataFusion's SQL, as pure functions on text, syntax and types.

mod calls;
pub mod error;
pub mod functions;
pub mod rewrite;
pub mod split;
pub mod time_travel;
pub mod types;
