//! `skewness`, `kurtosis`, `var_pop`, `stddev_pop`, `geometric_mean` and `entropy`.

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::Accumulator;

use super::function::{Aggregate, only};
use super::real::RealAccumulator;
use super::statistic::Statistic;
use super::sum::primitives;
use crate::presto::functions::shared::{internal, invalid, normal, unexpected};

pub(super) fn definitions() -> Vec<Aggregate> {
    vec![
        Aggregate {
            state: |_| Moments::state(),
            groups: |inputs| Some(SKEWNESS.groups(inputs)),
            ..Aggregate::new(
                "skewness",
                |t| coerce_double("skewness", t),
                double,
                |inputs| Ok(SKEWNESS.accumulator(inputs)),
            )
        },
        Aggregate {
            state: |_| Moments::state(),
            groups: |inputs| Some(KURTOSIS.groups(inputs)),
            ..Aggregate::new(
                "kurtosis",
                |t| coerce_double("kurtosis", t),
                double,
                |inputs| Ok(KURTOSIS.accumulator(inputs)),
            )
        },
        Aggregate {
            state: |_| Variance::state(),
            groups: |inputs| Some(VAR_POP.groups(inputs)),
            ..Aggregate::new(
                "var_pop",
                |t| coerce_double("var_pop", t),
                double,
                |inputs| Ok(VAR_POP.accumulator(inputs)),
            )
        },
        Aggregate {
            state: |_| Variance::state(),
            groups: |inputs| Some(STDDEV_POP.groups(inputs)),
            ..Aggregate::new(
                "stddev_pop",
                |t| coerce_double("stddev_pop", t),
                double,
                |inputs| Ok(STDDEV_POP.accumulator(inputs)),
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
        [t] if t.is_decimal() || normal(t) == DataType::Float32 => Ok(vec![DataType::Float32]),
        _ => coerce_double("geometric_mean", types),
    }
}

/// Count, mean and the sums of the powers of the distances from the mean.
type Moments = Statistic<5>;

const fn of_moments(answer: fn(&[f64; 5]) -> Option<f64>) -> Moments {
    Statistic { add, merge, answer }
}

static SKEWNESS: Moments =
    of_moments(|[n, _, m2, m3, _]| (*n >= 3.0).then(|| n.sqrt() * m3 / m2.powf(1.5)));

static KURTOSIS: Moments = of_moments(|[n, _, m2, _, m4]| {
    (*n >= 4.0).then(|| {
        (n * (n + 1.0)) / ((n - 1.0) * (n - 2.0) * (n - 3.0)) * (n - 1.0).powi(2) * m4 / m2.powi(2)
            - 3.0 * (n - 1.0).powi(2) / ((n - 2.0) * (n - 3.0))
    })
});

/// Count, mean and the sum of the squares of the distances from it.
type Variance = Statistic<3>;

const fn of_variance(answer: fn(&[f64; 3]) -> Option<f64>) -> Variance {
    Statistic {
        // In the way of Welford.
        add: |[n, mean, squares], value, _| {
            *n += 1.0;
            let delta = value - *mean;
            *mean += delta / *n;
            *squares += delta * (value - *mean);
        },
        // In the way of Chan.
        merge: |variance, other| {
            let ([na, a, before], [nb, b, more]) = (*variance, *other);
            if na == 0.0 {
                *variance = *other;
            } else if nb > 0.0 {
                let (n, delta) = (na + nb, b - a);
                let squares = before + more + delta * delta * na * nb / n;
                *variance = [n, a + delta * nb / n, squares];
            }
        },
        answer,
    }
}

static VAR_POP: Variance = of_variance(|[n, _, squares]| (*n > 0.0).then(|| squares / n));

static STDDEV_POP: Variance =
    of_variance(|[n, _, squares]| (*n > 0.0).then(|| (squares / n).sqrt()));

/// Adds a row, in the way of Terriberry.
fn add(moments: &mut [f64; 5], value: f64, _: f64) {
    let [before, m1, m2, m3, m4] = *moments;
    let n = before + 1.0;
    let delta = value - m1;
    let share = delta / n;
    let more = delta * share * before;
    *moments = [
        n,
        m1 + share,
        m2 + more,
        m3 + more * share * (n - 2.0) - 3.0 * share * m2,
        m4 + more * (share * share) * (n * n - 3.0 * n + 3.0) + 6.0 * (share * share) * m2
            - 4.0 * share * m3,
    ];
}

/// Adds the rows of another group, in the way of Pébay.
fn merge(moments: &mut [f64; 5], other: &[f64; 5]) {
    let ([na, a1, a2, a3, a4], [nb, b1, b2, b3, b4]) = (*moments, *other);
    if nb == 0.0 {
        return;
    }
    let n = na + nb;
    let delta = b1 - a1;
    *moments = [
        n,
        (na * a1 + nb * b1) / n,
        a2 + b2 + delta.powi(2) * na * nb / n,
        a3 + b3
            + delta.powi(3) * na * nb * (na - nb) / (n * n)
            + 3.0 * delta * (na * b2 - nb * a2) / n,
        a4 + b4
            + delta.powi(4) * na * nb * (na * na - na * nb + nb * nb) / n.powi(3)
            + 6.0 * delta.powi(2) * (na * na * b2 + nb * nb * a2) / (n * n)
            + 4.0 * delta * (na * b3 - nb * a3) / n,
    ];
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
