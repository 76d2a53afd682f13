//! Events into a topic, from a file or a caller.
//!
//! A producer that numbers its records names itself in the header [`LANE_HEADER`] and counts in [`SEQUENCE_HEADER`],
//! from 0 without gaps, all in one partition. The pipeline then stores each number once, in order, whatever the
//! producer repeats: it may begin again at what the table has, `stored_offset("producer/{lane}")`.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::json::LineDelimitedWriter;
use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{self, LastReason};
use crate::history::{DataSource, read_parquet};
use crate::{Error, KafkaConfig, Result};

/// Header that names a numbering producer.
pub const LANE_HEADER: &str = "lakehouse-producer";
/// Header with the number of a record, in decimal.
pub const SEQUENCE_HEADER: &str = "lakehouse-sequence";

/// How long a full queue is left alone.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);
/// How long what is queued may take to be confirmed.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// One event.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Decides the partition, where the topic has several.
    pub key: Option<&'a str>,
    /// One JSON object.
    pub payload: &'a [u8],
    /// Name and number, for a producer that numbers its records.
    pub lane: Option<(&'a str, u64)>,
}

/// Sends events, many on their way at once, in order and without doubles.
pub struct EventProducer {
    producer: Arc<ThreadedProducer<Deliveries>>,
    topic: String,
    brokers: String,
}

impl std::fmt::Debug for EventProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("EventProducer");
        debug.field("topic", &self.topic).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Deliveries {
    confirmed: AtomicU64,
    failed: Mutex<Option<KafkaError>>,
    reason: LastReason,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reason.note(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.confirmed.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                self.failed.lock().get_or_insert_with(|| error.clone());
            }
        }
    }
}

impl EventProducer {
    /// Prepares a producer; it connects in the background.
    ///
    /// # Errors
    /// A setting is not one of librdkafka's.
    pub fn connect(kafka: &KafkaConfig, topic: &str) -> Result<Self> {
        let settings = kafka.client(&[
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("linger.ms", "5"),
            ("message.timeout.ms", "30000"),
        ]);
        let producer = settings
            .create_with_context(Deliveries::default())
            .map_err(Error::kafka("producing to topic", topic, &kafka.brokers))?;
        Ok(Self {
            producer: Arc::new(producer),
            topic: topic.to_owned(),
            brokers: kafka.brokers.clone(),
        })
    }

    /// Queues an event, waiting while the queue is full.
    ///
    /// # Errors
    /// An earlier event was not confirmed, or the broker refuses this one.
    pub async fn send(&self, event: Event<'_>) -> Result<()> {
        self.check()?;
        let mut record: BaseRecord<'_, str, [u8]> =
            BaseRecord::to(&self.topic).payload(event.payload);
        if let Some(key) = event.key {
            record = record.key(key);
        }
        if let Some((lane, sequence)) = event.lane {
            let header = |key, value| Header { key, value };
            let sequence = sequence.to_string();
            let headers = OwnedHeaders::new()
                .insert(header(LANE_HEADER, Some(lane)))
                .insert(header(SEQUENCE_HEADER, Some(&sequence)));
            record = record.headers(headers);
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent)) => {
                    record = unsent;
                    sleep(QUEUE_PAUSE).await;
                    self.check()?;
                }
                Err((error, _)) => return Err(self.fail(error)),
            }
        }
    }

    /// Waits until everything queued is confirmed and returns how many events that were.
    ///
    /// # Errors
    /// An event was not confirmed.
    pub async fn flush(&self) -> Result<u64> {
        let producer = Arc::clone(&self.producer);
        let flushed = tokio::task::spawn_blocking(move || producer.flush(FLUSH_TIMEOUT)).await;
        flushed
            .map_err(Error::internal)?
            .map_err(|error| self.fail(error))?;
        self.check()?;
        Ok(self.producer.context().confirmed.load(Ordering::Relaxed))
    }

    fn check(&self) -> Result<()> {
        match self.producer.context().failed.lock().clone() {
            Some(error) => Err(self.fail(error)),
            None => Ok(()),
        }
    }

    fn fail(&self, error: KafkaError) -> Error {
        Error::kafka("producing to topic", &self.topic, &self.brokers)(error)
    }
}

/// Sends a file's rows and returns how many were confirmed: Parquet and CSV rows as JSON, JSON lines as they are.
///
/// `key` names the field whose value is the event's key; `rate` is events a second; `progress` is told how many are
/// queued.
///
/// # Errors
/// [`Error::File`] for a file that cannot be read, [`Error::Kafka`] when the broker does not confirm.
pub async fn produce_file(
    producer: &EventProducer,
    path: &Path,
    key: Option<&str>,
    rate: Option<f64>,
    progress: impl Fn(u64),
) -> Result<u64> {
    let began = Instant::now();
    let mut sent = 0_u64;
    for chunk in lines(path)? {
        let chunk = chunk?;
        for line in chunk.split(|byte| *byte == b'\n') {
            if line.trim_ascii().is_empty() {
                continue;
            }
            if let Some(rate) = rate {
                sleep_until(began + Duration::from_secs_f64(sent as f64 / rate)).await;
            }
            let key = key.and_then(|field| key_of(line, field));
            let event = Event {
                key: key.as_deref(),
                payload: line,
                lane: None,
            };
            producer.send(event).await?;
            sent += 1;
            progress(sent);
        }
    }
    producer.flush().await
}

/// Returns the file as chunks of whole JSON lines.
fn lines(path: &Path) -> Result<Box<dyn Iterator<Item = Result<Vec<u8>>> + Send>> {
    let source = DataSource::Path(path.to_owned());
    let name = path.display().to_string();
    let fail = move |reason: String| Error::File {
        file: name.clone(),
        reason,
    };
    let open = || File::open(path).map_err(|error| fail(error.to_string()));
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    match extension.to_ascii_lowercase().as_str() {
        "parquet" => {
            let rows = read_parquet(&source, 0)?;
            Ok(Box::new(rows.map(move |batch| {
                let batch = batch.map_err(|error| fail(error.to_string()))?;
                encode(&batch)
            })))
        }
        "csv" => {
            let mut file = open()?;
            let format = arrow::csv::reader::Format::default().with_header(true);
            let (schema, _) = format
                .infer_schema(&file, None)
                .map_err(|error| fail(error.to_string()))?;
            file.seek(SeekFrom::Start(0))
                .map_err(|error| fail(error.to_string()))?;
            let rows = arrow::csv::ReaderBuilder::new(Arc::new(schema))
                .with_header(true)
                .build(file)
                .map_err(|error| fail(error.to_string()))?;
            Ok(Box::new(rows.map(move |batch| {
                let batch = batch.map_err(|error| fail(error.to_string()))?;
                encode(&batch)
            })))
        }
        "json" | "jsonl" | "ndjson" => {
            let file = BufReader::new(open()?);
            let lines = file.split(b'\n');
            Ok(Box::new(lines.map(move |line| {
                line.map_err(|error| fail(error.to_string()))
            })))
        }
        other => Err(fail(format!(
            "`.{other}` is not one of .parquet, .csv, .json, .jsonl"
        ))),
    }
}

/// Returns rows as JSON objects, one a line.
pub(crate) fn encode(batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer
        .write(batch)
        .and_then(|()| writer.finish())
        .map_err(Error::internal)?;
    Ok(writer.into_inner())
}

fn key_of(line: &[u8], field: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_slice(line).ok()?;
    match event.get(field)? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Null => None,
        value => Some(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let chunks: Result<Vec<_>> = lines(&path)?.collect();
        Ok(String::from_utf8(chunks?.join(&b'\n')).unwrap())
    }

    #[test]
    fn rows_become_json_and_json_stays_as_it_is() {
        assert_eq!(
            read("a.csv", "n,name\n1,a\n2,\n").unwrap().trim_end(),
            "{\"n\":1,\"name\":\"a\"}\n{\"n\":2}"
        );
        assert_eq!(
            read("a.jsonl", "{\"n\":1}\nnot json").unwrap(),
            "{\"n\":1}\nnot json"
        );
        assert!(read("a.xml", "").unwrap_err().to_string().contains(".xml"));
        assert_eq!(key_of(br#"{"k":7}"#, "k").as_deref(), Some("7"));
        assert_eq!(key_of(b"not json", "k"), None);
    }
}
