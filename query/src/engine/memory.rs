//! Queries larger than memory.
//!
//! A hash join must hold one side; what does not fit cannot be put aside. A sort-merge join can, at the price of two
//! sorts; and what is merged needs room for a batch of each run. Whether it comes to that is known only when the memory
//! is exhausted: then, unless a row has been handed out, the query starts again with sort-merge joins and small batches.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::guard;
use super::session::task;

/// Rows of a batch where memory is short.
const SMALL_BATCH_ROWS: usize = 2048;

/// Runs `plan`; and `logical`, planned for little memory, if that is exhausted before the first row.
///
/// # Errors
/// The plan cannot be started.
pub(super) fn execute(
    state: SessionState,
    logical: LogicalPlan,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let mut rows = guard::execute(plan, task)?;
    let schema = rows.schema();
    let rows = stream::once(async move {
        let first = match rows.next().await {
            Some(Err(error)) if is_exhausted(&error) => {
                drop(rows);
                tracing::info!(%error, "a query does not fit into memory: starting again");
                return again(state, &logical).await;
            }
            first => first,
        };
        Ok::<_, DataFusionError>(stream::iter(first).chain(rows).boxed())
    });
    let rows = RecordBatchStreamAdapter::new(schema, rows.try_flatten());
    Ok(Box::pin(rows))
}

/// Runs `plan` to its end, and again as [`execute`] does; returns the plan that ended, whose nodes keep what they did.
///
/// # Errors
/// The plan fails, for another reason than memory or also with little of it.
pub(super) async fn execute_to_end(
    state: SessionState,
    logical: &LogicalPlan,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> Result<Arc<dyn ExecutionPlan>> {
    match to_end(plan, task).await {
        Err(error) if is_exhausted(&error) => {
            let (plan, task) = with_little_memory(state, logical).await?;
            to_end(plan, task).await
        }
        ended => ended,
    }
}

async fn to_end(
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let (plan, mut rows) = guard::execute_shown(plan, task)?;
    while let Some(batch) = rows.next().await {
        batch?;
    }
    Ok(plan)
}

async fn again(
    state: SessionState,
    logical: &LogicalPlan,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let (plan, task) = with_little_memory(state, logical).await?;
    Ok(guard::execute(plan, task)?.boxed())
}

async fn with_little_memory(
    mut state: SessionState,
    logical: &LogicalPlan,
) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
    let options = state.config_mut().options_mut();
    options.optimizer.prefer_hash_join = false;
    let rows = options.execution.batch_size.get().min(SMALL_BATCH_ROWS);
    options.execution.batch_size = datafusion::config::ConfigNonZeroUsize::try_new(rows)?;
    options.execution.sort_spill_reservation_bytes /= 2;
    let plan = state.create_physical_plan(logical).await?;
    let task = task(&state).map_err(|error| DataFusionError::External(Box::new(error)))?;
    Ok((plan, task))
}

fn is_exhausted(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}
