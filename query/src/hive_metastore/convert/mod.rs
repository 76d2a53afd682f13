//! The catalog's words and Hive's.

mod database;
mod formats;
mod location;
mod spark;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hive_metastore as hms;
use lake::Column;
use pilota::{AHashMap, FastStr};

pub(super) use self::database::{database_from, database_of};
pub(super) use self::location::Locations;
pub(super) use self::table::{
    TableFacts, altered_delta, entry_from, partition_from, partition_of, properties_of, table_of,
    table_type_of,
};
use super::wire::Fields;

/// Returns what a client sees of a map.
fn parameters(map: &BTreeMap<String, String>) -> AHashMap<FastStr, FastStr> {
    let pairs = map.iter().map(|(key, value)| (text(key), text(value)));
    pairs.collect()
}

fn text(text: &str) -> FastStr {
    FastStr::new(text)
}

fn field_schema(column: &Column) -> hms::FieldSchema {
    hms::FieldSchema {
        name: Some(text(&column.name.to_lowercase())),
        r#type: Some(text(&column.data_type)),
        comment: column.comment.as_deref().map(text),
    }
}

/// Returns the columns of a list of `FieldSchema`.
fn columns_from(fields: &Fields, id: i16) -> Vec<Column> {
    let fields = fields.list(id).unwrap_or_default();
    let columns = fields.into_iter().map(|field| Column {
        name: field.text(1).unwrap_or_default().to_lowercase(),
        data_type: field.text(2).unwrap_or_default().to_string(),
        comment: not_empty(field.text(3)),
    });
    columns.collect()
}

fn not_empty(text: Option<FastStr>) -> Option<String> {
    text.map(|text| text.to_string())
        .filter(|text| !text.is_empty())
}
