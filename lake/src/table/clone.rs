//! Shallow clones: a table of its own whose first version is made of another table's files.
//!
//! The log of the clone names the files by URL, so that they stay where they are. What the clone
//! writes is its own, and so are, from the first change of rows on, copies of the files it had. Its vacuum sees only its own folder, but that of its source does not know
//! the clone: keep the source's version for as long as the clone lives.

use std::collections::HashMap;
use std::sync::Arc;

use deltalake::DeltaTableError;
use deltalake::kernel::transaction::{CommitBuilder, CommitData};
use deltalake::kernel::{Action, Add, CommitInfo, MetadataExt, Remove, StorageType};
use deltalake::logstore::LogStoreRef;
use deltalake::protocol::{DeltaOperation, SaveMode};
use futures::FutureExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::guard::Isolation;
use super::operation::{CommitNote, Operation, Writes};
use super::restore::{self, FilePath};
use super::{LakeTable, TableRef, TableSnapshot, guard};
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
            if !is_shared(&add) {
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

impl LakeTable {
    /// Copies files that belong to the source of a clone into the table's own folder, because
    /// Delta changes rows only in files below it. Tables that are no clones are left alone.
    pub(super) async fn own_files(&self, note: &CommitNote) -> Result<()> {
        if !self.latest().await?.adds()?.iter().any(is_shared) {
            return Ok(());
        }
        let operation = Operation {
            action: "copying the source's files into",
            isolation: Isolation::WriteSerializable,
            writes: Writes::Files,
            note,
        };
        self.operate(operation, |run| {
            let table = Arc::clone(&self.table_ref);
            async move {
                let actions = copy_files(&table, &run.snapshot).await?;
                CommitBuilder::from(run.commit)
                    .with_actions(actions)
                    .build(
                        Some(run.delta.snapshot()?),
                        run.delta.log_store(),
                        DeltaOperation::FileSystemCheck {},
                    )
                    .await?;
                Ok(())
            }
            .boxed()
        })
        .await?;
        Ok(())
    }
}

async fn copy_files(
    table: &TableRef,
    snapshot: &TableSnapshot,
) -> Result<Vec<Action>, DeltaTableError> {
    let store = table.log_store.root_object_store(None);
    let folder = Path::from_url_path(table.url.path())
        .map_err(|error| DeltaTableError::generic(error.to_string()))?;
    let adds = snapshot
        .adds()
        .map_err(|error| DeltaTableError::generic(error.to_string()))?;
    let mut actions = vec![Action::CommitInfo(CommitInfo {
        timestamp: Some(chrono::Utc::now().timestamp_millis()),
        operation: Some("COPY FILES".to_owned()),
        ..CommitInfo::default()
    })];
    for mut add in adds.into_iter().filter(is_shared) {
        let FilePath::InStore(from) = restore::file_path(&add.path) else {
            continue;
        };
        let name = own_name(&from);
        let to = Path::parse(format!("{folder}/{name}"))
            .map_err(|error| DeltaTableError::generic(error.to_string()))?;
        store.copy(&from, &to).await?;
        actions.push(Action::Remove(Remove {
            path: add.path,
            data_change: false,
            deletion_timestamp: Some(chrono::Utc::now().timestamp_millis()),
            extended_file_metadata: Some(true),
            partition_values: Some(add.partition_values.clone()),
            size: Some(add.size),
            ..Remove::default()
        }));
        add.path = name;
        add.data_change = false;
        actions.push(Action::Add(add));
    }
    Ok(actions)
}

/// Returns a new name for a file, below the same folders of partitions: some readers look there.
fn own_name(path: &Path) -> String {
    let mut name = format!("part-{}.parquet", Uuid::new_v4());
    let folders = path.as_ref().rsplit('/').skip(1);
    for folder in folders.take_while(|folder| folder.contains('=')) {
        name = format!("{folder}/{name}");
    }
    name
}

/// Reports whether a file is another table's.
fn is_shared(add: &Add) -> bool {
    add.path.contains("://")
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
    let path = Path::from_url_path(url.path()).map_err(|error| Error::InvalidStorageUrl {
        url: url.to_string(),
        reason: error.to_string(),
    })?;
    let host = url.host_str().unwrap_or_default();
    Ok(format!("{}://{host}/{path}/", url.scheme()))
}
