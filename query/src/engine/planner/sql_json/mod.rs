//! The functions that SQL/JSON calls become; [`sql_json`](crate::presto::sql_json) says which arguments they have.
//!
//! ```text
//! texts   input and FORMAT JSON: text of JSON by row      values   other values, as paths have them
//!     \                                                      /
//!      search: a path in each row  ->  exists, query, value        construct: json_object, json_array
//!                                 ->  table: query, value for each item
//! ```

mod construct;
mod exists;
mod query;
mod search;
mod table;
mod texts;
mod value;
mod values;

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};

use super::function::{failure, function, unexpected};
use crate::presto::functions::sql_path::Failure;
use crate::presto::sql_json::Clauses;

/// Returns the functions.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    [
        function(exists::JsonExists),
        function(query::JsonQuery),
        function(value::JsonValue),
        function(construct::JsonObject),
        function(construct::JsonArray),
        function(table::JsonTable),
    ]
    .map(Arc::new)
    .into()
}

/// Returns the field of an argument.
fn field_at<'a>(args: &ReturnFieldArgs<'a>, position: usize) -> Result<&'a Field> {
    let field = args.arg_fields.get(position);
    field
        .map(AsRef::as_ref)
        .ok_or_else(|| unexpected("a missing one"))
}

/// Returns the clauses that an argument says.
fn planned_clauses(args: &ReturnFieldArgs<'_>, position: usize) -> Result<Clauses> {
    match args.scalar_arguments.get(position) {
        Some(Some(value)) => clauses_of(value),
        _ => Err(unexpected("clauses")),
    }
}

fn clauses_of(value: &ScalarValue) -> Result<Clauses> {
    let text = value.try_as_str().flatten();
    text.and_then(Clauses::decode)
        .ok_or_else(|| unexpected("clauses"))
}

/// The arguments of a call for a batch.
struct Arguments<'a> {
    args: &'a ScalarFunctionArgs,
    rows: usize,
}

impl<'a> Arguments<'a> {
    /// Returns the text of a constant argument.
    fn constant(&self, position: usize) -> Result<&'a str> {
        match self.args.args.get(position) {
            Some(ColumnarValue::Scalar(value)) => value.try_as_str().flatten(),
            _ => None,
        }
        .ok_or_else(|| unexpected("what is not constant"))
    }

    fn clauses(&self, position: usize) -> Result<Clauses> {
        Clauses::decode(self.constant(position)?).ok_or_else(|| unexpected("clauses"))
    }

    fn field(&self, position: usize) -> Result<&'a Field> {
        let field = self.args.arg_fields.get(position);
        field
            .map(AsRef::as_ref)
            .ok_or_else(|| unexpected("a missing one"))
    }

    /// Returns the values of an argument, one for each row.
    fn array(&self, position: usize) -> Result<ArrayRef> {
        let value = self.args.args.get(position);
        value
            .ok_or_else(|| unexpected("a missing one"))?
            .to_array(self.rows)
    }

    /// Returns the session's zone.
    fn zone(&self) -> &'a str {
        let zone = self.args.config_options.execution.time_zone.as_deref();
        zone.unwrap_or("UTC")
    }
}

/// Computes the rows; a result of constants is one.
fn by_rows(
    args: &ScalarFunctionArgs,
    run: impl FnOnce(&Arguments<'_>) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    let is_scalar = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
    let is_constant = args.args.iter().all(is_scalar);
    let rows = if is_constant { 1 } else { args.number_rows };
    let result = run(&Arguments { args, rows })?;
    if is_constant {
        let value = ScalarValue::try_from_array(&result, 0)?;
        return Ok(ColumnarValue::Scalar(value));
    }
    Ok(ColumnarValue::Array(result))
}

/// Returns the error of a path that finds nothing.
fn failed(found: &Failure) -> DataFusionError {
    match found {
        Failure::Input => failure(
            "JSON_INPUT_CONVERSION_ERROR",
            "conversion to JSON failed: the input is not JSON",
        ),
        Failure::Path(message) => failure(
            "PATH_EVALUATION_ERROR",
            format!("path evaluation failed: {message}"),
        ),
    }
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView
    )
}
