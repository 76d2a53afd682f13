//! Casts to bytes, and to the types that are byte strings of our own.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::builder::FixedSizeBinaryBuilder;
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::error::Result;
use uuid::Uuid;

use super::text::Writer;
use super::{invalid, rows};
use crate::presto::opaque::{
    IP_ADDRESS, IP_ADDRESS_BYTES, Opaque, encode_ip_address, parse_ip_address,
};

/// Returns what appends UUIDs or addresses as text.
pub(super) fn writer(array: &ArrayRef) -> Writer<'_> {
    let values = array.as_fixed_size_binary();
    Box::new(|row, out| {
        let _ = write!(
            out,
            "{}",
            Opaque::decode(array.data_type(), values.value(row))
        );
        Ok(())
    })
}

pub(super) fn to_binary(array: &ArrayRef) -> Result<ArrayRef> {
    let bytes = cast(array, &DataType::Binary)?;
    if *array.data_type() != IP_ADDRESS {
        return Ok(bytes);
    }
    let bytes = bytes.as_binary::<i32>();
    let addresses: BinaryArray = rows(bytes, |row| {
        Ok(bytes.value(row).get(1..).unwrap_or_default())
    })?;
    Ok(Arc::new(addresses))
}

pub(super) fn to_uuid(array: &ArrayRef) -> Result<ArrayRef> {
    fixed(array, 16, |value| match value {
        Value::Text(text) => Some(text)
            .filter(|text| text.len() == 36)
            .and_then(|text| text.parse().ok())
            .map(Uuid::into_bytes)
            .ok_or_else(|| format!("Cannot cast value to UUID: {text}")),
        Value::Bytes(bytes) => bytes
            .try_into()
            .map_err(|_| format!("Invalid UUID binary length: {}", bytes.len())),
    })
}

pub(super) fn to_ip_address(array: &ArrayRef) -> Result<ArrayRef> {
    fixed(array, IP_ADDRESS_BYTES, |value| {
        let address = match value {
            Value::Text(text) => parse_ip_address(text)
                .ok_or_else(|| format!("Cannot cast value to IPADDRESS: {text}"))?,
            Value::Bytes(bytes) => {
                let v4 = <[u8; 4]>::try_from(bytes).map(|v4| v4.into());
                let v4 = v4.map(|v4: std::net::Ipv4Addr| v4.to_ipv6_mapped());
                v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(Into::into))
                    .map_err(|_| format!("Invalid IP address binary length: {}", bytes.len()))?
            }
        };
        Ok(encode_ip_address(address))
    })
}

enum Value<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// Reads texts or bytes; what is of the type already stays.
fn fixed<const N: usize>(
    array: &ArrayRef,
    bytes: i32,
    read: impl Fn(Value<'_>) -> std::result::Result<[u8; N], String>,
) -> Result<ArrayRef> {
    if *array.data_type() == DataType::FixedSizeBinary(bytes) {
        return Ok(Arc::clone(array));
    }
    let texts = array.as_string_opt::<i32>();
    let binary = cast(array, &DataType::Binary)?;
    let binary = binary.as_binary::<i32>();
    let mut out = FixedSizeBinaryBuilder::with_capacity(array.len(), bytes);
    for row in 0..array.len() {
        if array.is_null(row) {
            out.append_null();
            continue;
        }
        let value = match texts {
            Some(texts) => Value::Text(texts.value(row)),
            None => Value::Bytes(binary.value(row)),
        };
        out.append_value(read(value).map_err(invalid)?)?;
    }
    Ok(Arc::new(out.finish()))
}
