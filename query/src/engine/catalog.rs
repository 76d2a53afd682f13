//! The lake as DataFusion sees it during one statement: each table pinned to one version.
//!
//! ```text
//! delta | hive | lake . schema . table    the lake: tables, views, "t$history" and the like
//!                    . information_schema
//! system . jdbc | metadata | runtime
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::session_state::SessionState;
use lake::{AsOf, Lake, OpenTable, Relation, TableName, TableSnapshot};

use super::external::ExternalProvider;
use super::names::{SYSTEM, in_catalog, is_lake};
use super::session::SessionSettings;
use super::system::{self, Hidden};
use super::{QueryEngine, hidden, information_schema, metadata_tables, table_functions, views};
use crate::presto::error::TrinoFailure;
use crate::presto::tokens;
use crate::{Error, Result};

/// Stands for "no schema" where DataFusion wants a name.
pub(super) const NO_SCHEMA: &str = "no schema set";

/// The catalogs of one statement; clones share what is pinned.
#[derive(Clone)]
pub(super) struct LakeCatalogList {
    pins: Arc<Pins>,
}

struct LakeCatalog {
    name: String,
    pins: Arc<Pins>,
}

struct LakeSchema {
    catalog: String,
    name: String,
    pins: Arc<Pins>,
}

/// Catalog, schema and table.
type TableKey = (String, String, String);

/// The tables this statement has met; a table that occurs twice is one version.
pub(super) struct Pins {
    engine: QueryEngine,
    session: SessionSettings,
    state: Arc<SessionState>,
    /// By catalog, because a view says in which one it is.
    tables: parking_lot::Mutex<HashMap<TableKey, Arc<dyn TableProvider>>>,
    /// Held so that maintenance removes no file of theirs while the statement runs.
    snapshots: parking_lot::Mutex<HashMap<(TableName, AsOf), TableSnapshot>>,
    /// The views that are being resolved, the outermost first.
    open_views: parking_lot::Mutex<Vec<TableName>>,
}

impl LakeCatalogList {
    pub(super) fn new(
        engine: QueryEngine,
        session: SessionSettings,
        state: Arc<SessionState>,
    ) -> Self {
        Self {
            pins: Arc::new(Pins {
                engine,
                session,
                state,
                tables: parking_lot::Mutex::default(),
                snapshots: parking_lot::Mutex::default(),
                open_views: parking_lot::Mutex::default(),
            }),
        }
    }

    pub(super) fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }

    pub(super) fn over(pins: &Arc<Pins>) -> Self {
        Self {
            pins: Arc::clone(pins),
        }
    }
}

impl Pins {
    pub(super) fn engine(&self) -> &QueryEngine {
        &self.engine
    }

    pub(super) fn session(&self) -> &SessionSettings {
        &self.session
    }

    fn lake(&self) -> &Lake {
        self.engine.lake()
    }

    /// Returns the version of a table that this statement reads.
    pub(super) async fn snapshot(&self, name: &TableName, as_of: AsOf) -> Result<TableSnapshot> {
        let key = (name.clone(), as_of);
        if let Some(known) = self.snapshots.lock().get(&key) {
            return Ok(known.clone());
        }
        let table = self.lake().table(name).await?;
        let snapshot = table.snapshot(as_of).await?;
        tracing::debug!(table = %name, version = snapshot.version(), "table pinned");
        Ok(self.snapshots.lock().entry(key).or_insert(snapshot).clone())
    }

    pub(super) fn state(&self) -> &Arc<SessionState> {
        &self.state
    }

    /// Notes that a view is being resolved.
    ///
    /// # Errors
    /// `VIEW_IS_RECURSIVE` when it is already.
    pub(super) fn enter_view(&self, name: &TableName) -> Result<()> {
        let mut open = self.open_views.lock();
        if open.contains(name) {
            return Err(TrinoFailure::new("VIEW_IS_RECURSIVE", "View is recursive").into());
        }
        open.push(name.clone());
        Ok(())
    }

    pub(super) fn leave_view(&self) {
        self.open_views.lock().pop();
    }
}

impl fmt::Debug for LakeCatalogList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LakeCatalogList")
    }
}

impl fmt::Debug for LakeCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LakeCatalog")
    }
}

impl fmt::Debug for LakeSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LakeSchema")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl CatalogProviderList for LakeCatalogList {
    fn register_catalog(
        &self,
        _: String,
        _: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        system::catalogs().map(str::to_owned).collect()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let name = name.to_lowercase();
        let known = is_lake(&name) || name == SYSTEM;
        known.then(|| {
            Arc::new(LakeCatalog {
                name,
                pins: Arc::clone(&self.pins),
            }) as _
        })
    }
}

impl CatalogProvider for LakeCatalog {
    fn schema_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        // Whether it exists is asked with the table, because asking is I/O and this is not async.
        Some(Arc::new(LakeSchema {
            catalog: self.name.clone(),
            name: name.to_lowercase(),
            pins: Arc::clone(&self.pins),
        }))
    }
}

#[async_trait]
impl SchemaProvider for LakeSchema {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        let is_call = self.name == table_functions::SCHEMA;
        let name = if is_call {
            name.to_owned()
        } else {
            name.to_lowercase()
        };
        let key = (self.catalog.clone(), self.name.clone(), name);
        if let Some(table) = self.pins.tables.lock().get(&key) {
            return Ok(Some(Arc::clone(table)));
        }
        // Not locked meanwhile: a view asks for other tables.
        let table = self.open(&key.2).await.map_err(|error| {
            let error = match error {
                Error::Lake(error) => in_catalog(error, &self.catalog),
                other => other,
            };
            DataFusionError::External(Box::new(error))
        })?;
        self.pins.tables.lock().insert(key, Arc::clone(&table));
        Ok(Some(table))
    }

    fn table_exist(&self, _: &str) -> bool {
        true
    }
}

impl LakeSchema {
    async fn open(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        if self.name == table_functions::SCHEMA {
            return table_functions::open(&self.pins, name).await;
        }
        let (name, with_hidden) = hidden::split_name(name);
        let (table, as_of) = tokens::split_name(name)?;
        if self.name == NO_SCHEMA {
            return Err(Error::MissingSchema {
                name: table.to_owned(),
            });
        }
        let engine = &self.pins.engine;
        if self.name == information_schema::NAME || self.catalog == SYSTEM {
            if as_of != AsOf::Latest {
                return Err(no_versions(&format!(
                    "{}.{}.{table}",
                    self.catalog, self.name
                )));
            }
            return system::table(engine, &self.catalog, &self.name, table, with_hidden);
        }
        if let Some((base, kind)) = metadata_tables::split_name(table) {
            let base = TableName::new(&self.name, base)?;
            return metadata_tables::open(&self.pins, &base, kind, as_of).await;
        }
        let name = table_name(&self.catalog, &self.name, table)?;
        let relation = self.pins.lake().catalog().relation(&name).await?;
        match relation {
            Relation::View(view) if as_of == AsOf::Latest => {
                views::open(&self.pins, &self.catalog, *view).await
            }
            Relation::View(_) => Err(no_versions(&name.to_string())),
            Relation::Table(_) => self.open_table(&name, as_of, with_hidden).await,
        }
    }

    async fn open_table(
        &self,
        name: &TableName,
        as_of: AsOf,
        with_hidden: Hidden,
    ) -> Result<Arc<dyn TableProvider>> {
        match self.pins.lake().open_table(name).await? {
            OpenTable::Delta(_) => {
                let snapshot = self.pins.snapshot(name, as_of).await?;
                let provider = match with_hidden {
                    Hidden::Included => hidden::with_files(&snapshot, self.pins.state()).await?,
                    Hidden::Left => {
                        let state = Arc::clone(self.pins.state());
                        snapshot.provider_for(state).await?
                    }
                };
                hidden::in_lower_case(provider)
            }
            OpenTable::Files(_) if as_of != AsOf::Latest => Err(no_versions(&name.to_string())),
            OpenTable::Files(_) if with_hidden == Hidden::Included => Err(Error::NotSupported {
                what: format!("hidden columns of `{name}`, which has no Delta log"),
            }),
            OpenTable::Files(table) => Ok(Arc::new(ExternalProvider::new(*table)?)),
        }
    }
}

/// A name that no table can have names no table.
fn table_name(catalog: &str, schema: &str, table: &str) -> Result<TableName> {
    TableName::new(schema, table).map_err(|_| {
        TrinoFailure::new(
            "TABLE_NOT_FOUND",
            format!("Table '{catalog}.{schema}.{table}' does not exist"),
        )
        .into()
    })
}

fn no_versions(name: &str) -> Error {
    Error::NotSupported {
        what: format!("FOR … AS OF on `{name}`, which has no versions"),
    }
}
