//! Which types functions on collections take, and what they make of them.

use arrow::datatypes::{DataType, Field};
use datafusion::error::{DataFusionError, Result};

use crate::presto::common_type::{common_type, list_of, normal};
use crate::presto::error::TrinoFailure;
use crate::presto::opaque::{BING_TILE, JSON};
use crate::presto::type_parser::{TextLength, text_length};
use crate::presto::types::type_name;

/// Returns the error of arguments that no form of the function takes.
pub(in crate::presto::functions) fn unexpected(
    name: &str,
    arguments: &[DataType],
) -> DataFusionError {
    let types: Vec<String> = arguments.iter().map(type_name).collect();
    TrinoFailure::new(
        "FUNCTION_NOT_FOUND",
        format!(
            "Unexpected parameters ({}) for function {name}",
            types.join(", ")
        ),
    )
    .into()
}

/// Returns the field as one of `char(n)` if the argument is.
pub(in crate::presto::functions) fn as_char(field: Field, argument: &Field) -> Field {
    match text_length(argument) {
        TextLength::Char(_) if *field.data_type() == DataType::Utf8 => {
            field.with_metadata(argument.metadata().clone())
        }
        _ => field,
    }
}

/// Returns whether values of the type have an order.
pub(in crate::presto::functions) fn is_orderable(data_type: &DataType) -> bool {
    match normal(data_type) {
        opaque if opaque == JSON || opaque == BING_TILE => false,
        DataType::Map(..) => false,
        DataType::List(item) => is_orderable(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_orderable(field.data_type())),
        _ => true,
    }
}

/// Returns the one list type of arguments that are all arrays.
pub(in crate::presto::functions) fn same_lists(
    name: &str,
    arguments: &[DataType],
) -> Result<Vec<DataType>> {
    let mut item = DataType::Null;
    for argument in arguments {
        match normal(argument) {
            DataType::Null => {}
            DataType::List(field) => {
                item = common_type(&item, field.data_type())
                    .ok_or_else(|| unexpected(name, arguments))?;
            }
            _ => return Err(unexpected(name, arguments)),
        }
    }
    Ok(vec![list_of(item); arguments.len()])
}
