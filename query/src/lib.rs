#![doc = include_str!("../README.md")]

mod config;
pub mod engine;
mod error;
pub mod hive_metastore;
mod metrics;
pub mod presto;
mod sql_library;
pub mod trino;

pub use crate::config::QueryConfig;
pub use crate::engine::registry;
pub use crate::engine::session::{SessionEffect, SessionSettings};
pub use crate::engine::{QueryEngine, StatementResult};
pub use crate::error::{Error, Result};
pub use crate::presto::split::split_statements;
pub use crate::sql_library::{SqlFile, SqlLibrary};
