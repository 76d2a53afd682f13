//! Tables of Parquet, CSV or JSON files as DataFusion scans them.
//!
//! ```text
//! registered partitions -> those that the filters let through -> their files -> one scan per store
//! ```
//!
//! The catalog decides what is read: only registered partitions, and only the columns it knows, by name
//! (Parquet, JSON) or by position (CSV).

mod names;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::listing::helpers::expr_applicable_for_cols;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use futures::{StreamExt, TryStreamExt, stream};
use lake::catalog::NULL_PARTITION;
use lake::{ExternalTable, TableEntry, TableFolder, TableFormat};

use self::names::NamesWithoutCase;
use self::text::TextOptions;
use crate::{Error, Result};

const PARALLEL_LISTINGS: usize = 16;

/// A table of files at one moment.
#[derive(Debug)]
pub(super) struct ExternalProvider {
    table: ExternalTable,
    schema: SchemaRef,
    text: Option<TextOptions>,
}

impl ExternalProvider {
    /// # Errors
    /// Options that we do not honour, or columns that the format cannot hold.
    pub(super) fn new(table: ExternalTable) -> Result<Self> {
        // Comments are the catalog's; in fields they would make equal types differ.
        let fields = table.schema();
        let fields = fields.fields().iter();
        let fields = fields.map(|field| Field::new(field.name(), field.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let text = match table.entry().format {
            TableFormat::Csv => Some(TextOptions::of(table.entry())?),
            _ => None,
        };
        Ok(Self {
            table,
            schema,
            text,
        })
    }

    fn partition_keys(&self) -> Vec<&str> {
        let fields = self.table.partition_fields().iter();
        fields.map(|field| field.name().as_str()).collect()
    }

    /// Returns the folders that the filters on partition keys let through, with their values.
    fn folders(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> Result<Vec<(TableFolder, Vec<ScalarValue>)>> {
        let folders = self.table.folders()?;
        let fields = self.table.partition_fields();
        if fields.is_empty() {
            return Ok(folders
                .into_iter()
                .map(|folder| (folder, Vec::new()))
                .collect());
        }
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(fields.len());
        for (position, field) in fields.iter().enumerate() {
            let values: StringArray = folders
                .iter()
                .map(|folder| folder.values.get(position))
                .map(|value| value.filter(|value| *value != NULL_PARTITION))
                .collect();
            let options = CastOptions {
                safe: false,
                ..CastOptions::default()
            };
            let typed = cast_with_options(&values, field.data_type(), &options);
            columns.push(typed.map_err(|error| Error::Invalid {
                message: format!(
                    "table `{}`: partition key `{}`: {error}",
                    self.table.name(),
                    field.name()
                ),
            })?);
        }
        let schema = Arc::new(Schema::new(fields.clone()));
        let batch = RecordBatch::try_new(schema, columns).map_err(|error| Error::Internal {
            message: error.to_string(),
        })?;
        let wanted = wanted_rows(state, &batch, filters).map_err(Error::Plan)?;
        let mut kept = Vec::new();
        for (row, folder) in folders.into_iter().enumerate() {
            if wanted.is_valid(row) && wanted.value(row) {
                let values = batch
                    .columns()
                    .iter()
                    .map(|column| ScalarValue::try_from_array(column, row))
                    .collect::<DataFusionResult<_>>()
                    .map_err(Error::Plan)?;
                kept.push((folder, values));
            }
        }
        Ok(kept)
    }

    /// Lists the files of folders by their object store, and registers the stores with the session.
    async fn list(
        &self,
        state: &dyn Session,
        folders: Vec<(TableFolder, Vec<ScalarValue>)>,
    ) -> Result<BTreeMap<String, Vec<PartitionedFile>>> {
        let mut listed = stream::iter(folders)
            .map(|(folder, values)| async move {
                let files = self.table.list_files(&folder.url).await?;
                Ok::<_, lake::Error>((folder.url, values, files))
            })
            .buffered(PARALLEL_LISTINGS);
        let mut by_store: BTreeMap<String, Vec<PartitionedFile>> = BTreeMap::new();
        while let Some((url, values, files)) = listed.try_next().await? {
            let store_url = format!("{}://{}", url.scheme(), url.authority());
            if !by_store.contains_key(&store_url) {
                let parsed = ObjectStoreUrl::parse(&store_url).map_err(Error::Plan)?;
                let store = self.table.object_store(&url).await?;
                let runtime = state.runtime_env();
                runtime.register_object_store(parsed.as_ref(), store);
            }
            let known = by_store.entry(store_url).or_default();
            for file in files {
                if self.table.entry().format != TableFormat::Parquet {
                    refuse_compressed(file.location.as_ref())?;
                }
                let file = PartitionedFile::new_from_meta(file);
                known.push(file.with_partition_values(values.clone()));
            }
        }
        Ok(by_store)
    }

    /// Plans the scan of the files of one store.
    async fn scan_store(
        &self,
        state: &dyn Session,
        store_url: &str,
        files: Vec<PartitionedFile>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let columns = self.table.file_schema().fields().len();
        let fields: Vec<FieldRef> = self.schema.fields().iter().take(columns).cloned().collect();
        let mut file_schema: SchemaRef = Arc::new(Schema::new(fields));
        if let Some(text) = &self.text {
            file_schema = text.read_schema(&file_schema);
        }
        let keys: Vec<FieldRef> = self.schema.fields().iter().skip(columns).cloned().collect();
        let table_schema = TableSchema::builder(file_schema)
            .with_table_partition_cols(keys)
            .build();
        let bytes: u64 = files.iter().map(PartitionedFile::effective_size).sum();
        let format: Arc<dyn FileFormat> = match (&self.text, self.table.entry().format) {
            (Some(text), _) => Arc::new(text.format()),
            (None, TableFormat::Json) => Arc::new(JsonFormat::default()),
            (None, _) => {
                let mut options = state.default_table_options().parquet;
                // Spark writes timestamps of 96 bits, which in nanoseconds end in 2262.
                options.global.coerce_int96 = Some("us".to_owned());
                Arc::new(ParquetFormat::new().with_options(options))
            }
        };
        let source = format.file_source(table_schema);
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.total_byte_size =
            usize::try_from(bytes).map_or(Precision::Absent, Precision::Inexact);
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(store_url)?, source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(NamesWithoutCase)))
            .build();
        let plan = format.create_physical_plan(state, config).await?;
        match &self.text {
            Some(text) => text.typed(state, plan, &self.projected(projection)?),
            None => Ok(plan),
        }
    }

    fn projected(&self, projection: Option<&Vec<usize>>) -> DataFusionResult<SchemaRef> {
        match projection {
            Some(columns) => Ok(Arc::new(self.schema.project(columns)?)),
            None => Ok(Arc::clone(&self.schema)),
        }
    }
}

#[async_trait]
impl TableProvider for ExternalProvider {
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
        let external = |error: Error| DataFusionError::External(Box::new(error));
        let keys = self.partition_keys();
        let (on_keys, others): (Vec<Expr>, Vec<Expr>) = filters
            .iter()
            .cloned()
            .partition(|filter| is_on_keys(&keys, filter));
        // Rows are filtered after the scan, so it must not stop early.
        let limit = limit.filter(|_| others.is_empty());
        let folders = self.folders(state, &on_keys).map_err(external)?;
        let by_store = self.list(state, folders).await.map_err(external)?;
        let mut scans = Vec::new();
        for (store_url, files) in by_store {
            if !files.is_empty() {
                let scan = self.scan_store(state, &store_url, files, projection, limit);
                scans.push(scan.await?);
            }
        }
        match scans.len() {
            0 => Ok(Arc::new(EmptyExec::new(self.projected(projection)?))),
            1 => scans.pop().ok_or_else(|| {
                DataFusionError::Internal("a scan is lost; please report this".to_owned())
            }),
            _ => UnionExec::try_new(scans),
        }
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let keys = self.partition_keys();
        Ok(filters
            .iter()
            .map(|filter| {
                if is_on_keys(&keys, filter) {
                    TableProviderFilterPushDown::Exact
                } else {
                    TableProviderFilterPushDown::Inexact
                }
            })
            .collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let known = self.table.entry().statistics.as_ref()?;
        let inexact =
            |count: u64| usize::try_from(count).map_or(Precision::Absent, Precision::Inexact);
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = known.rows.map_or(Precision::Absent, inexact);
        statistics.total_byte_size = inexact(known.bytes);
        Some(statistics)
    }
}

/// Checks that the files of a table that is to be created could be read.
pub(super) fn check(entry: &TableEntry) -> Result<()> {
    if entry.format == TableFormat::Csv {
        TextOptions::of(entry)?;
    }
    Ok(())
}

fn is_on_keys(keys: &[&str], filter: &Expr) -> bool {
    !keys.is_empty() && expr_applicable_for_cols(keys, filter)
}

/// Evaluates filters on rows of partition values.
fn wanted_rows(
    state: &dyn Session,
    values: &RecordBatch,
    filters: &[Expr],
) -> DataFusionResult<BooleanArray> {
    let Some(filter) = conjunction(filters.iter().cloned()) else {
        return Ok(BooleanArray::from(vec![true; values.num_rows()]));
    };
    let schema = DFSchema::try_from(values.schema())?;
    // The filter names the table as the statement does; the values stand for no table.
    let filter = filter
        .transform(|expr| {
            Ok(match expr {
                Expr::Column(column) => {
                    Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
                }
                other => Transformed::no(other),
            })
        })?
        .data;
    let filter = state.create_physical_expr(filter, &schema)?;
    let wanted = filter.evaluate(values)?.into_array(values.num_rows())?;
    Ok(as_boolean_array(&wanted)?.clone())
}

/// Reading compressed bytes as text would give rows of noise.
fn refuse_compressed(path: &str) -> Result<()> {
    let ending = path.rsplit('.').next().unwrap_or_default();
    if ["gz", "bz2", "xz", "zst", "snappy", "lz4", "deflate"].contains(&ending) {
        return Err(Error::NotSupported {
            what: format!("compressed text file `{path}`"),
        });
    }
    Ok(())
}
