//! Methods about tables.

use hive_metastore as hms;
use lake::{AsOf, Error, TableEntry, TableFormat, TableKind, TableName};
use pilota::FastStr;
use tracing::warn;

use super::arguments;
use super::convert::{
    TableFacts, altered_delta, entry_from, properties_of, table_of, table_type_of,
};
use super::failure::{Failure, Result};
use super::names;
use super::reply::Object;
use super::service::Metastore;
use super::wire::Fields;

/// How a filter of tables names a property.
const FILTER_PROPERTY: &str = "hive_filter_field_params__";

impl Metastore {
    /// `get_table`.
    pub(super) async fn get_table(&self, arguments: &Fields) -> Result<Object<hms::Table>> {
        let name = arguments::table(arguments, 1, 2)?;
        Ok(Object(self.found(&name).await?))
    }

    /// `get_table_req`, which also says what the client can do: all we have needs nothing.
    pub(super) async fn get_table_req(
        &self,
        arguments: &Fields,
    ) -> Result<Object<hms::GetTableResult>> {
        let name = arguments::table(arguments::object(arguments, 1)?, 1, 2)?;
        let table = self.found(&name).await?;
        Ok(Object(hms::GetTableResult { table }))
    }

    /// `get_table_objects_by_name`; those that do not exist are left out.
    pub(super) async fn get_tables_by_name(
        &self,
        arguments: &Fields,
    ) -> Result<Vec<Object<hms::Table>>> {
        let database = self.existing_database(arguments, 1).await?;
        let mut tables = Vec::new();
        for table in arguments::texts(arguments, 2)? {
            let Ok(name) = arguments::existing_table(&database, &table) else {
                continue;
            };
            match self.lake.catalog().table(&name).await {
                Ok(entry) => tables.push(Object(self.with_facts(&entry).await)),
                Err(Error::TableNotFound { .. } | Error::DatabaseNotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(tables)
    }

    pub(super) async fn get_tables_by_name_req(
        &self,
        arguments: &Fields,
    ) -> Result<Object<hms::GetTablesResult>> {
        let tables = self
            .get_tables_by_name(arguments::object(arguments, 1)?)
            .await?;
        let tables = tables.into_iter().map(|Object(table)| table).collect();
        Ok(Object(hms::GetTablesResult { tables }))
    }

    /// `get_tables`: names that match a pattern; none in a database that is not there.
    pub(super) async fn get_tables(&self, arguments: &Fields) -> Result<Vec<FastStr>> {
        let pattern = arguments.text(2);
        let pattern = names::pattern(pattern.as_deref().unwrap_or("*"))?;
        let entries = self.entries(&arguments::database(arguments, 1)?).await?;
        let names = entries.into_iter().map(|entry| entry.name.table);
        Ok(names
            .filter(|name| pattern.is_match(name))
            .map(FastStr::from)
            .collect())
    }

    pub(super) async fn get_tables_by_type(&self, arguments: &Fields) -> Result<Vec<FastStr>> {
        let table_type = arguments::text(arguments, 3)?;
        let pattern = arguments.text(2);
        let pattern = names::pattern(pattern.as_deref().unwrap_or("*"))?;
        let entries = self.entries(&arguments::database(arguments, 1)?).await?;
        let wanted = entries.into_iter().filter(|entry| {
            table_type_of(entry) == table_type && pattern.is_match(&entry.name.table)
        });
        Ok(wanted
            .map(|entry| FastStr::from(entry.name.table))
            .collect())
    }

    pub(super) async fn get_all_tables(&self, arguments: &Fields) -> Result<Vec<FastStr>> {
        let entries = self.entries(&arguments::database(arguments, 1)?).await?;
        let names = entries.into_iter().map(|entry| entry.name.table);
        Ok(names.map(FastStr::from).collect())
    }

    pub(super) async fn get_table_meta(
        &self,
        arguments: &Fields,
    ) -> Result<Vec<Object<hms::TableMeta>>> {
        let databases = arguments.text(1).unwrap_or(FastStr::from_static_str("*"));
        let databases = names::pattern(&arguments::without_catalog(&databases)?)?;
        let tables = names::pattern(arguments.text(2).as_deref().unwrap_or("*"))?;
        let types = arguments.texts(3).unwrap_or_default();
        let mut found = Vec::new();
        for database in self.databases().await? {
            if !databases.is_match(&database.name) {
                continue;
            }
            for entry in self.entries(&database.name).await? {
                let table_type = table_type_of(&entry);
                let is_wanted = types.is_empty() || types.iter().any(|wanted| wanted == table_type);
                if is_wanted && tables.is_match(&entry.name.table) {
                    found.push(Object(hms::TableMeta {
                        db_name: FastStr::from(entry.name.database),
                        table_name: FastStr::from(entry.name.table),
                        table_type: FastStr::from_static_str(table_type),
                        comments: entry.comment.map(FastStr::from),
                    }));
                }
            }
        }
        Ok(found)
    }

    /// `get_table_names_by_filter`, for the one filter that clients use: a property has a value.
    pub(super) async fn get_table_names_by_filter(
        &self,
        arguments: &Fields,
    ) -> Result<Vec<FastStr>> {
        let database = self.existing_database(arguments, 1).await?;
        let filter = arguments::text(arguments, 2)?;
        let condition = filter
            .trim()
            .strip_prefix(FILTER_PROPERTY)
            .and_then(|rest| {
                let (key, value) = rest.split_once('=')?;
                let value = value.trim().trim_start_matches('=').trim();
                let value = value.strip_prefix(['"', '\''])?.strip_suffix(['"', '\''])?;
                Some((key.trim().to_owned(), value.to_owned()))
            });
        let (key, value) = condition.ok_or_else(|| {
            Failure::Refused(format!(
                "the filter `{filter}` is not supported; only `{FILTER_PROPERTY}<property> = \"<value>\"` is"
            ))
        })?;
        let entries = self.entries(&database).await?.into_iter();
        let names = entries.filter(|entry| properties_of(entry, None).get(&key) == Some(&value));
        let names = names.map(|entry| FastStr::from(entry.name.table));
        Ok(names.take(arguments::limit(arguments, 3)).collect())
    }

    /// `get_fields`: the columns without partition keys.
    pub(super) async fn get_fields(
        &self,
        arguments: &Fields,
    ) -> Result<Vec<Object<hms::FieldSchema>>> {
        let table = self.found(&arguments::table(arguments, 1, 2)?).await?;
        let columns = table.sd.and_then(|storage| storage.cols);
        Ok(columns
            .unwrap_or_default()
            .into_iter()
            .map(Object)
            .collect())
    }

    /// `get_schema`: the columns and then the partition keys.
    pub(super) async fn get_schema(
        &self,
        arguments: &Fields,
    ) -> Result<Vec<Object<hms::FieldSchema>>> {
        let table = self.found(&arguments::table(arguments, 1, 2)?).await?;
        let mut columns = table
            .sd
            .and_then(|storage| storage.cols)
            .unwrap_or_default();
        columns.extend(table.partition_keys.unwrap_or_default());
        Ok(columns.into_iter().map(Object).collect())
    }

    /// `create_table` and its variants.
    pub(super) async fn create_table(&self, arguments: &Fields) -> Result<()> {
        let mut entry = entry_from(
            arguments::object(arguments, 1)?,
            &self.locations,
            self.now(),
        )?;
        let name = entry.name.clone();
        self.prepare_database(&name).await?;
        if entry.location.is_empty() {
            // The place that Hive would give it.
            let database = self.lake.catalog().database(&name.database).await?;
            let folder = database.location.unwrap_or(database.name);
            entry.location = format!("{}/{}", folder.trim_end_matches('/'), name.table);
        }
        if entry.format != TableFormat::Delta {
            self.lake.create_external_table(entry).await?;
            return Ok(());
        }
        let register = self
            .lake
            .register_delta_table(&name, &entry.location, entry.kind);
        register.await?;
        let edit = |known: &mut TableEntry| {
            known.comment.clone_from(&entry.comment);
            known.owner.clone_from(&entry.owner);
            known.properties.clone_from(&entry.properties);
        };
        self.lake.catalog().edit_table(&name, edit).await?;
        Ok(())
    }

    pub(super) async fn create_table_with_constraints(&self, arguments: &Fields) -> Result<()> {
        for id in [2, 3] {
            if arguments.list(id).is_some_and(|keys| !keys.is_empty()) {
                return Err(Failure::Invalid(
                    "primary and foreign keys are not supported".to_owned(),
                ));
            }
        }
        self.create_table(arguments).await
    }

    /// `drop_table` and its variants.
    pub(super) async fn drop_table(&self, arguments: &Fields) -> Result<()> {
        let name = arguments::table(arguments, 1, 2)?;
        let entry = self.lake.catalog().table(&name).await?;
        self.drop_one(&entry, arguments.flag(3).unwrap_or(false))
            .await
    }

    /// Drops a table; without its data, a managed one is only forgotten.
    pub(super) async fn drop_one(&self, entry: &TableEntry, deletes_data: bool) -> Result<()> {
        if entry.kind == TableKind::Managed && !deletes_data {
            self.lake.unregister_table(&entry.name).await?;
        } else {
            self.lake.drop_table(&entry.name).await?;
        }
        Ok(())
    }

    /// `alter_table` and its variants. Another name than before renames; then the rest is changed.
    pub(super) async fn alter_table(&self, arguments: &Fields) -> Result<()> {
        let name = arguments::table(arguments, 1, 2)?;
        let sent = entry_from(
            arguments::object(arguments, 3)?,
            &self.locations,
            self.now(),
        )?;
        let known = self.lake.catalog().table(&name).await?;
        let facts = self.facts(&known).await;
        let to = sent.name.clone();
        let altered = if known.format == TableFormat::Delta {
            altered_delta(&known, sent, facts.as_ref(), &self.locations)?
        } else {
            self.altered_files(&known, sent)?
        };
        if altered.kind == TableKind::Managed {
            // The lake deletes nothing outside itself.
            self.lake.storage().table_url(&altered.location)?;
        }
        if to != name {
            self.prepare_database(&to).await?;
            self.lake.rename_table(&name, &to).await?;
        }
        let edit = |entry: &mut TableEntry| *entry = altered.clone();
        self.lake.catalog().edit_table(&to, edit).await?;
        Ok(())
    }

    fn altered_files(&self, known: &TableEntry, mut sent: TableEntry) -> Result<TableEntry> {
        if sent.format != known.format {
            return Err(Failure::Refused(format!(
                "table `{}` cannot change from {} to {}",
                known.name, known.format, sent.format
            )));
        }
        if sent.location.is_empty() {
            sent.location.clone_from(&known.location);
        } else {
            self.check_location(&sent.location)?;
        }
        sent.created_at = known.created_at;
        let same = |known: &lake::TableStatistics, sent: &lake::TableStatistics| {
            (known.rows, known.files, known.bytes) == (sent.rows, sent.files, sent.bytes)
        };
        if let (Some(old), Some(new)) = (&known.statistics, &sent.statistics)
            && same(old, new)
        {
            sent.statistics.clone_from(&known.statistics);
        }
        Ok(sent)
    }

    async fn found(&self, name: &TableName) -> Result<hms::Table> {
        let entry = self.lake.catalog().table(name).await?;
        Ok(self.with_facts(&entry).await)
    }

    async fn with_facts(&self, entry: &TableEntry) -> hms::Table {
        let facts = self.facts(entry).await;
        table_of(entry, facts.as_ref(), &self.locations)
    }

    /// Reads the log of a Delta table. One that cannot be read does not hide the table.
    async fn facts(&self, entry: &TableEntry) -> Option<TableFacts> {
        if entry.format != TableFormat::Delta {
            return None;
        }
        let read = async {
            let table = self.lake.table(&entry.name).await?;
            table.snapshot(AsOf::Latest).await
        };
        match read.await {
            Ok(snapshot) => Some(TableFacts {
                schema: snapshot.schema(),
                partition_columns: snapshot.partition_columns().to_vec(),
                rows: snapshot.row_count(),
                files: u64::try_from(snapshot.file_count()).unwrap_or(u64::MAX),
                bytes: snapshot.total_bytes(),
            }),
            Err(error) => {
                warn!(table = %entry.name, %error, "metastore shows a table without its columns");
                None
            }
        }
    }

    /// Returns the tables of a database; none of one that is not there.
    async fn entries(&self, database: &str) -> Result<Vec<TableEntry>> {
        match self.lake.catalog().tables(database).await {
            Err(Error::DatabaseNotFound { .. }) => Ok(Vec::new()),
            found => Ok(found?),
        }
    }

    async fn existing_database(&self, arguments: &Fields, id: i16) -> Result<String> {
        let name = arguments::database(arguments, id)?;
        match self.lake.catalog().database(&name).await {
            Err(Error::DatabaseNotFound { .. }) if name == super::databases::DEFAULT => Ok(name),
            found => {
                found?;
                Ok(name)
            }
        }
    }
}
