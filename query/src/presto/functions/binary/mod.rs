//! Byte strings: encodings and checksums.

mod encodings;
mod hashes;

use super::scalar::Entry;

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("crc32", hashes::crc32),
    Entry::new("from_base32", encodings::from_base32),
    Entry::new("from_base64", encodings::from_base64),
    Entry::new("from_base64url", encodings::from_base64url),
    Entry::new("from_big_endian_32", encodings::from_big_endian_32),
    Entry::new("from_big_endian_64", encodings::from_big_endian_64),
    Entry::new("from_hex", encodings::from_hex),
    Entry::new("from_ieee754_32", encodings::from_ieee754_32),
    Entry::new("from_ieee754_64", encodings::from_ieee754_64),
    Entry::new("from_utf8", encodings::from_utf8),
    Entry::new("hmac_md5", hashes::hmac_md5),
    Entry::new("hmac_sha1", hashes::hmac_sha1),
    Entry::new("hmac_sha256", hashes::hmac_sha256),
    Entry::new("hmac_sha512", hashes::hmac_sha512),
    Entry::new("md5", hashes::md5),
    Entry::new("murmur3", hashes::murmur3),
    Entry::new("sha1", hashes::sha1),
    Entry::new("sha256", hashes::sha256),
    Entry::new("sha512", hashes::sha512),
    Entry::new("to_base32", encodings::to_base32),
    Entry::new("to_base64", encodings::to_base64),
    Entry::new("to_base64url", encodings::to_base64url),
    Entry::new("to_big_endian_32", encodings::to_big_endian_32),
    Entry::new("to_big_endian_64", encodings::to_big_endian_64),
    Entry::new("to_hex", encodings::to_hex),
    Entry::new("to_ieee754_32", encodings::to_ieee754_32),
    Entry::new("to_ieee754_64", encodings::to_ieee754_64),
    Entry::new("to_utf8", encodings::to_utf8),
    Entry::new("xxhash64", hashes::xxhash64),
];
