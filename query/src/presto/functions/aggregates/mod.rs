//! Aggregate functions.

mod avg;
mod checksum;
mod collect;
mod counts;
mod descriptions;
mod digests;
mod distinct;
mod extremes;
mod function;
mod histogram;
mod interval;
mod maps;
mod min_max;
mod moments;
mod pairs;
mod percentile;
mod planner;
mod real;
mod sketches;
mod sliding;
mod statistic;
mod sum;
#[cfg(test)]
mod tests;
mod text;
mod xxhash;

pub(super) use self::descriptions::DESCRIPTIONS;
pub(crate) use self::planner::AggregatePlanner;
pub(super) use self::sketches::{empty_sketch, sketch_cardinality};

use datafusion::functions_aggregate::any_value::any_value_udaf;
use datafusion::functions_aggregate::bool_and_or::bool_and_udaf;
use datafusion::functions_aggregate::variance::var_samp_udaf;
use datafusion::logical_expr::AggregateUDF;

use self::function::Aggregate;

/// Returns the functions.
pub(super) fn aggregates() -> Vec<AggregateUDF> {
    let own: Vec<Aggregate> = [
        vec![
            sum::definition(),
            avg::definition(),
            text::definition(),
            percentile::definition(),
            histogram::definition(),
            checksum::definition(),
        ],
        counts::definitions(),
        maps::definitions(),
        extremes::definitions(),
        moments::definitions(),
        pairs::definitions(),
        sketches::definitions(),
        digests::definitions(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut all: Vec<AggregateUDF> = own.into_iter().map(AggregateUDF::from).collect();
    all.extend(min_max::functions());
    // Other names of functions that the engine has.
    all.push(
        any_value_udaf()
            .as_ref()
            .clone()
            .with_aliases(["arbitrary"]),
    );
    all.push(bool_and_udaf().as_ref().clone().with_aliases(["every"]));
    all.push(var_samp_udaf().as_ref().clone().with_aliases(["variance"]));
    all
}
