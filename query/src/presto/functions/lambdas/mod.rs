//! Functions that take functions.

mod arrays;
mod function;
mod items;
mod maps;
mod reduce;
mod regex;
mod sort;
#[cfg(test)]
mod tests;

use datafusion::logical_expr::HigherOrderUDF;

pub(crate) use self::regex::REGEXP_REPLACE;
use super::shared::{Description, scalar};

/// Returns the functions.
pub(super) fn higher_order() -> Vec<HigherOrderUDF> {
    let mut all = arrays::definitions();
    all.extend(maps::definitions());
    all.push(reduce::definition());
    all.push(regex::definition());
    all.push(sort::definition());
    all.into_iter().map(HigherOrderUDF::new_from_impl).collect()
}

/// What `SHOW FUNCTIONS` says of them.
pub(super) const DESCRIPTIONS: [Description; 14] = [
    scalar(
        "all_match",
        "boolean",
        "array(t), function(t,boolean)",
        "Returns true if all elements of the array match the given predicate",
    ),
    scalar(
        "any_match",
        "boolean",
        "array(t), function(t,boolean)",
        "Returns true if the array contains one or more elements that match the given predicate",
    ),
    scalar(
        "array_sort",
        "array(e)",
        "array(e)",
        "Sorts the given array in ascending order according to the natural ordering of its elements.",
    ),
    scalar(
        "array_sort",
        "array(t)",
        "array(t), function(t,t,integer)",
        "Sorts the given array with a lambda comparator.",
    ),
    scalar(
        "filter",
        "array(t)",
        "array(t), function(t,boolean)",
        "return array containing elements that match the given predicate",
    ),
    scalar(
        "map_filter",
        "map(K,V)",
        "map(K,V), function(K,V,boolean)",
        "return map containing entries that match the given predicate",
    ),
    scalar(
        "map_zip_with",
        "map(K,V3)",
        "map(K,V1), map(K,V2), function(K,V1,V2,V3)",
        "Merge two maps into a single map by applying the lambda function to the pair of values with the same key",
    ),
    scalar(
        "none_match",
        "boolean",
        "array(t), function(t,boolean)",
        "Returns true if all elements of the array don't match the given predicate",
    ),
    scalar(
        "reduce",
        "R",
        "array(T), S, function(S,T,S), function(S,R)",
        "Reduce elements of the array into a single value",
    ),
    scalar(
        "regexp_replace",
        "varchar",
        "varchar, joniregexp, function(array(varchar),varchar(x))",
        "Replaces substrings matching a regular expression using a lambda function",
    ),
    scalar(
        "transform",
        "array(U)",
        "array(T), function(T,U)",
        "Apply lambda to each element of the array",
    ),
    scalar(
        "transform_keys",
        "map(K2,V)",
        "map(K1,V), function(K1,V,K2)",
        "Apply lambda to each entry of the map and transform the key",
    ),
    scalar(
        "transform_values",
        "map(K,V2)",
        "map(K,V1), function(K,V1,V2)",
        "Apply lambda to each entry of the map and transform the value",
    ),
    scalar(
        "zip_with",
        "array(R)",
        "array(T), array(U), function(T,U,R)",
        "Merge two arrays, element-wise, into a single array using the lambda function",
    ),
];
