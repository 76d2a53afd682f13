//! Functions on arrays, and on strings where they share a name with one on arrays.

mod access;
mod concat;
mod pieces;
mod planner;
mod sequence;
mod sets;
#[cfg(test)]
mod tests;

pub(crate) use self::planner::ArrayPlanner;

use datafusion::logical_expr::ScalarUDF;

use super::shared::{Definition, Description, scalar};

/// Returns the functions.
pub(super) fn scalars() -> Vec<ScalarUDF> {
    let definitions: Vec<Definition> = [
        access::definitions(),
        sets::definitions(),
        pieces::definitions(),
        concat::definitions(),
        sequence::definitions(),
    ]
    .into_iter()
    .flatten()
    .collect();
    definitions.into_iter().map(ScalarUDF::from).collect()
}

/// What `SHOW FUNCTIONS` says of them.
pub(super) const DESCRIPTIONS: [Description; 48] = [
    scalar(
        "array_distinct",
        "array(e)",
        "array(e)",
        "Remove duplicate values from the given array",
    ),
    scalar(
        "array_except",
        "array(e)",
        "array(e), array(e)",
        "Returns an array of elements that are in the first array but not the second, without duplicates.",
    ),
    scalar(
        "array_first",
        "e",
        "array(e)",
        "Returns the first element of the given array",
    ),
    scalar(
        "array_histogram",
        "map(t,bigint)",
        "array(t)",
        "Return a map containing the counts of the elements in the array",
    ),
    scalar(
        "array_intersect",
        "array(e)",
        "array(e), array(e)",
        "Intersects elements of the two given arrays",
    ),
    scalar(
        "array_join",
        "varchar",
        "array(e), varchar",
        "Concatenates the elements of the given array using a delimiter and an optional string to replace nulls",
    ),
    scalar(
        "array_join",
        "varchar",
        "array(e), varchar, varchar",
        "Concatenates the elements of the given array using a delimiter and an optional string to replace nulls",
    ),
    scalar(
        "array_last",
        "e",
        "array(e)",
        "Returns the last element of the given array",
    ),
    scalar("array_max", "t", "array(t)", "Get maximum value of array"),
    scalar("array_min", "t", "array(t)", "Get minimum value of array"),
    scalar(
        "array_position",
        "bigint",
        "array(t), t",
        "Returns the position of the first occurrence of the given value in array (or 0 if not found)",
    ),
    scalar(
        "array_remove",
        "array(e)",
        "array(e), e",
        "Remove specified values from the given array",
    ),
    scalar(
        "array_union",
        "array(e)",
        "array(e), array(e)",
        "Union elements of the two given arrays",
    ),
    scalar(
        "arrays_overlap",
        "boolean",
        "array(e), array(e)",
        "Returns true if arrays have common elements",
    ),
    scalar(
        "cardinality",
        "bigint",
        "array(e)",
        "Returns the cardinality (length) of the array",
    ),
    scalar(
        "cardinality",
        "bigint",
        "map(k,v)",
        "Returns the cardinality (the number of key-value pairs) of the map",
    ),
    scalar(
        "combinations",
        "array(array(t))",
        "array(t), bigint",
        "Return n-element subsets from array",
    ),
    scalar(
        "concat",
        "array(e)",
        "array(e)",
        "Concatenates given arrays",
    ),
    scalar(
        "concat",
        "array(e)",
        "array(e), e",
        "Concatenates an array to an element",
    ),
    scalar(
        "concat",
        "array(e)",
        "e, array(e)",
        "Concatenates an element to an array",
    ),
    scalar(
        "concat",
        "varbinary",
        "varbinary",
        "concatenates given varbinary values",
    ),
    scalar("concat", "varchar", "varchar", "Concatenates given strings"),
    scalar(
        "concat_ws",
        "varchar",
        "varchar, array(varchar)",
        "Concatenates elements using separator",
    ),
    scalar(
        "concat_ws",
        "varchar",
        "varchar, varchar",
        "Concatenates given strings using separator",
    ),
    scalar(
        "contains",
        "boolean",
        "array(t), t",
        "Determines whether given value exists in the array",
    ),
    scalar(
        "contains",
        "boolean",
        "varchar, ipaddress",
        "Determines whether given IP address exists in the CIDR",
    ),
    scalar(
        "contains_sequence",
        "boolean",
        "array(t), array(t)",
        "Determines whether an array contains a sequence, with the values in the exact order",
    ),
    scalar(
        "element_at",
        "e",
        "array(e), bigint",
        "Get element of array at given index",
    ),
    scalar(
        "element_at",
        "v",
        "map(k,v), k",
        "Get value for the given key, or null if it does not exist",
    ),
    scalar(
        "flatten",
        "array(e)",
        "array(array(e))",
        "Flattens the given array",
    ),
    scalar(
        "ngrams",
        "array(array(t))",
        "array(t), bigint",
        "Return N-grams for the input",
    ),
    scalar(
        "repeat",
        "array(t)",
        "t, bigint",
        "Repeat an element for a given number of times",
    ),
    scalar(
        "repeat",
        "array(unknown)",
        "unknown, bigint",
        "Repeat an element for a given number of times",
    ),
    scalar(
        "reverse",
        "array(e)",
        "array(e)",
        "Returns an array which has the reversed order of the given array.",
    ),
    scalar(
        "reverse",
        "varbinary",
        "varbinary",
        "Reverse a given varbinary",
    ),
    scalar(
        "reverse",
        "varchar(x)",
        "varchar(x)",
        "Reverse all code points in a given string",
    ),
    scalar(
        "sequence",
        "array(bigint)",
        "bigint, bigint",
        "Sequence function to generate an array of integers",
    ),
    scalar(
        "sequence",
        "array(bigint)",
        "bigint, bigint, bigint",
        "Sequence function to generate an array of integers",
    ),
    scalar(
        "sequence",
        "array(date)",
        "date, date",
        "Sequence function to generate an array of dates",
    ),
    scalar(
        "sequence",
        "array(date)",
        "date, date, interval day to second",
        "Sequence function to generate an array of dates",
    ),
    scalar(
        "sequence",
        "array(date)",
        "date, date, interval year to month",
        "Sequence function to generate an array of dates",
    ),
    scalar(
        "sequence",
        "array(timestamp(p))",
        "timestamp(p), timestamp(p), interval day to second",
        "Sequence function to generate an array of timestamps",
    ),
    scalar(
        "sequence",
        "array(timestamp(p))",
        "timestamp(p), timestamp(p), interval year to month",
        "Sequence function to generate an array of timestamps",
    ),
    Description {
        is_deterministic: false,
        ..scalar(
            "shuffle",
            "array(e)",
            "array(e)",
            "Generates a random permutation of the given array.",
        )
    },
    scalar(
        "slice",
        "array(e)",
        "array(e), bigint, bigint",
        "Subsets an array given an offset (1-indexed) and length",
    ),
    scalar(
        "trim_array",
        "array(e)",
        "array(e), bigint",
        "Remove elements from the end of array",
    ),
    scalar(
        "zip",
        "array(row(T1,T2))",
        "array(T1), array(T2)",
        "Merges the given arrays, element-wise, into a single array of rows.",
    ),
    scalar(
        "zip",
        "array(row(T1,T2,T3))",
        "array(T1), array(T2), array(T3)",
        "Merges the given arrays, element-wise, into a single array of rows.",
    ),
];
