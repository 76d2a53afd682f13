//! Finding partitions by the names of folders: `MSCK REPAIR TABLE`.

use std::collections::BTreeSet;

use chrono::Utc;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use tracing::info;

use super::{ExternalTable, location};
use crate::catalog::{IfExists, Partition, TableName, parse_partition_folder};
use crate::error::{Error, Result};
use crate::lake::Lake;

const PARALLEL_LISTINGS: usize = 16;

/// What to repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairMode {
    /// Register the partitions whose folders exist.
    Add,
    /// Forget the partitions whose folders are gone; those with a location of their own stay.
    Drop,
    /// Both.
    Sync,
}

/// What a repair of a table's partitions did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairSummary {
    /// The names of the partitions that were registered.
    pub added: Vec<String>,
    /// The names of the partitions that were forgotten.
    pub removed: Vec<String>,
    /// How many were registered before and still are.
    pub unchanged: usize,
}

impl Lake {
    /// Compares a table's registered partitions with its folders, and registers or forgets what
    /// differs. Folders that are not named `key=value` are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::TableNotFound`]; [`Error::NotExternal`] for a Delta
    /// table; [`Error::InvalidPartition`] for a table without partition keys, and for a folder
    /// whose value does not fit the key's type; [`Error::Storage`].
    pub async fn discover_partitions(
        &self,
        name: &TableName,
        mode: RepairMode,
    ) -> Result<RepairSummary> {
        let table = self.external_table(name).await?;
        let keys = &table.entry.partition_keys;
        if keys.is_empty() {
            return Err(Error::InvalidPartition {
                table: table.name().to_string(),
                reason: "it is not partitioned".to_owned(),
            });
        }
        let found: BTreeSet<Vec<String>> = find(&table).await?.into_iter().collect();
        let known: BTreeSet<Vec<String>> = table
            .partitions
            .iter()
            .map(|partition| partition.values.clone())
            .collect();
        let mut summary = RepairSummary::default();
        let now = Utc::now();
        if mode != RepairMode::Drop {
            let new: Vec<Partition> = found
                .difference(&known)
                .map(|values| Partition::new(values.clone(), now))
                .collect();
            summary.added = new.iter().map(|partition| partition.name(keys)).collect();
            let catalog = self.catalog();
            catalog.add_partitions(name, new, IfExists::Keep).await?;
        }
        if mode != RepairMode::Add {
            let gone: Vec<&Partition> = table
                .partitions
                .iter()
                .filter(|known| known.location.is_none() && !found.contains(&known.values))
                .collect();
            summary.removed = gone.iter().map(|partition| partition.name(keys)).collect();
            let gone: Vec<Vec<String>> = gone.into_iter().map(|gone| gone.values.clone()).collect();
            self.catalog().drop_partitions(name, &gone).await?;
        }
        summary.unchanged = known.len() - summary.removed.len();
        info!(
            table = %name,
            added = summary.added.len(),
            removed = summary.removed.len(),
            unchanged = summary.unchanged,
            "partitions repaired"
        );
        Ok(summary)
    }
}

/// Finds the values of all folders that are as deep as the table has keys.
async fn find(table: &ExternalTable) -> Result<Vec<Vec<String>>> {
    let store = table.object_store(&table.url).await?;
    let mut level = vec![(location::object_path(&table.url)?, Vec::new())];
    for key in &table.entry.partition_keys {
        let next: Vec<Vec<(Path, Vec<String>)>> = stream::iter(level)
            .map(|(path, values): (Path, Vec<String>)| {
                let store = &store;
                async move {
                    let listed = store.list_with_delimiter(Some(&path)).await;
                    let listed = listed.map_err(|source| Error::Storage {
                        url: table.url.to_string(),
                        action: "listing the partitions of a table",
                        source,
                    })?;
                    let folders = listed.common_prefixes.into_iter().filter_map(|folder| {
                        let value = parse_partition_folder(folder.filename()?, key)?;
                        let mut values = values.clone();
                        values.push(value);
                        Some((folder, values))
                    });
                    Ok::<_, Error>(folders.collect())
                }
            })
            .buffered(PARALLEL_LISTINGS)
            .try_collect()
            .await?;
        level = next.into_iter().flatten().collect();
    }
    Ok(level.into_iter().map(|(_, values)| values).collect())
}
