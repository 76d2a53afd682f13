//! Settings of training, prediction and the prediction store.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How models are trained and served.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MlConfig {
    /// Topic of prediction requests.
    pub request_topic: String,
    /// Topic of answers, for those who want them as events.
    pub response_topic: String,
    /// Consumer group of the predictor; several predictors share the work through it.
    pub consumer_group: String,
    /// Share of the days, the last ones, that a model is tested on and never sees.
    pub test_fraction: f64,
    /// Most rows the fast first model learns from.
    pub fast_rows: usize,
    /// Most rows the full model learns from; bounds the memory of a dense matrix.
    pub full_rows: usize,
    /// Iterations of the fast fit.
    pub fast_iterations: u64,
    /// Iterations of the full fit.
    pub full_iterations: u64,
    /// How often the registry is asked for a newly promoted model.
    #[serde(with = "humantime_serde")]
    pub model_poll_interval: Duration,
    /// Most requests answered in one go; a batch never waits to become full.
    pub max_batch: usize,
    /// Longest wait of a fetch at the broker, in milliseconds.
    pub fetch_wait_ms: u32,
    /// Longest wait for the broker to confirm a request.
    #[serde(with = "humantime_serde")]
    pub send_timeout: Duration,
}

impl Default for MlConfig {
    fn default() -> Self {
        Self {
            request_topic: "flight-delay-ml-request".to_owned(),
            response_topic: "flight-delay-ml-response".to_owned(),
            consumer_group: "flight-delay-predictor".to_owned(),
            test_fraction: 0.2,
            fast_rows: 20_000,
            full_rows: 300_000,
            fast_iterations: 30,
            full_iterations: 60,
            model_poll_interval: Duration::from_secs(1),
            max_batch: 500,
            fetch_wait_ms: 10,
            send_timeout: Duration::from_secs(5),
        }
    }
}

/// Where predictions are stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MongoConfig {
    /// `mongodb://` address; empty starts the embedded document store.
    pub uri: String,
    /// Database.
    pub database: String,
    /// Collection of answers.
    pub collection: String,
    /// Collection of requests that were issued, so that an unknown id is told from a waiting one.
    pub request_collection: String,
    /// Longest wait for a connection and for an answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for MongoConfig {
    fn default() -> Self {
        Self {
            uri: String::new(),
            database: "agile_data_science".to_owned(),
            collection: "flight_delay_ml_response".to_owned(),
            request_collection: "flight_delay_ml_request".to_owned(),
            timeout: Duration::from_secs(5),
        }
    }
}
