//! Settings of the metastore's door.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where the metastore listens and what a client may cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HiveMetastoreConfig {
    /// Whether it is served at all.
    pub enabled: bool,
    /// IP address to bind; loopback by default, because there is no login.
    pub host: String,
    /// TCP port; 0 lets the system choose.
    pub port: u16,
    /// Connections at once; more are closed at once.
    pub max_connections: usize,
    /// Longest request, in bytes.
    pub max_message_bytes: usize,
    /// A connection without a request for this long is closed; clients connect again by themselves.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// Longest time that a request may take to arrive, or its answer to be taken.
    #[serde(with = "humantime_serde")]
    pub transfer_timeout: Duration,
    /// Scheme of locations on S3 in answers: `s3a` for Spark and Hadoop, `s3` for most others.
    pub s3_scheme: String,
}

impl Default for HiveMetastoreConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            host: "127.0.0.1".to_owned(),
            port: 9083,
            max_connections: 256,
            max_message_bytes: 16 << 20,
            idle_timeout: Duration::from_secs(600),
            transfer_timeout: Duration::from_secs(60),
            s3_scheme: "s3a".to_owned(),
        }
    }
}
