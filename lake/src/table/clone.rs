//! Shallow clones: a table of its own whose first version is made of another table's files.
//!
//! The log of the clone names the files by URL, so that they stay where they are. What the clone
//! writes is its own. Its vacuum sees only its own folder, but that of its source does not know
//! the clone: keep the source's version for as long as the clone lives.

use std::collections::HashMap;

use deltalake::DeltaTableError;
use deltalake::kernel::transaction::CommitData;
use deltalake::kernel::{Action, CommitInfo, MetadataExt, StorageType};
use deltalake::logstore::LogStoreRef;
use deltalake::protocol::{DeltaOperation, SaveMode};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::operation::CommitNote;
use super::{LakeTable, TableSnapshot, guard};
use crate::catalog::TableName;
use crate::error::{Error, Result};

impl LakeTable {
    /// Writes the first commit of a clone of a version of another table.
    pub(crate) async fn create_clone(
        name: TableName,
        url: Url,
        log_store: LogStoreRef,
        source: &TableSnapshot,
        note: &CommitNote,
    ) -> Result<Self> {
        let created = Self::new(name, url, log_store);
        let failed = |error: DeltaTableError| source.error("cloning", error);
        let state = source.delta_table().snapshot().map_err(failed)?;
        let metadata = state
            .metadata()
            .clone()
            .with_table_id(Uuid::new_v4().to_string())
            .and_then(|metadata| metadata.with_name(created.name().to_string()))
            .map_err(|error| failed(error.into()))?;
        let mut actions = vec![
            Action::CommitInfo(commit_info(source)),
            Action::Protocol(state.protocol().clone()),
            Action::Metadata(metadata.clone()),
        ];
        let root = decoded_root(source.delta_table().table_url())?;
        for mut add in source.adds()? {
            let vector = add.deletion_vector.as_ref();
            if vector.is_some_and(|vector| vector.storage_type == StorageType::UuidRelativePath) {
                return Err(created.unsupported("`deletionVectors` when a table is cloned"));
            }
            // A clone of a clone names the files of the first one.
            if !add.path.contains("://") {
                add.path = format!("{root}{}", add.path);
            }
            actions.push(Action::Add(add));
        }
        let operation = DeltaOperation::Create {
            mode: SaveMode::ErrorIfExists,
            location: created.url().clone(),
            protocol: state.protocol().clone(),
            metadata,
        };
        let mut noted: HashMap<_, _> = note.metadata.clone().into_iter().collect();
        noted.insert("lakehouse.commitId".to_owned(), json!(Uuid::new_v4()));
        let commit = CommitData::new(actions, operation, noted, Vec::new())
            .get_bytes()
            .map_err(|error| failed(error.into()))?;
        if guard::put(&created.table_ref, 0, &commit).await? {
            Ok(created)
        } else {
            Err(Error::TableAlreadyExists {
                name: created.name().to_string(),
            })
        }
    }
}

fn commit_info(source: &TableSnapshot) -> CommitInfo {
    let parameters = [
        ("source", json!(source.table().to_string())),
        ("sourceVersion", json!(source.version().to_string())),
        ("isShallow", json!("true")),
    ];
    CommitInfo {
        timestamp: Some(chrono::Utc::now().timestamp_millis()),
        operation: Some("CLONE".to_owned()),
        operation_parameters: Some(
            parameters
                .map(|(key, value)| (key.to_owned(), value))
                .into_iter()
                .collect(),
        ),
        engine_info: Some(concat!("lakehouse ", env!("CARGO_PKG_VERSION")).to_owned()),
        ..CommitInfo::default()
    }
}

/// Returns a table's URL with its path not encoded, as paths in actions are.
fn decoded_root(url: &Url) -> Result<String> {
    let path = object_store::path::Path::from_url_path(url.path()).map_err(|error| {
        Error::InvalidStorageUrl {
            url: url.to_string(),
            reason: error.to_string(),
        }
    })?;
    let host = url.host_str().unwrap_or_default();
    Ok(format!("{}://{host}/{path}/", url.scheme()))
}
