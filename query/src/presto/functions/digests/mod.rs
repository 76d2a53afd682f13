//! Quantile sketches, `tdigest` and `qdigest(T)`: they keep about where values lie, in little room.
//!
//! Both are what the library `airlift` makes of the same values in the same order, down to the bytes they are stored as:
//! a digest that a Trino server has written can be read and merged here, and the other way round.

mod bytes;
mod qdigest;
mod sort;
mod sortable;
mod tdigest;
#[cfg(test)]
mod tests;
mod tree;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::error::{DataFusionError, Result};

pub(in crate::presto::functions) use self::qdigest::QuantileDigest;
pub(in crate::presto::functions) use self::sortable::{from_sortable, to_sortable};
pub(in crate::presto::functions) use self::tdigest::TDigest;
use super::aggregates::empty_sketch;
use super::call::{Bytes, Call, Double, Output, invalid};
use super::kinds::Kind;
use super::scalar::{Entry, Planned};
use super::shared::{failure, internal, list_of};

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("empty_approx_set", |call| {
        call.build_bytes(|_, out| {
            out.extend(empty_sketch());
            Ok(true)
        })
    }),
    Entry::new("quantile_at_value", quantile_at_value),
    Entry::new("value_at_quantile", value_at_quantile),
    Entry::new("values_at_quantiles", values_at_quantiles).returning(list_of_values),
];

/// Returns the error of what Trino checks, and does not call the user's fault.
fn refused(message: impl Into<String>) -> DataFusionError {
    failure("GENERIC_INTERNAL_ERROR", message)
}

/// Returns the bytes of a t-digest as Trino writes them: what is read may hold more groups of values than needed.
pub(crate) fn rewritten_tdigest(bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(TDigest::deserialize(bytes)?.serialize())
}

/// Refuses bytes that are no t-digest.
pub(crate) fn check_tdigest(bytes: &[u8]) -> Result<()> {
    TDigest::deserialize(bytes).map(|_| ())
}

fn kind(call: &Call) -> Kind {
    call.fields
        .first()
        .map_or(Kind::Unknown, |field| Kind::of(field))
}

fn value_at_quantile(call: &Call) -> Result<ArrayRef> {
    if kind(call) == Kind::TDigest {
        return call.map2::<Bytes, Double, f64>(|bytes, quantile| {
            let found = TDigest::deserialize(bytes)?.values_at(&[quantile])?;
            Ok(found.first().copied())
        });
    }
    let sortable = i64::collect(call.rows, |row| {
        let (Some(bytes), Some(quantile)) = (call.get::<Bytes>(0, row), call.get::<Double>(1, row))
        else {
            return Ok(None);
        };
        let digest = QuantileDigest::deserialize(bytes)?;
        Ok(Some(digest.value_at(quantile)?))
    })?;
    from_sortable(&sortable, &call.returns)
}

fn list_of_values(planned: &Planned<'_>) -> Result<DataType> {
    Ok(list_of(match planned.returns {
        "array(bigint)" => DataType::Int64,
        "array(real)" => DataType::Float32,
        _ => DataType::Float64,
    }))
}

fn values_at_quantiles(call: &Call) -> Result<ArrayRef> {
    let (is_tdigest, quantiles) = (kind(call) == Kind::TDigest, Quantiles::new(call)?);
    let mut lengths = Vec::with_capacity(call.rows);
    let mut valid = Vec::with_capacity(call.rows);
    let (mut doubles, mut sortable) = (Vec::new(), Vec::new());
    for row in 0..call.rows {
        let (Some(bytes), Some(wanted)) = (call.get::<Bytes>(0, row), quantiles.row(row)) else {
            lengths.push(0);
            valid.push(false);
            continue;
        };
        lengths.push(wanted.len());
        valid.push(true);
        if is_tdigest {
            if !wanted.is_sorted_by(|a, b| a.total_cmp(b).is_le()) {
                return Err(invalid("percentiles must be sorted in increasing order"));
            }
            doubles.extend(TDigest::deserialize(bytes)?.values_at(&wanted)?);
        } else {
            let digest = QuantileDigest::deserialize(bytes)?;
            for quantile in wanted {
                sortable.push(digest.value_at(quantile)?);
            }
        }
    }
    let DataType::List(item) = &call.returns else {
        return Err(internal("expected to return a list"));
    };
    let values: ArrayRef = if is_tdigest {
        Arc::new(arrow::array::Float64Array::from(doubles))
    } else {
        let sortable: ArrayRef = Arc::new(arrow::array::Int64Array::from(sortable));
        from_sortable(&sortable, item.data_type())?
    };
    let list = ListArray::try_new(
        Arc::clone(item),
        OffsetBuffer::from_lengths(lengths),
        values,
        Some(valid.into()),
    )?;
    Ok(Arc::new(list))
}

/// The arrays of quantiles that are asked for.
struct Quantiles {
    lists: ListArray,
    stride: usize,
}

impl Quantiles {
    fn new(call: &Call) -> Result<Self> {
        let (column, stride) = call
            .columns
            .get(1)
            .ok_or_else(|| internal("an argument is missing"))?;
        let doubles = DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)));
        let lists = arrow::compute::cast(column, &doubles)?;
        Ok(Self {
            lists: lists.as_list().clone(),
            stride: *stride,
        })
    }

    /// Returns the quantiles of a row; NULL is read as zero, as Trino does.
    fn row(&self, row: usize) -> Option<Vec<f64>> {
        let row = row * self.stride;
        self.lists.is_valid(row).then(|| {
            let values = self.lists.value(row);
            let values = values.as_primitive::<Float64Type>();
            values.iter().map(Option::unwrap_or_default).collect()
        })
    }
}

fn quantile_at_value(call: &Call) -> Result<ArrayRef> {
    let values = to_sortable(call.array(1)?)?;
    f64::collect(call.rows, |row| {
        let Some(bytes) = call.get::<Bytes>(0, row).filter(|_| !call.is_null(1, row)) else {
            return Ok(None);
        };
        let digest = QuantileDigest::deserialize(bytes)?;
        Ok(digest.quantile_at(values.value(call.row(1, row))))
    })
}
