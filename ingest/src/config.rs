//! Settings of Kafka and of ingestion.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

/// How to reach Kafka.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Bootstrap servers, `host:port,…`; empty means the embedded broker.
    pub brokers: String,
    /// Further librdkafka settings, such as `security.protocol` and `sasl.password`.
    pub client: BTreeMap<String, String>,
}

impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Settings may hold a SASL password.
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .finish_non_exhaustive()
    }
}

impl KafkaConfig {
    /// Returns a client's settings: `ours`, then the operator's, which win.
    #[must_use]
    pub fn client(&self, ours: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "lakehouse-ingest");
        let theirs = self.client.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        for (key, value) in ours.iter().copied().chain(theirs) {
            config.set(key, value);
        }
        config
    }
}

/// How topics become tables.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// Topics that are stored, each in its table.
    pub streams: Vec<StreamConfig>,
    /// Prefix of the consumer groups; several processes of one group share the partitions.
    pub consumer_group: String,
    /// A commit is made when this many rows wait …
    pub flush_rows: usize,
    /// … or this many bytes of events …
    pub flush_bytes: usize,
    /// … or the oldest has waited this long.
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
    /// Longest wait for an answer of a broker.
    #[serde(with = "humantime_serde")]
    pub broker_timeout: Duration,
}

impl IngestConfig {
    /// Returns the consumer group that reads a topic; its offsets are for those who watch its lag.
    #[must_use]
    pub fn group(&self, topic: &str) -> String {
        format!("{}-{topic}", self.consumer_group)
    }
}

/// One topic and the table it is stored in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// Kafka topic; created with one partition if it is missing.
    pub topic: String,
    /// Table as `schema.table`; its columns say what an event may hold.
    pub table: String,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            streams: Vec::new(),
            consumer_group: "lakehouse-ingest".to_owned(),
            flush_rows: 200_000,
            flush_bytes: 64 << 20,
            flush_interval: Duration::from_secs(1),
            broker_timeout: Duration::from_secs(10),
        }
    }
}
