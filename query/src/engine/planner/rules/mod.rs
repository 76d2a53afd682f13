//! Rules on whole plans. Before types are coerced, what has no common type in Presto is refused, and what has one gets
//! it. After that, comparisons with NaN get their meaning, and `TRY` is put into its form for running.

mod checks;
mod nan;
mod quantified;
mod widened;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ExprSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{disjunction, merge_schema};
use datafusion::logical_expr::{
    Case, Expr, ExprSchemable, LogicalPlan, Operator, WindowFrameBound, WindowFrameUnits,
};
use datafusion::optimizer::AnalyzerRule;

use self::checks::{check, check_order, check_union};
pub(super) use self::nan::CompareNan;
pub(super) use self::quantified::QuantifiedComparisons;
pub(super) use self::widened::{cast_cells, implied, widest};
use self::widened::{widened, widened_join, widened_union};
use super::attempted::{is_marked, lift};
use super::casts::{Failing, cast_to};
use super::comparable::is_varchar;
use super::function::failure;
use super::nested;
use crate::presto::common_type::{list_of, normal};
use crate::presto::types::type_name;

/// Refuses what DataFusion would turn into text, and gives values that meet their common type.
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
            let plan = widened_join(plan)?;
            check_order(&plan, &schema)?;
            let names = NamePreserver::new(&plan);
            let plan = plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|expr| {
                    check(&expr, &schema)?;
                    let expr = equality_said(expr, &schema)?;
                    let expr = expr.transform_data(|expr| framed(expr, &schema))?;
                    let expr = expr.transform_data(|expr| joined(expr, &schema))?;
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

/// Says equality where arrays, maps and rows are looked for, as what is within may be NULL; and what `NULLIF` means
/// for two types.
fn equality_said(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
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
    // The value keeps its type, whatever the type in which it is compared.
    let others: Vec<&Expr> = match &expr {
        Expr::Case(case) => case
            .when_then_expr
            .iter()
            .map(|(when, _)| when.as_ref())
            .collect(),
        Expr::ScalarFunction(function) => function.args.iter().skip(1).collect(),
        _ => Vec::new(),
    };
    let is_wider = |other: &&Expr| {
        let other = other.get_type(schema);
        other.is_ok_and(|other| widest([value.data_type(), &other]).is_some())
    };
    // NaN is no NaN; and what differs when it is read again is read once.
    let is_said = value.data_type().is_nested()
        || others.iter().any(is_wider)
        || (value.data_type().is_floating() && !others.is_empty() && !operand.is_volatile());
    if !is_said {
        return Ok(Transformed::no(expr));
    }
    let equals = |item: &Expr| -> Result<Expr> {
        let (_, field) = item.to_field(schema)?;
        match nested::equal(operand, item, (&value, &field)) {
            Some(equal) => Ok(equal),
            None => Ok(widened(operand.clone().eq(item.clone()), schema)?.data),
        }
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

/// Makes text of the elements that `array_join` joins.
fn joined(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(function) = &mut expr else {
        return Ok(Transformed::no(expr));
    };
    let Some(array) = function
        .args
        .first_mut()
        .filter(|_| function.func.name() == "array_join")
    else {
        return Ok(Transformed::no(expr));
    };
    let Ok((_, field)) = array.to_field(schema) else {
        return Ok(Transformed::no(expr));
    };
    let DataType::List(item) = normal(field.data_type()) else {
        return Ok(Transformed::no(expr));
    };
    if is_varchar(item.data_type()) {
        return Ok(Transformed::no(expr));
    }
    let texts = Field::new("texts", list_of(DataType::Utf8), true);
    let from = Some(field.as_ref().clone());
    *array = cast_to(std::mem::take(array), from, &texts, Failing::IsAnError)?;
    Ok(Transformed::yes(expr))
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
