//! Prediction requests: JSON on a Kafka topic, with the field names of the original course.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use ingest::KafkaConfig;
use ingest::pipeline::ensure_topic;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::features::{self, Flight};
use crate::{Error, MlConfig, Result};

/// How brokers name us in their logs.
pub(crate) const CLIENT_ID: &str = "lakehouse-ml";

/// What a traveller tells us, and the distance the server adds.
#[derive(Debug, Clone, PartialEq)]
pub struct FlightFacts {
    /// Minutes; negative is early.
    pub dep_delay: f64,
    /// Miles.
    pub distance: f64,
    /// Local date of the departure.
    pub flight_date: NaiveDate,
    /// Carrier code.
    pub carrier: String,
    /// Airport of departure.
    pub origin: String,
    /// Destination.
    pub dest: String,
    /// Flight number as typed.
    pub flight_num: String,
}

/// A request as it travels and as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(
    missing_docs,
    reason = "the names are those of the original course and of FlightFacts"
)]
pub struct PredictionRequest {
    pub origin: String,
    pub dest: String,
    /// Origin and destination, joined by a hyphen.
    pub route: String,
    pub carrier: String,
    pub flight_date: NaiveDate,
    pub flight_num: String,
    /// 1 is Monday.
    pub day_of_week: u32,
    pub day_of_year: u32,
    pub day_of_month: u32,
    pub dep_delay: f64,
    pub distance: f64,
    /// When the request was made, RFC 3339.
    pub timestamp: String,
    /// Id of the request and of its answer.
    #[serde(rename = "UUID")]
    pub uuid: Uuid,
}

impl PredictionRequest {
    /// Builds a request; the calendar fields and the route are derived here and nowhere else.
    pub fn new(facts: FlightFacts, uuid: Uuid, timestamp: DateTime<Utc>) -> Self {
        let flight = Flight {
            dep_delay: facts.dep_delay,
            distance: facts.distance,
            date: facts.flight_date,
            carrier: &facts.carrier,
            origin: &facts.origin,
            dest: &facts.dest,
        };
        Self {
            route: flight.route(),
            day_of_week: flight.day_of_week(),
            day_of_year: flight.day_of_year(),
            day_of_month: flight.day_of_month(),
            dep_delay: facts.dep_delay,
            distance: facts.distance,
            flight_date: facts.flight_date,
            flight_num: facts.flight_num,
            timestamp: timestamp.to_rfc3339_opts(SecondsFormat::Micros, true),
            uuid,
            carrier: facts.carrier,
            origin: facts.origin,
            dest: facts.dest,
        }
    }

    /// Reads a request from a record; the derived fields must agree with what they derive from.
    ///
    /// # Errors
    /// It is not JSON, lacks a field, or contradicts itself.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        let request: Self =
            serde_json::from_slice(payload).map_err(|error| Error::InvalidRequest {
                field: "payload",
                reason: error.to_string(),
            })?;
        request.check()?;
        Ok(request)
    }

    /// Returns the flight the model is asked about.
    pub fn flight(&self) -> Flight<'_> {
        Flight {
            dep_delay: self.dep_delay,
            distance: self.distance,
            date: self.flight_date,
            carrier: &self.carrier,
            origin: &self.origin,
            dest: &self.dest,
        }
    }

    /// Returns how long ago the request was made, if its timestamp can be read.
    pub(crate) fn age(&self, now: DateTime<Utc>) -> Option<Duration> {
        let made = DateTime::parse_from_rfc3339(&self.timestamp).ok()?;
        (now - made.to_utc()).to_std().ok()
    }

    fn check(&self) -> Result<()> {
        let refuse = |field, reason: &str| {
            Err(Error::InvalidRequest {
                field,
                reason: reason.to_owned(),
            })
        };
        if !self.dep_delay.is_finite() {
            return refuse("DepDelay", "it is not a number of minutes");
        }
        if !self.distance.is_finite() || self.distance < 0.0 {
            return refuse("Distance", "it is not a number of miles");
        }
        let flight = self.flight();
        if self.day_of_month != flight.day_of_month()
            || self.day_of_week != flight.day_of_week()
            || self.day_of_year != flight.day_of_year()
        {
            return refuse("FlightDate", "the calendar fields belong to another day");
        }
        if self.route != features::route(&self.origin, &self.dest) {
            return refuse("Route", "it does not join Origin and Dest");
        }
        Ok(())
    }
}

/// Puts requests on the topic.
#[derive(Clone)]
pub struct RequestProducer {
    producer: FutureProducer,
    topic: String,
    timeout: Duration,
}

impl RequestProducer {
    /// Prepares a producer; it connects in the background.
    ///
    /// # Errors
    /// A setting is not one of librdkafka's.
    pub fn connect(kafka: &KafkaConfig, config: &MlConfig) -> Result<Self> {
        let producer = producer(kafka, config, &config.request_topic)?;
        Ok(Self {
            producer,
            topic: config.request_topic.clone(),
            timeout: config.send_timeout,
        })
    }

    /// Sends a request and returns once the broker has it.
    ///
    /// # Errors
    /// The broker did not confirm in time.
    pub async fn send(&self, request: &PredictionRequest) -> Result<()> {
        let payload = serde_json::to_vec(request).map_err(Error::internal)?;
        let key = request.uuid.to_string();
        let record = FutureRecord::to(&self.topic).key(&key).payload(&payload);
        let sent = self.producer.send(record, self.timeout).await;
        sent.map_err(|(source, _)| Error::Kafka {
            action: "sending a request",
            topic: self.topic.clone(),
            source,
        })?;
        Ok(())
    }
}

impl std::fmt::Debug for RequestProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestProducer")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

/// Returns a producer that sends at once: one answer matters more than throughput.
pub(crate) fn producer(
    kafka: &KafkaConfig,
    config: &MlConfig,
    topic: &str,
) -> Result<FutureProducer> {
    let timeout = config.send_timeout.as_millis().to_string();
    let settings = kafka.client(&[
        ("client.id", CLIENT_ID),
        ("linger.ms", "0"),
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("message.timeout.ms", &timeout),
    ]);
    settings.create().map_err(|source| Error::Kafka {
        action: "creating a producer",
        topic: topic.to_owned(),
        source,
    })
}

/// Creates the topics of requests and answers where they are missing.
///
/// # Errors
/// The broker cannot be reached or refuses.
pub async fn ensure_topics(kafka: &KafkaConfig, config: &MlConfig) -> Result<()> {
    for topic in [&config.request_topic, &config.response_topic] {
        let ensured = ensure_topic(kafka, topic, config.send_timeout).await;
        ensured.map_err(|source| Error::Topic {
            topic: topic.clone(),
            source: Box::new(source),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
