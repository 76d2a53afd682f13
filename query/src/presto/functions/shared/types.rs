//! Which types functions on collections take, and what they make of them.

use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};

use crate::presto::common_type::{common_type, list_of, normal};
use crate::presto::error::TrinoFailure;
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
