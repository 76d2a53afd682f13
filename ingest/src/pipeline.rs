//! A topic into a table, exactly once.
//!
//! ```text
//! source -> positions: stored already? -> decode -> buffer -> due? -> dead letters, then rows with their offsets
//! ```
//!
//! The table's log alone says what is stored (rows and offsets are one commit), so a crash at any moment, or a broker
//! that comes back empty, costs no row and stores none twice. A failed commit ends the run: what was not stored is
//! read again by the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::Array;
use chrono::Utc;
use lake::{AppendCommit, AppendOutcome, LakeTable};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::client::LastReason;
use crate::dead_letters::{self, DeadLetter};
use crate::decode::json::JsonDecoder;
use crate::flush::Buffer;
use crate::positions::{Positions, Verdict};
use crate::source::kafka::KafkaSource;
use crate::source::{RawRecords, SourceEvent};
use crate::{Error, IngestConfig, KafkaConfig, Result, metrics};

/// Events of a client that are looked through for a reason.
const MAX_EVENTS: usize = 100;
/// Pause before reading again behind another process, so that two do not chase each other.
const OVERTAKEN_PAUSE: Duration = Duration::from_secs(1);

/// What a pipeline works with.
#[derive(Debug, Clone)]
pub struct PipelineDeps {
    /// How Kafka is reached.
    pub kafka: KafkaConfig,
    /// Limits and consumer group.
    pub config: IngestConfig,
    /// Topic to read.
    pub topic: String,
    /// Table to write.
    pub table: LakeTable,
    /// Table of what could not be decoded.
    pub dead_letters: LakeTable,
    /// What pages show of it.
    pub progress: Arc<PipelineProgress>,
}

/// What a pipeline has done since it started.
#[derive(Debug, Default)]
pub struct PipelineProgress {
    rows: AtomicU64,
    dead_letters: AtomicU64,
}

impl PipelineProgress {
    /// Returns how many rows were stored.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Returns how many records could not become rows.
    pub fn dead_letters(&self) -> u64 {
        self.dead_letters.load(Ordering::Relaxed)
    }
}

/// A topic that exists, a cluster that answered, and a table that can be filled.
#[derive(Debug)]
pub struct Pipeline {
    deps: PipelineDeps,
    cluster: String,
    decoder: JsonDecoder,
}

impl Pipeline {
    /// Reaches the broker, creates the topic if it is missing, and checks the table's columns.
    ///
    /// # Errors
    /// [`Error::NoBroker`] or [`Error::Kafka`] when the broker does not do it in time, [`Error::Undecodable`] for a
    /// column that JSON cannot fill.
    pub async fn connect(deps: PipelineDeps) -> Result<Self> {
        let decoder = JsonDecoder::new(deps.table.schema().await?, deps.table.name())?;
        let timeout = deps.config.broker_timeout;
        let cluster = ensure_topic(&deps.kafka, &deps.topic, timeout).await?;
        Ok(Self {
            deps,
            cluster,
            decoder,
        })
    }

    /// Stores what arrives until `shutdown`; what was read is stored when it returns.
    ///
    /// # Errors
    /// The broker or the table's store is away. Nothing is lost: run it again.
    #[tracing::instrument(name = "ingest.pipeline", skip_all, fields(topic = %self.deps.topic), err)]
    pub async fn run(self, shutdown: CancellationToken) -> Result<()> {
        loop {
            let deps = &self.deps;
            let source = KafkaSource::subscribe(&deps.kafka, &deps.config, &deps.topic)?;
            let mut session = Session {
                pipeline: &self,
                source,
                positions: Positions::new(&self.cluster, &deps.topic),
                buffer: Buffer::default(),
            };
            let outcome = session.store_all(&shutdown).await;
            session.source.close().await;
            match outcome {
                Err(error @ Error::Overtaken { .. }) => {
                    tracing::info!(%error, "reading again behind what is stored");
                    tokio::select! {
                        () = shutdown.cancelled() => return Ok(()),
                        () = sleep(OVERTAKEN_PAUSE) => {}
                    }
                }
                outcome => return outcome,
            }
        }
    }
}

/// One membership in the consumer group.
struct Session<'a> {
    pipeline: &'a Pipeline,
    source: KafkaSource,
    positions: Positions,
    buffer: Buffer,
}

impl Session<'_> {
    async fn store_all(&mut self, shutdown: &CancellationToken) -> Result<()> {
        let config = &self.pipeline.deps.config;
        loop {
            let due = self.buffer.due(config);
            tokio::select! {
                () = shutdown.cancelled() => return self.flush().await,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.flush().await?,
                event = self.source.next() => {
                    let event = event.ok_or_else(|| Error::internal("the reader ended"))?;
                    self.handle(event).await?;
                }
            }
        }
    }

    async fn handle(&mut self, event: SourceEvent) -> Result<()> {
        let deps = &self.pipeline.deps;
        match event {
            SourceEvent::Records(records) => {
                self.buffer(records).await?;
                if self.buffer.is_full(&deps.config) {
                    self.flush().await?;
                }
            }
            SourceEvent::Assigning { ready } => {
                self.flush().await?;
                let stored = deps.table.stored_offsets().await?;
                self.positions.set_stored(stored);
                // The reader is gone only when the whole session is.
                let _ = ready.send(());
            }
            SourceEvent::Assigned {
                partitions,
                watermarks,
                reply,
            } => {
                let (begin, expired) = self.positions.assign(&partitions, &watermarks);
                if expired > 0 {
                    metrics::expired(&deps.topic, expired);
                    tracing::error!(topic = %deps.topic, records = expired, "retention deleted records that were not stored yet");
                }
                tracing::info!(topic = %deps.topic, ?begin, "partitions assigned");
                let _ = reply.send(begin);
            }
            SourceEvent::Revoked { partitions, done } => {
                self.flush().await?;
                self.positions.revoke(&partitions);
                tracing::info!(topic = %deps.topic, ?partitions, "partitions revoked");
                let _ = done.send(());
            }
            SourceEvent::Failed(error) => {
                // What was read is whole; it is stored before the error is told.
                self.flush().await?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Decodes what is new of the records.
    async fn buffer(&mut self, records: RawRecords) -> Result<()> {
        let deps = &self.pipeline.deps;
        let (mut fresh, mut refused, mut repeated) = (Vec::new(), Vec::new(), 0);
        for (at, (offset, lane)) in records.offsets.iter().zip(&records.lanes).enumerate() {
            match self
                .positions
                .read(records.partition, *offset, lane.as_ref())
            {
                Verdict::Store => fresh.push(at),
                Verdict::Repeated => repeated += 1,
                Verdict::Refuse(reason) => refused.push((at, reason)),
            }
        }
        if repeated > 0 {
            metrics::repeated(&deps.topic, repeated);
        }
        let (decoder, payloads) = (self.pipeline.decoder.clone(), records.payloads.clone());
        // Decoding is CPU work, and a bug in it must not end the task.
        let decoded = tokio::task::spawn_blocking(move || decoder.decode(&payloads, &fresh));
        let decoded = decoded.await.map_err(Error::internal)??;
        refused.extend(decoded.rejected);
        let now = Utc::now();
        let source = self.positions.source(records.partition).unwrap_or_default();
        // A table made anew parks again: what it refuses is another question.
        let table = deps
            .table
            .url()
            .path()
            .trim_end_matches('/')
            .rsplit('/')
            .next();
        let source = format!("{}/{source}", table.unwrap_or_default());
        let letters = refused
            .into_iter()
            .filter_map(|(at, reason)| DeadLetter::new(&records, at, &source, reason, now))
            .collect();
        let bytes = records.payloads.get_buffer_memory_size();
        self.buffer.add(decoded.batch, letters, bytes);
        Ok(())
    }

    /// Stores what waits, with the offsets it was read from, in one commit.
    async fn flush(&mut self) -> Result<()> {
        let ranges = self.positions.ranges();
        let buffer = std::mem::take(&mut self.buffer);
        if ranges.is_empty() {
            return Ok(());
        }
        let deps = &self.pipeline.deps;
        let (begin, rows) = (Instant::now(), buffer.rows() as u64);
        let parked = dead_letters::park(&deps.dead_letters, &deps.topic, &buffer.letters).await?;
        if parked > 0 {
            deps.progress
                .dead_letters
                .fetch_add(parked, Ordering::Relaxed);
            metrics::parked(&deps.topic, parked);
            tracing::warn!(topic = %deps.topic, records = parked, "records could not become rows");
        }
        let metadata = [("topic".to_owned(), deps.topic.clone().into())];
        let commit = AppendCommit {
            ranges,
            metadata: metadata.into(),
        };
        match deps.table.append(buffer.batches, commit).await? {
            AppendOutcome::Committed { version, .. } => {
                self.positions.mark_stored();
                self.source.report(&self.positions.next_offsets());
                deps.progress.rows.fetch_add(rows, Ordering::Relaxed);
                metrics::flushed(&deps.topic, rows, begin.elapsed());
                tracing::debug!(topic = %deps.topic, version, rows, "stored");
                Ok(())
            }
            AppendOutcome::AlreadyStored | AppendOutcome::OffsetsMoved { .. } => {
                Err(Error::Overtaken {
                    topic: deps.topic.clone(),
                    table: deps.table.name().clone(),
                })
            }
        }
    }
}

/// Creates a topic of one partition unless it exists, and returns the id of the cluster.
///
/// # Errors
/// [`Error::NoBroker`] when none answers in time, [`Error::Kafka`] when one refuses.
pub async fn ensure_topic(kafka: &KafkaConfig, topic: &str, timeout: Duration) -> Result<String> {
    let cluster = cluster_id(kafka, timeout).await?;
    // Who may read a topic may not always create one.
    if exists(kafka, topic, timeout).await? {
        return Ok(cluster);
    }
    let fail = || Error::kafka("creating topic", topic, &kafka.brokers);
    let admin: AdminClient<LastReason> = kafka
        .client(&[])
        .create_with_context(LastReason::default())
        .map_err(fail())?;
    // -1 leaves the number of copies to the cluster.
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(-1));
    let options = AdminOptions::new().request_timeout(Some(timeout));
    let outcomes = admin.create_topics([&new], &options).await;
    // Closing waits for the client's threads.
    let closed = tokio::task::spawn_blocking(move || drop(admin)).await;
    closed.map_err(Error::internal)?;
    for outcome in outcomes.map_err(fail())? {
        match outcome {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(fail()(KafkaError::AdminOp(code))),
        }
    }
    Ok(cluster)
}

async fn exists(kafka: &KafkaConfig, topic: &str, timeout: Duration) -> Result<bool> {
    let fail = || Error::kafka("looking for topic", topic, &kafka.brokers);
    let consumer: BaseConsumer<LastReason> = kafka
        .client(&[("allow.auto.create.topics", "false")])
        .create_with_context(LastReason::default())
        .map_err(fail())?;
    let name = topic.to_owned();
    let asked = tokio::task::spawn_blocking(move || consumer.fetch_metadata(Some(&name), timeout));
    let metadata = asked.await.map_err(Error::internal)?.map_err(fail())?;
    let mut topics = metadata.topics().iter();
    Ok(topics.any(|topic| topic.error().is_none() && !topic.partitions().is_empty()))
}

/// Returns the id of the cluster that answers.
///
/// # Errors
/// [`Error::NoBroker`] when none answers in time.
pub async fn cluster_id(kafka: &KafkaConfig, timeout: Duration) -> Result<String> {
    let fail = Error::kafka("connecting to", "Kafka", &kafka.brokers);
    let consumer: BaseConsumer<LastReason> = kafka
        .client(&[])
        .create_with_context(LastReason::default())
        .map_err(fail)?;
    let asked = tokio::task::spawn_blocking(move || {
        let cluster = consumer.client().fetch_cluster_id(timeout);
        cluster.ok_or_else(|| {
            // Errors wait for a poll, each for its own.
            let reason = consumer.context();
            for _ in 0..MAX_EVENTS {
                if reason.is_known() {
                    break;
                }
                consumer.poll(Duration::ZERO);
            }
            reason.get()
        })
    });
    let cluster = asked.await.map_err(Error::internal)?;
    cluster.map_err(|reason| Error::NoBroker {
        brokers: kafka.brokers.clone(),
        reason,
    })
}

#[cfg(test)]
mod tests;
