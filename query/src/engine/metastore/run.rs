//! Runs the statements about names.

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use chrono::Utc;
use lake::catalog::NULL_PARTITION;
use lake::{Database, IfExists, Partition, TableEntry, TableName};

use super::{ExternalTableSpec, MetastoreStatement, PartitionSpec};
use crate::engine::names::Names;
use crate::engine::session::SessionSettings;
use crate::engine::statement::one_batch;
use crate::engine::{QueryEngine, StatementResult, external, refuse_in_transaction};
use crate::{Error, Result};

impl QueryEngine {
    /// Runs a statement about names.
    pub(in crate::engine) async fn run_metastore(
        &self,
        statement: MetastoreStatement,
        session: &SessionSettings,
    ) -> Result<StatementResult> {
        if statement.writes() {
            refuse_in_transaction(session)?;
        }
        let lake = self.lake();
        match statement {
            MetastoreStatement::AddPartitions {
                table,
                partitions,
                if_not_exists,
            } => {
                let name = Names::table(&table, session)?;
                let entry = lake.catalog().table(&name).await?;
                let partitions = partitions
                    .iter()
                    .map(|spec| partition(&entry, spec))
                    .collect::<Result<Vec<_>>>()?;
                let if_exists = if if_not_exists {
                    IfExists::Keep
                } else {
                    IfExists::Fail
                };
                lake.add_partitions(&name, partitions, if_exists).await?;
                Ok(StatementResult::done("ADD PARTITION", None))
            }
            MetastoreStatement::DropPartitions {
                table,
                partitions,
                if_exists,
            } => {
                let name = Names::table(&table, session)?;
                self.drop_partitions(&name, &partitions, if_exists).await?;
                Ok(StatementResult::done("DROP PARTITION", None))
            }
            MetastoreStatement::RepairTable { table, mode } => {
                let name = Names::table(&table, session)?;
                let summary = lake.discover_partitions(&name, mode).await?;
                let count = |count: usize| -> Arc<Int64Array> {
                    Arc::new(Int64Array::from(vec![
                        i64::try_from(count).unwrap_or(i64::MAX),
                    ]))
                };
                one_batch(vec![
                    ("added", count(summary.added.len())),
                    ("removed", count(summary.removed.len())),
                    ("unchanged", count(summary.unchanged)),
                ])
            }
            MetastoreStatement::ShowPartitions { table } => {
                let name = Names::table(&table, session)?;
                let (entry, partitions) = lake.catalog().table_and_partitions(&name).await?;
                if entry.partition_keys.is_empty() {
                    return Err(not_partitioned(&entry));
                }
                let names: StringArray = partitions
                    .iter()
                    .map(|partition| Some(partition.name(&entry.partition_keys)))
                    .collect();
                one_batch(vec![("Partition", Arc::new(names))])
            }
            MetastoreStatement::UndropTable { table } => {
                let name = Names::table(&table, session)?;
                lake.undrop_table(&name).await?;
                Ok(StatementResult::done("UNDROP TABLE", None))
            }
            MetastoreStatement::CreateExternalTable(spec) => {
                let name = Names::table(&spec.name, session)?;
                self.make_default(&name.database).await?;
                self.create_external(name, *spec, session).await?;
                Ok(StatementResult::done("CREATE TABLE", None))
            }
            MetastoreStatement::CreateSchema {
                name,
                if_not_exists,
                location,
                comment,
                properties,
            } => {
                let database = Database {
                    location,
                    comment,
                    properties,
                    owner: (!session.user.is_empty()).then(|| session.user.clone()),
                    ..Database::named(Names::schema(&name)?)
                };
                match lake.create_database(database).await {
                    Err(lake::Error::DatabaseAlreadyExists { .. }) if if_not_exists => {}
                    other => other?,
                }
                Ok(StatementResult::done("CREATE SCHEMA", None))
            }
        }
    }

    /// Forgets the registered partitions that have the given values; a specification may leave keys out.
    async fn drop_partitions(
        &self,
        name: &TableName,
        specs: &[PartitionSpec],
        if_exists: bool,
    ) -> Result<()> {
        let catalog = self.lake().catalog();
        let (entry, registered) = catalog.table_and_partitions(name).await?;
        let mut dropped: Vec<Vec<String>> = Vec::new();
        for spec in specs {
            let wanted = wanted_values(&entry, spec)?;
            let before = dropped.len();
            for partition in &registered {
                let fits =
                    partition.values.iter().zip(&wanted).all(|(value, wanted)| {
                        wanted.as_ref().is_none_or(|wanted| wanted == value)
                    });
                if fits && !dropped.contains(&partition.values) {
                    dropped.push(partition.values.clone());
                }
            }
            if dropped.len() == before && !if_exists {
                return Err(lake::Error::PartitionNotFound {
                    table: entry.name.to_string(),
                    partition: described(spec),
                }
                .into());
            }
        }
        match catalog.drop_partitions(name, &dropped).await {
            // Somebody else has dropped it meanwhile.
            Err(lake::Error::PartitionNotFound { .. }) if if_exists => Ok(()),
            other => Ok(other?),
        }
    }

    async fn create_external(
        &self,
        name: TableName,
        spec: ExternalTableSpec,
        session: &SessionSettings,
    ) -> Result<()> {
        let entry = TableEntry {
            comment: spec.comment,
            owner: (!session.user.is_empty()).then(|| session.user.clone()),
            partition_keys: spec.partition_keys,
            storage: spec.storage,
            properties: spec.properties,
            ..TableEntry::external(name, spec.location, spec.format, spec.columns, Utc::now())
        };
        external::check(&entry)?;
        match self.lake().create_external_table(entry).await {
            Err(lake::Error::TableAlreadyExists { .. }) if spec.if_not_exists => Ok(()),
            other => {
                other?;
                Ok(())
            }
        }
    }
}

fn partition(entry: &TableEntry, spec: &PartitionSpec) -> Result<Partition> {
    let values = wanted_values(entry, spec)?
        .into_iter()
        .zip(&entry.partition_keys)
        .map(|(value, key)| {
            value.ok_or_else(|| {
                invalid(
                    entry,
                    format!("key `{}` has no value in PARTITION", key.name),
                )
            })
        })
        .collect::<Result<_>>()?;
    Ok(Partition {
        location: spec.location.clone(),
        ..Partition::new(values, Utc::now())
    })
}

/// Returns the values in the order of the table's keys; none for a key that is left out.
fn wanted_values(entry: &TableEntry, spec: &PartitionSpec) -> Result<Vec<Option<String>>> {
    if entry.partition_keys.is_empty() {
        return Err(not_partitioned(entry));
    }
    let mut values = vec![None; entry.partition_keys.len()];
    for (key, value) in &spec.values {
        let position = entry
            .partition_keys
            .iter()
            .position(|known| known.name == *key);
        match position.and_then(|position| values.get_mut(position)) {
            Some(place @ None) => {
                *place = Some(value.clone().unwrap_or_else(|| NULL_PARTITION.to_owned()));
            }
            Some(Some(_)) => return Err(invalid(entry, format!("key `{key}` has two values"))),
            None => {
                let known: Vec<&str> = entry
                    .partition_keys
                    .iter()
                    .map(|known| known.name.as_str())
                    .collect();
                let known = known.join("`, `");
                return Err(invalid(
                    entry,
                    format!("`{key}` is not one of its keys `{known}`"),
                ));
            }
        }
    }
    Ok(values)
}

fn described(spec: &PartitionSpec) -> String {
    let parts: Vec<String> = spec
        .values
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_deref().unwrap_or(NULL_PARTITION)))
        .collect();
    parts.join("/")
}

fn not_partitioned(entry: &TableEntry) -> Error {
    let reason = if entry.format == lake::TableFormat::Delta {
        "the partitions of a Delta table are in its log"
    } else {
        "it is not partitioned"
    };
    invalid(entry, reason.to_owned())
}

fn invalid(entry: &TableEntry, reason: String) -> Error {
    lake::Error::InvalidPartition {
        table: entry.name.to_string(),
        reason,
    }
    .into()
}
