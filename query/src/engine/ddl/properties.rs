//! Properties that statements may set, by Trino's names.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use crate::engine::reader::Reader;
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// A property as `system.metadata` lists it.
#[derive(Debug)]
pub(in crate::engine) struct Property {
    pub(in crate::engine) name: &'static str,
    pub(in crate::engine) default: &'static str,
    pub(in crate::engine) kind: &'static str,
    pub(in crate::engine) description: &'static str,
}

const fn property(
    name: &'static str,
    default: &'static str,
    kind: &'static str,
    description: &'static str,
) -> Property {
    Property {
        name,
        default,
        kind,
        description,
    }
}

/// Properties of tables.
pub(in crate::engine) const TABLE: &[Property] = &[
    property(
        "change_data_feed_enabled",
        "",
        "boolean",
        "Enables storing change data feed entries",
    ),
    property("checkpoint_interval", "", "bigint", "Checkpoint interval"),
    property(
        "column_mapping_mode",
        "NONE",
        "varchar",
        "Column mapping mode. Possible values: [ID, NAME, NONE]",
    ),
    property(
        "deletion_vectors_enabled",
        "false",
        "boolean",
        "Enables deletion vectors",
    ),
    property(
        "location",
        "",
        "varchar",
        "File system location URI for the table",
    ),
    property(
        "partitioned_by",
        "[]",
        "array(varchar)",
        "Partition columns",
    ),
];

/// Properties of schemas.
pub(in crate::engine) const SCHEMA: &[Property] = &[property(
    "location",
    "",
    "varchar",
    "URI for the default location to store tables created in this schema",
)];

/// Properties of `ANALYZE`.
pub(in crate::engine) const ANALYZE: &[Property] = &[
    property("columns", "", "array(varchar)", "Columns to be analyzed"),
    property(
        "files_modified_after",
        "",
        "timestamp(3) with time zone",
        "Take into account only files modified after given timestamp",
    ),
    property(
        "mode",
        "INCREMENTAL",
        "varchar",
        "Analyze mode. Possible values: [INCREMENTAL, FULL_REFRESH]",
    ),
];

/// A value that a statement gives to a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum PropertyValue {
    Text(String),
    Number(String),
    Boolean(bool),
    Texts(Vec<String>),
    Default,
}

/// Properties with their values, in the order they are written.
pub(in crate::engine) type Properties = Vec<(String, PropertyValue)>;

/// Reads `(name = value, …)`.
pub(in crate::engine) fn read_list(reader: &mut Reader) -> Result<Properties> {
    let properties = reader.list(read_one)?;
    let mut names: Vec<&str> = properties.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair.first() == pair.last()) {
        return Err(TrinoFailure::new(
            "DUPLICATE_PROPERTY",
            format!(
                "Duplicate property: {}",
                pair.first().copied().unwrap_or_default()
            ),
        )
        .into());
    }
    Ok(properties)
}

/// Reads `name = value`.
pub(in crate::engine) fn read_one(reader: &mut Reader) -> Result<(String, PropertyValue)> {
    // Names may be strings, as Hive writes them; those of Delta keep their letter case.
    let name = match reader.peek() {
        Some(Token::SingleQuotedString(_)) => reader.string()?,
        _ => {
            let mut name = reader.identifier_as_written()?;
            while reader.token(&Token::Period) {
                name = format!("{name}.{}", reader.identifier_as_written()?);
            }
            name
        }
    };
    let name = if name.contains('.') {
        name
    } else {
        name.to_lowercase()
    };
    reader.expect(&Token::Eq)?;
    Ok((name, read_value(reader)?))
}

/// Reads a value.
pub(in crate::engine) fn read_value(reader: &mut Reader) -> Result<PropertyValue> {
    if reader.word("DEFAULT") {
        return Ok(PropertyValue::Default);
    }
    if reader.word("TRUE") {
        return Ok(PropertyValue::Boolean(true));
    }
    if reader.word("FALSE") {
        return Ok(PropertyValue::Boolean(false));
    }
    if reader.word("ARRAY") {
        reader.expect(&Token::LBracket)?;
        let mut items = Vec::new();
        while !reader.token(&Token::RBracket) {
            items.push(reader.string()?);
            let _ = reader.token(&Token::Comma);
        }
        return Ok(PropertyValue::Texts(items));
    }
    let negative = reader.token(&Token::Minus);
    match reader.peek() {
        Some(Token::Number(text, _)) => {
            let text = format!("{}{text}", if negative { "-" } else { "" });
            reader.next();
            Ok(PropertyValue::Number(text))
        }
        _ => Ok(PropertyValue::Text(reader.string()?)),
    }
}

/// What properties say of a table.
#[derive(Debug, Default)]
pub(in crate::engine) struct TableProperties {
    pub(in crate::engine) location: Option<String>,
    pub(in crate::engine) partition_columns: Vec<String>,
    /// By the names of Delta and of the lake.
    pub(in crate::engine) own: BTreeMap<String, String>,
}

fn invalid(name: &str, catalog: &str, value: &PropertyValue, wanted: &str) -> Error {
    let written = match value {
        PropertyValue::Text(text) | PropertyValue::Number(text) => text.clone(),
        PropertyValue::Boolean(value) => value.to_string(),
        PropertyValue::Texts(texts) => texts.join(", "),
        PropertyValue::Default => "DEFAULT".to_owned(),
    };
    TrinoFailure::new(
        "INVALID_TABLE_PROPERTY",
        format!(
            "Invalid value for catalog '{catalog}' table property '{name}': Cannot convert [{written}] to {wanted}"
        ),
    )
    .into()
}

/// Returns what the properties of a new table mean.
///
/// # Errors
/// `INVALID_TABLE_PROPERTY`, and [`Error::NotSupported`] for what our writer lacks.
pub(in crate::engine) fn of_table(
    properties: Properties,
    catalog: &str,
) -> Result<TableProperties> {
    let mut known = TableProperties::default();
    for (name, value) in properties {
        let wrong = |wanted: &str| invalid(&name, catalog, &value, wanted);
        match (name.as_str(), &value) {
            (_, PropertyValue::Default) => {}
            ("location", PropertyValue::Text(location)) => known.location = Some(location.clone()),
            ("location", _) => return Err(wrong("varchar")),
            ("partitioned_by", PropertyValue::Texts(columns)) => {
                known.partition_columns =
                    columns.iter().map(|column| column.to_lowercase()).collect();
            }
            ("partitioned_by", _) => return Err(wrong("array(varchar)")),
            ("checkpoint_interval", PropertyValue::Number(number)) => {
                if !number.parse::<u64>().is_ok_and(|number| number > 0) {
                    return Err(wrong("bigint"));
                }
                known
                    .own
                    .insert("delta.checkpointInterval".to_owned(), number.clone());
            }
            ("checkpoint_interval", _) => return Err(wrong("bigint")),
            ("change_data_feed_enabled", PropertyValue::Boolean(enabled)) => {
                known
                    .own
                    .insert("delta.enableChangeDataFeed".to_owned(), enabled.to_string());
            }
            ("change_data_feed_enabled" | "deletion_vectors_enabled", value)
                if !matches!(value, PropertyValue::Boolean(_)) =>
            {
                return Err(wrong("boolean"));
            }
            ("deletion_vectors_enabled", PropertyValue::Boolean(true)) => {
                return Err(Error::NotSupported {
                    what: "the table property `deletion_vectors_enabled`: this writer rewrites files instead"
                        .to_owned(),
                });
            }
            ("deletion_vectors_enabled", _) => {}
            ("column_mapping_mode", PropertyValue::Text(mode)) => {
                match mode.to_lowercase().as_str() {
                    "none" => {}
                    mode @ ("name" | "id") => {
                        known
                            .own
                            .insert("delta.columnMapping.mode".to_owned(), mode.to_owned());
                    }
                    _ => return Err(wrong("one of [ID, NAME, NONE]")),
                }
            }
            ("column_mapping_mode", _) => return Err(wrong("varchar")),
            (name, value) if name.contains('.') => {
                let text = match value {
                    PropertyValue::Text(text) | PropertyValue::Number(text) => text.clone(),
                    PropertyValue::Boolean(value) => value.to_string(),
                    _ => return Err(wrong("varchar")),
                };
                known.own.insert(name.to_owned(), text);
            }
            (name, _) => return Err(unknown(name, catalog)),
        }
    }
    Ok(known)
}

/// Returns the error that there is no such property.
pub(in crate::engine) fn unknown(name: &str, catalog: &str) -> Error {
    let nearest = lake::nearest(name, TABLE.iter().map(|known| known.name));
    TrinoFailure::new(
        "INVALID_TABLE_PROPERTY",
        format!(
            "Catalog '{catalog}' table property '{name}' does not exist{}",
            crate::engine::names::did_you_mean(&nearest)
        ),
    )
    .into()
}
