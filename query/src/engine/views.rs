//! Views: kept in the catalog, planned when they are used, in the schema they were made in.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use chrono::Utc;
use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::sql::parser::Statement as ParsedStatement;
use lake::{Column, IfViewExists, Relation, TableName, ViewEntry, ViewSecurity};

use super::catalog::{LakeCatalogList, Pins};
use super::ddl::types;
use super::names::{FullName, Names, catalog_of, in_catalog, quote_literal, quote_name};
use super::reader::Reader;
use super::session::SessionSettings;
use super::{Parsed, QueryEngine, plan_error};
use crate::presto::error::TrinoFailure;
use crate::presto::types::type_name;
use crate::{Error, Result};

/// A statement about views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ViewStatement {
    Create {
        name: Vec<String>,
        replace: bool,
        columns: Vec<String>,
        comment: Option<String>,
        security: ViewSecurity,
        sql: String,
    },
    Drop {
        name: Vec<String>,
        if_exists: bool,
    },
    Rename {
        from: Vec<String>,
        to: Vec<String>,
    },
}

/// Reads what follows `CREATE [OR REPLACE] VIEW`.
pub(super) fn read_create(reader: &mut Reader, replace: bool) -> Result<ViewStatement> {
    let name = reader.name()?;
    let columns = match reader.peek() {
        Some(datafusion::sql::sqlparser::tokenizer::Token::LParen) => {
            reader.list(Reader::identifier)?
        }
        _ => Vec::new(),
    };
    let comment = match reader.word("COMMENT") {
        true => Some(reader.string()?),
        false => None,
    };
    let mut security = ViewSecurity::Definer;
    if reader.word("SECURITY") {
        security = match reader.one_of(&["DEFINER", "INVOKER"]) {
            Some("INVOKER") => ViewSecurity::Invoker,
            Some(_) => ViewSecurity::Definer,
            None => return Err(reader.expected("DEFINER or INVOKER")),
        };
    }
    if reader.word("WITH") {
        return Err(Error::NotSupported {
            what: "view properties".to_owned(),
        });
    }
    reader.expect_words(&["AS"])?;
    Ok(ViewStatement::Create {
        name,
        replace,
        columns,
        comment,
        security,
        sql: reader.rest(),
    })
}

/// Runs a statement about views and returns what clients call it.
pub(super) async fn run(
    engine: &QueryEngine,
    statement: ViewStatement,
    session: &SessionSettings,
) -> Result<&'static str> {
    match statement {
        ViewStatement::Create { .. } => {
            create(engine, statement, session).await?;
            Ok("CREATE VIEW")
        }
        ViewStatement::Drop { name, if_exists } => {
            let full = Names::full(&name, session)?;
            let name = full.in_lake()?;
            match engine.lake().catalog().relation(&name).await {
                Ok(Relation::View(_)) => engine.lake().catalog().drop_view(&name).await?,
                Ok(Relation::Table(_)) => {
                    return Err(no_view(
                        &full,
                        &format!(
                            ", but a table with that name exists. Did you mean DROP TABLE {full}?"
                        ),
                    ));
                }
                Err(lake::Error::TableNotFound { .. } | lake::Error::DatabaseNotFound { .. })
                    if if_exists => {}
                Err(lake::Error::TableNotFound { .. } | lake::Error::DatabaseNotFound { .. }) => {
                    return Err(no_view(&full, ""));
                }
                Err(error) => return Err(error.into()),
            }
            Ok("DROP VIEW")
        }
        ViewStatement::Rename { from, to } => {
            let from_full = Names::full(&from, session)?;
            let from = from_full.in_lake()?;
            let to_full = match to.as_slice() {
                [name] => FullName {
                    table: name.clone(),
                    ..from_full.clone()
                },
                parts => Names::full(parts, session)?,
            };
            let to = to_full.in_lake()?;
            let catalog = engine.lake().catalog();
            if matches!(catalog.relation(&to).await, Ok(Relation::Table(_))) {
                return Err(TrinoFailure::new(
                    "TABLE_ALREADY_EXISTS",
                    format!(
                        "Target view '{to_full}' does not exist, but a table with that name exists."
                    ),
                )
                .into());
            }
            catalog.rename_view(&from, &to).await?;
            Ok("RENAME VIEW")
        }
    }
}

fn no_view(name: &FullName, more: &str) -> Error {
    TrinoFailure::new(
        "GENERIC_USER_ERROR",
        format!("View '{name}' does not exist{more}"),
    )
    .into()
}

async fn create(
    engine: &QueryEngine,
    statement: ViewStatement,
    session: &SessionSettings,
) -> Result<()> {
    let ViewStatement::Create {
        name,
        replace,
        columns,
        comment,
        security,
        sql,
    } = statement
    else {
        return Ok(());
    };
    let full = Names::full(&name, session)?;
    let name = full.in_lake()?;
    engine.make_default(&name.database).await?;
    let catalog = engine.lake().catalog();
    catalog.database(&name.database).await?;
    let exists = |kind: &str| -> Error {
        TrinoFailure::new(
            "TABLE_ALREADY_EXISTS",
            format!("{kind} already exists: '{full}'"),
        )
        .into()
    };
    match catalog.relation(&name).await {
        Ok(Relation::Table(_)) => return Err(exists("Table")),
        Ok(Relation::View(_)) if !replace => return Err(exists("View")),
        _ => {}
    }
    let catalogs = engine.catalogs(session);
    catalogs.pins().enter_view(&name)?;
    let planned = plan(catalogs.pins(), &sql, session)
        .await
        .map_err(|error| match &error {
            Error::Named(failure) if failure.name == "VIEW_IS_RECURSIVE" => TrinoFailure::new(
                "VIEW_IS_RECURSIVE",
                "Statement would create a recursive view",
            )
            .into(),
            _ => error,
        })?;
    let names = if columns.is_empty() {
        if let Some(position) = planned.unnamed {
            return Err(TrinoFailure::new(
                "MISSING_COLUMN_NAME",
                format!("Column name not specified at position {position}"),
            )
            .into());
        }
        let fields = planned.plan.schema().fields().iter();
        fields.map(|field| field.name().to_lowercase()).collect()
    } else {
        columns
    };
    let count = planned.plan.schema().fields().len();
    if names.len() != count {
        return Err(TrinoFailure::new(
            "MISMATCHED_COLUMN_ALIASES",
            format!(
                "Column alias list has {} entries but relation has {count} columns",
                names.len()
            ),
        )
        .into());
    }
    check_distinct(&names)?;
    let columns = names
        .into_iter()
        .zip(planned.plan.schema().fields())
        .map(|(name, field)| Column::new(name, type_name(field.data_type())))
        .collect();
    let view = ViewEntry {
        name,
        sql,
        columns,
        catalog: Some(catalog_of(session)),
        schema: session.schema.clone(),
        comment,
        owner: (!session.user.is_empty()).then(|| session.user.clone()),
        security,
        created_at: Utc::now(),
    };
    let if_exists = if replace {
        IfViewExists::Replace
    } else {
        IfViewExists::Fail
    };
    Ok(catalog.create_view(view, if_exists).await?)
}

/// # Errors
/// `DUPLICATE_COLUMN_NAME`.
pub(super) fn check_distinct(names: &[String]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(TrinoFailure::new(
                "DUPLICATE_COLUMN_NAME",
                format!("Column name '{name}' specified more than once"),
            )
            .into());
        }
    }
    Ok(())
}

/// The plan of a query.
struct Planned {
    plan: LogicalPlan,
    /// The first column, counting from 1, that has no name.
    unnamed: Option<usize>,
}

async fn plan(pins: &Arc<Pins>, sql: &str, session: &SessionSettings) -> Result<Planned> {
    let engine = pins.engine();
    let not_query = || Error::Syntax {
        message: format!("Expected: a query, found: {sql}"),
    };
    let Parsed { statement, labels } = engine.parse(sql, session)?;
    let Some(labels) = labels else {
        return Err(not_query());
    };
    let unnamed = labels.unnamed();
    if unnamed.is_none() {
        check_distinct(&labels.names())?;
    }
    let catalogs = LakeCatalogList::over(pins);
    let state = engine.inner.sessions.state(session, catalogs)?;
    let plan = state
        .statement_to_plan(ParsedStatement::Statement(Box::new(statement)))
        .await
        .map_err(plan_error)?;
    Ok(Planned { plan, unnamed })
}

/// Returns a view as a table of its query's rows.
///
/// # Errors
/// `VIEW_IS_RECURSIVE`, `VIEW_IS_STALE`, `INVALID_VIEW`.
pub(super) async fn open(
    pins: &Arc<Pins>,
    catalog: &str,
    view: ViewEntry,
) -> Result<Arc<dyn TableProvider>> {
    let name = format!("{catalog}.{}", view.name);
    let session = SessionSettings {
        catalog: Some(view.catalog.clone().unwrap_or_else(|| catalog.to_owned())),
        schema: view.schema.clone(),
        ..pins.session().clone()
    };
    pins.enter_view(&view.name)?;
    let planned = Box::pin(plan(pins, &view.sql, &session)).await;
    pins.leave_view();
    let plan = match planned {
        Ok(planned) => planned.plan,
        Err(error @ Error::Named(_)) if is_about_view(&error) => return Err(error),
        Err(error) => {
            let error = crate::trino::TrinoError::of(&error);
            return Err(TrinoFailure::new(
                "INVALID_VIEW",
                format!("Failed analyzing stored view '{name}': {}", error.message),
            )
            .into());
        }
    };
    let plan = fit(plan, &name, &view.columns)?;
    Ok(Arc::new(ViewTable::new(plan, Some(view.sql))))
}

fn is_about_view(error: &Error) -> bool {
    matches!(error, Error::Named(failure)
        if ["VIEW_IS_RECURSIVE", "VIEW_IS_STALE", "INVALID_VIEW"].contains(&failure.name))
}

/// Gives a query's rows the columns that the view had when it was made.
fn fit(plan: LogicalPlan, name: &str, columns: &[Column]) -> Result<LogicalPlan> {
    let stale = |reason: String| -> Error {
        TrinoFailure::new(
            "VIEW_IS_STALE",
            format!("View '{name}' is stale or in invalid state: {reason}"),
        )
        .into()
    };
    if plan.schema().fields().len() != columns.len() {
        return Err(stale(format!(
            "stored view column count ({}) does not match column count derived from the view query analysis ({})",
            columns.len(),
            plan.schema().fields().len()
        )));
    }
    let found = plan.schema().columns();
    let fields: Vec<(String, DataType)> = plan
        .schema()
        .fields()
        .iter()
        .map(|field| (field.name().clone(), field.data_type().clone()))
        .collect();
    let mut projected: Vec<Expr> = Vec::new();
    for (position, ((column, declared), (name, data_type))) in
        found.into_iter().zip(columns).zip(fields).enumerate()
    {
        let written = type_name(&data_type);
        let mut expr = Expr::Column(column);
        if written != declared.data_type {
            let coerced = types::parse(&declared.data_type)
                .ok()
                .filter(|wanted| is_widening(&data_type, wanted));
            let Some(wanted) = coerced else {
                return Err(stale(format!(
                    "column [{name}] of type {written} projected from query view at position {position} cannot be coerced to column [{}] of type {} stored in view definition",
                    declared.name, declared.data_type
                )));
            };
            expr = cast(expr, wanted);
        }
        projected.push(expr.alias(&declared.name));
    }
    LogicalPlanBuilder::from(plan)
        .project(projected)
        .and_then(LogicalPlanBuilder::build)
        .map_err(plan_error)
}

/// Returns whether every value of a type is one of the other.
pub(super) fn is_widening(from: &DataType, to: &DataType) -> bool {
    use DataType::{Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp};
    let rank = |data_type: &DataType| match data_type {
        Int8 => Some(1),
        Int16 => Some(2),
        Int32 => Some(3),
        Int64 => Some(4),
        Float32 => Some(5),
        Float64 => Some(6),
        _ => None,
    };
    match (from, to) {
        (DataType::Null, _) => true,
        (Decimal128(p, s), Decimal128(q, t)) => {
            t >= s && i16::from(*q) - i16::from(*t) >= i16::from(*p) - i16::from(*s)
        }
        (Date32, Timestamp(_, _)) => true,
        (Timestamp(_, left), Timestamp(_, right)) => left.is_some() == right.is_some(),
        (left, right) => match (rank(left), rank(right)) {
            (Some(left), Some(right)) => left <= right,
            _ => type_name(left) == type_name(right),
        },
    }
}

/// Returns the statement that makes a view.
pub(super) fn show_create(catalog: &str, view: &ViewEntry) -> String {
    let comment = view.comment.as_ref().map_or_else(String::new, |comment| {
        format!(" COMMENT {}", quote_literal(comment))
    });
    let security = match view.security {
        ViewSecurity::Definer => "DEFINER",
        ViewSecurity::Invoker => "INVOKER",
    };
    format!(
        "CREATE VIEW {catalog}.{}.{}{comment} SECURITY {security} AS\n{}",
        quote_name(&view.name.database),
        quote_name(&view.name.table),
        view.sql
    )
}

/// Returns a view, or the error that there is none.
pub(super) async fn find(engine: &QueryEngine, full: &FullName) -> Result<ViewEntry> {
    let name: TableName = full.in_lake()?;
    match engine.lake().catalog().relation(&name).await {
        Ok(Relation::View(view)) => Ok(*view),
        Ok(Relation::Table(_)) => Err(TrinoFailure::new(
            "NOT_SUPPORTED",
            format!("Relation '{full}' is a table, not a view"),
        )
        .into()),
        Err(error) => Err(in_catalog(error, &full.catalog)),
    }
}
