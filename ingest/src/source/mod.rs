//! Where events come from. A rebalance is an event in the same channel as records, so that the pipeline sees both
//! in their order and no flag is shared.

pub(crate) mod kafka;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use arrow::array::BinaryArray;

use crate::Error;

/// What a source tells the pipeline.
#[derive(Debug)]
pub(crate) enum SourceEvent {
    /// Records of one partition.
    Records(RawRecords),
    /// Partitions are about to be ours: store what waits and look up what is stored, then answer.
    Assigning { ready: SyncSender<()> },
    /// Partitions are ours from now on; the reply says where to begin each.
    Assigned {
        partitions: Vec<i32>,
        /// First and next offset of every partition of the topic, looked up after [`SourceEvent::Assigning`] was
        /// answered: what others store meanwhile must not make the broker look behind the log.
        watermarks: BTreeMap<i32, Watermarks>,
        reply: SyncSender<BTreeMap<i32, i64>>,
    },
    /// Partitions are somebody else's once this is answered.
    Revoked {
        partitions: Vec<i32>,
        done: SyncSender<()>,
    },
    /// The source cannot go on.
    Failed(Error),
}

/// What a broker keeps of a partition: offsets `low..high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermarks {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

/// Records of one partition in the order of their offsets, as they came.
#[derive(Debug)]
pub(crate) struct RawRecords {
    pub(crate) partition: i32,
    pub(crate) offsets: Vec<i64>,
    pub(crate) keys: BinaryArray,
    pub(crate) payloads: BinaryArray,
    pub(crate) lanes: Vec<Option<LanePosition>>,
}

/// Where a record stands in the numbering of its producer; the lane is empty where its headers are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LanePosition {
    pub(crate) lane: Arc<str>,
    pub(crate) sequence: i64,
}
