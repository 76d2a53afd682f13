//! Text, bytes, and the types that travel as text.

use arrow::array::{ArrayRef, AsArray, GenericBinaryArray, GenericStringArray, OffsetSizeTrait};
use arrow::datatypes::DataType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Writer, converted, internal};
use crate::Result;
use crate::trino::types::Special;

pub(super) fn utf8<O: OffsetSizeTrait>(values: GenericStringArray<O>) -> Writer {
    Box::new(move |row, out| {
        json(out, values.value(row));
        Ok(())
    })
}

/// Writes a JSON string.
pub(super) fn json(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    let is_escaped = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    while let Some(at) = rest.iter().position(is_escaped) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let Some((byte, tail)) = tail.split_first() {
            escape(out, *byte);
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            let digit = |nibble: u8| match nibble {
                0..10 => b'0' + nibble,
                _ => b'a' - 10 + nibble,
            };
            let (high, low) = (digit(byte >> 4), digit(byte & 15));
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

pub(super) fn binary<O: OffsetSizeTrait>(values: GenericBinaryArray<O>) -> Writer {
    Box::new(move |row, out| {
        let bytes = values.value(row);
        out.push(b'"');
        let start = out.len();
        out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        let target = out.get_mut(start..).unwrap_or_default();
        let written = STANDARD
            .encode_slice(bytes, target)
            .map_err(|error| internal(&error.to_string()))?;
        out.truncate(start + written);
        out.push(b'"');
        Ok(())
    })
}

/// Returns the writer of a type that the Arrow type alone does not tell.
pub(super) fn special(array: &ArrayRef, special: Special) -> Result<Writer> {
    let texts = converted(array, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>().clone();
    Ok(match special {
        Special::Char(length) => {
            let length = usize::try_from(length).unwrap_or(0);
            Box::new(move |row, out| {
                let text = texts.value(row);
                json(out, text);
                let missing = length.saturating_sub(text.chars().count());
                out.pop();
                out.resize(out.len() + missing, b' ');
                out.push(b'"');
                Ok(())
            })
        }
        _ => utf8(texts),
    })
}
