//! What a query has read, holds in memory and has spilled, while it runs and afterwards.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;

/// The account of one statement.
#[derive(Debug, Default)]
pub struct QueryWork {
    state: Mutex<State>,
    held: Arc<Held>,
}

#[derive(Debug, Default)]
struct State {
    /// What runs now; its operators count what they do.
    running: Vec<Arc<dyn ExecutionPlan>>,
    /// Of the plans that have ended.
    done: Totals,
}

/// Bytes of the shared memory that the statement holds.
#[derive(Debug, Default)]
struct Held {
    now: AtomicUsize,
    peak: AtomicUsize,
}

/// Numbers of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows that were read, before any filter.
    pub rows_read: u64,
    /// Bytes that were read from files.
    pub bytes_read: u64,
    /// Bytes written to spill files.
    pub spilled_bytes: u64,
    /// Bytes of the memory limit held now.
    pub memory_bytes: u64,
    /// The most that was held.
    pub peak_memory_bytes: u64,
}

impl QueryWork {
    /// Counts what `plan` does until the guard is dropped.
    pub(super) fn begin(self: Arc<Self>, plan: Arc<dyn ExecutionPlan>) -> RunningPlan {
        self.state.lock().running.push(Arc::clone(&plan));
        RunningPlan { work: self, plan }
    }

    /// Returns the numbers now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let order = Ordering::Relaxed;
        Totals {
            memory_bytes: self.held.now.load(order) as u64,
            peak_memory_bytes: self.held.peak.load(order) as u64,
            ..self.state.lock().totals()
        }
    }

    /// Returns `pool`, with what is taken of it on this account.
    pub(super) fn account(&self, pool: Arc<dyn MemoryPool>) -> Arc<dyn MemoryPool> {
        let held = Arc::clone(&self.held);
        Arc::new(Account { pool, held })
    }
}

impl State {
    fn totals(&self) -> Totals {
        let mut totals = self.done;
        for plan in &self.running {
            add(&mut totals, plan.as_ref());
        }
        totals
    }
}

/// A plan on the account. What a plan holds, such as tables of joins and the tasks of exchanges, must go when nobody
/// reads its rows any more; its numbers stay.
pub(super) struct RunningPlan {
    work: Arc<QueryWork>,
    plan: Arc<dyn ExecutionPlan>,
}

impl Drop for RunningPlan {
    fn drop(&mut self) {
        let mut state = self.work.state.lock();
        add(&mut state.done, self.plan.as_ref());
        state.running.retain(|plan| !Arc::ptr_eq(plan, &self.plan));
    }
}

fn add(totals: &mut Totals, plan: &dyn ExecutionPlan) {
    let children = plan.children();
    if let Some(metrics) = plan.metrics() {
        let count = |name: &str| {
            metrics
                .sum_by_name(name)
                .map_or(0, |value| value.as_usize())
        };
        totals.spilled_bytes += metrics.spilled_bytes().unwrap_or(0) as u64;
        if children.is_empty() {
            totals.rows_read += metrics.output_rows().unwrap_or(0) as u64;
            totals.bytes_read += count("bytes_scanned") as u64;
        }
    }
    for child in children {
        add(totals, child.as_ref());
    }
}

/// The shared memory as one statement takes of it.
#[derive(Debug)]
struct Account {
    pool: Arc<dyn MemoryPool>,
    held: Arc<Held>,
}

impl Account {
    fn taken(&self, bytes: usize) {
        let now = self.held.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.held.peak.fetch_max(now, Ordering::Relaxed);
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

impl MemoryPool for Account {
    fn name(&self) -> &str {
        self.pool.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.pool.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.pool.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.pool.grow(reservation, additional);
        self.taken(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.pool.shrink(reservation, shrink);
        self.held.now.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.pool.try_grow(reservation, additional)?;
        self.taken(additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.pool.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.pool.memory_limit()
    }
}
