//! What is refused because types do not go together, have no order or cannot be compared.

use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::common::DFSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};

use super::super::comparable::{
    are_comparable, have_common_type, is_comparable, is_orderable, is_varchar,
};
use super::super::expressions::shown;
use super::super::function::failure;
use super::is_comparison;
use crate::presto::types::field_type_name;

/// Refuses unions of columns that have no common type.
pub(super) fn check_union(inputs: &[Arc<LogicalPlan>]) -> Result<()> {
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

/// Refuses to group and to sort by what cannot be compared.
pub(super) fn check_order(plan: &LogicalPlan, schema: &DFSchema) -> Result<()> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => {
            let unknown = aggregate.group_expr.iter().find_map(|expr| {
                let (_, field) = expr.to_field(schema).ok()?;
                (!is_comparable(&field)).then(|| field_type_name(&field))
            });
            match unknown {
                Some(name) => Err(mismatch(format!(
                    "{name} is not comparable, and therefore cannot be used in GROUP BY"
                ))),
                None => Ok(()),
            }
        }
        LogicalPlan::Sort(sort) => check_sorts(&sort.expr, "ORDER BY", schema),
        LogicalPlan::Distinct(distinct) => {
            let mut fields = distinct.input().schema().fields().iter();
            match fields.find(|field| !is_comparable(field)) {
                Some(field) => Err(not_distinct(field)),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Refuses to sort by what has no order.
fn check_sorts(sorts: &[Sort], place: &str, schema: &DFSchema) -> Result<()> {
    for sort in sorts {
        let (_, field) = sort.expr.to_field(schema)?;
        if !is_orderable(&field) {
            let name = field_type_name(&field);
            return Err(mismatch(format!(
                "Type {name} is not orderable, and therefore cannot be used in {place}"
            )));
        }
    }
    Ok(())
}

/// Refuses `f(DISTINCT x)` where values cannot be compared.
fn check_distinct(arguments: &[Expr], schema: &DFSchema) -> Result<()> {
    for argument in arguments {
        let (_, field) = argument.to_field(schema)?;
        if !is_comparable(&field) {
            return Err(not_distinct(&field));
        }
    }
    Ok(())
}

fn not_distinct(field: &Field) -> DataFusionError {
    mismatch(format!(
        "DISTINCT can only be applied to comparable types (actual: {})",
        field_type_name(field)
    ))
}

fn without_order(field: &Field, function: &str) -> DataFusionError {
    failure(
        "FUNCTION_NOT_FOUND",
        format!(
            "Unexpected parameters ({}) for function {function}: the type has no order",
            field_type_name(field)
        ),
    )
}

fn mismatch(message: String) -> DataFusionError {
    failure("TYPE_MISMATCH", message)
}

/// Refuses an expression whose operands Presto does not take together.
pub(super) fn check(expr: &Expr, schema: &DFSchema) -> Result<()> {
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
            Err(without_order(&field, call.func.name()))
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
        Expr::AggregateFunction(function) => {
            if function.params.distinct {
                check_distinct(&function.params.args, schema)?;
            }
            check_sorts(&function.params.order_by, "ORDER BY", schema)
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
            let go_together = |left: &Field, right: &Field| {
                is_orderable(left) && is_orderable(right) && are_comparable(left, right)
            };
            common(&all, "BETWEEN", go_together, schema).map_err(|_| {
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
            if is_comparison(binary.op)
                || matches!(
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
        Expr::Like(like) => match like.expr.to_field(schema) {
            Ok((_, field)) if !is_varchar(field.data_type()) => Err(mismatch(format!(
                "Left side of LIKE expression must evaluate to a varchar (actual: {})",
                field_type_name(&field)
            ))),
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
