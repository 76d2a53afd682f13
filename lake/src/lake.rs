//! The lake: storage, catalog, and the tables that are open in this process.

mod create;
mod derive;
mod drop;
mod external;

pub use self::create::{NamingMode, PendingTable, TableDefinition};
pub use self::derive::clone_owner;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::catalog::{Catalog, Database, TableEntry, TableFormat, TableKind, TableName};
use crate::error::{Error, Result};
use crate::external::{ExternalTable, location_url, normal_location};
use crate::maintenance::pins::Pins;
use crate::storage::{Storage, StorageConfig};
use crate::table::{self, AsOf, LakeTable};

/// How the lake treats its tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LakeConfig {
    /// How long a dropped table can be had back: its files are deleted after that time.
    #[serde(with = "humantime_serde")]
    pub drop_grace: Duration,
    /// Bytes of rows that one append keeps in open files; beyond it the longest unused file is
    /// closed, however small.
    pub write_buffer_bytes: u64,
}

impl Default for LakeConfig {
    fn default() -> Self {
        Self {
            drop_grace: Duration::from_secs(7 * 24 * 60 * 60),
            write_buffer_bytes: 512 << 20,
        }
    }
}

/// A table, opened as its format demands.
#[derive(Debug, Clone)]
pub enum OpenTable {
    /// A table with a Delta log.
    Delta(LakeTable),
    /// A table of files without a log.
    Files(Box<ExternalTable>),
}

/// One lake: its storage, its catalog and its tables.
#[derive(Debug)]
pub struct Lake {
    config: LakeConfig,
    storage: Storage,
    catalog: Catalog,
    /// The tables opened so far by location, so that all users of a table in this process share
    /// its loaded state and queue up for its commits.
    tables: Mutex<HashMap<String, LakeTable>>,
}

impl Lake {
    /// Opens the lake that the configuration names.
    ///
    /// # Errors
    ///
    /// Those of [`Storage::open`], and of reading the catalog.
    pub async fn open(config: &StorageConfig) -> Result<Arc<Self>> {
        Self::over(Storage::open(config).await?).await
    }

    /// Opens the lake that the configuration names, with other rules than the default ones.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub async fn open_with(storage: &StorageConfig, config: LakeConfig) -> Result<Arc<Self>> {
        Self::with_config(Storage::open(storage).await?, config).await
    }

    /// Opens the lake on an open storage.
    ///
    /// # Errors
    ///
    /// Those of reading the catalog.
    pub async fn over(storage: Storage) -> Result<Arc<Self>> {
        Self::with_config(storage, LakeConfig::default()).await
    }

    /// Opens the lake on an open storage, with other rules than the default ones.
    ///
    /// # Errors
    ///
    /// Those of reading the catalog.
    pub async fn with_config(storage: Storage, config: LakeConfig) -> Result<Arc<Self>> {
        let catalog = Catalog::open(&storage).await?;
        Ok(Arc::new(Self {
            config,
            storage,
            catalog,
            tables: Mutex::default(),
        }))
    }

    /// Returns the storage.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Returns the catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Creates a database.
    ///
    /// # Errors
    ///
    /// [`Error::LocationOutsideLake`] when its location is not allowed, and those of
    /// [`Catalog::create_database`].
    pub async fn create_database(&self, mut database: Database) -> Result<()> {
        if let Some(location) = &mut database.location {
            *location = normal_location(&self.storage, location)?;
        }
        self.catalog.create_database(database).await
    }

    /// Opens a Delta table. Nothing of its log is read before it is needed.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`] list the nearest names;
    /// [`Error::NotDelta`] for a table of another format.
    pub async fn table(&self, name: &TableName) -> Result<LakeTable> {
        let entry = self.catalog.table(name).await?;
        if entry.format != TableFormat::Delta {
            return Err(Error::NotDelta {
                table: entry.name.to_string(),
                format: entry.format,
            });
        }
        self.delta_table(&entry).await
    }

    /// Opens a table of any format.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`] list the nearest names.
    pub async fn open_table(&self, name: &TableName) -> Result<OpenTable> {
        let (entry, partitions) = self.catalog.table_and_partitions(name).await?;
        if entry.format == TableFormat::Delta {
            return Ok(OpenTable::Delta(self.delta_table(&entry).await?));
        }
        let table = ExternalTable::new(entry, partitions, self.storage.clone())?;
        Ok(OpenTable::Files(Box::new(table)))
    }

    async fn delta_table(&self, entry: &TableEntry) -> Result<LakeTable> {
        if let Some(open) = self.tables.lock().get(&entry.location)
            && *open.name() == entry.name
        {
            return Ok(open.clone());
        }
        let url = location_url(&self.storage, &entry.location)?;
        let log_store = self.storage.external_log_store(&url).await?;
        let opened = LakeTable::new(entry.name.clone(), url, log_store)
            .with_write_buffer(self.config.write_buffer_bytes);
        let mut tables = self.tables.lock();
        let known = tables
            .entry(entry.location.clone())
            .or_insert_with(|| opened.clone());
        if *known.name() != entry.name {
            // What is in use under the old name stays in use.
            *known = known.sharing_with(opened);
        }
        Ok(known.clone())
    }

    /// Names a Delta table that exists. Dropping a managed one deletes its files.
    ///
    /// # Errors
    ///
    /// [`Error::MissingLog`] when there is no Delta table at the location, [`Error::Table`] when
    /// it cannot be read, [`Error::LocationOutsideLake`], and those of
    /// [`Catalog::register_table`].
    pub async fn register_delta_table(
        &self,
        name: &TableName,
        location: &str,
        kind: TableKind,
    ) -> Result<LakeTable> {
        let name = TableName::new(&name.database, &name.table)?;
        self.check_name_is_free(&name).await?;
        let location = normal_location(&self.storage, location)?;
        let mut entry = TableEntry {
            kind,
            ..TableEntry::delta(name.clone(), location, Utc::now())
        };
        self.check_managed(&entry)?;
        let url = location_url(&self.storage, &entry.location)?;
        let log_store = self.storage.external_log_store(&url).await?;
        let found = LakeTable::new(name.clone(), url.clone(), log_store);
        let snapshot = found.snapshot(AsOf::Latest).await?;
        entry.column_comments = table::schema::column_comments(&snapshot.schema());
        self.catalog.register_table(entry).await?;
        info!(table = %name, %url, version = snapshot.version(), "delta table registered");
        self.table(&name).await
    }

    /// Forgets a table; its files stay, and there is nothing to undrop.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`].
    pub async fn unregister_table(&self, name: &TableName) -> Result<TableEntry> {
        let entry = self.catalog.unregister_table(name).await?;
        self.tables.lock().remove(&entry.location);
        Ok(entry)
    }

    /// Returns the pins of the lake.
    pub fn pins(&self) -> Pins {
        Pins::new(self.storage.object_store())
    }

    /// Checks that the lake deletes nothing outside itself.
    fn check_managed(&self, entry: &TableEntry) -> Result<()> {
        if entry.kind == TableKind::Managed {
            self.storage.table_url(&entry.location)?;
        }
        Ok(())
    }

    async fn check_name_is_free(&self, name: &TableName) -> Result<()> {
        match self.catalog.table(name).await {
            Ok(_) => Err(Error::TableAlreadyExists {
                name: name.to_string(),
            }),
            Err(Error::TableNotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
