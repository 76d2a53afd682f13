//! Rules on whole plans. Before types are coerced, what has no common type in Presto is refused, and where decimals
//! meet doubles the decimals become doubles. After that, comparisons with NaN get their meaning, and `TRY` is put into
//! its form for running.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ExprSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::functions::math::expr_fn::isnan;
use datafusion::logical_expr::expr_rewriter::{NamePreserver, coerce_plan_expr_for_schema};
use datafusion::logical_expr::utils::{disjunction, merge_schema};
use datafusion::logical_expr::{
    Case, Expr, ExprSchemable, LogicalPlan, Operator, Union, WindowFrameBound, WindowFrameUnits,
    cast,
};
use datafusion::optimizer::AnalyzerRule;

use super::attempted::{is_marked, lift};
use super::comparable::{
    are_comparable, check_distinct, check_order, check_sorts, have_common_type, is_orderable,
};
use super::expressions::shown;
use super::function::{failure, is_text};
use super::nested;
use crate::presto::types::{field_type_name, type_name};

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

fn check_union(inputs: &[Arc<LogicalPlan>]) -> Result<()> {
    let Some((first, others)) = inputs.split_first() else {
        return Ok(());
    };
    for other in others {
        let columns = first.schema().fields().iter().zip(other.schema().fields());
        for (position, (left, right)) in columns.enumerate() {
            if !have_common_type(left, right) {
                return Err(failure(
                    "TYPE_MISMATCH",
                    format!(
                        "column {} in UNION query has incompatible types: {}, {}",
                        position + 1,
                        field_type_name(left),
                        field_type_name(right)
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn check(expr: &Expr, schema: &DFSchema) -> Result<()> {
    match expr {
        Expr::WindowFunction(window) => {
            check_sorts(&window.params.order_by, "window function ORDER BY", schema)
        }
        Expr::AggregateFunction(call)
            if matches!(call.func.name(), "min" | "max" | "min_by" | "max_by") =>
        {
            let by = usize::from(call.func.name().ends_with("_by"));
            let Some(argument) = call.params.args.get(by) else {
                return Ok(());
            };
            let (_, field) = argument.to_field(schema)?;
            if is_orderable(&field) {
                return Ok(());
            }
            Err(failure(
                "FUNCTION_NOT_FOUND",
                format!(
                    "Unexpected parameters ({}) for function {}: the type has no order",
                    field_type_name(&field),
                    call.func.name()
                ),
            ))
        }
        Expr::Case(case) => {
            for (when, _) in &case.when_then_expr {
                if let Some(operand) = &case.expr
                    && let Some((left, right)) = incomparable(operand, when, schema)
                {
                    let message = format!(
                        "CASE operand type does not match WHEN clause operand type: {left} vs {right}"
                    );
                    return Err(failure("TYPE_MISMATCH", message));
                }
            }
            let results = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
            let results: Vec<&Expr> = results.chain(case.else_expr.as_deref()).collect();
            common(&results, "All CASE results", have_common_type, schema)
        }
        Expr::ScalarFunction(function) => {
            let args: Vec<&Expr> = function.args.iter().collect();
            match (function.name(), args.as_slice()) {
                ("coalesce", args) => {
                    common(args, "All COALESCE operands", have_common_type, schema)
                }
                ("make_array", args) => {
                    common(args, "All ARRAY elements", have_common_type, schema)
                }
                ("nullif", [left, right]) => match incomparable(left, right, schema) {
                    Some((left, right)) => Err(failure(
                        "TYPE_MISMATCH",
                        format!("Types are not comparable with NULLIF: {left} vs {right}"),
                    )),
                    None => Ok(()),
                },
                _ => Ok(()),
            }
        }
        Expr::AggregateFunction(function) if function.params.distinct => {
            check_distinct(&function.params.args, schema)
        }
        Expr::InList(list) => {
            let all: Vec<&Expr> = std::iter::once(list.expr.as_ref())
                .chain(&list.list)
                .collect();
            common(&all, "IN value and list items", are_comparable, schema)
        }
        Expr::InSubquery(query) => {
            let found = query.subquery.subquery.schema().fields().first();
            match (query.expr.to_field(schema), found) {
                (Ok((_, value)), Some(found)) if !are_comparable(&value, found) => {
                    let (value, found) = (shown(&query.expr, &value), field_type_name(found));
                    Err(failure(
                        "TYPE_MISMATCH",
                        format!(
                            "Value expression and result of subquery must be of the same type: {value} vs {found}"
                        ),
                    ))
                }
                _ => Ok(()),
            }
        }
        Expr::Between(between) => {
            let (low, high) = (between.low.as_ref(), between.high.as_ref());
            let all = [between.expr.as_ref(), low, high];
            common(&all, "BETWEEN", are_comparable, schema).map_err(|_| {
                let name = |expr: &Expr| match expr.to_field(schema) {
                    Ok((_, field)) => shown(expr, &field),
                    Err(_) => "unknown".to_owned(),
                };
                let (value, low, high) = (name(between.expr.as_ref()), name(low), name(high));
                let message = format!("Cannot check if {value} is BETWEEN {low} and {high}");
                failure("TYPE_MISMATCH", message)
            })
        }
        Expr::BinaryExpr(binary)
            if matches!(
                binary.op,
                Operator::IsDistinctFrom | Operator::IsNotDistinctFrom
            ) =>
        {
            match incomparable(&binary.left, &binary.right, schema) {
                Some((left, right)) => Err(failure(
                    "TYPE_MISMATCH",
                    format!("Cannot apply operator: {left} {} {right}", binary.op),
                )),
                None => Ok(()),
            }
        }
        Expr::Like(like) => match like.expr.get_type(schema) {
            Ok(other) if !is_text(&other) && (other.is_numeric() || other == DataType::Boolean) => {
                Err(failure(
                    "TYPE_MISMATCH",
                    format!(
                        "Left side of LIKE expression must evaluate to a varchar (actual: {})",
                        type_name(&other)
                    ),
                ))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Returns the names of the types of two expressions that cannot be compared; none of those that can.
fn incomparable(left: &Expr, right: &Expr, schema: &DFSchema) -> Option<(String, String)> {
    let (_, left_field) = left.to_field(schema).ok()?;
    let (_, right_field) = right.to_field(schema).ok()?;
    (!are_comparable(&left_field, &right_field))
        .then(|| (shown(left, &left_field), shown(right, &right_field)))
}

fn common(
    exprs: &[&Expr],
    what: &str,
    go_together: fn(&Field, &Field) -> bool,
    schema: &DFSchema,
) -> Result<()> {
    let mut first: Option<(&Expr, Field)> = None;
    for expr in exprs {
        let Ok((_, field)) = expr.to_field(schema) else {
            return Ok(());
        };
        match &first {
            Some((before, known)) if !go_together(known, &field) => {
                let (left, right) = (shown(before, known), shown(expr, &field));
                return Err(failure(
                    "TYPE_MISMATCH",
                    format!(
                        "{what} must be the same type or coercible to a common type. Cannot find common type \
                         between {left} and {right}, all types (without duplicates): [{left}, {right}]"
                    ),
                ));
            }
            Some(_) => {}
            None if field.data_type().is_null() => {}
            None => first = Some((expr, field.as_ref().clone())),
        }
    }
    Ok(())
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

/// Makes NaN neither equal to nor smaller or greater than anything; Arrow takes it for the greatest number.
#[derive(Debug)]
pub(super) struct CompareNan;

impl AnalyzerRule for CompareNan {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let compared = plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let expr = expr.transform_up(|expr| compared(expr, &schema))?;
                Ok(expr.update_data(|expr| name.restore(expr)))
            })
        })?;
        Ok(compared.data)
    }

    fn name(&self) -> &str {
        "presto_compare_nan"
    }
}

fn compared(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(binary) = &expr else {
        return Ok(Transformed::no(expr));
    };
    let is_float = |side: &Expr| side.get_type(schema).is_ok_and(|known| known.is_floating());
    if !is_comparison(binary.op) || !is_float(&binary.left) || !is_float(&binary.right) {
        return Ok(Transformed::no(expr));
    }
    // The side whose NaN would make it true. A number is none.
    let side = match binary.op {
        Operator::Lt | Operator::LtEq => &binary.right,
        Operator::Gt | Operator::GtEq => &binary.left,
        _ if is_number(&binary.left) || is_number(&binary.right) => {
            return Ok(Transformed::no(expr));
        }
        _ => &binary.left,
    };
    if is_number(side) {
        return Ok(Transformed::no(expr));
    }
    let (is_nan, is_unequal) = (isnan(side.as_ref().clone()), binary.op == Operator::NotEq);
    Ok(Transformed::yes(if is_unequal {
        expr.or(is_nan)
    } else {
        expr.and(is_nan.is_false())
    }))
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => !value.is_nan(),
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => !value.is_nan(),
        Expr::Cast(cast) => is_number(&cast.expr),
        Expr::Literal(value, _) => value.data_type().is_integer() || value.data_type().is_decimal(),
        _ => false,
    }
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
