//! Which versions of a table are in use in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// How often each version is in use.
#[derive(Default, Clone)]
pub(super) struct Leases {
    held: Arc<Mutex<BTreeMap<u64, usize>>>,
}

/// Keeps maintenance from removing what a version needs, for as long as it lives. It is not seen
/// by other processes: those are protected by the retention time.
pub struct VersionLease {
    version: u64,
    leases: Leases,
}

impl Leases {
    pub(super) fn take(&self, version: u64) -> VersionLease {
        *self.held.lock().entry(version).or_default() += 1;
        VersionLease {
            version,
            leases: self.clone(),
        }
    }

    pub(super) fn versions(&self) -> BTreeSet<u64> {
        self.held.lock().keys().copied().collect()
    }
}

impl VersionLease {
    /// Returns the version that is kept.
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Drop for VersionLease {
    fn drop(&mut self) {
        let mut held = self.leases.held.lock();
        if let Some(count) = held.get_mut(&self.version) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.version);
            }
        }
    }
}

impl fmt::Debug for VersionLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VersionLease")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_in_use_until_its_last_lease_is_dropped() {
        let leases = Leases::default();
        let (one, two, other) = (leases.take(3), leases.take(3), leases.take(5));
        assert_eq!(leases.versions(), [3, 5].into());
        drop(one);
        assert_eq!(leases.versions(), [3, 5].into());
        drop(two);
        assert_eq!(leases.versions(), [5].into());
        assert_eq!(other.version(), 5);
    }
}
