//! Adding, renaming and dropping columns of tables with column mapping, which makes it a matter of
//! the log alone: files know a column by another name, which stays.

use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake::kernel::schema::StructField;
use deltalake::kernel::transaction::CommitBuilder;
use deltalake::kernel::{Action, CommitInfo, Metadata, MetadataExt, StructType};
use deltalake::protocol::DeltaOperation;
use deltalake::{DeltaResult, DeltaTableError};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;

use super::operation::{ChangeOutcome, CommitNote, Run};
use super::{LakeTable, TableSnapshot, constraints, mapping, protocol};
use crate::error::Result;

/// Properties that name columns.
const NAMING: [&str; 2] = ["delta.dataSkippingStatsColumns", "lakehouse.sort.columns"];

/// What becomes of one column.
#[derive(Debug, Clone, Copy)]
enum Change<'a> {
    Rename { from: &'a str, to: &'a str },
    Drop { column: &'a str },
}

impl LakeTable {
    /// Renames a column of a table with column mapping.
    ///
    /// # Errors
    ///
    /// [`Error::SchemaMismatch`](crate::Error::SchemaMismatch) when there is no such column, the
    /// new name is taken, a rule or property of the table names the column, or the table has no
    /// column mapping.
    pub async fn rename_column(
        &self,
        from: &str,
        to: &str,
        note: CommitNote,
    ) -> Result<ChangeOutcome> {
        let snapshot = self.latest().await?;
        let taken = snapshot
            .schema()
            .fields()
            .iter()
            .any(|field| field.name() != from && field.name().eq_ignore_ascii_case(to));
        if taken || to.is_empty() {
            return Err(self.mismatch(format!("a column cannot be renamed to `{to}`")));
        }
        self.change_column(&snapshot, Change::Rename { from, to }, note)
            .await
    }

    /// Drops a column of a table with column mapping. Its values stay in the files that are there.
    ///
    /// # Errors
    ///
    /// Those of [`rename_column`](Self::rename_column), also for a column that files are
    /// partitioned by.
    pub async fn drop_column(&self, column: &str, note: CommitNote) -> Result<ChangeOutcome> {
        let snapshot = self.latest().await?;
        if snapshot
            .partition_columns()
            .iter()
            .any(|name| name == column)
        {
            return Err(self.mismatch(format!(
                "files are partitioned by column `{column}`, so that it cannot be dropped"
            )));
        }
        self.change_column(&snapshot, Change::Drop { column }, note)
            .await
    }

    /// Adds columns, whose names the caller has checked, to a table with column mapping.
    pub(super) async fn add_mapped_columns(
        &self,
        columns: &[StructField],
        note: &CommitNote,
    ) -> Result<ChangeOutcome> {
        self.redefine("adding columns to", note, |run| {
            let committed = commit_columns(run, columns);
            async move { committed?.await.map(drop) }.boxed()
        })
        .await
    }

    async fn change_column(
        &self,
        snapshot: &TableSnapshot,
        change: Change<'_>,
        note: CommitNote,
    ) -> Result<ChangeOutcome> {
        let column = change.column();
        self.require_columns([column]).await?;
        if !mapping::is_mapped(snapshot) {
            return Err(self.mismatch(format!(
                "column `{column}` cannot be renamed or dropped without the feature \
                 `columnMapping`: a table has it that was created with the property \
                 delta.columnMapping.mode = name"
            )));
        }
        let names_it = |key: &&str| {
            snapshot
                .property(key)
                .is_some_and(|columns| columns.split(',').any(|name| name.trim() == column))
        };
        if let Some(property) = NAMING.iter().find(|key| names_it(key)) {
            return Err(self.mismatch(format!("the property `{property}` names column `{column}`")));
        }
        let metadata = changed_metadata(snapshot, change)
            .map_err(|error| self.delta_error("changing a column of", error))?;
        self.check_rules(&metadata)?;
        self.redefine("changing a column of", &note, |run| {
            let committed = commit_change(run, change);
            async move { committed?.await.map(drop) }.boxed()
        })
        .await
    }

    /// Makes sure that the rules of a table still have the columns that they name.
    fn check_rules(&self, metadata: &Metadata) -> Result<()> {
        let columns: arrow::datatypes::Schema = metadata
            .parse_schema()
            .map_err(DeltaTableError::from)
            .and_then(|schema| Ok((&schema).try_into_arrow()?))
            .map_err(|error| self.delta_error("changing a column of", error))?;
        let properties = metadata.configuration().clone().into_iter().collect();
        constraints::check_definition(self.name(), &columns.into(), &properties)
    }
}

impl<'a> Change<'a> {
    fn column(self) -> &'a str {
        match self {
            Self::Rename { from, .. } => from,
            Self::Drop { column } => column,
        }
    }

    fn apply(self, field: &StructField) -> Option<StructField> {
        if field.name() != self.column() {
            return Some(field.clone());
        }
        match self {
            Self::Drop { .. } => None,
            Self::Rename { to, .. } => Some(
                StructField::new(to, field.data_type().clone(), field.is_nullable())
                    .with_metadata(field.metadata().clone()),
            ),
        }
    }

    fn commit_info(self) -> CommitInfo {
        let (operation, parameters) = match self {
            Self::Rename { from, to } => (
                "RENAME COLUMN",
                vec![("oldColumnPath", json!(from)), ("newColumnPath", json!(to))],
            ),
            Self::Drop { column } => ("DROP COLUMNS", vec![("columns", json!([column]))]),
        };
        let parameters = parameters.into_iter();
        CommitInfo {
            timestamp: Some(chrono::Utc::now().timestamp_millis()),
            operation: Some(operation.to_owned()),
            operation_parameters: Some(
                parameters
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect(),
            ),
            engine_info: Some(concat!("lakehouse ", env!("CARGO_PKG_VERSION")).to_owned()),
            ..CommitInfo::default()
        }
    }
}

fn changed_metadata(snapshot: &TableSnapshot, change: Change<'_>) -> DeltaResult<Metadata> {
    let state = snapshot.delta_table().snapshot()?;
    let schema = state.schema();
    let columns = StructType::try_new(schema.fields().filter_map(|field| change.apply(field)))?;
    let metadata = state.metadata().clone().with_schema(&columns)?;
    let Change::Rename { from, to } = change else {
        return Ok(metadata);
    };
    let partition_columns: Vec<&str> = snapshot
        .partition_columns()
        .iter()
        .map(|name| if name == from { to } else { name })
        .collect();
    let mut metadata = serde_json::to_value(metadata)?;
    if let Some(columns) = metadata.get_mut("partitionColumns") {
        *columns = json!(partition_columns);
    }
    Ok(serde_json::from_value(metadata)?)
}

fn commit_change(run: Run, change: Change<'_>) -> DeltaResult<BoxFuture<'static, DeltaResult<()>>> {
    let metadata = changed_metadata(&run.snapshot, change)?;
    let operation = DeltaOperation::UpdateFieldMetadata {
        fields: metadata.parse_schema()?.fields().cloned().collect(),
    };
    let actions = vec![
        Action::CommitInfo(change.commit_info()),
        Action::Metadata(metadata),
    ];
    Ok(commit(run, actions, operation))
}

fn commit_columns(
    run: Run,
    columns: &[StructField],
) -> DeltaResult<BoxFuture<'static, DeltaResult<()>>> {
    let state = run.snapshot.delta_table().snapshot()?;
    let (schema, metadata) = (state.schema(), state.metadata());
    let noted = metadata.configuration().get(mapping::MAX_ID);
    let noted: i64 = noted.and_then(|id| id.parse().ok()).unwrap_or(0);
    // A number that a dropped column had must not be given again.
    let mut last_id = noted.max(mapping::highest_id(&schema));
    let added = mapping::assign(columns.iter().cloned(), &mut last_id)?;
    let schema = StructType::try_new(schema.fields().cloned().chain(added.iter().cloned()))?;
    let metadata = metadata
        .clone()
        .with_schema(&schema)?
        .add_config_key(mapping::MAX_ID.to_owned(), last_id.to_string())?;
    let mut actions = vec![Action::Metadata(metadata)];
    if protocol::has_local_times(&added) {
        let raised = protocol::with_feature(state.protocol(), protocol::LOCAL_TIMES)?;
        actions.extend(raised.map(Action::Protocol));
    }
    Ok(commit(
        run,
        actions,
        DeltaOperation::AddColumn { fields: added },
    ))
}

fn commit(
    run: Run,
    actions: Vec<Action>,
    operation: DeltaOperation,
) -> BoxFuture<'static, DeltaResult<()>> {
    let Run { delta, commit, .. } = run;
    async move {
        let state = delta.snapshot()?;
        CommitBuilder::from(commit)
            .with_actions(actions)
            .build(Some(state), delta.log_store(), operation)
            .await?;
        Ok(())
    }
    .boxed()
}
