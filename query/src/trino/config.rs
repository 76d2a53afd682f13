//! What the door accepts and how it hands rows out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The door for clients of Trino and Presto.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrinoConfig {
    /// Take requests that bring a password without TLS. There is no login, so it is not checked, only exposed.
    pub allow_insecure_passwords: bool,
    /// Longest statement, in bytes.
    pub max_statement_bytes: usize,
    /// Bytes of rows in one page.
    pub page_bytes: usize,
    /// Offer results as segments that clients fetch apart from the pages.
    pub spooling: bool,
    /// Bytes of rows in one segment, before compression.
    pub spool_segment_bytes: usize,
    /// Segments up to this size travel in the page.
    pub spool_inline_bytes: usize,
    /// How long a segment can be fetched.
    #[serde(with = "humantime_serde")]
    pub spool_expiry: Duration,
    /// Signs the addresses of segments; empty means one that this process makes up.
    pub spool_secret: String,
}

impl Default for TrinoConfig {
    fn default() -> Self {
        Self {
            allow_insecure_passwords: false,
            max_statement_bytes: 16 << 20,
            page_bytes: 16 << 20,
            spooling: true,
            spool_segment_bytes: 8 << 20,
            spool_inline_bytes: 128 << 10,
            spool_expiry: Duration::from_secs(3600),
            spool_secret: String::new(),
        }
    }
}
