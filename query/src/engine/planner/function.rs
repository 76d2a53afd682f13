//! What our functions have in common: they are found by the planner, not by a name.

use std::any::Any;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::presto::error::TrinoFailure;

/// A function that the planner puts into plans.
pub(super) trait Kernel: Debug + Eq + Hash + Send + Sync + Any {
    /// How plans show it.
    fn name(&self) -> &'static str;

    /// Returns the name of a column of this call: calls that differ have names that do.
    fn column_name(&self, arguments: &str) -> String {
        if size_of_val(self) == 0 {
            return format!("{}({arguments})", self.name());
        }
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("{}#{:x}({arguments})", self.name(), hasher.finish())
    }

    /// Whether equal arguments give equal results in all queries.
    fn volatility(&self) -> Volatility {
        Volatility::Immutable
    }

    /// Returns the types to cast the arguments to.
    fn coerce(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    /// Returns the field of the result for coerced arguments.
    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field>;

    /// Computes a batch.
    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue>;

    /// Returns what the call can be replaced with before it runs.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Original(args))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct KernelFunction<K> {
    kernel: K,
    signature: Signature,
}

impl<K: Kernel> ScalarUDFImpl for KernelFunction<K> {
    fn name(&self) -> &str {
        self.kernel.name()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let arguments: Vec<String> = args
            .iter()
            .map(|arg| arg.schema_name().to_string())
            .collect();
        Ok(self.kernel.column_name(&arguments.join(",")))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = types
            .iter()
            .map(|data_type| Arc::new(Field::new("", data_type.clone(), true)))
            .collect();
        let scalars = vec![None; fields.len()];
        let field = self.kernel.returns(&ReturnFieldArgs {
            arg_fields: &fields,
            scalar_arguments: &scalars,
        })?;
        Ok(field.data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        // Plans ask again after joins have made more columns nullable, and must hear the same.
        Ok(Arc::new(self.kernel.returns(&args)?.with_nullable(true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        // An error would lose its name here; `returns` finds the same and keeps it.
        let coerced = self.kernel.coerce(types);
        Ok(coerced.unwrap_or_else(|_| types.to_vec()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.kernel.run(&args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.kernel.simplify(args, info)
    }
}

/// Returns a call of the function.
pub(super) fn call(kernel: impl Kernel, args: Vec<Expr>) -> Expr {
    let signature = if args.is_empty() {
        Signature::nullary(kernel.volatility())
    } else {
        Signature::user_defined(kernel.volatility())
    };
    let function = KernelFunction { kernel, signature };
    Expr::ScalarFunction(ScalarFunction::new_udf(
        Arc::new(ScalarUDF::from(function)),
        args,
    ))
}

/// Returns a kernel as a function that is found by its name.
pub(super) fn function(kernel: impl Kernel) -> ScalarUDF {
    let signature = Signature::user_defined(kernel.volatility());
    ScalarUDF::from(KernelFunction { kernel, signature })
}

/// Returns the kernel of a call, if it is of this type.
pub(super) fn kernel_of<K: Kernel>(function: &ScalarFunction) -> Option<&K> {
    let found = (function.func.inner().as_ref() as &dyn Any).downcast_ref::<KernelFunction<K>>();
    found.map(|function| &function.kernel)
}

/// Runs a function of whole arrays; a result of constants stays a constant.
pub(super) fn by_arrays(
    args: &ScalarFunctionArgs,
    run: impl FnOnce(&[ArrayRef]) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    // Constants of nested types would lose what the fields inside tell.
    let is_constant = !args.return_field.data_type().is_nested()
        && args
            .args
            .iter()
            .all(|value| matches!(value, ColumnarValue::Scalar(_)));
    let arrays = if is_constant {
        ColumnarValue::values_to_arrays(&args.args)?
    } else {
        let expanded = args
            .args
            .iter()
            .map(|value| value.to_array(args.number_rows));
        expanded.collect::<Result<Vec<_>>>()?
    };
    let result = run(&arrays)?;
    if is_constant && result.len() == 1 {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
            &result, 0,
        )?));
    }
    Ok(ColumnarValue::Array(result))
}

/// Returns an error of this name.
pub(super) fn failure(name: &'static str, message: impl Into<String>) -> DataFusionError {
    TrinoFailure::new(name, message).into()
}

/// Returns the failure as kernels of Arrow carry it.
pub(super) fn arrow_failure(name: &'static str, message: impl Into<String>) -> ArrowError {
    ArrowError::ExternalError(Box::new(TrinoFailure::new(name, message)))
}

/// Returns an error for what planning should have prevented.
pub(super) fn unexpected(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("unexpected argument: {what}"))
}

/// Returns the type of values: that of a dictionary's values.
pub(super) fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, value) => value_type(value),
        DataType::RunEndEncoded(_, value) => value_type(value.data_type()),
        other => other,
    }
}

/// Returns whether it is a text type.
pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}
