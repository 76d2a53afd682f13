//! Changing what a table is: its columns, rules and properties.
//!
//! Changes that need a feature this writer lacks are refused by the feature's name.

use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::{DataType, Field, Schema};
use deltalake::DeltaTableError;
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::schema::{MetadataValue, StructField};
use deltalake::operations::update_table_metadata::TableMetadataUpdate;
use futures::FutureExt;

use super::constraints::{CONSTRAINT, GENERATION};
use super::guard::Isolation;
use super::operation::{ChangeOutcome, CommitNote, Operation, Run, Writes};
use super::{LakeTable, WriteOptions, mapping, protocol, schema};
use crate::error::{Error, Result};

const COMMENT: &str = "comment";

impl LakeTable {
    /// Adds columns, which are null in the rows that are there.
    ///
    /// # Errors
    ///
    /// [`Error::SchemaMismatch`] for a column that exists, is NOT NULL or cannot be stored;
    /// [`Error::UnsupportedFeature`] for a generated column.
    pub async fn add_columns(&self, fields: &[Field], note: CommitNote) -> Result<ChangeOutcome> {
        let snapshot = self.latest().await?;
        for field in fields {
            let name = field.name();
            if field.metadata().contains_key(GENERATION) {
                return Err(self.unsupported(format!("a generated column `{name}` added later")));
            }
            if !field.is_nullable() {
                return Err(self.mismatch(format!(
                    "column `{name}` is NOT NULL, but the rows that are there have no value"
                )));
            }
            let known = snapshot.schema();
            if let Some(known) = known
                .fields()
                .iter()
                .find(|known| known.name().eq_ignore_ascii_case(name))
            {
                return Err(self.mismatch(format!("it has a column `{}` already", known.name())));
            }
        }
        let stored = schema::table_schema(self.name(), &Schema::new(fields.to_vec()))?;
        let columns: StructType = stored
            .as_ref()
            .try_into_kernel()
            .map_err(|error: arrow::error::ArrowError| self.mismatch(error.to_string()))?;
        let columns: Vec<StructField> = columns.fields().cloned().collect();
        protocol::check_columns(&self.table_ref, columns.iter())?;
        if mapping::is_mapped(&snapshot) {
            return self.add_mapped_columns(&columns, &note).await;
        }
        self.redefine(
            "adding columns to",
            &note,
            move |Run { delta, commit, .. }| {
                let builder = delta
                    .add_columns()
                    .with_fields(columns.clone())
                    .with_commit_properties(commit);
                async move { builder.await.map(drop) }.boxed()
            },
        )
        .await
    }

    /// Changes the type of a column.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFeature`] always, unless the column has that type: Delta widens types
    /// by its feature `typeWidening`, which this writer lacks.
    pub async fn alter_column_type(
        &self,
        column: &str,
        data_type: &DataType,
    ) -> Result<ChangeOutcome> {
        let snapshot = self.latest().await?;
        let schema = snapshot.schema();
        let field = schema
            .field_with_name(column)
            .map_err(|_| self.no_column(column))?;
        if field.data_type() == data_type {
            return Ok(ChangeOutcome::Unchanged {
                version: snapshot.version(),
            });
        }
        Err(self.unsupported(format!(
            "the feature `typeWidening` when column `{column}` changes from {} to {data_type}",
            field.data_type()
        )))
    }

    /// Lets a column have no value.
    ///
    /// # Errors
    ///
    /// [`Error::SchemaMismatch`] when there is no such column.
    pub async fn drop_not_null(&self, column: &str, note: CommitNote) -> Result<ChangeOutcome> {
        let snapshot = self.latest().await?;
        let schema = snapshot.schema();
        let field = schema
            .field_with_name(column)
            .map_err(|_| self.no_column(column))?;
        if field.is_nullable() {
            return Ok(ChangeOutcome::Unchanged {
                version: snapshot.version(),
            });
        }
        self.redefine(
            "dropping NOT NULL from",
            &note,
            |Run { delta, commit, .. }| {
                let builder = delta
                    .drop_column_not_null()
                    .with_column(column)
                    .with_commit_properties(commit);
                async move { builder.await.map(drop) }.boxed()
            },
        )
        .await
    }

    /// Says what a column means.
    ///
    /// # Errors
    ///
    /// [`Error::SchemaMismatch`] when there is no such column.
    pub async fn comment_column(
        &self,
        column: &str,
        comment: &str,
        note: CommitNote,
    ) -> Result<ChangeOutcome> {
        self.require_columns([column]).await?;
        self.redefine(
            "commenting a column of",
            &note,
            |Run { delta, commit, .. }| {
                let comment = MetadataValue::String(comment.to_owned());
                let builder = delta
                    .update_field_metadata()
                    .with_field_name(column)
                    .with_metadata(HashMap::from([(COMMENT.to_owned(), comment)]))
                    .with_commit_properties(commit);
                async move { builder.await.map(drop) }.boxed()
            },
        )
        .await
    }

    /// Says what the table is for, in its own log.
    ///
    /// # Errors
    ///
    /// [`Error::Table`] for a comment of more than 4000 bytes.
    pub async fn comment(&self, comment: &str, note: CommitNote) -> Result<ChangeOutcome> {
        self.redefine("commenting", &note, |Run { delta, commit, .. }| {
            let builder = delta
                .update_table_metadata()
                .with_update(TableMetadataUpdate {
                    name: None,
                    description: Some(comment.to_owned()),
                })
                .with_commit_properties(commit);
            async move { builder.await.map(drop) }.boxed()
        })
        .await
    }

    /// Adds a CHECK constraint, which all rows that are there must keep.
    ///
    /// # Errors
    ///
    /// [`Error::ConstraintViolated`] shows a row that breaks it; [`Error::Table`] for an expression
    /// that cannot be understood, or a constraint of that name with another expression.
    pub async fn add_constraint(
        &self,
        name: &str,
        expression: &str,
        options: impl Into<WriteOptions> + Send,
    ) -> Result<ChangeOutcome> {
        let options = options.into();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(self.mismatch(format!("`{name}` is no name for a constraint")));
        }
        let operation = Operation {
            action: "adding a constraint to",
            // Rows that were not looked at may break it.
            isolation: Isolation::Exclusive,
            writes: Writes::LogOnly,
            note: &options.note,
        };
        let added = self
            .operate(operation, |Run { delta, commit, .. }| {
                let builder = delta
                    .add_constraint()
                    .with_constraint(name, expression)
                    .with_session_state(options.resources.session())
                    .with_commit_properties(commit);
                async move { builder.await.map(drop) }.boxed()
            })
            .await;
        match added {
            Err(Error::ConstraintViolated { table, row, .. }) => Err(Error::ConstraintViolated {
                table,
                rule: format!("the CHECK constraint `{name}` (`{expression}`)"),
                row,
            }),
            added => added,
        }
    }

    /// Drops a CHECK constraint.
    ///
    /// # Errors
    ///
    /// [`Error::SchemaMismatch`] when there is no such constraint; it lists those there are.
    pub async fn drop_constraint(&self, name: &str, note: CommitNote) -> Result<ChangeOutcome> {
        let known = self.constraints().await?;
        if !known.contains_key(name) {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            return Err(self.mismatch(format!(
                "it has no constraint `{name}`; its constraints are: {}",
                names.join(", ")
            )));
        }
        self.redefine(
            "dropping a constraint of",
            &note,
            |Run { delta, commit, .. }| {
                let builder = delta
                    .drop_constraints()
                    .with_constraint(name)
                    .with_commit_properties(commit);
                async move { builder.await.map(drop) }.boxed()
            },
        )
        .await
    }

    /// Returns the CHECK constraints by name.
    ///
    /// # Errors
    ///
    /// Those of [`snapshot`](Self::snapshot).
    pub async fn constraints(&self) -> Result<BTreeMap<String, String>> {
        let snapshot = self.latest().await?;
        let state = snapshot
            .delta_table()
            .snapshot()
            .map_err(|error| self.delta_error("loading", error))?;
        let constraint = |(key, expression): (&String, &String)| {
            let name = key.strip_prefix(CONSTRAINT)?;
            Some((name.to_owned(), expression.clone()))
        };
        let configuration = state.metadata().configuration();
        Ok(configuration.iter().filter_map(constraint).collect())
    }

    /// Sets properties of the table.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedFeature`] for one that needs a feature this writer lacks,
    /// [`Error::SchemaMismatch`] for one that Delta does not know.
    pub async fn set_properties(
        &self,
        properties: BTreeMap<String, String>,
        note: CommitNote,
    ) -> Result<ChangeOutcome> {
        protocol::check_properties(&self.table_ref, &properties)?;
        for key in properties.keys() {
            if key.starts_with(CONSTRAINT) {
                return Err(self.mismatch(format!("`{key}` is a constraint, not a property")));
            }
            if key.starts_with("delta.columnMapping.") {
                return Err(self.unsupported("`columnMapping` when the table exists already"));
            }
            protocol::check_known(self.name(), key)?;
        }
        self.redefine(
            "setting properties of",
            &note,
            move |Run { delta, commit, .. }| {
                let builder = delta
                    .set_tbl_properties()
                    .with_properties(properties.clone().into_iter().collect())
                    .with_raise_if_not_exists(false)
                    .with_commit_properties(commit);
                async move { builder.await.map(drop) }.boxed()
            },
        )
        .await
    }

    /// Runs an operation that changes the log only.
    pub(super) async fn redefine<F>(
        &self,
        action: &'static str,
        note: &CommitNote,
        run: F,
    ) -> Result<ChangeOutcome>
    where
        F: FnMut(Run) -> futures::future::BoxFuture<'static, Result<(), DeltaTableError>> + Send,
    {
        let operation = Operation {
            action,
            isolation: Isolation::WriteSerializable,
            writes: Writes::LogOnly,
            note,
        };
        self.operate(operation, run).await
    }

    pub(crate) fn unsupported(&self, feature: impl Into<String>) -> Error {
        protocol::unsupported(&self.table_ref, feature)
    }

    pub(super) fn mismatch(&self, reason: String) -> Error {
        Error::SchemaMismatch {
            table: self.name().to_string(),
            reason,
        }
    }

    fn no_column(&self, column: &str) -> Error {
        self.mismatch(format!("it has no column `{column}`"))
    }
}

#[cfg(test)]
mod tests;
