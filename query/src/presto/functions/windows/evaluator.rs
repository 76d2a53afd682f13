//! Evaluators around the engine's.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::compute::{cast, interleave};
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::PartitionEvaluator;
use datafusion::logical_expr::window_state::WindowAggState;
use datafusion::scalar::ScalarValue;

use crate::presto::functions::shared::{constant_i64, internal, invalid};

/// Gives back bigints.
#[derive(Debug)]
pub(super) struct Bigint(pub(super) Box<dyn PartitionEvaluator>);

impl PartitionEvaluator for Bigint {
    fn memoize(&mut self, state: &mut WindowAggState) -> Result<()> {
        self.0.memoize(state)
    }

    fn get_range(&self, row: usize, rows: usize) -> Result<Range<usize>> {
        self.0.get_range(row, rows)
    }

    fn is_causal(&self) -> bool {
        self.0.is_causal()
    }

    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        Ok(cast(&self.0.evaluate_all(values, rows)?, &DataType::Int64)?)
    }

    fn evaluate(&mut self, values: &[ArrayRef], range: &Range<usize>) -> Result<ScalarValue> {
        self.0.evaluate(values, range)?.cast_to(&DataType::Int64)
    }

    fn evaluate_all_with_rank(&self, rows: usize, ranks: &[Range<usize>]) -> Result<ArrayRef> {
        Ok(cast(
            &self.0.evaluate_all_with_rank(rows, ranks)?,
            &DataType::Int64,
        )?)
    }

    fn supports_bounded_execution(&self) -> bool {
        self.0.supports_bounded_execution()
    }

    fn uses_window_frame(&self) -> bool {
        self.0.uses_window_frame()
    }

    fn include_rank(&self) -> bool {
        self.0.include_rank()
    }
}

/// Gives back NULLs of a type.
#[derive(Debug)]
pub(super) struct Nulls(pub(super) DataType);

impl PartitionEvaluator for Nulls {
    fn evaluate_all(&mut self, _: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        Ok(new_null_array(&self.0, rows))
    }

    fn evaluate(&mut self, _: &[ArrayRef], _: &Range<usize>) -> Result<ScalarValue> {
        ScalarValue::try_from(&self.0)
    }

    fn supports_bounded_execution(&self) -> bool {
        true
    }
}

/// `lag` and `lead` with distances or defaults of each row.
#[derive(Debug)]
pub(super) struct Shift {
    is_back: bool,
    ignores_nulls: bool,
}

impl Shift {
    pub(super) fn new(is_back: bool, ignores_nulls: bool) -> Self {
        Self {
            is_back,
            ignores_nulls,
        }
    }

    /// Returns the row that is `distance` rows away.
    fn target(&self, values: &ArrayRef, row: usize, distance: usize) -> Option<usize> {
        if !self.ignores_nulls {
            let target = if self.is_back {
                row.checked_sub(distance)
            } else {
                row.checked_add(distance)
            };
            return target.filter(|target| *target < values.len());
        }
        if distance == 0 {
            return Some(row);
        }
        let is_present = |other: &usize| values.is_valid(*other);
        if self.is_back {
            (0..row).rev().filter(is_present).nth(distance - 1)
        } else {
            (row + 1..values.len()).filter(is_present).nth(distance - 1)
        }
    }
}

impl PartitionEvaluator for Shift {
    fn evaluate_all(&mut self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let [values, distances, defaults @ ..] = arguments else {
            return Err(internal("a shift without its distance"));
        };
        let distances = cast(distances, &DataType::Int64)?;
        let mut places = Vec::with_capacity(rows);
        let nothing = new_null_array(values.data_type(), 1);
        let defaults = match defaults {
            [defaults] => cast(defaults, values.data_type())?,
            _ => new_null_array(values.data_type(), rows),
        };
        for row in 0..rows {
            let distance =
                constant_i64(&distances, row).ok_or_else(|| invalid("Offset must not be null"))?;
            let distance =
                usize::try_from(distance).map_err(|_| invalid("Offset must be at least 0"))?;
            places.push(match self.target(values, row, distance) {
                Some(target) => (0, target),
                None if row < defaults.len() => (1, row),
                None => (2, 0),
            });
        }
        let sources: [&dyn Array; 3] = [values.as_ref(), defaults.as_ref(), nothing.as_ref()];
        Ok(interleave(&sources, &places)?)
    }
}
