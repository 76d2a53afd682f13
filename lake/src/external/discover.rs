//! Finding partitions by the names of folders: `MSCK REPAIR TABLE`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use tracing::info;

use super::{ExternalTable, location, normal_location};
use crate::catalog::{IfExists, Partition, TableName, parse_partition_folder, partition_name};
use crate::error::{Error, Result};
use crate::lake::Lake;

const PARALLEL_LISTINGS: usize = 16;

/// A folder, the values in its path, and its path below the table's folder.
type Found = (Path, Vec<String>, String);

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
        let found = find(&table).await?;
        let known: BTreeSet<&Vec<String>> = table
            .partitions
            .iter()
            .map(|partition| &partition.values)
            .collect();
        let mut summary = RepairSummary::default();
        if mode != RepairMode::Drop {
            let new: Vec<Partition> = found
                .iter()
                .filter(|(values, _)| !known.contains(values))
                .map(|(values, folder)| self.partition_in(&table, values, folder))
                .collect::<Result<_>>()?;
            summary.added = new.iter().map(|partition| partition.name(keys)).collect();
            let catalog = self.catalog();
            catalog.add_partitions(name, new, IfExists::Keep).await?;
        }
        if mode != RepairMode::Add {
            let gone: Vec<&Partition> = table
                .partitions
                .iter()
                .filter(|known| known.location.is_none() && !found.contains_key(&known.values))
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

    /// Returns the partition of a folder, which has a location of its own if Hive would have
    /// given it another name.
    fn partition_in(
        &self,
        table: &ExternalTable,
        values: &[String],
        folder: &str,
    ) -> Result<Partition> {
        let mut partition = Partition::new(values.to_vec(), Utc::now());
        if partition.name(&table.entry.partition_keys) != folder {
            let url = location::below(&table.url, folder)?;
            partition.location = Some(normal_location(self.storage(), url.as_str())?);
        }
        Ok(partition)
    }
}

/// Finds the folders that are as deep as the table has keys: their values, and their paths below
/// the table's folder. Of two folders with the same values the one that Hive would make counts.
async fn find(table: &ExternalTable) -> Result<BTreeMap<Vec<String>, String>> {
    let store = table.object_store(&table.url).await?;
    let root = location::object_path(&table.url)?;
    let mut level = vec![(root, Vec::new(), String::new())];
    for key in &table.entry.partition_keys {
        let next: Vec<Vec<Found>> = stream::iter(level)
            .map(|(path, values, below): Found| {
                let store = &store;
                async move {
                    let listed = store.list_with_delimiter(Some(&path)).await;
                    let listed = listed.map_err(|source| Error::Storage {
                        url: table.url.to_string(),
                        action: "listing the partitions of a table",
                        source,
                    })?;
                    let folders = listed.common_prefixes.into_iter().filter_map(|folder| {
                        let name = folder.filename()?;
                        let mut values = values.clone();
                        values.push(parse_partition_folder(name, key)?);
                        let below = match below.as_str() {
                            "" => name.to_owned(),
                            above => format!("{above}/{name}"),
                        };
                        Some((folder, values, below))
                    });
                    Ok::<_, Error>(folders.collect())
                }
            })
            .buffered(PARALLEL_LISTINGS)
            .try_collect()
            .await?;
        level = next.into_iter().flatten().collect();
    }
    let mut found = BTreeMap::new();
    for (_, values, below) in level {
        let expected = partition_name(&table.entry.partition_keys, &values);
        if below == expected || !found.contains_key(&values) {
            found.insert(values, below);
        }
    }
    Ok(found)
}
