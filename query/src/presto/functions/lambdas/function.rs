//! A function that takes functions, as a row of a table.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature,
    HigherOrderUDFImpl, LambdaArgument, LambdaParametersProgress, ValueOrLambda, Volatility,
};

use crate::presto::error::TrinoFailure;
use crate::presto::functions::shared::internal;
use crate::presto::types::type_name;

/// The types of the values.
pub(super) type Values<'a> = &'a [DataType];

/// The types of the parameters of each lambda; none for a lambda that needs another first.
pub(super) type Parameters = Vec<Option<Vec<DataType>>>;

/// The types of the values, once it is known what the lambdas give.
pub(super) type CoerceAgain = fn(Values<'_>, &[DataType]) -> Option<Vec<DataType>>;

/// A function: how its values are converted, what its lambdas take, its type and what it does.
#[derive(Debug)]
pub(super) struct HigherOrder {
    pub(super) name: &'static str,
    /// How many lambdas it takes: at least, at most.
    pub(super) lambdas: (usize, usize),
    pub(super) coerce: fn(Values<'_>) -> Result<Vec<DataType>>,
    /// The parameters of each lambda, by the types of the values and of what lambdas are known to give.
    pub(super) parameters: fn(Values<'_>, &[Option<DataType>]) -> Result<Parameters>,
    /// The type of the result, by those of the values and of what the lambdas give.
    pub(super) returns: fn(Values<'_>, &[DataType]) -> Option<DataType>,
    /// Converts values again once it is known what the lambdas give.
    pub(super) coerce_again: Option<CoerceAgain>,
    pub(super) run: fn(&Call<'_>) -> Result<ArrayRef>,
    pub(super) signature: HigherOrderSignature,
}

/// Returns the signature of all of them.
pub(super) fn signature() -> HigherOrderSignature {
    HigherOrderSignature::user_defined(Volatility::Immutable)
}

/// One call for a batch of rows.
pub(super) struct Call<'a> {
    /// The values, one for each row.
    pub(super) values: Vec<ArrayRef>,
    /// The lambdas.
    pub(super) lambdas: Vec<&'a LambdaArgument>,
    /// The type of the result.
    pub(super) returns: &'a DataType,
    /// The rows.
    pub(super) rows: usize,
}

impl HigherOrder {
    fn unexpected<V, L>(
        &self,
        arguments: &[ValueOrLambda<V, L>],
        type_of: impl Fn(&V) -> String,
    ) -> DataFusionError {
        let types: Vec<String> = arguments
            .iter()
            .map(|argument| match argument {
                ValueOrLambda::Value(value) => type_of(value),
                ValueOrLambda::Lambda(_) => "<function>".to_owned(),
            })
            .collect();
        TrinoFailure::new(
            "FUNCTION_NOT_FOUND",
            format!(
                "Unexpected parameters ({}) for function {}",
                types.join(", "),
                self.name.trim_start_matches('$')
            ),
        )
        .into()
    }
}

fn field_type(field: &FieldRef) -> String {
    type_name(field.data_type())
}

impl PartialEq for HigherOrder {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for HigherOrder {}

impl Hash for HigherOrder {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl HigherOrderUDFImpl for HigherOrder {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn coerce_value_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        (self.coerce)(types)
    }

    fn lambda_parameters(
        &self,
        _: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let (mut values, mut known) = (Vec::new(), Vec::new());
        for field in fields {
            match field {
                ValueOrLambda::Value(field) => values.push(field.data_type().clone()),
                ValueOrLambda::Lambda(field) => {
                    known.push(field.as_ref().map(|field| field.data_type().clone()));
                }
            }
        }
        let (least, most) = self.lambdas;
        if known.len() < least || known.len() > most {
            return Err(self.unexpected(fields, field_type));
        }
        let parameters =
            (self.parameters)(&values, &known).map_err(|_| self.unexpected(fields, field_type))?;
        let as_fields = |types: Vec<DataType>| -> Vec<FieldRef> {
            types
                .into_iter()
                .map(|data_type| Arc::new(Field::new("", data_type, true)))
                .collect()
        };
        let is_complete = parameters.iter().all(Option::is_some)
            && (known.iter().all(Option::is_some) || self.coerce_again.is_none());
        let parameters = parameters.into_iter().map(|types| types.map(as_fields));
        Ok(if is_complete {
            LambdaParametersProgress::Complete(parameters.flatten().collect())
        } else {
            LambdaParametersProgress::Partial(parameters.collect())
        })
    }

    fn coerce_values_for_lambdas(
        &self,
        fields: &[ValueOrLambda<DataType, DataType>],
    ) -> Result<Option<Vec<DataType>>> {
        let Some(coerce_again) = self.coerce_again else {
            return Ok(None);
        };
        let (mut values, mut lambdas) = (Vec::new(), Vec::new());
        for field in fields {
            match field {
                ValueOrLambda::Value(data_type) => values.push(data_type.clone()),
                ValueOrLambda::Lambda(data_type) => lambdas.push(data_type.clone()),
            }
        }
        match coerce_again(&values, &lambdas) {
            Some(types) => Ok(Some(types)),
            None => Err(self.unexpected(fields, type_name)),
        }
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs<'_>) -> Result<FieldRef> {
        let (mut values, mut lambdas) = (Vec::new(), Vec::new());
        for field in args.arg_fields {
            match field {
                ValueOrLambda::Value(field) => values.push(field.data_type().clone()),
                ValueOrLambda::Lambda(field) => lambdas.push(field.data_type().clone()),
            }
        }
        // Before the analyzer has inserted its casts, the values have the types that were written.
        let values = (self.coerce)(&values)?;
        match (self.returns)(&values, &lambdas) {
            Some(data_type) => Ok(Arc::new(Field::new("", data_type, true))),
            None => Err(self.unexpected(args.arg_fields, field_type)),
        }
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let (mut values, mut lambdas) = (Vec::new(), Vec::new());
        for argument in &args.args {
            match argument {
                ValueOrLambda::Value(value) => values.push(value.to_array(args.number_rows)?),
                ValueOrLambda::Lambda(lambda) => lambdas.push(lambda),
            }
        }
        let returns = args.return_field.data_type();
        let result = (self.run)(&Call {
            values,
            lambdas,
            returns,
            rows: args.number_rows,
        })?;
        Ok(ColumnarValue::Array(if result.data_type() == returns {
            result
        } else {
            cast(&result, returns)?
        }))
    }
}

impl<'a> Call<'a> {
    /// Returns a value.
    pub(super) fn value(&self, place: usize) -> Result<&ArrayRef> {
        self.values
            .get(place)
            .ok_or_else(|| internal("a function without its argument"))
    }

    /// Returns a lambda.
    pub(super) fn lambda(&self, place: usize) -> Result<&'a LambdaArgument> {
        self.lambdas
            .get(place)
            .copied()
            .ok_or_else(|| internal("a function without its lambda"))
    }
}
