//! Checksums and message digests.

use arrow::array::ArrayRef;
use datafusion::error::Result;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::presto::functions::call::{Bytes, Call};

fn digest<D: Digest>(call: &Call) -> Result<ArrayRef> {
    call.build_bytes(|row, out| match call.get::<Bytes>(0, row) {
        Some(bytes) => {
            out.extend_from_slice(&D::digest(bytes));
            Ok(true)
        }
        None => Ok(false),
    })
}

pub(super) fn md5(call: &Call) -> Result<ArrayRef> {
    digest::<Md5>(call)
}

pub(super) fn sha1(call: &Call) -> Result<ArrayRef> {
    digest::<Sha1>(call)
}

pub(super) fn sha256(call: &Call) -> Result<ArrayRef> {
    digest::<Sha256>(call)
}

pub(super) fn sha512(call: &Call) -> Result<ArrayRef> {
    digest::<Sha512>(call)
}

/// # Source
/// RFC 2104.
fn hmac<D: Digest>(call: &Call, block: usize) -> Result<ArrayRef> {
    call.build_bytes(|row, out| {
        let (Some(bytes), Some(key)) = (call.get::<Bytes>(0, row), call.get::<Bytes>(1, row))
        else {
            return Ok(false);
        };
        let mut padded = if key.len() > block {
            D::digest(key).to_vec()
        } else {
            key.to_vec()
        };
        padded.resize(block, 0);
        let mixed = |with: u8| padded.iter().map(|b| b ^ with).collect::<Vec<u8>>();
        let inner = D::new()
            .chain_update(mixed(0x36))
            .chain_update(bytes)
            .finalize();
        let outer = D::new()
            .chain_update(mixed(0x5c))
            .chain_update(inner)
            .finalize();
        out.extend_from_slice(&outer);
        Ok(true)
    })
}

pub(super) fn hmac_md5(call: &Call) -> Result<ArrayRef> {
    hmac::<Md5>(call, 64)
}

pub(super) fn hmac_sha1(call: &Call) -> Result<ArrayRef> {
    hmac::<Sha1>(call, 64)
}

pub(super) fn hmac_sha256(call: &Call) -> Result<ArrayRef> {
    hmac::<Sha256>(call, 64)
}

pub(super) fn hmac_sha512(call: &Call) -> Result<ArrayRef> {
    hmac::<Sha512>(call, 128)
}

pub(super) fn crc32(call: &Call) -> Result<ArrayRef> {
    call.map1::<Bytes, i64>(|bytes| Ok(Some(i64::from(crc32fast::hash(bytes)))))
}

pub(super) fn xxhash64(call: &Call) -> Result<ArrayRef> {
    call.map1::<Bytes, Vec<u8>>(|bytes| {
        let hash = twox_hash::XxHash64::oneshot(0, bytes);
        Ok(Some(hash.to_be_bytes().to_vec()))
    })
}

pub(super) fn murmur3(call: &Call) -> Result<ArrayRef> {
    call.map1::<Bytes, Vec<u8>>(|bytes| {
        let (low, high) = murmur3_x64_128(bytes);
        let mut out = low.to_le_bytes().to_vec();
        out.extend_from_slice(&high.to_le_bytes());
        Ok(Some(out))
    })
}

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// # Source
/// MurmurHash3_x64_128 of <https://github.com/aappleby/smhasher>, with seed 0.
fn murmur3_x64_128(bytes: &[u8]) -> (u64, u64) {
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let number = |bytes: &[u8]| {
        let places = bytes.iter().zip((0_u32..).step_by(8));
        places.fold(0_u64, |number, (b, shift)| number | u64::from(*b) << shift)
    };
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        let (low, high) = block.split_at(8);
        h1 ^= mix1(number(low));
        h1 = h1.rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix2(number(high));
        h2 = h2.rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (low, high) = tail.split_at(tail.len().min(8));
    h2 ^= mix2(number(high));
    h1 ^= mix1(number(low));
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    h1 ^= length;
    h2 ^= length;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 = finish(h1);
    h2 = finish(h2);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    (h1, h2)
}

const fn finish(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}
