//! Long prepared statements travel compressed: clients send back what they were given.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

const MARK: &str = "$zstd:";
/// Shorter texts are not worth it.
const WORTH_BYTES: usize = 2048;
/// Nor is a gain below this.
const GAIN_BYTES: usize = 512;
/// Longest statement after decompression.
const MAX_BYTES: usize = 16 << 20;

/// Returns the text to hand to the client.
pub(super) fn pack(sql: &str) -> String {
    if sql.len() < WORTH_BYTES {
        return sql.to_owned();
    }
    let Ok(compressed) = zstd::bulk::compress(sql.as_bytes(), 3) else {
        return sql.to_owned();
    };
    let packed = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(compressed));
    if packed.len() + GAIN_BYTES > sql.len() {
        return sql.to_owned();
    }
    packed
}

/// Returns the statement a client has sent.
pub(super) fn unpack(value: &str) -> Result<String, &'static str> {
    let Some(packed) = value.strip_prefix(MARK) else {
        return Ok(value.to_owned());
    };
    let bytes = URL_SAFE_NO_PAD
        .decode(packed.trim_end_matches('='))
        .or_else(|_| URL_SAFE.decode(packed))
        .map_err(|_| "it is not base64")?;
    if bytes.is_empty() {
        return Err("it is empty");
    }
    let sql = zstd::bulk::decompress(&bytes, MAX_BYTES)
        .map_err(|_| "it is not zstd, or longer than a statement may be")?;
    String::from_utf8(sql).map_err(|_| "it is not UTF-8")
}
