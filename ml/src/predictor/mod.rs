//! The streaming predictor.
//!
//! ```text
//! request topic --> what is waiting --> decode --> promoted model --> store (upsert by UUID)
//!                                          |                             |--> response topic
//!                                          malformed: log, count         `--> commit the group's offsets
//! ```
//!
//! Offsets are committed after the answers are stored: a crash in between answers again, with the same id.
//! Nothing waits for a batch to fill; a batch is what arrived while the last one was stored.

mod batch;
mod model_watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::Utc;
use ingest::KafkaConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::batch::Batch;
use crate::prediction_store::Prediction;
use crate::requests::{CLIENT_ID, producer};
use crate::{Error, LoadedModel, MlConfig, ModelRegistry, PredictionStore, Result};

/// Pauses between attempts to store a batch while the database is away.
const RETRY_PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// How long a broker that lost its connection is left alone.
const BROKER_PAUSE: Duration = Duration::from_millis(200);

/// What the predictor works with.
#[derive(Debug, Clone)]
pub struct PredictorDeps {
    /// Where the promoted model is found.
    pub registry: ModelRegistry,
    /// Where answers go.
    pub store: PredictionStore,
    /// Where requests come from.
    pub kafka: KafkaConfig,
    /// Topics, group, limits.
    pub config: MlConfig,
    /// What pages show of it.
    pub progress: Arc<PredictorProgress>,
}

/// What the predictor has done since it started.
#[derive(Debug, Default)]
pub struct PredictorProgress {
    predictions: AtomicU64,
    malformed: AtomicU64,
    model: AtomicU64,
}

impl PredictorProgress {
    /// Returns how many answers were stored.
    pub fn predictions(&self) -> u64 {
        self.predictions.load(Ordering::Relaxed)
    }

    /// Returns how many records were no requests.
    pub fn malformed(&self) -> u64 {
        self.malformed.load(Ordering::Relaxed)
    }

    /// Returns the model in service.
    pub fn model(&self) -> Option<u64> {
        Some(self.model.load(Ordering::Relaxed)).filter(|model| *model > 0)
    }
}

/// Answers requests until `shutdown`; what was read is stored and committed when it returns. The topics exist, see
/// [`ensure_topics`](crate::requests::ensure_topics).
///
/// # Errors
/// The consumer fails for good. Lost connections are waited out.
#[tracing::instrument(name = "ml.predict", skip_all, err)]
pub async fn run(deps: PredictorDeps, shutdown: CancellationToken) -> Result<()> {
    crate::metrics::describe();
    let answers = producer(&deps.kafka, &deps.config, &deps.config.response_topic)?;
    let consumer = Arc::new(subscribe(&deps.kafka, &deps.config)?);
    let (sender, models) = watch::channel(None);
    // The watcher ends with the predictor, also when the predictor fails.
    let stop_watching = shutdown.child_token();
    let watching = model_watch::run(
        deps.registry.clone(),
        deps.config.model_poll_interval,
        Arc::clone(&deps.progress),
        sender,
        stop_watching.clone(),
    );
    let predicting = async {
        let predictor = Predictor {
            deps,
            consumer,
            answers,
            models,
            shutdown,
        };
        let outcome = predictor.answer_all().await;
        stop_watching.cancel();
        outcome
    };
    let ((), outcome) = tokio::join!(watching, predicting);
    outcome
}

struct Predictor {
    deps: PredictorDeps,
    consumer: Arc<StreamConsumer>,
    answers: FutureProducer,
    models: watch::Receiver<Option<Arc<LoadedModel>>>,
    shutdown: CancellationToken,
}

impl Predictor {
    async fn answer_all(mut self) -> Result<()> {
        loop {
            let received = tokio::select! {
                () = self.shutdown.cancelled() => break,
                received = Batch::receive(&self.consumer, self.deps.config.max_batch) => received,
            };
            match received {
                Ok(batch) => {
                    if !self.answer(batch).await? {
                        break;
                    }
                }
                Err(source) if is_fatal(&source) => {
                    return Err(self.kafka_error("receiving requests", source));
                }
                Err(error) => {
                    tracing::warn!(error = %error, "request topic is not readable, waiting");
                    tokio::select! {
                        () = self.shutdown.cancelled() => break,
                        () = sleep(BROKER_PAUSE) => {}
                    }
                }
            }
        }
        self.leave().await
    }

    /// Answers one batch; false means that the shutdown came first and the batch will be read again.
    async fn answer(&mut self, batch: Batch) -> Result<bool> {
        let started = Instant::now();
        let Some(model) = self.model().await else {
            return Ok(false);
        };
        let malformed = batch.malformed();
        if malformed > 0 {
            metrics::counter!(crate::metrics::MALFORMED).increment(malformed);
            self.deps
                .progress
                .malformed
                .fetch_add(malformed, Ordering::Relaxed);
        }
        let predictions = batch.predict(&model);
        if !self.store(&predictions).await {
            return Ok(false);
        }
        let stored = Utc::now();
        for prediction in &predictions {
            if let Some(age) = prediction.request.age(stored) {
                metrics::histogram!(crate::metrics::LATENCY).record(age.as_secs_f64());
            }
        }
        metrics::histogram!(crate::metrics::BATCH).record(started.elapsed().as_secs_f64());
        metrics::counter!(crate::metrics::PREDICTIONS).increment(predictions.len() as u64);
        self.deps
            .progress
            .predictions
            .fetch_add(predictions.len() as u64, Ordering::Relaxed);

        self.publish(&predictions).await?;
        let offsets = batch.next_offsets(&self.deps.config.request_topic)?;
        // Asynchronous: a commit that is lost is repeated by the next one, or the answers are.
        if let Err(error) = self.consumer.commit(&offsets, CommitMode::Async) {
            tracing::warn!(error = %error, "offsets are not committed yet");
        }
        tracing::debug!(
            rows = predictions.len(),
            model = model.card.model,
            "requests answered"
        );
        Ok(true)
    }

    /// Returns the model in service, waiting for the first one.
    async fn model(&mut self) -> Option<Arc<LoadedModel>> {
        if self.models.borrow().is_none() {
            tracing::info!("requests are waiting for the first model");
        }
        tokio::select! {
            () = self.shutdown.cancelled() => None,
            model = self.models.wait_for(Option::is_some) => model.ok()?.as_ref().map(Arc::clone),
        }
    }

    /// Stores answers, waiting out a database that is away; false means that the shutdown came first.
    async fn store(&self, predictions: &[Prediction]) -> bool {
        let last = RETRY_PAUSES.last().copied().into_iter().cycle();
        for pause in RETRY_PAUSES.into_iter().chain(last) {
            let Err(error) = self.deps.store.upsert(predictions).await else {
                return true;
            };
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(error = %error, cause, pause_ms = pause.as_millis() as u64, "answers are not stored, retrying");
            tokio::select! {
                () = self.shutdown.cancelled() => return false,
                () = sleep(pause) => {}
            }
        }
        false
    }

    /// Hands the answers to whoever listens; they are stored already, so a broker that is away costs an
    /// event, not an answer.
    async fn publish(&self, predictions: &[Prediction]) -> Result<()> {
        let topic = &self.deps.config.response_topic;
        for prediction in predictions {
            let payload = serde_json::to_vec(&prediction.to_json()?).map_err(Error::internal)?;
            let key = prediction.request.uuid.to_string();
            let record = FutureRecord::to(topic).key(&key).payload(&payload);
            // Queued in the client, which sends and retries in the background.
            if let Err((error, _)) = self.answers.send_result(record) {
                tracing::warn!(error = %error, "prediction event dropped");
            }
        }
        Ok(())
    }

    /// Commits what was answered and sends what is queued, then leaves the group.
    async fn leave(self) -> Result<()> {
        let timeout = self.deps.config.send_timeout;
        let (consumer, answers) = (Arc::clone(&self.consumer), self.answers.clone());
        let left = tokio::task::spawn_blocking(move || {
            use rdkafka::producer::Producer;
            if let Err(error) = answers.flush(timeout) {
                tracing::warn!(error = %error, "prediction events are not sent");
            }
            match consumer.commit_consumer_state(CommitMode::Sync) {
                Ok(())
                | Err(KafkaError::ConsumerCommit(rdkafka::types::RDKafkaErrorCode::NoOffset)) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "offsets are not committed, some requests are answered again")
                }
            }
            consumer.unsubscribe();
            // Closing waits for the broker, which must not block the runtime.
            drop(consumer);
        });
        drop(self);
        left.await
            .map_err(|error| Error::internal(format!("leaving the group: {error}")))
    }

    fn kafka_error(&self, action: &'static str, source: KafkaError) -> Error {
        Error::Kafka {
            action,
            topic: self.deps.config.request_topic.clone(),
            source,
        }
    }
}

fn subscribe(kafka: &KafkaConfig, config: &MlConfig) -> Result<StreamConsumer> {
    let fail = |source| Error::Kafka {
        action: "subscribing",
        topic: config.request_topic.clone(),
        source,
    };
    let wait = config.fetch_wait_ms.to_string();
    let settings = kafka.client(&[
        ("client.id", CLIENT_ID),
        ("group.id", &config.consumer_group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "earliest"),
        ("fetch.wait.max.ms", &wait),
        ("fetch.queue.backoff.ms", "10"),
        ("topic.metadata.refresh.interval.ms", "5000"),
        ("reconnect.backoff.max.ms", "1000"),
    ]);
    let consumer: StreamConsumer = settings.create().map_err(fail)?;
    consumer.subscribe(&[&config.request_topic]).map_err(fail)?;
    Ok(consumer)
}

fn is_fatal(error: &KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode::{
        Authentication, Fatal, GroupAuthorizationFailed, TopicAuthorizationFailed,
    };
    let fatal = [
        Authentication,
        Fatal,
        GroupAuthorizationFailed,
        TopicAuthorizationFailed,
    ];
    error
        .rdkafka_error_code()
        .is_some_and(|code| fatal.contains(&code))
}
