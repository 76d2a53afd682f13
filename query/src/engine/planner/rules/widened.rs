//! Values that meet become values of their common type: in comparisons, branches, arrays, unions and joins.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::{
    Case, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, Operator, Union, cast,
};

use super::super::zones::in_zone;
use super::is_comparison;
use crate::presto::common_type::{common_type, time_of};
use crate::presto::zoned_time::{is_zoned_time, offset_text, unit_and_offset};

/// Returns the type that numbers, dates and times of these types become; none if all are of one or have none.
pub(in super::super) fn widest<'a>(
    types: impl IntoIterator<Item = &'a DataType>,
) -> Option<DataType> {
    let (mut common, mut differ) = (DataType::Null, false);
    for data_type in types {
        // Only the engine's own functions make these, and it knows better what to do with them.
        if data_type.is_unsigned_integer() {
            return None;
        }
        let both = common_type(&common, data_type)?;
        differ |= !common.is_null() && !data_type.is_null() && common != *data_type;
        common = both;
    }
    let is_plain = common.is_numeric()
        || matches!(
            common,
            DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) | DataType::Timestamp(..)
        );
    (differ && is_plain).then_some(common)
}

/// Returns the value as one of the wider type; wall time is that of the session.
pub(in super::super) fn implied(expr: Expr, from: &DataType, to: &DataType) -> Expr {
    if from == to {
        return expr;
    }
    match to {
        zoned if let Some((unit, offset)) = unit_and_offset(zoned) => {
            if is_zoned_time(from) {
                return cast(expr, to.clone());
            }
            in_zone(cast(expr, time_of(unit)), &offset_text(offset))
        }
        DataType::Timestamp(unit, Some(zone))
            if matches!(from, DataType::Date32 | DataType::Timestamp(_, None)) =>
        {
            in_zone(cast(expr, DataType::Timestamp(*unit, None)), zone)
        }
        _ => cast(expr, to.clone()),
    }
}

/// Gives the operands of an expression their common type.
pub(super) fn widened(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if let Expr::InSubquery(query) = expr {
        return widened_membership(query, schema);
    }
    let mut operands = operands(&mut expr);
    let types: Result<Vec<DataType>> = operands
        .iter()
        .map(|operand| operand.get_type(schema))
        .collect();
    // Within lambdas, types are not known yet.
    let Some((types, common)) = types.ok().and_then(|types| {
        let common = widest(&types)?;
        Some((types, common))
    }) else {
        return Ok(Transformed::no(expr));
    };
    for (operand, from) in operands.iter_mut().zip(&types) {
        **operand = implied(std::mem::take(*operand), from, &common);
    }
    Ok(Transformed::yes(expr))
}

/// Returns the parts of an expression that have one type in the end.
fn operands(expr: &mut Expr) -> Vec<&mut Expr> {
    match expr {
        Expr::Case(Case {
            when_then_expr,
            else_expr,
            ..
        }) => {
            let results = when_then_expr.iter_mut().map(|(_, then)| then.as_mut());
            results.chain(else_expr.as_deref_mut()).collect()
        }
        Expr::ScalarFunction(function)
            if matches!(
                function.name(),
                "coalesce" | "make_array" | "greatest" | "least"
            ) =>
        {
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
        Expr::BinaryExpr(binary)
            if is_comparison(binary.op)
                || matches!(
                    binary.op,
                    Operator::IsDistinctFrom | Operator::IsNotDistinctFrom
                ) =>
        {
            vec![binary.left.as_mut(), binary.right.as_mut()]
        }
        _ => Vec::new(),
    }
}

/// Gives the value and the rows of `IN (SELECT …)` their common type.
fn widened_membership(mut query: InSubquery, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let rows = query.subquery.subquery.schema();
    let found = rows.fields().first().map(|field| field.data_type().clone());
    let (Ok(value), Some(found)) = (query.expr.get_type(schema), found) else {
        return Ok(Transformed::no(Expr::InSubquery(query)));
    };
    let Some(common) = widest([&value, &found]) else {
        return Ok(Transformed::no(Expr::InSubquery(query)));
    };
    query.expr = Box::new(implied(std::mem::take(&mut *query.expr), &value, &common));
    if found != common {
        let plan = Arc::unwrap_or_clone(query.subquery.subquery);
        let column = Expr::Column(Column::from(plan.schema().qualified_field(0)));
        // The columns of its conditions may join this one when they are pulled up.
        let value = implied(column, &found, &common).alias("$value");
        let plan = LogicalPlanBuilder::from(plan).project([value])?.build()?;
        query.subquery.subquery = Arc::new(plan);
    }
    Ok(Transformed::yes(Expr::InSubquery(query)))
}

/// Gives the columns of a union's inputs their common types.
pub(super) fn widened_union(union: Union) -> Result<Transformed<LogicalPlan>> {
    let mut types = Vec::new();
    let mut is_wider = false;
    for (position, field) in union.schema.fields().iter().enumerate() {
        let inputs = union.inputs.iter();
        let columns = inputs.filter_map(|input| input.schema().fields().get(position));
        let common = widest(columns.map(|column| column.data_type()));
        is_wider |= common.is_some();
        types.push(common.unwrap_or_else(|| field.data_type().clone()));
    }
    if !is_wider {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let mut fields = Vec::new();
    for ((qualifier, field), common) in union.schema.iter().zip(&types) {
        let field = field.as_ref().clone().with_data_type(common.clone());
        fields.push((qualifier.cloned(), Arc::new(field)));
    }
    let schema = DFSchema::new_with_metadata(fields, union.schema.as_ref().metadata().clone())?;
    let inputs = union.inputs.into_iter().map(|input| {
        let input = Arc::unwrap_or_clone(input);
        cast_columns(input, &types).map(Arc::new)
    });
    let inputs = inputs.collect::<Result<_>>()?;
    Ok(Transformed::yes(LogicalPlan::Union(Union {
        inputs,
        schema: Arc::new(schema),
    })))
}

/// Returns the plan with its columns cast to the types; those of other kinds stay as they are.
fn cast_columns(plan: LogicalPlan, types: &[DataType]) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    let columns = schema.iter().zip(types).map(|((qualifier, field), to)| {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        if widest([field.data_type(), to]).is_none() {
            return column;
        }
        implied(column, field.data_type(), to).alias_qualified(qualifier.cloned(), field.name())
    });
    LogicalPlanBuilder::from(plan)
        .project(columns.collect::<Vec<_>>())?
        .build()
}

/// Gives the sides of a join's equalities their common types.
pub(super) fn widened_join(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Join(mut join) = plan else {
        return Ok(plan);
    };
    for (left, right) in &mut join.on {
        let from = left.get_type(join.left.schema())?;
        let to = right.get_type(join.right.schema())?;
        if let Some(common) = widest([&from, &to]) {
            *left = implied(std::mem::take(left), &from, &common);
            *right = implied(std::mem::take(right), &to, &common);
        }
    }
    Ok(LogicalPlan::Join(join))
}

/// Gives the cells of a column of `VALUES` their common type.
pub(in super::super) fn cast_cells(cells: &mut [&mut Expr], schema: &DFSchema) -> Result<()> {
    let types = cells.iter().map(|cell| cell.get_type(schema));
    let types: Vec<DataType> = types.collect::<Result<_>>()?;
    if let Some(common) = widest(&types) {
        for (cell, from) in cells
            .iter_mut()
            .zip(&types)
            .filter(|(_, from)| !from.is_null())
        {
            **cell = implied(std::mem::take(*cell), from, &common);
        }
    }
    Ok(())
}
