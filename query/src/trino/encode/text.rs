//! Text, bytes, and the types that travel as text.

use std::net::{IpAddr, Ipv6Addr};

use arrow::array::{
    Array, ArrayRef, AsArray, GenericBinaryArray, GenericStringArray, OffsetSizeTrait,
};
use arrow::datatypes::DataType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use super::{Writer, converted, internal};
use crate::Result;
use crate::trino::types::Special;

pub(super) fn utf8<O: OffsetSizeTrait>(values: GenericStringArray<O>) -> Writer {
    Box::new(move |row, out| {
        json(out, values.value(row));
        Ok(())
    })
}

/// What stands after the backslash for a byte; zero for bytes that stand for themselves.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escapes[byte] = b'u';
        byte += 1;
    }
    escapes[0x08] = b'b';
    escapes[b'\t' as usize] = b't';
    escapes[b'\n' as usize] = b'n';
    escapes[0x0c] = b'f';
    escapes[b'\r' as usize] = b'r';
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes
};

/// Writes a JSON string.
pub(super) fn json(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    let escape = |byte: &u8| ESCAPES.get(usize::from(*byte)).copied().unwrap_or(0);
    while let Some(at) = rest.iter().position(|byte| escape(byte) != 0) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let Some((byte, tail)) = tail.split_first() {
            let letter = escape(byte);
            out.extend_from_slice(&[b'\\', letter]);
            if letter == b'u' {
                let hex = |nibble: u8| {
                    if nibble < 10 {
                        b'0' + nibble
                    } else {
                        b'a' - 10 + nibble
                    }
                };
                out.extend_from_slice(&[b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            }
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
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
    let is_bytes = matches!(array.data_type(), DataType::FixedSizeBinary(_));
    if !is_bytes {
        let texts = converted(array, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>().clone();
        return Ok(match special {
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
        });
    }
    let values = array.as_fixed_size_binary().clone();
    let sixteen = |bytes: &[u8]| {
        <[u8; 16]>::try_from(bytes).map_err(|_| internal("a value that has not sixteen bytes"))
    };
    Ok(match special {
        Special::IpAddress => Box::new(move |row, out| {
            let address = Ipv6Addr::from(sixteen(values.value(row))?);
            let address = match address.to_ipv4_mapped() {
                Some(address) => IpAddr::V4(address),
                None => IpAddr::V6(address),
            };
            use std::io::Write as _;
            // Writing to a Vec cannot fail.
            let _ = write!(out, "\"{address}\"");
            Ok(())
        }),
        _ => Box::new(move |row, out| {
            let uuid = Uuid::from_bytes(sixteen(values.value(row))?);
            out.push(b'"');
            let mut buffer = Uuid::encode_buffer();
            out.extend_from_slice(uuid.hyphenated().encode_lower(&mut buffer).as_bytes());
            out.push(b'"');
            Ok(())
        }),
    })
}
