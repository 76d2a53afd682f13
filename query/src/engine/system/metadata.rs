//! `system.metadata`: catalogs, comments and the properties that statements may set.

use super::relations::relations;
use super::rows::Cell;
use super::{CATALOGS, Kind, SYSTEM, TableSpec, Wanted, catalogs};
use crate::Result;
use crate::engine::QueryEngine;
use crate::engine::ddl::properties;

const PROPERTIES: &[(&str, Kind)] = &[
    ("catalog_name", Kind::Text),
    ("property_name", Kind::Text),
    ("default_value", Kind::Text),
    ("type", Kind::Text),
    ("description", Kind::Text),
];

const fn property_table(name: &'static str) -> TableSpec {
    TableSpec {
        schema: "metadata",
        name,
        columns: PROPERTIES,
        visible: 5,
    }
}

pub(super) static TABLES: [TableSpec; 8] = [
    property_table("analyze_properties"),
    TableSpec {
        schema: "metadata",
        name: "catalogs",
        columns: &[
            ("catalog_name", Kind::Text),
            ("connector_id", Kind::Text),
            ("connector_name", Kind::Text),
            ("state", Kind::Text),
        ],
        visible: 3,
    },
    property_table("column_properties"),
    property_table("materialized_view_properties"),
    TableSpec {
        schema: "metadata",
        name: "materialized_views",
        columns: &[
            ("catalog_name", Kind::Text),
            ("schema_name", Kind::Text),
            ("name", Kind::Text),
            ("storage_catalog", Kind::Text),
            ("storage_schema", Kind::Text),
            ("storage_table", Kind::Text),
            ("freshness", Kind::Text),
            ("last_fresh_time", Kind::Time),
            ("comment", Kind::Text),
            ("definition", Kind::Text),
        ],
        visible: 10,
    },
    property_table("schema_properties"),
    TableSpec {
        schema: "metadata",
        name: "table_comments",
        columns: &[
            ("catalog_name", Kind::Text),
            ("schema_name", Kind::Text),
            ("table_name", Kind::Text),
            ("comment", Kind::Text),
        ],
        visible: 4,
    },
    property_table("table_properties"),
];

pub(super) async fn rows(
    engine: &QueryEngine,
    table: &str,
    wanted: &Wanted,
) -> Result<Vec<Vec<Cell>>> {
    let mut rows = Vec::new();
    let known = match table {
        "catalogs" => {
            for catalog in catalogs() {
                let connector = if catalog == SYSTEM {
                    "system"
                } else {
                    "delta_lake"
                };
                rows.push(vec![
                    catalog.into(),
                    catalog.into(),
                    connector.into(),
                    "ACTIVE".into(),
                ]);
            }
            return Ok(rows);
        }
        "table_comments" => {
            for catalog in catalogs().filter(|catalog| wanted.has_catalog(catalog)) {
                for listed in relations(engine, catalog, wanted).await? {
                    rows.push(vec![
                        catalog.into(),
                        listed.schema().into(),
                        listed.name().into(),
                        listed.comment().into(),
                    ]);
                }
            }
            return Ok(rows);
        }
        "table_properties" => properties::TABLE,
        "schema_properties" => properties::SCHEMA,
        "analyze_properties" => properties::ANALYZE,
        _ => &[],
    };
    for catalog in CATALOGS {
        for property in known {
            rows.push(vec![
                catalog.into(),
                property.name.into(),
                property.default.into(),
                property.kind.into(),
                property.description.into(),
            ]);
        }
    }
    Ok(rows)
}
