//! Frames that slide, for functions that cannot take a row back.

use std::fmt;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use crate::presto::functions::shared::internal;

/// Builds an accumulator.
pub(super) type Factory = Box<dyn Fn() -> Result<Box<dyn Accumulator>> + Send + Sync>;

/// Keeps the rows of the frame and computes each frame anew.
pub(super) struct Recompute {
    factory: Factory,
    rows: Vec<ArrayRef>,
}

impl Recompute {
    pub(super) fn new(factory: Factory) -> Self {
        Self {
            factory,
            rows: Vec::new(),
        }
    }
}

impl fmt::Debug for Recompute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recompute").finish_non_exhaustive()
    }
}

impl Accumulator for Recompute {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if self.rows.is_empty() {
            self.rows = values.to_vec();
            return Ok(());
        }
        for (kept, more) in self.rows.iter_mut().zip(values) {
            *kept = concat(&[kept.as_ref(), more.as_ref()])?;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let gone = values.first().map_or(0, |column| column.len());
        for kept in &mut self.rows {
            let gone = gone.min(kept.len());
            *kept = kept.slice(gone, kept.len() - gone);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut inner = (self.factory)()?;
        if self.rows.first().is_some_and(|column| !column.is_empty()) {
            inner.update_batch(&self.rows)?;
        }
        inner.evaluate()
    }

    fn size(&self) -> usize {
        let rows: usize = self
            .rows
            .iter()
            .map(|column| column.get_array_memory_size())
            .sum();
        size_of_val(self) + rows
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Err(internal("a sliding frame has no partial state"))
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        Err(internal("a sliding frame has no partial state"))
    }
}
