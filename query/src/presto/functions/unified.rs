//! Functions of DataFusion that take values of one type: the one that Presto finds for them.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::error::Result;
use datafusion::functions::core::{coalesce, nullif};
use datafusion::functions_nested::make_array::make_array_udf;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature,
};

use super::shared::common_type;

/// Returns the functions.
pub(super) fn functions() -> impl Iterator<Item = ScalarUDF> {
    let functions = [coalesce(), make_array_udf(), nullif()];
    functions.into_iter().map(|function| {
        let inner = Arc::clone(function.inner());
        let signature = Signature::user_defined(inner.signature().volatility);
        ScalarUDF::from(Unified { inner, signature })
    })
}

/// A function whose arguments become values of their common type.
struct Unified {
    inner: Arc<dyn ScalarUDFImpl>,
    signature: Signature,
}

impl Debug for Unified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Unified").field(&self.name()).finish()
    }
}

impl PartialEq for Unified {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Unified {}

impl Hash for Unified {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl Unified {
    fn has_types_of_its_own(&self) -> bool {
        self.inner.signature().type_signature == TypeSignature::UserDefined
    }
}

impl ScalarUDFImpl for Unified {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let is_one = arguments.windows(2).all(|pair| pair.first() == pair.last());
        let common = || {
            let mut types = arguments.iter();
            types.try_fold(DataType::Null, |common, next| common_type(&common, next))
        };
        match common().filter(|_| !is_one) {
            Some(common) => Ok(vec![common; arguments.len()]),
            None if self.has_types_of_its_own() => self.inner.coerce_types(arguments),
            None => Ok(arguments.to_vec()),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner.simplify(args, info)
    }

    fn short_circuits(&self) -> bool {
        self.inner.short_circuits()
    }

    fn conditional_arguments<'a>(
        &self,
        args: &'a [Expr],
    ) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner.conditional_arguments(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(args)
    }
}
