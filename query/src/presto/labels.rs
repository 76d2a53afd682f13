//! Names of a query's columns as Presto gives them.
//!
//! Inside, each column of a `SELECT` has a name of its own, because the planner insists; outside, names may repeat,
//! keep their letter case, and expressions without a name are `_col0`, `_col1`, … by their place.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement,
    TableAlias, TableAliasColumnDef, TableFactor, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Location;

use super::json_tables;

/// Quoted names as they were written, by their place; names in the syntax tree are in lower case.
#[derive(Debug, Clone, Default)]
pub struct Quoted(HashMap<Location, String>);

impl Quoted {
    pub(super) fn insert(&mut self, place: Location, name: String) {
        self.0.insert(place, name);
    }

    /// Returns a name as it was written.
    pub(super) fn of(&self, ident: &Ident) -> String {
        self.written(ident.span.start, &ident.value).to_owned()
    }

    /// Returns the name at a place as it was written; `name` is how it was read.
    pub(super) fn written<'a>(&'a self, place: Location, name: &'a str) -> &'a str {
        self.0.get(&place).map_or(name, String::as_str)
    }
}

/// The labels of a query's output columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(Vec<Label>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Label {
    Name(String),
    /// `_col` and the place.
    Unnamed,
    /// As many columns as there are but for those that follow, with their own names.
    Wildcard,
}

/// Gives each column inside `statement` a name of its own, and returns the labels for outside if it is a query.
pub fn take(statement: &mut Statement, quoted: &Quoted) -> Option<Labels> {
    let labels = match statement {
        Statement::Query(query) => Some(Labels::of(&query.body, quoted)),
        _ => None,
    };
    if let Statement::Query(query) = statement {
        disambiguate_wildcards(&mut query.body);
    }
    let ControlFlow::Continue(()) = statement.visit(&mut Namer);
    labels
}

impl Labels {
    fn of(body: &SetExpr, quoted: &Quoted) -> Self {
        match body {
            SetExpr::Select(select) => {
                let items = select.projection.iter();
                Self(
                    items
                        .flat_map(|item| labels_of(item, select, quoted))
                        .collect(),
                )
            }
            SetExpr::Query(query) => Self::of(&query.body, quoted),
            SetExpr::SetOperation { left, .. } => Self::of(left, quoted),
            SetExpr::Values(values) => {
                let columns = values.rows.first().map_or(0, |row| row.len());
                Self(vec![Label::Unnamed; columns])
            }
            _ => Self(vec![Label::Wildcard]),
        }
    }

    /// Returns the place, counting from 1, of the first column without a name.
    #[must_use]
    pub fn unnamed(&self) -> Option<usize> {
        let place = self.0.iter().position(|label| *label == Label::Unnamed)?;
        Some(place + 1)
    }

    /// Returns the names that are written, in lower case; those that `*` stands for are not known.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0
            .iter()
            .filter_map(|label| match label {
                Label::Name(name) => Some(name.to_lowercase()),
                _ => None,
            })
            .collect()
    }

    /// Returns `schema` with the labels as names.
    ///
    /// Columns between two wildcards keep their names: how many each stands for is not known.
    #[must_use]
    pub fn apply(&self, schema: &Schema) -> Schema {
        let is_wildcard = |label: &Label| *label == Label::Wildcard;
        let fields = schema.fields();
        let front = self.0.iter().take_while(|label| !is_wildcard(label));
        let back = self.0.iter().rev().take_while(|label| !is_wildcard(label));
        let mut names: Vec<Option<&Label>> = vec![None; fields.len()];
        for (slot, label) in names.iter_mut().zip(front) {
            *slot = Some(label);
        }
        if self.0.iter().any(is_wildcard) {
            for (slot, label) in names.iter_mut().rev().zip(back) {
                *slot = Some(label);
            }
        }
        let fields: Vec<Field> = fields
            .iter()
            .zip(names)
            .enumerate()
            .map(|(place, (field, label))| {
                let field = field.as_ref().clone();
                match label {
                    Some(Label::Name(name)) => field.with_name(name),
                    Some(Label::Unnamed) => field.with_name(format!("_col{place}")),
                    Some(Label::Wildcard) | None => field,
                }
            })
            .collect();
        Schema::new_with_metadata(fields, schema.metadata().clone())
    }
}

fn labels_of(item: &SelectItem, select: &Select, quoted: &Quoted) -> Vec<Label> {
    let label = match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Label::Name(quoted.of(name)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts
            .last()
            .map_or(Label::Unnamed, |name| Label::Name(quoted.of(name))),
        SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAliases { .. } => Label::Unnamed,
        SelectItem::ExprWithAlias { alias, .. } => Label::Name(quoted.of(alias)),
        SelectItem::Wildcard(_) => {
            let last = json_tables::last_columns(&select.from, quoted);
            let last = last.into_iter().map(Label::Name);
            return std::iter::once(Label::Wildcard).chain(last).collect();
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            match json_tables::columns_of(&select.from, name, quoted) {
                Some(names) => return names.into_iter().map(Label::Name).collect(),
                None => Label::Wildcard,
            }
        }
        SelectItem::QualifiedWildcard(..) => Label::Wildcard,
    };
    vec![label]
}

/// Names plain columns beside a wildcard, which has columns of the same name.
fn disambiguate_wildcards(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) if has_wildcard(select) => {
            for (place, item) in select.projection.iter_mut().enumerate() {
                if let SelectItem::UnnamedExpr(expr) = item
                    && let Some(name) = column_name(expr)
                {
                    let alias = hidden(&name, place);
                    *item = SelectItem::ExprWithAlias {
                        expr: expr.clone(),
                        alias,
                    };
                }
            }
        }
        SetExpr::Query(query) => disambiguate_wildcards(&mut query.body),
        SetExpr::SetOperation { left, .. } => disambiguate_wildcards(left),
        _ => {}
    }
}

fn has_wildcard(select: &Select) -> bool {
    select.projection.iter().any(|item| {
        matches!(
            item,
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
        )
    })
}

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.to_lowercase()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.to_lowercase()),
        _ => None,
    }
}

fn hidden(name: &str, place: usize) -> Ident {
    Ident::with_quote('"', format!("{name}${place}"))
}

struct Namer;

impl VisitorMut for Namer {
    type Break = std::convert::Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        let mut taken: HashSet<String> = HashSet::new();
        for (place, item) in select.projection.iter_mut().enumerate() {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let alias = match column_name(expr) {
                        Some(name) if taken.insert(name.clone()) => continue,
                        Some(name) => hidden(&name, place),
                        None => Ident::new(format!("_col{place}")),
                    };
                    let expr = expr.clone();
                    *item = SelectItem::ExprWithAlias { expr, alias };
                }
                SelectItem::ExprWithAlias { alias, .. }
                    if !taken.insert(alias.value.to_lowercase()) =>
                {
                    *alias = hidden(&alias.value.to_lowercase(), place);
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            name_values(&cte.query, &mut cte.alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::Derived {
            subquery, alias, ..
        } = factor
            && matches!(subquery.body.as_ref(), SetExpr::Values(_))
        {
            let alias = alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: Ident::with_quote('"', "$values"),
                columns: Vec::new(),
                at: None,
            });
            name_values(subquery, alias);
        }
        ControlFlow::Continue(())
    }
}

/// Columns of `VALUES` without a name have those of expressions.
fn name_values(query: &Query, alias: &mut TableAlias) {
    if let SetExpr::Values(values) = query.body.as_ref()
        && alias.columns.is_empty()
    {
        let columns = values.rows.first().map_or(0, |row| row.len());
        alias.columns = (0..columns)
            .map(|place| TableAliasColumnDef::from_name(format!("_col{place}")))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::DataType;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;
    use crate::presto::dialect::TrinoDialect;
    use crate::presto::tokens;

    fn named(sql: &str) -> (String, Labels) {
        let source = tokens::read(sql).unwrap();
        let mut statement = Parser::new(&TrinoDialect)
            .with_tokens_with_locations(source.tokens)
            .parse_statement()
            .unwrap();
        let labels = take(&mut statement, &source.quoted).unwrap();
        (statement.to_string(), labels)
    }

    fn labelled(sql: &str, columns: &[&str]) -> Vec<String> {
        let fields: Vec<Field> = columns
            .iter()
            .map(|name| Field::new(*name, DataType::Int64, true))
            .collect();
        let schema = named(sql).1.apply(&Schema::new(fields));
        schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    }

    #[test]
    fn every_column_inside_has_a_name_of_its_own() {
        for (sql, expected) in [
            ("SELECT 1, a, a", "SELECT 1 AS _col0, a, a AS \"a$2\""),
            ("SELECT 1 AS x, 2 AS X", "SELECT 1 AS x, 2 AS \"x$1\""),
            ("SELECT *, a FROM t", "SELECT *, a AS \"a$1\" FROM t"),
            (
                "SELECT * FROM (VALUES 1)",
                "SELECT * FROM (VALUES (1)) AS \"$values\" (_col0)",
            ),
            (
                "SELECT 1 FROM (SELECT 2)",
                "SELECT 1 AS _col0 FROM (SELECT 2 AS _col0)",
            ),
        ] {
            assert_eq!(named(sql).0, expected, "{sql}");
        }
    }

    #[test]
    fn labels_are_as_written() {
        assert_eq!(
            labelled("SELECT 1 AS \"AbC\", 2 AS dEf", &["abc", "def"]),
            ["AbC", "dEf"]
        );
        assert_eq!(
            labelled("SELECT Name, n.nAme, 1", &["name", "name$1", "_col2"]),
            ["Name", "nAme", "_col2"]
        );
        assert_eq!(
            labelled("SELECT *, 1, x", &["a", "b", "_col1", "x$2"]),
            ["a", "b", "_col2", "x"]
        );
        assert_eq!(labelled("SELECT 1 UNION SELECT 2", &["_col0"]), ["_col0"]);
        assert_eq!(labelled("VALUES 1, 2", &["column1"]), ["_col0"]);
        let table = "JSON_TABLE(j, 'lax $' COLUMNS (a bigint, \"Bc\" bigint))";
        assert_eq!(
            labelled(
                &format!("SELECT *, 1 FROM t, {table}"),
                &["x", "a", "bc", "_col1"]
            ),
            ["x", "A", "Bc", "_col3"]
        );
        assert_eq!(
            labelled(
                &format!("SELECT u.*, t.* FROM {table} AS u, t"),
                &["a", "bc", "x"]
            ),
            ["A", "Bc", "x"]
        );
        assert_eq!(
            labelled(
                &format!("SELECT * FROM t, {table}, {table} AS u (X, y)"),
                &["x", "a", "bc", "x", "y"]
            ),
            ["x", "A", "Bc", "X", "y"]
        );
        assert_eq!(
            labelled(
                &format!("SELECT * FROM {table} AS u (X, \"Yz\")"),
                &["x", "yz"]
            ),
            ["X", "Yz"]
        );
        assert_eq!(
            labelled("SELECT a.*, 1, b.*", &["x", "_col1", "y"]),
            ["x", "_col1", "y"]
        );
    }
}
