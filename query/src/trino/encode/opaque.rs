//! Types that are byte strings of our own.

use std::io::Write as _;

use arrow::array::{ArrayRef, AsArray};

use super::Writer;
use crate::presto::opaque::Opaque;

/// Returns the writer of UUIDs, addresses or tiles.
pub(super) fn opaque(array: &ArrayRef) -> Writer {
    let values = array.as_fixed_size_binary().clone();
    let data_type = array.data_type().clone();
    Box::new(move |row, out| {
        // Writing to a Vec cannot fail.
        let _ = match Opaque::decode(&data_type, values.value(row)) {
            tile @ Opaque::BingTile(_) => write!(out, "{tile}"),
            text => write!(out, "\"{text}\""),
        };
        Ok(())
    })
}
