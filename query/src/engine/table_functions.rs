//! `TABLE(f(…))`: functions that return tables.
//!
//! What they read may have to be opened, which planning cannot wait for. A call therefore becomes the name of
//! a table in a schema of its own, and the catalog opens it like any other.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Column;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, lit};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    Statement, TableFactor, UnaryOperator, Value, VisitMut, VisitorMut,
};
use lake::{AsOf, TableName};
use serde::{Deserialize, Serialize};

use super::catalog::Pins;
use super::hidden::in_lower_case;
use super::names::Names;
use super::session::SessionSettings;
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// The schema of calls; no schema can have the name.
pub(super) const SCHEMA: &str = "table functions";

/// The most rows of a sequence.
const MOST_ROWS: u64 = 10_000_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Argument {
    Number(i64),
    Text(String),
}

/// A call with its arguments by name.
#[derive(Debug, Serialize, Deserialize)]
struct Call {
    function: String,
    arguments: BTreeMap<String, Argument>,
}

/// The functions with their parameters; those behind `required` may be left out.
const FUNCTIONS: [(&str, &[&str], usize); 3] = [
    ("sequence", &["start", "stop", "step"], 2),
    (
        "table_changes",
        &["schema_name", "table_name", "since_version"],
        2,
    ),
    (
        "table_diff",
        &["table_name", "from_version", "to_version"],
        3,
    ),
];

/// Writes each call of a table function as the name of a table.
///
/// # Errors
/// `FUNCTION_NOT_FOUND`, and arguments that do not fit.
pub(super) fn rewrite(statement: &mut Statement, session: &SessionSettings) -> Result<()> {
    let mut calls = Calls { session };
    match statement.visit(&mut calls) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Calls<'a> {
    session: &'a SessionSettings,
}

impl VisitorMut for Calls<'_> {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::TableFunction { expr, alias } = factor else {
            return ControlFlow::Continue(());
        };
        let ast::Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        let call = match call(function, self.session) {
            Ok(call) => call,
            Err(error) => return ControlFlow::Break(error),
        };
        let Ok(text) = serde_json::to_string(&call) else {
            return ControlFlow::Continue(());
        };
        let part = |text: String| ObjectNamePart::Identifier(Ident::with_quote('"', text));
        let name = ObjectName(vec![
            part(super::CATALOG.to_owned()),
            part(SCHEMA.to_owned()),
            part(text),
        ]);
        let alias = alias.clone().or_else(|| {
            Some(ast::TableAlias {
                explicit: true,
                name: Ident::new(call.function.clone()),
                columns: Vec::new(),
                at: None,
            })
        });
        *factor = TableFactor::Table {
            name,
            alias,
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        ControlFlow::Continue(())
    }
}

fn call(function: &ast::Function, session: &SessionSettings) -> Result<Call> {
    let parts = super::names::parts(&function.name)?;
    let full = parts.join(".");
    let unknown = || -> Error {
        TrinoFailure::new(
            "FUNCTION_NOT_FOUND",
            format!("Table function '{full}' not registered"),
        )
        .into()
    };
    let (path, name) = match parts.as_slice() {
        [name] => (&[] as &[String], name),
        [path @ .., name] => (path, name),
        [] => return Err(unknown()),
    };
    let in_system = match path {
        [] => false,
        [schema] => schema == "system",
        [catalog, schema] => super::names::is_lake(catalog) && schema == "system",
        _ => return Err(unknown()),
    };
    let found = FUNCTIONS.iter().find(|(known, ..)| known == name);
    let Some((_, parameters, required)) =
        found.filter(|(known, ..)| in_system != (*known == "sequence") || path.is_empty())
    else {
        return Err(unknown());
    };
    let FunctionArguments::List(list) = &function.args else {
        return Err(unknown());
    };
    let mut arguments = BTreeMap::new();
    for (position, argument) in list.args.iter().enumerate() {
        let (name, value) = match argument {
            FunctionArg::Named { name, arg, .. } => (name.value.to_lowercase(), arg),
            FunctionArg::ExprNamed {
                name: ast::Expr::Identifier(name),
                arg,
                ..
            } => (name.value.to_lowercase(), arg),
            FunctionArg::Unnamed(arg) => {
                let name = parameters.get(position).ok_or_else(|| {
                    TrinoFailure::new(
                        "INVALID_ARGUMENTS",
                        format!("Too many arguments. Expected at most {}", parameters.len()),
                    )
                })?;
                ((*name).to_owned(), arg)
            }
            other => {
                return Err(Error::NotSupported {
                    what: format!("argument `{other}` of a table function"),
                });
            }
        };
        if !parameters.contains(&name.as_str()) {
            return Err(TrinoFailure::new(
                "INVALID_ARGUMENTS",
                format!("Unexpected argument name: {}", name.to_uppercase()),
            )
            .into());
        }
        let FunctionArgExpr::Expr(value) = value else {
            return Err(Error::NotSupported {
                what: format!("argument `{value}` of a table function"),
            });
        };
        arguments.insert(name, constant(value)?);
    }
    let mut call = Call {
        function: name.clone(),
        arguments,
    };
    if let Some(missing) = parameters
        .iter()
        .take(*required)
        .find(|name| !call.arguments.contains_key(**name))
    {
        return Err(TrinoFailure::new(
            "MISSING_ARGUMENT",
            format!("Missing argument: {}", missing.to_uppercase()),
        )
        .into());
    }
    complete_name(&mut call, session)?;
    Ok(call)
}

/// Completes the name of a table of `table_diff`, which may be qualified.
fn complete_name(call: &mut Call, session: &SessionSettings) -> Result<()> {
    if call.function == "table_diff"
        && let Some(Argument::Text(name)) = call.arguments.get("table_name")
    {
        let parts: Vec<String> = name.split('.').map(str::to_lowercase).collect();
        let name = Names::full(&parts, session)?.in_lake()?;
        let full = name.to_string();
        call.arguments
            .insert("table_name".to_owned(), Argument::Text(full));
    }
    Ok(())
}

fn constant(expr: &ast::Expr) -> Result<Argument> {
    let refused = || -> Error {
        TrinoFailure::new(
            "EXPRESSION_NOT_CONSTANT",
            format!("Constant expression expected, found: {expr}"),
        )
        .into()
    };
    match expr {
        ast::Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().map(Argument::Number).map_err(|_| refused()),
            Value::SingleQuotedString(text) => Ok(Argument::Text(text.clone())),
            _ => Err(refused()),
        },
        ast::Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: inner,
        } => match constant(inner)? {
            Argument::Number(number) => Ok(Argument::Number(-number)),
            Argument::Text(_) => Err(refused()),
        },
        ast::Expr::Nested(inner) => constant(inner),
        ast::Expr::Cast { expr: inner, .. } => constant(inner),
        _ => Err(refused()),
    }
}

/// Returns the table that a call means.
pub(super) async fn open(pins: &Arc<Pins>, text: &str) -> Result<Arc<dyn TableProvider>> {
    let call: Call = serde_json::from_str(text).map_err(|_| Error::TableNotFound {
        name: text.to_owned(),
    })?;
    match call.function.as_str() {
        "sequence" => call.sequence(),
        "table_changes" => {
            let name = TableName::new(call.text("schema_name")?, call.text("table_name")?)?;
            let since = call.version("since_version", 0)?;
            changes(pins, &name, since).await
        }
        _ => {
            let name: TableName = call.text("table_name")?.parse()?;
            let (from, to) = (
                call.version("from_version", 0)?,
                call.version("to_version", 0)?,
            );
            diff(pins, &name, from, to).await
        }
    }
}

impl Call {
    fn number(&self, name: &str, default: i64) -> Result<i64> {
        match self.arguments.get(name) {
            None => Ok(default),
            Some(Argument::Number(number)) => Ok(*number),
            Some(Argument::Text(text)) => Err(TrinoFailure::new(
                "TYPE_MISMATCH",
                format!(
                    "Cannot cast type varchar({}) to bigint",
                    text.chars().count()
                ),
            )
            .into()),
        }
    }

    fn version(&self, name: &str, default: i64) -> Result<u64> {
        let number = self.number(name, default)?;
        u64::try_from(number).map_err(|_| {
            TrinoFailure::new(
                "INVALID_FUNCTION_ARGUMENT",
                format!("Invalid value of {name}: {number}. It must not be negative."),
            )
            .into()
        })
    }

    fn text(&self, name: &str) -> Result<&str> {
        match self.arguments.get(name) {
            Some(Argument::Text(text)) => Ok(text),
            _ => Err(TrinoFailure::new(
                "TYPE_MISMATCH",
                format!("Argument {} must be a varchar", name.to_uppercase()),
            )
            .into()),
        }
    }

    fn sequence(&self) -> Result<Arc<dyn TableProvider>> {
        let (start, stop) = (self.number("start", 0)?, self.number("stop", 0)?);
        let step = self.number("step", 1)?;
        let invalid = |message: String| TrinoFailure::new("INVALID_FUNCTION_ARGUMENT", message);
        if step == 0 || (step > 0 && start > stop) || (step < 0 && start < stop) {
            return Err(invalid(format!(
                "Step must be {} for sequence [{start}, {stop}]",
                if start > stop { "negative" } else { "positive" }
            ))
            .into());
        }
        let count = (i128::from(stop) - i128::from(start)) / i128::from(step) + 1;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if count > MOST_ROWS {
            return Err(invalid(format!(
                "a sequence of {count} rows is too long; {MOST_ROWS} are allowed"
            ))
            .into());
        }
        let values: Int64Array = (0..count)
            .map(|index| {
                let index = i64::try_from(index).unwrap_or(i64::MAX);
                start.wrapping_add(index.wrapping_mul(step))
            })
            .collect();
        let schema = Arc::new(Schema::new(vec![Field::new(
            "sequential_number",
            DataType::Int64,
            true,
        )]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(values)]);
        let batch = batch.map_err(|error| Error::Internal {
            message: error.to_string(),
        })?;
        let table = MemTable::try_new(schema, vec![vec![batch]]).map_err(Error::Plan)?;
        Ok(Arc::new(table))
    }
}

/// The changes of the versions after `since`.
async fn changes(pins: &Arc<Pins>, name: &TableName, since: u64) -> Result<Arc<dyn TableProvider>> {
    let snapshot = pins.snapshot(name, AsOf::Latest).await?;
    let latest = snapshot.version();
    if since > latest {
        return Err(TrinoFailure::new(
            "INVALID_FUNCTION_ARGUMENT",
            format!("since_version: {since} is higher then current table version: {latest}"),
        )
        .into());
    }
    let table = pins.engine().lake().table(name).await?;
    let plan = if since == latest {
        // There are none; the columns are those of changes.
        let rows = LogicalPlanBuilder::scan(
            "rows",
            provider_as_source(snapshot.provider_for(Arc::clone(pins.state())).await?),
            None,
        );
        rows.and_then(|rows| {
            let mut columns: Vec<Expr> = rows
                .schema()
                .fields()
                .iter()
                .map(|field| Expr::Column(Column::new(Some("rows"), field.name())))
                .collect();
            let null = || lit(datafusion::scalar::ScalarValue::Null);
            columns.push(cast(null(), DataType::Utf8).alias("_change_type"));
            columns.push(cast(null(), DataType::Int64).alias("_commit_version"));
            columns.push(cast(null(), time()).alias("_commit_timestamp"));
            rows.project(columns)?.filter(lit(false))?.build()
        })
    } else {
        let changes = table
            .changes(AsOf::Version(since + 1), AsOf::Version(latest))
            .await
            .map_err(|error| match error {
                lake::Error::ChangesNotRecorded { version, .. } => Error::from(TrinoFailure::new(
                    "INVALID_FUNCTION_ARGUMENT",
                    format!(
                        "Change Data Feed is not enabled at version {version} of table '{name}'"
                    ),
                )),
                other => other.into(),
            })?;
        LogicalPlanBuilder::scan("rows", provider_as_source(changes), None).and_then(|rows| {
            let columns = rows.schema().fields().iter().map(|field| {
                let column = Expr::Column(Column::new(Some("rows"), field.name()));
                match field.name().as_str() {
                    "_commit_timestamp" => cast(column, time()).alias(field.name()),
                    _ => column,
                }
            });
            let columns: Vec<Expr> = columns.collect();
            rows.project(columns)?.build()
        })
    };
    in_lower_case(Arc::new(ViewTable::new(plan.map_err(Error::Plan)?, None)))
}

fn time() -> DataType {
    DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, Some("UTC".into()))
}

/// The rows of `from` that `to` has not, as deletes, and those of `to` that `from` has not, as inserts. A row
/// that both have is in neither, however often they have it.
async fn diff(
    pins: &Arc<Pins>,
    name: &TableName,
    from: u64,
    to: u64,
) -> Result<Arc<dyn TableProvider>> {
    let mut sides = Vec::new();
    for version in [from, to] {
        let snapshot = pins.snapshot(name, AsOf::Version(version)).await?;
        sides.push(in_lower_case(
            snapshot.provider_for(Arc::clone(pins.state())).await?,
        )?);
    }
    let [before, after] = sides.as_slice() else {
        return Err(Error::Internal {
            message: "two versions are not two".to_owned(),
        });
    };
    if before.schema() != after.schema() {
        return Err(Error::NotSupported {
            what: format!(
                "table_diff of `{name}` between versions {from} and {to}, which have other columns"
            ),
        });
    }
    let side = |table: &Arc<dyn TableProvider>| {
        LogicalPlanBuilder::scan("rows", provider_as_source(Arc::clone(table)), None)?.build()
    };
    let plan = || -> datafusion::error::Result<_> {
        let labelled = |left, right, label: &str| -> datafusion::error::Result<_> {
            let rows = LogicalPlanBuilder::except(left, right, true)?;
            let rows = LogicalPlanBuilder::from(rows);
            let mut columns: Vec<Expr> = rows
                .schema()
                .columns()
                .into_iter()
                .map(Expr::Column)
                .collect();
            columns.push(lit(label).alias("_change"));
            rows.project(columns)
        };
        let deleted = labelled(side(before)?, side(after)?, "delete")?;
        let inserted = labelled(side(after)?, side(before)?, "insert")?;
        deleted.union(inserted.build()?)?.build()
    };
    Ok(Arc::new(ViewTable::new(plan().map_err(Error::Plan)?, None)))
}
