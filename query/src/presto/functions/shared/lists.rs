//! Reading and building arrays and maps.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{interleave, take};
use arrow::datatypes::DataType;
use datafusion::error::Result;

use super::{Comparable, internal, invalid, key_value, out_of_range, texts};

/// A column of arrays or maps: its values and which of them belong to a row.
#[derive(Debug)]
pub(in crate::presto::functions) struct Lists {
    ranges: Vec<Range<usize>>,
    nulls: Option<NullBuffer>,
    values: ArrayRef,
}

impl Lists {
    /// Reads a column of arrays.
    pub(in crate::presto::functions) fn new(column: &ArrayRef) -> Result<Self> {
        let list = column
            .as_list_opt::<i32>()
            .ok_or_else(|| internal("expected a list"))?;
        Ok(Self {
            ranges: ranges(list.offsets()),
            nulls: list.nulls().cloned(),
            values: Arc::clone(list.values()),
        })
    }

    /// Reads the keys of a column of maps.
    pub(in crate::presto::functions) fn keys(column: &ArrayRef) -> Result<Self> {
        let (ranges, nulls, keys, _) = map_parts(column)?;
        Ok(Self {
            ranges,
            nulls,
            values: keys,
        })
    }

    /// Returns the values of all rows.
    pub(in crate::presto::functions) fn values(&self) -> &ArrayRef {
        &self.values
    }

    /// Returns where the row's values are; nowhere if the row is NULL.
    pub(in crate::presto::functions) fn range(&self, row: usize) -> Range<usize> {
        if self.is_null(row) {
            return 0..0;
        }
        self.ranges.get(row).cloned().unwrap_or(0..0)
    }

    /// Tells whether the row is NULL.
    pub(in crate::presto::functions) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Returns the rows.
    pub(in crate::presto::functions) fn len(&self) -> usize {
        self.ranges.len()
    }
}

fn ranges(offsets: &OffsetBuffer<i32>) -> Vec<Range<usize>> {
    let position = |offset: i32| usize::try_from(offset).unwrap_or(0);
    offsets
        .iter()
        .zip(offsets.iter().skip(1))
        .map(|(start, end)| position(*start)..position(*end))
        .collect()
}

/// The parts of a column of maps: where each row's entries are, which rows are NULL, keys and values.
type MapParts = (Vec<Range<usize>>, Option<NullBuffer>, ArrayRef, ArrayRef);

/// Reads a column of maps.
pub(in crate::presto::functions) fn map_parts(column: &ArrayRef) -> Result<MapParts> {
    let map = column
        .as_map_opt()
        .ok_or_else(|| internal("expected a map"))?;
    Ok((
        ranges(map.offsets()),
        map.nulls().cloned(),
        Arc::clone(map.keys()),
        Arc::clone(map.values()),
    ))
}

/// Picks values out of one or more columns, row by row, to build arrays.
#[derive(Debug)]
pub(in crate::presto::functions) struct Picker {
    picked: Vec<(usize, usize)>,
    offsets: Vec<i32>,
}

impl Picker {
    pub(in crate::presto::functions) fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self {
            picked: Vec::new(),
            offsets,
        }
    }

    /// Adds a value of the first column.
    pub(in crate::presto::functions) fn push(&mut self, index: usize) {
        self.picked.push((0, index));
    }

    /// Adds a value of any column.
    pub(in crate::presto::functions) fn push_from(&mut self, source: usize, index: usize) {
        self.picked.push((source, index));
    }

    /// Ends an array.
    pub(in crate::presto::functions) fn close(&mut self) -> Result<()> {
        let end = i32::try_from(self.picked.len())
            .map_err(|_| out_of_range("the arrays of a batch have too many elements"))?;
        self.offsets.push(end);
        Ok(())
    }

    /// Returns which values of the first column are picked.
    pub(in crate::presto::functions) fn indices(&self) -> UInt32Array {
        self.picked
            .iter()
            .map(|(_, index)| u32::try_from(*index).ok())
            .collect()
    }

    /// Returns where each row's values are.
    pub(in crate::presto::functions) fn offsets(self) -> OffsetBuffer<i32> {
        OffsetBuffer::new(ScalarBuffer::from(self.offsets))
    }

    /// Returns the picked values and where each row's are.
    pub(in crate::presto::functions) fn parts(
        self,
        sources: &[&ArrayRef],
    ) -> Result<(ArrayRef, OffsetBuffer<i32>)> {
        let values = match sources {
            [only] => take(only.as_ref(), &self.indices(), None)?,
            many => {
                let many: Vec<&dyn Array> = many.iter().map(|array| array.as_ref()).collect();
                interleave(&many, &self.picked)?
            }
        };
        Ok((values, self.offsets()))
    }

    /// Builds the arrays.
    pub(in crate::presto::functions) fn finish(
        self,
        sources: &[&ArrayRef],
        returns: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        let DataType::List(field) = returns else {
            return Err(internal("expected to return a list"));
        };
        let (values, offsets) = self.parts(sources)?;
        Ok(Arc::new(ListArray::try_new(
            Arc::clone(field),
            offsets,
            values,
            nulls,
        )?))
    }
}

/// Builds maps out of keys and values.
///
/// # Errors
/// A key is NULL, or twice in a map.
pub(in crate::presto::functions) fn build_map(
    returns: &DataType,
    offsets: OffsetBuffer<i32>,
    keys: ArrayRef,
    values: ArrayRef,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let DataType::Map(entries, is_sorted) = returns else {
        return Err(internal("expected to return a map"));
    };
    let encoded = Comparable::new(keys.data_type())?.encode(&keys)?;
    let key_nulls = keys.logical_nulls();
    for (row, range) in ranges(&offsets).into_iter().enumerate() {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            continue;
        }
        let mut seen = HashSet::with_capacity(range.len());
        for index in range {
            if key_nulls.as_ref().is_some_and(|nulls| nulls.is_null(index)) {
                return Err(invalid("map key cannot be null"));
            }
            if !seen.insert(encoded.row(index)) {
                let text = texts(&keys.slice(index, 1))?;
                let text = text.first().cloned().flatten().unwrap_or_default();
                return Err(invalid(format!(
                    "Duplicate map keys ({text}) are not allowed"
                )));
            }
        }
    }
    let (key, value) = key_value(entries)?;
    let fields = vec![Arc::clone(key), Arc::clone(value)];
    let structs = StructArray::try_new(fields.into(), vec![keys, values], None)?;
    Ok(Arc::new(MapArray::try_new(
        Arc::clone(entries),
        offsets,
        structs,
        nulls,
        *is_sorted,
    )?))
}
