//! One total order over BSON values, as bytes: sorting, comparing and unique keys all use it, so they agree.
//!
//! # Source
//! <https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/>

use mongodb::bson::{Bson, Document};

use super::failure::{Failure, Result};

/// The deepest nesting that is accepted, as in MongoDB.
pub(super) const MAX_DEPTH: usize = 100;

/// Encodes `value` so that byte order is BSON order, and equal numbers of different types are equal bytes.
/// The encoding of one value is never the beginning of another's, so encodings can be joined.
pub(super) fn order_key(value: &Bson) -> Result<Vec<u8>> {
    let mut key = Vec::with_capacity(16);
    key.push(type_tag(value)?);
    write_payload(&mut key, value)?;
    Ok(key)
}

/// Tells whether two encoded values are of one type bracket: range operators compare only within one.
pub(super) fn same_bracket(left: &[u8], right: &[u8]) -> bool {
    left.first() == right.first()
}

/// Fails when `document` holds a type this store cannot compare, or a field name it cannot address.
pub(super) fn check_storable(document: &Document) -> Result<()> {
    for (name, value) in document {
        if name.starts_with('$') || name.contains('.') || name.contains('\0') {
            return Err(Failure::bad_value(format!(
                "field name `{name}` is not supported: `$`, `.` and NUL"
            )));
        }
        check_value(value)?;
    }
    Ok(())
}

fn check_value(value: &Bson) -> Result<()> {
    match value {
        Bson::Document(inner) => check_storable(inner),
        Bson::Array(items) => items.iter().try_for_each(check_value),
        other => type_tag(other).map(|_| ()),
    }
}

fn type_tag(value: &Bson) -> Result<u8> {
    Ok(match value {
        Bson::Null => 0x05,
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) => 0x10,
        Bson::String(_) => 0x15,
        Bson::Document(_) => 0x20,
        Bson::Array(_) => 0x25,
        Bson::Binary(_) => 0x30,
        Bson::ObjectId(_) => 0x35,
        Bson::Boolean(_) => 0x40,
        Bson::DateTime(_) => 0x45,
        Bson::Timestamp(_) => 0x50,
        other => {
            return Err(Failure::not_supported(format!(
                "values of BSON type {:?}",
                other.element_type()
            )));
        }
    })
}

fn write_payload(key: &mut Vec<u8>, value: &Bson) -> Result<()> {
    match value {
        Bson::Int32(number) => write_integer(key, i64::from(*number)),
        Bson::Int64(number) => write_integer(key, *number),
        Bson::Double(number) => write_number(key, *number, 0),
        Bson::String(text) => write_text(key, text),
        Bson::Document(document) => {
            for (name, inner) in document {
                key.push(type_tag(inner)?);
                write_text(key, name);
                write_payload(key, inner)?;
            }
            key.push(0);
        }
        Bson::Array(items) => {
            for item in items {
                key.push(type_tag(item)?);
                write_payload(key, item)?;
            }
            key.push(0);
        }
        Bson::Binary(binary) => {
            let length = u32::try_from(binary.bytes.len()).unwrap_or(u32::MAX);
            key.extend(length.to_be_bytes());
            key.push(binary.subtype.into());
            key.extend(&binary.bytes);
        }
        Bson::ObjectId(id) => key.extend(id.bytes()),
        Bson::Boolean(flag) => key.push(u8::from(*flag)),
        Bson::DateTime(time) => key.extend(sortable_i64(time.timestamp_millis()).to_be_bytes()),
        Bson::Timestamp(time) => {
            key.extend(time.time.to_be_bytes());
            key.extend(time.increment.to_be_bytes());
        }
        // `type_tag` has refused everything else; null has no payload.
        _ => {}
    }
    Ok(())
}

/// A 64-bit integer may fall between two doubles: what the nearest double leaves over decides.
fn write_integer(key: &mut Vec<u8>, number: i64) {
    let nearest = number as f64;
    let rest = i128::from(number) - nearest as i128;
    write_number(key, nearest, i16::try_from(rest).unwrap_or(0));
}

fn write_number(key: &mut Vec<u8>, number: f64, rest: i16) {
    let bits = if number.is_nan() {
        0 // Not a number sorts before every number.
    } else if number == 0.0 {
        1 << 63 // Both zeros are one value.
    } else {
        let bits = number.to_bits();
        if bits >> 63 == 1 {
            !bits
        } else {
            bits | (1 << 63)
        }
    };
    key.extend(bits.to_be_bytes());
    key.extend((rest.cast_unsigned() ^ 0x8000).to_be_bytes());
}

fn sortable_i64(number: i64) -> u64 {
    number.cast_unsigned() ^ (1 << 63)
}

fn write_text(key: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend([0, 0]);
}
