//! Making a Delta table of a folder of Parquet files, where they are.
//!
//! ```text
//! list files -> partition columns and their types from the folder names -> footers: columns and
//! statistics -> one commit that names all files
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use bytes::Bytes;
use chrono::NaiveDate;
use deltalake::kernel::Action;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::schema::StructField;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::logstore::LogStoreRef;
use deltalake::operations::convert_to_delta::ConvertToDeltaBuilder;
use futures::TryStreamExt;
use object_store::path::Path;
use percent_encoding::percent_decode_str;
use tracing::info;
use url::Url;

use super::guard::{CommitGuard, Ending, Isolation};
use super::operation::commit_properties;
use super::{
    CHECKPOINT_INTERVAL, CHECKPOINT_STATISTICS, CommitNote, LakeTable, STATISTICS_COLUMNS,
    TableRef, protocol,
};
use crate::catalog::TableName;
use crate::error::{Error, Result};

/// What Hive calls the folder of rows without a value.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// What a folder of Parquet files becomes.
#[derive(Debug, Clone, Default)]
pub struct Conversion {
    /// The columns in the folders' names, `carrier=UA/…`, with their types. None means that they
    /// are found: a column is an integer, a date, or text.
    pub partition_columns: Vec<Field>,
    /// What the table is for.
    pub comment: Option<String>,
    /// Properties of Delta.
    pub properties: BTreeMap<String, String>,
    /// What is noted in the commit.
    pub note: CommitNote,
}

impl LakeTable {
    /// Writes the log for a folder of Parquet files; nothing when the folder has one.
    ///
    /// # Errors
    ///
    /// [`Error::NothingToConvert`] for a folder without Parquet files, [`Error::SchemaMismatch`]
    /// when files or folders do not agree, [`Error::UnsupportedFeature`].
    pub(crate) async fn convert(
        name: TableName,
        url: Url,
        log_store: LogStoreRef,
        conversion: Conversion,
    ) -> Result<Self> {
        let table = Self::new(name, url, log_store);
        let is_table = table.table_ref.log_store.is_delta_table_location().await;
        if is_table.map_err(|error| table.delta_error("looking for", error))? {
            table.latest().await?;
            info!(table = %table.name(), "folder is a Delta table already");
            return Ok(table);
        }
        protocol::check_properties(&table.table_ref, &conversion.properties)?;
        for key in conversion.properties.keys() {
            protocol::check_known(table.name(), key)?;
        }
        let files = parquet_files(&table.table_ref).await?;
        if files.is_empty() {
            return Err(Error::NothingToConvert {
                table: table.name().to_string(),
                location: table.url().to_string(),
            });
        }
        let partition_columns = if conversion.partition_columns.is_empty() {
            find_partition_columns(table.name(), &files)?
        } else {
            conversion.partition_columns.clone()
        };
        let partition_columns = partition_columns
            .iter()
            .map(TryIntoKernel::try_into_kernel)
            .collect::<Result<Vec<StructField>, _>>()
            .map_err(|error: arrow::error::ArrowError| table.mismatch(error.to_string()))?;
        let commit = commit_properties(&conversion.note);
        table
            .write_first_commit(&files, partition_columns, conversion, commit)
            .await?;
        Ok(table)
    }

    async fn write_first_commit(
        &self,
        files: &[Path],
        partition_columns: Vec<StructField>,
        conversion: Conversion,
        commit: CommitProperties,
    ) -> Result<()> {
        let names = file_names(self.name(), files)?;
        let table_ref = Arc::clone(&self.table_ref);
        let guard = CommitGuard::new(Arc::clone(&self.table_ref), 0, Isolation::Exclusive)
            .with_rewrite(move |commit| restore_names(&table_ref, commit, &names));
        let guard = Arc::new(guard);
        let mut properties = BTreeMap::from([
            (STATISTICS_COLUMNS.to_owned(), "-1".to_owned()),
            (CHECKPOINT_INTERVAL.to_owned(), "100".to_owned()),
            (CHECKPOINT_STATISTICS.to_owned(), "true".to_owned()),
        ]);
        properties.extend(conversion.properties);
        let mut builder = ConvertToDeltaBuilder::new()
            .with_log_store(Arc::clone(&guard) as LogStoreRef)
            .with_table_name(self.name().to_string())
            .with_partition_schema(partition_columns)
            .with_configuration(
                properties
                    .into_iter()
                    .map(|(key, value)| (key, Some(value))),
            )
            .with_commit_properties(commit);
        if let Some(comment) = conversion.comment {
            builder = builder.with_comment(comment);
        }
        let result = builder.await;
        match (guard.ending(), result) {
            // Another process converted the same folder: that is what we wanted.
            (Ending::Made { .. } | Ending::Lost { .. }, _) => Ok(()),
            (Ending::Failed(error), _) => Err(error),
            (Ending::Untried, Err(error)) => Err(self.delta_error("converting", error)),
            (Ending::Untried, Ok(_)) => Err(Error::Internal {
                message: "a conversion made no commit".to_owned(),
            }),
        }
    }
}

async fn parquet_files(table: &TableRef) -> Result<Vec<Path>> {
    let store = table.log_store.object_store(None);
    let mut files: Vec<Path> = store
        .list(None)
        .map_ok(|meta| meta.location)
        .try_filter(|path| std::future::ready(path.extension() == Some("parquet")))
        .try_collect()
        .await
        .map_err(|source| Error::Storage {
            url: table.url.to_string(),
            action: "listing Parquet files",
            source,
        })?;
    files.sort_unstable();
    Ok(files)
}

/// Finds the partition columns in the files' paths, and for each the narrowest type that all its
/// values have.
fn find_partition_columns(table: &TableName, files: &[Path]) -> Result<Vec<Field>> {
    let mut columns: Vec<(String, Vec<String>)> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let mut position = 0;
        let mut folders: Vec<_> = file.parts().collect();
        folders.pop();
        for folder in folders {
            let folder = folder.as_ref();
            let Some((column, value)) = folder.split_once('=') else {
                return Err(not_hive(
                    table,
                    file,
                    "has a folder that is not `column=value`",
                ));
            };
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            if index == 0 {
                columns.push((column.to_owned(), Vec::new()));
            }
            match columns.get_mut(position) {
                Some((known, values)) if known == column => values.push(value),
                _ => return Err(not_hive(table, file, "has other partition columns")),
            }
            position += 1;
        }
        if position != columns.len() {
            return Err(not_hive(
                table,
                file,
                "lacks partition columns of the others",
            ));
        }
    }
    Ok(columns
        .into_iter()
        .map(|(column, values)| Field::new(column, narrowest_type(&values), true))
        .collect())
}

fn not_hive(table: &TableName, file: &Path, what: &str) -> Error {
    Error::SchemaMismatch {
        table: table.to_string(),
        reason: format!("file `{file}` {what}"),
    }
}

fn narrowest_type(values: &[String]) -> DataType {
    let mut given = values
        .iter()
        .filter(|value| *value != NULL_FOLDER)
        .peekable();
    if given.peek().is_none() {
        return DataType::Utf8;
    }
    // A leading zero would be lost as a number.
    let is_number = |value: &&String| {
        let digits = value.trim_start_matches('-');
        (digits == "0" || !digits.starts_with('0')) && value.parse::<i64>().is_ok()
    };
    let all = |fits: &dyn Fn(&&String) -> bool| given.clone().all(|value| fits(&value));
    if all(&|value| is_number(value) && value.parse::<i32>().is_ok()) {
        DataType::Int32
    } else if all(&is_number) {
        DataType::Int64
    } else if all(&|value| NaiveDate::parse_from_str(value, "%Y-%m-%d").is_ok()) {
        DataType::Date32
    } else {
        DataType::Utf8
    }
}

/// Returns the files by the names that Delta's builder gives them: it decodes characters that the
/// store keeps encoded.
fn file_names(table: &TableName, files: &[Path]) -> Result<HashMap<String, String>> {
    let mut names = HashMap::new();
    for file in files {
        let decoded = percent_decode_str(file.as_ref())
            .decode_utf8_lossy()
            .into_owned();
        if names.insert(decoded, file.to_string()).is_some() {
            return Err(not_hive(table, file, "has the name of another, encoded"));
        }
    }
    Ok(names)
}

fn restore_names(
    table: &TableRef,
    commit: &Bytes,
    names: &HashMap<String, String>,
) -> Result<Bytes> {
    let mut lines = Vec::new();
    for mut action in super::log::parse_actions(table, 0, commit)? {
        if let Action::Add(add) = &mut action
            && let Some(name) = names.get(&add.path)
        {
            add.path.clone_from(name);
        }
        let line = serde_json::to_string(&action).map_err(|error| Error::Internal {
            message: error.to_string(),
        })?;
        lines.push(line);
    }
    Ok(Bytes::from(lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_type_that_keeps_every_value_is_found() {
        let of = |values: &[&str]| {
            narrowest_type(&values.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(of(&["1", "12", NULL_FOLDER]), DataType::Int32);
        assert_eq!(of(&["-1", "5000000000"]), DataType::Int64);
        assert_eq!(of(&["2013-01-01", NULL_FOLDER]), DataType::Date32);
        assert_eq!(of(&["01", "02"]), DataType::Utf8);
        assert_eq!(of(&["1", "UA"]), DataType::Utf8);
        assert_eq!(of(&[NULL_FOLDER]), DataType::Utf8);
    }
}
