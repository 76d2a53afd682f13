//! Partitions of tables that have no Delta log: only those that are registered are read.

use std::collections::BTreeSet;

use arrow::array::StringArray;
use arrow::compute::{CastOptions, cast_with_options};

use super::hive_types::parse_hive_type;
use super::model::{Column, IfExists, TableEntry, TableFormat, TableName};
use super::partition::{NULL_PARTITION, Partition, partition_name, values_key};
use super::state::{Change, Partitions, State};
use super::{Catalog, find_table};
use crate::error::{Error, Result};

impl Catalog {
    /// Returns the registered partitions of a table; none of one that is not partitioned.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`]; [`Error::InvalidPartition`] for a
    /// Delta table, whose partitions are in its log.
    pub async fn partitions(&self, name: &TableName) -> Result<Vec<Partition>> {
        let (table, partitions) = self.table_and_partitions(name).await?;
        refuse_delta(&table)?;
        Ok(partitions)
    }

    /// Returns a table with its registered partitions, as they are at one moment.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`] list the nearest names.
    pub async fn table_and_partitions(
        &self,
        name: &TableName,
    ) -> Result<(TableEntry, Vec<Partition>)> {
        let state = self.refresh().await?;
        let table = find_table(&state, name)?;
        let partitions = registered(&state, &table.name)
            .map(|known| known.values().cloned().collect())
            .unwrap_or_default();
        Ok((table.clone(), partitions))
    }

    /// Registers partitions: all of them or, on an error, none. Returns how many are new.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`]; [`Error::InvalidPartition`] when
    /// the values do not fit the table's keys; [`Error::PartitionAlreadyExists`] unless existing
    /// ones are to be kept.
    pub async fn add_partitions(
        &self,
        name: &TableName,
        partitions: Vec<Partition>,
        if_exists: IfExists,
    ) -> Result<usize> {
        let mut added = 0;
        self.change_if_any(|state| {
            let table = find_table(state, name)?;
            refuse_delta(table)?;
            let known = registered(state, &table.name);
            let mut new = Vec::with_capacity(partitions.len());
            let mut seen = BTreeSet::new();
            for partition in &partitions {
                check_values(table, &partition.values)?;
                let key = values_key(&partition.values);
                let exists = known.is_some_and(|known| known.contains_key(&key));
                if !exists && seen.insert(key) {
                    new.push(normal(partition));
                } else if if_exists == IfExists::Fail {
                    return Err(Error::PartitionAlreadyExists {
                        table: table.name.to_string(),
                        partition: partition.name(&table.partition_keys),
                    });
                }
            }
            added = new.len();
            let name = table.name.clone();
            let partitions = new;
            Ok((added > 0).then_some(Change::AddPartitions { name, partitions }))
        })
        .await?;
        Ok(added)
    }

    /// Replaces what is known of partitions: all of them or, on an error, none.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`]; [`Error::InvalidPartition`] when
    /// the values do not fit the table's keys; [`Error::PartitionNotFound`].
    pub async fn alter_partitions(
        &self,
        name: &TableName,
        partitions: Vec<Partition>,
    ) -> Result<()> {
        self.change_if_any(|state| {
            let table = find_table(state, name)?;
            refuse_delta(table)?;
            let known = registered(state, &table.name);
            let altered: Vec<Partition> = partitions.iter().map(normal).collect();
            for partition in &altered {
                check_values(table, &partition.values)?;
                let key = values_key(&partition.values);
                if !known.is_some_and(|known| known.contains_key(&key)) {
                    return Err(Error::PartitionNotFound {
                        table: table.name.to_string(),
                        partition: partition.name(&table.partition_keys),
                    });
                }
            }
            let name = table.name.clone();
            // Adding one that exists replaces it.
            Ok((!altered.is_empty()).then_some(Change::AddPartitions {
                name,
                partitions: altered,
            }))
        })
        .await
    }

    /// Forgets partitions: all of them or, on an error, none. Their files stay.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`]; [`Error::InvalidPartition`] when
    /// the values do not fit the table's keys; [`Error::PartitionNotFound`].
    pub async fn drop_partitions(&self, name: &TableName, values: &[Vec<String>]) -> Result<()> {
        self.change_if_any(|state| {
            let table = find_table(state, name)?;
            refuse_delta(table)?;
            let known = registered(state, &table.name);
            for values in values {
                check_values(table, values)?;
                let key = values_key(values);
                if !known.is_some_and(|known| known.contains_key(&key)) {
                    return Err(Error::PartitionNotFound {
                        table: table.name.to_string(),
                        partition: partition_name(&table.partition_keys, values),
                    });
                }
            }
            let name = table.name.clone();
            let values = values.to_vec();
            Ok((!values.is_empty()).then_some(Change::DropPartitions { name, values }))
        })
        .await
    }
}

fn registered<'a>(state: &'a State, name: &TableName) -> Option<&'a Partitions> {
    state
        .databases
        .get(&name.database)?
        .partitions
        .get(&name.table)
}

/// An absent value is written in one way only.
fn normal(partition: &Partition) -> Partition {
    let mut normal = partition.clone();
    for value in &mut normal.values {
        if value.is_empty() {
            NULL_PARTITION.clone_into(value);
        }
    }
    normal
}

fn refuse_delta(table: &TableEntry) -> Result<()> {
    if table.format == TableFormat::Delta {
        return Err(Error::InvalidPartition {
            table: table.name.to_string(),
            reason: "the partitions of a Delta table are in its log".to_owned(),
        });
    }
    Ok(())
}

fn check_values(table: &TableEntry, values: &[String]) -> Result<()> {
    let keys = &table.partition_keys;
    if keys.is_empty() {
        return Err(Error::InvalidPartition {
            table: table.name.to_string(),
            reason: "it is not partitioned".to_owned(),
        });
    }
    if values.len() != keys.len() {
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        return Err(Error::InvalidPartition {
            table: table.name.to_string(),
            reason: format!(
                "{} values were given, but it is partitioned by `{}`",
                values.len(),
                names.join("`, `")
            ),
        });
    }
    for (key, value) in keys.iter().zip(values) {
        if !fits(key, value)? {
            return Err(Error::InvalidPartition {
                table: table.name.to_string(),
                reason: format!(
                    "`{value}` is not a value of its key `{}` of type {}",
                    key.name, key.data_type
                ),
            });
        }
    }
    Ok(())
}

fn fits(key: &Column, value: &str) -> Result<bool> {
    if value.is_empty() || value == NULL_PARTITION {
        return Ok(true);
    }
    let text = StringArray::from(vec![value]);
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let data_type = parse_hive_type(&key.data_type)?;
    Ok(cast_with_options(&text, &data_type, &options).is_ok())
}
