#![doc = include_str!("../README.md")]

pub mod storage;

pub mod catalog;

pub mod external;

pub mod table;

pub mod maintenance;

mod backoff;
mod error;
mod lake;
mod metrics;
mod nearest;

pub use crate::catalog::{
    Catalog, Column, Database, DroppedTable, IfExists, IfViewExists, Partition, Relation,
    StorageDescriptor, TableEntry, TableFormat, TableKind, TableName, TableStatistics, ViewEntry,
    ViewSecurity, hive_types,
};
pub use crate::error::{Error, Result};
pub use crate::external::{ExternalTable, RepairMode, RepairSummary, TableFolder};
pub use crate::lake::{
    Lake, LakeConfig, NamingMode, OpenTable, PendingTable, TableDefinition, clone_owner,
};
pub use crate::maintenance::{Maintainer, MaintenanceConfig};
pub use crate::nearest::nearest;
pub use crate::storage::{S3Config, Storage, StorageConfig, StoreFailure};
pub use crate::table::{
    AppendCommit, AppendOutcome, AsOf, Assignments, ChangeOutcome, CommitNote, CommitSummary,
    Conversion, FileSummary, LakeTable, MergeClause, MergeRequest, MergeSource, OffsetRange,
    PRUNED_BY_LOG, PendingAppend, Resources, TableSnapshot, Term, VersionLease, WriteOptions,
};
