//! What the Presto dialect adds to DataFusion's SQL, as pure functions on text, syntax and types.

mod calls;
pub(crate) mod common_type;
pub mod dialect;
pub mod error;
pub mod functions;
pub mod json_tables;
pub mod labels;
pub mod numbers;
pub(crate) mod opaque;
pub mod rewrite;
pub mod shapes;
pub mod split;
pub mod sql_json;
pub mod temporal;
pub mod tokens;
pub mod type_parser;
pub mod types;
pub mod typing;
pub(crate) mod using;
pub(crate) mod zoned_time;

#[cfg(test)]
mod tests;
