//! The change data feed: what was inserted, updated and deleted between two versions.

mod mapped;
mod paths;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use deltalake::DeltaTable;
use deltalake::delta_datafusion::DeltaCdfTableProvider;

use self::mapped::MappedChanges;
use self::paths::ChangesLog;
use super::{AsOf, LakeTable, TableSnapshot, log, mapping};
use crate::error::{Error, Result};

/// The property that makes changes be recorded.
const RECORDED: &str = "delta.enableChangeDataFeed";

impl LakeTable {
    /// Returns a provider of the changes of the versions `from` to `to`, both included. A time
    /// means, as a beginning, the first version that was written then or later; as an end, the
    /// newest one that was there.
    ///
    /// # Shape
    ///
    /// The columns of the table at `to`, by the names they have there, then `_change_type` (`insert`, `update_preimage`,
    /// `update_postimage`, `delete`), `_commit_version` and `_commit_timestamp`. In no order.
    ///
    /// # Errors
    ///
    /// [`Error::ChangesNotRecorded`] when the table did not record changes at `from`,
    /// [`Error::VersionNotFound`], [`Error::NoVersionAt`], and [`Error::UnsupportedFeature`] for a
    /// table whose files tell columns by number.
    pub async fn changes(&self, from: AsOf, to: AsOf) -> Result<Arc<dyn TableProvider>> {
        let end = self.snapshot(to).await?;
        let start = match from {
            AsOf::Latest => self.latest().await?.version(),
            AsOf::Version(version) => version,
            AsOf::Timestamp(timestamp) => self.first_version_since(timestamp).await?,
        };
        if start > end.version() {
            return Err(Error::VersionNotFound {
                table: self.name().to_string(),
                version: start,
                latest: end.version(),
            });
        }
        self.require_names_in_files(&end, "when changes are read")?;
        let first = self.at_version(start).await?;
        for snapshot in [&first, &end] {
            let recorded = snapshot
                .property(RECORDED)
                .is_some_and(|value| value.eq_ignore_ascii_case("true"));
            if !recorded {
                return Err(Error::ChangesNotRecorded {
                    table: self.name().to_string(),
                    version: snapshot.version(),
                });
            }
        }
        let failed = |error| self.delta_error("reading changes of", error);
        if mapping::is_mapped(&end) {
            let changes = MappedChanges::open(&end, start).await.map_err(failed)?;
            return Ok(Arc::new(changes));
        }
        let mut delta = reader_of(&end);
        delta.state = end.delta_table().state.clone();
        let builder = delta
            .scan_cdf()
            .with_starting_version(start)
            .with_ending_version(end.version());
        let provider = DeltaCdfTableProvider::try_new(builder).map_err(failed)?;
        Ok(Arc::new(provider))
    }

    async fn first_version_since(&self, timestamp: DateTime<Utc>) -> Result<u64> {
        let commits = log::commit_times(&self.table_ref.log_store)
            .await
            .map_err(|source| Error::Storage {
                url: self.url().to_string(),
                action: "listing the Delta log",
                source,
            })?;
        let Some((_, earliest)) = commits.first().copied() else {
            return Err(self.table_ref.missing_log());
        };
        // As the protocol demands, a version is never older than its predecessor.
        let mut newest_so_far = earliest;
        for (version, written) in commits {
            newest_so_far = newest_so_far.max(written);
            if newest_so_far >= timestamp {
                return Ok(version);
            }
        }
        Err(Error::NoVersionAt {
            table: self.name().to_string(),
            timestamp,
            earliest,
        })
    }
}

/// Returns the table of a snapshot as Delta reads its changes, without a state.
fn reader_of(snapshot: &TableSnapshot) -> DeltaTable {
    let table = snapshot.delta_table().log_store();
    DeltaTable::new(Arc::new(ChangesLog { table }))
}
