//! Tables and views of a catalog, as listings need them.

use lake::{AsOf, OpenTable, TableEntry, ViewEntry};

use super::super::names::{DEFAULT, SYSTEM, in_catalog};
use super::{
    INFORMATION_SCHEMA, SYSTEM_SCHEMAS, TableSpec, Wanted, information_tables, system_tables,
};
use crate::Result;
use crate::engine::QueryEngine;
use crate::presto::types::type_name;

/// Something with columns.
#[derive(Debug)]
pub(in crate::engine) enum Listed {
    Table(Box<TableEntry>),
    View(Box<ViewEntry>),
    Own(&'static TableSpec),
}

/// A column of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct ListedColumn {
    pub(in crate::engine) name: String,
    pub(in crate::engine) data_type: String,
    pub(in crate::engine) is_nullable: bool,
    pub(in crate::engine) comment: Option<String>,
}

impl Listed {
    pub(in crate::engine) fn schema(&self) -> &str {
        match self {
            Self::Table(entry) => &entry.name.database,
            Self::View(view) => &view.name.database,
            Self::Own(spec) => spec.schema,
        }
    }

    pub(in crate::engine) fn name(&self) -> &str {
        match self {
            Self::Table(entry) => &entry.name.table,
            Self::View(view) => &view.name.table,
            Self::Own(spec) => spec.name,
        }
    }

    pub(in crate::engine) fn comment(&self) -> Option<&str> {
        match self {
            Self::Table(entry) => entry.comment.as_deref(),
            Self::View(view) => view.comment.as_deref(),
            Self::Own(_) => None,
        }
    }

    pub(in crate::engine) fn is_view(&self) -> bool {
        matches!(self, Self::View(_))
    }
}

/// Returns the schemas of a catalog that are wanted, in order.
pub(super) async fn schemas(
    engine: &QueryEngine,
    catalog: &str,
    wanted: &Wanted,
) -> Result<Vec<String>> {
    let mut names: Vec<String> = if catalog == SYSTEM {
        SYSTEM_SCHEMAS.map(str::to_owned).to_vec()
    } else {
        let databases = engine.lake().catalog().databases().await?;
        databases.into_iter().map(|known| known.name).collect()
    };
    if catalog != SYSTEM {
        names.push(DEFAULT.to_owned());
    }
    names.push(INFORMATION_SCHEMA.to_owned());
    names.retain(|name| wanted.has_schema(name));
    names.sort();
    names.dedup();
    Ok(names)
}

/// Returns the tables and views of a catalog that are wanted.
pub(super) async fn relations(
    engine: &QueryEngine,
    catalog: &str,
    wanted: &Wanted,
) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for schema in schemas(engine, catalog, wanted).await? {
        if schema == INFORMATION_SCHEMA {
            listed.extend(information_tables().iter().map(Listed::Own));
        } else if catalog == SYSTEM {
            let own = system_tables().filter(|spec| spec.schema == schema);
            listed.extend(own.map(Listed::Own));
        } else {
            let known = engine.lake().catalog();
            // A database that was dropped meanwhile has nothing to list.
            let tables = known.tables(&schema).await.unwrap_or_default();
            let views = known.views(&schema).await.unwrap_or_default();
            listed.extend(
                tables
                    .into_iter()
                    .map(|entry| Listed::Table(Box::new(entry))),
            );
            listed.extend(views.into_iter().map(|view| Listed::View(Box::new(view))));
        }
    }
    listed.retain(|relation| wanted.has_table(relation.name()));
    Ok(listed)
}

/// Returns the columns of a relation.
///
/// # Errors
/// Those of opening a table.
pub(in crate::engine) async fn columns_of(
    engine: &QueryEngine,
    listed: &Listed,
) -> Result<Vec<ListedColumn>> {
    Ok(match listed {
        Listed::Own(spec) => {
            let columns = spec.visible_columns().iter();
            columns
                .map(|(name, kind)| ListedColumn {
                    name: (*name).to_owned(),
                    data_type: kind.name().to_owned(),
                    is_nullable: true,
                    comment: None,
                })
                .collect()
        }
        Listed::View(view) => {
            let columns = view.columns.iter();
            columns
                .map(|column| ListedColumn {
                    name: column.name.to_lowercase(),
                    data_type: column.data_type.clone(),
                    is_nullable: true,
                    comment: column.comment.clone(),
                })
                .collect()
        }
        Listed::Table(entry) => {
            let lake = engine.lake();
            let opened = lake.open_table(&entry.name).await;
            let schema = match opened.map_err(|error| in_catalog(error, super::super::CATALOG))? {
                OpenTable::Delta(table) => table.snapshot(AsOf::Latest).await?.schema(),
                OpenTable::Files(table) => table.schema(),
            };
            let comment = |field: &arrow::datatypes::Field| {
                let known = entry.column_comments.get(field.name());
                known.or_else(|| field.metadata().get("comment")).cloned()
            };
            let of_files = |name: &str| {
                let columns = entry.columns.iter().chain(&entry.partition_keys);
                columns
                    .filter(|column| column.name == name)
                    .find_map(|column| column.comment.clone())
            };
            let fields = schema.fields().iter();
            fields
                .map(|field| ListedColumn {
                    name: field.name().to_lowercase(),
                    data_type: type_name(field.data_type()),
                    is_nullable: field.is_nullable(),
                    comment: comment(field).or_else(|| of_files(field.name())),
                })
                .collect()
        }
    })
}

/// Returns the columns for a listing: what cannot be opened is left out.
pub(super) async fn columns_if_any(engine: &QueryEngine, listed: &Listed) -> Vec<ListedColumn> {
    match columns_of(engine, listed).await {
        Ok(columns) => columns,
        Err(error) => {
            tracing::warn!(
                schema = listed.schema(),
                table = listed.name(),
                %error,
                "columns could not be listed"
            );
            Vec::new()
        }
    }
}
