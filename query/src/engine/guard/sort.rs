//! Sorts that stop in the middle.
//!
//! Before its first row, a merge of sorted runs converts a batch of each without yielding, which may be all there is.
//! Expressions that look whether the rows are still wanted end that; but operators above find their order by comparing
//! expressions, so to them the sort stays what it was.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};

use super::Watched;

/// A sort of all its rows.
#[derive(Debug)]
pub(super) struct WatchedSort {
    planned: Arc<dyn ExecutionPlan>,
    sort: SortExec,
    stop: Arc<AtomicBool>,
}

impl WatchedSort {
    /// Returns the sort, watched; none if `node` is none, or keeps only its first rows.
    pub(super) fn of(node: &Arc<dyn ExecutionPlan>, stop: &Arc<AtomicBool>) -> Option<Self> {
        let planned = node.downcast_ref::<SortExec>()?;
        if planned.fetch().is_some() {
            return None;
        }
        let watched = planned.expr().iter().map(|key| PhysicalSortExpr {
            expr: Arc::new(Watched::passing(&key.expr, stop)),
            options: key.options,
        });
        let sort = SortExec::new(LexOrdering::new(watched)?, Arc::clone(planned.input()));
        Some(Self {
            planned: Arc::clone(node),
            sort: sort.with_preserve_partitioning(planned.preserve_partitioning()),
            stop: Arc::clone(stop),
        })
    }

    fn again(&self, planned: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        match Self::of(&planned, &self.stop) {
            Some(watched) => Arc::new(watched),
            None => planned,
        }
    }
}

impl DisplayAs for WatchedSort {
    fn fmt_as(&self, kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.planned.fmt_as(kind, f)
    }
}

impl ExecutionPlan for WatchedSort {
    fn name(&self) -> &str {
        self.planned.name()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.planned.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.planned.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.planned.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planned = Arc::clone(&self.planned).replace_children(children, options)?;
        Ok(self.again(planned))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.sort.execute(partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.sort.metrics()
    }
}
