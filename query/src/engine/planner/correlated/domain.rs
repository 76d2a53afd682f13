//! The outer rows that a subquery is answered for, and how they go down into it.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _};
use datafusion::common::{Column, JoinType, NullEquality, Result, ScalarValue};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, Case, Distinct, EmptyRelation, Expr, ExprFunctionExt as _, ExprSchemable as _,
    FetchType, Join, Limit, LogicalPlan, LogicalPlanBuilder, Operator, SkipType, Union, Values,
    Window, lit, when,
};

use super::plans::{
    aggregate, columns_of, compare, filter, free, join, named, project, renamed, same,
};
use crate::engine::planner::function::failure;

/// Outer rows under names of their own.
pub(super) struct Domain {
    /// The rows.
    plan: LogicalPlan,
    /// A name outside, and the one in `plan`.
    names: Vec<(Column, String)>,
}

impl Domain {
    /// The distinct values of those `columns` that `outer` has, which is read again for them.
    pub(super) fn distinct(outer: &LogicalPlan, columns: Vec<Column>, id: usize) -> Result<Self> {
        let near = |column: &Column| outer.schema().has_column(column);
        let mut domain = Self::of(outer, columns.into_iter().filter(near).collect(), id)?;
        domain.plan = LogicalPlan::Distinct(Distinct::All(Arc::new(domain.plan)));
        Ok(domain)
    }

    /// The rows of `outer`, each as often as it is there.
    pub(super) fn rows(outer: &LogicalPlan, id: usize) -> Result<Self> {
        Self::of(outer, outer.schema().columns(), id)
    }

    fn of(outer: &LogicalPlan, columns: Vec<Column>, id: usize) -> Result<Self> {
        let names = columns.into_iter().enumerate();
        let names: Vec<(Column, String)> = names
            .map(|(place, column)| (column, format!("$outer{id}_{place}")))
            .collect();
        let exprs = names
            .iter()
            .map(|(column, name)| Expr::Column(column.clone()).alias(name));
        let plan = project(outer.clone(), exprs)?;
        Ok(Self { plan, names })
    }

    /// Returns the columns as they are called inside.
    pub(super) fn keys(&self) -> Vec<Expr> {
        let keys = self.names.iter().map(|(_, name)| named(name));
        keys.collect()
    }

    /// Returns the columns inside, called as outside.
    pub(super) fn outside(&self) -> Vec<Expr> {
        let columns = self.names.iter().map(|(column, name)| {
            named(name).alias_qualified(column.relation.clone(), column.name.clone())
        });
        columns.collect()
    }

    /// Returns the condition that a row outside is the one inside.
    pub(super) fn matches(&self) -> Expr {
        let pairs = self.names.iter();
        let pairs = pairs.map(|(column, name)| same(Expr::Column(column.clone()), named(name)));
        conjunction(pairs).unwrap_or_else(|| lit(true))
    }

    /// Returns `plan` for all rows of the domain at once, whose columns come first.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` with the name of what cannot be beneath a correlated subquery.
    pub(super) fn push(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        if self.names.is_empty() {
            return Ok(plan.clone());
        }
        if !self.concerns(plan)? {
            return self.beside(plan);
        }
        match plan {
            LogicalPlan::Projection(projection) => {
                let exprs = self.bind_all(plan, &projection.expr)?;
                self.keep(self.push(&projection.input)?, exprs)
            }
            LogicalPlan::Filter(of) => {
                filter(self.push(&of.input)?, self.bind(of.predicate.clone())?)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let renamed = renamed(alias.input.schema(), plan.schema());
                self.keep(self.push(&alias.input)?, renamed)
            }
            // Only a limit needs the order.
            LogicalPlan::Sort(sort) => match sort.fetch {
                None => self.push(&sort.input),
                Some(fetch) => self.first(0, Some(fetch), &sort.expr, &sort.input),
            },
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Aggregate(of) => self.aggregate(of, plan),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = Arc::new(self.push(input)?);
                Ok(LogicalPlan::Distinct(Distinct::All(input)))
            }
            LogicalPlan::Window(window) => self.window(window, plan),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Unnest(unnest) => LogicalPlanBuilder::from(self.push(&unnest.input)?)
                .unnest_columns_with_options(unnest.exec_columns.clone(), unnest.options.clone())?
                .build(),
            LogicalPlan::Values(values) => self.values(values),
            other => Err(unsupported(&other.display().to_string())),
        }
    }

    fn concerns(&self, plan: &LogicalPlan) -> Result<bool> {
        let free = free(plan)?;
        Ok(self.names.iter().any(|(column, _)| free.contains(column)))
    }

    fn has(&self, expr: &Expr) -> Result<bool> {
        expr.exists(|expr| match expr {
            Expr::OuterReferenceColumn(_, column) => {
                Ok(self.names.iter().any(|(outside, _)| outside == column))
            }
            _ => Ok(false),
        })
    }

    /// Names the outer columns as they are called inside.
    fn bind(&self, expr: Expr) -> Result<Expr> {
        let bound = expr.transform_up(|expr| {
            let Expr::OuterReferenceColumn(_, column) = &expr else {
                return Ok(Transformed::no(expr));
            };
            let known = self.names.iter().find(|(outside, _)| outside == column);
            Ok(known.map_or(Transformed::no(expr.clone()), |(_, name)| {
                Transformed::yes(named(name))
            }))
        });
        bound.data()
    }

    /// The same of expressions whose names others use.
    fn bind_all(&self, plan: &LogicalPlan, exprs: &[Expr]) -> Result<Vec<Expr>> {
        let names = NamePreserver::new(plan);
        let bound = exprs.iter().map(|expr| {
            let name = names.save(expr);
            Ok(name.restore(self.bind(expr.clone())?))
        });
        bound.collect()
    }

    /// The domain's columns and these.
    fn keep(&self, input: LogicalPlan, exprs: Vec<Expr>) -> Result<LogicalPlan> {
        project(input, self.keys().into_iter().chain(exprs))
    }

    /// Every row of the domain with every row of `plan`.
    fn beside(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        if let LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: true,
            schema,
        }) = plan
            && schema.fields().is_empty()
        {
            return Ok(self.plan.clone());
        }
        join(self.plan.clone(), plan.clone(), JoinType::Inner, None)
    }

    fn aggregate(&self, of: &Aggregate, plan: &LogicalPlan) -> Result<LogicalPlan> {
        let has_sets = of
            .group_expr
            .iter()
            .any(|expr| matches!(expr, Expr::GroupingSet(_)));
        if has_sets {
            return Err(unsupported("grouping sets"));
        }
        let mut groups = self.keys();
        groups.extend(self.bind_all(plan, &of.group_expr)?);
        let aggregates = self.bind_all(plan, &of.aggr_expr)?;
        let grouped = aggregate(self.push(&of.input)?, groups, aggregates)?;
        if !of.group_expr.is_empty() {
            return Ok(grouped);
        }
        // Without rows there is no group, but an answer.
        let found = |name: &str| format!("{name}_found");
        let columns = columns_of(&of.schema);
        let keys = self
            .names
            .iter()
            .map(|(_, name)| named(name).alias(found(name)));
        let marked = keys
            .chain([lit(true).alias("$found")])
            .chain(columns.iter().cloned());
        let on = self
            .names
            .iter()
            .map(|(_, name)| same(named(name), named(&found(name))));
        let all = join(
            self.plan.clone(),
            project(grouped, marked)?,
            JoinType::Left,
            conjunction(on),
        )?;
        let answers = of.aggr_expr.iter().zip(columns).map(|(expr, column)| {
            let empty = answer_of_nothing(expr, column.get_type(&of.schema)?)?;
            if empty.is_null() {
                return Ok(column);
            }
            let Expr::Column(name) = column.clone() else {
                return Ok(column);
            };
            let answer = when(named("$found").is_null(), lit(empty)).otherwise(column)?;
            Ok(answer.alias_qualified(name.relation, name.name))
        });
        let answers = answers.collect::<Result<Vec<Expr>>>()?;
        self.keep(all, answers)
    }

    /// Each row of the domain is a partition of its own.
    fn window(&self, window: &Window, plan: &LogicalPlan) -> Result<LogicalPlan> {
        let names = NamePreserver::new(plan);
        let exprs = window.window_expr.iter().map(|expr| {
            let name = names.save(expr);
            let expr = self.bind(expr.clone())?.transform_up(|expr| match expr {
                Expr::WindowFunction(mut function) => {
                    function.params.partition_by.extend(self.keys());
                    Ok(Transformed::yes(Expr::WindowFunction(function)))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(name.restore(expr.data))
        });
        let exprs = exprs.collect::<Result<Vec<Expr>>>()?;
        let input = Arc::new(self.push(&window.input)?);
        Ok(LogicalPlan::Window(Window::try_new(exprs, input)?))
    }

    fn limit(&self, limit: &Limit) -> Result<LogicalPlan> {
        let below = |input: &Arc<LogicalPlan>| {
            self.push(&LogicalPlan::Limit(Limit {
                skip: limit.skip.clone(),
                fetch: limit.fetch.clone(),
                input: Arc::clone(input),
            }))
        };
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) =
            (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Err(unsupported("a LIMIT that is not a number"));
        };
        match limit.input.as_ref() {
            // A row more or less makes no difference to what is computed of each.
            plan @ LogicalPlan::Projection(projection) => {
                let exprs = self.bind_all(plan, &projection.expr)?;
                self.keep(below(&projection.input)?, exprs)
            }
            plan @ LogicalPlan::SubqueryAlias(alias) => {
                let renamed = renamed(alias.input.schema(), plan.schema());
                self.keep(below(&alias.input)?, renamed)
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                self.first(skip, fetch, &sort.expr, &sort.input)
            }
            _ => self.first(skip, fetch, &[], &limit.input),
        }
    }

    /// Keeps `fetch` rows behind the first `skip` for each row of the domain.
    fn first(
        &self,
        skip: usize,
        fetch: Option<usize>,
        order: &[SortExpr],
        input: &LogicalPlan,
    ) -> Result<LogicalPlan> {
        let order = order.iter().map(|sort| {
            let expr = self.bind(sort.expr.clone())?;
            Ok(SortExpr {
                expr,
                ..sort.clone()
            })
        });
        let number = row_number()
            .partition_by(self.keys())
            .order_by(order.collect::<Result<Vec<SortExpr>>>()?)
            .build()?;
        let rows = Arc::new(self.push(input)?);
        let numbered = Window::try_new(vec![number.alias("$number")], rows)?;
        let number = || named("$number");
        let skip = u64::try_from(skip).unwrap_or(u64::MAX);
        let fetch = fetch.map(|fetch| u64::try_from(fetch).unwrap_or(u64::MAX));
        let last = fetch.map(|fetch| number().lt_eq(lit(skip.saturating_add(fetch))));
        let wanted = conjunction([number().gt(lit(skip))].into_iter().chain(last));
        let wanted = filter(
            LogicalPlan::Window(numbered),
            wanted.unwrap_or_else(|| lit(true)),
        )?;
        self.keep(wanted, columns_of(input.schema()))
    }

    /// The side whose rows all stay gets the domain; the other one too if it needs it, and then they must agree.
    fn join(&self, of: &Join) -> Result<LogicalPlan> {
        let (is_left, is_right) = (self.concerns(&of.left)?, self.concerns(&of.right)?);
        let (on_left, on_right) = match of.join_type {
            JoinType::Inner => (is_left || !is_right, is_right),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                (true, is_right)
            }
            JoinType::Right => (is_left, true),
            _ => return Err(unsupported("FULL JOIN")),
        };
        let keeps_left = of.join_type != JoinType::Right;
        let other = |name: &str| format!("{name}_other");
        let side = |plan: &LogicalPlan, is_pushed: bool, is_kept: bool| {
            if !is_pushed {
                return Ok(plan.clone());
            }
            let pushed = self.push(plan)?;
            if is_kept || !(on_left && on_right) {
                return Ok(pushed);
            }
            let keys = self
                .names
                .iter()
                .map(|(_, name)| named(name).alias(other(name)));
            project(pushed, keys.chain(columns_of(plan.schema())))
        };
        let left = side(&of.left, on_left, keeps_left)?;
        let right = side(&of.right, on_right, !keeps_left)?;
        let mut on = Vec::new();
        let mut conditions = Vec::new();
        for (left, right) in &of.on {
            if self.has(left)? || self.has(right)? {
                let operator = match of.null_equality {
                    NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
                    NullEquality::NullEqualsNothing => Operator::Eq,
                };
                conditions.push(compare(
                    self.bind(left.clone())?,
                    operator,
                    self.bind(right.clone())?,
                ));
            } else {
                on.push((left.clone(), right.clone()));
            }
        }
        if let Some(condition) = &of.filter {
            conditions.push(self.bind(condition.clone())?);
        }
        if on_left && on_right {
            let names = self.names.iter();
            conditions.extend(names.map(|(_, name)| same(named(name), named(&other(name)))));
        }
        let joined = LogicalPlan::Join(Join::try_new(
            Arc::new(left),
            Arc::new(right),
            on,
            conjunction(conditions),
            of.join_type,
            of.join_constraint,
            of.null_equality,
            of.null_aware,
        )?);
        self.keep(joined, columns_of(&of.schema))
    }

    fn union(&self, union: &Union) -> Result<LogicalPlan> {
        let place = |place: usize| format!("$column{place}");
        let inputs = union.inputs.iter().map(|input| {
            let columns = columns_of(input.schema()).into_iter().enumerate();
            let columns = columns.map(|(at, column)| column.alias(place(at)));
            Ok(Arc::new(self.keep(self.push(input)?, columns.collect())?))
        });
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let all = LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?);
        let columns = union.schema.columns().into_iter().enumerate();
        let columns = columns
            .map(|(at, column)| named(&place(at)).alias_qualified(column.relation, column.name));
        self.keep(all, columns.collect())
    }

    /// Each row is chosen by its number.
    fn values(&self, values: &Values) -> Result<LogicalPlan> {
        let number = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
        let numbers = (0..values.values.len()).map(|at| vec![lit(number(at))]);
        let numbers = LogicalPlanBuilder::values(numbers.collect())?.build()?;
        let numbers = project(
            numbers.clone(),
            columns_of(numbers.schema())
                .into_iter()
                .map(|column| column.alias("$number")),
        )?;
        let columns = values
            .schema
            .columns()
            .into_iter()
            .enumerate()
            .map(|(at, column)| {
                let cells = values.values.iter().enumerate().map(|(row, cells)| {
                    let cell = cells.get(at).cloned().unwrap_or(lit(ScalarValue::Null));
                    Ok((Box::new(lit(number(row))), Box::new(self.bind(cell)?)))
                });
                let cells = cells.collect::<Result<Vec<_>>>()?;
                let value = Expr::Case(Case::new(Some(Box::new(named("$number"))), cells, None));
                Ok(value.alias_qualified(column.relation, column.name))
            });
        let columns = columns.collect::<Result<Vec<Expr>>>()?;
        self.keep(self.beside(&numbers)?, columns)
    }
}

fn answer_of_nothing(expr: &Expr, data_type: arrow::datatypes::DataType) -> Result<ScalarValue> {
    match expr.clone().unalias() {
        Expr::AggregateFunction(function) => function.func.default_value(&data_type),
        _ => ScalarValue::try_from(&data_type),
    }
}

fn unsupported(what: &str) -> datafusion::error::DataFusionError {
    failure(
        "NOT_SUPPORTED",
        format!("Given correlated subquery is not supported: {what} in it"),
    )
}
