//! `information_schema` in Presto's shape, and `"table$history"`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use lake::{AsOf, Lake, LakeTable, OpenTable, TableEntry};

use crate::presto::types::type_name;
use crate::{Error, Result};

pub(super) const NAME: &str = "information_schema";
const TABLES: [&str; 4] = ["columns", "schemata", "tables", "views"];

/// Returns a table of `information_schema`, filled from the catalog as it is now.
pub(super) async fn table(lake: &Lake, name: &str) -> Result<Arc<dyn TableProvider>> {
    match name {
        "schemata" => schemata(lake).await,
        "tables" => tables(lake).await,
        "columns" => columns(lake).await,
        "views" => in_memory(vec![
            text("table_catalog", Vec::new()),
            text("table_schema", Vec::new()),
            text("table_name", Vec::new()),
            text("view_definition", Vec::new()),
        ]),
        _ => Err(Error::Invalid {
            message: format!(
                "table `lake.{NAME}.{name}` does not exist; there is `{}`",
                TABLES.join("`, `")
            ),
        }),
    }
}

/// Returns the commits of a table, newest first.
pub(super) async fn history(table: &LakeTable) -> Result<Arc<dyn TableProvider>> {
    let commits = table.history(10_000).await?;
    let versions = commits
        .iter()
        .map(|c| i64::try_from(c.version).unwrap_or(i64::MAX));
    let timestamps = commits.iter().map(|c| Some(c.timestamp.timestamp_micros()));
    let metadata = commits
        .iter()
        .map(|c| serde_json::to_string(&c.metadata).ok());
    in_memory(vec![
        ("version", Arc::new(versions.collect::<Int64Array>())),
        (
            "timestamp",
            Arc::new(
                timestamps
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        ),
        text(
            "operation",
            commits.iter().map(|c| Some(c.operation.clone())).collect(),
        ),
        text("commit_metadata", metadata.collect()),
    ])
}

async fn schemata(lake: &Lake) -> Result<Arc<dyn TableProvider>> {
    let mut names: Vec<String> = lake
        .catalog()
        .databases()
        .await?
        .into_iter()
        .map(|d| d.name)
        .collect();
    names.push(NAME.to_owned());
    names.sort();
    in_memory(vec![
        text(
            "catalog_name",
            vec![Some(super::CATALOG.to_owned()); names.len()],
        ),
        text("schema_name", names.into_iter().map(Some).collect()),
    ])
}

async fn tables(lake: &Lake) -> Result<Arc<dyn TableProvider>> {
    let (mut schemas, mut names, mut kinds, mut comments) = (vec![], vec![], vec![], vec![]);
    for database in lake.catalog().databases().await? {
        for entry in lake.catalog().tables(&database.name).await? {
            schemas.push(Some(entry.name.database));
            names.push(Some(entry.name.table));
            kinds.push(Some("BASE TABLE".to_owned()));
            comments.push(entry.comment);
        }
    }
    for table in TABLES {
        schemas.push(Some(NAME.to_owned()));
        names.push(Some(table.to_owned()));
        kinds.push(Some("BASE TABLE".to_owned()));
        comments.push(None);
    }
    in_memory(vec![
        text(
            "table_catalog",
            vec![Some(super::CATALOG.to_owned()); names.len()],
        ),
        text("table_schema", schemas),
        text("table_name", names),
        text("table_type", kinds),
        text("table_comment", comments),
    ])
}

async fn columns(lake: &Lake) -> Result<Arc<dyn TableProvider>> {
    let (mut schemas, mut tables, mut names, mut positions) = (vec![], vec![], vec![], vec![]);
    let (mut nullable, mut types, mut comments) = (vec![], vec![], vec![]);
    for database in lake.catalog().databases().await? {
        for entry in lake.catalog().tables(&database.name).await? {
            let schema = match lake.open_table(&entry.name).await? {
                OpenTable::Delta(table) => table.snapshot(AsOf::Latest).await?.schema(),
                OpenTable::Files(table) => table.schema(),
            };
            for (position, field) in (1_i64..).zip(schema.fields()) {
                schemas.push(Some(entry.name.database.clone()));
                tables.push(Some(entry.name.table.clone()));
                names.push(Some(field.name().clone()));
                positions.push(position);
                nullable.push(Some(
                    if field.is_nullable() { "YES" } else { "NO" }.to_owned(),
                ));
                types.push(Some(type_name(field.data_type())));
                comments.push(comment(&entry, field));
            }
        }
    }
    let count = names.len();
    in_memory(vec![
        text(
            "table_catalog",
            vec![Some(super::CATALOG.to_owned()); count],
        ),
        text("table_schema", schemas),
        text("table_name", tables),
        text("column_name", names),
        ("ordinal_position", Arc::new(Int64Array::from(positions))),
        text("column_default", vec![None; count]),
        text("is_nullable", nullable),
        text("data_type", types),
        text("comment", comments),
    ])
}

fn comment(entry: &TableEntry, field: &Field) -> Option<String> {
    let known = entry.column_comments.get(field.name());
    known.or_else(|| field.metadata().get("comment")).cloned()
}

fn text(name: &'static str, values: Vec<Option<String>>) -> (&'static str, ArrayRef) {
    (name, Arc::new(StringArray::from(values)))
}

/// Returns a table of the named columns.
pub(super) fn in_memory(columns: Vec<(&'static str, ArrayRef)>) -> Result<Arc<dyn TableProvider>> {
    let batch = batch(columns)?;
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(Error::Plan)?;
    Ok(Arc::new(table))
}

/// Returns a batch of the named columns, all nullable.
pub(super) fn batch(columns: Vec<(&'static str, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, values)| Field::new(*name, DataType::clone(values.data_type()), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, values)| values).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|error| Error::Internal {
        message: error.to_string(),
    })
}
