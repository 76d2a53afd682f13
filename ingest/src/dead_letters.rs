//! Records that could not become rows, kept as they came, with the reason.

use std::sync::Arc;

use arrow::array::{
    Array, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use chrono::{DateTime, Utc};
use lake::{AppendCommit, AppendOutcome, LakeTable, OffsetRange};

use crate::positions::StoredOffsets;
use crate::source::RawRecords;
use crate::{Error, Result};

/// One record and why it is no row.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    source: String,
    partition: i32,
    offset: i64,
    reason: String,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
    received_at: DateTime<Utc>,
}

impl DeadLetter {
    /// Returns the record at `position` of `records`.
    pub(crate) fn new(
        records: &RawRecords,
        position: usize,
        source: &str,
        reason: String,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let bytes = |array: &BinaryArray| {
            (array.is_valid(position)).then(|| array.value(position).to_vec())
        };
        Some(Self {
            source: source.to_owned(),
            partition: records.partition,
            offset: *records.offsets.get(position)?,
            reason,
            key: bytes(&records.keys),
            payload: bytes(&records.payloads),
            received_at: now,
        })
    }
}

/// Stores letters that are not stored yet and returns how many that were.
///
/// It comes before the commit of the rows around them: a crash between the two parks nothing twice, because the
/// table of dead letters remembers by itself how far each source is parked.
///
/// # Errors
/// The table refuses, or another process parks records of the same partitions.
pub(crate) async fn park(table: &LakeTable, topic: &str, letters: &[DeadLetter]) -> Result<u64> {
    if letters.is_empty() {
        return Ok(0);
    }
    let stored = table.stored_offsets().await?;
    let is_new = |letter: &&DeadLetter| {
        stored
            .get(&letter.source)
            .is_none_or(|s| letter.offset >= *s)
    };
    let letters: Vec<&DeadLetter> = letters.iter().filter(is_new).collect();
    if letters.is_empty() {
        return Ok(0);
    }
    let commit = AppendCommit {
        ranges: ranges(&letters, &stored),
        ..AppendCommit::default()
    };
    let rows = rows(topic, &letters)?;
    match table.append(vec![rows], commit).await? {
        AppendOutcome::Committed { rows, .. } => Ok(rows),
        AppendOutcome::AlreadyStored | AppendOutcome::OffsetsMoved { .. } => {
            Err(Error::Overtaken {
                topic: topic.to_owned(),
                table: table.name().clone(),
            })
        }
    }
}

fn ranges(letters: &[&DeadLetter], stored: &StoredOffsets) -> Vec<OffsetRange> {
    let mut ends = StoredOffsets::new();
    for letter in letters {
        let end = ends.entry(letter.source.clone()).or_default();
        *end = (letter.offset + 1).max(*end);
    }
    let range = |(source, end): (String, i64)| {
        let start = stored.get(&source).copied();
        OffsetRange::new(source, start, end)
    };
    ends.into_iter().map(range).collect()
}

fn rows(topic: &str, letters: &[&DeadLetter]) -> Result<RecordBatch> {
    let field = |name: &str, kind| Field::new(name, kind, true);
    let schema = Schema::new(vec![
        field("topic", DataType::Utf8),
        field("partition", DataType::Int32),
        field("offset", DataType::Int64),
        field("reason", DataType::Utf8),
        field("key", DataType::Binary),
        field("payload", DataType::Binary),
        field(
            "received_at",
            DataType::Timestamp(TimeUnit::Microsecond, None),
        ),
    ]);
    let each = || letters.iter();
    let received = each().map(|l| l.received_at.timestamp_micros());
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(each().map(|_| Some(topic)).collect::<StringArray>()),
            Arc::new(each().map(|l| l.partition).collect::<Int32Array>()),
            Arc::new(each().map(|l| l.offset).collect::<Int64Array>()),
            Arc::new(each().map(|l| Some(&l.reason)).collect::<StringArray>()),
            Arc::new(each().map(|l| l.key.as_deref()).collect::<BinaryArray>()),
            Arc::new(
                each()
                    .map(|l| l.payload.as_deref())
                    .collect::<BinaryArray>(),
            ),
            Arc::new(TimestampMicrosecondArray::from_iter_values(received)),
        ],
    )
    .map_err(Error::internal)
}
