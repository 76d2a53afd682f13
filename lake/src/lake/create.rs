//! New tables: first a Delta log at a fresh location, then the name.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use chrono::Utc;
use tracing::info;
use uuid::Uuid;

use super::Lake;
use crate::catalog::{TableEntry, TableKind, TableName};
use crate::error::{Error, Result};
use crate::external::{location_url, normal_location};
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

impl Lake {
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

    /// Returns a location that no table has had: a dropped namesake's files are never met, and the
    /// loser of a race leaves the winner's log alone.
    pub(super) async fn fresh_location(&self, name: &TableName) -> Result<String> {
        let unique = Uuid::new_v4().simple().to_string();
        let unique = unique.get(..12).unwrap_or(&unique);
        let database = self.catalog.database(&name.database).await?;
        let folder = database.location.unwrap_or(database.name);
        let location = format!("{}/{}-{unique}", folder.trim_end_matches('/'), name.table);
        normal_location(&self.storage, &location)
    }
}
