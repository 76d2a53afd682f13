//! Merging rows of a source into a table.

mod gate;
mod waiting;

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::DataFrame;
use deltalake::DeltaTableError;
use deltalake::operations::merge::MergeBuilder;
use futures::FutureExt;

use super::guard::Isolation;
use super::operation::{ChangeOutcome, Operation, Run, Writes};
use super::writer::session_properties;
use super::{LakeTable, Term, WriteOptions};
use crate::error::{Error, Result};

/// The rows to merge into a table.
#[derive(Debug, Clone)]
pub enum MergeSource {
    /// Rows in memory, all of the same columns.
    Batches(Vec<RecordBatch>),
    /// A table of any kind. It is read again when another writer was faster.
    Table(Arc<dyn TableProvider>),
    /// A query's plan. It is run again when another writer was faster.
    Plan(Box<LogicalPlan>),
}

/// The values of a merge clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignments<E = String> {
    /// Each column that the source has gets its value; of a new row, the others are null.
    AllColumns,
    /// The named columns get the values of expressions.
    Columns(Vec<(String, E)>),
}

/// What to do with the rows of one kind, where an optional condition is true. Of several clauses
/// for a row, the first one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeClause<E = String> {
    /// Changes a row of the table that a row of the source matches.
    MatchedUpdate {
        /// Over columns of both.
        condition: Option<E>,
        /// Over columns of both.
        set: Assignments<E>,
    },
    /// Deletes a row of the table that a row of the source matches.
    MatchedDelete {
        /// Over columns of both.
        condition: Option<E>,
    },
    /// Inserts a row of the source that matches none of the table.
    NotMatchedInsert {
        /// Over columns of the source.
        condition: Option<E>,
        /// Over columns of the source; other columns are null.
        values: Assignments<E>,
    },
    /// Changes a row of the table that no row of the source matches.
    NotMatchedBySourceUpdate {
        /// Over columns of the table.
        condition: Option<E>,
        /// Over columns of the table.
        set: Assignments<E>,
    },
    /// Deletes a row of the table that no row of the source matches.
    NotMatchedBySourceDelete {
        /// Over columns of the table.
        condition: Option<E>,
    },
}

/// A merge: which rows belong together, and what becomes of them. Expressions are SQL text, or
/// planned with the aliases as qualifiers.
#[derive(Debug, Clone)]
pub struct MergeRequest<E = String> {
    /// The rows to merge.
    pub source: MergeSource,
    /// What expressions call the source.
    pub source_alias: String,
    /// What expressions call the table.
    pub target_alias: String,
    /// When a row of the source and one of the table match, such as `source.id = target.id`.
    pub on: E,
    /// What to do.
    pub clauses: Vec<MergeClause<E>>,
}

impl MergeRequest {
    /// Returns a merge that updates rows which match and inserts those which do not.
    pub fn upsert(source: MergeSource, on: impl Into<String>) -> Self {
        Self {
            source,
            source_alias: "source".to_owned(),
            target_alias: "target".to_owned(),
            on: on.into(),
            clauses: vec![
                MergeClause::MatchedUpdate {
                    condition: None,
                    set: Assignments::AllColumns,
                },
                MergeClause::NotMatchedInsert {
                    condition: None,
                    values: Assignments::AllColumns,
                },
            ],
        }
    }
}

impl<E> MergeClause<E> {
    fn assignments(&self) -> Option<&Assignments<E>> {
        match self {
            Self::MatchedUpdate { set, .. } | Self::NotMatchedBySourceUpdate { set, .. } => {
                Some(set)
            }
            Self::NotMatchedInsert { values, .. } => Some(values),
            Self::MatchedDelete { .. } | Self::NotMatchedBySourceDelete { .. } => None,
        }
    }
}

impl LakeTable {
    /// Merges the rows of a source into the table in one commit.
    ///
    /// A row of the table that several rows of the source match is an error unless it is deleted.
    /// With [`Resources::Bounded`](crate::Resources::Bounded) joins sort and go to temporary files
    /// beyond the limit, and so do rows of which it is not known yet whether they are written again.
    ///
    /// # Errors
    ///
    /// Those of [`update`](Self::update).
    ///
    /// # Cancel safety
    ///
    /// As of [`delete`](Self::delete).
    pub async fn merge<E>(
        &self,
        request: MergeRequest<E>,
        options: impl Into<WriteOptions> + Send,
    ) -> Result<ChangeOutcome>
    where
        E: Into<Term> + Clone + Send + Sync,
    {
        let options = options.into();
        let operation = Operation {
            action: "merging into",
            isolation: Isolation::WriteSerializable,
            writes: Writes::Files,
            note: &options.note,
        };
        let plan = source_plan(&request).map_err(|error| {
            self.delta_error("planning a merge into", DeltaTableError::from(error))
        })?;
        let columns: Vec<String> = plan
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        for assignments in request.clauses.iter().filter_map(MergeClause::assignments) {
            match assignments {
                Assignments::AllColumns => self.require_columns(&columns).await?,
                Assignments::Columns(set) => {
                    self.require_columns(set.iter().map(|(column, _)| column))
                        .await?;
                }
            }
        }
        self.own_files(&options.note).await?;
        self.operate(operation, |Run { delta, commit, .. }| {
            let session = gate::bounded(&options.resources.session());
            let source = DataFrame::new(session.as_ref().clone(), plan.clone());
            let builder = match request.on.clone().into() {
                Term::Sql(on) => delta.merge(source, on),
                Term::Planned(on) => delta.merge(source, on),
            };
            let builder = builder
                .with_writer_properties(session_properties(&session))
                .with_session_state(session)
                .with_source_alias(&request.source_alias)
                .with_target_alias(&request.target_alias)
                .with_commit_properties(commit);
            let built = request.clauses.iter().try_fold(builder, |builder, clause| {
                add_clause(builder, clause, &request, &columns)
            });
            async move { built?.await.map(drop) }.boxed()
        })
        .await
    }

    /// Refuses columns that the table does not have.
    pub(super) async fn require_columns(
        &self,
        columns: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<()> {
        let columns: Vec<String> = columns
            .into_iter()
            .map(|column| column.as_ref().to_owned())
            .collect();
        let schema = self.schema().await?;
        for column in columns {
            if schema.field_with_name(&column).is_err() {
                return Err(Error::SchemaMismatch {
                    table: self.name().to_string(),
                    reason: format!("it has no column `{column}`"),
                });
            }
        }
        Ok(())
    }
}

fn source_plan<E>(request: &MergeRequest<E>) -> datafusion::error::Result<LogicalPlan> {
    let provider: Arc<dyn TableProvider> = match &request.source {
        MergeSource::Plan(plan) => return Ok(plan.as_ref().clone()),
        MergeSource::Table(provider) => Arc::clone(provider),
        MergeSource::Batches(batches) => {
            let Some(first) = batches.first() else {
                return datafusion::common::plan_err!("the source of a merge has no columns");
            };
            Arc::new(MemTable::try_new(first.schema(), vec![batches.clone()])?)
        }
    };
    let name = request.source_alias.as_str();
    LogicalPlanBuilder::scan(name, provider_as_source(provider), None)?.build()
}

fn add_clause<E: Into<Term> + Clone>(
    builder: MergeBuilder,
    clause: &MergeClause<E>,
    request: &MergeRequest<E>,
    columns: &[String],
) -> Result<MergeBuilder, DeltaTableError> {
    match clause {
        MergeClause::MatchedUpdate { condition, set } => builder.when_matched_update(|update| {
            let update = match condition {
                Some(condition) => match condition.clone().into() {
                    Term::Sql(text) => update.predicate(text),
                    Term::Planned(expr) => update.predicate(expr),
                },
                None => update,
            };
            values(set, request, columns)
                .into_iter()
                .fold(update, |update, (column, value)| match value {
                    Term::Sql(text) => update.update(column, text),
                    Term::Planned(expr) => update.update(column, expr),
                })
        }),
        MergeClause::MatchedDelete { condition } => {
            builder.when_matched_delete(|delete| match condition {
                Some(condition) => match condition.clone().into() {
                    Term::Sql(text) => delete.predicate(text),
                    Term::Planned(expr) => delete.predicate(expr),
                },
                None => delete,
            })
        }
        MergeClause::NotMatchedInsert {
            condition,
            values: inserted,
        } => builder.when_not_matched_insert(|insert| {
            let insert = match condition {
                Some(condition) => match condition.clone().into() {
                    Term::Sql(text) => insert.predicate(text),
                    Term::Planned(expr) => insert.predicate(expr),
                },
                None => insert,
            };
            values(inserted, request, columns).into_iter().fold(
                insert,
                |insert, (column, value)| match value {
                    Term::Sql(text) => insert.set(column, text),
                    Term::Planned(expr) => insert.set(column, expr),
                },
            )
        }),
        MergeClause::NotMatchedBySourceUpdate { condition, set } => builder
            .when_not_matched_by_source_update(|update| {
                let update = match condition {
                    Some(condition) => match condition.clone().into() {
                        Term::Sql(text) => update.predicate(text),
                        Term::Planned(expr) => update.predicate(expr),
                    },
                    None => update,
                };
                values(set, request, columns)
                    .into_iter()
                    .fold(update, |update, (column, value)| match value {
                        Term::Sql(text) => update.update(column, text),
                        Term::Planned(expr) => update.update(column, expr),
                    })
            }),
        MergeClause::NotMatchedBySourceDelete { condition } => builder
            .when_not_matched_by_source_delete(|delete| match condition {
                Some(condition) => match condition.clone().into() {
                    Term::Sql(text) => delete.predicate(text),
                    Term::Planned(expr) => delete.predicate(expr),
                },
                None => delete,
            }),
    }
}

fn values<E: Into<Term> + Clone>(
    assignments: &Assignments<E>,
    request: &MergeRequest<E>,
    columns: &[String],
) -> Vec<(Column, Term)> {
    match assignments {
        Assignments::AllColumns => columns
            .iter()
            .map(|column| {
                let value = format!("{}.{}", quoted(&request.source_alias), quoted(column));
                (Column::new_unqualified(column), Term::from(value))
            })
            .collect(),
        Assignments::Columns(columns) => columns
            .iter()
            .map(|(column, value)| (Column::new_unqualified(column), value.clone().into()))
            .collect(),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
