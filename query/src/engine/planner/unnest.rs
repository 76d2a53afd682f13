//! `UNNEST` beside the tables whose columns it reads.
//!
//! ```text
//! left, UNNEST(a, m) WITH ORDINALITY AS u (x, k, v, n)
//!   -> Projection  left's columns, u.x, u.k, u.v, u.n
//!      Unnest      all arrays at once; shorter ones are padded with NULL
//!      Projection  left's columns, a, map_keys(m), map_values(m), 1..=length
//!      left
//! ```
//!
//! [`shapes`](crate::presto::shapes) makes each join with `UNNEST` a relation of its own, which arrives here.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, NullHandling, TableReference, UnnestOptions};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions::core::expr_fn::{coalesce, get_field, greatest};
use datafusion::functions_nested::expr_fn::{cardinality, map_keys, map_values, range};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{
    Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, cast, lit,
};
use datafusion::sql::sqlparser::ast::{
    self, JoinConstraint, JoinOperator, TableAlias, TableFactor, Value,
};

use crate::presto::error::TrinoFailure;
use crate::presto::json_tables::is_call;

/// Plans `UNNEST`, alone and in joins.
#[derive(Debug)]
pub(super) struct UnnestPlanner;

/// What `UNNEST(…)` says.
struct Unnest {
    arrays: Vec<ast::Expr>,
    has_ordinality: bool,
    alias: Option<TableAlias>,
}

/// One output column.
struct Output {
    /// What is unnested, before.
    array: Expr,
    /// Its name between the projections.
    column: String,
    /// The fields of the rows that it holds; none if it holds no rows.
    fields: Vec<String>,
}

impl RelationPlanner for UnnestPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (plan, alias) = match relation {
            TableFactor::NestedJoin {
                mut table_with_joins,
                alias,
            } => {
                let is_pair = matches!(table_with_joins.joins.as_slice(),
                    [join] if matches!(join.relation, TableFactor::UNNEST { .. }));
                let join = is_pair.then(|| table_with_joins.joins.pop()).flatten();
                let Some(join) = join else {
                    let nested = TableFactor::NestedJoin {
                        table_with_joins,
                        alias,
                    };
                    return Ok(RelationPlanning::Original(Box::new(nested)));
                };
                let left = context.plan(table_with_joins.relation)?;
                (plan_join(left, join, context)?, alias)
            }
            unnest @ TableFactor::UNNEST { .. } => {
                let left = LogicalPlanBuilder::empty(true).build()?;
                let unnest = Unnest::of(unnest)?;
                let plan = plan_unnest(left, unnest, NullHandling::Drop, context)?;
                (plan, None)
            }
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, alias,
        ))))
    }
}

impl Unnest {
    fn of(factor: TableFactor) -> Result<Self> {
        match factor {
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset: false,
                with_ordinality,
                ..
            } => Ok(Self {
                arrays: array_exprs,
                has_ordinality: with_ordinality,
                alias,
            }),
            other => Err(unsupported(&other.to_string())),
        }
    }

    /// Returns the name that messages have for it.
    fn shown(&self) -> &'static str {
        match self.arrays.as_slice() {
            [array] if is_call(array) => "JSON_TABLE",
            _ => "UNNEST",
        }
    }
}

fn unsupported(what: &str) -> DataFusionError {
    DataFusionError::NotImplemented(what.to_owned())
}

fn plan_join(
    left: LogicalPlan,
    join: ast::Join,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let unnest = Unnest::of(join.relation)?;
    let what = unnest.shown();
    let is_true = |constraint: &JoinConstraint| {
        matches!(constraint, JoinConstraint::On(ast::Expr::Value(value))
            if value.value == Value::Boolean(true))
    };
    match join.join_operator {
        JoinOperator::CrossJoin(JoinConstraint::None) => {
            plan_unnest(left, unnest, NullHandling::Drop, context)
        }
        JoinOperator::Join(JoinConstraint::On(condition))
        | JoinOperator::Inner(JoinConstraint::On(condition)) => {
            let joined = plan_unnest(left, unnest, NullHandling::Drop, context)?;
            let condition = context.sql_to_expr(condition, joined.schema())?;
            LogicalPlanBuilder::from(joined).filter(condition)?.build()
        }
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint)
            if is_true(&constraint) =>
        {
            plan_unnest(left, unnest, NullHandling::PreserveAndExpandEmpty, context)
        }
        JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => Err(unsupported(&format!(
            "LEFT JOIN involving {what} is only supported with condition ON TRUE"
        ))),
        JoinOperator::Join(_) | JoinOperator::Inner(_) => Err(unsupported(&format!(
            "INNER JOIN involving {what} is only supported with condition ON TRUE"
        ))),
        _ => Err(unsupported(&format!(
            "this kind of join with {what}: only CROSS, INNER and LEFT JOIN are supported"
        ))),
    }
}

fn plan_unnest(
    left: LogicalPlan,
    unnest: Unnest,
    nulls: NullHandling,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let schema = left.schema().as_ref().clone();
    let mut outputs = Vec::new();
    for array in &unnest.arrays {
        let array = context.sql_to_expr(array.clone(), &schema)?;
        let place = outputs.len();
        outputs.extend(outputs_of(array, place, &schema)?);
    }
    if unnest.has_ordinality {
        outputs.push(ordinality(&outputs));
    }
    let kept: Vec<Expr> = schema.columns().into_iter().map(Expr::Column).collect();
    let arrays = outputs
        .iter()
        .map(|output| output.array.clone().alias(&output.column));
    let columns = outputs
        .iter()
        .map(|output| Column::new_unqualified(&output.column))
        .collect();
    let unnested = LogicalPlanBuilder::from(left)
        .project(kept.iter().cloned().chain(arrays))?
        .unnest_columns_with_options(columns, UnnestOptions::default().with_null_handling(nulls))?;
    let relation = match &unnest.alias {
        Some(alias) => context.normalize_ident(alias.name.clone()),
        None => free_name(&schema),
    };
    let named = name_outputs(&outputs, relation, &unnest, context)?;
    unnested.project(kept.into_iter().chain(named))?.build()
}

/// An array gives one column, a map two, an array of rows one for each field.
fn outputs_of(array: Expr, place: usize, schema: &DFSchema) -> Result<Vec<Output>> {
    let column = |offset: usize| format!("$unnest{}", place + offset);
    let one = |array: Expr, offset: usize, fields: Vec<String>| Output {
        array,
        column: column(offset),
        fields,
    };
    match array.get_type(schema)? {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => Ok(vec![one(array, 0, field_names(&item))]),
        DataType::Map(..) => Ok(vec![
            one(map_keys(array.clone()), 0, Vec::new()),
            one(map_values(array), 1, Vec::new()),
        ]),
        other => Err(TrinoFailure::new(
            "INVALID_FUNCTION_ARGUMENT",
            format!(
                "Cannot unnest type: {}",
                crate::presto::types::type_name(&other)
            ),
        )
        .into()),
    }
}

fn field_names(item: &Field) -> Vec<String> {
    match item.data_type() {
        DataType::Struct(fields) => fields.iter().map(|field| field.name().clone()).collect(),
        _ => Vec::new(),
    }
}

/// Counts from one to the length of the longest array.
fn ordinality(outputs: &[Output]) -> Output {
    let lengths = outputs
        .iter()
        .map(|output| {
            let length = cast(cardinality(output.array.clone()), DataType::Int64);
            coalesce(vec![length, lit(0_i64)])
        })
        .collect();
    Output {
        array: range(lit(1_i64), greatest(lengths) + lit(1_i64), lit(1_i64)),
        column: "$ordinality".to_owned(),
        fields: Vec::new(),
    }
}

/// Returns a name that no relation on the left has.
fn free_name(left: &DFSchema) -> String {
    let mut name = "$unnest".to_owned();
    let is_taken = |name: &str| {
        let mut relations = left.iter().filter_map(|(relation, _)| relation);
        relations.any(|relation| relation.table() == name)
    };
    while is_taken(&name) {
        name.push('$');
    }
    name
}

fn name_outputs(
    outputs: &[Output],
    relation: String,
    unnest: &Unnest,
    context: &mut dyn RelationPlannerContext,
) -> Result<Vec<Expr>> {
    let mut values: Vec<(Expr, Option<&str>)> = Vec::new();
    for output in outputs {
        let column = Expr::Column(Column::new_unqualified(&output.column));
        if output.fields.is_empty() {
            values.push((column, None));
            continue;
        }
        for field in &output.fields {
            values.push((get_field(column.clone(), field.as_str()), Some(field)));
        }
    }
    let alias = unnest.alias.as_ref();
    let names: Vec<String> = alias
        .map(|alias| alias.columns.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|column| context.normalize_ident(column.name.clone()))
        .collect();
    if !names.is_empty() && names.len() != values.len() {
        return Err(TrinoFailure::new(
            "MISMATCHED_COLUMN_ALIASES",
            format!(
                "Column alias list has {} entries but '{relation}' has {} columns available",
                names.len(),
                values.len()
            ),
        )
        .into());
    }
    let last = values.len().saturating_sub(1);
    let named = values.into_iter().enumerate().map(|(place, (value, own))| {
        let name = match (names.get(place), own) {
            (Some(name), _) => name.clone(),
            (None, Some(own)) => own.to_owned(),
            (None, None) if unnest.has_ordinality && place == last => "ordinality".to_owned(),
            (None, None) => format!("_col{place}"),
        };
        value.alias_qualified(Some(TableReference::bare(relation.as_str())), name)
    });
    Ok(named.collect())
}
