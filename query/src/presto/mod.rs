//! What the Presto dialect adds to DataFusion's SQL, as pure functions on text, syntax and types.

pub mod error;
pub mod functions;
pub mod nested_types;
pub mod rewrite;
pub mod split;
pub mod temporal;
pub mod time_travel;
pub mod type_parser;
pub mod types;
pub mod typing;
