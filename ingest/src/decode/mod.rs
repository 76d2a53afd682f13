//! Bytes into rows of a table; what does not fit is set aside with its reason.

pub(crate) mod json;

use arrow::array::RecordBatch;

/// What became of some events.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// Rows of the events that fit, in their order.
    pub(crate) batch: RecordBatch,
    /// Position of each event that does not fit, and why.
    pub(crate) rejected: Vec<(usize, String)>,
}
