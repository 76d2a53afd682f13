//! Pins: who needs which version of a table, and why.
//!
//! ```text
//! _pins/flights.flights/00000000000000000042-model-flight_delay-7.json     put on condition that it is absent
//! ```
//!
//! A pinned version stays readable: vacuum keeps its files and log clean-up its place in the log.
//! The name of the file says version and owner, so a pin whose content is damaged still pins.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::catalog::TableName;
use crate::error::{Error, Result};

const ROOT: &str = "_pins";
const LONGEST_OWNER: usize = 128;

/// A version of a table that somebody needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The table.
    pub table: TableName,
    /// The version.
    pub version: u64,
    /// Who needs it, such as `model-flight_delay-7` or a person's name: letters, digits, `_`, `-`
    /// and `.`.
    pub owner: String,
    /// Why, for whoever wonders whether it may go.
    pub reason: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Until when; none means until it is unpinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

impl Pin {
    /// Reports whether the pin holds at a time.
    pub fn holds_at(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// The pins of a lake.
#[derive(Debug, Clone)]
pub struct Pins {
    store: Arc<dyn ObjectStore>,
}

impl Pins {
    /// Returns the pins on the lake whose object store is given.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Pins a version; an owner who pins it already keeps the pin as it is.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] for the owner, [`Error::Storage`].
    pub async fn pin(&self, pin: &Pin) -> Result<()> {
        let path = path(&pin.table, pin.version, &pin.owner)?;
        let bytes = serde_json::to_vec_pretty(pin).map_err(|error| Error::Internal {
            message: format!("a pin cannot be written as JSON: {error}"),
        })?;
        let put = self
            .store
            .put_opts(&path, PutPayload::from(bytes), PutMode::Create.into());
        match put.await {
            Ok(_) => {
                info!(table = %pin.table, version = pin.version, owner = pin.owner, "version pinned");
                Ok(())
            }
            Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(storage_error("writing a pin", path, source)),
        }
    }

    /// Removes a pin and reports whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] for the owner, [`Error::Storage`].
    pub async fn unpin(&self, table: &TableName, version: u64, owner: &str) -> Result<bool> {
        let path = path(table, version, owner)?;
        // Deleting what is not there succeeds on S3, so it is looked for first.
        match self.store.head(&path).await {
            Ok(_) => {}
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(source) => return Err(storage_error("looking for a pin", path, source)),
        }
        match self.store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {
                info!(%table, version, owner, "version unpinned");
                Ok(true)
            }
            Err(source) => Err(storage_error("deleting a pin", path, source)),
        }
    }

    /// Returns the pins of a table, or of all tables, by table and version. Expired ones are
    /// among them.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn list(&self, table: Option<&TableName>) -> Result<Vec<Pin>> {
        let prefix = table.map_or_else(|| Path::from(ROOT), folder);
        let listed: Vec<_> = self
            .store
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(|source| storage_error("listing pins", prefix, source))?;
        let reads = listed.into_iter().map(|meta| self.read(meta));
        let mut pins: Vec<Pin> = futures::stream::iter(reads)
            .buffer_unordered(16)
            .try_filter_map(|pin| std::future::ready(Ok(pin)))
            .try_collect()
            .await?;
        pins.sort_by(|a, b| (&a.table, a.version, &a.owner).cmp(&(&b.table, b.version, &b.owner)));
        Ok(pins)
    }

    /// Returns the versions of a table that are pinned at a time.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn versions(&self, table: &TableName, now: DateTime<Utc>) -> Result<BTreeSet<u64>> {
        let pins = self.list(Some(table)).await?;
        let holding = pins.into_iter().filter(|pin| pin.holds_at(now));
        Ok(holding.map(|pin| pin.version).collect())
    }

    /// Returns the tables that have a version pinned at a time.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn tables(&self, now: DateTime<Utc>) -> Result<BTreeSet<TableName>> {
        let pins = self.list(None).await?;
        let holding = pins.into_iter().filter(|pin| pin.holds_at(now));
        Ok(holding.map(|pin| pin.table).collect())
    }

    /// Gives a table's pins to another name, too.
    pub(crate) async fn copy(&self, from: &TableName, to: &TableName) -> Result<()> {
        for pin in self.list(Some(from)).await? {
            let table = to.clone();
            self.pin(&Pin { table, ..pin }).await?;
        }
        Ok(())
    }

    /// Removes all pins of a table.
    pub(crate) async fn remove_all(&self, table: &TableName) -> Result<()> {
        for pin in self.list(Some(table)).await? {
            self.unpin(table, pin.version, &pin.owner).await?;
        }
        Ok(())
    }

    async fn read(&self, meta: object_store::ObjectMeta) -> Result<Option<Pin>> {
        let Some((table, version, owner)) = parse_path(&meta.location) else {
            warn!(path = %meta.location, "this file is not a pin");
            return Ok(None);
        };
        let read = async { self.store.get(&meta.location).await?.bytes().await };
        let bytes = match read.await {
            Ok(bytes) => bytes,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(storage_error("reading a pin", meta.location, source)),
        };
        let pin = serde_json::from_slice::<Pin>(&bytes).unwrap_or_else(|error| {
            warn!(path = %meta.location, %error, "a pin is damaged; it pins for ever");
            Pin {
                table: table.clone(),
                version,
                owner: owner.clone(),
                reason: "the pin is damaged".to_owned(),
                created_at: meta.last_modified,
                expires_at: None,
            }
        });
        // What pins is the name: a pin that was copied to a new name of its table says the old one.
        Ok(Some(Pin {
            table,
            version,
            owner,
            ..pin
        }))
    }
}

fn folder(table: &TableName) -> Path {
    Path::from_iter([ROOT.to_owned(), table.to_string()])
}

fn path(table: &TableName, version: u64, owner: &str) -> Result<Path> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if owner.is_empty() || owner.len() > LONGEST_OWNER || !owner.chars().all(allowed) {
        return Err(Error::InvalidName {
            name: owner.to_owned(),
            reason: "an owner has 1 to 128 letters, digits, `_`, `-` and `.`",
        });
    }
    Ok(folder(table).join(format!("{version:020}-{owner}.json")))
}

fn parse_path(path: &Path) -> Option<(TableName, u64, String)> {
    let mut parts = path.parts().skip(1);
    let table = parts.next()?.as_ref().parse().ok()?;
    let file = parts.next()?;
    let (version, owner) = file.as_ref().strip_suffix(".json")?.split_once('-')?;
    Some((table, version.parse().ok()?, owner.to_owned()))
}

fn storage_error(action: &'static str, path: Path, source: object_store::Error) -> Error {
    Error::Storage {
        url: path.to_string(),
        action,
        source,
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn pin(table: &str, version: u64, owner: &str) -> Pin {
        Pin {
            table: table.parse().unwrap(),
            version,
            owner: owner.to_owned(),
            reason: "a test".to_owned(),
            created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            expires_at: None,
        }
    }

    #[tokio::test]
    async fn pins_are_listed_until_they_are_removed_or_expire() {
        let pins = Pins::new(Arc::new(InMemory::new()));
        let (table, now) = ("db.a".parse().unwrap(), "2026-06-01T00:00:00Z");
        let now = now.parse().unwrap();
        let passing = Pin {
            expires_at: Some("2026-05-01T00:00:00Z".parse().unwrap()),
            ..pin("db.a", 7, "report")
        };
        for pin in [
            &pin("db.a", 12, "model-x-1"),
            &pin("db.ab", 3, "x"),
            &passing,
        ] {
            pins.pin(pin).await.unwrap();
            pins.pin(pin).await.unwrap();
        }
        assert_eq!(pins.list(None).await.unwrap().len(), 3);
        assert_eq!(
            pins.list(Some(&table)).await.unwrap()[1],
            pin("db.a", 12, "model-x-1")
        );
        assert_eq!(pins.versions(&table, now).await.unwrap(), [12].into());
        assert!(pins.unpin(&table, 12, "model-x-1").await.unwrap());
        assert!(!pins.unpin(&table, 12, "model-x-1").await.unwrap());
        assert!(pins.versions(&table, now).await.unwrap().is_empty());
        let bad = pins.pin(&pin("db.a", 1, "../x")).await.unwrap_err();
        assert!(matches!(bad, Error::InvalidName { .. }), "{bad}");
    }

    #[tokio::test]
    async fn a_damaged_pin_still_pins_and_a_renamed_table_keeps_its_pins() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let pins = Pins::new(Arc::clone(&store));
        let (old, new) = ("db.a".parse().unwrap(), "db.b".parse().unwrap());
        pins.pin(&pin("db.a", 5, "x")).await.unwrap();
        let path = Path::from("_pins/db.a/00000000000000000009-y.json");
        store.put(&path, "{".into()).await.unwrap();
        pins.copy(&old, &new).await.unwrap();
        pins.remove_all(&old).await.unwrap();
        assert!(pins.list(Some(&old)).await.unwrap().is_empty());
        let kept = pins.versions(&new, Utc::now()).await.unwrap();
        assert_eq!(kept, [5, 9].into());
        assert_eq!(pins.tables(Utc::now()).await.unwrap(), [new].into());
    }
}
