//! What keeps the memory of a merge bounded.
//!
//! ```text
//! source joined with the table, partitioned by file
//!    |
//! gate      rows of files that nothing has changed yet wait here: accounted for in the memory pool, beyond
//!    |      that in temporary files. The first row that changes opens its file: it goes first, then those
//!    |      that waited, then all that come. Files that stay closed are not written again: their rows go.
//! barrier   Delta's own, which would keep all these rows in memory; it sees an open file at once
//!    |
//! write
//! ```
//!
//! Delta's merge writes only files anew that have a changed row, and learns of it while it reads them:
//! merging a few rows into a large table would keep the whole table in memory, which no limit sees.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result as DataFusionResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::physical_expr::{Distribution, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;

use super::waiting::Waiting;

/// The node of Delta's merge that keeps rows.
const BARRIER: &str = "MergeBarrierExec";

/// Returns a session whose merges keep to its memory.
pub(super) fn bounded(session: &SessionState) -> Arc<SessionState> {
    let session = SessionStateBuilder::new_from_existing(session.clone())
        .with_physical_optimizer_rule(Arc::new(GateRule));
    Arc::new(session.build())
}

/// Puts a gate below each barrier.
#[derive(Debug)]
struct GateRule;

impl PhysicalOptimizerRule for GateRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let gated = plan.transform_up(|node| {
            if node.name() != BARRIER {
                return Ok(Transformed::no(node));
            }
            let file = node
                .input_distribution_requirements()
                .into_per_child()
                .into_iter()
                .find_map(|required| match required {
                    Distribution::KeyPartitioned(keys) => keys.into_iter().next(),
                    _ => None,
                });
            let input = node.children().first().map(|input| Arc::clone(*input));
            let (Some(file), Some(input)) = (file, input) else {
                return Ok(Transformed::no(node));
            };
            let gate: Arc<dyn ExecutionPlan> = Arc::new(GateExec { input, file });
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            Ok(Transformed::yes(
                node.replace_children(vec![gate], options)?,
            ))
        })?;
        Ok(gated.data)
    }

    fn name(&self) -> &'static str {
        "gate_of_merge"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Passes the rows of files that have a changed row.
///
/// # Shape
///
/// The columns of its input. Of the rows of a file, one of the first batch is changed.
#[derive(Debug)]
struct GateExec {
    input: Arc<dyn ExecutionPlan>,
    /// The column that says which file a row is in; null for a row of the source alone.
    file: Arc<dyn PhysicalExpr>,
}

impl DisplayAs for GateExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GateExec: file={}", self.file)
    }
}

impl ExecutionPlan for GateExec {
    fn name(&self) -> &'static str {
        "GateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.into_iter().next() else {
            return datafusion::common::internal_err!("a gate needs rows to pass");
        };
        let file = Arc::clone(&self.file);
        Ok(Arc::new(Self { input, file }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        visit(&self.file)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> DataFusionResult<SendableRecordBatchStream> {
        let mut rows = self.input.execute(partition, Arc::clone(&context))?;
        let schema = self.input.schema();
        let mut passing = RecordBatchReceiverStreamBuilder::new(Arc::clone(&schema), 1);
        let partitions = self.input.output_partitioning().partition_count();
        let file = Arc::clone(&self.file);
        let mut waiting = Waiting::new(&context, schema, partition, partitions, passing.tx());
        passing.spawn(async move {
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                let files = file.evaluate(&batch)?.into_array(batch.num_rows())?;
                if !waiting.take(batch, &files).await? {
                    break;
                }
            }
            Ok(())
        });
        Ok(passing.build())
    }
}

#[cfg(test)]
mod tests;
