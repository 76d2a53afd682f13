//! Equality of arrays, maps and rows: NULL if something within is NULL and nothing else within differs.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, BooleanBuilder, UInt32Array,
    make_comparator,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::kernels::cmp;
use arrow::compute::{SortOptions, and_kleene, take};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs};

use super::function::{Kernel, by_arrays, call, unexpected};

/// Returns `left = right` of two arrays, maps or rows; none of other types.
pub(super) fn equal(left: &Expr, right: &Expr, fields: (&Field, &Field)) -> Option<Expr> {
    use DataType as T;
    match (fields.0.data_type(), fields.1.data_type()) {
        // Field by field, so that joins find what is equal on both sides.
        (T::Struct(left_fields), T::Struct(right_fields)) => {
            let pairs = left_fields.iter().zip(right_fields);
            conjunction(pairs.map(|(left_field, right_field)| {
                let left = get_field(left.clone(), left_field.name().clone());
                let right = get_field(right.clone(), right_field.name().clone());
                let equal = equal(&left, &right, (left_field, right_field));
                equal.unwrap_or_else(|| left.eq(right))
            }))
        }
        (T::List(_), T::List(_)) | (T::Map(_, _), T::Map(_, _)) => {
            Some(call(NestedEqual, vec![left.clone(), right.clone()]))
        }
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NestedEqual;

impl Kernel for NestedEqual {
    fn name(&self) -> &'static str {
        "nested_equal"
    }

    fn coerce(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = types else {
            return Err(unexpected("sides"));
        };
        let common = comparison_coercion(left, right);
        let common = common.ok_or_else(|| unexpected("types of sides"))?;
        Ok(vec![common.clone(), common])
    }

    fn returns(&self, _: &ReturnFieldArgs<'_>) -> Result<Field> {
        Ok(Field::new(self.name(), DataType::Boolean, true))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        by_arrays(args, |arrays| match arrays {
            [left, right] => Ok(Arc::new(compare(left, right)?)),
            _ => Err(unexpected("sides")),
        })
    }
}

/// Compares values row by row.
fn compare(left: &ArrayRef, right: &ArrayRef) -> Result<BooleanArray> {
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    match left.data_type() {
        DataType::Float32 => Ok(numbers::<Float32Type>(left, right, |l, r| l == r)),
        DataType::Float64 => Ok(numbers::<Float64Type>(left, right, |l, r| l == r)),
        DataType::Struct(_) => {
            let (left, right) = (left.as_struct(), right.as_struct());
            let mut all = BooleanArray::from(vec![true; left.len()]);
            for (left, right) in left.columns().iter().zip(right.columns()) {
                all = and_kleene(&all, &compare(left, right)?)?;
            }
            let nulls = NullBuffer::union(all.nulls(), nulls.as_ref());
            Ok(BooleanArray::new(all.values().clone(), nulls))
        }
        DataType::List(_) => {
            let (left, right) = (left.as_list::<i32>(), right.as_list::<i32>());
            let mut pairs = Pairs::default();
            for row in 0..left.len() {
                let (l, r) = (range(left.offsets(), row), range(right.offsets(), row));
                let is_as_long = l.len() == r.len();
                if is_as_long && !is_null(row) {
                    l.zip(r).for_each(|(l, r)| pairs.push(l, r));
                }
                pairs.close(is_as_long);
            }
            pairs.compare(left.values(), right.values(), is_null)
        }
        DataType::Map(_, _) => {
            let (left, right) = (left.as_map(), right.as_map());
            let keys = make_comparator(left.keys(), right.keys(), SortOptions::default())?;
            let mut pairs = Pairs::default();
            for row in 0..left.len() {
                let (l, r) = (range(left.offsets(), row), range(right.offsets(), row));
                let mut has_same_keys = l.len() == r.len();
                if has_same_keys && !is_null(row) {
                    for l in l {
                        match r.clone().find(|r| keys(l, *r).is_eq()) {
                            Some(r) => pairs.push(l, r),
                            None => has_same_keys = false,
                        }
                    }
                }
                pairs.close(has_same_keys);
            }
            pairs.compare(left.values(), right.values(), is_null)
        }
        _ => Ok(cmp::eq(left, right)?),
    }
}

fn numbers<T: ArrowPrimitiveType>(
    left: &ArrayRef,
    right: &ArrayRef,
    equal: fn(T::Native, T::Native) -> bool,
) -> BooleanArray {
    let (left, right) = (left.as_primitive::<T>(), right.as_primitive::<T>());
    BooleanArray::from_binary(left, right, equal)
}

fn range(offsets: &OffsetBuffer<i32>, row: usize) -> Range<usize> {
    let at = |row: usize| {
        offsets
            .get(row)
            .and_then(|offset| usize::try_from(*offset).ok())
    };
    at(row).unwrap_or(0)..at(row + 1).unwrap_or(0)
}

/// The elements that belong to each other in two columns, row by row.
#[derive(Debug, Default)]
struct Pairs {
    left: Vec<u32>,
    right: Vec<u32>,
    /// Where each row's pairs end, and whether every element has one.
    rows: Vec<(usize, bool)>,
}

impl Pairs {
    fn push(&mut self, left: usize, right: usize) {
        self.left.push(left as u32);
        self.right.push(right as u32);
    }

    fn close(&mut self, is_complete: bool) {
        self.rows.push((self.left.len(), is_complete));
    }

    fn compare(
        self,
        left: &ArrayRef,
        right: &ArrayRef,
        is_null: impl Fn(usize) -> bool,
    ) -> Result<BooleanArray> {
        let left = take(left, &UInt32Array::from(self.left), None)?;
        let right = take(right, &UInt32Array::from(self.right), None)?;
        let equal = compare(&left, &right)?;
        let mut rows = BooleanBuilder::with_capacity(self.rows.len());
        let mut begin = 0;
        for (row, (end, is_complete)) in self.rows.into_iter().enumerate() {
            let elements = equal.slice(begin, end - begin);
            begin = end;
            rows.append_option(if is_null(row) {
                None
            } else if !is_complete || elements.has_false() {
                Some(false)
            } else {
                (elements.null_count() == 0).then_some(true)
            });
        }
        Ok(rows.finish())
    }
}
