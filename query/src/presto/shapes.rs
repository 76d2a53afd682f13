//! Queries the planner knows in another shape.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Fetch, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause, OrderBy,
    OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier,
    Statement, TableAlias, TableFactor, TableWithJoins, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::dialect::TrinoDialect;
use super::{json_tables, tokens, using};
use crate::{Error, Result};

/// Gives the queries of `statement` the shape that the planner expects.
///
/// - A join with `UNNEST` is a relation of its own, so that the relation planner sees both sides.
/// - `FETCH FIRST … WITH TIES` is a condition on `rank()`.
/// - `GROUP BY ()` is a grouping set, and `GROUP BY (a, b)` groups by a and b.
/// - A column that several joins share by `USING` has the name of its table.
/// - `INTERSECT ALL` and `EXCEPT ALL` are relations of their own, because the planner would count no duplicates.
///
/// # Errors
/// A clause that would be dropped without a word; a name in single quotes.
pub fn reshape(statement: &mut Statement) -> Result<()> {
    match statement.visit(&mut Shaper) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Shaper;

impl VisitorMut for Shaper {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        multisets(&mut query.body);
        flow(refuse_query(query).and_then(|()| ties(query)))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        groupings(&mut select.group_by);
        join_unnests(&mut select.from);
        select.from.iter_mut().for_each(nest_unnest);
        let marked = select.from.iter_mut().try_for_each(using::mark);
        flow(refuse_select(select).and(marked))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        flow(json_tables::refuse_expression(expr))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::NestedJoin {
                alias: Some(alias), ..
            } if using::is_mark(alias) => {}
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => {
                // A nest made below ends with the UNNEST; its left side has been nested, too.
                let is_nest = matches!(
                    table_with_joins.joins.as_slice(),
                    [only] if is_unnest(&only.relation)
                );
                if !is_nest {
                    nest_unnest(table_with_joins);
                    return flow(using::mark(table_with_joins));
                }
            }
            TableFactor::MatchRecognize { .. } => {
                return ControlFlow::Break(unsupported("MATCH_RECOGNIZE"));
            }
            TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } => {
                return ControlFlow::Break(unsupported("PIVOT"));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

fn unsupported(what: &str) -> Error {
    Error::NotSupported {
        what: what.to_owned(),
    }
}

fn refuse_query(query: &Query) -> Result<()> {
    let clause = if query.for_clause.is_some() || !query.locks.is_empty() {
        "FOR UPDATE"
    } else if query.settings.is_some() || query.format_clause.is_some() {
        "SETTINGS or FORMAT in a query"
    } else if !query.pipe_operators.is_empty() {
        "|>"
    } else if matches!(
        query.limit_clause,
        Some(LimitClause::OffsetCommaLimit { .. })
    ) {
        "LIMIT with a comma"
    } else {
        return Ok(());
    };
    Err(unsupported(clause))
}

fn refuse_select(select: &Select) -> Result<()> {
    let clause = if select.top.is_some() {
        "TOP"
    } else if select.into.is_some() {
        "SELECT INTO"
    } else if !select.lateral_views.is_empty() {
        "LATERAL VIEW"
    } else if select.prewhere.is_some() {
        "PREWHERE"
    } else if !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
    {
        "CLUSTER BY, DISTRIBUTE BY or SORT BY"
    } else if !select.connect_by.is_empty() {
        "CONNECT BY"
    } else {
        return refuse_quotes(select);
    };
    Err(unsupported(clause))
}

/// `SELECT 'a' 'b'` is no name for a column.
fn refuse_quotes(select: &Select) -> Result<()> {
    for item in &select.projection {
        if let SelectItem::ExprWithAlias { alias, .. } = item
            && alias.quote_style == Some('\'')
        {
            let place = alias.span.start;
            return Err(Error::Syntax {
                message: format!(
                    "Expected: EOF, found: '{}' at Line: {}, Column: {}",
                    alias.value, place.line, place.column
                ),
            });
        }
    }
    Ok(())
}

/// Names what the planner finds `INTERSECT ALL` and `EXCEPT ALL` by.
pub const MULTISET: &str = "$multiset";

/// `l INTERSECT ALL r` becomes `SELECT * FROM ((l) SEMI JOIN (r)) AS "$multiset"`, `EXCEPT ALL` an anti join.
fn multisets(body: &mut SetExpr) {
    let SetExpr::SetOperation {
        op,
        set_quantifier,
        left,
        right,
    } = body
    else {
        return;
    };
    multisets(left);
    multisets(right);
    let join_operator = match (*op, *set_quantifier) {
        (SetOperator::Intersect, SetQuantifier::All) => JoinOperator::Semi(JoinConstraint::None),
        (SetOperator::Except, SetQuantifier::All) => JoinOperator::Anti(JoinConstraint::None),
        _ => return,
    };
    let side = |query: &SetExpr, name: &str| TableFactor::Derived {
        lateral: false,
        subquery: Box::new(bare_query(query.clone())),
        alias: Some(table_alias(name)),
        sample: None,
    };
    let pair = TableWithJoins {
        relation: side(left, "$left"),
        joins: vec![Join {
            relation: side(right, "$right"),
            global: false,
            join_operator,
        }],
    };
    let relation = TableFactor::NestedJoin {
        table_with_joins: Box::new(pair),
        alias: Some(table_alias(MULTISET)),
    };
    // The text is ours and parses; were it not to, the planner would be no worse off.
    if let Ok(mut all) = parse_query("SELECT * FROM x")
        && let SetExpr::Select(select) = all.body.as_mut()
        && let Some(table) = select.from.first_mut()
    {
        table.relation = relation;
        *body = *all.body;
    }
}

fn bare_query(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

pub(super) fn table_alias(name: &str) -> TableAlias {
    TableAlias {
        explicit: true,
        name: Ident::with_quote('"', name),
        columns: Vec::new(),
        at: None,
    }
}

fn groupings(group_by: &mut GroupByExpr) {
    let GroupByExpr::Expressions(exprs, _) = group_by else {
        return;
    };
    if matches!(exprs.as_slice(), [Expr::Tuple(columns)] if columns.is_empty()) {
        *exprs = vec![Expr::GroupingSets(vec![Vec::new()])];
        return;
    }
    let listed = std::mem::take(exprs).into_iter();
    let columns = listed.flat_map(|expr| match expr {
        Expr::Tuple(columns) if !columns.is_empty() => columns,
        other => vec![other],
    });
    *exprs = columns.collect();
}

fn is_unnest(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::UNNEST { .. })
}

/// `FROM t, UNNEST(…)` is a cross join with all tables before it.
fn join_unnests(from: &mut Vec<TableWithJoins>) {
    let Some(position) = from
        .iter()
        .skip(1)
        .position(|table| is_unnest(&table.relation))
    else {
        return;
    };
    let mut tables = std::mem::take(from).into_iter();
    let Some(mut joined) = tables.next() else {
        return;
    };
    for (index, table) in tables.enumerate() {
        if index > position {
            from.push(table);
            continue;
        }
        joined.joins.push(Join {
            relation: table.relation,
            global: false,
            join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
        });
        joined.joins.extend(table.joins);
    }
    from.insert(0, joined);
    join_unnests(from);
}

/// Makes everything up to a join with `UNNEST`, and that join, one relation.
fn nest_unnest(table: &mut TableWithJoins) {
    while let Some(position) = table
        .joins
        .iter()
        .position(|join| is_unnest(&join.relation))
    {
        let later = table.joins.split_off(position + 1);
        let is_whole = later.is_empty() && position == 0;
        let unnest = table.joins.pop();
        let left = TableWithJoins {
            relation: table.relation.clone(),
            joins: std::mem::take(&mut table.joins),
        };
        let left = if left.joins.is_empty() {
            left.relation
        } else {
            nested(left)
        };
        let pair = TableWithJoins {
            relation: left,
            joins: unnest.into_iter().collect(),
        };
        table.relation = nested(pair);
        table.joins = later;
        if is_whole {
            return;
        }
    }
}

fn nested(table: TableWithJoins) -> TableFactor {
    TableFactor::NestedJoin {
        table_with_joins: Box::new(table),
        alias: None,
    }
}

/// The name of the column that holds the rank.
const RANK: &str = "$rank";

/// `SELECT a FROM t ORDER BY b FETCH FIRST n ROWS WITH TIES` becomes
/// `SELECT * EXCEPT ("$rank") FROM (SELECT a, rank() OVER (ORDER BY b) AS "$rank" FROM t) WHERE "$rank" <= n ORDER BY "$rank"`.
fn ties(query: &mut Query) -> Result<()> {
    let Some(Fetch {
        with_ties,
        percent,
        quantity,
    }) = query.fetch.take()
    else {
        return Ok(());
    };
    if percent {
        return Err(unsupported("FETCH FIRST … PERCENT"));
    }
    if !with_ties {
        return Err(unsupported("this form of FETCH FIRST"));
    }
    let Some(OrderBy {
        kind: OrderByKind::Expressions(keys),
        ..
    }) = query.order_by.take()
    else {
        return Err(Error::Named(super::error::TrinoFailure::new(
            "MISSING_ORDER_BY",
            "FETCH FIRST WITH TIES clause requires ORDER BY",
        )));
    };
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(unsupported(
            "FETCH FIRST … WITH TIES after UNION, INTERSECT or EXCEPT",
        ));
    };
    if select.distinct.is_some() || query.limit_clause.is_some() {
        return Err(unsupported(
            "FETCH FIRST … WITH TIES beside DISTINCT or OFFSET",
        ));
    }
    let keys: Vec<String> = keys
        .iter()
        .map(|key| sort_key(key, &select.projection).to_string())
        .collect();
    let count = quantity.map_or_else(|| "1".to_owned(), |count| count.to_string());
    let rank = format!("rank() OVER (ORDER BY {})", keys.join(", "));
    select.projection.push(SelectItem::ExprWithAlias {
        expr: parse(&rank)?,
        alias: Ident::with_quote('"', RANK),
    });
    let inner = Query {
        with: None,
        ..query.clone()
    };
    let outer = format!(
        "SELECT * EXCLUDE (\"{RANK}\") FROM (SELECT 1) AS \"$ties\" WHERE \"{RANK}\" <= {count} ORDER BY \"{RANK}\""
    );
    let mut outer = parse_query(&outer)?;
    if let SetExpr::Select(select) = outer.body.as_mut()
        && let Some(TableWithJoins {
            relation: TableFactor::Derived { subquery, .. },
            ..
        }) = select.from.first_mut()
    {
        **subquery = inner;
    }
    outer.with = query.with.take();
    *query = outer;
    Ok(())
}

/// A number or an alias stands for what is selected there.
fn sort_key(key: &OrderByExpr, projection: &[SelectItem]) -> OrderByExpr {
    let place = match &key.expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits
                .parse::<usize>()
                .ok()
                .and_then(|place| place.checked_sub(1)),
            _ => None,
        },
        Expr::Identifier(name) => projection.iter().position(|item| {
            matches!(item, SelectItem::ExprWithAlias { alias, .. }
                if alias.value.eq_ignore_ascii_case(&name.value))
        }),
        _ => None,
    };
    let expr = match place.and_then(|place| projection.get(place)) {
        Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) => {
            expr.clone()
        }
        _ => key.expr.clone(),
    };
    OrderByExpr {
        expr,
        ..key.clone()
    }
}

fn parse(text: &str) -> Result<Expr> {
    Parser::new(&TrinoDialect)
        .with_tokens_with_locations(tokens::read(text)?.tokens)
        .parse_expr()
        .map_err(|error| internal(text, &error))
}

fn parse_query(text: &str) -> Result<Query> {
    let dialect = datafusion::sql::sqlparser::dialect::GenericDialect {};
    Parser::new(&dialect)
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_query())
        .map(|query| *query)
        .map_err(|error| internal(text, &error))
}

fn internal(text: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Internal {
        message: format!("`{text}` does not parse: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reshaped(sql: &str) -> Result<String> {
        let mut statement = Parser::parse_sql(&TrinoDialect, sql).unwrap().remove(0);
        reshape(&mut statement)?;
        Ok(statement.to_string())
    }

    #[test]
    fn joins_with_unnest_are_relations() {
        for (sql, expected) in [
            (
                "SELECT 1 FROM t, UNNEST(t.a) AS u (x)",
                "SELECT 1 FROM (t CROSS JOIN UNNEST(t.a) AS u (x))",
            ),
            (
                "SELECT 1 FROM t CROSS JOIN UNNEST(t.a) AS u (x) JOIN b ON b.x = u.x",
                "SELECT 1 FROM (t CROSS JOIN UNNEST(t.a) AS u (x)) JOIN b ON b.x = u.x",
            ),
            (
                "SELECT 1 FROM a, b, UNNEST(a.x), UNNEST(b.x), c",
                "SELECT 1 FROM (((a CROSS JOIN b) CROSS JOIN UNNEST(a.x)) CROSS JOIN UNNEST(b.x)), c",
            ),
            (
                "SELECT 1 FROM UNNEST(ARRAY[1]) AS t (x), UNNEST(ARRAY[x])",
                "SELECT 1 FROM (UNNEST(ARRAY[1]) AS t (x) CROSS JOIN UNNEST(ARRAY[x]))",
            ),
        ] {
            let once = reshaped(sql).unwrap();
            assert_eq!(once, expected, "{sql}");
            assert_eq!(reshaped(&once).unwrap(), once, "again: {sql}");
        }
    }

    #[test]
    fn ties_are_a_condition_on_the_rank() {
        assert_eq!(
            reshaped("WITH c AS (SELECT 1) SELECT a AS x FROM t ORDER BY x DESC FETCH FIRST 2 ROWS WITH TIES").unwrap(),
            "WITH c AS (SELECT 1) SELECT * EXCLUDE (\"$rank\") FROM (SELECT a AS x, rank() OVER (ORDER BY a DESC) AS \
             \"$rank\" FROM t) AS \"$ties\" WHERE \"$rank\" <= 2 ORDER BY \"$rank\""
        );
    }

    #[test]
    fn operations_on_multisets_are_relations() {
        assert_eq!(
            reshaped("SELECT a FROM t INTERSECT ALL SELECT 1").unwrap(),
            "SELECT * FROM ((SELECT a FROM t) AS \"$left\" SEMI JOIN (SELECT 1) AS \"$right\") AS \"$multiset\""
        );
    }

    #[test]
    fn what_the_planner_would_drop_is_refused() {
        for sql in [
            "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS true)",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM (SELECT 1 FROM t FOR UPDATE)",
        ] {
            assert!(
                matches!(reshaped(sql), Err(Error::NotSupported { .. })),
                "{sql}"
            );
        }
    }
}
