//! The lake: storage, catalog, and the tables that are open in this process.

mod derive;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::Utc;
use parking_lot::Mutex;
use tracing::{info, warn};
use uuid::Uuid;

use crate::catalog::{Catalog, TableEntry, TableName};
use crate::error::{Error, Result};
use crate::storage::{Storage, StorageConfig};
use crate::table::{self, LakeTable};

/// What a new table is to be.
#[derive(Debug, Clone)]
pub struct TableDefinition {
    /// The name; its database must exist.
    pub name: TableName,
    /// The columns. Timestamps become microseconds, string and binary views become plain, and a
    /// field's metadata `comment` becomes the column's comment. A field that is not nullable is
    /// NOT NULL.
    pub schema: SchemaRef,
    /// What the table is for.
    pub comment: Option<String>,
    /// The columns that files are partitioned by, in order.
    pub partition_columns: Vec<String>,
    /// Properties; those that start with `delta.` or `lakehouse.` go into the Delta log, the
    /// others into the catalog.
    pub properties: BTreeMap<String, String>,
}

/// One lake: its storage, its catalog and its tables.
#[derive(Debug)]
pub struct Lake {
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

    /// Opens the lake on an open storage.
    ///
    /// # Errors
    ///
    /// Those of reading the catalog.
    pub async fn over(storage: Storage) -> Result<Arc<Self>> {
        let catalog = Catalog::open(&storage).await?;
        Ok(Arc::new(Self {
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

    /// Creates a table: first its Delta log at a fresh location, then its name. Of two processes
    /// that create the same name, one wins.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::TableAlreadyExists`], [`Error::SchemaMismatch`] for
    /// columns that Delta cannot store, [`Error::Table`] for properties that it refuses.
    pub async fn create_table(&self, definition: TableDefinition) -> Result<LakeTable> {
        let name = TableName::new(&definition.name.database, &definition.name.table)?;
        match self.catalog.table(&name).await {
            Ok(_) => {
                return Err(Error::TableAlreadyExists {
                    name: name.to_string(),
                });
            }
            Err(Error::TableNotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let location = fresh_location(&name);
        let url = self.storage.table_url(&location)?;
        let (delta, own): (BTreeMap<_, _>, BTreeMap<_, _>) = definition
            .properties
            .into_iter()
            .partition(|(key, _)| key.starts_with("delta.") || key.starts_with("lakehouse."));
        let schema = table::schema::table_schema(&name, &definition.schema)?;
        let entry = TableEntry {
            name: name.clone(),
            location: location.clone(),
            comment: definition.comment.clone(),
            column_comments: table::schema::column_comments(&schema),
            properties: own,
            created_at: Utc::now(),
        };
        let created = LakeTable::create(
            name.clone(),
            url.clone(),
            self.storage.log_store(&url)?,
            table::NewTable {
                schema,
                comment: definition.comment,
                partition_columns: definition.partition_columns,
                delta_properties: delta,
            },
        )
        .await?;
        if let Err(error) = self.catalog.register_table(entry).await {
            self.delete_files(&created).await;
            return Err(error);
        }
        info!(table = %name, %url, "table created");
        self.tables.lock().insert(location, created.clone());
        Ok(created)
    }

    /// Opens a table. Nothing of its Delta log is read before it is needed.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`] list the nearest names.
    pub async fn table(&self, name: &TableName) -> Result<LakeTable> {
        let entry = self.catalog.table(name).await?;
        if let Some(open) = self.tables.lock().get(&entry.location) {
            return Ok(open.clone());
        }
        let url = self.storage.table_url(&entry.location)?;
        let log_store = self.storage.log_store(&url)?;
        let opened = LakeTable::new(entry.name, url, log_store);
        Ok(self
            .tables
            .lock()
            .entry(entry.location)
            .or_insert(opened)
            .clone())
    }

    /// Forgets a table and deletes its files.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`]. Files that cannot be deleted are
    /// only logged: the table is gone.
    pub async fn drop_table(&self, name: &TableName) -> Result<()> {
        let entry = self.catalog.unregister_table(name).await?;
        self.tables.lock().remove(&entry.location);
        let url = self.storage.table_url(&entry.location)?;
        let log_store = self.storage.log_store(&url)?;
        self.delete_files(&LakeTable::new(entry.name, url, log_store))
            .await;
        Ok(())
    }

    async fn delete_files(&self, table: &LakeTable) {
        match self.storage.delete_below(table.url()).await {
            Ok(files) => info!(table = %table.name(), files, "files of dropped table deleted"),
            Err(error) => {
                warn!(table = %table.name(), url = %table.url(), %error, "files could not be deleted");
            }
        }
    }
}

/// Returns a location that nothing was ever at: a dropped namesake's files are never met, and the
/// loser of a race for the name leaves the winner's log alone.
fn fresh_location(name: &TableName) -> String {
    let unique = Uuid::new_v4().simple().to_string();
    let unique = unique.get(..12).unwrap_or(&unique);
    format!("{}/{}-{unique}", name.database, name.table)
}
