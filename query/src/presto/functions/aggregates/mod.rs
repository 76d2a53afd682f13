//! Aggregate functions.

mod avg;
mod checksum;
mod collect;
mod counts;
mod digests;
mod distinct;
mod extremes;
mod function;
mod histogram;
mod interval;
mod maps;
mod moments;
mod percentile;
mod planner;
mod real;
mod sketches;
mod sliding;
mod sum;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use self::planner::AggregatePlanner;
pub(super) use self::sketches::{empty_sketch, sketch_cardinality};

use datafusion::functions_aggregate::any_value::any_value_udaf;
use datafusion::functions_aggregate::bool_and_or::bool_and_udaf;
use datafusion::functions_aggregate::variance::var_samp_udaf;
use datafusion::logical_expr::AggregateUDF;

use self::function::Aggregate;
use super::shared::{Description, aggregate};

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
        sketches::definitions(),
        digests::definitions(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut all: Vec<AggregateUDF> = own.into_iter().map(AggregateUDF::from).collect();
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

/// What `SHOW FUNCTIONS` says of them.
pub(super) const DESCRIPTIONS: [Description; 107] = [
    aggregate(
        "any_value",
        "t",
        "t",
        "Return an arbitrary non-null input value",
    ),
    aggregate("approx_distinct", "bigint", "t", ""),
    aggregate("approx_distinct", "bigint", "t, double", ""),
    aggregate(
        "approx_most_frequent",
        "map(bigint,bigint)",
        "bigint, bigint, bigint",
        "",
    ),
    aggregate(
        "approx_most_frequent",
        "map(varchar,bigint)",
        "bigint, varchar, bigint",
        "",
    ),
    aggregate(
        "approx_percentile",
        "array(bigint)",
        "bigint, array(double)",
        "",
    ),
    aggregate(
        "approx_percentile",
        "array(bigint)",
        "bigint, double, array(double)",
        "",
    ),
    aggregate(
        "approx_percentile",
        "array(double)",
        "double, array(double)",
        "",
    ),
    aggregate(
        "approx_percentile",
        "array(double)",
        "double, double, array(double)",
        "",
    ),
    aggregate(
        "approx_percentile",
        "array(real)",
        "real, array(double)",
        "",
    ),
    aggregate(
        "approx_percentile",
        "array(real)",
        "real, double, array(double)",
        "",
    ),
    aggregate("approx_percentile", "bigint", "bigint, double", ""),
    aggregate("approx_percentile", "bigint", "bigint, double, double", ""),
    aggregate(
        "approx_percentile",
        "bigint",
        "bigint, double, double, double",
        "",
    ),
    aggregate("approx_percentile", "double", "double, double", ""),
    aggregate("approx_percentile", "double", "double, double, double", ""),
    aggregate(
        "approx_percentile",
        "double",
        "double, double, double, double",
        "",
    ),
    aggregate("approx_percentile", "real", "real, double", ""),
    aggregate("approx_percentile", "real", "real, double, double", ""),
    aggregate(
        "approx_percentile",
        "real",
        "real, double, double, double",
        "",
    ),
    aggregate("approx_set", "hyperloglog", "t", ""),
    aggregate(
        "arbitrary",
        "t",
        "t",
        "Return an arbitrary non-null input value",
    ),
    aggregate("array_agg", "array(t)", "t", "return an array of values"),
    aggregate(
        "avg",
        "decimal(p,s)",
        "decimal(p,s)",
        "Calculates the average value",
    ),
    aggregate(
        "avg",
        "double",
        "bigint",
        "Returns the average value of the argument",
    ),
    aggregate(
        "avg",
        "double",
        "double",
        "Returns the average value of the argument",
    ),
    aggregate(
        "avg",
        "interval day to second",
        "interval day to second",
        "",
    ),
    aggregate(
        "avg",
        "interval year to month",
        "interval year to month",
        "",
    ),
    aggregate(
        "avg",
        "real",
        "real",
        "Returns the average value of the argument",
    ),
    aggregate("bitwise_and_agg", "bigint", "bigint", ""),
    aggregate("bitwise_or_agg", "bigint", "bigint", ""),
    aggregate("bitwise_xor_agg", "bigint", "bigint", ""),
    aggregate("bool_and", "boolean", "boolean", ""),
    aggregate("bool_or", "boolean", "boolean", ""),
    aggregate("checksum", "varbinary", "t", "Checksum of the given values"),
    aggregate("corr", "double", "double, double", ""),
    aggregate("count", "bigint", "", ""),
    aggregate("count", "bigint", "t", "Counts the non-null values"),
    aggregate("count_if", "bigint", "boolean", ""),
    aggregate("covar_pop", "double", "double, double", ""),
    aggregate("covar_samp", "double", "double, double", ""),
    aggregate(
        "entropy",
        "double",
        "double",
        "Returns the log-2 entropy of counts",
    ),
    aggregate("every", "boolean", "boolean", ""),
    aggregate(
        "geometric_mean",
        "double",
        "bigint",
        "Returns the geometric mean of the argument",
    ),
    aggregate(
        "geometric_mean",
        "double",
        "double",
        "Returns the geometric mean of the argument",
    ),
    aggregate(
        "geometric_mean",
        "real",
        "real",
        "Returns the geometric mean of the argument",
    ),
    aggregate(
        "histogram",
        "map(K,bigint)",
        "K",
        "Count the number of times each value occurs",
    ),
    aggregate(
        "kurtosis",
        "double",
        "bigint",
        "Returns the (excess) kurtosis of the argument",
    ),
    aggregate(
        "kurtosis",
        "double",
        "double",
        "Returns the (excess) kurtosis of the argument",
    ),
    aggregate(
        "listagg",
        "varchar",
        "varchar(v), varchar(d), boolean, varchar(f), boolean",
        "concatenates the input values with the specified separator",
    ),
    aggregate(
        "map_agg",
        "map(k,v)",
        "k, v",
        "Aggregates all the rows (key/value pairs) into a single map",
    ),
    aggregate(
        "map_union",
        "map(k,v)",
        "map(k,v)",
        "Aggregate all the maps into a single map",
    ),
    aggregate(
        "max",
        "array(E)",
        "E, bigint",
        "Returns the maximum values of the argument",
    ),
    aggregate("max", "t", "t", "Returns the maximum value of the argument"),
    aggregate(
        "max_by",
        "V",
        "V, K",
        "Returns the value of the first argument, associated with the maximum value of the second argument",
    ),
    aggregate(
        "max_by",
        "array(V)",
        "V, K, bigint",
        "Returns the values of the first argument associated with the maximum values of the second argument",
    ),
    aggregate("merge", "hyperloglog", "hyperloglog", ""),
    aggregate(
        "merge",
        "qdigest(v)",
        "qdigest(v)",
        "Merges the input quantile digests into a single quantile digest",
    ),
    aggregate("merge", "tdigest", "tdigest", ""),
    aggregate(
        "min",
        "array(E)",
        "E, bigint",
        "Returns the minimum values of the argument",
    ),
    aggregate("min", "t", "t", "Returns the minimum value of the argument"),
    aggregate(
        "min_by",
        "V",
        "V, K",
        "Returns the value of the first argument, associated with the minimum value of the second argument",
    ),
    aggregate(
        "min_by",
        "array(V)",
        "V, K, bigint",
        "Returns the values of the first argument associated with the minimum values of the second argument",
    ),
    aggregate(
        "multimap_agg",
        "map(K,array(V))",
        "K, V",
        "Aggregates all the rows (key/value pairs) into a single multimap",
    ),
    aggregate(
        "numeric_histogram",
        "map(double,double)",
        "bigint, double",
        "",
    ),
    aggregate(
        "numeric_histogram",
        "map(double,double)",
        "bigint, double, double",
        "",
    ),
    aggregate("numeric_histogram", "map(real,real)", "bigint, real", ""),
    aggregate(
        "numeric_histogram",
        "map(real,real)",
        "bigint, real, double",
        "",
    ),
    aggregate(
        "qdigest_agg",
        "qdigest(bigint)",
        "bigint",
        "Returns a qdigest from the set of bigints",
    ),
    aggregate(
        "qdigest_agg",
        "qdigest(bigint)",
        "bigint, bigint",
        "Returns a qdigest from the set of bigints",
    ),
    aggregate(
        "qdigest_agg",
        "qdigest(bigint)",
        "bigint, bigint, double",
        "Returns a qdigest from the set of bigints",
    ),
    aggregate(
        "qdigest_agg",
        "qdigest(double)",
        "double",
        "Returns a qdigest from the set of doubles",
    ),
    aggregate(
        "qdigest_agg",
        "qdigest(double)",
        "double, bigint",
        "Returns a qdigest from the set of doubles",
    ),
    aggregate(
        "qdigest_agg",
        "qdigest(double)",
        "double, bigint, double",
        "Returns a qdigest from the set of doubles",
    ),
    aggregate(
        "qdigest_agg",
        "qdigest(real)",
        "real",
        "Returns a qdigest from the set of reals",
    ),
    aggregate(
        "qdigest_agg",
        "qdigest(real)",
        "real, bigint",
        "Returns a qdigest from the set of reals",
    ),
    aggregate(
        "qdigest_agg",
        "qdigest(real)",
        "real, bigint, double",
        "Returns a qdigest from the set of reals",
    ),
    aggregate(
        "reduce_agg",
        "S",
        "T, S, function(S,T,S), function(S,S,S)",
        "Reduce input elements into a single value",
    ),
    aggregate("regr_avgx", "double", "double, double", ""),
    aggregate("regr_avgy", "double", "double, double", ""),
    aggregate("regr_count", "double", "double, double", ""),
    aggregate("regr_intercept", "double", "double, double", ""),
    aggregate("regr_r2", "double", "double, double", ""),
    aggregate("regr_slope", "double", "double, double", ""),
    aggregate("regr_sxx", "double", "double, double", ""),
    aggregate("regr_sxy", "double", "double, double", ""),
    aggregate("regr_syy", "double", "double, double", ""),
    aggregate(
        "skewness",
        "double",
        "bigint",
        "Returns the skewness of the argument",
    ),
    aggregate(
        "skewness",
        "double",
        "double",
        "Returns the skewness of the argument",
    ),
    aggregate(
        "stddev",
        "double",
        "bigint",
        "Returns the sample standard deviation of the argument",
    ),
    aggregate(
        "stddev",
        "double",
        "double",
        "Returns the sample standard deviation of the argument",
    ),
    aggregate(
        "stddev_pop",
        "double",
        "bigint",
        "Returns the population standard deviation of the argument",
    ),
    aggregate(
        "stddev_pop",
        "double",
        "double",
        "Returns the population standard deviation of the argument",
    ),
    aggregate(
        "stddev_samp",
        "double",
        "bigint",
        "Returns the sample standard deviation of the argument",
    ),
    aggregate(
        "stddev_samp",
        "double",
        "double",
        "Returns the sample standard deviation of the argument",
    ),
    aggregate("sum", "bigint", "bigint", ""),
    aggregate(
        "sum",
        "decimal(38,s)",
        "decimal(p,s)",
        "Calculates the sum over the input values",
    ),
    aggregate("sum", "double", "double", ""),
    aggregate(
        "sum",
        "interval day to second",
        "interval day to second",
        "",
    ),
    aggregate(
        "sum",
        "interval year to month",
        "interval year to month",
        "",
    ),
    aggregate("sum", "real", "real", ""),
    aggregate("tdigest_agg", "tdigest", "double", ""),
    aggregate("tdigest_agg", "tdigest", "double, double", ""),
    aggregate(
        "var_pop",
        "double",
        "double",
        "Returns the population variance of the argument",
    ),
    aggregate(
        "var_samp",
        "double",
        "double",
        "Returns the sample variance of the argument",
    ),
    aggregate(
        "variance",
        "double",
        "bigint",
        "Returns the sample variance of the argument",
    ),
    aggregate(
        "variance",
        "double",
        "double",
        "Returns the sample variance of the argument",
    ),
];
