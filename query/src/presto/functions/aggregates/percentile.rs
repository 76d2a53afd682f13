//! `approx_percentile`: of a t-digest, or of a q-digest if an accuracy is given.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use super::digests::{Digest, absorb, checked_weight, each};
use super::function::{Aggregate, Inputs};
use super::sum::primitives;
use crate::presto::functions::digests::{QuantileDigest, TDigest, from_sortable, to_sortable};
use crate::presto::functions::shared::{Lists, internal, invalid, list_of, normal, unexpected};
use crate::presto::numbers::java_double;

pub(super) fn definition() -> Aggregate {
    Aggregate {
        state: |_| vec![DataType::Binary, list_of(DataType::Float64)],
        ..Aggregate::new("approx_percentile", coerce, returns, |inputs| {
            Ok(match inputs.arguments {
                4 => Box::new(Percentiles::new(inputs, add_to_qdigest, of_qdigest)),
                _ => Box::new(Percentiles::new(inputs, add_to_tdigest, of_tdigest)),
            })
        })
    }
}

fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
    let wrong = || unexpected("approx_percentile", types);
    let (value, rest) = types.split_first().ok_or_else(wrong)?;
    let value = match normal(value) {
        t if t.is_integer() => DataType::Int64,
        DataType::Null => DataType::Int64,
        DataType::Float64 => DataType::Float64,
        t if t.is_numeric() => DataType::Float32,
        _ => return Err(wrong()),
    };
    let number = |t: &DataType| t.is_numeric() || *t == DataType::Null;
    let percentile = |t: &DataType| match normal(t) {
        DataType::List(item) if number(item.data_type()) => Some(list_of(DataType::Float64)),
        t if number(&t) => Some(DataType::Float64),
        _ => None,
    };
    let mut coerced = vec![value];
    match rest {
        [p] => coerced.push(percentile(p).ok_or_else(wrong)?),
        [weight, p] if number(weight) => {
            coerced.push(DataType::Float64);
            coerced.push(percentile(p).ok_or_else(wrong)?);
        }
        [weight, p, accuracy] if number(weight) && number(p) && number(accuracy) => {
            coerced.extend([DataType::Float64, DataType::Float64, DataType::Float64]);
        }
        _ => return Err(wrong()),
    }
    Ok(coerced)
}

/// Where the percentile is among the arguments.
fn place(arguments: usize) -> usize {
    if arguments <= 2 { 1 } else { 2 }
}

fn returns(types: &[DataType]) -> Result<DataType> {
    let value = types
        .first()
        .cloned()
        .ok_or_else(|| internal("expected a value"))?;
    Ok(match types.get(place(types.len())) {
        Some(DataType::List(_)) => list_of(value),
        _ => value,
    })
}

/// Adds the values of the rows where no argument is NULL.
type Add<D> = fn(&mut Option<D>, &[ArrayRef], &[usize]) -> Result<()>;
/// Returns the values at percentiles, of a type.
type Answer<D> = fn(&mut D, &[f64], &DataType) -> Result<ArrayRef>;

/// The digest of one group, and the percentiles wanted.
#[derive(Debug)]
struct Percentiles<D: Digest> {
    returns: DataType,
    value_type: DataType,
    /// Where the percentile is among the arguments.
    place: usize,
    digest: Option<D>,
    wanted: Vec<f64>,
    add: Add<D>,
    answer: Answer<D>,
}

impl<D: Digest> Percentiles<D> {
    fn new(inputs: &Inputs, add: Add<D>, answer: Answer<D>) -> Self {
        Self {
            returns: inputs.returns.clone(),
            value_type: inputs.argument(0),
            place: place(inputs.arguments),
            digest: None,
            wanted: Vec::new(),
            add,
            answer,
        }
    }

    fn is_of_many(&self) -> bool {
        matches!(self.returns, DataType::List(_))
    }

    /// Takes the percentiles of the first row if they are many, else the one of the last row.
    fn want(&mut self, percentiles: &ArrayRef, rows: &[usize]) -> Result<()> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(());
        };
        if !self.is_of_many() {
            let percentiles = primitives::<Float64Type>(percentiles)?;
            self.wanted = vec![percentiles.value(*last)];
            return Ok(());
        }
        if self.digest.is_some() {
            return Ok(());
        }
        let lists = Lists::new(percentiles)?;
        let values = primitives::<Float64Type>(lists.values())?;
        let range = lists.range(*first);
        if range.clone().any(|index| values.is_null(index)) {
            return Err(invalid("Percentile cannot be null"));
        }
        self.wanted = range.map(|index| values.value(index)).collect();
        check_percentiles(&self.wanted)
    }
}

fn check_percentiles(wanted: &[f64]) -> Result<()> {
    if wanted.iter().all(|p| (0.0..=1.0).contains(p)) {
        return Ok(());
    }
    Err(invalid("Percentile must be between 0 and 1"))
}

impl<D: Digest> Accumulator for Percentiles<D> {
    fn update_batch(&mut self, arguments: &[ArrayRef]) -> Result<()> {
        let (Some(values), Some(percentiles)) = (arguments.first(), arguments.get(self.place))
        else {
            return Err(internal("approx_percentile takes a value and a percentile"));
        };
        let is_whole = |row: &usize| arguments.iter().all(|column| column.is_valid(*row));
        let rows: Vec<usize> = (0..values.len()).filter(is_whole).collect();
        self.want(percentiles, &rows)?;
        (self.add)(&mut self.digest, arguments, &rows)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [digests, wanted] = states else {
            return Err(internal("the state of percentiles has two columns"));
        };
        let lists = Lists::new(wanted)?;
        let percentiles = primitives::<Float64Type>(lists.values())?;
        each(digests, |row, other| {
            let range = lists.range(row);
            self.wanted = range.map(|index| percentiles.value(index)).collect();
            absorb(&mut self.digest, other)
        })
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let is_of_many = self.is_of_many();
        // The smallest weights do not count.
        let Some(digest) = self.digest.as_mut().filter(|digest| digest.count() > 0.0) else {
            return ScalarValue::try_from(&self.returns);
        };
        check_percentiles(&self.wanted)?;
        let found = (self.answer)(digest, &self.wanted, &self.value_type)?;
        if !is_of_many {
            return ScalarValue::try_from_array(&found, 0);
        }
        let found: Vec<ScalarValue> = (0..found.len())
            .map(|place| ScalarValue::try_from_array(&found, place))
            .collect::<Result<_>>()?;
        Ok(ScalarValue::List(ScalarValue::new_list_nullable(
            &found,
            &self.value_type,
        )))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let wanted: Vec<ScalarValue> = self.wanted.iter().copied().map(ScalarValue::from).collect();
        Ok(vec![
            ScalarValue::Binary(self.digest.as_mut().map(D::write_part)),
            ScalarValue::List(ScalarValue::new_list_nullable(&wanted, &DataType::Float64)),
        ])
    }

    fn size(&self) -> usize {
        let wanted = self.wanted.capacity() * size_of::<f64>();
        size_of_val(self) + wanted + self.digest.as_ref().map_or(0, D::bytes)
    }
}

/// The argument behind the value, where there is one for the weight.
fn weights(arguments: &[ArrayRef]) -> Result<Option<&Float64Array>> {
    match arguments {
        [_, weights, _, ..] => primitives::<Float64Type>(weights).map(Some),
        _ => Ok(None),
    }
}

fn add_to_tdigest(
    digest: &mut Option<TDigest>,
    arguments: &[ArrayRef],
    rows: &[usize],
) -> Result<()> {
    let Some(values) = arguments.first() else {
        return Ok(());
    };
    let weights = weights(arguments)?;
    let integers = match values.data_type() {
        DataType::Int64 => Some(primitives::<Int64Type>(values)?),
        _ => None,
    };
    let doubles = cast(values, &DataType::Float64)?;
    let doubles = primitives::<Float64Type>(&doubles)?;
    for row in rows {
        let value = doubles.value(*row);
        if let Some(integer) = integers.map(|integers| integers.value(*row))
            && integer != value as i64
        {
            return Err(invalid(format!(
                "no exact double representation for long: {integer}"
            )));
        }
        if !value.is_finite() {
            let shown = java_double(value);
            return Err(invalid(format!("value must be finite; was {shown}")));
        }
        let weight = weights.map_or(Ok(1.0), |weights| checked_weight(weights.value(*row)))?;
        digest.get_or_insert_with(TDigest::new).add(value, weight)?;
    }
    Ok(())
}

fn of_tdigest(digest: &mut TDigest, wanted: &[f64], value_type: &DataType) -> Result<ArrayRef> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    let percentile = |place: usize| wanted.get(place).copied().unwrap_or_default();
    order.sort_by(|a, b| percentile(*a).total_cmp(&percentile(*b)));
    let sorted: Vec<f64> = order.iter().map(|place| percentile(*place)).collect();
    let mut found: Vec<(usize, f64)> = order.into_iter().zip(digest.values_at(&sorted)?).collect();
    found.sort_by_key(|(place, _)| *place);
    let found = found.into_iter().map(|(_, value)| value);
    Ok(match value_type {
        DataType::Int64 => Arc::new(found.map(rounded).collect::<Int64Array>()),
        _ => cast(&Float64Array::from_iter_values(found), value_type)?,
    })
}

/// Returns the nearest integer, the larger one of two.
fn rounded(value: f64) -> Option<i64> {
    let floor = value.floor();
    let is_up = value - floor >= 0.5;
    Some(floor as i64 + i64::from(is_up))
}

fn add_to_qdigest(
    digest: &mut Option<QuantileDigest>,
    arguments: &[ArrayRef],
    rows: &[usize],
) -> Result<()> {
    let ([values, .., accuracies], Some(weights)) = (arguments, weights(arguments)?) else {
        return Err(internal(
            "approx_percentile takes an accuracy behind a weight",
        ));
    };
    let (values, accuracies) = (to_sortable(values)?, primitives::<Float64Type>(accuracies)?);
    for row in rows {
        let weight = weights.value(*row);
        if weight.is_nan() || weight <= 0.0 {
            return Err(invalid("percentile weight must be > 0"));
        }
        let accuracy = accuracies.value(*row);
        if digest.is_none() && !(accuracy > 0.0 && accuracy < 1.0) {
            return Err(invalid(
                "Percentile accuracy must be strictly between 0 and 1",
            ));
        }
        let digest = digest.get_or_insert_with(|| QuantileDigest::new(accuracy));
        digest.add(values.value(*row), weight);
    }
    Ok(())
}

fn of_qdigest(
    digest: &mut QuantileDigest,
    wanted: &[f64],
    value_type: &DataType,
) -> Result<ArrayRef> {
    let found = wanted.iter().map(|percentile| digest.value_at(*percentile));
    let found: ArrayRef = Arc::new(Int64Array::from(found.collect::<Result<Vec<i64>>>()?));
    from_sortable(&found, value_type)
}
