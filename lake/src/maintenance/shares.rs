//! How compactions share the memory that they may take.
//!
//! ```text
//! one half   what is read      files as they are fetched, pages and batches of those being decoded:
//!                              a budget, from which each group of files takes its part
//! one half   what is written   one file per thread: its row group, the encoders of its columns, the
//!                              parts that are being uploaded, a run of rows to sort
//! ```
//!
//! With less memory, fewer files are written at once; then row groups and runs get smaller.

use arrow::datatypes::{DataType, Fields, SchemaRef};

use super::MaintenanceConfig;

const SMALLEST_ROW_GROUP: u64 = 4 << 20;
const LARGEST_ROW_GROUP: u64 = 128 << 20;
/// The dictionary of a column, its page and what finds values in it.
const ENCODER_BYTES: u64 = 512 << 10;
/// What object stores take as one part of an upload.
const PART_BYTES: u64 = 5 << 20;
const MOST_UPLOADS: u64 = 4;
/// How often a row group is in memory: as pages, and as bytes to upload, whose buffer grows by
/// doubling. A run that is sorted is there as it came, as one, and in order, before it is a row group.
const COPIES: u64 = 4;
const SHORTEST_RUN: u64 = 4 << 10;
/// Decoded rows that wait: for the channel, for the writer, in the decoder and its pages.
const DECODED_BATCHES: u64 = 6;
const BATCH_BYTES: u64 = 2 << 20;
const FEWEST_BATCH_ROWS: u64 = 256;
const MOST_BATCH_ROWS: u64 = 16 * 1024;
/// What a text, or a value of another length, is taken to need.
const TEXT_BYTES: u64 = 24;

/// What one table's compaction may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    /// Files that are written at once.
    pub(super) writers: usize,
    /// Bytes of a row group.
    pub(super) row_group_bytes: usize,
    /// Parts of one file that are uploaded at once.
    pub(super) uploads: usize,
    /// Rows that are sorted together, at most.
    pub(super) run_rows: usize,
    /// Rows that are decoded at once.
    pub(super) batch_rows: usize,
    /// Bytes of a decoded row.
    row_bytes: u64,
}

impl Shares {
    /// Returns the shares of a table whose files have certain columns.
    pub(super) fn of(config: &MaintenanceConfig, columns: &SchemaRef) -> Self {
        let row_bytes = width_of(columns.fields()).max(1);
        let half = config.memory_limit_bytes / 2 / config.max_tables.max(1) as u64;
        let encoders = ENCODER_BYTES * columns.fields().len() as u64;
        let least = COPIES * SMALLEST_ROW_GROUP + PART_BYTES + encoders;
        let threads = config.effective_threads() as u64;
        let writers = (half / least).clamp(1, threads.max(1));
        let share = (half / writers).saturating_sub(encoders);
        // A part is uploaded while the next ones are filled.
        let uploads = (share / 4 / PART_BYTES).clamp(1, MOST_UPLOADS);
        let row_group = (share.saturating_sub(uploads * PART_BYTES) / COPIES)
            .clamp(SMALLEST_ROW_GROUP, LARGEST_ROW_GROUP);
        let run_rows = (row_group / row_bytes).max(SHORTEST_RUN);
        let batch_rows = (BATCH_BYTES / row_bytes).clamp(FEWEST_BATCH_ROWS, MOST_BATCH_ROWS);
        Self {
            writers: as_usize(writers),
            row_group_bytes: as_usize(row_group),
            uploads: as_usize(uploads),
            run_rows: as_usize(run_rows),
            // A batch has the end of one run at most.
            batch_rows: as_usize(batch_rows.min(run_rows)),
            row_bytes,
        }
    }

    /// Returns what decoding files takes besides their bytes; `rows` are all they have, if known.
    pub(super) fn decoding_bytes(&self, rows: Option<u64>) -> u64 {
        let most = DECODED_BATCHES * self.batch_rows as u64;
        rows.map_or(most, |rows| rows.min(most)) * self.row_bytes
    }
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Returns how many bytes a row of some columns takes in memory, about.
fn width_of(fields: &Fields) -> u64 {
    fields.iter().map(|field| width(field.data_type())).sum()
}

fn width(data_type: &DataType) -> u64 {
    match data_type {
        DataType::Struct(fields) => width_of(fields),
        DataType::List(item) | DataType::Map(item, _) => TEXT_BYTES + width(item.data_type()),
        other => other
            .primitive_width()
            .map_or(TEXT_BYTES, |bytes| bytes as u64),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn columns(count: usize) -> SchemaRef {
        let column = |index| Field::new(format!("c{index}"), DataType::Int64, true);
        Arc::new(Schema::new((0..count).map(column).collect::<Vec<_>>()))
    }

    fn shares(limit: u64, count: usize) -> Shares {
        let config = MaintenanceConfig {
            memory_limit_bytes: limit,
            threads: 8,
            ..MaintenanceConfig::default()
        };
        Shares::of(&config, &columns(count))
    }

    #[test]
    fn what_is_written_at_once_fits_into_half_of_the_limit() {
        for (megabytes, count) in [(64, 20), (256, 20), (1024, 20), (256, 4), (4096, 200)] {
            let limit = megabytes << 20;
            let given = shares(limit, count);
            let uploads = given.uploads as u64 * PART_BYTES;
            let encoders = count as u64 * ENCODER_BYTES;
            let writer = COPIES * given.row_group_bytes as u64 + uploads + encoders;
            assert!(given.writers as u64 * writer <= limit / 2, "{given:?}");
            let run = given.run_rows as u64 * given.row_bytes;
            assert!(
                run <= given.row_group_bytes.max(8 << 20) as u64 + (1 << 20),
                "{given:?}"
            );
        }
    }

    #[test]
    fn less_memory_means_fewer_files_at_once_and_then_smaller_row_groups() {
        assert_eq!(shares(64 << 20, 20).writers, 1);
        assert_eq!(shares(4 << 30, 20).writers, 8);
        assert_eq!(shares(8 << 20, 20).writers, 1);
        let least = shares(8 << 20, 20).row_group_bytes as u64;
        assert_eq!(least, SMALLEST_ROW_GROUP);
        assert!(shares(64 << 20, 20).row_group_bytes > shares(32 << 20, 20).row_group_bytes);
    }

    #[test]
    fn wide_rows_are_decoded_in_smaller_batches() {
        assert_eq!(shares(1 << 30, 4).batch_rows, 16 * 1024);
        assert_eq!(shares(1 << 30, 1024).batch_rows, 256);
        let narrow = shares(1 << 30, 4);
        assert_eq!(narrow.decoding_bytes(Some(100)), 100 * 32);
        assert_eq!(narrow.decoding_bytes(None), 6 * 16 * 1024 * 32);
    }
}
