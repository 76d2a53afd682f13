//! The lake: storage, catalog, and the tables that are open in this process.

mod derive;

pub use self::derive::clone_owner;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};
use url::Url;
use uuid::Uuid;

use crate::catalog::{
    Catalog, Database, DroppedTable, IfExists, Partition, TableEntry, TableFormat, TableKind,
    TableName,
};
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

/// What naming a table does about a table of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamingMode {
    /// It fails.
    New,
    /// The new one takes its place in one step; the old one can be had back like a dropped one.
    Replace,
}

/// A table that has a log and no name yet.
#[derive(Debug)]
pub struct PendingTable<'a> {
    lake: &'a Lake,
    table: LakeTable,
    entry: TableEntry,
    mode: NamingMode,
}

impl PendingTable<'_> {
    /// Returns the table, to be filled.
    pub fn table(&self) -> &LakeTable {
        &self.table
    }

    /// Says who is responsible for the table.
    pub fn set_owner(&mut self, owner: Option<String>) {
        self.entry.owner = owner;
    }

    /// Gives the table its name and returns it.
    ///
    /// # Errors
    ///
    /// Those of [`Lake::create_table`]; the files are deleted then, if they are the lake's.
    pub async fn finish(self) -> Result<LakeTable> {
        let Self {
            lake,
            table,
            entry,
            mode,
        } = self;
        let (location, kind) = (entry.location.clone(), entry.kind);
        let named = match mode {
            NamingMode::New => lake.catalog.register_table(entry).await,
            NamingMode::Replace => {
                let purge_after = match lake.catalog.table(table.name()).await.map(|old| old.kind) {
                    Ok(TableKind::External) => None,
                    _ => Some(Utc::now() + lake.grace()?),
                };
                lake.catalog.replace_table(entry, purge_after).await
            }
        };
        if let Err(error) = named {
            if kind == TableKind::Managed {
                lake.delete_files(table.name(), table.url()).await;
            }
            return Err(error);
        }
        info!(table = %table.name(), url = %table.url(), "table created");
        lake.tables.lock().insert(location, table.clone());
        Ok(table)
    }

    /// Gives up; the files are deleted, if they are the lake's.
    pub async fn discard(self) {
        if self.entry.kind == TableKind::Managed {
            self.lake
                .delete_files(self.table.name(), self.table.url())
                .await;
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

    /// Creates a table: first its Delta log at a fresh location, then its name. Of two processes
    /// that create the same name, one wins.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::TableAlreadyExists`], [`Error::SchemaMismatch`] for
    /// columns that Delta cannot store, [`Error::Table`] for properties that it refuses.
    pub async fn create_table(&self, definition: TableDefinition) -> Result<LakeTable> {
        self.begin_table(definition, None, NamingMode::New)
            .await?
            .finish()
            .await
    }

    /// Begins a table that has no name yet, so that it can be filled before anybody sees it.
    /// Without a location it gets a fresh one in its database; with one, the table is external:
    /// its files stay when it is dropped.
    ///
    /// # Errors
    ///
    /// Those of [`create_table`](Self::create_table); [`Error::LocationTaken`] when there is a
    /// Delta table at the location, [`Error::ExternalLocationNotAllowed`].
    pub async fn begin_table(
        &self,
        definition: TableDefinition,
        location: Option<&str>,
        mode: NamingMode,
    ) -> Result<PendingTable<'_>> {
        let name = TableName::new(&definition.name.database, &definition.name.table)?;
        if mode == NamingMode::New {
            self.check_name_is_free(&name).await?;
        } else {
            self.catalog.database(&name.database).await?;
        }
        let (location, url, log_store, kind) = match location {
            None => {
                let location = self.fresh_location(&name).await?;
                let url = self.storage.table_url(&location)?;
                let log_store = self.storage.log_store(&url)?;
                (location, url, log_store, TableKind::Managed)
            }
            Some(given) => {
                let location = normal_location(&self.storage, given)?;
                let url = location_url(&self.storage, &location)?;
                let log_store = self.storage.external_log_store(&url).await?;
                if log_store.is_delta_table_location().await.unwrap_or(false) {
                    return Err(Error::LocationTaken {
                        location: given.to_owned(),
                        table: "a Delta table that is there".to_owned(),
                    });
                }
                (location, url, log_store, TableKind::External)
            }
        };
        let (delta, own): (BTreeMap<_, _>, BTreeMap<_, _>) = definition
            .properties
            .into_iter()
            .partition(|(key, _)| key.starts_with("delta.") || key.starts_with("lakehouse."));
        let schema = table::schema::table_schema(&name, &definition.schema)?;
        let entry = TableEntry {
            comment: definition.comment.clone(),
            column_comments: table::schema::column_comments(&schema),
            properties: own,
            kind,
            ..TableEntry::delta(name.clone(), location, Utc::now())
        };
        let created = LakeTable::create(
            name,
            url,
            log_store,
            table::NewTable {
                schema,
                comment: definition.comment,
                partition_columns: definition.partition_columns,
                delta_properties: delta,
            },
        )
        .await?;
        let table = created.with_write_buffer(self.config.write_buffer_bytes);
        Ok(PendingTable {
            lake: self,
            table,
            entry,
            mode,
        })
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

    /// Takes a table's name away. It can be had back with [`undrop_table`](Self::undrop_table)
    /// during the grace period; after it the files of a managed table are deleted by
    /// [`purge_dropped`](Self::purge_dropped).
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`].
    pub async fn drop_table(&self, name: &TableName) -> Result<()> {
        let kind = self.catalog.table(name).await?.kind;
        let purge_after = match kind {
            TableKind::Managed => Some(Utc::now() + self.grace()?),
            TableKind::External => None,
        };
        let entry = self.catalog.drop_table(name, purge_after).await?;
        self.tables.lock().remove(&entry.location);
        Ok(())
    }

    /// Gives its name back to the table of that name that was dropped last.
    ///
    /// # Errors
    ///
    /// Those of [`Catalog::undrop_table`].
    pub async fn undrop_table(&self, name: &TableName) -> Result<TableEntry> {
        self.catalog.undrop_table(name).await
    }

    /// Gives a table another name; its location stays.
    ///
    /// # Errors
    ///
    /// Those of [`Catalog::rename_table`].
    pub async fn rename_table(&self, from: &TableName, to: &TableName) -> Result<()> {
        // The new name is pinned first, the old one unpinned last: whatever stops this midway
        // leaves more pins than needed.
        let pins = self.pins();
        pins.copy(from, to).await?;
        self.catalog.rename_table(from, to).await?;
        pins.remove_all(from).await
    }

    /// Returns the pins of the lake.
    pub fn pins(&self) -> Pins {
        Pins::new(self.storage.object_store())
    }

    /// Deletes the files of managed tables whose grace period was over at `now`, and forgets
    /// those tables and the external ones that were dropped as long ago. Returns the names of
    /// those whose files are gone. Files that cannot be deleted are logged and tried again the
    /// next time; those of a table with a pinned version stay until it is unpinned.
    ///
    /// # Errors
    ///
    /// Those of reading and changing the catalog.
    pub async fn purge_dropped(&self, now: DateTime<Utc>) -> Result<Vec<TableName>> {
        let (mut gone, mut names) = (Vec::new(), Vec::new());
        let pinned = self.pins().tables(now).await?;
        for dropped in self.catalog.claim_dropped(now, &pinned).await? {
            let name = dropped.entry.name.clone();
            let url = match self.storage.table_url(&dropped.entry.location) {
                Ok(url) => url,
                Err(error) => {
                    warn!(table = %name, %error, "files of dropped table cannot be found");
                    continue;
                }
            };
            if self.delete_files(&name, &url).await {
                names.push(name);
                gone.push(dropped);
            }
        }
        let grace = self.grace()?;
        let expired = |dropped: &DroppedTable| {
            dropped.purge_after.is_none() && dropped.dropped_at + grace <= now
        };
        let dropped = self.catalog.dropped_tables(None).await?;
        gone.extend(dropped.into_iter().filter(expired));
        self.catalog.forget_dropped(&gone).await?;
        Ok(names)
    }

    /// Checks that the lake deletes nothing outside itself.
    fn check_managed(&self, entry: &TableEntry) -> Result<()> {
        if entry.kind == TableKind::Managed {
            self.storage.table_url(&entry.location)?;
        }
        Ok(())
    }

    fn grace(&self) -> Result<TimeDelta> {
        TimeDelta::from_std(self.config.drop_grace).map_err(|error| Error::StorageOptionRefused {
            option: "lake.drop_grace".to_owned(),
            reason: error.to_string(),
        })
    }

    /// Returns a location that no table has had: a dropped namesake's files are never met, and the
    /// loser of a race leaves the winner's log alone.
    async fn fresh_location(&self, name: &TableName) -> Result<String> {
        let unique = Uuid::new_v4().simple().to_string();
        let unique = unique.get(..12).unwrap_or(&unique);
        let database = self.catalog.database(&name.database).await?;
        let folder = database.location.unwrap_or(database.name);
        let location = format!("{}/{}-{unique}", folder.trim_end_matches('/'), name.table);
        normal_location(&self.storage, &location)
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

    /// Returns whether the files are gone.
    async fn delete_files(&self, table: &TableName, url: &Url) -> bool {
        match self.storage.delete_below(url).await {
            Ok(files) => {
                info!(%table, files, "files of dropped table deleted");
                true
            }
            Err(error) => {
                warn!(%table, %url, %error, "files could not be deleted");
                false
            }
        }
    }
}
