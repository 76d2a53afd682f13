//! `(VALUES …)` whose rows differ in type.
//!
//! DataFusion wants every row to say the same beyond Arrow's types (JSON, UUID, lengths, geometries), a NULL too; and
//! takes doubles beside decimals for decimals.

use arrow::datatypes::{DataType, Field};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable as _, LogicalPlanBuilder, ReturnFieldArgs,
    ScalarFunctionArgs, cast,
};
use datafusion::sql::sqlparser::ast::{Query, SetExpr, TableFactor, Values};

use super::function::{Kernel, call, unexpected};
use super::rules::float_of;

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

/// Makes the cells of a column say the same: NULLs what the others do, and nothing where these differ. Decimals beside
/// doubles become doubles.
fn agree(cells: Vec<&mut Expr>, schema: &DFSchema) -> Result<()> {
    let is_null = |cell: &Expr| matches!(cell, Expr::Literal(ScalarValue::Null, _));
    let own: Vec<FieldMetadata> = cells
        .iter()
        .filter(|cell| !is_null(cell))
        .map(|cell| cell.metadata(schema))
        .collect::<Result<_>>()?;
    let Some(common) = own.first() else {
        return Ok(());
    };
    let types = cells.iter().map(|cell| cell.get_type(schema));
    let types: Vec<DataType> = types.collect::<Result<_>>()?;
    let float = float_of(&types);
    let is_common = own.iter().all(|metadata| metadata == common);
    for (cell, known) in cells.into_iter().zip(types) {
        if let Some(float) = &float
            && known.is_decimal()
        {
            *cell = cast(std::mem::take(cell), float.clone());
        }
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
