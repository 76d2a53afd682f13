//! Changes of a table with column mapping.
//!
//! ```text
//! the version's metadata, as if the table had the names of its files -> Delta's reader of changes
//!                                                                          | rows, by those names
//! filters of columns by their names in files -----------------------------+
//!                                                                          v
//!                                                        columns by the names of the table
//! ```
//!
//! Delta's reader refuses column mapping, but all that it would need is other names: those in files
//! stay when a column is renamed, so that it finds the values of all versions under them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{RecordBatch, make_array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result as DataFusionResult};
use datafusion::datasource::TableType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use deltalake::delta_datafusion::DeltaCdfTableProvider;
use deltalake::kernel::{Action, Metadata, MetadataExt};
use deltalake::logstore::{StorageConfig, commit_uri_from_version, default_logstore};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaResult, DeltaTableError};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::json;
use url::Url;

use crate::table::TableSnapshot;
use crate::table::mapping::{self, FileColumns};

/// Changes, told under the names that a table has for its columns.
#[derive(Debug)]
pub(super) struct MappedChanges {
    /// The same, under the names that files have.
    in_files: DeltaCdfTableProvider,
    schema: SchemaRef,
}

impl MappedChanges {
    /// Returns the changes from a version on to that of a snapshot.
    pub(super) async fn open(snapshot: &TableSnapshot, from: u64) -> DeltaResult<Self> {
        let mut delta = super::reader_of(snapshot);
        delta.state = Some(unmapped_state(snapshot).await?);
        let changes = delta
            .scan_cdf()
            .with_starting_version(from)
            .with_ending_version(snapshot.version());
        let in_files = DeltaCdfTableProvider::try_new(changes)?;
        let columns = FileColumns::of(snapshot);
        let table = snapshot.schema();
        let fields = in_files.schema();
        let fields = fields.fields().iter().map(|stored| {
            let known = columns.table_name(stored.name());
            match known.and_then(|name| table.field_with_name(name).ok()) {
                Some(field) => {
                    let data_type = field.data_type().clone();
                    Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
                }
                // What tells the change itself.
                None => Arc::clone(stored),
            }
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>()));
        Ok(Self { in_files, schema })
    }

    /// Returns a filter with the names that files have for its columns; none for one that looks
    /// into a column that has columns, which have other names, too.
    fn in_file_names(&self, filter: &Expr) -> DataFusionResult<Option<Expr>> {
        let stored = self.in_files.schema();
        for column in filter.column_refs() {
            if self
                .schema
                .field_with_name(&column.name)?
                .data_type()
                .is_nested()
            {
                return Ok(None);
            }
        }
        let renamed = filter.clone().transform(|expr| {
            let Expr::Column(column) = &expr else {
                return Ok(Transformed::no(expr));
            };
            let index = self.schema.index_of(&column.name)?;
            let name = stored.field(index).name();
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(
                name,
            ))))
        })?;
        Ok(Some(renamed.data))
    }
}

#[async_trait]
impl TableProvider for MappedChanges {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let supported = |filter: &&Expr| {
            Ok(match self.in_file_names(filter)? {
                Some(_) => TableProviderFilterPushDown::Exact,
                None => TableProviderFilterPushDown::Unsupported,
            })
        };
        filters.iter().map(supported).collect()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mut renamed = Vec::with_capacity(filters.len());
        for filter in filters {
            renamed.push(self.in_file_names(filter)?.ok_or_else(|| {
                DataFusionError::Internal(format!("the filter {filter} was not to be pushed down"))
            })?);
        }
        let rows = self
            .in_files
            .scan(session, projection, &renamed, limit)
            .await?;
        let wanted = match projection {
            Some(columns) => self.schema.project(columns)?,
            None => self.schema.as_ref().clone(),
        };
        let given = rows.schema();
        let columns = given.fields().iter().zip(wanted.fields()).enumerate();
        let columns = columns.map(|(index, (given, wanted))| {
            let column = Arc::new(ColumnExpr::new(given.name(), index));
            let column: Arc<dyn PhysicalExpr> = if given.data_type() == wanted.data_type() {
                column
            } else {
                let data_type = wanted.data_type().clone();
                Arc::new(Renamed { column, data_type })
            };
            (column, wanted.name().clone())
        });
        let columns: Vec<_> = columns.collect();
        Ok(Arc::new(ProjectionExec::try_new(columns, rows)?))
    }
}

/// A column whose values have columns, under other names.
#[derive(Debug)]
struct Renamed {
    column: Arc<dyn PhysicalExpr>,
    /// The same shape with the names of the table.
    data_type: DataType,
}

impl PartialEq for Renamed {
    fn eq(&self, other: &Self) -> bool {
        self.column.as_ref() == other.column.as_ref() && self.data_type == other.data_type
    }
}

impl Eq for Renamed {}

impl Hash for Renamed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.data_type.hash(state);
    }
}

impl fmt::Display for Renamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "renamed({})", self.column)
    }
}

impl PhysicalExpr for Renamed {
    fn data_type(&self, _input_schema: &Schema) -> DataFusionResult<DataType> {
        Ok(self.data_type.clone())
    }

    fn nullable(&self, input_schema: &Schema) -> DataFusionResult<bool> {
        self.column.nullable(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> DataFusionResult<ColumnarValue> {
        let values = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        let renamed = mapping::retype(values.to_data(), &self.data_type)?;
        Ok(ColumnarValue::Array(make_array(renamed)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        let Some(column) = children.into_iter().next() else {
            return datafusion::common::internal_err!("a renamed column needs the column");
        };
        let data_type = self.data_type.clone();
        Ok(Arc::new(Self { column, data_type }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.column.fmt_sql(f)
    }
}

/// Returns the state of a table without files whose columns are named as in the files of a version.
async fn unmapped_state(snapshot: &TableSnapshot) -> DeltaResult<DeltaTableState> {
    let state = snapshot.delta_table().snapshot()?;
    let actions = [
        Action::Protocol(state.protocol().clone()),
        Action::Metadata(unmapped_metadata(snapshot, state)?),
    ];
    let lines = actions
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<Vec<_>, _>>()?;
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let first = commit_uri_from_version(Some(0));
    store.put(&first, lines.join("\n").into()).await?;
    let url =
        Url::parse("memory:///").map_err(|error| DeltaTableError::generic(error.to_string()))?;
    let log = default_logstore(Arc::clone(&store), store, &url, &StorageConfig::default());
    DeltaTableState::try_new(log.as_ref(), None).await
}

fn unmapped_metadata(snapshot: &TableSnapshot, state: &DeltaTableState) -> DeltaResult<Metadata> {
    let columns = mapping::unmapped(&state.schema())?;
    let metadata = state.metadata().clone().with_schema(&columns)?;
    let mut metadata = serde_json::to_value(metadata)?;
    if let Some(partition_columns) = metadata.get_mut("partitionColumns") {
        *partition_columns = json!(FileColumns::of(snapshot).partition_columns);
    }
    // Neither the mapping nor rules and properties that name columns are for this reader.
    if let Some(properties) = metadata.get_mut("configuration") {
        *properties = json!({ super::RECORDED: "true" });
    }
    Ok(serde_json::from_value(metadata)?)
}

#[cfg(test)]
mod tests;
