//! Segments of results on the lake's store, fetched by clients apart from the pages.
//!
//! ```text
//! SpooledPages -> put _spool/{expiry}-{id} -> page: uri, ackUri, both with a signed token
//!                                               GET uri    -> the bytes
//!                                               GET ackUri -> deleted
//! never fetched, cancelled, shut down            -> deleted; after a crash, by whoever looks after its expiry
//! ```

mod download;
mod token;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use lake::Lake;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::Mutex;
use uuid::Uuid;

pub(super) use self::download::{acknowledge, download};
use self::token::{Signer, Verdict};
pub(super) use self::writer::{Encoding, SpooledPages};
use crate::registry::{QueryId, Registry};
use crate::trino::TrinoConfig;
use crate::{Error, QueryEngine, Result};

/// Where segments are, below the lake's root.
const FOLDER: &str = "_spool";
/// Longest pause between two looks for what has expired.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Names a segment and says how long it can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SegmentId {
    id: Uuid,
    /// Seconds since 1970.
    expires: u64,
}

impl SegmentId {
    fn path(self) -> Path {
        // Expiry first, so that what has expired is seen from the name.
        Path::from(format!("{FOLDER}/{:012}-{}", self.expires, self.id))
    }

    fn of_path(path: &Path) -> Option<Self> {
        let (expires, id) = path.filename()?.split_once('-')?;
        Some(Self {
            id: id.parse().ok()?,
            expires: expires.parse().ok()?,
        })
    }

    fn has_expired(self) -> bool {
        self.expires <= now()
    }

    fn expires_at(self) -> DateTime<Utc> {
        let seconds = i64::try_from(self.expires).unwrap_or(i64::MAX);
        DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

fn now() -> u64 {
    u64::try_from(Utc::now().timestamp()).unwrap_or(0)
}

/// The segments of one process.
#[derive(Debug)]
pub(super) struct Spool {
    engine: QueryEngine,
    signer: Signer,
    expiry: Duration,
    /// What was stored and not yet deleted, by the query it is of.
    live: Mutex<HashMap<SegmentId, QueryId>>,
    is_swept: AtomicBool,
}

impl Spool {
    pub(super) fn new(engine: &QueryEngine, config: &TrinoConfig) -> Result<Self> {
        Ok(Self {
            engine: engine.clone(),
            signer: Signer::new(&config.spool_secret)?,
            expiry: config.spool_expiry.max(Duration::from_secs(1)),
            live: Mutex::default(),
            is_swept: AtomicBool::new(false),
        })
    }

    fn lake(&self) -> &Arc<Lake> {
        self.engine.lake()
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        self.lake().storage().object_store()
    }

    fn registry(&self) -> &Registry {
        self.engine.registry()
    }

    /// Returns the name of a segment that is about to be stored.
    fn reserve(self: &Arc<Self>, query: &QueryId) -> SegmentId {
        let segment = SegmentId {
            id: Uuid::new_v4(),
            expires: now().saturating_add(self.expiry.as_secs()),
        };
        self.live.lock().insert(segment, query.clone());
        if !self.is_swept.swap(true, Ordering::AcqRel) {
            self.registry().spawn(Arc::clone(self).sweep());
        }
        segment
    }

    async fn put(&self, segment: SegmentId, bytes: Bytes) -> Result<()> {
        let stored = self.store().put(&segment.path(), bytes.into()).await;
        stored
            .map(drop)
            .map_err(|source| store_error(source.into()))
    }

    /// Deletes a segment; one that is gone is no error.
    async fn delete(&self, segment: SegmentId) {
        let owner = self.live.lock().remove(&segment);
        match self.store().delete(&segment.path()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => {
                tracing::warn!(error = %error, "cannot delete a spooled segment; it is tried again after its expiry");
                if let Some(owner) = owner {
                    self.live.lock().insert(segment, owner);
                }
            }
        }
    }

    /// Deletes what is left of a query.
    pub(super) async fn discard(&self, query: &QueryId) {
        let of_query: Vec<SegmentId> = {
            let live = self.live.lock();
            let of_query = live.iter().filter(|(_, owner)| *owner == query);
            of_query.map(|(segment, _)| *segment).collect()
        };
        for segment in of_query {
            self.delete(segment).await;
        }
    }

    /// Deletes what has expired until the queries must stop; then all of it.
    async fn sweep(self: Arc<Self>) {
        let stopping = self.registry().is_stopping().clone();
        let pause = SWEEP_INTERVAL.min(self.expiry);
        self.delete_leftovers().await;
        while !stopping.is_cancelled() {
            tokio::select! {
                () = stopping.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
            let expired: Vec<SegmentId> = {
                let live = self.live.lock();
                live.keys().filter(|s| s.has_expired()).copied().collect()
            };
            for segment in expired {
                self.delete(segment).await;
            }
        }
        let rest: Vec<SegmentId> = self.live.lock().keys().copied().collect();
        for segment in rest {
            self.delete(segment).await;
        }
    }

    /// Deletes what a process that is gone has left, once it has expired.
    async fn delete_leftovers(&self) {
        let store = self.store();
        let found = store.list(Some(&Path::from(FOLDER)));
        let found: Result<Vec<_>, _> = found.try_collect().await;
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(error = %error, "cannot look for spooled segments that have expired");
                return;
            }
        };
        let segments = found.iter().filter_map(|o| SegmentId::of_path(&o.location));
        for segment in segments.filter(|segment| segment.has_expired()) {
            self.delete(segment).await;
        }
    }

    /// Returns how many segments are stored.
    #[cfg(test)]
    pub(super) fn live_count(&self) -> usize {
        self.live.lock().len()
    }
}

fn store_error(source: datafusion::error::DataFusionError) -> Error {
    Error::Execution(source)
}
