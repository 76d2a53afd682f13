//! `typeof(x)`.

use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs};

use super::expressions::shown;
use super::function::{Kernel, call};
use crate::presto::types::field_type_name;

/// Returns the call for an expression of this field; the field is not known inside a lambda.
pub(super) fn type_of(expr: Expr, field: Option<Field>) -> Expr {
    // Other types may change until plans are coerced.
    let field =
        field.filter(|field| matches!(expr, Expr::Literal(..)) || !field.metadata().is_empty());
    let name = field.map(|field| shown(&expr, &field));
    call(TypeOf { name }, vec![expr])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    name: Option<String>,
}

impl Kernel for TypeOf {
    fn name(&self) -> &'static str {
        "typeof"
    }

    fn returns(&self, _: &ReturnFieldArgs<'_>) -> Result<Field> {
        Ok(Field::new("typeof", DataType::Utf8, true))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let actual = || args.arg_fields.first().map(|field| field_type_name(field));
        let name = self.name.clone().or_else(actual);
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(name)))
    }
}
