//! Making an older version the newest one.

use std::collections::HashSet;

use deltalake::kernel::Add;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::guard::Isolation;
use super::operation::{ChangeOutcome, CommitNote, Operation, Run, Writes};
use super::{AsOf, LakeTable, TableSnapshot};
use crate::error::{Error, Result};

const PARALLEL_LOOKS: usize = 16;

impl LakeTable {
    /// Restores the rows, columns and properties of an older version, as a new version.
    ///
    /// Which offsets of sources are stored is not restored: what was read once is not read again.
    ///
    /// # Errors
    ///
    /// [`Error::VersionNotFound`], [`Error::NoVersionAt`], [`Error::MissingFile`] when a file of
    /// that version was vacuumed, [`Error::UnsupportedFeature`] and [`Error::Contended`]. The
    /// table is unchanged then.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the commit is either made or not.
    pub async fn restore(&self, as_of: AsOf, note: CommitNote) -> Result<ChangeOutcome> {
        let target = self.snapshot(as_of).await?;
        let version = target.version();
        let latest = self.latest().await?;
        if version == latest.version() {
            return Ok(ChangeOutcome::Unchanged { version });
        }
        self.require_files(&target, &latest).await?;
        let operation = Operation {
            action: "restoring",
            isolation: Isolation::Exclusive,
            writes: Writes::LogOnly,
            note: &note,
        };
        self.operate(operation, |Run { delta, commit, .. }| {
            let builder = delta
                .restore()
                .with_version_to_restore(version)
                // We looked for them, by names that Delta would look for in vain: those with
                // encoded characters, and those of a clone's source.
                .with_ignore_missing_files(true)
                .with_commit_properties(commit);
            async move { builder.await.map(drop) }.boxed()
        })
        .await
    }

    /// Makes sure that the files of a version that the newest one has not are there.
    async fn require_files(&self, target: &TableSnapshot, latest: &TableSnapshot) -> Result<()> {
        let known: HashSet<String> = latest.adds()?.into_iter().map(|add| add.path).collect();
        let wanted: Vec<String> = target
            .adds()?
            .into_iter()
            .map(|add| add.path)
            .filter(|path| !known.contains(path))
            .collect();
        stream::iter(wanted)
            .map(|path| async move {
                let found = match file_path(&path) {
                    FilePath::InTable(path) => {
                        self.table_ref
                            .log_store
                            .object_store(None)
                            .head(&path)
                            .await
                    }
                    FilePath::InStore(path) => {
                        let store = self.table_ref.log_store.root_object_store(None);
                        store.head(&path).await
                    }
                };
                match found {
                    Ok(_) => Ok(()),
                    Err(object_store::Error::NotFound { .. }) => Err(Error::MissingFile {
                        table: self.name().to_string(),
                        version: target.version(),
                        file: path,
                    }),
                    Err(source) => Err(Error::Storage {
                        url: self.url().to_string(),
                        action: "looking for a data file",
                        source,
                    }),
                }
            })
            .buffer_unordered(PARALLEL_LOOKS)
            .try_collect()
            .await
    }
}

/// Where a data file is.
pub(super) enum FilePath {
    InTable(Path),
    /// Named by a URL, as the files of a clone are.
    InStore(Path),
}

pub(super) fn file_path(path: &str) -> FilePath {
    let parse = |path: &str| Path::parse(path).unwrap_or_else(|_| Path::from(path));
    let in_store = path
        .split_once("://")
        .and_then(|(_, place)| place.split_once('/'));
    match in_store {
        Some((_, path)) => FilePath::InStore(parse(path)),
        None => FilePath::InTable(parse(path)),
    }
}

impl TableSnapshot {
    /// Returns the data files as their `add` actions.
    #[expect(deprecated, reason = "the whole action is what is committed again")]
    pub(super) fn adds(&self) -> Result<Vec<Add>> {
        let state = self
            .delta_table()
            .snapshot()
            .map_err(|error| self.error("loading", error))?;
        let files = state
            .snapshot()
            .try_log_data()
            .map_err(|error| self.error("reading the files of", error))?;
        Ok(files.iter().map(|file| file.add_action()).collect())
    }
}

#[cfg(test)]
mod tests;
