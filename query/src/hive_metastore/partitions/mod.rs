//! Methods about the partitions of tables without a Delta log.

mod changes;

use std::collections::BTreeSet;

use hive_metastore as hms;
use lake::catalog::{parse_partition_name, partition_name};
use lake::{Partition, TableEntry};
use percent_encoding::percent_decode_str;
use pilota::FastStr;

use crate::hive_metastore::arguments;
use crate::hive_metastore::convert::{partition_of, table_of};
use crate::hive_metastore::failure::{Failure, Result};
use crate::hive_metastore::filter::Filter;
use crate::hive_metastore::reply::{Made, Object, Pairs};
use crate::hive_metastore::service::Metastore;
use crate::hive_metastore::wire::Fields;

/// What goes back for many partitions.
pub(in crate::hive_metastore) type Partitions = Made<Partition>;

/// A table with those of its partitions that a request is about, in the order of their names.
struct Found {
    entry: TableEntry,
    partitions: Vec<Partition>,
}

impl Metastore {
    /// `get_partition` and `get_partition_with_auth`.
    pub(in crate::hive_metastore) async fn get_partition(
        &self,
        arguments: &Fields,
    ) -> Result<Object<hms::Partition>> {
        let values = arguments::texts(arguments, 3)?;
        let found = self.partitions_of(arguments).await?;
        self.one(found, &strings(&values))
    }

    pub(in crate::hive_metastore) async fn get_partition_by_name(
        &self,
        arguments: &Fields,
    ) -> Result<Object<hms::Partition>> {
        let name = arguments::text(arguments, 3)?;
        let found = self.partitions_of(arguments).await?;
        let values = values_of(&found.entry, &name).map_err(as_missing)?;
        self.one(found, &values)
    }

    /// `get_partitions` and `get_partitions_with_auth`.
    pub(in crate::hive_metastore) async fn get_partitions(
        &self,
        arguments: &Fields,
    ) -> Result<Partitions> {
        let found = self.partitions_of(arguments).await?;
        Ok(self.many(found.first(arguments::limit(arguments, 3))))
    }

    /// `get_partitions_ps` and `get_partitions_ps_with_auth`.
    pub(in crate::hive_metastore) async fn get_partitions_ps(
        &self,
        arguments: &Fields,
    ) -> Result<Partitions> {
        Ok(self.many(self.prefixed(arguments).await?))
    }

    pub(in crate::hive_metastore) async fn get_partitions_by_names(
        &self,
        arguments: &Fields,
    ) -> Result<Partitions> {
        let names = arguments::texts(arguments, 3)?;
        let mut found = self.partitions_of(arguments).await?;
        let wanted: BTreeSet<Vec<String>> = names
            .iter()
            .map(|name| values_of(&found.entry, name))
            .collect::<Result<_>>()?;
        found
            .partitions
            .retain(|known| wanted.contains(&known.values));
        Ok(self.many(found))
    }

    pub(in crate::hive_metastore) async fn get_partitions_by_filter(
        &self,
        arguments: &Fields,
    ) -> Result<Partitions> {
        let found = self.filtered(arguments).await?;
        Ok(self.many(found.first(arguments::limit(arguments, 4))))
    }

    pub(in crate::hive_metastore) async fn get_num_partitions_by_filter(
        &self,
        arguments: &Fields,
    ) -> Result<i32> {
        let found = self.filtered(arguments).await?;
        Ok(i32::try_from(found.partitions.len()).unwrap_or(i32::MAX))
    }

    pub(in crate::hive_metastore) async fn get_partitions_pspec(
        &self,
        arguments: &Fields,
    ) -> Result<Vec<Object<hms::PartitionSpec>>> {
        let found = self.partitions_of(arguments).await?;
        Ok(self.specification(found.first(arguments::limit(arguments, 3))))
    }

    pub(in crate::hive_metastore) async fn get_part_specs_by_filter(
        &self,
        arguments: &Fields,
    ) -> Result<Vec<Object<hms::PartitionSpec>>> {
        let found = self.filtered(arguments).await?;
        Ok(self.specification(found.first(arguments::limit(arguments, 4))))
    }

    pub(in crate::hive_metastore) async fn get_partition_names(
        &self,
        arguments: &Fields,
    ) -> Result<Vec<FastStr>> {
        let found = self.partitions_of(arguments).await?;
        Ok(found.first(arguments::limit(arguments, 3)).names())
    }

    pub(in crate::hive_metastore) async fn get_partition_names_ps(
        &self,
        arguments: &Fields,
    ) -> Result<Vec<FastStr>> {
        Ok(self.prefixed(arguments).await?.names())
    }

    pub(in crate::hive_metastore) async fn get_partition_values(
        &self,
        arguments: &Fields,
    ) -> Result<Object<hms::PartitionValuesResponse>> {
        let request = arguments::object(arguments, 1)?;
        let asked = arguments::objects(request, 3)?;
        let found = self.partitions_of(request).await?;
        let filter = request.text(5).unwrap_or_default();
        let filter = Filter::parse(&filter, &found.entry.partition_keys)?;
        let mut places = Vec::new();
        for key in asked {
            let name = arguments::text(key, 1)?;
            let mut keys = found.entry.partition_keys.iter();
            let place = keys.position(|key| key.name.eq_ignore_ascii_case(&name));
            places.push(
                place.ok_or_else(|| {
                    Failure::ObjectMissing(format!("`{name}` is no partition key"))
                })?,
            );
        }
        let accepted = found.partitions.iter();
        let accepted = accepted.filter(|partition| filter.accepts(&partition.values));
        let mut rows: Vec<Vec<FastStr>> = accepted
            .map(|partition| {
                let values = places
                    .iter()
                    .filter_map(|place| partition.values.get(*place));
                values.map(FastStr::new).collect()
            })
            .collect();
        if request.flag(4).unwrap_or(true) {
            rows.sort();
            rows.dedup();
        }
        if request.flag(7) == Some(false) {
            rows.reverse();
        }
        rows.truncate(arguments::limit(request, 8));
        let partition_values = rows.into_iter().map(|row| hms::PartitionValuesRow { row });
        Ok(Object(hms::PartitionValuesResponse {
            partition_values: partition_values.collect(),
        }))
    }

    /// Returns all partitions of the table that the first two arguments name. A Delta table has
    /// none to Hive.
    async fn partitions_of(&self, arguments: &Fields) -> Result<Found> {
        let name = arguments::table(arguments, 1, 2)?;
        let catalog = self.lake.catalog();
        let (entry, mut partitions) = catalog.table_and_partitions(&name).await?;
        partitions.sort_by_cached_key(|partition| partition.name(&entry.partition_keys));
        Ok(Found { entry, partitions })
    }

    /// Returns the partitions that begin with the values of the third argument, where an empty one
    /// stands for any.
    async fn prefixed(&self, arguments: &Fields) -> Result<Found> {
        let prefix = arguments::texts(arguments, 3)?;
        let mut found = self.partitions_of(arguments).await?;
        if prefix.len() > found.entry.partition_keys.len() {
            return Err(Failure::Failed(format!(
                "{} values were given, but the table has {} partition keys",
                prefix.len(),
                found.entry.partition_keys.len()
            )));
        }
        found.partitions.retain(|partition| {
            let mut pairs = prefix.iter().zip(&partition.values);
            pairs.all(|(wanted, value)| wanted.is_empty() || wanted == value)
        });
        Ok(found.first(arguments::limit(arguments, 4)))
    }

    async fn filtered(&self, arguments: &Fields) -> Result<Found> {
        let filter = arguments::text(arguments, 3)?;
        let mut found = self.partitions_of(arguments).await?;
        let filter = Filter::parse(&filter, &found.entry.partition_keys)?;
        found
            .partitions
            .retain(|partition| filter.accepts(&partition.values));
        Ok(found)
    }

    fn one(&self, found: Found, values: &[String]) -> Result<Object<hms::Partition>> {
        let mut partitions = found.partitions.iter();
        let partition = partitions.find(|known| known.values == values);
        let partition = partition.ok_or_else(|| {
            let keys = &found.entry.partition_keys;
            Failure::ObjectMissing(format!(
                "table `{}` has no partition `{}`",
                found.entry.name,
                partition_name(keys, values)
            ))
        })?;
        Ok(Object(self.hms_partition(&found.entry, partition)))
    }

    fn many(&self, found: Found) -> Partitions {
        let table = table_of(&found.entry, None, &self.locations);
        let locations = self.locations.clone();
        let entry = found.entry;
        Made {
            sources: found.partitions,
            make: Box::new(move |partition| partition_of(&entry, &table, partition, &locations)),
        }
    }

    fn specification(&self, found: Found) -> Vec<Object<hms::PartitionSpec>> {
        let table = table_of(&found.entry, None, &self.locations);
        let partitions = found.partitions.iter();
        let partitions = partitions.map(|p| partition_of(&found.entry, &table, p, &self.locations));
        let partitions = partitions.collect();
        vec![Object(hms::PartitionSpec {
            db_name: table.db_name,
            table_name: table.table_name,
            root_path: table.sd.and_then(|storage| storage.location),
            partition_list: Some(hms::PartitionListComposingSpec {
                partitions: Some(partitions),
            }),
            ..hms::PartitionSpec::default()
        })]
    }

    fn hms_partition(&self, entry: &TableEntry, partition: &Partition) -> hms::Partition {
        let table = table_of(entry, None, &self.locations);
        partition_of(entry, &table, partition, &self.locations)
    }
}

impl Found {
    fn first(mut self, limit: usize) -> Self {
        self.partitions.truncate(limit);
        self
    }

    fn names(&self) -> Vec<FastStr> {
        let names = self.partitions.iter();
        let names = names.map(|partition| partition.name(&self.entry.partition_keys));
        names.map(FastStr::from).collect()
    }
}

fn strings(texts: &[FastStr]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn values_of(entry: &TableEntry, name: &str) -> Result<Vec<String>> {
    parse_partition_name(name, &entry.partition_keys).ok_or_else(|| {
        let keys: Vec<&str> = entry
            .partition_keys
            .iter()
            .map(|key| key.name.as_str())
            .collect();
        Failure::Invalid(format!(
            "`{name}` is no name of a partition of `{}`, whose keys are `{}`",
            entry.name,
            keys.join("`, `")
        ))
    })
}

/// To somebody who looks for it, a partition with an impossible name is one that is not there.
fn as_missing(failure: Failure) -> Failure {
    Failure::ObjectMissing(failure.into_message())
}

/// `get_partitions_by_expr` sends an expression in a serialization of Java's objects.
pub(in crate::hive_metastore) fn refuse_expression() -> Result<()> {
    Err(Failure::Failed(
        "partitions are filtered by text, not by a serialized expression".to_owned(),
    ))
}

/// `partition_name_to_vals`.
pub(in crate::hive_metastore) fn name_to_values(arguments: &Fields) -> Result<Vec<FastStr>> {
    let pairs = parse_name(&arguments::text(arguments, 1)?)?;
    Ok(pairs.into_iter().map(|(_, value)| value).collect())
}

/// `partition_name_to_spec`.
pub(in crate::hive_metastore) fn name_to_spec(arguments: &Fields) -> Result<Pairs> {
    Ok(Pairs(parse_name(&arguments::text(arguments, 1)?)?))
}

/// `partition_name_has_valid_characters`: what a folder cannot hold is escaped.
pub(in crate::hive_metastore) fn has_valid_characters(arguments: &Fields) -> Result<bool> {
    arguments::texts(arguments, 1)?;
    Ok(true)
}

/// Parses a partition's name without knowing its table's keys.
fn parse_name(name: &str) -> Result<Vec<(FastStr, FastStr)>> {
    let mut pairs = Vec::new();
    for part in name.split('/').filter(|part| !part.is_empty()) {
        let decode = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8().ok()?;
            Some(FastStr::new(decoded))
        };
        let pair = part.split_once('=');
        let pair = pair.and_then(|(key, value)| Some((decode(key)?, decode(value)?)));
        pairs.push(
            pair.ok_or_else(|| Failure::Failed(format!("`{name}` is no name of a partition")))?,
        );
    }
    Ok(pairs)
}
