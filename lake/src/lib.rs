#![doc = include_str!("../README.md")]

pub mod storage;

pub mod catalog;

pub mod table;

pub mod maintenance;

mod backoff;
mod error;
mod lake;
mod metrics;
mod nearest;

pub use crate::catalog::{Catalog, Database, TableEntry, TableName};
pub use crate::error::{Error, Result};
pub use crate::lake::{Lake, TableDefinition};
pub use crate::maintenance::{Maintainer, MaintenanceConfig};
pub use crate::storage::{S3Config, Storage, StorageConfig};
pub use crate::table::{
    AppendCommit, AppendOutcome, AsOf, CommitSummary, LakeTable, OffsetRange, PendingAppend,
    TableSnapshot, VersionLease,
};
