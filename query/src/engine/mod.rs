//! One statement from text to rows.
//!
//! ```text
//! text -> presto::time_travel -> parse -> QueryEngine::run_statement
//!                                           query          -> plan on pinned tables -> stream
//!                                           SHOW, DESCRIBE -> a query over information_schema
//!                                           CREATE, DROP   -> ddl, metastore
//!                                           INSERT, CTAS   -> dml: a query, then one commit
//!                                           USE, SET, …    -> effects the client keeps
//! ```

mod catalog;
mod command;
mod ddl;
mod dml;
mod external;
mod frontend;
mod hidden;
mod information_schema;
mod metadata_tables;
mod metastore;
mod names;
mod planner;
mod procedures;
mod reader;
pub mod registry;
pub mod session;
mod show;
mod statement;
mod system;
mod table_functions;
mod views;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParserBuilder, Statement as ParsedStatement};
use datafusion::sql::sqlparser::ast::{Expr, Ident, SelectItem, Set, SetExpr, Statement, Use};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use futures::{StreamExt, TryStreamExt};
use lake::Lake;

use self::catalog::LakeCatalogList;
use self::registry::Registry;
use self::session::{SessionEffect, SessionFactory, SessionSettings};
use crate::config::QueryConfig;
use crate::presto::{rewrite, split::split_statements, time_travel};
use crate::{Error, Result};

/// The one catalog.
const CATALOG: &str = "lake";

/// Runs SQL over a lake; cheap to clone.
#[derive(Debug, Clone)]
pub struct QueryEngine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    lake: Arc<Lake>,
    config: QueryConfig,
    sessions: SessionFactory,
    registry: Registry,
}

/// A statement that was started.
pub struct StatementResult {
    /// The columns; none for statements without a result.
    pub schema: SchemaRef,
    /// The rows; dropping the stream cancels the query.
    pub rows: SendableRecordBatchStream,
    /// What a statement that is no query did, in Presto's words: `INSERT`, `CREATE TABLE`.
    pub update_type: Option<String>,
    /// How many rows it changed.
    pub update_count: Option<u64>,
    /// What the client's session must remember.
    pub effects: Vec<SessionEffect>,
}

impl std::fmt::Debug for StatementResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementResult")
            .field("schema", &self.schema)
            .field("update_type", &self.update_type)
            .field("update_count", &self.update_count)
            .finish_non_exhaustive()
    }
}

impl StatementResult {
    fn rows(rows: SendableRecordBatchStream) -> Self {
        Self {
            schema: rows.schema(),
            rows,
            update_type: None,
            update_count: None,
            effects: Vec::new(),
        }
    }

    fn done(update_type: &str, update_count: Option<u64>) -> Self {
        let schema: SchemaRef = Arc::new(Schema::empty());
        let rows = RecordBatchStreamAdapter::new(Arc::clone(&schema), futures::stream::empty());
        Self {
            schema,
            rows: Box::pin(rows),
            update_type: Some(update_type.to_owned()),
            update_count,
            effects: Vec::new(),
        }
    }

    fn effect(update_type: &str, effects: Vec<SessionEffect>) -> Self {
        Self {
            effects,
            ..Self::done(update_type, None)
        }
    }
}

impl QueryEngine {
    /// Returns an engine over `lake`.
    ///
    /// # Errors
    /// The limits of `config` cannot be set up.
    pub fn new(lake: Arc<Lake>, config: QueryConfig) -> Result<Self> {
        let sessions = SessionFactory::new(&config)?;
        let registry = Registry::new(&config);
        Ok(Self {
            inner: Arc::new(Inner {
                lake,
                config,
                sessions,
                registry,
            }),
        })
    }

    /// Returns the lake.
    #[must_use]
    pub fn lake(&self) -> &Arc<Lake> {
        &self.inner.lake
    }

    /// Returns the limits.
    #[must_use]
    pub fn config(&self) -> &QueryConfig {
        &self.inner.config
    }

    /// Returns the queries that protocol clients run.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// Parses, plans and starts one statement; each table is pinned to one version.
    ///
    /// # Errors
    /// [`Error::Syntax`], [`Error::Plan`], [`Error::NotSupported`], and what the lake says of names and versions.
    ///
    /// # Cancel safety
    /// Dropped midway, a query is cancelled; a write is either committed or not.
    pub async fn run(&self, sql: &str, session: &SessionSettings) -> Result<StatementResult> {
        let result = Box::pin(self.run_one(sql, session)).await;
        result.map_err(|error| match error {
            Error::Lake(error) => names::in_catalog(error, &names::catalog_of(session)),
            other => other,
        })
    }

    async fn run_one(&self, sql: &str, session: &SessionSettings) -> Result<StatementResult> {
        let sql = sql.trim().trim_end_matches(';');
        if let Some(command) = command::parse(sql)? {
            return Box::pin(self.run_command(command, session)).await;
        }
        let front = frontend::classify(sql)?;
        if let Some(result) = Box::pin(self.run_front(front, session)).await? {
            return Ok(result);
        }
        match self.parse(sql, session)? {
            ParsedStatement::Statement(statement) => {
                Box::pin(self.run_statement(*statement, session)).await
            }
            ParsedStatement::Explain(explain) => {
                if !is_query(&explain.statement) {
                    return Err(Error::NotSupported {
                        what: "EXPLAIN of a statement that is no query".to_owned(),
                    });
                }
                let context = self.context(session)?;
                Box::pin(self.plan_and_run(&context, ParsedStatement::Explain(explain))).await
            }
            other => Err(Error::NotSupported {
                what: format!("the statement `{other}`"),
            }),
        }
    }

    /// Parses one statement of the SQL grammar and rewrites what is Presto's.
    fn parse(&self, sql: &str, session: &SessionSettings) -> Result<ParsedStatement> {
        let rewritten = time_travel::rewrite(&rewrite::literals(&names::fold_quoted(sql)?)?)?;
        let mut statements = DFParserBuilder::new(rewritten.as_str())
            .with_dialect(&GenericDialect {})
            .build()
            .and_then(|mut parser| parser.parse_statements())
            .map_err(|error| Error::Syntax {
                message: innermost(&error),
            })?;
        let (Some(mut statement), true) = (statements.pop_front(), statements.is_empty()) else {
            return Err(Error::Syntax {
                message: "expected one statement".to_owned(),
            });
        };
        let facts = rewrite::SessionFacts {
            user: session.user.clone(),
            catalog: session
                .catalog
                .clone()
                .unwrap_or_else(|| CATALOG.to_owned()),
            schema: session.schema.clone(),
            time_zone: session.effective_time_zone().to_owned(),
        };
        let inner = match &mut statement {
            ParsedStatement::Statement(inner) => Some(inner.as_mut()),
            ParsedStatement::Explain(explain) => match explain.statement.as_mut() {
                ParsedStatement::Statement(inner) => Some(inner.as_mut()),
                _ => None,
            },
            _ => None,
        };
        if let Some(inner) = inner {
            table_functions::rewrite(inner, session)?;
            hidden::mark(inner);
            rewrite::functions(inner, &facts)?;
            if let Statement::Query(query) = inner {
                refuse_what_would_be_ignored(&query.to_string())?;
            }
        }
        Ok(statement)
    }

    /// Returns the columns of a query without running it; none for other statements.
    async fn output_schema(&self, sql: &str, session: &SessionSettings) -> Result<SchemaRef> {
        let ParsedStatement::Statement(mut statement) = self.parse(sql, session)? else {
            return Ok(Arc::new(Schema::empty()));
        };
        let Statement::Query(query) = statement.as_mut() else {
            return Ok(Arc::new(Schema::empty()));
        };
        if let SetExpr::Select(select) = query.body.as_mut() {
            name_like_presto(&mut select.projection);
        }
        let plan = self
            .context(session)?
            .state()
            .statement_to_plan(ParsedStatement::Statement(statement))
            .await
            .map_err(plan_error)?;
        Ok(Arc::new(plan.schema().as_arrow().clone()))
    }

    /// Runs a query with full table names and returns all rows.
    ///
    /// # Errors
    /// As [`QueryEngine::run`], and what happens while the query runs.
    pub async fn collect(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let result = self.run(sql, &SessionSettings::default()).await?;
        result.rows.try_collect().await.map_err(Error::Execution)
    }

    /// Runs the statements of `script` one after another and drops their rows.
    ///
    /// # Errors
    /// Those of the first statement that fails; the ones before it stay done.
    pub async fn execute_script(&self, script: &str) -> Result<()> {
        for sql in split_statements(script) {
            self.collect(&sql).await?;
        }
        Ok(())
    }

    async fn run_statement(
        &self,
        statement: Statement,
        session: &SessionSettings,
    ) -> Result<StatementResult> {
        match statement {
            Statement::Query(mut query) => {
                if matches!(
                    query.body.as_ref(),
                    SetExpr::Insert(_)
                        | SetExpr::Update(_)
                        | SetExpr::Delete(_)
                        | SetExpr::Merge(_)
                ) {
                    return Err(Error::NotSupported {
                        what: "WITH before a statement that is no query".to_owned(),
                    });
                }
                if let SetExpr::Select(select) = query.body.as_mut() {
                    name_like_presto(&mut select.projection);
                }
                let context = self.context(session)?;
                let statement = ParsedStatement::Statement(Box::new(Statement::Query(query)));
                self.plan_and_run(&context, statement).await
            }
            Statement::Use(target) => self.use_schema(target, session).await,
            Statement::Set(Set::SetSessionParam(_)) | Statement::Set(_) => {
                Err(Error::NotSupported {
                    what: "SET".to_owned(),
                })
            }
            other => {
                let text = other.to_string();
                let what: Vec<&str> = text.split_whitespace().take(3).collect();
                Err(Error::NotSupported {
                    what: format!("the statement `{} …`", what.join(" ")),
                })
            }
        }
    }

    async fn use_schema(&self, target: Use, session: &SessionSettings) -> Result<StatementResult> {
        let (Use::Object(name) | Use::Schema(name) | Use::Database(name)) = target else {
            return Err(Error::NotSupported {
                what: format!("the statement `{target}`"),
            });
        };
        let (catalog, schema) = names::Names::catalog_and_schema(&names::parts(&name)?)?;
        let catalog = catalog.unwrap_or_else(|| names::catalog_of(session));
        if catalog == names::SYSTEM {
            let known = system::SYSTEM_SCHEMAS.contains(&schema.as_str());
            if !known && schema != information_schema::NAME {
                system::find(&catalog, &schema, "")?;
            }
        } else {
            names::Names::check_catalog(&catalog)?;
            if schema != information_schema::NAME && schema != names::DEFAULT {
                self.inner.lake.catalog().database(&schema).await?;
            }
        }
        Ok(StatementResult::effect(
            "USE",
            vec![
                SessionEffect::SetCatalog(catalog),
                SessionEffect::SetSchema(schema),
            ],
        ))
    }

    /// Runs a query that we wrote.
    async fn query(&self, sql: &str, session: &SessionSettings) -> Result<StatementResult> {
        let context = self.context(session)?;
        let statement = context
            .state()
            .sql_to_statement(sql, &datafusion::config::Dialect::Generic)
            .map_err(|error| Error::Internal {
                message: format!("{error} in {sql}"),
            })?;
        self.plan_and_run(&context, statement).await
    }

    async fn plan_and_run(
        &self,
        context: &SessionContext,
        statement: ParsedStatement,
    ) -> Result<StatementResult> {
        let plan = context
            .state()
            .statement_to_plan(statement)
            .await
            .map_err(plan_error)?;
        let frame = context
            .execute_logical_plan(plan)
            .await
            .map_err(plan_error)?;
        let rows = frame.execute_stream().await.map_err(plan_error)?;
        // The catalog list holds the pinned tables; they are in use until the last row is read.
        let pins = Arc::clone(context.state().catalog_list());
        let schema = rows.schema();
        let rows = rows.inspect(move |_| {
            let _ = &pins;
        });
        let rows = RecordBatchStreamAdapter::new(schema, rows);
        Ok(StatementResult::rows(Box::pin(rows)))
    }

    /// Returns a session of its own for one statement.
    fn context(&self, session: &SessionSettings) -> Result<SessionContext> {
        let state = Arc::new(self.inner.sessions.base().clone());
        let catalogs = LakeCatalogList::new(self.clone(), session.clone(), state);
        self.inner.sessions.context(session, catalogs)
    }
}

fn refuse_in_transaction(session: &SessionSettings) -> Result<()> {
    if session.transaction.is_some() {
        return Err(Error::NotSupported {
            what: "writing inside a transaction: each statement commits by itself".to_owned(),
        });
    }
    Ok(())
}

fn is_query(statement: &ParsedStatement) -> bool {
    match statement {
        ParsedStatement::Statement(inner) => matches!(inner.as_ref(), Statement::Query(_)),
        _ => false,
    }
}

/// Gives unnamed expressions the names Presto gives them.
fn name_like_presto(projection: &mut [SelectItem]) {
    for (position, item) in projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item
            && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        {
            let alias = Ident::new(format!("_col{position}"));
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias,
            };
        }
    }
}

/// Refuses clauses that the parser knows and the planner drops without a word.
fn refuse_what_would_be_ignored(query: &str) -> Result<()> {
    let upper = query.to_ascii_uppercase();
    for clause in ["TABLESAMPLE", "MATCH_RECOGNIZE"] {
        if upper
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|word| word == clause)
        {
            return Err(Error::NotSupported {
                what: clause.to_owned(),
            });
        }
    }
    Ok(())
}

/// Unwraps our own error from where the catalog had to hide it.
fn plan_error(error: datafusion::error::DataFusionError) -> Error {
    use datafusion::error::DataFusionError;
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::Plan(DataFusionError::External(other)),
        },
        DataFusionError::Diagnostic(_, inner) => plan_error(*inner),
        DataFusionError::Context(_, inner) => plan_error(*inner),
        other => Error::Plan(other),
    }
}

/// Unwraps our own error from a stream of rows.
fn run_error(error: datafusion::error::DataFusionError) -> Error {
    match plan_error(error) {
        Error::Plan(other) => Error::Execution(other),
        ours => ours,
    }
}

fn innermost(error: &datafusion::error::DataFusionError) -> String {
    error.find_root().strip_backtrace()
}

#[cfg(test)]
mod tests;
