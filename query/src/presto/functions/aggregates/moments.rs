//! `skewness`, `kurtosis`, `geometric_mean` and `entropy`.

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use super::function::{Aggregate, only};
use super::real::RealAccumulator;
use super::sum::primitives;
use crate::presto::functions::shared::{internal, invalid, normal, unexpected};

pub(super) fn definitions() -> Vec<Aggregate> {
    let five = |_: &super::function::Inputs| vec![DataType::Float64; 5];
    vec![
        Aggregate {
            state: five,
            ..Aggregate::new(
                "skewness",
                |t| coerce_double("skewness", t),
                double,
                |_| Ok(Box::new(Moments::new(Moments::skewness))),
            )
        },
        Aggregate {
            state: five,
            ..Aggregate::new(
                "kurtosis",
                |t| coerce_double("kurtosis", t),
                double,
                |_| Ok(Box::new(Moments::new(Moments::kurtosis))),
            )
        },
        Aggregate {
            state: |_| vec![DataType::Float64; 2],
            ..Aggregate::new("geometric_mean", coerce_mean, same, |inputs| {
                let mean = Box::new(Totals::new(geometric_term, geometric_mean));
                Ok(match inputs.argument(0) {
                    DataType::Float32 => Box::new(RealAccumulator::new(mean)),
                    _ => mean,
                })
            })
        },
        Aggregate {
            state: |_| vec![DataType::Float64; 2],
            empty: Some(ScalarValue::Float64(Some(0.0))),
            ..Aggregate::new(
                "entropy",
                |t| coerce_double("entropy", t),
                double,
                |_| Ok(Box::new(Totals::new(entropy_term, entropy))),
            )
        },
    ]
}

pub(super) fn double(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::Float64)
}

fn same(types: &[DataType]) -> Result<DataType> {
    types
        .first()
        .cloned()
        .ok_or_else(|| internal("expected an argument"))
}

fn coerce_double(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [t] if t.is_numeric() || *t == DataType::Null => Ok(vec![DataType::Float64]),
        _ => Err(unexpected(name, types)),
    }
}

fn coerce_mean(types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [t] if normal(t) == DataType::Float32 => Ok(vec![DataType::Float32]),
        _ => coerce_double("geometric_mean", types),
    }
}

/// Count, mean and the sums of the powers of the distances from the mean.
#[derive(Debug)]
struct Moments {
    answer: fn(&Self) -> Option<f64>,
    count: f64,
    m1: f64,
    m2: f64,
    m3: f64,
    m4: f64,
}

impl Moments {
    fn new(answer: fn(&Self) -> Option<f64>) -> Self {
        Self {
            answer,
            count: 0.0,
            m1: 0.0,
            m2: 0.0,
            m3: 0.0,
            m4: 0.0,
        }
    }

    fn skewness(&self) -> Option<f64> {
        (self.count >= 3.0).then(|| self.count.sqrt() * self.m3 / self.m2.powf(1.5))
    }

    fn kurtosis(&self) -> Option<f64> {
        let n = self.count;
        (n >= 4.0).then(|| {
            (n * (n + 1.0)) / ((n - 1.0) * (n - 2.0) * (n - 3.0)) * (n - 1.0).powi(2) * self.m4
                / self.m2.powi(2)
                - 3.0 * (n - 1.0).powi(2) / ((n - 2.0) * (n - 3.0))
        })
    }

    /// Adds the rows of another group, in the way of Pébay.
    fn merge(&mut self, nb: f64, b1: f64, b2: f64, b3: f64, b4: f64) {
        if nb == 0.0 {
            return;
        }
        let (na, a1, a2, a3, a4) = (self.count, self.m1, self.m2, self.m3, self.m4);
        let n = na + nb;
        let delta = b1 - a1;
        self.count = n;
        self.m1 = (na * a1 + nb * b1) / n;
        self.m2 = a2 + b2 + delta.powi(2) * na * nb / n;
        self.m3 = a3
            + b3
            + delta.powi(3) * na * nb * (na - nb) / (n * n)
            + 3.0 * delta * (na * b2 - nb * a2) / n;
        self.m4 = a4
            + b4
            + delta.powi(4) * na * nb * (na * na - na * nb + nb * nb) / n.powi(3)
            + 6.0 * delta.powi(2) * (na * na * b2 + nb * nb * a2) / (n * n)
            + 4.0 * delta * (na * b3 - nb * a3) / n;
    }
}

impl Accumulator for Moments {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in primitives::<Float64Type>(only(values)?)?.iter().flatten() {
            self.merge(1.0, value, 0.0, 0.0, 0.0);
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [count, m1, m2, m3, m4] = states else {
            return Err(internal("moments have five columns"));
        };
        let (count, m1) = (
            primitives::<Float64Type>(count)?,
            primitives::<Float64Type>(m1)?,
        );
        let (m2, m3) = (
            primitives::<Float64Type>(m2)?,
            primitives::<Float64Type>(m3)?,
        );
        let m4 = primitives::<Float64Type>(m4)?;
        for row in 0..count.len() {
            self.merge(
                count.value(row),
                m1.value(row),
                m2.value(row),
                m3.value(row),
                m4.value(row),
            );
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64((self.answer)(self)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let parts = [self.count, self.m1, self.m2, self.m3, self.m4];
        Ok(parts
            .into_iter()
            .map(|part| ScalarValue::Float64(Some(part)))
            .collect())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// Two totals, to each of which every value adds a term.
#[derive(Debug)]
struct Totals {
    term: fn(f64) -> Result<(f64, f64)>,
    answer: fn(f64, f64) -> Option<f64>,
    first: f64,
    second: f64,
}

impl Totals {
    fn new(term: fn(f64) -> Result<(f64, f64)>, answer: fn(f64, f64) -> Option<f64>) -> Self {
        Self {
            term,
            answer,
            first: 0.0,
            second: 0.0,
        }
    }
}

fn geometric_term(value: f64) -> Result<(f64, f64)> {
    Ok((1.0, value.ln()))
}

fn geometric_mean(count: f64, logs: f64) -> Option<f64> {
    (count > 0.0).then(|| (logs / count).exp())
}

fn entropy_term(count: f64) -> Result<(f64, f64)> {
    if count < 0.0 {
        return Err(invalid("Entropy count argument must be non-negative"));
    }
    let log = if count > 0.0 { count * count.ln() } else { 0.0 };
    Ok((count, log))
}

fn entropy(total: f64, logs: f64) -> Option<f64> {
    if total <= 0.0 {
        return Some(0.0);
    }
    Some(((total.ln() - logs / total) / std::f64::consts::LN_2).max(0.0))
}

impl Accumulator for Totals {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = cast(only(values)?, &DataType::Float64)?;
        for value in primitives::<Float64Type>(&values)?.iter().flatten() {
            let (first, second) = (self.term)(value)?;
            self.first += first;
            self.second += second;
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [first, second] = states else {
            return Err(internal("the state has two columns"));
        };
        self.first += arrow::compute::sum(primitives::<Float64Type>(first)?).unwrap_or(0.0);
        self.second += arrow::compute::sum(primitives::<Float64Type>(second)?).unwrap_or(0.0);
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64((self.answer)(self.first, self.second)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            ScalarValue::Float64(Some(self.first)),
            ScalarValue::Float64(Some(self.second)),
        ])
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
