//! Methods that change partitions.

use hive_metastore as hms;
use lake::{IfExists, Partition, TableEntry, TableKind, TableName};

use super::{Found, strings, values_of};
use crate::hive_metastore::arguments;
use crate::hive_metastore::convert::partition_from;
use crate::hive_metastore::failure::{Failure, Result};
use crate::hive_metastore::reply::Object;
use crate::hive_metastore::service::Metastore;
use crate::hive_metastore::wire::Fields;

impl Metastore {
    /// `add_partition`.
    pub(in crate::hive_metastore) async fn add_partition(
        &self,
        arguments: &Fields,
    ) -> Result<Object<hms::Partition>> {
        let sent = arguments::object(arguments, 1)?;
        let table = arguments::table(sent, 2, 3)?;
        let mut added = self.add(&table, &[sent], IfExists::Fail).await?;
        let only = added.partitions.pop();
        let partition = only.ok_or_else(|| Failure::Failed("no partition was added".to_owned()))?;
        Ok(Object(self.hms_partition(&added.entry, &partition)))
    }

    /// `add_partitions`.
    pub(in crate::hive_metastore) async fn add_partitions(
        &self,
        arguments: &Fields,
    ) -> Result<i32> {
        let sent = arguments::objects(arguments, 1)?;
        let Some(first) = sent.first() else {
            return Ok(0);
        };
        let table = arguments::table(first, 2, 3)?;
        for other in &sent {
            if arguments::table(other, 2, 3)? != table {
                return Err(Failure::Invalid(
                    "partitions of one request must be of one table".to_owned(),
                ));
            }
        }
        let added = self.add(&table, &sent, IfExists::Fail).await?;
        Ok(i32::try_from(added.partitions.len()).unwrap_or(i32::MAX))
    }

    pub(in crate::hive_metastore) async fn add_partitions_req(
        &self,
        arguments: &Fields,
    ) -> Result<Object<hms::AddPartitionsResult>> {
        let request = arguments::object(arguments, 1)?;
        let table = arguments::table(request, 1, 2)?;
        let sent = arguments::objects(request, 3)?;
        let if_exists = match request.flag(4) {
            Some(true) => IfExists::Keep,
            _ => IfExists::Fail,
        };
        let added = self.add(&table, &sent, if_exists).await?;
        let wanted = request.flag(5).unwrap_or(true);
        Ok(Object(hms::AddPartitionsResult {
            partitions: wanted.then(|| {
                let partitions = added.partitions.iter();
                partitions
                    .map(|p| self.hms_partition(&added.entry, p))
                    .collect()
            }),
        }))
    }

    pub(in crate::hive_metastore) async fn append_partition(
        &self,
        arguments: &Fields,
    ) -> Result<Object<hms::Partition>> {
        let (entry, values) = self.by_values(arguments).await?;
        self.append(entry, values).await
    }

    pub(in crate::hive_metastore) async fn append_partition_by_name(
        &self,
        arguments: &Fields,
    ) -> Result<Object<hms::Partition>> {
        let (entry, values) = self.by_name(arguments).await?;
        self.append(entry, values).await
    }

    /// `drop_partition`; the files of external tables stay.
    pub(in crate::hive_metastore) async fn drop_partition(
        &self,
        arguments: &Fields,
    ) -> Result<bool> {
        let (entry, values) = self.by_values(arguments).await?;
        refuse_deleting(&entry, arguments.flag(4))?;
        let catalog = self.lake.catalog();
        catalog.drop_partitions(&entry.name, &[values]).await?;
        Ok(true)
    }

    pub(in crate::hive_metastore) async fn drop_partition_by_name(
        &self,
        arguments: &Fields,
    ) -> Result<bool> {
        let (entry, values) = self.by_name(arguments).await?;
        refuse_deleting(&entry, arguments.flag(4))?;
        let catalog = self.lake.catalog();
        catalog.drop_partitions(&entry.name, &[values]).await?;
        Ok(true)
    }

    pub(in crate::hive_metastore) async fn drop_partitions_req(
        &self,
        arguments: &Fields,
    ) -> Result<Object<hms::DropPartitionsResult>> {
        let request = arguments::object(arguments, 1)?;
        let found = self.partitions_of(request).await?;
        refuse_deleting(&found.entry, request.flag(4))?;
        let Some(names) = arguments::object(request, 3)?.texts(1) else {
            return Err(Failure::Refused(
                "partitions are dropped by name, not by a serialized expression".to_owned(),
            ));
        };
        let values = names.iter().map(|name| values_of(&found.entry, name));
        let mut values = values.collect::<Result<Vec<_>>>()?;
        let dropped = found
            .partitions
            .iter()
            .filter(|known| values.contains(&known.values));
        let dropped: Vec<_> = dropped
            .map(|p| self.hms_partition(&found.entry, p))
            .collect();
        if request.flag(5).unwrap_or(true) {
            values.retain(|values| found.partitions.iter().any(|known| known.values == *values));
        }
        let catalog = self.lake.catalog();
        catalog.drop_partitions(&found.entry.name, &values).await?;
        Ok(Object(hms::DropPartitionsResult {
            partitions: request.flag(8).unwrap_or(true).then_some(dropped),
        }))
    }

    pub(in crate::hive_metastore) async fn alter_partition(
        &self,
        arguments: &Fields,
    ) -> Result<()> {
        let sent = arguments::object(arguments, 3)?;
        self.alter(arguments, &[sent]).await
    }

    pub(in crate::hive_metastore) async fn alter_partitions(
        &self,
        arguments: &Fields,
    ) -> Result<()> {
        let sent = arguments::objects(arguments, 3)?;
        self.alter(arguments, &sent).await
    }

    async fn alter(&self, arguments: &Fields, sent: &[&Fields]) -> Result<()> {
        let name = arguments::table(arguments, 1, 2)?;
        let entry = self.lake.catalog().table(&name).await?;
        let partitions = self.received(&entry, sent)?;
        let catalog = self.lake.catalog();
        Ok(catalog.alter_partitions(&entry.name, partitions).await?)
    }

    /// Reads partitions that a client sent and checks where they are.
    fn received(&self, entry: &TableEntry, sent: &[&Fields]) -> Result<Vec<Partition>> {
        let now = self.now();
        let mut partitions = Vec::with_capacity(sent.len());
        for fields in sent {
            let partition = partition_from(entry, fields, &self.locations, now)?;
            if let Some(location) = &partition.location {
                self.check_location(location)?;
            }
            partitions.push(partition);
        }
        Ok(partitions)
    }

    async fn add(&self, name: &TableName, sent: &[&Fields], if_exists: IfExists) -> Result<Found> {
        let entry = self.lake.catalog().table(name).await?;
        let partitions = self.received(&entry, sent)?;
        self.lake
            .add_partitions(name, partitions.clone(), if_exists)
            .await?;
        Ok(Found { entry, partitions })
    }

    async fn append(
        &self,
        entry: TableEntry,
        values: Vec<String>,
    ) -> Result<Object<hms::Partition>> {
        let partition = Partition::new(values, self.now());
        let new = vec![partition.clone()];
        self.lake
            .add_partitions(&entry.name, new, IfExists::Fail)
            .await?;
        Ok(Object(self.hms_partition(&entry, &partition)))
    }

    async fn by_values(&self, arguments: &Fields) -> Result<(TableEntry, Vec<String>)> {
        let values = strings(&arguments::texts(arguments, 3)?);
        let name = arguments::table(arguments, 1, 2)?;
        Ok((self.lake.catalog().table(&name).await?, values))
    }

    async fn by_name(&self, arguments: &Fields) -> Result<(TableEntry, Vec<String>)> {
        let partition = arguments::text(arguments, 3)?;
        let name = arguments::table(arguments, 1, 2)?;
        let entry = self.lake.catalog().table(&name).await?;
        let values = values_of(&entry, &partition)?;
        Ok((entry, values))
    }
}

/// The lake deletes the files of a managed table when it is dropped, and not before.
fn refuse_deleting(entry: &TableEntry, deletes_data: Option<bool>) -> Result<()> {
    if entry.kind == TableKind::Managed && deletes_data == Some(true) {
        return Err(Failure::Failed(format!(
            "the files of a partition of managed table `{}` are not deleted: drop the partition \
             without its data, or make the table external",
            entry.name
        )));
    }
    Ok(())
}
