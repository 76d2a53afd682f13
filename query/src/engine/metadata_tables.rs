//! `"t$history"`, `"t$properties"` and `"t$partitions"`: what a table's log says of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringArray, StructArray, new_null_array,
};
use arrow::compute::{SortOptions, cast, sort_to_indices, take};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use datafusion::catalog::{MemTable, TableProvider};
use lake::table::FileSummary;
use lake::{AsOf, TableName, TableSnapshot};
use serde_json::Value;

use super::catalog::Pins;
use super::system::{Cell, Kind, cells};
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

const MOST_COMMITS: usize = 10_000;

/// Which of a table's tables is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetadataTable {
    History,
    Properties,
    Partitions,
}

const HISTORY: &[(&str, Kind)] = &[
    ("version", Kind::Bigint),
    ("timestamp", Kind::Time),
    ("user_id", Kind::Text),
    ("user_name", Kind::Text),
    ("operation", Kind::Text),
    ("operation_parameters", Kind::Pairs),
    ("cluster_id", Kind::Text),
    ("read_version", Kind::Bigint),
    ("isolation_level", Kind::Text),
    ("is_blind_append", Kind::Boolean),
    ("operation_metrics", Kind::Pairs),
];

/// Returns the table that a name is about, and what is asked of it.
pub(super) fn split_name(name: &str) -> Option<(&str, MetadataTable)> {
    let (base, kind) = name.rsplit_once('$')?;
    Some((
        base,
        match kind {
            "history" => MetadataTable::History,
            "properties" => MetadataTable::Properties,
            "partitions" => MetadataTable::Partitions,
            _ => return None,
        },
    ))
}

/// Returns what is asked of a table.
pub(super) async fn open(
    pins: &Pins,
    base: &TableName,
    kind: MetadataTable,
    as_of: AsOf,
) -> Result<Arc<dyn TableProvider>> {
    let batch = match kind {
        MetadataTable::History => history(pins, base).await?,
        MetadataTable::Properties => {
            let properties = pins.snapshot(base, as_of).await?.properties();
            let rows: Vec<Vec<Cell>> = properties
                .into_iter()
                .map(|(key, value)| vec![key.into(), value.into()])
                .collect();
            cells(&[("key", Kind::Text), ("value", Kind::Text)], &rows)?
        }
        MetadataTable::Partitions => partitions(&pins.snapshot(base, as_of).await?)?,
    };
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).map_err(Error::Plan)?;
    Ok(Arc::new(table))
}

async fn history(pins: &Pins, base: &TableName) -> Result<RecordBatch> {
    let table = pins.engine().lake().table(base).await?;
    let commits = table.history(MOST_COMMITS).await?;
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let pairs = |map: &BTreeMap<String, Value>| {
        let pairs = map.iter().map(|(key, value)| (key.clone(), text(value)));
        Cell::Pairs(pairs.collect())
    };
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let rows: Vec<Vec<Cell>> = commits
        .iter()
        .map(|commit| {
            vec![
                number(commit.version).into(),
                commit.timestamp.into(),
                commit.user_id.clone().into(),
                commit.user.clone().into(),
                commit.operation.clone().into(),
                pairs(&commit.parameters),
                commit.engine.clone().into(),
                commit.read_version.map(number).into(),
                commit.isolation.clone().into(),
                commit.is_blind_append.into(),
                pairs(&commit.metrics),
            ]
        })
        .collect();
    cells(HISTORY, &rows)
}

/// Files of one partition.
type Group<'a> = (Vec<Option<String>>, Vec<&'a FileSummary>);

fn partitions(snapshot: &TableSnapshot) -> Result<RecordBatch> {
    let keys = snapshot.partition_columns();
    if keys.is_empty() {
        return Err(TrinoFailure::new(
            "TABLE_NOT_FOUND",
            format!(
                "Table '{}$partitions' does not exist: the table is not partitioned",
                snapshot.table()
            ),
        )
        .into());
    }
    let internal = |error: arrow::error::ArrowError| Error::Internal {
        message: error.to_string(),
    };
    let files = snapshot.files()?;
    let mut groups: BTreeMap<Vec<Option<String>>, Vec<&FileSummary>> = BTreeMap::new();
    for file in &files {
        let values = keys
            .iter()
            .map(|key| file.partition_values.get(key).cloned().flatten());
        groups.entry(values.collect()).or_default().push(file);
    }
    let groups: Vec<Group<'_>> = groups.into_iter().collect();
    let schema = snapshot.schema();
    let mut key_fields: Vec<(Arc<Field>, ArrayRef)> = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let data_type = schema
            .field_with_name(key)
            .map_or(DataType::Utf8, |field| field.data_type().clone());
        let texts: StringArray = groups
            .iter()
            .map(|(values, _)| values.get(index).cloned().flatten())
            .collect();
        let values = cast(&texts, &data_type).map_err(internal)?;
        key_fields.push((
            Arc::new(Field::new(key.to_lowercase(), data_type, true)),
            values,
        ));
    }
    let mut data_fields: Vec<(Arc<Field>, ArrayRef)> = Vec::new();
    for field in schema.fields() {
        if keys.contains(field.name()) {
            continue;
        }
        let values = statistics_of(field, &groups).map_err(internal)?;
        data_fields.push((
            Arc::new(Field::new(
                field.name().to_lowercase(),
                values.data_type().clone(),
                true,
            )),
            Arc::new(values),
        ));
    }
    let counts: Int64Array = groups
        .iter()
        .map(|(_, files)| i64::try_from(files.len()).ok())
        .collect();
    let sizes: Int64Array = groups
        .iter()
        .map(|(_, files)| i64::try_from(files.iter().map(|file| file.size).sum::<u64>()).ok())
        .collect();
    let partition = StructArray::from(key_fields);
    let data = StructArray::from(data_fields);
    let fields = vec![
        Field::new("partition", partition.data_type().clone(), true),
        Field::new("file_count", DataType::Int64, true),
        Field::new("total_size", DataType::Int64, true),
        Field::new("data", data.data_type().clone(), true),
    ];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(partition),
        Arc::new(counts),
        Arc::new(sizes),
        Arc::new(data),
    ];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(internal)
}

/// Returns the least and the greatest value of a column in each group, and how often it has none. They are
/// null where the log does not say them of every file.
fn statistics_of(
    field: &Field,
    groups: &[Group<'_>],
) -> std::result::Result<StructArray, arrow::error::ArrowError> {
    let data_type = field.data_type();
    let extreme = |which: &str, descending: bool| -> std::result::Result<ArrayRef, _> {
        let mut values: Vec<ArrayRef> = Vec::new();
        for (_, files) in groups {
            let texts: StringArray = files
                .iter()
                .map(|file| file_value(file, which, field.name()))
                .collect();
            let one = match data_type {
                DataType::Struct(_) | DataType::List(_) | DataType::Map(_, _) => None,
                _ if texts.null_count() > 0 => None,
                _ => Some(cast(&texts, data_type)?),
            };
            values.push(match one {
                None => new_null_array(data_type, 1),
                Some(found) => {
                    let options = SortOptions {
                        descending,
                        nulls_first: false,
                    };
                    let first = sort_to_indices(&found, Some(options), Some(1))?;
                    take(&found, &first, None)?
                }
            });
        }
        let values: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
        if values.is_empty() {
            return Ok(new_null_array(data_type, 0));
        }
        arrow::compute::concat(&values)
    };
    let nulls: Int64Array = groups
        .iter()
        .map(|(_, files)| {
            let counts = files.iter().map(|file| {
                let statistics = file.statistics.as_ref()?;
                statistics.get("nullCount")?.get(field.name())?.as_i64()
            });
            counts.sum::<Option<i64>>()
        })
        .collect();
    let fields = Fields::from(vec![
        Field::new("min", data_type.clone(), true),
        Field::new("max", data_type.clone(), true),
        Field::new("null_count", DataType::Int64, true),
    ]);
    let arrays = vec![
        extreme("minValues", false)?,
        extreme("maxValues", true)?,
        Arc::new(nulls) as ArrayRef,
    ];
    StructArray::try_new(fields, arrays, None)
}

fn file_value(file: &FileSummary, which: &str, column: &str) -> Option<String> {
    match file.statistics.as_ref()?.get(which)?.get(column)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
