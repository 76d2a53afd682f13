//! Aggregates that look at their rows together: the rows are collected, made fewer where that loses nothing, and
//! put in the order asked for before the answer is made of them.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array, new_empty_array};
use arrow::compute::{SortColumn, concat, lexsort_to_indices, take_arrays};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use super::distinct::{columns_of_rows, row_type, rows_as_scalar};
use super::function::{Inputs, only};
use crate::presto::functions::shared::{internal, list_of};

/// Rows as columns.
pub(super) type Columns = Vec<ArrayRef>;

/// What a function makes of its rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Collector {
    /// The types of the columns that are kept.
    pub(super) types: fn(&Inputs) -> Vec<DataType>,
    /// Makes those columns of the arguments.
    pub(super) prepare: fn(&Inputs, &[ArrayRef]) -> Result<Columns>,
    /// Makes the rows fewer; not called if the call has an ORDER BY.
    pub(super) compact: Option<fn(&Inputs, Columns) -> Result<Columns>>,
    /// Makes the answer; not called without rows.
    pub(super) finish: fn(&Inputs, Columns) -> Result<ScalarValue>,
}

/// Rows of a group before they are made fewer.
const FIRST_LIMIT: usize = 4_096;

/// Returns the type of the state.
pub(super) fn collected_state(collector: &Collector, inputs: &Inputs) -> Vec<DataType> {
    vec![list_of(row_type(&(collector.types)(inputs)))]
}

/// Collects the rows of one group.
pub(super) struct Collect {
    collector: &'static Collector,
    inputs: Inputs,
    types: Vec<DataType>,
    chunks: Vec<Columns>,
    rows: usize,
    limit: usize,
    bytes: usize,
}

impl Collect {
    pub(super) fn new(collector: &'static Collector, inputs: &Inputs) -> Self {
        Self {
            collector,
            inputs: inputs.clone(),
            types: (collector.types)(inputs),
            chunks: Vec::new(),
            rows: 0,
            limit: FIRST_LIMIT,
            bytes: 0,
        }
    }

    fn push(&mut self, columns: Columns) -> Result<()> {
        let rows = columns.first().map_or(0, |column| column.len());
        if rows == 0 {
            return Ok(());
        }
        self.rows += rows;
        self.bytes += columns
            .iter()
            .map(|column| column.get_array_memory_size())
            .sum::<usize>();
        self.chunks.push(columns);
        if self.rows > self.limit
            && self.inputs.orders.is_empty()
            && let Some(compact) = self.collector.compact
        {
            let columns = compact(&self.inputs, self.joined()?)?;
            self.rows = columns.first().map_or(0, |column| column.len());
            self.limit = (self.rows * 2).max(FIRST_LIMIT);
            self.bytes = columns
                .iter()
                .map(|column| column.get_array_memory_size())
                .sum();
            self.chunks = vec![columns];
        }
        Ok(())
    }

    fn joined(&self) -> Result<Columns> {
        let mut columns = Vec::with_capacity(self.types.len());
        for (place, data_type) in self.types.iter().enumerate() {
            let parts: Vec<&dyn Array> = self
                .chunks
                .iter()
                .filter_map(|chunk| chunk.get(place))
                .map(|column| column.as_ref())
                .collect();
            columns.push(match parts.as_slice() {
                [] => new_empty_array(data_type),
                parts => concat(parts)?,
            });
        }
        Ok(columns)
    }

    /// Returns the rows in the order asked for.
    fn ordered(&self) -> Result<Columns> {
        let columns = self.joined()?;
        if self.inputs.orders.is_empty() {
            return Ok(columns);
        }
        let first = columns.len().saturating_sub(self.inputs.orders.len());
        let mut keys: Vec<SortColumn> = columns
            .iter()
            .skip(first)
            .zip(&self.inputs.orders)
            .map(|(values, options)| SortColumn {
                values: Arc::clone(values),
                options: Some(*options),
            })
            .collect();
        // Rows that are equal keep the order in which they came.
        let places = UInt32Array::from_iter_values(
            (0..self.rows).map(|row| u32::try_from(row).unwrap_or(u32::MAX)),
        );
        keys.push(SortColumn {
            values: Arc::new(places),
            options: None,
        });
        let indices = lexsort_to_indices(&keys, None)?;
        Ok(take_arrays(&columns, &indices, None)?)
    }
}

impl fmt::Debug for Collect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collect")
            .field("name", &self.inputs.name)
            .finish_non_exhaustive()
    }
}

impl Accumulator for Collect {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let columns = (self.collector.prepare)(&self.inputs, values)?;
        self.push(columns)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let columns = columns_of_rows(only(states)?)?;
        self.push(columns)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.rows == 0 {
            return ScalarValue::try_from(&self.inputs.returns);
        }
        (self.collector.finish)(&self.inputs, self.ordered()?)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![rows_as_scalar(&self.types, self.joined()?)?])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes
    }
}

/// Returns the rows in which the column is not NULL.
pub(super) fn without_nulls(columns: &[ArrayRef], place: usize) -> Result<Columns> {
    let column = columns
        .get(place)
        .ok_or_else(|| internal("an aggregate without its argument"))?;
    let nulls = column.logical_nulls();
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else {
        return Ok(columns.to_vec());
    };
    let rows: UInt32Array = nulls
        .valid_indices()
        .map(|row| u32::try_from(row).ok())
        .collect();
    Ok(take_arrays(columns, &rows, None)?)
}

/// Returns the rows in which no column is NULL.
pub(super) fn without_any_null(columns: &[ArrayRef]) -> Result<Columns> {
    let mut kept = columns.to_vec();
    for place in 0..columns.len() {
        kept = without_nulls(&kept, place)?;
    }
    Ok(kept)
}
