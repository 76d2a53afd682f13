//! How far a task is, for whoever watches it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what is done of what is planned; shared between the task and its watcher.
#[derive(Debug, Default)]
pub struct Progress {
    planned_bytes: AtomicU64,
    done_bytes: AtomicU64,
}

impl Progress {
    /// Returns the bytes done.
    pub fn done_bytes(&self) -> u64 {
        self.done_bytes.load(Ordering::Relaxed)
    }

    /// Returns the bytes planned; 0 before the plan is made.
    pub fn planned_bytes(&self) -> u64 {
        self.planned_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn plan(&self, bytes: u64) {
        self.planned_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn done(&self, bytes: u64) {
        self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
