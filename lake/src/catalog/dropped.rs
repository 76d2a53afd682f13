//! Tables that were dropped: they can be had back until their files are deleted.
//!
//! ```text
//! table -- drop_table --> dropped -- undrop_table --> table
//!                            |
//!                            +-- claim_dropped --> purging -- files deleted, forget_dropped --> gone
//! ```
//!
//! The claim is a change of the log like any other, so of an undrop and a purge one wins, and no
//! file of a table that somebody got back is deleted.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use url::Url;

use super::model::{DroppedTable, TableEntry, TableKind, TableName};
use super::state::{Change, DroppedId, State};
use super::{Catalog, check, find_table, outcome};
use crate::error::{Error, Result};
use crate::nearest::nearest;

impl Catalog {
    /// Takes a table's name away and keeps what is known of it, to be had back. Its files may be
    /// deleted from `purge_after` on; they are never, if that is none.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] or [`Error::TableNotFound`].
    pub async fn drop_table(
        &self,
        name: &TableName,
        purge_after: Option<DateTime<Utc>>,
    ) -> Result<TableEntry> {
        let mut dropped = None;
        self.change(|state| {
            let entry = find_table(state, name)?;
            dropped = Some(entry.clone());
            Ok(Change::RetireTable {
                name: entry.name.clone(),
                purge_after,
            })
        })
        .await?;
        outcome(dropped)
    }

    /// Returns the dropped tables, of one database or of all, in the order they were dropped in.
    ///
    /// # Errors
    ///
    /// Those of [`databases`](Self::databases).
    pub async fn dropped_tables(&self, database: Option<&str>) -> Result<Vec<DroppedTable>> {
        let state = self.refresh().await?;
        Ok(state
            .dropped
            .iter()
            .map(|dropped| &dropped.table)
            .filter(|table| {
                database.is_none_or(|wanted| table.entry.name.database.eq_ignore_ascii_case(wanted))
            })
            .cloned()
            .collect())
    }

    /// Gives its name back to the table of that name that was dropped last, with its partitions.
    ///
    /// # Errors
    ///
    /// [`Error::DroppedTableNotFound`] when no dropped table has had that name, or its files are
    /// being deleted; [`Error::TableAlreadyExists`] when another table has the name now;
    /// [`Error::DatabaseNotFound`] when the database was dropped, too; [`Error::LocationTaken`].
    pub async fn undrop_table(&self, name: &TableName) -> Result<TableEntry> {
        let name = TableName::new(&name.database, &name.table)?;
        let mut restored = None;
        self.change(|state| {
            let found = state.undroppable(&name);
            let Some(found) = found.and_then(|position| state.dropped.get(position)) else {
                return Err(not_undroppable(state, &name));
            };
            let entry = &found.table.entry;
            check::name_is_free(state, &name)?;
            check::location_is_free(state, self.log.root(), entry)?;
            restored = Some(entry.clone());
            Ok(Change::UndropTable { name: name.clone() })
        })
        .await?;
        outcome(restored)
    }

    /// Claims the dropped tables whose files may be deleted by now and returns them, with those
    /// that were claimed before and not forgotten, for whoever claimed them may have died. None
    /// of them can be had back any more. External tables, and those whose folder a table of today
    /// uses, are left alone.
    ///
    /// # Errors
    ///
    /// Those of [`databases`](Self::databases).
    pub(crate) async fn claim_dropped(
        &self,
        now: DateTime<Utc>,
        pinned: &BTreeSet<TableName>,
    ) -> Result<Vec<DroppedTable>> {
        let claimable = |state: &State, root: &Url| -> Vec<DroppedTable> {
            let due = state.dropped.iter().map(|dropped| &dropped.table);
            let due = due.filter(|table| {
                let is_due = table.purge_after.is_some_and(|after| after <= now);
                table.purging || (is_due && !pinned.contains(&table.entry.name))
            });
            let managed = due.filter(|table| table.entry.kind == TableKind::Managed);
            managed
                .filter(|table| !check::is_used(state, root, &table.entry.location))
                .cloned()
                .collect()
        };
        let state = self.refresh().await?;
        let found = claimable(&state, self.log.root());
        if found.iter().all(|table| table.purging) {
            return Ok(found);
        }
        drop(state);
        let mut claimed = Vec::new();
        self.change(|state| {
            claimed = claimable(state, self.log.root());
            Ok(Change::PurgeDropped {
                tables: claimed.iter().map(DroppedId::of).collect(),
            })
        })
        .await?;
        Ok(claimed)
    }

    /// Forgets dropped tables whose files were deleted, or need not be. What is not in the list
    /// of dropped tables is passed over.
    ///
    /// # Errors
    ///
    /// Those of [`databases`](Self::databases).
    pub async fn forget_dropped(&self, tables: &[DroppedTable]) -> Result<()> {
        if tables.is_empty() {
            return Ok(());
        }
        self.change(|_| {
            Ok(Change::ForgetDropped {
                tables: tables.iter().map(DroppedId::of).collect(),
            })
        })
        .await
    }
}

fn not_undroppable(state: &State, name: &TableName) -> Error {
    let names: Vec<String> = state
        .dropped
        .iter()
        .filter(|dropped| !dropped.table.purging)
        .map(|dropped| dropped.table.entry.name.to_string())
        .collect();
    let wanted = name.to_string();
    let mut nearest = nearest(&wanted, names.iter().map(String::as_str));
    nearest.dedup();
    Error::DroppedTableNotFound {
        name: wanted,
        nearest,
    }
}
