#![doc = include_str!("../README.md")]

pub mod storage;

pub mod catalog;

pub mod table;

mod backoff;
mod error;
mod lake;
mod metrics;
mod nearest;

pub use crate::catalog::{Catalog, Database, TableEntry, TableName};
pub use crate::error::{Error, Result};
pub use crate::lake::{Lake, TableDefinition};
pub use crate::storage::{S3Config, Storage, StorageConfig};
pub use crate::table::{
    AppendCommit, AppendOutcome, AsOf, Assignments, ChangeOutcome, CommitNote, CommitSummary,
    Conversion, LakeTable, MergeClause, MergeRequest, MergeSource, OffsetRange, PendingAppend,
    Resources, TableSnapshot, WriteOptions,
};
