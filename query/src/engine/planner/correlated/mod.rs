//! Subqueries where DataFusion does not plan them: `EXISTS` and `IN` in what is selected, and correlated ones of any shape.
//!
//! DataFusion makes a join of a correlated subquery whose correlated conditions can be pulled up ([`pullable`]). For the
//! others, the distinct values of the outer columns go down into the subquery, which then answers for all of them at once:
//!
//! ```text
//! SELECT (SELECT max(x) FROM t WHERE t.a < o.b) FROM o
//!
//! Left join       o.b IS NOT DISTINCT FROM b
//!   o
//!   Aggregate     b, max(x)
//!     Filter      t.a < b
//!       Cross join
//!         Distinct b of o
//!         t
//! ```
//!
//! After T. Neumann and A. Kemper, *Unnesting Arbitrary Queries* (BTW 2015).

mod domain;
mod plans;
mod pullable;
mod repeatable;
mod shared;

use std::sync::Arc;

use arrow::array::AsArray as _;
use arrow::datatypes::{Field, FieldRef, Int64Type};
use datafusion::common::tree_node::{
    Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion,
};
use datafusion::common::{JoinType, ScalarValue, Spans};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{count, first_value};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Join, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, Subquery, lit,
    not, when,
};
use datafusion::optimizer::AnalyzerRule;

use self::domain::Domain;
use self::plans::{aggregate, columns_of, filter, free, is_by_row, join, named, project, renamed};
use self::pullable::{Kind, has_subquery, is_pullable, memberships};
use self::repeatable::repeatable;
pub(super) use self::shared::SharingPlanner;
use super::function::{Kernel, call, failure, unexpected};

/// The rule's name.
pub(in crate::engine) const DECORRELATE: &str = "presto_decorrelate";

/// Makes joins of the subqueries that DataFusion does not plan.
#[derive(Debug)]
pub(super) struct Decorrelate;

impl AnalyzerRule for Decorrelate {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let mut names = Names::default();
        // From the inside out: what is left of a subquery when its surroundings are looked at has no subqueries of this kind.
        plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Join(mut join) => {
                join.left = Arc::new(bare(join.left.as_ref().clone())?.data);
                lateral(join, &mut names)
            }
            LogicalPlan::Subquery(_) | LogicalPlan::SubqueryAlias(_) => Ok(Transformed::no(node)),
            _ => node
                .map_children(bare)?
                .transform_data(|node| host(node, &mut names)),
        })
        .data()
    }

    fn name(&self) -> &str {
        DECORRELATE
    }
}

/// Returns a relation without the mark of a lateral one, which the first in `FROM` has if it is an `UNNEST`.
fn bare(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Subquery(subquery) => {
            let plan = Arc::unwrap_or_clone(subquery.subquery);
            Ok(Transformed::yes(plan))
        }
        LogicalPlan::SubqueryAlias(mut alias)
            if matches!(alias.input.as_ref(), LogicalPlan::Subquery(_)) =>
        {
            alias.input = Arc::new(bare(Arc::unwrap_or_clone(alias.input))?.data);
            Ok(Transformed::yes(LogicalPlan::SubqueryAlias(alias)))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Numbers for names that nothing else in a plan has.
#[derive(Debug, Default)]
struct Names {
    last: usize,
}

impl Names {
    fn next(&mut self) -> usize {
        self.last += 1;
        self.last
    }
}

/// Replaces the subqueries in the expressions of `node` by columns of its input.
fn host(node: LogicalPlan, names: &mut Names) -> Result<Transformed<LogicalPlan>> {
    let mut has_subqueries = false;
    node.apply_expressions(|expr| {
        has_subqueries |= has_subquery(expr);
        Ok(TreeNodeRecursion::Continue)
    })?;
    let outer = match node.inputs().as_slice() {
        [only] if has_subqueries => (*only).clone(),
        _ => return Ok(Transformed::no(node)),
    };
    let preserver = NamePreserver::new(&node);
    let mut host = Host {
        has_values: matches!(node, LogicalPlan::Projection(_) | LogicalPlan::Filter(_)),
        has_conditions: matches!(node, LogicalPlan::Filter(_)),
        input: outer.clone(),
        memberships: match &node {
            LogicalPlan::Filter(filter) => memberships(&filter.predicate, &outer)?,
            _ => Vec::new(),
        },
        is_attached: false,
        outer,
        names,
    };
    let mut is_changed = false;
    let mut exprs = Vec::new();
    for expr in node.expressions() {
        let name = preserver.save(&expr);
        let expr = expr.transform_up(|expr| host.replaced(expr))?;
        is_changed |= expr.transformed;
        exprs.push(name.restore(expr.data));
    }
    if !is_changed {
        return Ok(Transformed::no(node));
    }
    let schema = Arc::clone(node.schema());
    let host = node.with_new_exprs(exprs, vec![host.input])?;
    if host.schema().fields().len() == schema.fields().len() {
        return Ok(Transformed::yes(host));
    }
    Ok(Transformed::yes(project(host, columns_of(&schema))?))
}

/// A node whose expressions have subqueries.
struct Host<'a> {
    /// Whether DataFusion plans correlated values here.
    has_values: bool,
    /// Whether it plans `EXISTS` and `IN` here.
    has_conditions: bool,
    /// Its input.
    outer: LogicalPlan,
    /// The same rows with the columns that subqueries became.
    input: LogicalPlan,
    /// Whether a subquery that reads `outer` has become a column.
    is_attached: bool,
    names: &'a mut Names,
    /// The `IN` that DataFusion answers right.
    memberships: Vec<Expr>,
}

impl Host<'_> {
    fn replaced(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        let (kind, plan) = match &expr {
            Expr::ScalarSubquery(subquery) => (Kind::Scalar, &subquery.subquery),
            Expr::Exists(exists) => (Kind::Exists, &exists.subquery.subquery),
            Expr::InSubquery(of) => (Kind::In, &of.subquery.subquery),
            _ => return Ok(Transformed::no(expr)),
        };
        let is_right = kind != Kind::In || self.memberships.contains(&expr);
        if is_right && self.is_planned(plan, kind)? {
            return Ok(Transformed::no(expr));
        }
        let plan = plan.as_ref().clone();
        let (value, is_negated) = match expr {
            Expr::Exists(exists) => (self.existence(plan)?, exists.negated),
            Expr::InSubquery(of) => (self.membership(*of.expr, plan)?, of.negated),
            _ => (self.attach(&plan)?, false),
        };
        Ok(Transformed::yes(if is_negated {
            not(value)
        } else {
            value
        }))
    }

    /// Returns whether DataFusion plans the subquery.
    fn is_planned(&self, plan: &LogicalPlan, kind: Kind) -> Result<bool> {
        let references = free(plan)?;
        let is_near = || {
            references
                .iter()
                .all(|column| self.outer.schema().has_column(column))
        };
        Ok(match kind {
            Kind::Scalar if references.is_empty() => true,
            Kind::Scalar => self.has_values && is_near() && is_pullable(plan, kind)?,
            _ => self.has_conditions && is_near() && is_pullable(plan, kind)?,
        })
    }

    /// The value of a subquery that has one row.
    fn value(&mut self, plan: LogicalPlan) -> Result<Expr> {
        if !self.is_planned(&plan, Kind::Scalar)? {
            return self.attach(&plan);
        }
        Ok(Expr::ScalarSubquery(Subquery {
            outer_ref_columns: plan.all_out_ref_exprs(),
            subquery: Arc::new(plan),
            spans: Spans::new(),
        }))
    }

    /// Whether the subquery has rows.
    fn existence(&mut self, plan: LogicalPlan) -> Result<Expr> {
        let rows = vec![count(lit(1_i64)).alias("$rows")];
        let rows = self.value(aggregate(plan, Vec::new(), rows)?)?;
        Ok(rows.gt(lit(0_i64)))
    }

    /// Whether a value is among the subquery's.
    fn membership(&mut self, value: Expr, plan: LogicalPlan) -> Result<Expr> {
        let Some(member) = columns_of(plan.schema()).into_iter().next() else {
            return Err(unexpected("a subquery without columns"));
        };
        let outside = value.clone().transform_up(|expr| match expr {
            Expr::Column(column) => {
                let (_, field) = self.outer.schema().qualified_field_from_column(&column)?;
                let outside = Expr::OuterReferenceColumn(Arc::clone(field), column);
                Ok(Transformed::yes(outside))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let equal = filter(plan.clone(), member.clone().eq(outside.data))?;
        let is_among = self.existence(equal)?;
        let counts = vec![
            count(lit(1_i64)).alias("$rows"),
            count(member).alias("$known"),
        ];
        let counts = aggregate(plan, Vec::new(), counts)?;
        let (rows, known) = (|| named("$rows"), || named("$known"));
        let nulls = when(rows().eq(lit(0_i64)), lit(ScalarValue::Boolean(None)))
            .otherwise(known().lt(rows()))?;
        let has_nulls = self.value(project(counts, vec![nulls.alias("$nulls")])?)?;
        when(is_among, lit(true))
            .when(has_nulls.clone().is_null(), lit(false))
            .when(
                value.is_null().or(has_nulls),
                lit(ScalarValue::Boolean(None)),
            )
            .otherwise(lit(false))
    }

    /// Joins the input with what the subquery says for each row of it. Returns that column.
    fn attach(&mut self, subquery: &LogicalPlan) -> Result<Expr> {
        let references = free(subquery)?;
        if !self.is_attached && !references.is_empty() {
            self.outer = repeatable(std::mem::take(&mut self.input))?;
            self.input = self.outer.clone();
            self.is_attached = true;
        }
        let domain = Domain::distinct(&self.outer, references, self.names.next())?;
        let Some(value) = columns_of(subquery.schema()).into_iter().next() else {
            return Err(unexpected("a subquery without columns"));
        };
        let answers = domain.push(subquery)?;
        let is_single = subquery.max_rows().is_some_and(|rows| rows <= 1);
        let (answers, value) = if is_single {
            (answers, value)
        } else {
            let field = Arc::clone(subquery.schema().field(0));
            let rows = count(lit(1_i64)).alias("$rows");
            let first = first_value(value, Vec::new()).alias("$first");
            let only = call(OnlyRow { field }, vec![named("$rows"), named("$first")]);
            (aggregate(answers, domain.keys(), vec![rows, first])?, only)
        };
        let name = format!("$subquery{}", self.names.next());
        let columns = domain.keys().into_iter().chain([value.alias(&name)]);
        let answers = project(answers, columns)?;
        let input = std::mem::take(&mut self.input);
        self.input = join(input, answers, JoinType::Left, Some(domain.matches()))?;
        Ok(named(&name))
    }
}

/// Plans a join whose right side reads columns of its left side.
fn lateral(join: Join, names: &mut Names) -> Result<Transformed<LogicalPlan>> {
    let subquery = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(alias) => alias.input.as_ref(),
        other => other,
    };
    let LogicalPlan::Subquery(subquery) = subquery else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let plan = Arc::clone(&subquery.subquery);
    let references = free(&plan)?;
    let left = join.left.schema();
    let is_near = references.iter().all(|column| left.has_column(column));
    let is_known = matches!(join.join_type, JoinType::Inner | JoinType::Left);
    if !is_known || is_near && is_pullable(&plan, Kind::Lateral)? {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let schema = Arc::clone(&join.schema);
    let columns = renamed(plan.schema(), join.right.schema());
    if join.join_type == JoinType::Inner && is_by_row(&plan)? {
        let domain = Domain::rows(&join.left, names.next())?;
        let rows = project(
            domain.push(&plan)?,
            domain.outside().into_iter().chain(columns),
        )?;
        let on = join
            .on
            .iter()
            .map(|(left, right)| left.clone().eq(right.clone()));
        let rows = match conjunction(on.chain(join.filter.clone())) {
            Some(condition) => filter(rows, condition)?,
            None => rows,
        };
        return Ok(Transformed::yes(project(rows, columns_of(&schema))?));
    }
    let left = if references.is_empty() {
        join.left
    } else {
        Arc::new(repeatable(Arc::unwrap_or_clone(join.left))?)
    };
    let domain = Domain::distinct(&left, references, names.next())?;
    let right = project(
        domain.push(&plan)?,
        domain.keys().into_iter().chain(columns),
    )?;
    let join = Join::try_new(
        left,
        Arc::new(right),
        join.on,
        conjunction([domain.matches()].into_iter().chain(join.filter)),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    let rows = project(LogicalPlan::Join(join), columns_of(&schema))?;
    Ok(Transformed::yes(rows))
}

/// The value of a subquery, of which there must be one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OnlyRow {
    field: FieldRef,
}

impl Kernel for OnlyRow {
    fn name(&self) -> &'static str {
        "only_row"
    }

    fn returns(&self, _: &ReturnFieldArgs<'_>) -> Result<Field> {
        Ok(self.field.as_ref().clone())
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [rows, value] = args.args.as_slice() else {
            return Err(unexpected("rows and a value"));
        };
        let rows = rows.to_array(args.number_rows)?;
        let rows = rows.as_primitive::<Int64Type>();
        if rows.iter().flatten().any(|rows| rows > 1) {
            let message = "Scalar sub-query has returned multiple rows";
            return Err(failure("SUBQUERY_MULTIPLE_ROWS", message));
        }
        Ok(value.clone())
    }
}
