//! Work that stops when nobody reads its rows any more.
//!
//! Dropping a stream aborts the tasks below it, but a task ends only where it yields. A join that multiplies its
//! inputs may find work for minutes before it does, with or without rows to hand on. So joins are made to yield after
//! some batches, and the filter of a join and the keys of a sort look whether the rows are still wanted.

mod sort;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder,
};
use datafusion::physical_plan::stream::{
    RecordBatchReceiverStreamBuilder, RecordBatchStreamAdapter,
};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use tokio::runtime::{Handle, RuntimeFlavor};

use self::sort::WatchedSort;
use super::work::{QueryWork, RunningPlan};
use super::workers::Workers;

/// Batches that may wait for their reader.
const WAITING_BATCHES: usize = 2;
/// How long a filter may keep its worker before it lets other tasks have it.
const SHARE: Duration = Duration::from_millis(10);

/// Runs a plan; dropping the stream stops the work soon, whatever it is at.
///
/// # Errors
/// The plan cannot be started.
pub(super) fn execute(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    execute_shown(plan, context).map(|(_, rows)| rows)
}

/// As [`execute`], and returns the plan that runs, whose nodes keep what they did; it is on the statement's account.
///
/// # Errors
/// The plan cannot be started.
pub(super) fn execute_shown(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<(Arc<dyn ExecutionPlan>, SendableRecordBatchStream)> {
    let stop = Arc::new(AtomicBool::new(false));
    let plan = guarded(plan, &stop)?;
    let work = context.session_config().get_extension::<QueryWork>();
    let running = work.map(|work| work.begin(Arc::clone(&plan)));
    let workers = context.session_config().get_extension::<Workers>();
    let workers = workers.ok_or_else(|| DataFusionError::Internal("no workers".to_owned()))?;
    let rows = {
        // Some operators start tasks of their own at once.
        let _entered = workers.handle().enter();
        execute_stream(Arc::clone(&plan), context)?
    };
    let schema = rows.schema();
    // A task of its own: what works without yielding must not hold up whoever waits for it or cancels it.
    let mut task = RecordBatchReceiverStreamBuilder::new(Arc::clone(&schema), WAITING_BATCHES);
    let batches = task.tx();
    let work = async move {
        let mut rows = rows;
        while let Some(batch) = rows.next().await {
            if batches.send(batch).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    task.spawn_on(work, workers.handle());
    let reader = Reader {
        stop,
        _running: running,
    };
    let rows = task.build().inspect(move |_| {
        let _ = &reader;
    });
    Ok((plan, Box::pin(RecordBatchStreamAdapter::new(schema, rows))))
}

/// Whoever reads the rows; when it is gone, they are not wanted.
struct Reader {
    stop: Arc<AtomicBool>,
    _running: Option<RunningPlan>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn guarded(plan: Arc<dyn ExecutionPlan>, stop: &Arc<AtomicBool>) -> Result<Arc<dyn ExecutionPlan>> {
    let guarded = plan.transform_up(|node| {
        if let Some(sort) = WatchedSort::of(&node, stop) {
            return Ok(Transformed::yes(Arc::new(sort) as Arc<dyn ExecutionPlan>));
        }
        if !multiplies(node.name()) {
            return Ok(Transformed::no(node));
        }
        let node = watched(&node, stop)?.unwrap_or(node);
        Ok(Transformed::yes(
            Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>
        ))
    })?;
    Ok(guarded.data)
}

/// Returns whether an operator makes many rows of few.
fn multiplies(operator: &str) -> bool {
    matches!(
        operator,
        "NestedLoopJoinExec"
            | "CrossJoinExec"
            | "HashJoinExec"
            | "SortMergeJoinExec"
            | "PiecewiseMergeJoinExec"
            | "UnnestExec"
    )
}

/// Returns the join with a filter that looks at `stop`; none if it is no join with a filter.
fn watched(
    node: &Arc<dyn ExecutionPlan>,
    stop: &Arc<AtomicBool>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let watch = |filter: &JoinFilter| {
        JoinFilter::new(
            Arc::new(Watched::new(filter.expression(), stop)),
            filter.column_indices().to_vec(),
            Arc::clone(filter.schema()),
        )
    };
    if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>()
        && let Some(filter) = join.filter()
    {
        let join = NestedLoopJoinExecBuilder::from(join)
            .with_filter(Some(watch(filter)))
            .build()?;
        return Ok(Some(Arc::new(join)));
    }
    if let Some(join) = node.downcast_ref::<HashJoinExec>()
        && let Some(filter) = join.filter()
    {
        let join = join.builder().with_filter(Some(watch(filter)));
        return join.build_exec().map(Some);
    }
    Ok(None)
}

/// An expression that fails when its values are not wanted any more.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn PhysicalExpr>,
    stop: Arc<AtomicBool>,
    /// Of what may be all that its worker does for long.
    turns: Option<Turns>,
}

impl Watched {
    fn new(inner: &Arc<dyn PhysicalExpr>, stop: &Arc<AtomicBool>) -> Self {
        Self {
            turns: Some(Turns::default()),
            ..Self::passing(inner, stop)
        }
    }

    /// Returns one that is evaluated between other work: it looks, and never hands its worker's tasks to another
    /// thread, each of which has memory of its own.
    fn passing(inner: &Arc<dyn PhysicalExpr>, stop: &Arc<AtomicBool>) -> Self {
        Self {
            inner: Arc::clone(inner),
            stop: Arc::clone(stop),
            turns: None,
        }
    }
}

/// When the other tasks of a worker are to run elsewhere for a while.
///
/// A join without matches never yields: whoever is to cancel it could wait behind it for ever.
#[derive(Debug)]
struct Turns {
    since: Instant,
    /// The last turn of the others, in milliseconds after `since`.
    last_ms: AtomicU64,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            last_ms: AtomicU64::new(0),
        }
    }
}

impl Turns {
    /// Returns whether it is the others' turn; never in a runtime of one thread, which has nobody to hand them to.
    fn is_others(&self) -> bool {
        let now = self.since.elapsed();
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        if now < last + SHARE {
            return false;
        }
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
        Handle::try_current().is_ok_and(|r| r.runtime_flavor() == RuntimeFlavor::MultiThread)
    }
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl PhysicalExpr for Watched {
    fn return_field(&self, input_schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(input_schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(DataFusionError::External(Box::new(crate::Error::Cancelled)));
        }
        if self.turns.as_ref().is_some_and(Turns::is_others) {
            return tokio::task::block_in_place(|| self.inner.evaluate(batch));
        }
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let inner = children.into_iter().next();
        let inner = inner.ok_or_else(|| DataFusionError::Internal("no expression".to_owned()))?;
        let turns = self.turns.as_ref().map(|_| Turns::default());
        Ok(Arc::new(Self {
            turns,
            ..Self::passing(&inner, &self.stop)
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
