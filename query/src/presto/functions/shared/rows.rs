//! Values of any type in a form that compares byte by byte.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::utils::normalize_float_zero;
use datafusion::error::Result;

/// Encodes values of one type; encoded values of one encoder compare with each other.
#[derive(Debug)]
pub(in crate::presto::functions) struct Comparable {
    converter: RowConverter,
}

impl Comparable {
    /// Returns an encoder that orders values ascending with NULLs last.
    pub(in crate::presto::functions) fn new(data_type: &DataType) -> Result<Self> {
        Self::of(std::slice::from_ref(data_type))
    }

    /// Returns an encoder of rows with several columns.
    pub(in crate::presto::functions) fn of(types: &[DataType]) -> Result<Self> {
        let options = SortOptions::default().asc().nulls_last();
        let fields = types
            .iter()
            .map(|data_type| SortField::new_with_options(data_type.clone(), options))
            .collect();
        Ok(Self {
            converter: RowConverter::new(fields)?,
        })
    }

    /// Encodes the values of one column.
    pub(in crate::presto::functions) fn encode(&self, values: &ArrayRef) -> Result<Rows> {
        self.encode_all(std::slice::from_ref(values))
    }

    /// Encodes rows of several columns.
    pub(in crate::presto::functions) fn encode_all(&self, columns: &[ArrayRef]) -> Result<Rows> {
        let columns: Vec<ArrayRef> = columns.iter().map(normalize_float_zero).collect();
        Ok(self.converter.convert_columns(&columns)?)
    }
}

/// Returns which values are NaN, if the type has any.
pub(in crate::presto::functions) fn nan_flags(values: &ArrayRef) -> Option<BooleanBuffer> {
    let flags: BooleanBuffer = match values.data_type() {
        DataType::Float64 => values
            .as_primitive::<Float64Type>()
            .values()
            .iter()
            .map(|value| value.is_nan())
            .collect(),
        DataType::Float32 => values
            .as_primitive::<Float32Type>()
            .values()
            .iter()
            .map(|value| value.is_nan())
            .collect(),
        _ => return None,
    };
    (flags.count_set_bits() > 0).then_some(flags)
}
