//! `information_schema` in Trino's shape.

use super::relations::{columns_if_any, relations, schemas};
use super::rows::Cell;
use super::{INFORMATION_SCHEMA, Kind, TableSpec, Wanted};
use crate::Result;
use crate::engine::QueryEngine;

pub(super) static TABLES: [TableSpec; 8] = [
    TableSpec {
        schema: INFORMATION_SCHEMA,
        name: "applicable_roles",
        columns: &[
            ("grantee", Kind::Text),
            ("grantee_type", Kind::Text),
            ("role_name", Kind::Text),
            ("is_grantable", Kind::Text),
        ],
        visible: 4,
    },
    TableSpec {
        schema: INFORMATION_SCHEMA,
        name: "columns",
        columns: &[
            ("table_catalog", Kind::Text),
            ("table_schema", Kind::Text),
            ("table_name", Kind::Text),
            ("column_name", Kind::Text),
            ("ordinal_position", Kind::Bigint),
            ("column_default", Kind::Text),
            ("is_nullable", Kind::Text),
            ("data_type", Kind::Text),
            ("comment", Kind::Text),
            ("extra_info", Kind::Text),
            ("column_comment", Kind::Text),
        ],
        visible: 8,
    },
    TableSpec {
        schema: INFORMATION_SCHEMA,
        name: "enabled_roles",
        columns: &[("role_name", Kind::Text)],
        visible: 1,
    },
    TableSpec {
        schema: INFORMATION_SCHEMA,
        name: "roles",
        columns: &[("role_name", Kind::Text)],
        visible: 1,
    },
    TableSpec {
        schema: INFORMATION_SCHEMA,
        name: "schemata",
        columns: &[("catalog_name", Kind::Text), ("schema_name", Kind::Text)],
        visible: 2,
    },
    TableSpec {
        schema: INFORMATION_SCHEMA,
        name: "table_privileges",
        columns: &[
            ("grantor", Kind::Text),
            ("grantor_type", Kind::Text),
            ("grantee", Kind::Text),
            ("grantee_type", Kind::Text),
            ("table_catalog", Kind::Text),
            ("table_schema", Kind::Text),
            ("table_name", Kind::Text),
            ("privilege_type", Kind::Text),
            ("is_grantable", Kind::Text),
            ("with_hierarchy", Kind::Text),
        ],
        visible: 10,
    },
    TableSpec {
        schema: INFORMATION_SCHEMA,
        name: "tables",
        columns: &[
            ("table_catalog", Kind::Text),
            ("table_schema", Kind::Text),
            ("table_name", Kind::Text),
            ("table_type", Kind::Text),
            ("table_comment", Kind::Text),
        ],
        visible: 4,
    },
    TableSpec {
        schema: INFORMATION_SCHEMA,
        name: "views",
        columns: &[
            ("table_catalog", Kind::Text),
            ("table_schema", Kind::Text),
            ("table_name", Kind::Text),
            ("view_definition", Kind::Text),
        ],
        visible: 4,
    },
];

pub(super) async fn rows(
    engine: &QueryEngine,
    catalog: &str,
    table: &str,
    wanted: &Wanted,
) -> Result<Vec<Vec<Cell>>> {
    let mut rows = Vec::new();
    if !wanted.has_catalog(catalog) {
        return Ok(rows);
    }
    match table {
        "schemata" => {
            for schema in schemas(engine, catalog, wanted).await? {
                rows.push(vec![catalog.into(), schema.into()]);
            }
        }
        "tables" => {
            for listed in relations(engine, catalog, wanted).await? {
                let kind = if listed.is_view() {
                    "VIEW"
                } else {
                    "BASE TABLE"
                };
                rows.push(vec![
                    catalog.into(),
                    listed.schema().into(),
                    listed.name().into(),
                    kind.into(),
                    listed.comment().into(),
                ]);
            }
        }
        "views" => {
            for listed in relations(engine, catalog, wanted).await? {
                if let super::Listed::View(view) = &listed {
                    rows.push(vec![
                        catalog.into(),
                        listed.schema().into(),
                        listed.name().into(),
                        view.sql.as_str().into(),
                    ]);
                }
            }
        }
        "columns" => {
            for listed in relations(engine, catalog, wanted).await? {
                let columns = columns_if_any(engine, &listed).await;
                for (position, column) in (1_i64..).zip(columns) {
                    rows.push(vec![
                        catalog.into(),
                        listed.schema().into(),
                        listed.name().into(),
                        column.name.into(),
                        position.into(),
                        Cell::Null,
                        if column.is_nullable { "YES" } else { "NO" }.into(),
                        column.data_type.into(),
                        column.comment.clone().into(),
                        Cell::Null,
                        column.comment.into(),
                    ]);
                }
            }
        }
        // There are no roles and no grants.
        _ => {}
    }
    Ok(rows)
}
