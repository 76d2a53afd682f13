//! What lambdas are called with: the items of all rows one after another.

use arrow::array::{ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, take_arrays};
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::LambdaArgument;

use crate::presto::functions::shared::{Lists, Picker, internal, map_parts};

/// The items of all rows, and where each row's are.
pub(super) struct Items {
    /// Elements, or keys and values.
    pub(super) columns: Vec<ArrayRef>,
    /// Where each row's items are.
    pub(super) offsets: OffsetBuffer<i32>,
    /// Which rows are NULL.
    pub(super) nulls: Option<NullBuffer>,
    /// The row of each item.
    pub(super) rows: UInt32Array,
}

impl Items {
    /// Returns the elements of arrays.
    pub(super) fn of_arrays(column: &ArrayRef) -> Result<Self> {
        let lists = Lists::new(column)?;
        let ranges = (0..lists.len()).map(|row| lists.range(row));
        Self::gather(ranges, column.logical_nulls(), &[lists.values()])
    }

    /// Returns the keys and values of maps.
    pub(super) fn of_maps(column: &ArrayRef) -> Result<Self> {
        let (ranges, nulls, keys, values) = map_parts(column)?;
        let ranges = ranges.into_iter().enumerate().map(|(row, range)| {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            if is_null { 0..0 } else { range }
        });
        Self::gather(ranges, nulls.clone(), &[&keys, &values])
    }

    fn gather(
        ranges: impl Iterator<Item = std::ops::Range<usize>>,
        nulls: Option<NullBuffer>,
        columns: &[&ArrayRef],
    ) -> Result<Self> {
        let (mut picker, mut rows) = (Picker::new(0), Vec::new());
        let (mut first, mut next) = (None, 0);
        let mut is_contiguous = true;
        for (row, range) in ranges.enumerate() {
            if !range.is_empty() {
                is_contiguous &=
                    *first.get_or_insert(range.start) == range.start || next == range.start;
                next = range.end;
            }
            rows.extend(range.clone().map(|_| u32::try_from(row).ok()));
            range.for_each(|index| picker.push(index));
            picker.close()?;
        }
        let mut gathered = Vec::with_capacity(columns.len());
        let count = rows.len();
        let indices = picker.indices();
        for column in columns {
            gathered.push(match first {
                Some(first) if is_contiguous => column.slice(first, count),
                None => column.slice(0, 0),
                Some(_) => arrow::compute::take(column.as_ref(), &indices, None)?,
            });
        }
        Ok(Self {
            columns: gathered,
            offsets: picker.offsets(),
            nulls,
            rows: UInt32Array::from(rows),
        })
    }

    /// Returns a column of the items.
    pub(super) fn column(&self, place: usize) -> Result<&ArrayRef> {
        self.columns
            .get(place)
            .ok_or_else(|| internal("items without their column"))
    }

    /// Calls a lambda for each item with the items' columns.
    pub(super) fn call(&self, lambda: &LambdaArgument) -> Result<ArrayRef> {
        call(lambda, &self.columns, &self.rows)
    }

    /// Calls a predicate for each item.
    pub(super) fn test(&self, lambda: &LambdaArgument) -> Result<BooleanArray> {
        let answers = self.call(lambda)?;
        let answers = cast(&answers, &DataType::Boolean)?;
        Ok(answers.as_boolean().clone())
    }

    /// Returns where the row's items are.
    pub(super) fn ranges(&self) -> Vec<std::ops::Range<usize>> {
        let position = |offset: &i32| usize::try_from(*offset).unwrap_or(0);
        self.offsets
            .iter()
            .zip(self.offsets.iter().skip(1))
            .map(|(start, end)| position(start)..position(end))
            .collect()
    }
}

/// Calls a lambda for each item, of which `rows` says the row.
pub(super) fn call(
    lambda: &LambdaArgument,
    columns: &[ArrayRef],
    rows: &UInt32Array,
) -> Result<ArrayRef> {
    let count = columns.first().map_or(0, |column| column.len());
    let parameters: Vec<_> = columns
        .iter()
        .map(|column| move || Ok(ArrayRef::clone(column)))
        .collect();
    let parameters: Vec<&dyn Fn() -> Result<ArrayRef>> = parameters
        .iter()
        .map(|parameter| parameter as &dyn Fn() -> Result<ArrayRef>)
        .collect();
    let answers = lambda.evaluate(&parameters, |captured| {
        Ok(take_arrays(captured, rows, None)?)
    })?;
    answers.into_array(count)
}
