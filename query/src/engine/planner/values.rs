//! `(VALUES …)` whose rows differ in type.
//!
//! DataFusion wants every row to say the same beyond Arrow's types (lengths, geometries), a NULL too; and finds other
//! common types than Presto.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable as _, LogicalPlanBuilder, ReturnFieldArgs,
    ScalarFunctionArgs,
};
use datafusion::sql::sqlparser::ast::{Query, SetExpr, TableFactor, Values};

use super::comparable::have_common_type;
use super::expressions::shown;
use super::function::{Kernel, call, failure, unexpected};
use super::rules::cast_cells;

/// Plans `VALUES` in `FROM`.
#[derive(Debug)]
pub(super) struct ValuesPlanner;

impl RelationPlanner for ValuesPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Derived {
            subquery,
            alias,
            sample: None,
            ..
        } = &relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let Some(values) = only_values(subquery) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let schema = DFSchema::empty();
        let mut rows = values
            .rows
            .iter()
            .map(|row| {
                let cells = row.content.iter();
                cells
                    .map(|cell| context.sql_to_expr(cell.clone(), &schema))
                    .collect()
            })
            .collect::<Result<Vec<Vec<Expr>>>>()?;
        check_rows(&rows, &schema)?;
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
        for column in 0..columns {
            let cells = rows.iter_mut().filter_map(|row| row.get_mut(column));
            agree(cells.collect(), &schema)?;
        }
        let plan = LogicalPlanBuilder::values(rows)?.build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan,
            alias.clone(),
        ))))
    }
}

fn only_values(query: &Query) -> Option<&Values> {
    let is_plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none();
    match query.body.as_ref() {
        SetExpr::Values(values) if is_plain => Some(values),
        _ => None,
    }
}

/// Refuses rows whose types have nothing in common with those of the first.
fn check_rows(rows: &[Vec<Expr>], schema: &DFSchema) -> Result<()> {
    let fields_of = |row: &Vec<Expr>| -> Result<Vec<FieldRef>> {
        let fields = row.iter().map(|cell| Ok(cell.to_field(schema)?.1));
        fields.collect()
    };
    let Some((first_row, others)) = rows.split_first() else {
        return Ok(());
    };
    let mut first = fields_of(first_row)?;
    for row in others {
        let fields = fields_of(row)?;
        for (known, field) in first.iter_mut().zip(&fields) {
            if !have_common_type(known, field) {
                let name = |row: &[Expr], fields: &[FieldRef]| {
                    let names = row
                        .iter()
                        .zip(fields)
                        .map(|(cell, field)| shown(cell, field));
                    names.collect::<Vec<_>>().join(", ")
                };
                let (left, right) = (name(first_row, &fields_of(first_row)?), name(row, &fields));
                return Err(failure(
                    "TYPE_MISMATCH",
                    format!("Values rows have mismatched types: row({left}) vs row({right})"),
                ));
            }
            if known.data_type().is_null() {
                *known = Arc::clone(field);
            }
        }
    }
    Ok(())
}

/// Makes the cells of a column say the same: NULLs what the others do, and nothing where these differ. All get their
/// common type.
fn agree(mut cells: Vec<&mut Expr>, schema: &DFSchema) -> Result<()> {
    let is_null = |cell: &Expr| matches!(cell, Expr::Literal(ScalarValue::Null, _));
    let own: Vec<FieldMetadata> = cells
        .iter()
        .filter(|cell| !is_null(cell))
        .map(|cell| cell.metadata(schema))
        .collect::<Result<_>>()?;
    let Some(common) = own.first() else {
        return Ok(());
    };
    cast_cells(&mut cells, schema)?;
    let is_common = own.iter().all(|metadata| metadata == common);
    for cell in cells {
        if is_null(cell) {
            let metadata = is_common.then(|| common.clone());
            *cell = Expr::Literal(ScalarValue::Null, metadata.filter(|own| !own.is_empty()));
        } else if !is_common && !cell.metadata(schema)?.is_empty() {
            *cell = call(Plain, vec![std::mem::take(cell)]);
        }
    }
    Ok(())
}

/// The value, as its Arrow type alone.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Plain;

impl Kernel for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let [value] = args.arg_fields else {
            return Err(unexpected("one argument"));
        };
        Ok(Field::new(self.name(), value.data_type().clone(), true))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let value = args.args.first().cloned();
        value.ok_or_else(|| unexpected("one argument"))
    }
}
