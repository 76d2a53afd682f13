//! How Parquet files are written: compression, encodings, row groups.

use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::MemoryLimit;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use crate::table::encoding::Encodings;

/// Large enough to compress well, small enough that a scan can skip some and share out the rest.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// The part of a session's memory that one row group may take. It is there four times while it is
/// written: as pages, and as bytes to upload, whose buffer grows by doubling.
const ROW_GROUP_SHARE: usize = 32;
const SMALLEST_ROW_GROUP: usize = 4 << 20;

/// Returns the properties of files that an operation writes with the memory of a session.
pub(in crate::table) fn session_properties(session: &SessionState) -> WriterProperties {
    let properties = base_properties();
    let limit = session.runtime_env().memory_pool.memory_limit();
    match limit {
        MemoryLimit::Finite(bytes) => {
            let row_group = (bytes / ROW_GROUP_SHARE).max(SMALLEST_ROW_GROUP);
            properties.set_max_row_group_bytes(Some(row_group))
        }
        _ => properties,
    }
    .build()
}

/// Returns the properties that all our files have in common.
fn base_properties() -> WriterPropertiesBuilder {
    // Level 1 is as small as level 3 on such data and takes less CPU.
    let level = ZstdLevel::try_new(1).unwrap_or_default();
    WriterProperties::builder()
        .set_created_by(concat!("lakehouse ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_write_batch_size(8_192)
}

/// Returns how files are written whose row groups are sorted by columns, with the encodings that
/// were found for their rows.
pub(crate) fn file_properties(
    sort_columns: &[usize],
    encodings: Option<&Encodings>,
) -> WriterProperties {
    let sorted = sort_columns.iter().map(|index| SortingColumn {
        column_idx: i32::try_from(*index).unwrap_or(i32::MAX),
        descending: false,
        nulls_first: true,
    });
    let sorted: Vec<SortingColumn> = sorted.collect();
    let properties = base_properties().set_sorting_columns((!sorted.is_empty()).then_some(sorted));
    match encodings {
        Some(encodings) => encodings.apply(properties),
        None => properties,
    }
    .build()
}

/// Returns how files of few rows are written: compaction will write them again, and preparing a
/// better compressor for each of their pages takes longer than all the rest.
pub(super) fn small_file_properties(
    sort_columns: &[usize],
    encodings: Option<&Encodings>,
) -> WriterProperties {
    file_properties(sort_columns, encodings)
        .into_builder()
        .set_compression(Compression::SNAPPY)
        .build()
}
