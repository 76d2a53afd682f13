//! Rules on whole plans. Before types are coerced, what has no common type in Presto is refused, and where decimals
//! meet doubles the decimals become doubles. After that, comparisons with NaN get their meaning, and `TRY` is put into
//! its form for running.

mod checks;
mod nan;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ExprSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::{NamePreserver, coerce_plan_expr_for_schema};
use datafusion::logical_expr::utils::{disjunction, merge_schema};
use datafusion::logical_expr::{
    Case, Expr, ExprSchemable, LogicalPlan, Operator, Union, WindowFrameBound, WindowFrameUnits,
    cast,
};
use datafusion::optimizer::AnalyzerRule;

use self::checks::{check, check_order, check_union};
pub(super) use self::nan::CompareNan;
use super::attempted::{is_marked, lift};
use super::function::failure;
use super::nested;
use crate::presto::types::type_name;

/// Refuses what DataFusion would turn into text, and makes doubles of decimals beside doubles.
#[derive(Debug)]
pub(super) struct CommonTypes;

impl AnalyzerRule for CommonTypes {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let common = plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            if let LogicalPlan::Union(union) = plan {
                check_union(&union.inputs)?;
                return widened_union(union);
            }
            check_order(&plan, &schema)?;
            let names = NamePreserver::new(&plan);
            let plan = plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|expr| {
                    check(&expr, &schema)?;
                    let expr = nested_equal(expr, &schema)?;
                    let expr = expr.transform_data(|expr| framed(expr, &schema))?;
                    expr.transform_data(|expr| widened(expr, &schema))
                })?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })?;
            if plan.transformed {
                return plan.map_data(LogicalPlan::recompute_schema);
            }
            // A union below may have other types now.
            Ok(Transformed::no(plan.data.recompute_schema()?))
        })?;
        Ok(common.data)
    }

    fn name(&self) -> &str {
        "presto_common_types"
    }
}

/// Returns the floating type that values of these types have in common; none if no decimal meets one.
pub(super) fn float_of<'a>(types: impl IntoIterator<Item = &'a DataType>) -> Option<DataType> {
    let (mut has_decimal, mut float) = (false, None);
    for data_type in types {
        match data_type {
            DataType::Float64 => float = Some(DataType::Float64),
            DataType::Float32 => float = float.or(Some(DataType::Float32)),
            other => has_decimal |= other.is_decimal(),
        }
    }
    float.filter(|_| has_decimal)
}

/// Says equality where arrays, maps and rows are looked for, as what is within may be NULL.
fn nested_equal(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let operand = match &expr {
        Expr::InList(list) => Some(list.expr.as_ref()),
        Expr::Case(case) => case.expr.as_deref(),
        Expr::ScalarFunction(function) if function.name() == "nullif" => function.args.first(),
        _ => None,
    };
    let Some(operand) = operand else {
        return Ok(Transformed::no(expr));
    };
    let (_, value) = operand.to_field(schema)?;
    if !value.data_type().is_nested() {
        return Ok(Transformed::no(expr));
    }
    let equals = |item: &Expr| -> Result<Expr> {
        let (_, field) = item.to_field(schema)?;
        let equal = nested::equal(operand, item, (&value, &field));
        Ok(equal.unwrap_or_else(|| operand.clone().eq(item.clone())))
    };
    let said = match &expr {
        Expr::InList(list) => {
            let each: Result<Vec<Expr>> = list.list.iter().map(equals).collect();
            disjunction(each?).map(|any| if list.negated { !any } else { any })
        }
        Expr::Case(case) => {
            let mut when_then_expr = Vec::with_capacity(case.when_then_expr.len());
            for (when, then) in &case.when_then_expr {
                when_then_expr.push((Box::new(equals(when)?), then.clone()));
            }
            let else_expr = case.else_expr.clone();
            Some(Expr::Case(Case::new(None, when_then_expr, else_expr)))
        }
        Expr::ScalarFunction(function) => match function.args.get(1) {
            Some(other) => {
                let null = Box::new(Expr::Literal(
                    ScalarValue::try_from(value.data_type())?,
                    None,
                ));
                let when = vec![(Box::new(equals(other)?), null)];
                Some(Expr::Case(Case::new(
                    None,
                    when,
                    Some(Box::new(operand.clone())),
                )))
            }
            None => None,
        },
        _ => None,
    };
    Ok(said.map_or_else(|| Transformed::no(expr.clone()), Transformed::yes))
}

/// Says frames of peers as such where DataFusion knows no ranges of the type that is sorted by.
fn framed(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::WindowFunction(window) = &mut expr else {
        return Ok(Transformed::no(expr));
    };
    let Some(sort) = window.params.order_by.first() else {
        return Ok(Transformed::no(expr));
    };
    let data_type = sort.expr.get_type(schema)?;
    let has_ranges = data_type.is_numeric()
        || data_type.is_string()
        || matches!(
            data_type,
            DataType::Null
                | DataType::Boolean
                | DataType::Date32
                | DataType::Date64
                | DataType::Timestamp(..)
        );
    let frame = &mut window.params.window_frame;
    if has_ranges || frame.units != WindowFrameUnits::Range {
        return Ok(Transformed::no(expr));
    }
    for bound in [&frame.start_bound, &frame.end_bound] {
        if let WindowFrameBound::Preceding(value) | WindowFrameBound::Following(value) = bound
            && !value.is_null()
        {
            return Err(failure(
                "TYPE_MISMATCH",
                format!(
                    "Window frame of type RANGE PRECEDING or FOLLOWING requires that sort key type is numeric, \
                     datetime or interval (actual: {})",
                    type_name(&data_type)
                ),
            ));
        }
    }
    frame.units = WindowFrameUnits::Groups;
    Ok(Transformed::yes(expr))
}

/// Casts the decimals among an expression's operands to the floating type beside them.
fn widened(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let mut operands: Vec<&mut Expr> = match &mut expr {
        Expr::Case(Case {
            when_then_expr,
            else_expr,
            ..
        }) => {
            let results = when_then_expr.iter_mut().map(|(_, then)| then.as_mut());
            results.chain(else_expr.as_deref_mut()).collect()
        }
        Expr::ScalarFunction(function) if matches!(function.name(), "coalesce" | "make_array") => {
            function.args.iter_mut().collect()
        }
        Expr::InList(list) => std::iter::once(list.expr.as_mut())
            .chain(&mut list.list)
            .collect(),
        Expr::Between(between) => vec![
            between.expr.as_mut(),
            between.low.as_mut(),
            between.high.as_mut(),
        ],
        Expr::BinaryExpr(binary) if is_comparison(binary.op) => {
            vec![binary.left.as_mut(), binary.right.as_mut()]
        }
        _ => return Ok(Transformed::no(expr)),
    };
    let mut types = Vec::with_capacity(operands.len());
    for operand in &operands {
        match operand.get_type(schema) {
            Ok(known) => types.push(known),
            Err(_) => return Ok(Transformed::no(expr)),
        }
    }
    let Some(float) = float_of(&types) else {
        return Ok(Transformed::no(expr));
    };
    for (operand, known) in operands.iter_mut().zip(&types) {
        if known.is_decimal() {
            **operand = cast(std::mem::take(*operand), float.clone());
        }
    }
    Ok(Transformed::yes(expr))
}

/// Casts the decimal columns of a union's inputs that meet floating ones.
fn widened_union(union: Union) -> Result<Transformed<LogicalPlan>> {
    let mut fields = Vec::new();
    let mut is_wider = false;
    for (position, (qualifier, field)) in union.schema.iter().enumerate() {
        let inputs = union.inputs.iter();
        let columns = inputs.filter_map(|input| input.schema().fields().get(position));
        let float = float_of(columns.map(|column| column.data_type()));
        is_wider |= float.is_some();
        let field = match float {
            Some(float) => Arc::new(field.as_ref().clone().with_data_type(float)),
            None => Arc::clone(field),
        };
        fields.push((qualifier.cloned(), field));
    }
    if !is_wider {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let schema = DFSchema::new_with_metadata(fields, union.schema.as_ref().metadata().clone())?;
    let inputs = union.inputs.into_iter().map(|input| {
        let input = Arc::unwrap_or_clone(input);
        coerce_plan_expr_for_schema(input, &schema).map(Arc::new)
    });
    let inputs = inputs.collect::<Result<_>>()?;
    Ok(Transformed::yes(LogicalPlan::Union(Union {
        inputs,
        schema: Arc::new(schema),
    })))
}

fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
    )
}

/// Moves the expressions of `TRY` inside their functions.
#[derive(Debug)]
pub(super) struct LiftTry;

impl AnalyzerRule for LiftTry {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let lifted = plan.transform_up_with_subqueries(|plan| {
            if !has_try(&plan)? {
                return Ok(Transformed::no(plan));
            }
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            let schema: &dyn ExprSchema = &schema;
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(lift(expr, schema)?.update_data(|expr| name.restore(expr)))
            })
        })?;
        Ok(lifted.data)
    }

    fn name(&self) -> &str {
        "presto_lift_try"
    }
}

fn has_try(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= expr.exists(|expr| {
            Ok(matches!(expr, Expr::ScalarFunction(function) if is_marked(function)))
        })?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
