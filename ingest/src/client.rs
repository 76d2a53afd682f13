//! What librdkafka says of itself, kept for our errors instead of logged line by line.

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

/// Remembers why the last connection failed: refused, not resolved, a certificate, a password.
#[derive(Debug, Default)]
pub(crate) struct LastReason(Mutex<Option<String>>);

impl LastReason {
    pub(crate) fn is_known(&self) -> bool {
        self.0.lock().is_some()
    }

    pub(crate) fn get(&self) -> String {
        let reason = self.0.lock().clone();
        reason.unwrap_or_else(|| "no answer in time".to_owned())
    }

    /// Takes an error event.
    pub(crate) fn note(&self, error: &KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason);
        // It follows the error that says why.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.0.lock() = Some(reason.to_owned());
        }
    }
}

/// Takes a line of librdkafka's log; what matters of it arrives as an error too.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    tracing::debug!(target: "librdkafka", ?level, facility, message);
}

impl ClientContext for LastReason {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.note(&error, reason);
    }
}

impl ConsumerContext for LastReason {}
