//! A version of a table as DataFusion scans it.
//!
//! ```text
//! the log's statistics -> files that the filters let through -> one Parquet source, nothing above it
//! ```
//!
//! Delta's own provider puts a node of its own over each scan, which costs time per batch and keeps
//! filters and statistics from the source. What that node is for, deletion vectors and mapped
//! columns, is left to it.

mod parts;
mod statistics;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::metrics::MetricBuilder;
use deltalake::kernel::EagerSnapshot;
use object_store::ObjectMeta;
use object_store::path::Path;

pub(crate) use self::statistics::FileStatistics;
use super::TableSnapshot;

/// The rows of one version, read by a Parquet source alone.
#[derive(Debug)]
pub(super) struct DeltaScan {
    snapshot: TableSnapshot,
    /// The columns in the table's order.
    schema: SchemaRef,
    /// Those in the files.
    file_fields: Vec<FieldRef>,
    /// Those in the files' paths.
    partition_fields: Vec<FieldRef>,
}

/// The metric of a scan that counts the files which what the log says of them rules out.
pub const PRUNED_BY_LOG: &str = "files_pruned_log";

impl DeltaScan {
    /// Returns the scan of a version; none if its files need more than reading.
    pub(super) fn of(snapshot: &TableSnapshot, session: &dyn Session) -> Option<Self> {
        let state = snapshot.delta_table().snapshot().ok()?;
        if !is_plain(state.snapshot()) {
            return None;
        }
        let uses_views = session
            .config_options()
            .execution
            .parquet
            .schema_force_view_types;
        let keys = snapshot.partition_columns();
        let mut fields: Vec<FieldRef> = Vec::new();
        for field in snapshot.schema().fields() {
            let data_type = if uses_views {
                viewed(field.data_type())
            } else {
                field.data_type().clone()
            };
            // Comments are the catalog's; in fields they would make equal types differ.
            let field = Field::new(field.name(), data_type, field.is_nullable());
            fields.push(Arc::new(field));
        }
        let (partition_fields, file_fields) = fields
            .iter()
            .cloned()
            .partition(|field| keys.contains(field.name()));
        Some(Self {
            snapshot: snapshot.clone(),
            schema: Arc::new(Schema::new(fields)),
            file_fields,
            partition_fields,
        })
    }

    /// Returns which files may have rows for which the filters hold.
    fn wanted(
        &self,
        state: &dyn Session,
        known: &FileStatistics,
        filters: &[Expr],
    ) -> DataFusionResult<Option<Vec<bool>>> {
        let Some(filter) = conjunction(filters.iter().cloned()) else {
            return Ok(None);
        };
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let filter = unqualified(filter)?;
        let predicate = state.create_physical_expr(filter, &schema)?;
        let pruning = PruningPredicateBuilder::new()
            .with_file_schema(Arc::clone(&self.schema))
            .build(predicate);
        let Some(pruning) = pruning else {
            return Ok(None);
        };
        pruning.prune(known).map(Some)
    }

    /// Returns the files to read.
    fn files(
        &self,
        log: &EagerSnapshot,
        wanted: Option<&[bool]>,
        known: &FileStatistics,
    ) -> DataFusionResult<Vec<PartitionedFile>> {
        let data = log.try_log_data().map_err(external)?;
        if data.num_files() == 0 {
            return Ok(Vec::new());
        }
        let root = self.snapshot.location()?;
        let keys = self.partition_values(known)?;
        let is_wanted = |row: usize| wanted.is_none_or(|wanted| wanted.get(row) == Some(&true));
        let count = (0..data.num_files()).filter(|row| is_wanted(*row)).count();
        let mut files = Vec::with_capacity(count);
        for (row, file) in data.iter().enumerate() {
            if !is_wanted(row) {
                continue;
            }
            let path = file.object_store_path();
            let location = Path::from_iter(root.parts().chain(path.parts()));
            let meta = ObjectMeta {
                location,
                last_modified: file.modification_datetime().map_err(external)?,
                size: u64::try_from(file.size()).unwrap_or(0),
                e_tag: None,
                version: None,
            };
            let values = keys
                .iter()
                .map(|column| ScalarValue::try_from_array(column, row))
                .collect::<DataFusionResult<Vec<_>>>()?;
            let mut part = PartitionedFile::new_from_meta(meta).with_partition_values(values);
            if count <= statistics::MAX_FILES {
                part = part.with_statistics(Arc::new(known.of_file(row, &self.file_fields)?));
            }
            files.push(part);
        }
        Ok(files)
    }

    /// Returns a column of values for each partition column, a row for each file.
    fn partition_values(&self, known: &FileStatistics) -> DataFusionResult<Vec<ArrayRef>> {
        self.partition_fields
            .iter()
            .map(|field| {
                known.least(field.name()).ok_or_else(|| {
                    DataFusionError::Internal(format!(
                        "the log has no values of partition column `{}`; please report this",
                        field.name()
                    ))
                })
            })
            .collect()
    }

    /// Returns the columns to read, by their place among those of the files and the paths.
    fn projection(&self, projection: Option<&Vec<usize>>) -> Vec<usize> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let fields = self.file_fields.iter().chain(&self.partition_fields);
        for (place, field) in fields.enumerate() {
            places.insert(field.name(), place);
        }
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        projection
            .unwrap_or(&all)
            .iter()
            .filter_map(|column| self.schema.fields().get(*column))
            .filter_map(|field| places.get(field.name().as_str()).copied())
            .collect()
    }
}

#[async_trait]
impl TableProvider for DeltaScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let delta = self.snapshot.delta_table().snapshot().map_err(external)?;
        let log = delta.snapshot();
        let known = self.snapshot.file_statistics(&self.schema)?;
        let wanted = self.wanted(state, &known, filters)?;
        let files = self.files(log, wanted.as_deref(), &known)?;
        if files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => Arc::clone(&self.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let store = self.snapshot.root_store();
        let store_url = store_url(&self.snapshot)?;
        state
            .runtime_env()
            .register_object_store(store_url.as_ref(), Arc::clone(&store));
        let table_schema = TableSchema::builder(Arc::new(Schema::new(self.file_fields.clone())))
            .with_table_partition_cols(self.partition_fields.clone())
            .build();
        let mut options = state.default_table_options().parquet;
        // Spark writes timestamps of 96 bits, which in nanoseconds end in 2262.
        options.global.coerce_int96 = Some("us".to_owned());
        let format = ParquetFormat::new().with_options(options);
        let source = format.file_source(table_schema);
        if let Some(wanted) = &wanted {
            let kept = wanted.iter().filter(|is_wanted| **is_wanted).count();
            let pruning = MetricBuilder::new(source.metrics()).pruning_metrics(PRUNED_BY_LOG, 0);
            pruning.add_pruned(wanted.len() - kept);
            pruning.add_matched(kept);
        }
        let fields: Vec<FieldRef> = self
            .file_fields
            .iter()
            .chain(&self.partition_fields)
            .cloned()
            .collect();
        let statistics = known.of_files(wanted.as_deref(), &fields);
        let parts = parts::split(files, state, store.as_ref()).await;
        let groups = FileGroup::new(parts).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(store_url, source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(Some(self.projection(projection)))?
            // Rows are filtered after the scan, so it must not stop early.
            .with_limit(limit.filter(|_| filters.is_empty()))
            .build();
        format.create_physical_plan(state, config).await
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        // A file whose partition value is right has only rows that are; pruning asks no more of it,
        // but only conditions that it understands are sure to be decided, so none is exact.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    fn statistics(&self) -> Option<Statistics> {
        let known = self.snapshot.file_statistics(&self.schema).ok()?;
        Some(known.of_files(None, self.schema.fields()))
    }
}

/// Returns whether the files are the rows: no row is deleted in a file, no column has another name
/// there, and all files are the table's.
fn is_plain(log: &EagerSnapshot) -> bool {
    let protocol = log.protocol();
    let features = protocol.reader_features().unwrap_or_default();
    let is_known = features
        .iter()
        .all(|feature| feature.as_ref() == "timestampNtz");
    if protocol.min_reader_version() == 2 || !is_known {
        return false;
    }
    let Ok(data) = log.try_log_data() else {
        return false;
    };
    data.iter().all(|file| !file.path().contains("://"))
}

/// Returns the type that is fastest to read as.
fn viewed(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        other => other.clone(),
    }
}

/// The filter names the table as the statement does; files and statistics stand for no table.
fn unqualified(filter: Expr) -> DataFusionResult<Expr> {
    use datafusion::common::Column;
    use datafusion::common::tree_node::{Transformed, TreeNode as _};
    let changed = filter.transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => {
                Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(changed.data)
}

/// Returns a URL that stands for the store of the table's lake: sessions find stores by URL, and other
/// stores of the same bucket may have other credentials.
fn store_url(snapshot: &TableSnapshot) -> DataFusionResult<ObjectStoreUrl> {
    let mut hasher = DefaultHasher::new();
    let store = snapshot.root_store();
    Arc::as_ptr(&store).cast::<()>().hash(&mut hasher);
    ObjectStoreUrl::parse(format!("lake-{:x}://", hasher.finish()))
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl TableSnapshot {
    /// Returns the provider of a session's scans; none if Delta's own is needed.
    pub(super) fn plain_scan(&self, session: &dyn Session) -> Option<Arc<dyn TableProvider>> {
        DeltaScan::of(self, session).map(|scan| Arc::new(scan) as _)
    }
}

#[cfg(test)]
mod tests;
