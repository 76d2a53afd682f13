//! Window functions: the engine's, with Presto's types and argument rules.

mod evaluator;
#[cfg(test)]
mod tests;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result;
use datafusion::functions_window::lead_lag::{lag_udwf, lead_udwf};
use datafusion::functions_window::nth_value::nth_value_udwf;
use datafusion::functions_window::ntile::ntile_udwf;
use datafusion::functions_window::rank::{dense_rank_udwf, rank_udwf};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::function::{
    ExpressionArgs, PartitionEvaluatorArgs, WindowFunctionSimplification, WindowUDFFieldArgs,
};
use datafusion::logical_expr::{
    LimitEffect, PartitionEvaluator, ReversedUDWF, Signature, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

use self::evaluator::{Bigint, Nulls, Shift};
use super::shared::{Description, invalid, window};
use crate::presto::error::TrinoFailure;

/// Returns the functions.
pub(super) fn windows() -> Vec<WindowUDF> {
    let wrapped = |inner: Arc<WindowUDF>, rule| WindowUDF::from(Window { inner, rule });
    vec![
        wrapped(row_number_udwf(), Rule::Number),
        wrapped(rank_udwf(), Rule::Number),
        wrapped(dense_rank_udwf(), Rule::Number),
        wrapped(ntile_udwf(), Rule::Buckets),
        wrapped(lag_udwf(), Rule::Distance),
        wrapped(lead_udwf(), Rule::Distance),
        wrapped(nth_value_udwf(), Rule::Position),
    ]
}

/// What `SHOW FUNCTIONS` says of them.
pub(super) const DESCRIPTIONS: [Description; 15] = [
    window("cume_dist", "double", "", ""),
    window("dense_rank", "bigint", "", ""),
    window("first_value", "t", "t", ""),
    window("lag", "t", "t", ""),
    window("lag", "t", "t, bigint", ""),
    window("lag", "t", "t, bigint, t", ""),
    window("last_value", "t", "t", ""),
    window("lead", "t", "t", ""),
    window("lead", "t", "t, bigint", ""),
    window("lead", "t", "t, bigint, t", ""),
    window("nth_value", "t", "t, bigint", ""),
    window("ntile", "bigint", "bigint", ""),
    window("percent_rank", "double", "", ""),
    window("rank", "bigint", "", ""),
    window("row_number", "bigint", "", ""),
];

/// What is Presto's about a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The result is a bigint.
    Number,
    /// It is a bigint, and the argument is a positive number of buckets.
    Buckets,
    /// The second argument is a distance, not negative.
    Distance,
    /// The second argument is a position, from 1.
    Position,
}

/// A function of the engine with a rule of Presto's.
#[derive(Debug)]
struct Window {
    inner: Arc<WindowUDF>,
    rule: Rule,
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        self.inner.name() == other.inner.name()
    }
}

impl Eq for Window {}

impl Hash for Window {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.name().hash(state);
    }
}

/// Returns an argument if it is a constant.
fn constant(args: &PartitionEvaluatorArgs<'_>, place: usize) -> Option<ScalarValue> {
    let literal = args.input_exprs().get(place)?.downcast_ref::<Literal>()?;
    literal.value().cast_to(&DataType::Int64).ok()
}

/// Tells whether an argument that the engine takes as a constant is none.
fn has_columns(arguments: &[Arc<dyn PhysicalExpr>]) -> bool {
    let mut rest = arguments.iter().skip(1);
    rest.any(|argument| argument.downcast_ref::<Literal>().is_none())
}

impl Window {
    fn check(&self, args: &PartitionEvaluatorArgs<'_>) -> Result<Option<Nulls>> {
        match self.rule {
            Rule::Number => {}
            Rule::Buckets => match constant(args, 0) {
                Some(ScalarValue::Int64(None)) => return Ok(Some(Nulls(DataType::Int64))),
                Some(ScalarValue::Int64(Some(..=0))) => {
                    return Err(invalid("Buckets must be greater than 0"));
                }
                _ => {}
            },
            Rule::Distance => match constant(args, 1) {
                Some(ScalarValue::Int64(None)) => return Err(invalid("Offset must not be null")),
                Some(ScalarValue::Int64(Some(..0))) => {
                    return Err(invalid("Offset must be at least 0"));
                }
                _ => {}
            },
            Rule::Position => match constant(args, 1) {
                Some(ScalarValue::Int64(None)) => {
                    let value = args.input_fields().first();
                    let value = value.map_or(DataType::Null, |field| field.data_type().clone());
                    return Ok(Some(Nulls(value)));
                }
                Some(ScalarValue::Int64(Some(..=0))) => {
                    return Err(invalid("Offset must be at least 1"));
                }
                _ => {}
            },
        }
        Ok(None)
    }
}

impl WindowUDFImpl for Window {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn expressions(&self, args: ExpressionArgs<'_>) -> Vec<Arc<dyn PhysicalExpr>> {
        if self.rule == Rule::Distance && has_columns(args.input_exprs()) {
            return args.input_exprs().to_vec();
        }
        self.inner.expressions(args)
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs<'_>,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        if let Some(nulls) = self.check(&args)? {
            return Ok(Box::new(nulls));
        }
        if has_columns(args.input_exprs()) {
            if self.rule != Rule::Distance {
                return Err(TrinoFailure::new(
                    "NOT_SUPPORTED",
                    format!(
                        "{} with a number that is not constant is not supported",
                        self.name()
                    ),
                )
                .into());
            }
            // Each row looks as far as it says itself.
            let is_back = (self.name() == "lag") != args.is_reversed();
            return Ok(Box::new(Shift::new(is_back, args.ignore_nulls())));
        }
        let inner = self.inner.partition_evaluator_factory(args)?;
        Ok(match self.rule {
            Rule::Number | Rule::Buckets => Box::new(Bigint(inner)),
            Rule::Distance | Rule::Position => inner,
        })
    }

    fn simplify(&self) -> Option<WindowFunctionSimplification> {
        self.inner.simplify()
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        let name = args.name().to_owned();
        let field = self.inner.field(args)?;
        Ok(match self.rule {
            Rule::Number => Arc::new(Field::new(name, DataType::Int64, false)),
            Rule::Buckets => Arc::new(Field::new(name, DataType::Int64, true)),
            Rule::Distance | Rule::Position => field,
        })
    }

    fn sort_options(&self) -> Option<SortOptions> {
        self.inner.sort_options()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn reverse_expr(&self) -> ReversedUDWF {
        match self.inner.reverse_expr() {
            ReversedUDWF::Reversed(inner) => {
                ReversedUDWF::Reversed(Arc::new(WindowUDF::from(Self {
                    inner,
                    rule: self.rule,
                })))
            }
            other => other,
        }
    }

    fn limit_effect(&self, args: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        self.inner.inner().limit_effect(args)
    }
}
