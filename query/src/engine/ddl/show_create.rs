//! The statements that make what there is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lake::{AsOf, Column, ExternalTable, OpenTable, Relation, TableKind};

use crate::Result;
use crate::engine::QueryEngine;
use crate::engine::names::{FullName, SYSTEM, in_catalog, quote_literal, quote_name};
use crate::engine::system;
use crate::presto::error::TrinoFailure;
use crate::presto::types::type_name;

/// Returns the statement that makes a table.
pub(in crate::engine) async fn table(engine: &QueryEngine, full: &FullName) -> Result<String> {
    let title = format!(
        "{}.{}.{}",
        quote_name(&full.catalog),
        quote_name(&full.schema),
        quote_name(&full.table)
    );
    if full.catalog == SYSTEM || full.schema == system::INFORMATION_SCHEMA {
        let spec = system::find(&full.catalog, &full.schema, &full.table)?;
        let columns: Vec<String> = spec
            .visible_columns()
            .iter()
            .map(|(name, kind)| format!("   {} {}", quote_name(name), kind.name()))
            .collect();
        return Ok(format!(
            "CREATE TABLE {title} (\n{}\n)",
            columns.join(",\n")
        ));
    }
    let lake = engine.lake();
    let name = full.in_lake()?;
    let entry = match lake.catalog().relation(&name).await {
        Ok(Relation::Table(entry)) => entry,
        Ok(Relation::View(_)) => {
            return Err(TrinoFailure::new(
                "NOT_SUPPORTED",
                format!("Relation '{full}' is a view, not a table"),
            )
            .into());
        }
        Err(error) => return Err(in_catalog(error, &full.catalog)),
    };
    let table = match lake.open_table(&name).await? {
        OpenTable::Files(table) => return Ok(of_files(&title, &table)),
        OpenTable::Delta(table) => table,
    };
    let snapshot = table.snapshot(AsOf::Latest).await?;
    let columns: Vec<String> = snapshot
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let lower = field.name().to_lowercase();
            let mut line = format!("   {} {}", quote_name(&lower), type_name(field.data_type()));
            if !field.is_nullable() {
                line.push_str(" NOT NULL");
            }
            let comment = entry.column_comments.get(field.name());
            if let Some(comment) = comment.or_else(|| field.metadata().get("comment")) {
                // Writing to a String cannot fail.
                let _ = write!(line, " COMMENT {}", quote_literal(comment));
            }
            line
        })
        .collect();
    let mut text = format!("CREATE TABLE {title} (\n{}\n)", columns.join(",\n"));
    if let Some(comment) = &entry.comment {
        let _ = write!(text, "\nCOMMENT {}", quote_literal(comment));
    }
    let mut properties: Vec<String> = Vec::new();
    if let Some(feed) = snapshot.property("delta.enableChangeDataFeed") {
        properties.push(format!("change_data_feed_enabled = {feed}"));
    }
    if let Some(interval) = snapshot.property("delta.checkpointInterval")
        && interval != "100"
    {
        properties.push(format!("checkpoint_interval = {interval}"));
    }
    if let Some(mode) = snapshot.property("delta.columnMapping.mode")
        && !mode.eq_ignore_ascii_case("none")
    {
        properties.push(format!("column_mapping_mode = '{}'", mode.to_uppercase()));
    }
    if entry.kind == TableKind::External {
        properties.push(format!("location = {}", quote_literal(&entry.location)));
    }
    if !snapshot.partition_columns().is_empty() {
        let columns: Vec<String> = snapshot
            .partition_columns()
            .iter()
            .map(|column| quote_literal(&column.to_lowercase()))
            .collect();
        properties.push(format!("partitioned_by = ARRAY[{}]", columns.join(",")));
    }
    if !properties.is_empty() {
        let _ = write!(text, "\nWITH (\n   {}\n)", properties.join(",\n   "));
    }
    Ok(text)
}

/// Returns the statement that makes a schema.
pub(in crate::engine) async fn schema(
    engine: &QueryEngine,
    catalog: &str,
    name: &str,
) -> Result<String> {
    let database = engine.lake().catalog().database(name).await;
    let database = database.map_err(|error| in_catalog(error, catalog))?;
    let mut text = format!(
        "CREATE SCHEMA {}.{}",
        quote_name(catalog),
        quote_name(&database.name)
    );
    if let Some(location) = &database.location {
        let _ = write!(
            text,
            "\nWITH (\n   location = {}\n)",
            quote_literal(location)
        );
    }
    Ok(text)
}

fn of_files(title: &str, table: &ExternalTable) -> String {
    let entry = table.entry();
    let columns = |columns: &[Column]| -> String {
        let lines: Vec<String> = columns
            .iter()
            .map(|column| {
                let mut line = format!("   {} {}", column.name, column.data_type);
                if let Some(comment) = &column.comment {
                    let _ = write!(line, " COMMENT {}", quote_literal(comment));
                }
                line
            })
            .collect();
        lines.join(",\n")
    };
    let mut text = format!(
        "CREATE EXTERNAL TABLE {title} (\n{}\n)",
        columns(&entry.columns)
    );
    if let Some(comment) = &entry.comment {
        let _ = write!(text, "\nCOMMENT {}", quote_literal(comment));
    }
    if !entry.partition_keys.is_empty() {
        let keys = columns(&entry.partition_keys);
        let _ = write!(text, "\nPARTITIONED BY (\n{keys}\n)");
    }
    let pairs = |pairs: &BTreeMap<String, String>| -> String {
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(key, value)| format!("{} = {}", quote_literal(key), quote_literal(value)))
            .collect();
        pairs.join(", ")
    };
    if let (Some(serde), false) = (
        &entry.storage.serde,
        entry.storage.serde_parameters.is_empty(),
    ) {
        let _ = write!(
            text,
            "\nROW FORMAT SERDE {} WITH SERDEPROPERTIES ({})",
            quote_literal(serde),
            pairs(&entry.storage.serde_parameters)
        );
    }
    let stored = if entry.storage.is_plain_text() {
        "TEXTFILE".to_owned()
    } else {
        entry.format.to_string().to_uppercase()
    };
    let _ = write!(
        text,
        "\nSTORED AS {stored}\nLOCATION {}",
        quote_literal(&entry.location)
    );
    if !entry.properties.is_empty() {
        let _ = write!(text, "\nTBLPROPERTIES ({})", pairs(&entry.properties));
    }
    text
}
