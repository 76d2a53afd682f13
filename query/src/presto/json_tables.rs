//! `JSON_TABLE` in the syntax tree, where it is `UNNEST` of a call.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    TableFactor, TableWithJoins, Value,
};

use super::labels::Quoted;
use super::sql_json::table::{TABLE, Table};
use super::using::is_mark;
use crate::{Error, Result};

/// Whether an expression is the call.
pub fn is_call(expr: &Expr) -> bool {
    call(expr).is_some_and(|(name, _)| name.value == TABLE)
}

/// Returns the names, as they are written, of the columns of those that are last in `FROM`.
pub fn last_columns(from: &[TableWithJoins], quoted: &Quoted) -> Vec<String> {
    let relations = relations(from);
    let last = relations.iter().rev();
    let mut tables: Vec<_> = last
        .map_while(|relation| columns(relation, quoted))
        .collect();
    tables.reverse();
    tables.concat()
}

/// Returns the names, as they are written, of the columns of the relation with this alias, if it is one.
pub fn columns_of(
    from: &[TableWithJoins],
    alias: &ObjectName,
    quoted: &Quoted,
) -> Option<Vec<String>> {
    let [ObjectNamePart::Identifier(wanted)] = alias.0.as_slice() else {
        return None;
    };
    let is_wanted = |relation: &&TableFactor| {
        matches!(relation, TableFactor::UNNEST { alias: Some(alias), .. }
            if alias.name.value.eq_ignore_ascii_case(&wanted.value))
    };
    columns(relations(from).into_iter().find(is_wanted)?, quoted)
}

/// Returns the tables of `FROM` and its joins, in their order.
fn relations(from: &[TableWithJoins]) -> Vec<&TableFactor> {
    let mut found = Vec::new();
    for table in from {
        let joined = table.joins.iter().map(|join| &join.relation);
        for relation in std::iter::once(&table.relation).chain(joined) {
            match relation {
                TableFactor::NestedJoin {
                    table_with_joins,
                    alias,
                } if alias.as_ref().is_none_or(is_mark) => {
                    found.extend(relations(std::slice::from_ref(table_with_joins)))
                }
                other => found.push(other),
            }
        }
    }
    found
}

fn columns(relation: &TableFactor, quoted: &Quoted) -> Option<Vec<String>> {
    let TableFactor::UNNEST {
        array_exprs, alias, ..
    } = relation
    else {
        return None;
    };
    let [array] = array_exprs.as_slice() else {
        return None;
    };
    let (_, arguments) = call(array).filter(|(name, _)| name.value == TABLE)?;
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(table))) = arguments.get(1)? else {
        return None;
    };
    let Value::SingleQuotedString(table) = &table.value else {
        return None;
    };
    match alias {
        Some(alias) if !alias.columns.is_empty() => {
            let names = alias.columns.iter().map(|column| quoted.of(&column.name));
            Some(names.collect())
        }
        _ => {
            let columns = Table::decode(table)?.columns.into_iter();
            Some(columns.map(|column| column.name).collect())
        }
    }
}

/// Refuses `UNNEST(…)` of a `JSON_TABLE` as a call: no relation stands there.
///
/// # Errors
/// The expression is one.
pub fn refuse_expression(expr: &Expr) -> Result<()> {
    let Some((name, [FunctionArg::Unnamed(FunctionArgExpr::Expr(array)), ..])) = call(expr) else {
        return Ok(());
    };
    if !is_call(array) || !name.value.eq_ignore_ascii_case("unnest") {
        return Ok(());
    }
    let place = name.span.start;
    Err(Error::Syntax {
        message: format!(
            "Expected: <expression>, found: JSON_TABLE at Line: {}, Column: {}",
            place.line, place.column
        ),
    })
}

fn call(expr: &Expr) -> Option<(&Ident, &[FunctionArg])> {
    let Expr::Function(function) = expr else {
        return None;
    };
    match (function.name.0.as_slice(), &function.args) {
        ([ObjectNamePart::Identifier(name)], FunctionArguments::List(list)) => {
            Some((name, &list.args))
        }
        _ => None,
    }
}
