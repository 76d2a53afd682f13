//! One statement from text to rows.
//!
//! ```text
//! text -> presto::tokens -> parse -> presto::{shapes, rewrite, labels} -> QueryEngine::run_statement
//!                                           query          -> plan on pinned tables -> stream
//!                                           SHOW, DESCRIBE -> show: the catalog, as one batch
//!                                           CREATE, DROP   -> ddl, metastore
//!                                           INSERT, CTAS   -> dml: a query, then one commit
//!                                           USE, SET, …    -> effects the client keeps
//! ```

mod catalog;
mod command;
mod ddl;
mod dml;
mod explain;
mod external;
mod frontend;
mod guard;
mod hidden;
mod information_schema;
mod memory;
mod metadata_tables;
mod metastore;
mod names;
mod planner;
mod pool;
mod procedures;
mod reader;
pub mod registry;
pub mod session;
mod show;
mod statement;
mod system;
mod table_functions;
mod views;
pub mod work;
mod workers;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as ParsedStatement;
use datafusion::sql::sqlparser::ast::{Set, SetExpr, Statement, Use};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use futures::{StreamExt, TryStreamExt};
use lake::Lake;

use self::catalog::LakeCatalogList;
use self::registry::Registry;
use self::session::{SessionEffect, SessionFactory, SessionSettings};
use crate::config::QueryConfig;
use crate::presto::dialect::TrinoDialect;
use crate::presto::labels::{self, Labels};
use crate::presto::shapes;
use crate::presto::{rewrite, split::split_statements, tokens, typing};
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

    /// Returns the same rows for readers of Arrow: what has no type there is text.
    #[must_use]
    pub fn readable(self) -> Self {
        let Some(schema) = planner::readable_schema(&self.schema) else {
            return self;
        };
        let shown = Arc::clone(&schema);
        let rows = self
            .rows
            .map(move |batch| planner::readable_batch(&batch?, &shown));
        Self {
            rows: Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), rows)),
            schema,
            ..self
        }
    }

    /// Returns the same rows under the names that clients see.
    fn relabelled(self, labels: &Labels) -> Self {
        let schema: SchemaRef = Arc::new(labels.apply(&self.schema));
        let named = Arc::clone(&schema);
        let rows = self.rows.map(move |batch| {
            let columns = batch?.columns().to_vec();
            Ok(RecordBatch::try_new(Arc::clone(&named), columns)?)
        });
        Self {
            rows: Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), rows)),
            schema,
            ..self
        }
    }

    fn effect(update_type: &str, effects: Vec<SessionEffect>) -> Self {
        Self {
            effects,
            ..Self::done(update_type, None)
        }
    }
}

/// A statement of the SQL grammar.
struct Parsed {
    statement: Statement,
    /// What clients call the columns, if it is a query.
    labels: Option<Labels>,
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

    /// Returns the threads that queries work on.
    #[cfg(test)]
    pub(crate) fn workers(&self) -> &workers::Workers {
        self.inner.sessions.workers()
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
        let Parsed { statement, labels } = self.parse(sql, session)?;
        let result = Box::pin(self.run_statement(statement, session)).await?;
        Ok(match labels {
            Some(labels) => result.relabelled(&labels),
            None => result,
        })
    }

    /// Parses one statement of the SQL grammar and rewrites what is Presto's.
    fn parse(&self, sql: &str, session: &SessionSettings) -> Result<Parsed> {
        let source = tokens::read(sql)?;
        let syntax = |error: ParserError| Error::Syntax {
            message: error.to_string(),
        };
        let mut parser = Parser::new(&TrinoDialect).with_tokens_with_locations(source.tokens);
        let mut statement = parser.parse_statement().map_err(syntax)?;
        while parser.consume_token(&Token::SemiColon) {}
        parser.expect_token(&Token::EOF).map_err(syntax)?;
        let facts = rewrite::SessionFacts {
            user: session.user.clone(),
            catalog: session
                .catalog
                .clone()
                .unwrap_or_else(|| CATALOG.to_owned()),
            schema: session.schema.clone(),
        };
        shapes::reshape(&mut statement)?;
        table_functions::rewrite(&mut statement, session)?;
        hidden::mark(&mut statement);
        let labels = labels::take(&mut statement, &source.quoted);
        rewrite::functions(&mut statement, &facts)?;
        typing::rewrite(&mut statement, session.effective_time_zone());
        Ok(Parsed { statement, labels })
    }

    /// Returns the columns of a query without running it; none for other statements.
    async fn output_schema(&self, sql: &str, session: &SessionSettings) -> Result<SchemaRef> {
        let Parsed { statement, labels } = self.parse(sql, session)?;
        let Some(labels) = labels else {
            return Ok(Arc::new(Schema::empty()));
        };
        let plan = self
            .state(session)?
            .statement_to_plan(ParsedStatement::Statement(Box::new(statement)))
            .await
            .map_err(plan_error)?;
        Ok(Arc::new(labels.apply(plan.schema().as_arrow())))
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
            Statement::Query(query) => {
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
                let statement = ParsedStatement::Statement(Box::new(Statement::Query(query)));
                plan_and_run(self.state(session)?, statement).await
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
        let state = self.state(session)?;
        let statement = state
            .sql_to_statement(sql, &datafusion::config::Dialect::Generic)
            .map_err(|error| Error::Internal {
                message: format!("{error} in {sql}"),
            })?;
        plan_and_run(state, statement).await
    }

    /// Returns a session of its own to plan one statement in.
    fn state(&self, session: &SessionSettings) -> Result<SessionState> {
        self.inner.sessions.state(session, self.catalogs(session))
    }

    /// Returns a session of its own for one statement that runs within it.
    fn context(&self, session: &SessionSettings) -> Result<SessionContext> {
        self.inner.sessions.context(session, self.catalogs(session))
    }

    fn catalogs(&self, session: &SessionSettings) -> LakeCatalogList {
        let state = Arc::clone(self.inner.sessions.base());
        LakeCatalogList::new(self.clone(), session.clone(), state)
    }
}

async fn plan_and_run(state: SessionState, statement: ParsedStatement) -> Result<StatementResult> {
    let logical = state
        .statement_to_plan(statement)
        .await
        .map_err(plan_error)?;
    let plan = state
        .create_physical_plan(&logical)
        .await
        .map_err(plan_error)?;
    let task = session::task(&state)?;
    // The catalog list holds the pinned tables; they are in use until the last row is read.
    let pins = Arc::clone(state.catalog_list());
    let rows = memory::execute(state, logical, plan, task).map_err(plan_error)?;
    let schema = rows.schema();
    let rows = rows.inspect(move |_| {
        let _ = &pins;
    });
    let rows = RecordBatchStreamAdapter::new(schema, rows);
    Ok(StatementResult::rows(Box::pin(rows)))
}

fn refuse_in_transaction(session: &SessionSettings) -> Result<()> {
    if session.transaction.is_some() {
        return Err(Error::NotSupported {
            what: "writing inside a transaction: each statement commits by itself".to_owned(),
        });
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

#[cfg(test)]
mod tests;
