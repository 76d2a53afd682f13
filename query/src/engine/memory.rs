//! Joins larger than memory.
//!
//! A hash join must hold one side; what does not fit cannot be put aside. A sort-merge join can, at the price of two
//! sorts. Which one it takes is known only when the memory is exhausted: then, unless a row has been handed out, the
//! query starts again with sort-merge joins.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::guard;

/// Runs `plan`, or `logical` planned again without hash joins where these do not fit.
///
/// # Errors
/// The plan cannot be started.
pub(super) fn execute(
    state: SessionState,
    logical: LogicalPlan,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let has_hash_join = has_hash_join(&plan)?;
    let mut rows = guard::execute(plan, Arc::clone(&task))?;
    if !has_hash_join {
        return Ok(rows);
    }
    let schema = rows.schema();
    let rows = stream::once(async move {
        let first = match rows.next().await {
            Some(Err(error)) if is_exhausted(&error) => {
                drop(rows);
                tracing::info!(%error, "a hash join does not fit into memory: merging instead");
                return again(state, &logical, task).await;
            }
            first => first,
        };
        let rows = stream::iter(first).chain(rows).boxed();
        Ok::<_, DataFusionError>(rows)
    });
    let rows = RecordBatchStreamAdapter::new(schema, rows.try_flatten());
    Ok(Box::pin(rows))
}

async fn again(
    mut state: SessionState,
    logical: &LogicalPlan,
    task: Arc<TaskContext>,
) -> Result<stream::BoxStream<'static, Result<arrow::array::RecordBatch>>> {
    let options = state.config_mut().options_mut();
    options.optimizer.prefer_hash_join = false;
    let plan = state.create_physical_plan(logical).await?;
    Ok(guard::execute(plan, task)?.boxed())
}

fn has_hash_join(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut found = false;
    plan.apply(|node| {
        found |= node.is::<HashJoinExec>();
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

fn is_exhausted(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}
