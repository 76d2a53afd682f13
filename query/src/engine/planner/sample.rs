//! `TABLESAMPLE`, which DataFusion reads and drops.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::functions::math::expr_fn::random;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{LogicalPlanBuilder, cast, lit};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    TableFactor, TableSample, TableSampleKind, TableSampleMethod, TableSampleQuantity,
};

use crate::presto::error::TrinoFailure;

/// Plans `TABLESAMPLE BERNOULLI | SYSTEM (percentage)` as a condition that holds for each row by chance.
///
/// Trino samples splits for `SYSTEM`; a split of ours would be a file, and most tables have few.
#[derive(Debug)]
pub(super) struct SamplePlanner;

impl RelationPlanner for SamplePlanner {
    fn plan_relation(
        &self,
        mut relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let slot = match &mut relation {
            TableFactor::Table { sample, .. } | TableFactor::Derived { sample, .. } => {
                sample.take()
            }
            _ => None,
        };
        let Some(
            TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample),
        ) = slot
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let share = share(*sample, context)?;
        let plan = LogicalPlanBuilder::from(context.plan(relation)?)
            .filter(random().lt(share))?
            .build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, None,
        ))))
    }
}

/// Returns the chance of a row.
fn share(
    sample: TableSample,
    context: &mut dyn RelationPlannerContext,
) -> Result<datafusion::logical_expr::Expr> {
    let TableSample {
        name: Some(TableSampleMethod::Bernoulli | TableSampleMethod::System),
        quantity: Some(TableSampleQuantity {
            value, unit: None, ..
        }),
        seed: None,
        bucket: None,
        offset: None,
        ..
    } = sample
    else {
        return Err(TrinoFailure::new(
            "NOT_SUPPORTED",
            "TABLESAMPLE takes BERNOULLI or SYSTEM and a percentage",
        )
        .into());
    };
    let percentage = context.sql_to_expr(value, &DFSchema::empty())?;
    if let datafusion::logical_expr::Expr::Literal(literal, _) = &percentage {
        let number = literal.cast_to(&DataType::Float64)?;
        let bound = match number {
            ScalarValue::Float64(Some(0.0..=100.0)) => None,
            ScalarValue::Float64(Some(number)) if number > 100.0 => {
                Some("less than or equal to 100")
            }
            _ => Some("greater than or equal to 0"),
        };
        if let Some(bound) = bound {
            return Err(TrinoFailure::new(
                "NUMERIC_VALUE_OUT_OF_RANGE",
                format!("Sample percentage must be {bound}"),
            )
            .into());
        }
    }
    Ok(cast(percentage, DataType::Float64) / lit(100.0))
}
