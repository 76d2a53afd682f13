//! `tdigest_agg` and `qdigest_agg`, and digests merged into one.

use std::fmt::Debug;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use super::function::{Aggregate, only};
use super::sum::primitives;
use crate::presto::functions::digests::{QuantileDigest, TDigest, to_sortable};
use crate::presto::functions::kinds::Kind;
use crate::presto::functions::shared::{failure, internal, invalid, normal, unexpected};
use crate::presto::numbers::java_double;

const ACCURACY: f64 = 0.01;
/// How much the accuracies of digests may differ that are merged, as a part of them.
const SAME_ACCURACY: f64 = 1e-6;

pub(super) fn definitions() -> Vec<Aggregate> {
    vec![
        Aggregate {
            kind: |_| Ok(Some(Kind::TDigest)),
            ..Aggregate::new("tdigest_agg", coerce_tdigest, binary, |_| {
                Ok(Box::new(Digesting::new(add_to_tdigest, absorb)))
            })
        },
        Aggregate {
            kind: kind_of_qdigest,
            ..Aggregate::new("qdigest_agg", coerce_qdigest, binary, |_| {
                Ok(Box::new(Digesting::new(add_to_qdigest, absorb)))
            })
        },
    ]
}

/// Returns what merges digests of the kind; none for what is no digest.
pub(super) fn merging(kind: Kind) -> Option<Box<dyn Accumulator>> {
    Some(match kind {
        Kind::TDigest => Box::new(Digesting::new(merge_tdigests, absorb)),
        Kind::QDigestOfBigint | Kind::QDigestOfDouble | Kind::QDigestOfReal => {
            Box::new(Digesting::new(merge_qdigests, merge_same))
        }
        _ => return None,
    })
}

fn binary(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Binary)
}

fn coerce_tdigest(types: &[DataType]) -> Result<Vec<DataType>> {
    let is_number = |t: &DataType| t.is_numeric() || t.is_null();
    match types {
        [_] | [_, _] if types.iter().all(is_number) => Ok(vec![DataType::Float64; types.len()]),
        _ => Err(unexpected("tdigest_agg", types)),
    }
}

fn coerce_qdigest(types: &[DataType]) -> Result<Vec<DataType>> {
    let wrong = || unexpected("qdigest_agg", types);
    let (value, rest) = types.split_first().ok_or_else(wrong)?;
    let value = match normal(value) {
        t if t.is_integer() || t.is_null() => DataType::Int64,
        DataType::Float64 => DataType::Float64,
        t if t.is_numeric() => DataType::Float32,
        _ => return Err(wrong()),
    };
    let is_weight = |t: &DataType| t.is_integer() || t.is_null();
    Ok(match rest {
        [] => vec![value],
        [weight] if is_weight(weight) => vec![value, DataType::Int64],
        [weight, accuracy]
            if is_weight(weight) && (accuracy.is_numeric() || accuracy.is_null()) =>
        {
            vec![value, DataType::Int64, DataType::Float64]
        }
        _ => return Err(wrong()),
    })
}

fn kind_of_qdigest(arguments: &[FieldRef]) -> Result<Option<Kind>> {
    let types: Vec<DataType> = arguments.iter().map(|f| f.data_type().clone()).collect();
    Ok(Some(match coerce_qdigest(&types)?.first() {
        Some(DataType::Float64) => Kind::QDigestOfDouble,
        Some(DataType::Float32) => Kind::QDigestOfReal,
        _ => Kind::QDigestOfBigint,
    }))
}

/// A sketch, and how parts of one go from a partial to a final aggregation.
pub(super) trait Digest: Debug + Send + Sync + Sized + 'static {
    fn read(bytes: &[u8]) -> Result<Self>;
    fn write(&mut self) -> Vec<u8>;
    fn write_part(&mut self) -> Vec<u8>;
    fn add_part(&mut self, part: Self) -> Result<()>;
    fn count(&self) -> f64;
    fn bytes(&self) -> usize;
}

impl Digest for TDigest {
    fn read(bytes: &[u8]) -> Result<Self> {
        Self::deserialize(bytes)
    }

    fn write(&mut self) -> Vec<u8> {
        self.serialize()
    }

    // Few values give the answers of Trino's one pass, however they are spread over partitions.
    fn write_part(&mut self) -> Vec<u8> {
        self.as_it_is()
    }

    fn add_part(&mut self, part: Self) -> Result<()> {
        self.absorb(&part)
    }

    fn count(&self) -> f64 {
        self.count()
    }

    fn bytes(&self) -> usize {
        self.size()
    }
}

impl Digest for QuantileDigest {
    fn read(bytes: &[u8]) -> Result<Self> {
        Self::deserialize(bytes)
    }

    fn write(&mut self) -> Vec<u8> {
        self.serialize()
    }

    fn write_part(&mut self) -> Vec<u8> {
        self.serialize()
    }

    fn add_part(&mut self, part: Self) -> Result<()> {
        self.merge(part);
        Ok(())
    }

    fn count(&self) -> f64 {
        self.count()
    }

    fn bytes(&self) -> usize {
        self.size()
    }
}

/// Reads the digests of a column that are not NULL.
pub(super) fn each<D: Digest>(
    column: &ArrayRef,
    mut take: impl FnMut(usize, D) -> Result<()>,
) -> Result<()> {
    let values = column
        .as_binary_opt::<i32>()
        .ok_or_else(|| internal("a digest is binary"))?;
    for (row, bytes) in values.iter().enumerate() {
        if let Some(bytes) = bytes {
            take(row, D::read(bytes)?)?;
        }
    }
    Ok(())
}

/// Puts a part of a digest to the others.
pub(super) fn absorb<D: Digest>(digest: &mut Option<D>, part: D) -> Result<()> {
    match digest {
        Some(digest) => digest.add_part(part),
        None => {
            *digest = Some(part);
            Ok(())
        }
    }
}

fn merge_same(digest: &mut Option<QuantileDigest>, other: QuantileDigest) -> Result<()> {
    if let Some(digest) = digest {
        let (own, new) = (digest.max_error(), other.max_error());
        let is_same = own == new || (own - new).abs() / (own.abs() + new.abs()) < SAME_ACCURACY;
        if !is_same {
            return Err(failure(
                "GENERIC_INTERNAL_ERROR",
                format!(
                    "Cannot merge qdigests with different accuracies ({} vs. {})",
                    java_double(own),
                    java_double(new)
                ),
            ));
        }
    }
    absorb(digest, other)
}

/// Adds the rows of a batch.
type Add<D> = fn(&mut Option<D>, &[ArrayRef]) -> Result<()>;
/// Puts what comes from a partial aggregation to the others.
type Combine<D> = fn(&mut Option<D>, D) -> Result<()>;

/// The digest of one group.
#[derive(Debug)]
struct Digesting<D: Digest> {
    digest: Option<D>,
    add: Add<D>,
    combine: Combine<D>,
}

impl<D: Digest> Digesting<D> {
    fn new(add: Add<D>, combine: Combine<D>) -> Self {
        Self {
            digest: None,
            add,
            combine,
        }
    }
}

fn merge_tdigests(digest: &mut Option<TDigest>, columns: &[ArrayRef]) -> Result<()> {
    each(only(columns)?, |_, other| {
        match digest {
            Some(digest) => digest.merge(other),
            None => *digest = Some(other),
        }
        Ok(())
    })
}

fn merge_qdigests(digest: &mut Option<QuantileDigest>, columns: &[ArrayRef]) -> Result<()> {
    each(only(columns)?, |_, other| merge_same(digest, other))
}

fn add_to_tdigest(digest: &mut Option<TDigest>, columns: &[ArrayRef]) -> Result<()> {
    let values = primitives::<Float64Type>(only(columns)?)?;
    let weights = match columns.get(1) {
        Some(weights) => Some(primitives::<Float64Type>(weights)?),
        None => None,
    };
    for row in 0..values.len() {
        if values.is_null(row) || weights.is_some_and(|weights| weights.is_null(row)) {
            continue;
        }
        let weight = match weights {
            Some(weights) => checked_weight(weights.value(row))?,
            None => 1.0,
        };
        let digest = digest.get_or_insert_with(TDigest::new);
        digest.add(values.value(row), weight)?;
    }
    Ok(())
}

/// Refuses the weight of a value that no t-digest takes.
pub(super) fn checked_weight(weight: f64) -> Result<f64> {
    if !weight.is_finite() {
        let shown = java_double(weight);
        return Err(invalid(format!("weight must be finite, was {shown}")));
    }
    if weight < 1.0 {
        let shown = java_double(weight);
        return Err(invalid(format!("weight must be >= 1, was {shown}")));
    }
    Ok(weight)
}

fn add_to_qdigest(digest: &mut Option<QuantileDigest>, columns: &[ArrayRef]) -> Result<()> {
    let values = to_sortable(only(columns)?)?;
    let weights = match columns.get(1) {
        Some(weights) => Some(primitives::<Int64Type>(weights)?),
        None => None,
    };
    let accuracies = match columns.get(2) {
        Some(accuracies) => Some(primitives::<Float64Type>(accuracies)?),
        None => None,
    };
    for row in 0..values.len() {
        if columns.iter().any(|column| column.is_null(row)) {
            continue;
        }
        let accuracy = accuracies.map_or(ACCURACY, |accuracies| accuracies.value(row));
        if !(accuracy > 0.0 && accuracy < 1.0) {
            return Err(invalid(format!(
                "Percentile accuracy must be exclusively between 0 and 1, was {}",
                java_double(accuracy)
            )));
        }
        let weight = weights.map_or(1, |weights| weights.value(row));
        if weight <= 0 {
            return Err(invalid(format!(
                "Percentile weight must be > 0, was {weight}"
            )));
        }
        let digest = digest.get_or_insert_with(|| QuantileDigest::new(accuracy));
        digest.add(values.value(row), weight as f64);
    }
    Ok(())
}

impl<D: Digest> Accumulator for Digesting<D> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        (self.add)(&mut self.digest, values)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        each(only(states)?, |_, part| {
            (self.combine)(&mut self.digest, part)
        })
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(self.digest.as_mut().map(D::write)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let part = self.digest.as_mut().map(D::write_part);
        Ok(vec![ScalarValue::Binary(part)])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.digest.as_ref().map_or(0, D::bytes)
    }
}
