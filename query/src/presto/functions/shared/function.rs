//! A scalar function as a row of a table.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::as_char;

/// What a NULL argument means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::presto::functions) enum Nulls {
    /// The result is NULL.
    Propagate,
    /// The function decides.
    Given,
}

/// A function: its name, how its arguments are converted, its type and what it does.
#[derive(Debug)]
pub(in crate::presto::functions) struct Definition {
    name: &'static str,
    nulls: Nulls,
    coerce: fn(&[DataType]) -> Result<Vec<DataType>>,
    returns: fn(&[DataType]) -> Result<DataType>,
    run: fn(&Call<'_>) -> Result<ArrayRef>,
    signature: Signature,
    keeps_char: bool,
}

/// One call for a batch of rows.
#[derive(Debug)]
pub(in crate::presto::functions) struct Call<'a> {
    /// The arguments, each with a value per row.
    pub(in crate::presto::functions) arrays: &'a [ArrayRef],
    /// The type of the result.
    pub(in crate::presto::functions) returns: &'a DataType,
    /// The rows.
    pub(in crate::presto::functions) rows: usize,
    /// Which results are NULL because an argument is.
    pub(in crate::presto::functions) nulls: Option<NullBuffer>,
}

impl Call<'_> {
    /// Tells whether the row's result is NULL because an argument is.
    pub(in crate::presto::functions) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }
}

impl Definition {
    pub(in crate::presto::functions) fn new(
        name: &'static str,
        nulls: Nulls,
        coerce: fn(&[DataType]) -> Result<Vec<DataType>>,
        returns: fn(&[DataType]) -> Result<DataType>,
        run: fn(&Call<'_>) -> Result<ArrayRef>,
    ) -> Self {
        Self {
            name,
            nulls,
            coerce,
            returns,
            run,
            signature: Signature::user_defined(Volatility::Immutable),
            keeps_char: false,
        }
    }

    /// Returns the function with a result of `char(n)` if the first argument is.
    pub(in crate::presto::functions) fn keeping_char(self) -> Self {
        Self {
            keeps_char: true,
            ..self
        }
    }

    /// Returns the function as one whose answers differ from call to call.
    pub(in crate::presto::functions) fn volatile(self) -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Volatile),
            ..self
        }
    }
}

impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Definition {}

impl Hash for Definition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Definition {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        // The planner would turn an error into text; `return_type` says it with its name.
        Ok((self.coerce)(arguments).unwrap_or_else(|_| arguments.to_vec()))
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        (self.returns)(&(self.coerce)(arguments)?)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let fields = args.arg_fields.iter();
        let types: Vec<DataType> = fields.map(|field| field.data_type().clone()).collect();
        let field = Field::new(self.name, self.return_type(&types)?, true);
        Ok(Arc::new(match args.arg_fields.first() {
            Some(first) if self.keeps_char => as_char(field, first),
            _ => field,
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = !args.args.is_empty()
            && self.signature.volatility == Volatility::Immutable
            && args
                .args
                .iter()
                .all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let mut arrays = Vec::with_capacity(args.args.len());
        for value in &args.args {
            arrays.push(value.to_array(rows)?);
        }
        let returns = args.return_field.data_type();
        let nulls = match self.nulls {
            Nulls::Propagate => {
                let mut all: Option<NullBuffer> = None;
                for array in &arrays {
                    all = NullBuffer::union(all.as_ref(), array.logical_nulls().as_ref());
                }
                all
            }
            Nulls::Given => None,
        };
        let all_null = nulls
            .as_ref()
            .is_some_and(|nulls| nulls.null_count() == rows);
        let result = if all_null && rows > 0 {
            new_null_array(returns, rows)
        } else {
            (self.run)(&Call {
                arrays: &arrays,
                returns,
                rows,
                nulls,
            })?
        };
        let result = if result.data_type() == returns {
            result
        } else {
            cast(&result, returns)?
        };
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &result, 0,
            )?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Returns the row's bigint.
pub(in crate::presto::functions) fn constant_i64(array: &ArrayRef, row: usize) -> Option<i64> {
    let numbers = array.as_primitive_opt::<Int64Type>()?;
    (row < numbers.len() && numbers.is_valid(row)).then(|| numbers.value(row))
}
