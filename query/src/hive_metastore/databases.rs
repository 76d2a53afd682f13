//! Methods about databases.

use hive_metastore as hms;
use lake::{Database, Error, TableName};
use pilota::FastStr;

use super::arguments;
use super::convert::{database_from, database_of};
use super::failure::{Failure, Result};
use super::names;
use super::reply::Object;
use super::service::Metastore;
use super::wire::Fields;

/// The database that every metastore has. The lake need not: until a table is put into it, it is
/// only shown.
pub(super) const DEFAULT: &str = "default";

impl Metastore {
    pub(super) async fn get_all_databases(&self) -> Result<Vec<FastStr>> {
        let databases = self.databases().await?;
        let names = databases.into_iter().map(|known| FastStr::from(known.name));
        Ok(names.collect())
    }

    pub(super) async fn get_databases(&self, arguments: &Fields) -> Result<Vec<FastStr>> {
        let Some(pattern) = arguments.text(1) else {
            return self.get_all_databases().await;
        };
        let pattern = names::pattern(&arguments::without_catalog(&pattern)?)?;
        let names = self.get_all_databases().await?.into_iter();
        Ok(names.filter(|name| pattern.is_match(name)).collect())
    }

    pub(super) async fn get_database(&self, arguments: &Fields) -> Result<Object<hms::Database>> {
        let name = arguments::database(arguments, 1)?;
        let database = match self.lake.catalog().database(&name).await {
            Err(Error::DatabaseNotFound { .. }) if name == DEFAULT => default_database(),
            found => found?,
        };
        Ok(Object(database_of(&database, &self.locations)))
    }

    pub(super) async fn create_database(&self, arguments: &Fields) -> Result<()> {
        let database = database_from(arguments::object(arguments, 1)?, &self.locations)?;
        if let Some(location) = &database.location {
            self.check_location(location)?;
        }
        Ok(self.lake.catalog().create_database(database).await?)
    }

    pub(super) async fn drop_database(&self, arguments: &Fields) -> Result<()> {
        let name = arguments::database(arguments, 1)?;
        let deletes_data = arguments.flag(2).unwrap_or(false);
        let catalog = self.lake.catalog();
        if arguments.flag(3).unwrap_or(false) {
            for table in catalog.tables(&name).await? {
                self.drop_one(&table, deletes_data).await?;
            }
        }
        match catalog.drop_database(&name).await {
            Err(Error::DatabaseNotFound { .. }) if name == DEFAULT => Err(Failure::Refused(
                "database `default` cannot be dropped".to_owned(),
            )),
            dropped => Ok(dropped?),
        }
    }

    pub(super) async fn alter_database(&self, arguments: &Fields) -> Result<()> {
        let name = arguments::database(arguments, 1)?;
        let sent = database_from(arguments::object(arguments, 2)?, &self.locations)?;
        if sent.name != name {
            return Err(Failure::Failed(format!(
                "database `{name}` cannot be renamed to `{}`",
                sent.name
            )));
        }
        if let Some(location) = &sent.location {
            self.check_location(location)?;
        }
        if name == DEFAULT {
            self.ensure_default().await?;
        }
        Ok(self.lake.catalog().alter_database(sent).await?)
    }

    /// Returns all databases, `default` among them, in the order of their names.
    pub(super) async fn databases(&self) -> Result<Vec<Database>> {
        let mut databases = self.lake.catalog().databases().await?;
        if !databases.iter().any(|known| known.name == DEFAULT) {
            databases.push(default_database());
            databases.sort_by(|left, right| left.name.cmp(&right.name));
        }
        Ok(databases)
    }

    /// Makes the database of a new table exist if it is the one that always does.
    pub(super) async fn prepare_database(&self, name: &TableName) -> Result<()> {
        if name.database == DEFAULT {
            self.ensure_default().await?;
        }
        Ok(())
    }

    async fn ensure_default(&self) -> Result<()> {
        let created = self.lake.catalog().create_database(default_database());
        match created.await {
            Ok(()) | Err(Error::DatabaseAlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn default_database() -> Database {
    Database {
        comment: Some("Default Hive database".to_owned()),
        ..Database::named(DEFAULT)
    }
}
