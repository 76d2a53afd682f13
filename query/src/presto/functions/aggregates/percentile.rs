//! `approx_percentile`: exact for thousands of values, then within a small part of a percent.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use super::distinct::{columns_of_rows, row_type, rows_as_scalar};
use super::function::{Aggregate, Inputs};
use super::sum::primitives;
use crate::presto::functions::shared::{Lists, internal, invalid, list_of, normal, unexpected};
use crate::presto::numbers::java_double;

pub(super) fn definition() -> Aggregate {
    Aggregate {
        state: |_| {
            vec![
                list_of(row_type(&STATE)),
                list_of(row_type(&[DataType::Float64])),
            ]
        },
        ..Aggregate::new("approx_percentile", coerce, returns, |inputs| {
            Ok(Box::new(Percentiles::new(inputs)))
        })
    }
}

/// Mean and weight.
const STATE: [DataType; 2] = [DataType::Float64, DataType::Float64];

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

/// Values that are kept before they are put together.
const MAX_EXACT: usize = 10_000;
/// Groups of values that are left then.
const CENTROIDS: f64 = 2_000.0;

/// A group of values: its mean and weight.
type Centroid = (f64, f64);

/// Values, sorted when asked for, and the percentiles wanted.
#[derive(Debug)]
struct Percentiles {
    returns: DataType,
    arguments: usize,
    values: Vec<Centroid>,
    /// None until the first row says them.
    wanted: Option<Vec<f64>>,
    limit: usize,
}

impl Percentiles {
    fn new(inputs: &Inputs) -> Self {
        Self {
            returns: inputs.returns.clone(),
            arguments: inputs.arguments,
            values: Vec::new(),
            wanted: None,
            limit: MAX_EXACT,
        }
    }

    fn want(&mut self, percentiles: &ArrayRef, row: usize) -> Result<()> {
        let wanted: Vec<f64> = match percentiles.data_type() {
            DataType::List(_) => {
                let lists = Lists::new(percentiles)?;
                let values = primitives::<Float64Type>(lists.values())?;
                if lists.range(row).any(|index| values.is_null(index)) || lists.is_null(row) {
                    return Err(invalid("Percentile cannot be null"));
                }
                lists.range(row).map(|index| values.value(index)).collect()
            }
            _ => {
                let values = primitives::<Float64Type>(percentiles)?;
                if values.is_null(row) {
                    return Err(invalid("Percentile cannot be null"));
                }
                vec![values.value(row)]
            }
        };
        if wanted.iter().any(|p| !(0.0..=1.0).contains(p)) {
            return Err(invalid("Percentile must be between 0 and 1"));
        }
        self.wanted = Some(wanted);
        Ok(())
    }

    fn sort(&mut self) {
        self.values.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    }

    /// Puts neighbours together, fewer of them towards the ends.
    fn compress(&mut self) {
        if self.values.len() <= self.limit {
            return;
        }
        self.sort();
        let total: f64 = self.values.iter().map(|(_, weight)| weight).sum();
        let mut groups: Vec<Centroid> = Vec::with_capacity(CENTROIDS as usize * 2);
        let mut before = 0.0;
        for (mean, weight) in self.values.drain(..) {
            let middle = (before + weight / 2.0) / total;
            let largest = 4.0 * total * middle * (1.0 - middle) / CENTROIDS;
            match groups.last_mut() {
                Some((known, sum)) if *sum + weight <= largest => {
                    *known += (mean - *known) * weight / (*sum + weight);
                    *sum += weight;
                }
                _ => groups.push((mean, weight)),
            }
            before += weight;
        }
        self.values = groups;
        self.limit = MAX_EXACT.max(self.values.len() * 2);
    }

    fn quantile(&self, p: f64, total: f64) -> Option<f64> {
        let rank = p * total;
        let mut before = 0.0;
        for (mean, weight) in &self.values {
            before += weight;
            if before > rank {
                return Some(*mean);
            }
        }
        self.values.last().map(|(mean, _)| *mean)
    }
}

impl Accumulator for Percentiles {
    fn update_batch(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        let (Some(values), Some(percentiles)) = (arrays.first(), arrays.get(place(self.arguments)))
        else {
            return Err(internal("approx_percentile takes a value and a percentile"));
        };
        let weights = match arrays.get(1).filter(|_| self.arguments > 2) {
            Some(weights) => Some(primitives::<Float64Type>(weights)?),
            None => None,
        };
        let values = cast(values, &DataType::Float64)?;
        let values = primitives::<Float64Type>(&values)?;
        for row in 0..values.len() {
            if values.is_null(row) || weights.is_some_and(|weights| weights.is_null(row)) {
                continue;
            }
            if self.wanted.is_none() {
                self.want(percentiles, row)?;
            }
            let weight = weights.map_or(1.0, |weights| weights.value(row));
            if weight < 1.0 {
                return Err(invalid(format!(
                    "weight must be >= 1, was {}",
                    java_double(weight)
                )));
            }
            self.values.push((values.value(row), weight));
        }
        self.compress();
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, wanted] = states else {
            return Err(internal("the state of percentiles has two columns"));
        };
        if let [means, weights] = columns_of_rows(values)?.as_slice() {
            let (means, weights) = (
                primitives::<Float64Type>(means)?,
                primitives::<Float64Type>(weights)?,
            );
            let pairs = means
                .values()
                .iter()
                .copied()
                .zip(weights.values().iter().copied());
            self.values.extend(pairs);
        }
        let lists = Lists::new(wanted)?;
        let rows = lists.values().as_struct();
        if let (None, [percentiles]) = (&self.wanted, rows.columns()) {
            let percentiles = primitives::<Float64Type>(percentiles)?;
            let first = (0..lists.len())
                .map(|row| lists.range(row))
                .find(|range| !range.is_empty());
            self.wanted = first.map(|range| range.map(|index| percentiles.value(index)).collect());
        }
        self.compress();
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.sort();
        let total: f64 = self.values.iter().map(|(_, weight)| weight).sum();
        let is_list = matches!(self.returns, DataType::List(_));
        let value_type = match &self.returns {
            DataType::List(item) => item.data_type().clone(),
            other => other.clone(),
        };
        let Some(wanted) = self.wanted.as_ref().filter(|_| !self.values.is_empty()) else {
            return ScalarValue::try_from(&self.returns);
        };
        let mut found = Vec::with_capacity(wanted.len());
        for p in wanted {
            let value = self.quantile(*p, total);
            let value = match value_type {
                DataType::Int64 => ScalarValue::Int64(value.map(|value| value.round() as i64)),
                _ => ScalarValue::Float64(value).cast_to(&value_type)?,
            };
            found.push(value);
        }
        if is_list {
            return Ok(ScalarValue::List(ScalarValue::new_list_nullable(
                &found,
                &value_type,
            )));
        }
        found
            .into_iter()
            .next()
            .ok_or_else(|| internal("expected a percentile"))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (means, weights): (Vec<f64>, Vec<f64>) = self.values.iter().copied().unzip();
        let column = |values: Vec<f64>| -> ArrayRef {
            std::sync::Arc::new(arrow::array::Float64Array::from(values))
        };
        let wanted = self.wanted.clone().unwrap_or_default();
        Ok(vec![
            rows_as_scalar(&STATE, vec![column(means), column(weights)])?,
            rows_as_scalar(&[DataType::Float64], vec![column(wanted)])?,
        ])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<Centroid>()
    }
}
