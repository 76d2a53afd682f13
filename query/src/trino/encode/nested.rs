//! Arrays, maps and rows.

use std::ops::Range;

use arrow::array::OffsetSizeTrait;
use arrow::buffer::OffsetBuffer;

use super::{Column, Writer, internal, text};
use crate::Result;

fn range<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, row: usize) -> Result<Range<usize>> {
    match (offsets.get(row), offsets.get(row + 1)) {
        (Some(start), Some(end)) => Ok(start.as_usize()..end.as_usize()),
        _ => Err(internal("offsets")),
    }
}

pub(super) fn list<O: OffsetSizeTrait>(offsets: OffsetBuffer<O>, items: Column) -> Writer {
    Box::new(move |row, out| {
        out.push(b'[');
        for (position, item) in range(&offsets, row)?.enumerate() {
            if position > 0 {
                out.push(b',');
            }
            items.write(item, out)?;
        }
        out.push(b']');
        Ok(())
    })
}

/// Keys are strings whatever their type: numbers and nested values by their text.
pub(super) fn map(offsets: OffsetBuffer<i32>, keys: Column, values: Column) -> Writer {
    Box::new(move |row, out| {
        out.push(b'{');
        for (position, entry) in range(&offsets, row)?.enumerate() {
            if position > 0 {
                out.push(b',');
            }
            let start = out.len();
            keys.write(entry, out)?;
            if out.get(start) != Some(&b'"') {
                let key = out.split_off(start);
                text::json(out, &String::from_utf8_lossy(&key));
            }
            out.push(b':');
            values.write(entry, out)?;
        }
        out.push(b'}');
        Ok(())
    })
}

pub(super) fn row(fields: Vec<Column>) -> Writer {
    Box::new(move |row, out| {
        out.push(b'[');
        for (position, field) in fields.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            field.write(row, out)?;
        }
        out.push(b']');
        Ok(())
    })
}
