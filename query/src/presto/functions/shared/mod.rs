//! What the functions on collections have in common: how one is defined, types, comparing and building values.

mod describe;
mod function;
mod lists;
mod rows;
#[cfg(test)]
mod testing;
mod text;
mod types;

pub use self::describe::{Description, Kind};
pub(super) use self::describe::{aggregate, scalar, window};
pub(super) use self::function::{Call, Definition, Nulls, constant_i64};
pub(super) use self::lists::{Lists, Picker, build_map, map_parts};
pub(super) use self::rows::{Comparable, nan_flags};
#[cfg(test)]
pub(super) use self::testing::check;
pub(super) use self::text::texts;
pub(super) use self::types::{as_char, is_orderable, same_lists, unexpected};

use datafusion::error::DataFusionError;

pub(super) use crate::presto::common_type::{
    common_type, key_value, list_of, map_of, map_types, normal,
};
use crate::presto::error::TrinoFailure;

/// Returns an error by its Trino name.
pub(super) fn failure(name: &'static str, message: impl Into<String>) -> DataFusionError {
    TrinoFailure::new(name, message).into()
}

/// Returns the error of an argument that the function does not take.
pub(super) fn invalid(message: impl Into<String>) -> DataFusionError {
    failure("INVALID_FUNCTION_ARGUMENT", message)
}

/// Returns the error of a number that its type cannot hold.
pub(super) fn out_of_range(message: impl Into<String>) -> DataFusionError {
    failure("NUMERIC_VALUE_OUT_OF_RANGE", message)
}

/// Returns an error of ours.
pub(super) fn internal(message: &str) -> DataFusionError {
    DataFusionError::Internal(message.to_owned())
}
