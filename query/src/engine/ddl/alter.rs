//! `ALTER TABLE`.

mod read;

use std::collections::BTreeMap;
use std::time::Duration;

use lake::maintenance::{Minimum, Mode, Progress, Scope};
use lake::{AsOf, CommitNote, LakeTable, Maintainer, MaintenanceConfig, Relation};

use self::read::Change;
pub(in crate::engine) use self::read::{AlterStatement, read_alter_table};
use super::Done;
use super::properties::{self, Properties, PropertyValue};
use crate::engine::QueryEngine;
use crate::engine::names::{self, FullName, Names};
use crate::engine::session::SessionSettings;
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// Properties by which Spark remembers columns; wrong as soon as they change.
const SPARK_SCHEMA: &str = "spark.sql.sources.schema";

/// Runs `ALTER TABLE`.
pub(in crate::engine) async fn run(
    engine: &QueryEngine,
    statement: AlterStatement,
    session: &SessionSettings,
) -> Result<Done> {
    let full = Names::full(&statement.table, session)?;
    let name = full.in_lake()?;
    let lake = engine.lake();
    let kind = match &statement.change {
        Change::RenameTo(_) => "RENAME TABLE",
        Change::AddColumn { .. } => "ADD COLUMN",
        Change::DropColumn { .. } => "DROP COLUMN",
        Change::RenameColumn { .. } => "RENAME COLUMN",
        Change::SetType { .. } => "SET COLUMN TYPE",
        Change::DropNotNull { .. } => "DROP NOT NULL CONSTRAINT",
        Change::AddConstraint { .. } => "ADD CONSTRAINT",
        Change::DropConstraint { .. } => "DROP CONSTRAINT",
        Change::SetProperties(_) => "SET PROPERTIES",
        Change::Execute { .. } => "ALTER TABLE EXECUTE",
    };
    match lake.catalog().relation(&name).await {
        Ok(Relation::Table(_)) => {}
        Ok(Relation::View(_)) => {
            return Err(TrinoFailure::new(
                "GENERIC_USER_ERROR",
                format!(
                    "Table '{full}' does not exist, but a view with that name exists. Did you mean ALTER VIEW {full} RENAME TO ...?"
                ),
            )
            .into());
        }
        Err(lake::Error::TableNotFound { .. } | lake::Error::DatabaseNotFound { .. })
            if statement.if_exists =>
        {
            return Ok((kind, None));
        }
        Err(error) => return Err(names::in_catalog(error, &full.catalog)),
    }
    if let Change::RenameTo(to) = &statement.change {
        let to = match to.as_slice() {
            [table] => FullName {
                table: table.clone(),
                ..full.clone()
            },
            parts => Names::full(parts, session)?,
        };
        lake.rename_table(&name, &to.in_lake()?).await?;
        return Ok((kind, None));
    }
    let table = lake.table(&name).await?;
    let changes_columns = !matches!(
        statement.change,
        Change::AddConstraint { .. }
            | Change::DropConstraint { .. }
            | Change::SetProperties(_)
            | Change::Execute { .. }
    );
    apply(engine, &table, &full, statement.change).await?;
    if changes_columns {
        forget_spark_columns(engine, &table).await?;
    }
    Ok((kind, None))
}

async fn apply(
    engine: &QueryEngine,
    table: &LakeTable,
    full: &FullName,
    change: Change,
) -> Result<()> {
    let schema = table.schema().await?;
    // The column in its own letter case.
    let find = |name: &str| {
        let mut fields = schema.fields().iter();
        fields
            .find(|field| field.name().to_lowercase() == name)
            .map(|field| field.name().clone())
    };
    let missing = |name: &str| {
        let known: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        names::column_not_found(name, known, || format!("Column '{name}' does not exist"))
    };
    let taken = |name: &str| -> Error {
        TrinoFailure::new(
            "COLUMN_ALREADY_EXISTS",
            format!("Column '{name}' already exists"),
        )
        .into()
    };
    let note = CommitNote::default();
    match change {
        Change::AddColumn {
            field,
            if_not_exists,
        } => {
            if find(field.name()).is_some() {
                return if if_not_exists {
                    Ok(())
                } else {
                    Err(taken(field.name()))
                };
            }
            let comment = field.metadata().get("comment").cloned();
            let name = field.name().clone();
            table.add_columns(&[field], note).await?;
            if comment.is_some() {
                super::comment_on_column(engine, full, &name, comment).await?;
            }
        }
        Change::DropColumn { name, if_exists } => match find(&name) {
            Some(column) => {
                require_mapping(table, "drop").await?;
                table.drop_column(&column, note).await?;
            }
            None if if_exists => {}
            None => return Err(missing(&name)),
        },
        Change::RenameColumn {
            from,
            to,
            if_exists,
        } => match find(&from) {
            Some(column) => {
                if from != to && find(&to).is_some() {
                    return Err(taken(&to));
                }
                require_mapping(table, "rename").await?;
                table.rename_column(&column, &to, note).await?;
            }
            None if if_exists => {}
            None => return Err(missing(&from)),
        },
        Change::SetType { column, data_type } => {
            let column = find(&column).ok_or_else(|| missing(&column))?;
            table.alter_column_type(&column, &data_type).await?;
        }
        Change::DropNotNull { column } => {
            let column = find(&column).ok_or_else(|| missing(&column))?;
            table.drop_not_null(&column, note).await?;
        }
        Change::AddConstraint { name, check } => {
            table.add_constraint(&name, &check, note).await?;
        }
        Change::DropConstraint { name, if_exists } => {
            if !if_exists || table.constraints().await?.contains_key(&name) {
                table.drop_constraint(&name, note).await?;
            }
        }
        Change::SetProperties(given) => set_properties(engine, table, full, given).await?,
        Change::Execute {
            procedure,
            arguments,
            filter,
        } => execute(engine, table, full, &procedure, &arguments, filter).await?,
        Change::RenameTo(_) => {}
    }
    Ok(())
}

/// Columns of files are found by name unless the table maps them.
async fn require_mapping(table: &LakeTable, verb: &str) -> Result<()> {
    let snapshot = table.snapshot(AsOf::Latest).await?;
    let mode = snapshot
        .property("delta.columnMapping.mode")
        .unwrap_or("none");
    if mode.eq_ignore_ascii_case("none") {
        return Err(TrinoFailure::new(
            "NOT_SUPPORTED",
            format!("Cannot {verb} column from table using column mapping mode NONE"),
        )
        .into());
    }
    Ok(())
}

async fn set_properties(
    engine: &QueryEngine,
    table: &LakeTable,
    full: &FullName,
    given: Properties,
) -> Result<()> {
    let fixed: Vec<&str> = given
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| ["location", "partitioned_by"].contains(name))
        .collect();
    if !fixed.is_empty() {
        return Err(TrinoFailure::new(
            "NOT_SUPPORTED",
            format!(
                "The following properties cannot be updated: {}",
                fixed.join(", ")
            ),
        )
        .into());
    }
    let own = properties::of_table(given, &full.catalog)?.own;
    let (delta, free): (BTreeMap<_, _>, BTreeMap<_, _>) = own
        .into_iter()
        .partition(|(key, _)| key.starts_with("delta.") || key.starts_with("lakehouse."));
    if !delta.is_empty() {
        table.set_properties(delta, CommitNote::default()).await?;
    }
    if !free.is_empty() {
        engine
            .lake()
            .catalog()
            .edit_table(table.name(), |entry| entry.properties.extend(free.clone()))
            .await?;
    }
    Ok(())
}

async fn forget_spark_columns(engine: &QueryEngine, table: &LakeTable) -> Result<()> {
    let catalog = engine.lake().catalog();
    let entry = catalog.table(table.name()).await?;
    if entry
        .properties
        .keys()
        .any(|key| key.starts_with(SPARK_SCHEMA))
    {
        catalog
            .edit_table(table.name(), |entry| {
                entry
                    .properties
                    .retain(|key, _| !key.starts_with(SPARK_SCHEMA));
            })
            .await?;
    }
    Ok(())
}

async fn execute(
    engine: &QueryEngine,
    table: &LakeTable,
    full: &FullName,
    procedure: &str,
    arguments: &Properties,
    filter: Option<String>,
) -> Result<()> {
    if filter.is_some() {
        return Err(Error::NotSupported {
            what: format!("WHERE in ALTER TABLE EXECUTE {procedure}"),
        });
    }
    let check = |known: &[&str]| -> Result<()> {
        let unknown = arguments
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()));
        match unknown {
            None => Ok(()),
            Some((name, _)) => Err(TrinoFailure::new(
                "INVALID_PROCEDURE_ARGUMENT",
                format!(
                    "Catalog '{}' table procedure '{}' property '{name}' does not exist",
                    full.catalog,
                    procedure.to_uppercase()
                ),
            )
            .into()),
        }
    };
    let text = |wanted: &str| {
        arguments.iter().find_map(|(name, value)| match value {
            PropertyValue::Text(text) if name == wanted => Some(text.clone()),
            _ => None,
        })
    };
    match procedure {
        "optimize" => {
            check(&["file_size_threshold"])?;
            let threshold = text("file_size_threshold")
                .map(|text| parse_size(&text))
                .transpose()?;
            optimize(engine, table, threshold).await
        }
        "vacuum" => {
            check(&["retention_threshold", "retention"])?;
            let given = text("retention_threshold").or_else(|| text("retention"));
            vacuum(
                engine,
                table,
                given.as_deref().map(parse_duration).transpose()?,
            )
            .await
        }
        "drop_extended_stats" => {
            check(&[])?;
            engine
                .lake()
                .catalog()
                .edit_table(table.name(), |entry| entry.statistics = None)
                .await?;
            Ok(())
        }
        other => Err(TrinoFailure::new(
            "PROCEDURE_NOT_FOUND",
            format!("Table procedure not registered: {}", other.to_uppercase()),
        )
        .into()),
    }
}

/// Packs small files into large ones.
pub(in crate::engine) async fn optimize(
    engine: &QueryEngine,
    table: &LakeTable,
    threshold: Option<u64>,
) -> Result<()> {
    let mut config = MaintenanceConfig::default().on_demand();
    if let Some(bytes) = threshold {
        config.target_file_bytes = bytes;
    }
    let maintainer = Maintainer::new(std::sync::Arc::clone(engine.lake()), config);
    maintainer
        .compact(table, Scope::All, &Progress::default())
        .await?;
    Ok(())
}

/// Deletes files that no version within the retention needs.
pub(in crate::engine) async fn vacuum(
    engine: &QueryEngine,
    table: &LakeTable,
    retention: Option<Duration>,
) -> Result<()> {
    let config = MaintenanceConfig::default().on_demand();
    let maintainer = Maintainer::new(std::sync::Arc::clone(engine.lake()), config);
    maintainer
        .vacuum(
            table,
            retention,
            Minimum::Enforced,
            Mode::Run,
            chrono::Utc::now(),
        )
        .await?;
    Ok(())
}

/// Reads a duration such as `7d` or `168.0h`.
pub(in crate::engine) fn parse_duration(text: &str) -> Result<Duration> {
    let invalid = || -> Error {
        TrinoFailure::new(
            "INVALID_PROCEDURE_ARGUMENT",
            format!("duration is not a valid data duration string: {text}"),
        )
        .into()
    };
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(invalid)?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.trim().parse().map_err(|_| invalid())?;
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err(invalid()),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| invalid())
}

/// Reads a size such as `100MB`.
fn parse_size(text: &str) -> Result<u64> {
    let invalid = || -> Error {
        TrinoFailure::new(
            "INVALID_PROCEDURE_ARGUMENT",
            format!("size is not a valid data size string: {text}"),
        )
        .into()
    };
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or_else(invalid)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| invalid())?;
    let shift = match unit.trim().to_ascii_uppercase().as_str() {
        "B" => 0,
        "KB" => 10,
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        _ => return Err(invalid()),
    };
    number.checked_mul(1 << shift).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_as_trino_writes_them() {
        assert_eq!(parse_duration("7d").unwrap().as_secs(), 604_800);
        assert_eq!(parse_duration("1.5h").unwrap().as_secs(), 5400);
        assert!(parse_duration("7").is_err());
        assert_eq!(parse_size("100MB").unwrap(), 100 << 20);
        assert!(parse_size("99999999999TB").is_err());
    }
}
