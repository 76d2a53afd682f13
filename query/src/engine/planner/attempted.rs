//! `TRY(expr)`.
//!
//! ```text
//! SQL       try(1 / x)                                  a call like others, so that types and aggregates are found
//! analyzed  try[1 / #0](x)                              the expression inside the function, its columns outside
//! runs      the batch as a whole, in halves if it fails
//! ```
//!
//! Were the expression an argument, it would fail before the function is called.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema};
use datafusion::error::Result;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs,
};
use datafusion::physical_expr::create_physical_expr;

use super::attempt::attempt;
use super::function::{Kernel, call, kernel_of, unexpected};
use super::zones::Now;

/// Returns the call that the analyzer replaces.
pub(super) fn mark(expr: Expr) -> Expr {
    call(Marked, vec![expr])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Marked;

impl Kernel for Marked {
    fn name(&self) -> &'static str {
        "try"
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let value = args.arg_fields.first().ok_or_else(|| unexpected("try"))?;
        Ok(value.as_ref().clone().with_name("try").with_nullable(true))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        args.args.first().cloned().ok_or_else(|| unexpected("try"))
    }
}

/// Moves the expressions of `TRY` inside their functions; types are coerced by now.
pub(super) fn lift(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match &expr {
        Expr::ScalarFunction(function) if kernel_of::<Marked>(function).is_some() => {
            let Some(inner) = function.args.first() else {
                return Ok(Transformed::no(expr));
            };
            lifted(inner.clone(), schema).map(Transformed::yes)
        }
        _ => Ok(Transformed::no(expr)),
    })
}

fn lifted(inner: Expr, schema: &dyn ExprSchema) -> Result<Expr> {
    let (_, returns) = inner.to_field(schema)?;
    let bound = bound_variables(&inner)?;
    let mut leaves: Vec<Expr> = Vec::new();
    let body = inner.transform_down(|expr| {
        if !is_leaf(&expr, &bound) {
            return Ok(Transformed::no(expr));
        }
        let position = leaves
            .iter()
            .position(|leaf| *leaf == expr)
            .unwrap_or_else(|| {
                leaves.push(expr.clone());
                leaves.len() - 1
            });
        let column = Expr::Column(Column::new_unqualified(format!("a{position}")));
        Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
    })?;
    let fields = leaves.iter().enumerate().map(|(position, leaf)| {
        let (_, field) = leaf.to_field(schema)?;
        Ok(Arc::new(
            field.as_ref().clone().with_name(format!("a{position}")),
        ))
    });
    let attempted = Attempted {
        body: body.data,
        inputs: fields.collect::<Result<Vec<FieldRef>>>()?,
        returns: returns
            .as_ref()
            .clone()
            .with_name("try")
            .with_nullable(true),
    };
    Ok(call(attempted, leaves))
}

/// Returns the names of the parameters of lambdas inside the expression.
fn bound_variables(expr: &Expr) -> Result<Vec<String>> {
    let mut names = Vec::new();
    expr.apply(|expr| {
        if let Expr::Lambda(lambda) = expr {
            names.extend(lambda.params.iter().cloned());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(names)
}

/// Whether the value comes from outside.
fn is_leaf(expr: &Expr, bound: &[String]) -> bool {
    match expr {
        Expr::Column(_)
        | Expr::OuterReferenceColumn(..)
        | Expr::ScalarSubquery(_)
        | Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::AggregateFunction(_)
        | Expr::WindowFunction(_) => true,
        Expr::LambdaVariable(variable) => !bound.contains(&variable.name),
        Expr::ScalarFunction(function) => kernel_of::<Now>(function).is_some(),
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Attempted {
    body: Expr,
    inputs: Vec<FieldRef>,
    returns: Field,
}

impl Hash for Attempted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.body.hash(state);
    }
}

impl Kernel for Attempted {
    fn name(&self) -> &'static str {
        "try"
    }

    fn returns(&self, _: &ReturnFieldArgs<'_>) -> Result<Field> {
        Ok(self.returns.clone())
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = args
            .args
            .iter()
            .map(|value| value.to_array(args.number_rows));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let fields: Vec<FieldRef> = self.inputs.clone();
        let schema = Arc::new(Schema::new(fields));
        let plan_schema = DFSchema::try_from(Arc::clone(&schema))?;
        let mut props = ExecutionProps::new();
        props.mark_start_execution(Arc::clone(&args.config_options));
        let body = create_physical_expr(
            &self.body,
            &plan_schema,
            &props,
            &PhysicalPlanningContext::default(),
        )?;
        let options = RecordBatchOptions::new().with_row_count(Some(args.number_rows));
        // Values may be NULL where the plan did not expect it, so the fields are those of the plan as they are.
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let result = attempt(
            args.number_rows,
            self.returns.data_type(),
            &|start, length| {
                let part = batch.slice(start, length);
                body.evaluate(&part)?.into_array(length)
            },
        )?;
        Ok(ColumnarValue::Array(result))
    }
}

/// Returns whether the call is one of ours that is still to be lifted.
pub(super) fn is_marked(function: &ScalarFunction) -> bool {
    kernel_of::<Marked>(function).is_some()
}
