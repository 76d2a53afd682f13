//! Tables that the engine fills when they are read: `information_schema` and the catalog `system`.
//!
//! ```text
//! filters of the scan -> Wanted (which catalogs, schemas, tables) -> rows of only those -> a batch
//! ```
//!
//! Filters are applied to the rows again, so what is not understood here only costs time.

mod information;
mod jdbc;
mod metadata;
mod relations;
mod rows;
mod runtime;
mod wanted;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

pub(super) use self::relations::{Listed, columns_of};
pub(super) use self::rows::{Cell, Kind, cells};
use self::rows::{batch, schema};
pub(super) use self::wanted::Wanted;
use super::QueryEngine;
use super::names::{CATALOGS, SYSTEM, did_you_mean};
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// The name of the schema that every catalog has.
pub(super) const INFORMATION_SCHEMA: &str = "information_schema";

/// A table that the engine fills.
#[derive(Debug)]
pub(super) struct TableSpec {
    pub(super) schema: &'static str,
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
    /// How many of the columns `SELECT *` has; the others must be named.
    pub(super) visible: usize,
}

impl TableSpec {
    /// Returns the columns that need not be named.
    pub(super) fn visible_columns(&self) -> &'static [(&'static str, Kind)] {
        self.columns.get(..self.visible).unwrap_or(self.columns)
    }
}

/// The tables of `information_schema`, which every catalog has.
pub(super) fn information_tables() -> &'static [TableSpec] {
    &information::TABLES
}

/// The tables of the catalog `system`.
pub(super) fn system_tables() -> impl Iterator<Item = &'static TableSpec> {
    jdbc::TABLES
        .iter()
        .chain(&metadata::TABLES)
        .chain(&runtime::TABLES)
}

/// The schemas of the catalog `system`.
pub(super) const SYSTEM_SCHEMAS: [&str; 3] = ["jdbc", "metadata", "runtime"];

/// Whether columns that must be named are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    Included,
    Left,
}

/// Returns a table of the engine's own.
///
/// # Errors
/// `SCHEMA_NOT_FOUND` and `TABLE_NOT_FOUND`.
pub(super) fn table(
    engine: &QueryEngine,
    catalog: &str,
    schema_name: &str,
    name: &str,
    hidden: Hidden,
) -> Result<Arc<dyn TableProvider>> {
    let spec = find(catalog, schema_name, name)?;
    let columns = match hidden {
        Hidden::Included => spec.columns,
        Hidden::Left => spec.visible_columns(),
    };
    Ok(Arc::new(VirtualTable {
        spec,
        schema: schema(columns),
        catalog: catalog.to_owned(),
        engine: engine.clone(),
    }))
}

/// Returns what a table of the engine's own has.
///
/// # Errors
/// `SCHEMA_NOT_FOUND` and `TABLE_NOT_FOUND`.
pub(super) fn find(catalog: &str, schema_name: &str, name: &str) -> Result<&'static TableSpec> {
    let specs: Vec<&'static TableSpec> = if schema_name == INFORMATION_SCHEMA {
        information_tables().iter().collect()
    } else if catalog == SYSTEM && SYSTEM_SCHEMAS.contains(&schema_name) {
        system_tables()
            .filter(|spec| spec.schema == schema_name)
            .collect()
    } else {
        let nearest = lake::nearest(schema_name, SYSTEM_SCHEMAS);
        return Err(TrinoFailure::new(
            "SCHEMA_NOT_FOUND",
            format!(
                "Schema '{schema_name}' does not exist{}",
                did_you_mean(&nearest)
            ),
        )
        .into());
    };
    let found = specs.iter().find(|spec| spec.name == name);
    found.copied().ok_or_else(|| {
        let nearest = lake::nearest(name, specs.iter().map(|spec| spec.name));
        TrinoFailure::new(
            "TABLE_NOT_FOUND",
            format!(
                "Table '{catalog}.{schema_name}.{name}' does not exist{}",
                did_you_mean(&nearest)
            ),
        )
        .into()
    })
}

/// Returns all catalogs, in the order of their names.
pub(super) fn catalogs() -> impl Iterator<Item = &'static str> {
    CATALOGS.into_iter().chain([SYSTEM])
}

struct VirtualTable {
    spec: &'static TableSpec,
    schema: SchemaRef,
    /// The catalog that the table was named in.
    catalog: String,
    engine: QueryEngine,
}

impl fmt::Debug for VirtualTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualTable")
            .field("schema", &self.spec.schema)
            .field("name", &self.spec.name)
            .finish_non_exhaustive()
    }
}

impl VirtualTable {
    async fn rows(&self, wanted: &Wanted) -> Result<Vec<Vec<Cell>>> {
        let (engine, name) = (&self.engine, self.spec.name);
        match self.spec.schema {
            INFORMATION_SCHEMA => information::rows(engine, &self.catalog, name, wanted).await,
            "jdbc" => jdbc::rows(engine, name, wanted).await,
            "metadata" => metadata::rows(engine, name, wanted).await,
            "runtime" => Ok(runtime::rows(engine, name)),
            other => Err(Error::Internal {
                message: format!("no rows for schema `{other}`"),
            }),
        }
    }
}

#[async_trait]
impl TableProvider for VirtualTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let wanted = Wanted::of(filters);
        let columns = self.schema.fields().len();
        let rows = self
            .rows(&wanted)
            .await
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let columns = self
            .spec
            .columns
            .get(..columns)
            .unwrap_or(self.spec.columns);
        let batch = batch(columns, &self.schema, &rows)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let table = MemTable::try_new(Arc::clone(&self.schema), vec![vec![batch]])?;
        table.scan(state, projection, &[], None).await
    }
}
