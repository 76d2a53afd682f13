//! Bytes as text and numbers, and back.

use std::sync::LazyLock;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use data_encoding::{BASE32, BASE32_NOPAD, Encoding, HEXUPPER};
use datafusion::error::Result;

use crate::presto::functions::call::{Bytes, Call, Double, Int, Long, Real, Text, invalid};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Base32 of which the last letter may have bits that are no part of a byte.
static LENIENT_BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = BASE32_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification.encoding().unwrap_or(BASE32_NOPAD)
});

/// Returns the bytes of a binary or text argument.
fn input(call: &Call, row: usize) -> Option<&[u8]> {
    if call.data_type(0) == DataType::Utf8 {
        return call.get::<Text>(0, row).map(str::as_bytes);
    }
    call.get::<Bytes>(0, row)
}

fn encode(call: &Call, write: impl Fn(&[u8], &mut String)) -> Result<ArrayRef> {
    call.build_text(|row, out| match input(call, row) {
        Some(bytes) => {
            write(bytes, out);
            Ok(true)
        }
        None => Ok(false),
    })
}

fn decode(call: &Call, read: impl Fn(&[u8], &mut Vec<u8>) -> Result<()>) -> Result<ArrayRef> {
    call.build_bytes(|row, out| match input(call, row) {
        Some(bytes) => {
            read(bytes, out)?;
            Ok(true)
        }
        None => Ok(false),
    })
}

pub(super) fn to_utf8(call: &Call) -> Result<ArrayRef> {
    decode(call, |bytes, out| {
        out.extend_from_slice(bytes);
        Ok(())
    })
}

/// `from_utf8(bytes [, replacement])`.
pub(super) fn from_utf8(call: &Call) -> Result<ArrayRef> {
    let by_code = call.data_type(1) == DataType::Int64;
    call.build_text(|row, out| {
        let mut replacement = String::new();
        if call.is_null(0, row) || (call.len() == 2 && call.is_null(1, row)) {
            return Ok(false);
        }
        if call.len() == 1 {
            replacement.push('\u{fffd}');
        } else if by_code {
            let code = call.get::<Long>(1, row).unwrap_or_default();
            let c = u32::try_from(code).ok().and_then(char::from_u32);
            replacement.push(c.ok_or_else(|| invalid("Invalid replacement character"))?);
        } else {
            replacement.push_str(call.get::<Text>(1, row).unwrap_or_default());
            if replacement.chars().count() > 1 {
                return Err(invalid(
                    "Replacement character string must empty or a single character",
                ));
            }
        }
        for chunk in input(call, row).unwrap_or_default().utf8_chunks() {
            out.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                out.push_str(&replacement);
            }
        }
        Ok(true)
    })
}

pub(super) fn to_hex(call: &Call) -> Result<ArrayRef> {
    encode(call, |bytes, out| HEXUPPER.encode_append(bytes, out))
}

pub(super) fn from_hex(call: &Call) -> Result<ArrayRef> {
    decode(call, |text, out| {
        let (pairs, rest) = text.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(invalid(format!("invalid input length {}", text.len())));
        }
        let digit = |b: u8| {
            char::from(b)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
                .ok_or_else(|| {
                    let c = char::from(b);
                    invalid(format!("not a hexadecimal digit: \"{c}\" = {b}"))
                })
        };
        for [high, low] in pairs {
            out.push(digit(*high)? * 16 + digit(*low)?);
        }
        Ok(())
    })
}

pub(super) fn to_base64(call: &Call) -> Result<ArrayRef> {
    encode(call, |bytes, out| BASE64.encode_string(bytes, out))
}

pub(super) fn to_base64url(call: &Call) -> Result<ArrayRef> {
    encode(call, |bytes, out| BASE64_URL.encode_string(bytes, out))
}

fn from_64(call: &Call, engine: &GeneralPurpose) -> Result<ArrayRef> {
    decode(call, |text, out| {
        if text.ends_with(b"=") && text.len() % 4 != 0 {
            return Err(invalid("Input byte array has wrong 4-byte ending unit"));
        }
        engine.decode_vec(text, out).map_err(|error| {
            invalid(match error {
                base64::DecodeError::InvalidByte(_, byte) => {
                    format!("Illegal base64 character {byte:x}")
                }
                other => other.to_string(),
            })
        })
    })
}

pub(super) fn from_base64(call: &Call) -> Result<ArrayRef> {
    from_64(call, &BASE64)
}

pub(super) fn from_base64url(call: &Call) -> Result<ArrayRef> {
    from_64(call, &BASE64_URL)
}

pub(super) fn to_base32(call: &Call) -> Result<ArrayRef> {
    encode(call, |bytes, out| BASE32.encode_append(bytes, out))
}

pub(super) fn from_base32(call: &Call) -> Result<ArrayRef> {
    decode(call, |text, out| {
        let end = text.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
        let text = text.get(..end).unwrap_or_default();
        let bytes = LENIENT_BASE32.decode(text).map_err(|error| {
            invalid(match error.kind {
                data_encoding::DecodeKind::Length => format!("Invalid input length {}", text.len()),
                _ => {
                    let bad = text.get(error.position).copied().unwrap_or_default();
                    format!("Unrecognized character: {}", char::from(bad))
                }
            })
        })?;
        out.extend_from_slice(&bytes);
        Ok(())
    })
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    <[u8; N]>::try_from(bytes).map_err(|_| {
        let message = format!("expected {N}-byte input, but got instead: {}", bytes.len());
        invalid(message)
    })
}

fn exact_float<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    <[u8; N]>::try_from(bytes).map_err(|_| {
        invalid(format!(
            "Input floating-point value must be exactly {N} bytes long"
        ))
    })
}

pub(super) fn to_big_endian_64(call: &Call) -> Result<ArrayRef> {
    call.map1::<Long, Vec<u8>>(|number| Ok(Some(number.to_be_bytes().to_vec())))
}

pub(super) fn to_big_endian_32(call: &Call) -> Result<ArrayRef> {
    call.map1::<Int, Vec<u8>>(|number| Ok(Some(number.to_be_bytes().to_vec())))
}

pub(super) fn to_ieee754_64(call: &Call) -> Result<ArrayRef> {
    call.map1::<Double, Vec<u8>>(|number| Ok(Some(number.to_be_bytes().to_vec())))
}

pub(super) fn to_ieee754_32(call: &Call) -> Result<ArrayRef> {
    call.map1::<Real, Vec<u8>>(|number| Ok(Some(number.to_be_bytes().to_vec())))
}

pub(super) fn from_big_endian_64(call: &Call) -> Result<ArrayRef> {
    call.map1::<Bytes, i64>(|bytes| Ok(Some(i64::from_be_bytes(exactly(bytes)?))))
}

pub(super) fn from_big_endian_32(call: &Call) -> Result<ArrayRef> {
    call.map1::<Bytes, i32>(|bytes| Ok(Some(i32::from_be_bytes(exactly(bytes)?))))
}

pub(super) fn from_ieee754_64(call: &Call) -> Result<ArrayRef> {
    call.map1::<Bytes, f64>(|bytes| Ok(Some(f64::from_be_bytes(exact_float(bytes)?))))
}

pub(super) fn from_ieee754_32(call: &Call) -> Result<ArrayRef> {
    call.map1::<Bytes, f32>(|bytes| Ok(Some(f32::from_be_bytes(exact_float(bytes)?))))
}
