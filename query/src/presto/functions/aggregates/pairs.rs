//! `corr`, `covar_pop`, `covar_samp`, `regr_slope` and `regr_intercept`.

use arrow::datatypes::DataType;
use datafusion::error::Result;

use super::function::Aggregate;
use super::statistic::Statistic;
use crate::presto::functions::shared::{internal, normal, unexpected};

pub(super) fn definitions() -> Vec<Aggregate> {
    vec![
        Aggregate {
            state: |_| Sums::state(),
            groups: |inputs| Some(CORR.groups(inputs)),
            ..Aggregate::new(
                "corr",
                |t| coerce("corr", t),
                returns,
                |inputs| Ok(CORR.accumulator(inputs)),
            )
        },
        Aggregate {
            state: |_| Sums::state(),
            groups: |inputs| Some(COVAR_POP.groups(inputs)),
            ..Aggregate::new(
                "covar_pop",
                |t| coerce("covar_pop", t),
                returns,
                |inputs| Ok(COVAR_POP.accumulator(inputs)),
            )
        },
        Aggregate {
            state: |_| Sums::state(),
            groups: |inputs| Some(COVAR_SAMP.groups(inputs)),
            ..Aggregate::new(
                "covar_samp",
                |t| coerce("covar_samp", t),
                returns,
                |inputs| Ok(COVAR_SAMP.accumulator(inputs)),
            )
        },
        Aggregate {
            state: |_| Sums::state(),
            groups: |inputs| Some(SLOPE.groups(inputs)),
            ..Aggregate::new(
                "regr_slope",
                |t| coerce("regr_slope", t),
                returns,
                |inputs| Ok(SLOPE.accumulator(inputs)),
            )
        },
        Aggregate {
            state: |_| Sums::state(),
            groups: |inputs| Some(INTERCEPT.groups(inputs)),
            ..Aggregate::new(
                "regr_intercept",
                |t| coerce("regr_intercept", t),
                returns,
                |inputs| Ok(INTERCEPT.accumulator(inputs)),
            )
        },
    ]
}

/// Doubles if one is a double, else reals.
fn coerce(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let is_number = |t: &DataType| t.is_numeric() || *t == DataType::Null;
    match types {
        [y, x] if is_number(y) && is_number(x) => {
            let is_double = types.iter().any(|t| normal(t) == DataType::Float64);
            let common = if is_double {
                DataType::Float64
            } else {
                DataType::Float32
            };
            Ok(vec![common; 2])
        }
        _ => Err(unexpected(name, types)),
    }
}

fn returns(types: &[DataType]) -> Result<DataType> {
    let first = types.first().cloned();
    first.ok_or_else(|| internal("expected two arguments"))
}

/// Count, means of x and y, and the sums of the products of their distances from them: x with y, x with x, y with y.
type Sums = Statistic<6>;

const fn of_sums(answer: fn(&[f64; 6]) -> Option<f64>) -> Sums {
    Statistic { add, merge, answer }
}

/// Adds a row, in the way of Welford.
fn add(sums: &mut [f64; 6], y: f64, x: f64) {
    let [before, mean_x, mean_y, xy, xx, yy] = *sums;
    let n = before + 1.0;
    let (delta_x, delta_y) = (x - mean_x, y - mean_y);
    let (mean_x, mean_y) = (mean_x + delta_x / n, mean_y + delta_y / n);
    *sums = [
        n,
        mean_x,
        mean_y,
        xy + delta_x * (y - mean_y),
        xx + delta_x * (x - mean_x),
        yy + delta_y * (y - mean_y),
    ];
}

/// Adds the rows of another group, in the way of Chan.
fn merge(sums: &mut [f64; 6], other: &[f64; 6]) {
    let [na, ax, ay, axy, axx, ayy] = *sums;
    let [nb, bx, by, bxy, bxx, byy] = *other;
    if na == 0.0 {
        *sums = *other;
        return;
    }
    if nb == 0.0 {
        return;
    }
    let n = na + nb;
    let (delta_x, delta_y) = (bx - ax, by - ay);
    let weight = na * nb / n;
    *sums = [
        n,
        ax + delta_x * nb / n,
        ay + delta_y * nb / n,
        axy + bxy + delta_x * delta_y * weight,
        axx + bxx + delta_x * delta_x * weight,
        ayy + byy + delta_y * delta_y * weight,
    ];
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

static CORR: Sums = of_sums(|[_, _, _, xy, xx, yy]| finite(xy / xx.sqrt() / yy.sqrt()));

static COVAR_POP: Sums = of_sums(|[n, _, _, xy, ..]| (*n > 0.0).then(|| xy / n));

static COVAR_SAMP: Sums = of_sums(|[n, _, _, xy, ..]| (*n > 1.0).then(|| xy / (n - 1.0)));

static SLOPE: Sums = of_sums(|[_, _, _, xy, xx, _]| finite(xy / xx));

static INTERCEPT: Sums = of_sums(|[_, x, y, xy, xx, _]| finite(y - xy / xx * x));
