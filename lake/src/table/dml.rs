//! Changing rows that are there: overwrite, update, delete.
//!
//! Predicates and values are expressions in DataFusion's SQL dialect over the table's columns,
//! whose names are case-sensitive. Changed rows are written to new files beside those that stay;
//! with `delta.enableChangeDataFeed` the changes themselves are written as well.

use arrow::array::RecordBatch;
use datafusion::logical_expr::Expr;
use deltalake::protocol::SaveMode;
use futures::FutureExt;

use super::constraints::Rules;
use super::guard::Isolation;
use super::operation::{ChangeOutcome, Operation, Run, Writes};
use super::writer::session_properties;
use super::{LakeTable, Term, WriteOptions};
use crate::error::Result;

impl LakeTable {
    /// Deletes the rows for which a predicate is true; all rows without one.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFeature`](crate::Error::UnsupportedFeature) for a table this writer must
    /// not write, [`Error::Table`](crate::Error::Table) for a predicate that cannot be understood
    /// or a table that is append-only, [`Error::Contended`](crate::Error::Contended) when other
    /// writers were faster every time. The table is unchanged then.
    ///
    /// # Cancel safety
    ///
    /// Dropped midway, the commit is either made or not; orphaned files may stay.
    pub async fn delete(
        &self,
        predicate: Option<&str>,
        options: impl Into<WriteOptions> + Send,
    ) -> Result<ChangeOutcome> {
        self.delete_rows(predicate.map(Term::from), options.into())
            .await
    }

    /// Deletes the rows for which a planned predicate is true. Its columns have no qualifiers.
    ///
    /// # Errors
    ///
    /// Those of [`delete`](Self::delete).
    pub async fn delete_where(
        &self,
        predicate: Expr,
        options: impl Into<WriteOptions> + Send,
    ) -> Result<ChangeOutcome> {
        self.delete_rows(Some(Term::Planned(predicate)), options.into())
            .await
    }

    async fn delete_rows(
        &self,
        predicate: Option<Term>,
        options: WriteOptions,
    ) -> Result<ChangeOutcome> {
        let operation = Operation {
            action: "deleting from",
            isolation: Isolation::WriteSerializable,
            writes: Writes::Files,
            note: &options.note,
        };
        if predicate.is_some() {
            self.own_files(&options.note).await?;
        }
        self.operate(operation, |Run { delta, commit, .. }| {
            let session = options.resources.session();
            let mut builder = delta
                .delete()
                .with_writer_properties(session_properties(&session))
                .with_session_state(session)
                .with_commit_properties(commit);
            if let Some(predicate) = &predicate {
                builder = match predicate.clone() {
                    Term::Sql(text) => builder.with_predicate(text),
                    Term::Planned(expr) => builder.with_predicate(expr),
                };
            }
            async move { builder.await.map(drop) }.boxed()
        })
        .await
    }

    /// Deletes all rows.
    ///
    /// # Errors
    ///
    /// Those of [`delete`](Self::delete).
    pub async fn truncate(&self, options: impl Into<WriteOptions> + Send) -> Result<ChangeOutcome> {
        self.delete(None, options).await
    }

    /// Sets columns, each to the value of an expression over the old row, in the rows for which
    /// a predicate is true; in all rows without one.
    ///
    /// # Errors
    ///
    /// Those of [`delete`](Self::delete), and
    /// [`Error::ConstraintViolated`](crate::Error::ConstraintViolated) when a new row breaks a
    /// rule of the table.
    ///
    /// # Cancel safety
    ///
    /// As of [`delete`](Self::delete).
    pub async fn update(
        &self,
        assignments: &[(&str, &str)],
        predicate: Option<&str>,
        options: impl Into<WriteOptions> + Send,
    ) -> Result<ChangeOutcome> {
        let assignments: Vec<(String, Term)> = assignments
            .iter()
            .map(|(column, value)| ((*column).to_owned(), Term::from(*value)))
            .collect();
        self.update_rows(&assignments, predicate.map(Term::from), options.into())
            .await
    }

    /// Sets columns to the values of planned expressions, in the rows for which a planned predicate
    /// is true. Columns in them have no qualifiers.
    ///
    /// # Errors
    ///
    /// Those of [`update`](Self::update).
    pub async fn update_where(
        &self,
        assignments: Vec<(String, Expr)>,
        predicate: Option<Expr>,
        options: impl Into<WriteOptions> + Send,
    ) -> Result<ChangeOutcome> {
        let assignments: Vec<(String, Term)> = assignments
            .into_iter()
            .map(|(column, value)| (column, Term::Planned(value)))
            .collect();
        self.update_rows(&assignments, predicate.map(Term::Planned), options.into())
            .await
    }

    async fn update_rows(
        &self,
        assignments: &[(String, Term)],
        predicate: Option<Term>,
        options: WriteOptions,
    ) -> Result<ChangeOutcome> {
        let operation = Operation {
            action: "updating",
            isolation: Isolation::WriteSerializable,
            writes: Writes::Files,
            note: &options.note,
        };
        self.require_columns(assignments.iter().map(|(column, _)| column))
            .await?;
        self.own_files(&options.note).await?;
        self.operate(operation, |Run { delta, commit, .. }| {
            let session = options.resources.session();
            let mut builder = delta
                .update()
                .with_writer_properties(session_properties(&session))
                .with_session_state(session)
                .with_commit_properties(commit);
            for (column, value) in assignments {
                let column = datafusion::common::Column::new_unqualified(column.as_str());
                builder = match value.clone() {
                    Term::Sql(text) => builder.with_update(column, text),
                    Term::Planned(expr) => builder.with_update(column, expr),
                };
            }
            if let Some(predicate) = &predicate {
                builder = match predicate.clone() {
                    Term::Sql(text) => builder.with_predicate(text),
                    Term::Planned(expr) => builder.with_predicate(expr),
                };
            }
            async move { builder.await.map(drop) }.boxed()
        })
        .await
    }

    /// Replaces rows in one commit: those for which a predicate is true, which the new rows must
    /// be too; all rows without one.
    ///
    /// # Errors
    ///
    /// Those of [`update`](Self::update), and
    /// [`Error::SchemaMismatch`](crate::Error::SchemaMismatch) for rows that do not fit.
    ///
    /// # Cancel safety
    ///
    /// As of [`delete`](Self::delete).
    pub async fn overwrite(
        &self,
        batches: Vec<RecordBatch>,
        predicate: Option<&str>,
        options: impl Into<WriteOptions> + Send,
    ) -> Result<ChangeOutcome> {
        let options = options.into();
        let operation = Operation {
            action: "overwriting",
            isolation: Isolation::WriteSerializable,
            writes: Writes::Files,
            note: &options.note,
        };
        // The columns may be others when the operation is run again.
        let fit = |run: &Run| {
            let rules = Rules::of(&run.snapshot)?;
            let schema = run.snapshot.schema();
            // An input without batches would be none at all.
            let mut rows = vec![RecordBatch::new_empty(std::sync::Arc::clone(&schema))];
            for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
                rows.push(super::constraints::fit(
                    rules.as_deref(),
                    self.name(),
                    &schema,
                    batch,
                )?);
            }
            Ok(rows)
        };
        if predicate.is_some() {
            self.own_files(&options.note).await?;
        }
        let mut refused = None;
        let result = self
            .operate(operation, |run| {
                let rows = match fit(&run) {
                    Ok(rows) => rows,
                    Err(error) => {
                        refused = Some(error);
                        return std::future::ready(Ok(())).boxed();
                    }
                };
                let session = options.resources.session();
                let mut builder = run
                    .delta
                    .write(rows)
                    .with_save_mode(SaveMode::Overwrite)
                    .with_writer_properties(session_properties(&session))
                    .with_session_state(session)
                    .with_commit_properties(run.commit);
                if let Some(predicate) = predicate {
                    builder = builder.with_replace_where(predicate);
                }
                async move { builder.await.map(drop) }.boxed()
            })
            .await;
        match refused {
            Some(error) => Err(error),
            None => result,
        }
    }
}

#[cfg(test)]
mod tests;
