//! Tables of files without a Delta log: Parquet, CSV or JSON in Hive's folder layout.
//!
//! ```text
//! <location>/a.parquet                          not partitioned
//! <location>/year=2013/month=1/a.parquet        partitioned; only registered partitions are read,
//!                                               and each may have a location of its own
//! ```
//!
//! The catalog has the columns and the partitions. Nothing here writes such files, and external
//! ones are never deleted.

mod discover;
mod location;
mod statistics;

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Fields, Schema, SchemaRef};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use url::Url;

pub use self::discover::{RepairMode, RepairSummary};
pub(crate) use self::location::{location_url, normal_location};
use crate::catalog::hive_types::parse_hive_type;
use crate::catalog::{Column, Partition, TableEntry, TableFormat, TableName};
use crate::error::{Error, Result};
use crate::storage::Storage;

/// A table of files, as the catalog knows it at one moment.
#[derive(Debug, Clone)]
pub struct ExternalTable {
    entry: TableEntry,
    file_schema: SchemaRef,
    partition_fields: Fields,
    partitions: Vec<Partition>,
    url: Url,
    storage: Storage,
}

/// A folder whose files are rows of a table: the table's own, or a partition's.
#[derive(Debug, Clone)]
pub struct TableFolder {
    /// The values of the partition keys, in their order; empty for the table's own folder.
    pub values: Vec<String>,
    /// Where the folder is; ends with a slash.
    pub url: Url,
}

impl ExternalTable {
    pub(crate) fn new(
        entry: TableEntry,
        partitions: Vec<Partition>,
        storage: Storage,
    ) -> Result<Self> {
        if entry.format == TableFormat::Delta {
            return Err(Error::NotExternal {
                table: entry.name.to_string(),
            });
        }
        let url = location_url(&storage, &entry.location)?;
        let fields = |columns: &[Column]| -> Result<Fields> {
            let fields = columns.iter().map(field).collect::<Result<Vec<_>>>()?;
            Ok(fields.into())
        };
        let file_schema = Arc::new(Schema::new(fields(&entry.columns)?));
        let partition_fields = fields(&entry.partition_keys)?;
        Ok(Self {
            entry,
            file_schema,
            partition_fields,
            partitions,
            url,
            storage,
        })
    }

    /// Returns the name.
    pub fn name(&self) -> &TableName {
        &self.entry.name
    }

    /// Returns what the catalog says of the table.
    pub fn entry(&self) -> &TableEntry {
        &self.entry
    }

    /// Returns all columns: those of the files, then the partition keys. All are nullable, for
    /// nobody checks the files; a comment is in a field's metadata.
    pub fn schema(&self) -> SchemaRef {
        let fields: Vec<FieldRef> = self
            .file_schema
            .fields()
            .iter()
            .chain(&self.partition_fields)
            .cloned()
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// Returns the columns that are in the files.
    pub fn file_schema(&self) -> &SchemaRef {
        &self.file_schema
    }

    /// Returns the partition keys as columns.
    pub fn partition_fields(&self) -> &Fields {
        &self.partition_fields
    }

    /// Returns the registered partitions.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Returns the URL of the table's folder; it ends with a slash.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns where a partition's files are.
    ///
    /// # Errors
    ///
    /// [`Error::LocationOutsideLake`] when its own location is not allowed.
    pub fn partition_url(&self, partition: &Partition) -> Result<Url> {
        match &partition.location {
            Some(location) => location_url(&self.storage, location),
            None => {
                let name = partition.name(&self.entry.partition_keys);
                location::below(&self.url, &name)
            }
        }
    }

    /// Returns the folders that are read: the table's own, or one per registered partition.
    ///
    /// # Errors
    ///
    /// [`Error::LocationOutsideLake`] when a location is not allowed.
    pub fn folders(&self) -> Result<Vec<TableFolder>> {
        if self.partition_fields.is_empty() {
            return Ok(vec![TableFolder {
                values: Vec::new(),
                url: self.url.clone(),
            }]);
        }
        let folder = |partition: &Partition| {
            Ok(TableFolder {
                values: partition.values.clone(),
                url: self.partition_url(partition)?,
            })
        };
        self.partitions.iter().map(folder).collect()
    }

    /// Returns the store of the bucket or disk that a folder is in, as DataFusion registers it.
    ///
    /// # Errors
    ///
    /// Those of [`Storage::external_store`].
    pub async fn object_store(&self, folder: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.storage.external_store(folder).await
    }

    /// Lists the data files below a folder, in the order of their paths. A folder that is not
    /// there has none. What begins with `_` or `.` is not data, and neither is an empty file.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], and those of [`object_store`](Self::object_store).
    pub async fn list_files(&self, folder: &Url) -> Result<Vec<ObjectMeta>> {
        let store = self.object_store(folder).await?;
        let prefix = location::object_path(folder)?;
        let mut files: Vec<ObjectMeta> = store
            .list(Some(&prefix))
            .try_filter(|meta| {
                let wanted = meta.size > 0 && is_data(&prefix, &meta.location);
                std::future::ready(wanted)
            })
            .try_collect()
            .await
            .map_err(|source| Error::Storage {
                url: folder.to_string(),
                action: "listing the files of a table",
                source,
            })?;
        files.sort_by(|left, right| left.location.cmp(&right.location));
        Ok(files)
    }
}

fn field(column: &Column) -> Result<Field> {
    let field = Field::new(&column.name, parse_hive_type(&column.data_type)?, true);
    Ok(match &column.comment {
        Some(comment) => field.with_metadata([("comment".to_owned(), comment.clone())].into()),
        None => field,
    })
}

fn is_data(prefix: &Path, path: &Path) -> bool {
    path.prefix_match(prefix).is_some_and(|mut parts| {
        parts.all(|part| !part.as_ref().starts_with('_') && !part.as_ref().starts_with('.'))
    })
}

#[cfg(test)]
mod tests;
