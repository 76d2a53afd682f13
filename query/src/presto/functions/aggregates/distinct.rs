//! DISTINCT in a call: each combination of arguments counts once.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{concat, take_arrays};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::row::OwnedRow;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use super::function::Inputs;
use crate::presto::functions::shared::{Comparable, internal, list_of};

/// Returns the type of the rows that a state keeps.
pub(super) fn row_type(types: &[DataType]) -> DataType {
    let fields: Vec<Field> = types
        .iter()
        .enumerate()
        .map(|(place, data_type)| Field::new(format!("c{place}"), data_type.clone(), true))
        .collect();
    DataType::Struct(Fields::from(fields))
}

/// Returns the type of the state: the distinct rows.
pub(super) fn distinct_state(inputs: &Inputs) -> DataType {
    list_of(row_type(&inputs.types))
}

/// Returns rows as one value: a list of them.
pub(super) fn rows_as_scalar(types: &[DataType], columns: Vec<ArrayRef>) -> Result<ScalarValue> {
    let DataType::Struct(fields) = row_type(types) else {
        return Err(internal("rows are a struct"));
    };
    let rows = StructArray::try_new(fields.clone(), columns, None)?;
    let field = Field::new_list_field(DataType::Struct(fields), true);
    let list = ListArray::try_new(
        Arc::new(field),
        OffsetBuffer::from_lengths([rows.len()]),
        Arc::new(rows),
        None,
    )?;
    Ok(ScalarValue::List(Arc::new(list)))
}

/// Returns the columns of the rows in lists of them.
pub(super) fn columns_of_rows(state: &ArrayRef) -> Result<Vec<ArrayRef>> {
    let lists = state
        .as_list_opt::<i32>()
        .ok_or_else(|| internal("a state of rows is a list"))?;
    let (Some(first), Some(last)) = (lists.value_offsets().first(), lists.value_offsets().last())
    else {
        return Ok(Vec::new());
    };
    let position = |offset: i32| usize::try_from(offset).unwrap_or(0);
    let rows = lists
        .values()
        .slice(position(*first), position(*last) - position(*first));
    let rows = rows
        .as_struct_opt()
        .ok_or_else(|| internal("a state of rows is a list of structs"))?;
    Ok(rows.columns().to_vec())
}

/// Passes each row on once.
pub(super) struct Distinct {
    inputs: Inputs,
    factory: fn(&Inputs) -> Result<Box<dyn Accumulator>>,
    encoder: Comparable,
    seen: HashSet<OwnedRow>,
    bytes: usize,
    chunks: Vec<Vec<ArrayRef>>,
}

impl Distinct {
    pub(super) fn new(
        inputs: Inputs,
        factory: fn(&Inputs) -> Result<Box<dyn Accumulator>>,
    ) -> Result<Self> {
        let arguments = inputs.types.get(..inputs.arguments).unwrap_or_default();
        Ok(Self {
            encoder: Comparable::of(arguments)?,
            inputs,
            factory,
            seen: HashSet::new(),
            bytes: 0,
            chunks: Vec::new(),
        })
    }

    fn columns(&self) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::with_capacity(self.inputs.types.len());
        for (place, data_type) in self.inputs.types.iter().enumerate() {
            let parts: Vec<&dyn Array> = self
                .chunks
                .iter()
                .filter_map(|chunk| chunk.get(place))
                .map(|column| column.as_ref())
                .collect();
            columns.push(if parts.is_empty() {
                arrow::array::new_empty_array(data_type)
            } else {
                concat(&parts)?
            });
        }
        Ok(columns)
    }
}

impl fmt::Debug for Distinct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Distinct")
            .field("name", &self.inputs.name)
            .finish_non_exhaustive()
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let arguments = values.get(..self.inputs.arguments).unwrap_or_default();
        let encoded = self.encoder.encode_all(arguments)?;
        let mut fresh = Vec::new();
        for (row, encoded) in encoded.iter().enumerate() {
            let encoded = encoded.owned();
            let bytes = encoded.as_ref().len();
            if self.seen.insert(encoded) {
                self.bytes += bytes + size_of::<OwnedRow>();
                fresh.push(u32::try_from(row).map_err(|_| internal("a batch of too many rows"))?);
            }
        }
        if !fresh.is_empty() {
            let kept = take_arrays(values, &UInt32Array::from(fresh), None)?;
            self.bytes += kept
                .iter()
                .map(|column| column.get_array_memory_size())
                .sum::<usize>();
            self.chunks.push(kept);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let state = super::function::only(states)?;
        let columns = columns_of_rows(state)?;
        if columns.first().is_some_and(|column| !column.is_empty()) {
            self.update_batch(&columns)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut inner = (self.factory)(&self.inputs)?;
        let columns = self.columns()?;
        if columns.first().is_some_and(|column| !column.is_empty()) {
            inner.update_batch(&columns)?;
        }
        inner.evaluate()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![rows_as_scalar(&self.inputs.types, self.columns()?)?])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes
    }
}
