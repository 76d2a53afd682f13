//! The data files of a version, for those who list them.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::catalog::{Session, TableProvider};
use deltalake::DeltaTableError;
use deltalake::kernel::Add;
use serde_json::Value;

use super::TableSnapshot;
use super::mapping::FileColumns;
use crate::error::Result;

/// A data file of a version.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSummary {
    /// The URL.
    pub url: String,
    /// The values of the partition columns, as text.
    pub partition_values: HashMap<String, Option<String>>,
    /// Bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Option<DateTime<Utc>>,
    /// What the log says of its values, as JSON: `numRecords`, `minValues`, `maxValues`,
    /// `nullCount`, by the columns of the table.
    pub statistics: Option<Value>,
}

impl TableSnapshot {
    /// Returns the data files.
    ///
    /// # Errors
    ///
    /// [`Error::Table`](crate::Error::Table) when the log cannot be read.
    pub fn files(&self) -> Result<Vec<FileSummary>> {
        let root = self.delta_table().log_store().root_url().clone();
        let columns = FileColumns::of(self);
        let name = |name: String| {
            columns
                .table_name(&name)
                .map_or(name.clone(), str::to_owned)
        };
        let summary = |add: Add| FileSummary {
            url: root
                .join(&add.path)
                .map_or_else(|_| add.path.clone(), |url| url.to_string()),
            size: u64::try_from(add.size).unwrap_or(0),
            modified: DateTime::from_timestamp_millis(add.modification_time),
            statistics: add
                .stats
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .map(|statistics| under_table_names(statistics, name)),
            partition_values: add
                .partition_values
                .into_iter()
                .map(|(column, value)| (name(column), value))
                .collect(),
        };
        Ok(self.adds()?.into_iter().map(summary).collect())
    }

    /// Returns all properties of the table, and the versions of its protocol.
    pub fn properties(&self) -> std::collections::BTreeMap<String, String> {
        let Ok(state) = self.delta_table().snapshot() else {
            return std::collections::BTreeMap::new();
        };
        let configuration = state.metadata().configuration();
        let mut properties: std::collections::BTreeMap<String, String> = configuration
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let protocol = state.protocol();
        for (key, version) in [
            ("delta.minReaderVersion", protocol.min_reader_version()),
            ("delta.minWriterVersion", protocol.min_writer_version()),
        ] {
            properties.insert(key.to_owned(), version.to_string());
        }
        properties
    }

    /// Returns a provider like [`provider_for`](Self::provider_for) with one more column: the URL
    /// of the file that a row is in.
    ///
    /// # Errors
    ///
    /// Those of [`provider`](Self::provider).
    pub async fn provider_with_files<S: Session + 'static>(
        &self,
        session: Arc<S>,
        column: &str,
    ) -> Result<Arc<dyn TableProvider>> {
        let built = self
            .delta_table()
            .table_provider()
            .with_session(session)
            .with_file_column(column)
            .await;
        built.map_err(|error| {
            let error = DeltaTableError::GenericError {
                source: Box::new(error),
            };
            self.error("planning a scan of", error)
        })
    }
}

/// Returns statistics whose columns have the names that the table has for them.
fn under_table_names(mut statistics: Value, name: impl Fn(String) -> String) -> Value {
    for kind in ["minValues", "maxValues", "nullCount"] {
        if let Some(Value::Object(columns)) = statistics.get_mut(kind) {
            let renamed = std::mem::take(columns).into_iter();
            *columns = renamed.map(|(column, of)| (name(column), of)).collect();
        }
    }
    statistics
}
