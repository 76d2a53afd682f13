//! Numbers.

mod bits;
mod numbers;
mod random;
mod rounding;
mod statistics;
mod vectors;

pub(super) use random::uuid;

use arrow::array::ArrayRef;
use datafusion::error::Result;

use super::call::{Call, Double};
use super::scalar::Entry;

fn double1(call: &Call, f: fn(f64) -> f64) -> Result<ArrayRef> {
    call.map1::<Double, f64>(|x| Ok(Some(f(x))))
}

fn double2(call: &Call, f: fn(f64, f64) -> f64) -> Result<ArrayRef> {
    call.map2::<Double, Double, f64>(|x, y| Ok(Some(f(x, y))))
}

fn constant(call: &Call, value: f64) -> Result<ArrayRef> {
    call.build::<f64>(|_| Ok(Some(value)))
}

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("abs", numbers::abs).returning(numbers::same_type),
    Entry::new("acos", |call| double1(call, f64::acos)),
    Entry::new("asin", |call| double1(call, f64::asin)),
    Entry::new("atan", |call| double1(call, f64::atan)),
    Entry::new("atan2", |call| double2(call, f64::atan2)),
    Entry::new("beta_cdf", statistics::beta_cdf),
    Entry::new("bit_count", bits::bit_count),
    Entry::new("bitwise_and", bits::bitwise_and),
    Entry::new("bitwise_left_shift", bits::bitwise_left_shift),
    Entry::new("bitwise_not", bits::bitwise_not),
    Entry::new("bitwise_or", bits::bitwise_or),
    Entry::new("bitwise_right_shift", bits::bitwise_right_shift),
    Entry::new(
        "bitwise_right_shift_arithmetic",
        bits::bitwise_right_shift_arithmetic,
    ),
    Entry::new("bitwise_xor", bits::bitwise_xor),
    Entry::new("cbrt", |call| double1(call, f64::cbrt)),
    Entry::new("ceil", rounding::ceil).returning(rounding::whole_type),
    Entry::new("ceiling", rounding::ceil).returning(rounding::whole_type),
    Entry::new("cos", |call| double1(call, f64::cos)),
    Entry::new("cosh", |call| double1(call, f64::cosh)),
    Entry::new("cosine_distance", vectors::cosine_distance),
    Entry::new("cosine_similarity", vectors::cosine_similarity),
    Entry::new("degrees", |call| double1(call, f64::to_degrees)),
    Entry::new("dot_product", vectors::dot_product),
    Entry::new("e", |call| constant(call, std::f64::consts::E)),
    Entry::new("euclidean_distance", vectors::euclidean_distance),
    Entry::new("exp", |call| double1(call, f64::exp)),
    Entry::new("floor", rounding::floor).returning(rounding::whole_type),
    Entry::new("from_base", numbers::from_base),
    Entry::new("infinity", |call| constant(call, f64::INFINITY)),
    Entry::new("inverse_beta_cdf", statistics::inverse_beta_cdf),
    Entry::new("inverse_normal_cdf", statistics::inverse_normal_cdf),
    Entry::new("is_finite", |call| {
        call.map1::<Double, bool>(|x| Ok(Some(x.is_finite())))
    }),
    Entry::new("is_infinite", |call| {
        call.map1::<Double, bool>(|x| Ok(Some(x.is_infinite())))
    }),
    Entry::new("is_nan", numbers::is_nan),
    Entry::new("ln", |call| double1(call, f64::ln)),
    Entry::new("log", |call| double2(call, |base, x| x.ln() / base.ln())),
    Entry::new("log10", |call| double1(call, f64::log10)),
    Entry::new("log2", |call| double1(call, f64::log2)),
    Entry::new("mod", numbers::modulus).returning(numbers::modulus_type),
    Entry::new("nan", |call| constant(call, f64::NAN)),
    Entry::new("normal_cdf", statistics::normal_cdf),
    Entry::new("pi", |call| constant(call, std::f64::consts::PI)),
    Entry::new("pow", |call| double2(call, numbers::power)),
    Entry::new("power", |call| double2(call, numbers::power)),
    Entry::new("radians", |call| double1(call, f64::to_radians)),
    Entry::new("rand", random::random).returning(random::result_type),
    Entry::new("random", random::random).returning(random::result_type),
    Entry::new("round", rounding::round).returning(rounding::rounded_type),
    Entry::new("sign", numbers::sign).returning(numbers::sign_type),
    Entry::new("sin", |call| double1(call, f64::sin)),
    Entry::new("sinh", |call| double1(call, f64::sinh)),
    Entry::new("sqrt", |call| double1(call, f64::sqrt)),
    Entry::new("t_cdf", statistics::t_cdf),
    Entry::new("t_pdf", statistics::t_pdf),
    Entry::new("tan", |call| double1(call, f64::tan)),
    Entry::new("tanh", |call| double1(call, f64::tanh)),
    Entry::new("to_base", numbers::to_base),
    Entry::new("truncate", rounding::truncate).returning(rounding::truncated_type),
    Entry::new("width_bucket", vectors::width_bucket),
    Entry::new("wilson_interval_lower", statistics::wilson_interval_lower),
    Entry::new("wilson_interval_upper", statistics::wilson_interval_upper),
];
