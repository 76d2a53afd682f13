//! Tables of Parquet, CSV or JSON files, which have no Delta log.

use tracing::info;

use super::Lake;
use crate::catalog::{IfExists, Partition, TableEntry, TableName};
use crate::error::Result;
use crate::external::{ExternalTable, normal_location};

impl Lake {
    /// Names a table of Parquet, CSV or JSON files. Its location may be anywhere in the lake, or
    /// where the storage allows it; nothing needs to be there.
    ///
    /// # Errors
    ///
    /// [`Error::NotExternal`] for a Delta table, [`Error::LocationOutsideLake`], and those of
    /// [`Catalog::register_table`].
    pub async fn create_external_table(&self, mut entry: TableEntry) -> Result<ExternalTable> {
        entry.location = normal_location(&self.storage, &entry.location)?;
        self.check_managed(&entry)?;
        let table = ExternalTable::new(entry.clone(), Vec::new(), self.storage.clone())?;
        let name = entry.name.clone();
        self.catalog.register_table(entry).await?;
        info!(table = %name, url = %table.url(), "external table created");
        self.external_table(&name).await
    }

    /// Opens a table of Parquet, CSV or JSON files as the catalog knows it now.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`] list the nearest names;
    /// [`Error::NotExternal`] for a Delta table.
    pub async fn external_table(&self, name: &TableName) -> Result<ExternalTable> {
        let (entry, partitions) = self.catalog.table_and_partitions(name).await?;
        ExternalTable::new(entry, partitions, self.storage.clone())
    }

    /// Registers partitions of a table of files and returns how many are new.
    ///
    /// # Errors
    ///
    /// [`Error::LocationOutsideLake`], and those of [`Catalog::add_partitions`].
    pub async fn add_partitions(
        &self,
        name: &TableName,
        mut partitions: Vec<Partition>,
        if_exists: IfExists,
    ) -> Result<usize> {
        for partition in &mut partitions {
            if let Some(location) = &mut partition.location {
                *location = normal_location(&self.storage, location)?;
            }
        }
        self.catalog
            .add_partitions(name, partitions, if_exists)
            .await
    }
}
