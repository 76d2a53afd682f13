//! The memory that queries share.

use std::fmt;

use datafusion::common::human_readable_size;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use parking_lot::Mutex;

/// What can spill gets at most this part of the limit, in percent.
const SPILLABLE_PERCENT: usize = 50;
/// One that can spill gets at most its share beside so many: those of a merge join come one after another.
const LEAST_SHARERS: usize = 4;

/// The merge of one sort's runs gets at most this part of the limit, in percent: it would take all there is.
const MERGE_PERCENT: usize = 12;
/// How DataFusion names them.
const MERGE: &str = "ExternalSorterMerge";

/// A limit of which those that can spill have equal shares, and a part that they never take.
///
/// DataFusion's fair pool gives everything to those that can spill. When they have it, what cannot spill, such as the
/// merge of what was spilled, finds nothing left, and the query fails that spilling was to save.
#[derive(Debug)]
pub(super) struct SharedPool {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many there are that can spill.
    sharers: usize,
    /// Bytes of those.
    spillable: usize,
    /// Bytes of the others.
    firm: usize,
}

impl SharedPool {
    /// Returns a pool of `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
        }
    }

    fn exhausted(
        &self,
        reservation: &MemoryReservation,
        wanted: usize,
        left: usize,
    ) -> DataFusionError {
        DataFusionError::ResourcesExhausted(format!(
            "Failed to allocate additional {} for {} with {} already allocated - {} remain available of {}",
            human_readable_size(wanted),
            reservation.consumer().name(),
            human_readable_size(reservation.size()),
            human_readable_size(left),
            human_readable_size(self.limit),
        ))
    }
}

impl fmt::Display for SharedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), human_readable_size(self.limit))
    }
}

impl MemoryPool for SharedPool {
    fn name(&self) -> &str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.state.lock().sharers += 1;
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            let mut state = self.state.lock();
            state.sharers = state.sharers.saturating_sub(1);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut state = self.state.lock();
        if reservation.consumer().can_spill() {
            state.spillable += additional;
        } else {
            state.firm += additional;
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut state = self.state.lock();
        if reservation.consumer().can_spill() {
            state.spillable = state.spillable.saturating_sub(shrink);
        } else {
            state.firm = state.firm.saturating_sub(shrink);
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut state = self.state.lock();
        if reservation.consumer().can_spill() {
            let most = self.limit / 100 * SPILLABLE_PERCENT;
            let shared = self.limit.saturating_sub(state.firm).min(most);
            let share = shared / state.sharers.max(LEAST_SHARERS);
            let left = share.saturating_sub(reservation.size());
            if additional > left {
                return Err(self.exhausted(reservation, additional, left));
            }
            state.spillable += additional;
        } else {
            let mut left = self.limit.saturating_sub(state.firm + state.spillable);
            if reservation.consumer().name().starts_with(MERGE) {
                let share = self.limit / 100 * MERGE_PERCENT;
                left = left.min(share.saturating_sub(reservation.size()));
            }
            if additional > left {
                return Err(self.exhausted(reservation, additional, left));
            }
            state.firm += additional;
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        let state = self.state.lock();
        state.firm + state.spillable
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_cannot_spill_finds_room_beside_what_can() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharedPool::new(1000));
        let sort = |n: u8| {
            let consumer = MemoryConsumer::new(format!("sort {n}"));
            consumer.with_can_spill(true).register(&pool)
        };
        let first = sort(0);
        first.try_grow(125).unwrap();
        let error = first.try_grow(1).unwrap_err().to_string();
        assert!(error.contains("1.0 B for sort 0"), "{error}");
        let others: Vec<_> = (1..5).map(sort).collect();
        for other in &others {
            other.try_grow(100).unwrap();
            other.try_grow(1).unwrap_err();
        }
        let merge = MemoryConsumer::new("ExternalSorterMerge[0]").register(&pool);
        merge.try_grow(120).unwrap();
        merge.try_grow(1).unwrap_err();
        let table = MemoryConsumer::new("table").register(&pool);
        table.try_grow(355).unwrap();
        table.try_grow(1).unwrap_err();
        assert_eq!(pool.reserved(), 1000);
        drop((first, others, merge, table));
        assert_eq!(pool.reserved(), 0);
    }
}
