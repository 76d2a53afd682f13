//! Counting what is in a table, on request.

use std::sync::Arc;

use chrono::Utc;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::async_reader::MetadataFetch;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use url::Url;

use super::ExternalTable;
use crate::catalog::{TableFormat, TableName, TableStatistics};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::table::AsOf;

const PARALLEL_READS: usize = 16;

impl Lake {
    /// Counts the rows, files and bytes of a table and stores them in the catalog. A Delta
    /// table's log says them, and the footers of Parquet files; other files are not opened, so
    /// their rows stay unknown.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::TableNotFound`]; [`Error::CorruptFile`] for a
    /// Parquet file without a readable footer; [`Error::Storage`].
    pub async fn collect_statistics(&self, name: &TableName) -> Result<TableStatistics> {
        let entry = self.catalog().table(name).await?;
        let statistics = if entry.format == TableFormat::Delta {
            let snapshot = self.table(name).await?.snapshot(AsOf::Latest).await?;
            TableStatistics {
                rows: snapshot.row_count(),
                files: snapshot.file_count() as u64,
                bytes: snapshot.total_bytes(),
                collected_at: Utc::now(),
            }
        } else {
            count(&self.external_table(name).await?).await?
        };
        self.catalog()
            .edit_table(name, |known| known.statistics = Some(statistics.clone()))
            .await?;
        Ok(statistics)
    }
}

async fn count(table: &ExternalTable) -> Result<TableStatistics> {
    let is_parquet = table.entry().format == TableFormat::Parquet;
    let mut total = TableStatistics {
        rows: is_parquet.then_some(0),
        files: 0,
        bytes: 0,
        collected_at: Utc::now(),
    };
    let folders = table.folders()?;
    let mut counted = stream::iter(folders)
        .map(|folder| async move {
            let files = table.list_files(&folder.url).await?;
            let store = table.object_store(&folder.url).await?;
            let mut rows = 0;
            for file in files.iter().filter(|_| is_parquet) {
                rows += count_rows(table, &folder.url, &store, file).await?;
            }
            let bytes: u64 = files.iter().map(|file| file.size).sum();
            Ok::<_, Error>((rows, files.len() as u64, bytes))
        })
        .buffered(PARALLEL_READS);
    while let Some((rows, files, bytes)) = counted.try_next().await? {
        total.rows = total.rows.map(|sum| sum + rows);
        total.files += files;
        total.bytes += bytes;
    }
    Ok(total)
}

async fn count_rows(
    table: &ExternalTable,
    folder: &Url,
    store: &Arc<dyn ObjectStore>,
    file: &ObjectMeta,
) -> Result<u64> {
    let fetch = Fetch {
        store,
        path: &file.location,
    };
    let footer = ParquetMetaDataReader::new()
        .load_and_finish(fetch, file.size)
        .await
        .map_err(|source| Error::CorruptFile {
            table: table.name().to_string(),
            file: format!("{folder} ({})", file.location),
            source: Box::new(source),
        })?;
    Ok(u64::try_from(footer.file_metadata().num_rows()).unwrap_or(0))
}

/// Reads ranges of one file for the footer's reader.
struct Fetch<'a> {
    store: &'a Arc<dyn ObjectStore>,
    path: &'a Path,
}

impl MetadataFetch for Fetch<'_> {
    fn fetch(
        &mut self,
        range: std::ops::Range<u64>,
    ) -> futures::future::BoxFuture<'_, parquet::errors::Result<bytes::Bytes>> {
        Box::pin(async move {
            self.store
                .get_range(self.path, range)
                .await
                .map_err(|error| ParquetError::External(Box::new(error)))
        })
    }
}
