//! Distributions.

use arrow::array::ArrayRef;
use datafusion::error::Result;

use crate::presto::functions::call::{Call, Double, Long, invalid};

fn require(holds: bool, message: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(invalid(message)) }
}

/// `normal_cdf(mean, sd, v)`.
pub(super) fn normal_cdf(call: &Call) -> Result<ArrayRef> {
    call.map3::<Double, Double, Double, f64>(|mean, sd, value| {
        require(sd > 0.0, "standardDeviation must be > 0")?;
        let z = (value - mean) / (sd * std::f64::consts::SQRT_2);
        Ok(Some(0.5 * (1.0 + libm::erf(z))))
    })
}

/// `inverse_normal_cdf(mean, sd, p)`.
pub(super) fn inverse_normal_cdf(call: &Call) -> Result<ArrayRef> {
    call.map3::<Double, Double, Double, f64>(|mean, sd, p| {
        require(p > 0.0 && p < 1.0, "p must be 0 > p > 1")?;
        require(sd > 0.0, "sd must be > 0")?;
        Ok(Some(mean + sd * normal_quantile(p)))
    })
}

/// The standard normal quantile: bisection of the distribution, refined by Newton's steps.
fn normal_quantile(p: f64) -> f64 {
    if p == 0.5 {
        return 0.0;
    }
    let cdf = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if cdf(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut x: f64 = 0.5 * (low + high);
    for _ in 0..3 {
        let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if density > 0.0 {
            x -= (cdf(x) - p) / density;
        }
    }
    x
}

fn check_beta(a: f64, b: f64) -> Result<()> {
    require(a > 0.0 && b > 0.0, "a, b must be > 0")
}

/// `beta_cdf(a, b, v)`.
pub(super) fn beta_cdf(call: &Call) -> Result<ArrayRef> {
    call.map3::<Double, Double, Double, f64>(|a, b, value| {
        require((0.0..=1.0).contains(&value), "value must be 0 >= v >= 1")?;
        check_beta(a, b)?;
        Ok(Some(regularized_beta(value, a, b)))
    })
}

/// `inverse_beta_cdf(a, b, p)`.
pub(super) fn inverse_beta_cdf(call: &Call) -> Result<ArrayRef> {
    call.map3::<Double, Double, Double, f64>(|a, b, p| {
        require((0.0..=1.0).contains(&p), "p must be 0 >= p >= 1")?;
        check_beta(a, b)?;
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if regularized_beta(middle, a, b) < p {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(Some(0.5 * (low + high)))
    })
}

/// The regularized incomplete beta function.
///
/// # Source
/// Its continued fraction, <https://dlmf.nist.gov/8.17#v>, by Lentz's method.
fn regularized_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - regularized_beta(1.0 - x, b, a);
    }
    let front =
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    let tiny = 1e-300;
    let nonzero = |value: f64| if value.abs() < tiny { tiny } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..=1_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / nonzero(1.0 + even * d);
        c = nonzero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / nonzero(1.0 + odd * d);
        c = nonzero(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    front.exp() * fraction / a
}

/// Checks the degrees of freedom, which may be NaN.
fn check_freedom(freedom: f64) -> Result<()> {
    require(
        freedom.is_nan() || freedom > 0.0,
        "df must be greater than 0",
    )?;
    require(
        freedom.is_nan() || freedom >= 1.0,
        "degrees of freedom must be greater than or equal to 1",
    )
}

/// `t_cdf(x, df)`.
pub(super) fn t_cdf(call: &Call) -> Result<ArrayRef> {
    call.map2::<Double, Double, f64>(|x, freedom| {
        check_freedom(freedom)?;
        if freedom.is_nan() {
            return Ok(Some(f64::NAN));
        }
        let tail = 0.5 * regularized_beta(freedom / (freedom + x * x), 0.5 * freedom, 0.5);
        Ok(Some(if x > 0.0 { 1.0 - tail } else { tail }))
    })
}

/// `t_pdf(x, df)`.
pub(super) fn t_pdf(call: &Call) -> Result<ArrayRef> {
    call.map2::<Double, Double, f64>(|x, freedom| {
        check_freedom(freedom)?;
        let half = (freedom + 1.0) / 2.0;
        let log = libm::lgamma(half)
            - libm::lgamma(freedom / 2.0)
            - 0.5 * (freedom * std::f64::consts::PI).ln()
            - half * (x * x / freedom).ln_1p();
        Ok(Some(log.exp()))
    })
}

fn wilson(call: &Call, direction: f64) -> Result<ArrayRef> {
    call.map3::<Long, Long, Double, f64>(|successes, trials, z| {
        require(successes >= 0, "number of successes must not be negative")?;
        require(trials > 0, "number of trials must be positive")?;
        require(
            successes <= trials,
            "number of successes must not be larger than number of trials",
        )?;
        require(z >= 0.0, "z-score must not be negative")?;
        let (s, n) = (successes as f64, trials as f64);
        let p = s / n;
        let (left, right) = (
            p + z * z / (2.0 * n),
            z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt(),
        );
        Ok(Some((left + direction * right) / (1.0 + z * z / n)))
    })
}

pub(super) fn wilson_interval_lower(call: &Call) -> Result<ArrayRef> {
    wilson(call, -1.0)
}

pub(super) fn wilson_interval_upper(call: &Call) -> Result<ArrayRef> {
    wilson(call, 1.0)
}
