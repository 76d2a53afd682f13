//! Names of the metrics of this crate, with the unit in the name.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Predictions stored.
pub const PREDICTIONS: &str = "lakehouse_ml_predictions_total";
/// Requests that could not be decoded and were skipped.
pub const MALFORMED: &str = "lakehouse_ml_malformed_requests_total";
/// From the request's timestamp to its answer being stored.
pub const LATENCY: &str = "lakehouse_ml_prediction_latency_seconds";
/// From reading a batch of requests to the batch being stored.
pub const BATCH: &str = "lakehouse_ml_batch_duration_seconds";
/// The model being served.
pub const MODEL: &str = "lakehouse_ml_model_version";
/// Duration of a training run, by learner.
pub const TRAINING: &str = "lakehouse_ml_training_duration_seconds";

/// Describes all metrics to the installed recorder.
pub fn describe() {
    describe_counter!(PREDICTIONS, Unit::Count, "predictions stored");
    describe_counter!(
        MALFORMED,
        Unit::Count,
        "prediction requests that could not be decoded"
    );
    describe_histogram!(
        LATENCY,
        Unit::Seconds,
        "from a request's timestamp to its stored answer"
    );
    describe_histogram!(
        BATCH,
        Unit::Seconds,
        "from reading a batch of requests to storing it"
    );
    describe_gauge!(MODEL, Unit::Count, "number of the model being served");
    describe_histogram!(TRAINING, Unit::Seconds, "duration of a training run");
}
