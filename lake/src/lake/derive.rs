//! Tables made from what is there: clones of tables, and folders of Parquet files.

use chrono::Utc;
use tracing::{info, warn};

use super::Lake;
use crate::catalog::{TableEntry, TableKind, TableName};
use crate::error::{Error, Result};
use crate::maintenance::pins::Pin;
use crate::table::{AsOf, CommitNote, Conversion, LakeTable, TableSnapshot, schema};

impl Lake {
    /// Makes a shallow clone of a version of a table: a table of its own that shares the files
    /// which the version has. What is written to either is not seen in the other.
    ///
    /// The clone pins the version, so that vacuum keeps the source's files; unpin it
    /// ([`clone_owner`]) when the clone is gone.
    ///
    /// # Errors
    ///
    /// [`Error::TableNotFound`], [`Error::TableAlreadyExists`], [`Error::UnsupportedFeature`] for a
    /// source with deletion vectors, and those of [`LakeTable::snapshot`].
    pub async fn clone_table(
        &self,
        source: &TableName,
        as_of: AsOf,
        target: &TableName,
        note: CommitNote,
    ) -> Result<LakeTable> {
        let target = TableName::new(&target.database, &target.table)?;
        self.check_name_is_free(&target).await?;
        let entry = self.catalog.table(source).await?;
        let snapshot = self.table(source).await?.snapshot(as_of).await?;
        let pin = Pin {
            table: source.clone(),
            version: snapshot.version(),
            owner: clone_owner(&target),
            reason: "a shallow clone shares its files".to_owned(),
            created_at: Utc::now(),
            expires_at: None,
        };
        self.pin(&pin).await?;
        let made = self.make_clone(entry, target, &snapshot, &note).await;
        if made.is_err()
            && let Err(error) = self.pins().unpin(source, pin.version, &pin.owner).await
        {
            warn!(owner = pin.owner, %error, "the pin of a clone that failed stays");
        }
        made
    }

    async fn make_clone(
        &self,
        entry: TableEntry,
        target: TableName,
        snapshot: &TableSnapshot,
        note: &CommitNote,
    ) -> Result<LakeTable> {
        let location = self.fresh_location(&target).await?;
        let url = self.storage.table_url(&location)?;
        let log_store = self.storage.log_store(&url)?;
        let cloned =
            LakeTable::create_clone(target.clone(), url, log_store, snapshot, note).await?;
        let entry = TableEntry {
            name: target,
            location: location.clone(),
            kind: TableKind::Managed,
            created_at: Utc::now(),
            ..entry
        };
        if let Err(error) = self.catalog.register_table(entry).await {
            self.delete_files(cloned.name(), cloned.url()).await;
            return Err(error);
        }
        info!(table = %cloned.name(), source = %snapshot.table(), version = snapshot.version(), "table cloned");
        let cloned = cloned.with_write_buffer(self.config.write_buffer_bytes);
        self.tables.lock().insert(location, cloned.clone());
        Ok(cloned)
    }

    /// Makes a Delta table of a folder of Parquet files inside the lake, where they are, and names
    /// it. A folder that is a Delta table already is only named; a table of that name at that
    /// place is returned.
    ///
    /// # Errors
    ///
    /// [`Error::LocationOutsideLake`], [`Error::TableAlreadyExists`] for a table elsewhere,
    /// [`Error::NothingToConvert`], [`Error::SchemaMismatch`] when files or folders do not agree.
    pub async fn convert(
        &self,
        name: &TableName,
        location: &str,
        conversion: Conversion,
    ) -> Result<LakeTable> {
        let name = TableName::new(&name.database, &name.table)?;
        let url = self.storage.table_url(location)?;
        match self.catalog.table(&name).await {
            Ok(entry) if self.storage.table_url(&entry.location)? == url => {
                return self.table(&name).await;
            }
            Ok(_) => {
                return Err(Error::TableAlreadyExists {
                    name: name.to_string(),
                });
            }
            Err(Error::TableNotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let comment = conversion.comment.clone();
        let log_store = self.storage.log_store(&url)?;
        let converted = LakeTable::convert(name.clone(), url, log_store, conversion).await?;
        let columns = converted.schema().await?;
        let entry = TableEntry {
            // The files were there before us, so dropping the name leaves them.
            kind: TableKind::External,
            comment,
            column_comments: schema::column_comments(&columns),
            ..TableEntry::delta(name, location, Utc::now())
        };
        // The log stays when the name cannot be registered: the folder is a table all the same.
        self.catalog.register_table(entry).await?;
        info!(table = %converted.name(), location, "folder converted");
        let converted = converted.with_write_buffer(self.config.write_buffer_bytes);
        Ok(self
            .tables
            .lock()
            .entry(location.to_owned())
            .or_insert(converted)
            .clone())
    }
}

/// Returns who pins the version that a clone shares files with.
pub fn clone_owner(target: &TableName) -> String {
    format!("clone-{target}")
}

#[cfg(test)]
mod tests;
