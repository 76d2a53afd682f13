//! The end of tables: dropped, had back, renamed, purged.

use chrono::{DateTime, TimeDelta, Utc};
use tracing::{info, warn};
use url::Url;

use super::Lake;
use crate::catalog::{DroppedTable, TableEntry, TableKind, TableName};
use crate::error::{Error, Result};

impl Lake {
    /// Takes a table's name away. It can be had back with [`undrop_table`](Self::undrop_table)
    /// during the grace period; after it the files of a managed table are deleted by
    /// [`purge_dropped`](Self::purge_dropped).
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`].
    pub async fn drop_table(&self, name: &TableName) -> Result<()> {
        let kind = self.catalog.table(name).await?.kind;
        let purge_after = match kind {
            TableKind::Managed => Some(Utc::now() + self.grace()?),
            TableKind::External => None,
        };
        let entry = self.catalog.drop_table(name, purge_after).await?;
        self.tables.lock().remove(&entry.location);
        Ok(())
    }

    /// Gives its name back to the table of that name that was dropped last.
    ///
    /// # Errors
    ///
    /// Those of [`Catalog::undrop_table`].
    pub async fn undrop_table(&self, name: &TableName) -> Result<TableEntry> {
        self.catalog.undrop_table(name).await
    }

    /// Gives a table another name; its location stays.
    ///
    /// # Errors
    ///
    /// Those of [`Catalog::rename_table`].
    pub async fn rename_table(&self, from: &TableName, to: &TableName) -> Result<()> {
        // The new name is pinned first, the old one unpinned last: whatever stops this midway
        // leaves more pins than needed.
        let pins = self.pins();
        pins.copy(from, to).await?;
        self.catalog.rename_table(from, to).await?;
        pins.remove_all(from).await
    }

    /// Deletes the files of managed tables whose grace period was over at `now`, and forgets
    /// those tables and the external ones that were dropped as long ago. Returns the names of
    /// those whose files are gone. Files that cannot be deleted are logged and tried again the
    /// next time; those of a table with a pinned version stay until it is unpinned.
    ///
    /// # Errors
    ///
    /// Those of reading and changing the catalog.
    pub async fn purge_dropped(&self, now: DateTime<Utc>) -> Result<Vec<TableName>> {
        let (mut gone, mut names) = (Vec::new(), Vec::new());
        let pinned = self.pins().tables(now).await?;
        for dropped in self.catalog.claim_dropped(now, &pinned).await? {
            let name = dropped.entry.name.clone();
            let url = match self.storage.table_url(&dropped.entry.location) {
                Ok(url) => url,
                Err(error) => {
                    warn!(table = %name, %error, "files of dropped table cannot be found");
                    continue;
                }
            };
            if self.delete_files(&name, &url).await {
                names.push(name);
                gone.push(dropped);
            }
        }
        let grace = self.grace()?;
        let expired = |dropped: &DroppedTable| {
            dropped.purge_after.is_none() && dropped.dropped_at + grace <= now
        };
        let dropped = self.catalog.dropped_tables(None).await?;
        gone.extend(dropped.into_iter().filter(expired));
        self.catalog.forget_dropped(&gone).await?;
        Ok(names)
    }

    pub(super) fn grace(&self) -> Result<TimeDelta> {
        TimeDelta::from_std(self.config.drop_grace).map_err(|error| Error::StorageOptionRefused {
            option: "lake.drop_grace".to_owned(),
            reason: error.to_string(),
        })
    }

    /// Returns whether the files are gone.
    pub(super) async fn delete_files(&self, table: &TableName, url: &Url) -> bool {
        match self.storage.delete_below(url).await {
            Ok(files) => {
                info!(%table, files, "files of dropped table deleted");
                true
            }
            Err(error) => {
                warn!(%table, %url, %error, "files could not be deleted");
                false
            }
        }
    }
}
