//! What Spark writes into the properties of tables that it does not read as Hive does.
//!
//! # Source
//! `org.apache.spark.sql.hive.HiveExternalCatalog`, and `DataType.json` for types.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema};
use lake::{TableEntry, TableFormat, hive_types};
use serde_json::{Value, json};

/// Property that names the data source.
pub(super) const PROVIDER: &str = "spark.sql.sources.provider";
const SCHEMA: &str = "spark.sql.sources.schema";
const PARTITION_PROVIDER: &str = "spark.sql.partitionProvider";

/// Returns the properties with which Spark reads a table by its own reader. Parquet needs none:
/// Spark knows Hive's.
///
/// `delta` is the schema of a Delta table and its partition columns, where they could be read.
pub(super) fn properties(
    entry: &TableEntry,
    delta: Option<(&Schema, &[String])>,
) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    if entry.format == TableFormat::Parquet {
        return properties;
    }
    properties.insert(PROVIDER.to_owned(), entry.format.to_string());
    let (schema, keys) = match delta {
        Some((schema, keys)) => (delta_schema(schema), keys.to_vec()),
        None if entry.format == TableFormat::Delta => return properties,
        None => {
            let Some(schema) = hive_schema(entry) else {
                return properties;
            };
            let keys = entry.partition_keys.iter().map(|key| key.name.clone());
            (schema, keys.collect())
        }
    };
    properties.insert(SCHEMA.to_owned(), schema.to_string());
    if keys.is_empty() {
        return properties;
    }
    if entry.format != TableFormat::Delta {
        properties.insert(PARTITION_PROVIDER.to_owned(), "catalog".to_owned());
    }
    properties.insert(format!("{SCHEMA}.numPartCols"), keys.len().to_string());
    for (index, key) in keys.into_iter().enumerate() {
        properties.insert(format!("{SCHEMA}.partCol.{index}"), key);
    }
    properties
}

fn delta_schema(schema: &Schema) -> Value {
    let fields = schema.fields().iter();
    let fields: Vec<Value> = fields.map(|f| field(f, Zoneless::TimestampNtz)).collect();
    json!({ "type": "struct", "fields": fields })
}

/// Returns the columns of a table of files as Spark does; none if one has a type it does not know.
fn hive_schema(entry: &TableEntry) -> Option<Value> {
    let columns = entry.columns.iter().chain(&entry.partition_keys);
    let fields = columns.map(|column| {
        let data_type = hive_types::parse_hive_type(&column.data_type).ok()?;
        let as_field = Field::new(&column.name, data_type, true);
        let mut field = field(&as_field, Zoneless::Timestamp);
        if let (Some(comment), Some(metadata)) = (&column.comment, field.get_mut("metadata")) {
            *metadata = json!({ "comment": comment });
        }
        Some(field)
    });
    let fields: Vec<Value> = fields.collect::<Option<_>>()?;
    Some(json!({ "type": "struct", "fields": fields }))
}

/// What a timestamp without a zone is to Spark: Delta means it so, Hive's is an instant to Spark.
#[derive(Clone, Copy)]
enum Zoneless {
    Timestamp,
    TimestampNtz,
}

fn field(field: &Field, zoneless: Zoneless) -> Value {
    let comment = field.metadata().get("comment");
    json!({
        "name": field.name(),
        "type": data_type(field.data_type(), zoneless),
        "nullable": field.is_nullable(),
        "metadata": comment.map_or_else(|| json!({}), |comment| json!({ "comment": comment })),
    })
}

fn data_type(arrow: &DataType, zoneless: Zoneless) -> Value {
    let name = match arrow {
        DataType::Null => "void",
        DataType::Boolean => "boolean",
        DataType::Int8 => "byte",
        DataType::Int16 => "short",
        DataType::Int32 => "integer",
        DataType::Int64 => "long",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "binary",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(_, Some(_)) => "timestamp",
        DataType::Timestamp(_, None) => match zoneless {
            Zoneless::Timestamp => "timestamp",
            Zoneless::TimestampNtz => "timestamp_ntz",
        },
        DataType::Decimal128(precision, scale) => {
            return json!(format!("decimal({precision},{scale})"));
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            return json!({
                "type": "array",
                "elementType": data_type(item.data_type(), zoneless),
                "containsNull": item.is_nullable(),
            });
        }
        DataType::Struct(fields) => {
            let fields: Vec<Value> = fields.iter().map(|f| field(f, zoneless)).collect();
            return json!({ "type": "struct", "fields": fields });
        }
        DataType::Map(entries, _) => {
            if let DataType::Struct(fields) = entries.data_type()
                && let [key, value] = fields.as_ref()
            {
                return json!({
                    "type": "map",
                    "keyType": data_type(key.data_type(), zoneless),
                    "valueType": data_type(value.data_type(), zoneless),
                    "valueContainsNull": value.is_nullable(),
                });
            }
            "string"
        }
        DataType::Dictionary(_, value) => return data_type(value, zoneless),
        // Text in all its shapes; the lake has no other types.
        _ => "string",
    };
    json!(name)
}
