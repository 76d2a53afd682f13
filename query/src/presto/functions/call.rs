//! One call of a scalar function over a batch: typed views of the arguments, and builders of the result.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BinaryBuilder, BooleanArray,
    PrimitiveArray, StringArray, StringBuilder,
};
use arrow::datatypes::{
    DataType, FieldRef, Float32Type, Float64Type, Int8Type, Int32Type, Int64Type,
};
use datafusion::error::Result;

use super::shared::internal;
pub(super) use super::shared::{failure, invalid, out_of_range};
use crate::presto::type_parser::{TextLength, text_length};

/// Arguments in the types of the chosen overload; a constant has one row.
pub(super) struct Call {
    pub(super) columns: Vec<(ArrayRef, usize)>,
    pub(super) rows: usize,
    pub(super) returns: DataType,
    /// The session's time zone.
    pub(super) zone: Arc<str>,
    /// The arguments' fields as they came.
    pub(super) fields: Vec<FieldRef>,
}

/// Values of one argument by row.
pub(super) struct View<'a, A> {
    array: &'a A,
    stride: usize,
}

/// How values of one kind are read.
pub(super) trait Reader {
    /// What is read.
    type Item<'a>;
    /// Where from.
    type Array: Array + 'static;
    fn value(array: &Self::Array, row: usize) -> Self::Item<'_>;
}

macro_rules! reader {
    ($name:ident, $array:ty, $item:ty) => {
        pub(super) struct $name;
        impl Reader for $name {
            type Item<'a> = $item;
            type Array = $array;
            fn value(array: &Self::Array, row: usize) -> $item {
                array.value(row)
            }
        }
    };
}

reader!(Long, PrimitiveArray<Int64Type>, i64);
reader!(Int, PrimitiveArray<Int32Type>, i32);
reader!(Double, PrimitiveArray<Float64Type>, f64);
reader!(Real, PrimitiveArray<Float32Type>, f32);
reader!(Flag, BooleanArray, bool);

pub(super) struct Text;
impl Reader for Text {
    type Item<'a> = &'a str;
    type Array = StringArray;
    fn value(array: &StringArray, row: usize) -> &str {
        array.value(row)
    }
}

pub(super) struct Bytes;
impl Reader for Bytes {
    type Item<'a> = &'a [u8];
    type Array = BinaryArray;
    fn value(array: &BinaryArray, row: usize) -> &[u8] {
        array.value(row)
    }
}

impl<A: Array> View<'_, A> {
    pub(super) fn row(&self, row: usize) -> Option<usize> {
        let row = row * self.stride;
        self.array.is_valid(row).then_some(row)
    }
}

/// Builds a column of values.
pub(super) trait Output: Sized {
    fn collect(rows: usize, next: impl FnMut(usize) -> Result<Option<Self>>) -> Result<ArrayRef>;
}

fn primitives<P: ArrowPrimitiveType>(
    rows: usize,
    next: impl FnMut(usize) -> Result<Option<P::Native>>,
) -> Result<ArrayRef> {
    let values: Result<PrimitiveArray<P>> = (0..rows).map(next).collect();
    Ok(Arc::new(values?))
}

macro_rules! output {
    ($native:ty, $arrow:ty) => {
        impl Output for $native {
            fn collect(
                rows: usize,
                next: impl FnMut(usize) -> Result<Option<Self>>,
            ) -> Result<ArrayRef> {
                primitives::<$arrow>(rows, next)
            }
        }
    };
}

output!(i64, Int64Type);
output!(i32, Int32Type);
output!(i8, Int8Type);
output!(f64, Float64Type);
output!(f32, Float32Type);

impl Output for bool {
    fn collect(rows: usize, next: impl FnMut(usize) -> Result<Option<Self>>) -> Result<ArrayRef> {
        let values: Result<BooleanArray> = (0..rows).map(next).collect();
        Ok(Arc::new(values?))
    }
}

impl Output for String {
    fn collect(rows: usize, next: impl FnMut(usize) -> Result<Option<Self>>) -> Result<ArrayRef> {
        let values: Result<StringArray> = (0..rows).map(next).collect();
        Ok(Arc::new(values?))
    }
}

impl Output for Vec<u8> {
    fn collect(
        rows: usize,
        mut next: impl FnMut(usize) -> Result<Option<Self>>,
    ) -> Result<ArrayRef> {
        let mut builder = BinaryBuilder::new();
        for row in 0..rows {
            builder.append_option(next(row)?);
        }
        Ok(Arc::new(builder.finish()))
    }
}

impl Call {
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn array(&self, position: usize) -> Result<&ArrayRef> {
        let column = self.columns.get(position);
        column
            .map(|(array, _)| array)
            .ok_or_else(|| internal("an argument is missing"))
    }

    pub(super) fn data_type(&self, position: usize) -> DataType {
        self.columns
            .get(position)
            .map_or(DataType::Null, |(array, _)| array.data_type().clone())
    }

    /// Returns the row of an argument's array that a row of the batch reads.
    pub(super) fn row(&self, position: usize, row: usize) -> usize {
        let stride = self.columns.get(position).map_or(0, |(_, stride)| *stride);
        row * stride
    }

    /// Returns whether an argument is null in a row.
    pub(super) fn is_null(&self, position: usize, row: usize) -> bool {
        self.columns
            .get(position)
            // An array of no type has no null bits.
            .is_none_or(|(array, stride)| {
                *array.data_type() == DataType::Null || array.is_null(row * stride)
            })
    }

    /// Returns whether an argument is of `char(n)`, whose values are padded with spaces.
    pub(super) fn is_char(&self, position: usize) -> bool {
        let field = self.fields.get(position);
        field.is_some_and(|field| matches!(text_length(field), TextLength::Char(_)))
    }

    /// Returns whether any argument is null in a row.
    pub(super) fn any_null(&self, row: usize) -> bool {
        (0..self.columns.len()).any(|position| self.is_null(position, row))
    }

    pub(super) fn view<R: Reader>(&self, position: usize) -> Result<View<'_, R::Array>> {
        let (array, stride) = self
            .columns
            .get(position)
            .ok_or_else(|| internal("an argument is missing"))?;
        let array = array
            .as_any()
            .downcast_ref::<R::Array>()
            .ok_or_else(|| internal("an argument has another type than its overload says"))?;
        Ok(View {
            array,
            stride: *stride,
        })
    }

    pub(super) fn map1<A: Reader, O: Output>(
        &self,
        mut f: impl FnMut(A::Item<'_>) -> Result<Option<O>>,
    ) -> Result<ArrayRef> {
        let a = self.view::<A>(0)?;
        O::collect(self.rows, |row| match a.row(row) {
            Some(at) => f(A::value(a.array, at)),
            None => Ok(None),
        })
    }

    pub(super) fn map2<A: Reader, B: Reader, O: Output>(
        &self,
        mut f: impl FnMut(A::Item<'_>, B::Item<'_>) -> Result<Option<O>>,
    ) -> Result<ArrayRef> {
        let (a, b) = (self.view::<A>(0)?, self.view::<B>(1)?);
        O::collect(self.rows, |row| match (a.row(row), b.row(row)) {
            (Some(i), Some(j)) => f(A::value(a.array, i), B::value(b.array, j)),
            _ => Ok(None),
        })
    }

    pub(super) fn map3<A: Reader, B: Reader, C: Reader, O: Output>(
        &self,
        mut f: impl FnMut(A::Item<'_>, B::Item<'_>, C::Item<'_>) -> Result<Option<O>>,
    ) -> Result<ArrayRef> {
        let (a, b, c) = (self.view::<A>(0)?, self.view::<B>(1)?, self.view::<C>(2)?);
        O::collect(self.rows, |row| {
            match (a.row(row), b.row(row), c.row(row)) {
                (Some(i), Some(j), Some(k)) => f(
                    A::value(a.array, i),
                    B::value(b.array, j),
                    C::value(c.array, k),
                ),
                _ => Ok(None),
            }
        })
    }

    /// Returns a value of a row.
    pub(super) fn get<R: Reader>(&self, position: usize, row: usize) -> Option<R::Item<'_>> {
        let (array, stride) = self.columns.get(position)?;
        let row = row * stride;
        let array = array.as_any().downcast_ref::<R::Array>()?;
        array.is_valid(row).then(|| R::value(array, row))
    }

    /// Builds texts in one buffer; `false` is NULL.
    pub(super) fn build_text(
        &self,
        mut write: impl FnMut(usize, &mut String) -> Result<bool>,
    ) -> Result<ArrayRef> {
        let mut builder = StringBuilder::with_capacity(self.rows, self.rows * 8);
        let mut out = String::new();
        for row in 0..self.rows {
            out.clear();
            if write(row, &mut out)? {
                builder.append_value(&out);
            } else {
                builder.append_null();
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Builds texts from one text each.
    pub(super) fn text1(
        &self,
        mut write: impl FnMut(&str, &mut String) -> Result<bool>,
    ) -> Result<ArrayRef> {
        self.build_text(|row, out| match self.get::<Text>(0, row) {
            Some(text) => write(text, out),
            None => Ok(false),
        })
    }

    /// Builds byte strings in one buffer; `false` is NULL.
    pub(super) fn build_bytes(
        &self,
        mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<bool>,
    ) -> Result<ArrayRef> {
        let mut builder = BinaryBuilder::with_capacity(self.rows, self.rows * 8);
        let mut out = Vec::new();
        for row in 0..self.rows {
            out.clear();
            if write(row, &mut out)? {
                builder.append_value(&out);
            } else {
                builder.append_null();
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Builds a column of a primitive type.
    pub(super) fn build<O: Output>(
        &self,
        next: impl FnMut(usize) -> Result<Option<O>>,
    ) -> Result<ArrayRef> {
        O::collect(self.rows, next)
    }

    pub(super) fn primitive<P: ArrowPrimitiveType>(
        &self,
        position: usize,
    ) -> Result<&PrimitiveArray<P>> {
        self.array(position)?
            .as_primitive_opt::<P>()
            .ok_or_else(|| internal("an argument has another type than its overload says"))
    }
}

/// What was prepared for the last key: patterns and formats mostly stay the same from row to row.
pub(super) struct Memo<T> {
    last: Option<(String, T)>,
}

impl<T> Memo<T> {
    pub(super) const fn new() -> Self {
        Self { last: None }
    }

    /// Returns what `prepare` makes of the key.
    pub(super) fn get(&mut self, key: &str, prepare: impl FnOnce(&str) -> Result<T>) -> Result<&T> {
        let is_known = self.last.as_ref().is_some_and(|(last, _)| last == key);
        if !is_known {
            self.last = Some((key.to_owned(), prepare(key)?));
        }
        match &self.last {
            Some((_, prepared)) => Ok(prepared),
            None => Err(internal("nothing was prepared")),
        }
    }
}
