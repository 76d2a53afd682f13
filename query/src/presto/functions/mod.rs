//! Presto functions that need the types of their arguments.

mod aggregates;
mod arrays;
mod dates;
mod lambdas;
mod maps;
mod shared;
mod windows;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::FunctionRegistry as _;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, HigherOrderUDF, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, WindowUDF,
};

pub(crate) use self::aggregates::AggregatePlanner;
pub(crate) use self::arrays::ArrayPlanner;
pub(crate) use self::maps::MAP;
pub use self::shared::{Description, Kind};
use super::types::type_name;

/// The functions that a session has besides DataFusion's.
#[derive(Debug)]
pub struct Library {
    scalars: Vec<Arc<ScalarUDF>>,
    aggregates: Vec<Arc<AggregateUDF>>,
    windows: Vec<Arc<WindowUDF>>,
    higher_order: Vec<Arc<HigherOrderUDF>>,
}

impl Library {
    /// Returns all of them.
    #[must_use]
    pub fn new() -> Self {
        let mut scalars = scalars();
        scalars.extend(arrays::scalars());
        scalars.extend(maps::scalars());
        Self {
            scalars: scalars.into_iter().map(Arc::new).collect(),
            aggregates: aggregates::aggregates().into_iter().map(Arc::new).collect(),
            windows: windows::windows().into_iter().map(Arc::new).collect(),
            higher_order: lambdas::higher_order().into_iter().map(Arc::new).collect(),
        }
    }

    /// Adds the functions to a session's state; they replace those of the same name.
    ///
    /// # Errors
    /// The state takes no functions.
    pub fn register(&self, state: &mut SessionState) -> crate::Result<()> {
        let failed = |error: DataFusionError| crate::Error::Internal {
            message: format!("cannot register a function: {error}"),
        };
        for function in &self.scalars {
            state.register_udf(Arc::clone(function)).map_err(failed)?;
        }
        for function in &self.aggregates {
            state.register_udaf(Arc::clone(function)).map_err(failed)?;
        }
        for function in &self.windows {
            state.register_udwf(Arc::clone(function)).map_err(failed)?;
        }
        for function in &self.higher_order {
            // A scalar function would win over the one of the same name that takes lambdas.
            state.deregister_udf(function.name()).map_err(failed)?;
            state
                .register_higher_order_function(Arc::clone(function))
                .map_err(failed)?;
        }
        Ok(())
    }
}

/// Returns what `SHOW FUNCTIONS` says of the functions on collections, aggregates and windows.
#[must_use]
pub fn descriptions() -> Vec<Description> {
    [
        arrays::DESCRIPTIONS.as_slice(),
        &maps::DESCRIPTIONS,
        &lambdas::DESCRIPTIONS,
        &aggregates::DESCRIPTIONS,
        &windows::DESCRIPTIONS,
    ]
    .concat()
}

impl Default for Library {
    fn default() -> Self {
        Self::new()
    }
}

fn scalars() -> Vec<ScalarUDF> {
    let simple = |name, arguments, returns, run| {
        ScalarUDF::from(Simple {
            name,
            signature: Signature::any(arguments, Volatility::Immutable),
            returns,
            run,
        })
    };
    vec![
        simple("date_add", 3, dates::type_of_third, dates::date_add),
        simple("date_diff", 3, bigint, dates::date_diff),
        simple("date_format", 2, varchar, dates::date_format),
        simple("date_trunc", 2, dates::type_of_second, dates::date_trunc),
        simple("typeof", 1, varchar, type_of),
    ]
}

/// A function of whole arrays.
#[derive(Debug)]
struct Simple {
    name: &'static str,
    signature: Signature,
    returns: fn(&[DataType]) -> DataFusionResult<DataType>,
    run: fn(&[ArrayRef]) -> DataFusionResult<ArrayRef>,
}

impl PartialEq for Simple {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Simple {}

impl Hash for Simple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Simple {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DataFusionResult<DataType> {
        (self.returns)(arguments)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let is_scalar = args
            .args
            .iter()
            .all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let result = (self.run)(&arrays)?;
        if is_scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &result, 0,
            )?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn bigint(_: &[DataType]) -> DataFusionResult<DataType> {
    Ok(DataType::Int64)
}

fn varchar(_: &[DataType]) -> DataFusionResult<DataType> {
    Ok(DataType::Utf8)
}

fn type_of(arguments: &[ArrayRef]) -> DataFusionResult<ArrayRef> {
    let [value] = arguments else {
        return datafusion::common::exec_err!("typeof takes one argument");
    };
    Ok(Arc::new(StringArray::from(vec![
        type_name(
            value.data_type()
        );
        value.len()
    ])))
}
