//! `UPDATE` and `DELETE`.

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, ExprSchemable, cast};
use datafusion::sql::sqlparser::tokenizer::Token;
use lake::{ChangeOutcome, Resources, WriteOptions};

use super::assign::can_assign;
use super::{expressions, merge};
use crate::Result;
use crate::engine::ddl::{self, Done};
use crate::engine::names::{FullName, Names, column_not_found, quote_name};
use crate::engine::reader::Reader;
use crate::engine::session::SessionSettings;
use crate::engine::{QueryEngine, plan_error};
use crate::presto::error::TrinoFailure;
use crate::presto::types::type_name;

/// What `UPDATE` or `DELETE` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct ChangeStatement {
    table: Vec<String>,
    alias: Option<String>,
    /// None deletes.
    set: Option<Vec<(String, String)>>,
    filter: Option<String>,
}

/// Reads what follows `DELETE`.
pub(in crate::engine) fn read_delete(reader: &mut Reader) -> Result<ChangeStatement> {
    reader.expect_words(&["FROM"])?;
    let table = reader.name()?;
    let alias = read_alias(reader, &["WHERE"])?;
    let filter = read_filter(reader)?;
    Ok(ChangeStatement {
        table,
        alias,
        set: None,
        filter,
    })
}

/// Reads what follows `UPDATE`.
pub(in crate::engine) fn read_update(reader: &mut Reader) -> Result<ChangeStatement> {
    let table = reader.name()?;
    let alias = read_alias(reader, &["SET"])?;
    reader.expect_words(&["SET"])?;
    let mut set = Vec::new();
    loop {
        set.push(read_assignment(reader, &["WHERE"])?);
        if !reader.token(&Token::Comma) {
            break;
        }
    }
    let filter = read_filter(reader)?;
    Ok(ChangeStatement {
        table,
        alias,
        set: Some(set),
        filter,
    })
}

/// Reads `column = expression`, which ends at a comma or one of the words.
pub(super) fn read_assignment(reader: &mut Reader, ends: &[&str]) -> Result<(String, String)> {
    let mut name = reader.name()?;
    let column = name.pop().unwrap_or_default();
    reader.expect(&Token::Eq)?;
    let value = reader.text_until(ends, &[Token::Comma]);
    if value.is_empty() {
        return Err(reader.expected("an expression"));
    }
    Ok((column, value))
}

/// Reads `[AS] alias` if what comes next is none of the words.
pub(super) fn read_alias(reader: &mut Reader, words: &[&str]) -> Result<Option<String>> {
    if reader.word("AS") {
        return reader.identifier().map(Some);
    }
    let mut ahead = reader.clone();
    if ahead.is_done() || words.iter().any(|word| ahead.word(word)) {
        return Ok(None);
    }
    match reader.peek() {
        Some(Token::Word(_)) => reader.identifier().map(Some),
        _ => Ok(None),
    }
}

fn read_filter(reader: &mut Reader) -> Result<Option<String>> {
    if !reader.word("WHERE") {
        reader.end()?;
        return Ok(None);
    }
    let filter = reader.rest();
    if filter.is_empty() {
        return Err(reader.expected("a condition"));
    }
    Ok(Some(filter))
}

/// Returns what follows FROM to select from a table.
pub(super) fn from_clause(full: &FullName, alias: Option<&str>) -> String {
    let alias = alias.unwrap_or(&full.table);
    format!(
        "{}.{}.{} AS {}",
        quote_name(&full.catalog),
        quote_name(&full.schema),
        quote_name(&full.table),
        quote_name(alias)
    )
}

/// Runs `UPDATE` or `DELETE`.
pub(in crate::engine) async fn run(
    engine: &QueryEngine,
    statement: ChangeStatement,
    session: &SessionSettings,
) -> Result<Done> {
    let full = Names::full(&statement.table, session)?;
    let of_view = match statement.set {
        Some(_) => "Updating through views is not supported",
        None => "Deleting from views is not supported",
    };
    let name = ddl::writable(engine, &full, of_view).await?;
    let table = engine.lake().table(&name).await?;
    let schema = table.schema().await?;
    let from = from_clause(&full, statement.alias.as_deref());
    let set = statement.set.clone().unwrap_or_default();
    let is_update = !set.is_empty();
    let verb = if is_update { "UPDATE" } else { "DELETE" };
    let mut texts: Vec<String> = set.iter().map(|(_, value)| value.clone()).collect();
    texts.extend(statement.filter.clone());
    if !is_update && statement.filter.is_none() {
        let rows = table.snapshot(lake::AsOf::Latest).await?.row_count();
        let outcome = table.delete(None, WriteOptions::default()).await?;
        return Ok((verb, outcome.metric("num_deleted_rows").or(rows)));
    }
    let Some(planned) = expressions::plan(engine, session, &texts, &from).await? else {
        let alias = statement.alias.as_deref().unwrap_or(&full.table);
        let columns = schema
            .fields()
            .iter()
            .map(|field| field.name().to_lowercase());
        let columns: Vec<String> = columns.collect();
        let (set, filter) = (statement.set, statement.filter);
        let merge = merge::of_rows(statement.table, &from, alias, &columns, set, filter);
        let (_, rows) = merge::run(engine, merge, session).await?;
        return Ok((verb, rows));
    };
    let input = planned.input.schema();
    let mut values = Vec::new();
    for expr in planned.exprs {
        values.push((expr.get_type(input).map_err(plan_error)?, expr));
    }
    let filter = match statement.filter.is_some() {
        true => values.pop(),
        false => None,
    };
    let filter = match filter {
        Some((data_type, expr)) => {
            check_boolean(&data_type, "WHERE clause")?;
            Some(of_table(expr, &schema)?)
        }
        None => None,
    };
    let options = WriteOptions {
        resources: Resources::Session(Box::new(planned.state.clone())),
        ..WriteOptions::default()
    };
    if !is_update {
        let Some(filter) = filter else {
            return Ok((verb, Some(0)));
        };
        let outcome = table.delete_where(filter, options).await?;
        return Ok((verb, Some(count(&outcome, "num_deleted_rows"))));
    }
    let assignments = assignments(&schema, &set, values)?
        .into_iter()
        .map(|(column, value)| Ok((column, of_table(value, &schema)?)))
        .collect::<Result<Vec<_>>>()?;
    let outcome = table.update_where(assignments, filter, options).await?;
    Ok((verb, Some(count(&outcome, "num_updated_rows"))))
}

pub(super) fn count(outcome: &ChangeOutcome, metric: &str) -> u64 {
    outcome.metric(metric).unwrap_or(0)
}

/// # Errors
/// `TYPE_MISMATCH` for a condition that is not true or false.
pub(super) fn check_boolean(data_type: &DataType, what: &str) -> Result<()> {
    if matches!(data_type, DataType::Boolean | DataType::Null) {
        return Ok(());
    }
    Err(TrinoFailure::new(
        "TYPE_MISMATCH",
        format!(
            "{what} must evaluate to a boolean: actual type {}",
            type_name(data_type)
        ),
    )
    .into())
}

/// Returns the columns to be set, in their own letter case, with values of their types.
fn assignments(
    schema: &SchemaRef,
    set: &[(String, String)],
    values: Vec<(DataType, Expr)>,
) -> Result<Vec<(String, Expr)>> {
    let mut assigned: Vec<(String, Expr)> = Vec::new();
    for ((wanted, _), (data_type, value)) in set.iter().zip(values) {
        let (column, value) = assign(schema, wanted, &data_type, value, "UPDATE")?;
        if assigned.iter().any(|(known, _)| *known == column) {
            return Err(TrinoFailure::new(
                "DUPLICATE_COLUMN_NAME",
                format!("Column '{wanted}' is set more than once"),
            )
            .into());
        }
        assigned.push((column, value));
    }
    Ok(assigned)
}

/// Returns a column in its own letter case with a value of its type.
///
/// # Errors
/// `COLUMN_NOT_FOUND` and `TYPE_MISMATCH`.
pub(super) fn assign(
    schema: &SchemaRef,
    wanted: &str,
    data_type: &DataType,
    value: Expr,
    verb: &str,
) -> Result<(String, Expr)> {
    let mut fields = schema.fields().iter();
    let Some(field) = fields.find(|field| field.name().to_lowercase() == wanted) else {
        let known = schema.fields().iter().map(|field| field.name().as_str());
        return Err(column_not_found(wanted, known, || {
            format!("The {verb} SET target column {wanted} doesn't exist")
        }));
    };
    let to = field.data_type();
    if !can_assign(data_type, to) {
        return Err(TrinoFailure::new(
            "TYPE_MISMATCH",
            format!(
                "{verb} table column types don't match SET expressions: Table: [{}], Expressions: [{}]",
                type_name(to),
                type_name(data_type)
            ),
        )
        .into());
    }
    // Fractions are rounded where DataFusion would cut them off.
    let value = match data_type {
        DataType::Float32 | DataType::Float64 if to.is_integer() => {
            datafusion::functions::math::expr_fn::round(vec![value])
        }
        DataType::Decimal128(precision, scale) if to.is_integer() && *scale > 0 => {
            cast(value, DataType::Decimal128(*precision, 0))
        }
        _ => value,
    };
    let value = if data_type == to {
        value
    } else {
        cast(value, to.clone())
    };
    Ok((field.name().clone(), value))
}

/// Returns an expression over the columns of a table as its log names them, without qualifiers.
fn of_table(expr: Expr, schema: &SchemaRef) -> Result<Expr> {
    let renamed = expr.transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => {
                let name = own_name(schema, &column.name);
                Transformed::yes(Expr::Column(Column::new_unqualified(name)))
            }
            other => Transformed::no(other),
        })
    });
    Ok(renamed.map_err(plan_error)?.data)
}

/// Returns a column's name in its own letter case.
pub(super) fn own_name(schema: &SchemaRef, name: &str) -> String {
    let mut fields = schema.fields().iter();
    fields
        .find(|field| field.name().to_lowercase() == name)
        .map_or_else(|| name.to_owned(), |field| field.name().clone())
}
