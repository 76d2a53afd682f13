//! The lake as DataFusion sees it during one statement: each table pinned to one version.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::session_state::SessionState;
use lake::{AsOf, Lake, OpenTable, TableName, TableSnapshot};
use tokio::sync::Mutex;

use super::external::ExternalProvider;
use super::information_schema;
use crate::Error;
use crate::presto::tokens;

/// Stands for "no schema" where DataFusion wants a name.
pub(super) const NO_SCHEMA: &str = "no schema set";

/// The catalogs of one statement: `lake` alone.
pub(super) struct LakeCatalogList {
    catalog: Arc<LakeCatalog>,
}

struct LakeCatalog {
    pins: Arc<Pins>,
}

struct LakeSchema {
    name: String,
    pins: Arc<Pins>,
}

/// The tables this statement has met; a table that occurs twice is one version.
struct Pins {
    lake: Arc<Lake>,
    state: Arc<SessionState>,
    tables: Mutex<HashMap<(String, String), Arc<dyn TableProvider>>>,
    /// Held so that maintenance removes no file of theirs while the statement runs.
    snapshots: parking_lot::Mutex<Vec<TableSnapshot>>,
}

impl LakeCatalogList {
    pub(super) fn new(lake: Arc<Lake>, state: Arc<SessionState>) -> Self {
        let pins = Arc::new(Pins {
            lake,
            state,
            tables: Mutex::default(),
            snapshots: parking_lot::Mutex::default(),
        });
        Self {
            catalog: Arc::new(LakeCatalog { pins }),
        }
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
        vec![super::CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        name.eq_ignore_ascii_case(super::CATALOG)
            .then(|| Arc::clone(&self.catalog) as _)
    }
}

impl CatalogProvider for LakeCatalog {
    fn schema_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        // Whether it exists is asked with the table, because asking is I/O and this is not async.
        Some(Arc::new(LakeSchema {
            name: name.to_ascii_lowercase(),
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
        let key = (self.name.clone(), name.to_ascii_lowercase());
        let mut tables = self.pins.tables.lock().await;
        if let Some(table) = tables.get(&key) {
            return Ok(Some(Arc::clone(table)));
        }
        let table = self
            .open(&key.1)
            .await
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        tables.insert(key, Arc::clone(&table));
        Ok(Some(table))
    }

    fn table_exist(&self, _: &str) -> bool {
        true
    }
}

impl LakeSchema {
    async fn open(&self, name: &str) -> Result<Arc<dyn TableProvider>, Error> {
        let (table, as_of) = tokens::split_name(name)?;
        if self.name == NO_SCHEMA {
            return Err(Error::MissingSchema {
                name: table.to_owned(),
            });
        }
        if self.name == information_schema::NAME {
            return information_schema::table(&self.pins.lake, table).await;
        }
        if let Some(base) = table.strip_suffix("$history") {
            let table = self
                .pins
                .lake
                .table(&TableName::new(&self.name, base)?)
                .await?;
            return information_schema::history(&table).await;
        }
        let name = TableName::new(&self.name, table)?;
        match self.pins.lake.open_table(&name).await? {
            OpenTable::Delta(table) => {
                let snapshot = table.snapshot(as_of).await?;
                tracing::debug!(table = %table.name(), version = snapshot.version(), "table pinned");
                let provider = snapshot.provider_for(Arc::clone(&self.pins.state)).await?;
                self.pins.snapshots.lock().push(snapshot);
                Ok(provider)
            }
            OpenTable::Files(_) if as_of != AsOf::Latest => Err(Error::NotSupported {
                what: format!("FOR … AS OF on `{name}`, which has no versions"),
            }),
            OpenTable::Files(table) => Ok(Arc::new(ExternalProvider::new(*table)?)),
        }
    }
}
