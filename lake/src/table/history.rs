//! The commits of a table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deltalake::kernel::Action;
use deltalake::logstore::commit_uri_from_version;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;

use super::{TableRef, log};
use crate::error::{Error, Result};

const PARALLEL_READS: usize = 8;

/// One commit of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitSummary {
    /// The version that the commit made.
    pub version: u64,
    /// When the commit was written: the time that [`AsOf::Timestamp`](super::AsOf) compares with.
    pub timestamp: DateTime<Utc>,
    /// What was done, in Delta's words (`WRITE`, `CREATE TABLE`, ...).
    pub operation: String,
    /// How it was asked for, such as the predicate of a `DELETE`.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// What it counted, by the writer's names.
    pub metrics: BTreeMap<String, serde_json::Value>,
    /// The software that wrote it.
    pub engine: Option<String>,
    /// Who asked for it, where the writer says so.
    pub user: Option<String>,
    /// The id of who asked for it, where the writer says so.
    pub user_id: Option<String>,
    /// The version that the writer had read.
    pub read_version: Option<u64>,
    /// How strictly the commit was kept apart from others.
    pub isolation: Option<String>,
    /// Whether the commit only added files without having looked at others.
    pub is_blind_append: Option<bool>,
    /// What the writer added, such as offset ranges and row counts.
    pub metadata: BTreeMap<String, serde_json::Value>,
}

/// Reads the commits `latest`, `latest - 1`, ... until there are `limit` or the log ends.
pub(super) async fn history(
    table: &TableRef,
    latest: u64,
    limit: usize,
) -> Result<Vec<CommitSummary>> {
    let found: Vec<Option<CommitSummary>> = stream::iter((0..=latest).rev().take(limit))
        .map(|version| read_summary(table, version))
        .buffered(PARALLEL_READS)
        // An absent commit was cleaned up after a checkpoint, and so were those before it.
        .try_take_while(|summary| std::future::ready(Ok(summary.is_some())))
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

async fn read_summary(table: &TableRef, version: u64) -> Result<Option<CommitSummary>> {
    let storage_error = |source| Error::Storage {
        url: table.url.to_string(),
        action: "reading a commit",
        source,
    };
    let path = commit_uri_from_version(Some(version));
    let read = match table.log_store.object_store(None).get(&path).await {
        Ok(read) => read,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(source) => return Err(storage_error(source)),
    };
    let timestamp = read.meta.last_modified;
    let bytes = read.bytes().await.map_err(storage_error)?;
    let info = log::parse_actions(table, version, &bytes)?
        .into_iter()
        .find_map(|action| match action {
            Action::CommitInfo(info) => Some(info),
            _ => None,
        });
    let info = info.unwrap_or_default();
    let metrics = match info.info.get("operationMetrics") {
        Some(serde_json::Value::Object(metrics)) => metrics.clone().into_iter().collect(),
        _ => BTreeMap::new(),
    };
    Ok(Some(CommitSummary {
        version,
        timestamp,
        operation: info.operation.unwrap_or_else(|| "UNKNOWN".to_owned()),
        parameters: info
            .operation_parameters
            .unwrap_or_default()
            .into_iter()
            .collect(),
        metrics,
        engine: info.engine_info,
        user: info.user_name,
        user_id: info.user_id,
        read_version: info.read_version,
        isolation: info.isolation_level.map(|level| {
            serde_json::to_value(level)
                .ok()
                .and_then(|level| level.as_str().map(str::to_owned))
                .unwrap_or_else(|| format!("{level:?}"))
        }),
        is_blind_append: info.is_blind_append,
        metadata: info.info.into_iter().collect(),
    }))
}
