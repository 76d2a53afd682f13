//! What works in the background while the doors are open.
//!
//! ```text
//! history ──> ingest flight-events <── replay          ingest <topic>, one for each configured stream
//!        └──> training: a fast model at once, then a better one
//!             predictor: requests of the form and of anyone else
//! maintenance: small files packed, old ones removed, on all tables
//! watch: how far topics are read, and whether Kafka and MongoDB answer
//! ```
//!
//! Each runs under [`supervise`]: a failure makes it degraded, is logged, and is retried with growing pauses, so that
//! a broker, a database or a store that comes back heals without us.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use chrono::Utc;
use futures::FutureExt;
use ingest::StreamConfig;
use ingest::pipeline::{Pipeline, PipelineDeps, ensure_topic};
use ingest::{flights_data, replay};
use lake::maintenance::RoundReport;
use lake::{AsOf, LakeTable, Maintainer, TableName};
use ml::predictor::{self, PredictorDeps, PredictorProgress};
use ml::train::{TrainRequest, train};
use ml::{Learner, requests};
use query::QueryEngine;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::flights;
use crate::predictions::Predictions;
use crate::status::{Health, Status};
use crate::telemetry::chain;
use crate::watch::Watch;

pub(crate) const FLIGHTS_TABLE: &str = "flights.flights";
const MAINTENANCE: &str = "maintenance";
/// Decides the sample a fast model learns from.
pub(crate) const SEED: u64 = 2013;

/// What the workers share.
#[derive(Clone)]
pub(crate) struct Workers {
    pub(crate) config: Arc<Config>,
    pub(crate) engine: QueryEngine,
    pub(crate) status: Arc<Status>,
    pub(crate) predictions: Arc<Predictions>,
    pub(crate) shutdown: CancellationToken,
    /// Flights that are history; the others are replayed.
    pub(crate) history_rows: u64,
    /// Cancelled once the history is in: what comes after it may begin.
    pub(crate) loaded: CancellationToken,
}

impl Workers {
    pub(crate) fn new(
        config: Arc<Config>,
        engine: QueryEngine,
        status: Arc<Status>,
        predictions: Arc<Predictions>,
        shutdown: CancellationToken,
    ) -> Result<Self> {
        Ok(Self {
            history_rows: flights::history_rows(&config.flights)?,
            config,
            engine,
            status,
            predictions,
            shutdown,
            loaded: CancellationToken::new(),
        })
    }

    /// Starts all that the configuration asks for.
    ///
    /// # Errors
    /// A setting of Kafka is not one of librdkafka's.
    pub(crate) fn start(&self, tasks: &TaskTracker) -> Result<()> {
        let config = &self.config;
        for stream in config.streams() {
            let name = format!("ingest {}", stream.topic);
            let address = format!("{} → {}", stream.topic, stream.table);
            self.spawn(tasks, &name, &address, move |workers, ready| {
                workers.ingest(stream.clone(), ready)
            });
        }
        if config.flights.enabled {
            let address = "flights of 2013";
            self.spawn(tasks, "history", address, Self::history);
            if config.flights.replay {
                let address = format!("flights of 2013, speed {}", config.flights.replay_speed);
                self.spawn(tasks, "replay", &address, Self::replay);
            }
            self.spawn(tasks, "training", "flight_delay", Self::train);
            let address = format!(
                "{} → {}",
                config.ml.request_topic, config.mongodb.collection
            );
            self.spawn(tasks, "predictor", &address, Self::predict);
        }
        if config.maintenance.enabled {
            let address = "all tables";
            self.spawn(tasks, MAINTENANCE, address, Self::maintain);
        }
        let watch = Watch::new(self)?;
        tasks.spawn(watch.run());
        Ok(())
    }

    fn spawn<F, Fut>(&self, tasks: &TaskTracker, name: &str, address: &str, service: F)
    where
        F: Fn(Self, Ready) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let status = Arc::clone(&self.status);
        status.set_service(name, "built in", address, Health::Starting);
        let ready = Ready {
            name: name.to_owned(),
            status,
        };
        let workers = self.clone();
        tasks.spawn(async move {
            let shutdown = workers.shutdown.clone();
            supervise(ready.clone(), shutdown, || {
                service(workers.clone(), ready.clone())
            })
            .await;
        });
    }

    async fn history(self, ready: Ready) -> Result<()> {
        ready.now();
        let load = flights::load(&self.engine, self.history_rows, &self.status);
        // A load cut off goes on from its last commit at the next start.
        tokio::select! {
            loaded = load => loaded?,
            () = self.shutdown.cancelled() => return Ok(()),
        }
        self.loaded.cancel();
        Ok(())
    }

    pub(crate) async fn table(&self, name: &str) -> Result<LakeTable> {
        let name: TableName = name.parse()?;
        Ok(self.engine.lake().table(&name).await?)
    }

    /// Waits for the history; false when the house stops first.
    async fn is_loaded(&self) -> bool {
        tokio::select! {
            () = self.loaded.cancelled() => true,
            () = self.shutdown.cancelled() => false,
        }
    }

    async fn ingest(self, stream: StreamConfig, ready: Ready) -> Result<()> {
        // Replayed flights continue the numbering of the loaded ones.
        if stream.topic == self.config.flights.topic
            && self.config.flights.enabled
            && !self.is_loaded().await
        {
            return Ok(());
        }
        let deps = PipelineDeps {
            kafka: self.config.kafka.clone(),
            config: self.config.ingest.clone(),
            table: self.table(&stream.table).await?,
            topic: stream.topic,
            dead_letters: self.table("ingest.dead_letters").await?,
            progress: Arc::default(),
        };
        let pipeline = Pipeline::connect(deps).await?;
        ready.now();
        Ok(pipeline.run(self.shutdown).await?)
    }

    async fn replay(self, ready: Ready) -> Result<()> {
        if !self.is_loaded().await {
            return Ok(());
        }
        let (kafka, topic) = (&self.config.kafka, &self.config.flights.topic);
        ensure_topic(kafka, topic, self.config.ingest.broker_timeout).await?;
        ready.now();
        let table = self.table(FLIGHTS_TABLE).await?;
        let speed = self.config.flights.replay_speed;
        let recording = flights_data::recording();
        Ok(replay::run(recording, kafka, topic, &table, speed, self.shutdown).await?)
    }

    /// Trains a fast model when there is none, and a better one when the one in service is a fast one.
    async fn train(self, ready: Ready) -> Result<()> {
        if !self.is_loaded().await {
            return Ok(());
        }
        ready.now();
        let registry = self.predictions.registry();
        for (learner, does) in [
            (Learner::Fast, "a first model from a sample"),
            (Learner::Full, "a better model from all flights"),
        ] {
            if let Some(model) = registry.promoted().await? {
                let in_service = registry.card(model).await?.learner;
                if in_service == Learner::Full || in_service == learner {
                    continue;
                }
            }
            self.status.set_training(does);
            let request = TrainRequest {
                as_of: AsOf::Latest,
                learner,
                seed: SEED,
                created_at: Utc::now(),
                code_revision: code_revision(),
            };
            let training = train(&self.engine, registry, &self.config.ml, request);
            let trained = tokio::select! {
                trained = training => trained,
                () = self.shutdown.cancelled() => return Ok(()),
            };
            self.status.set_training("");
            registry.promote(trained?.model, Utc::now()).await?;
        }
        Ok(())
    }

    async fn predict(self, ready: Ready) -> Result<()> {
        let kafka = self.predictions.kafka().clone();
        requests::ensure_topics(&kafka, &self.config.ml).await?;
        let deps = PredictorDeps {
            registry: self.predictions.registry().clone(),
            store: self.predictions.store().await?.clone(),
            kafka,
            config: self.config.ml.clone(),
            progress: Arc::new(PredictorProgress::default()),
        };
        ready.now();
        Ok(predictor::run(deps, self.shutdown).await?)
    }
}

impl Workers {
    async fn maintain(self, ready: Ready) -> Result<()> {
        // Models that are older than pins are protected before anything is removed.
        self.predictions.registry().pin_versions().await?;
        ready.now();
        let lake = Arc::clone(self.engine.lake());
        let maintainer = Maintainer::new(lake, self.config.maintenance.clone());
        let report = |round: &RoundReport| {
            let told = round.to_string();
            self.status
                .set_service(MAINTENANCE, "built in", &told, Health::Running);
        };
        Ok(maintainer.run(self.shutdown.clone(), report).await?)
    }
}

/// Returns the revision this binary was built from, where the build was told it.
pub(crate) fn code_revision() -> Option<String> {
    option_env!("LAKEHOUSE_REVISION").map(str::to_owned)
}

/// Lets a service say that it works.
#[derive(Clone)]
pub(crate) struct Ready {
    name: String,
    status: Arc<Status>,
}

impl Ready {
    fn now(&self) {
        self.status.set_health(&self.name, Health::Running);
    }
}

/// Runs `service` again and again until it returns `Ok` or `shutdown` is cancelled.
async fn supervise<F, Fut>(ready: Ready, shutdown: CancellationToken, service: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let Ready { name, status } = ready;
    let mut pause = Duration::from_secs(1);
    loop {
        let began = tokio::time::Instant::now();
        // A bug in one service must not leave it shown as running.
        let outcome = AssertUnwindSafe(service()).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow!("it panicked, which is a bug")));
        let Err(error) = outcome else { break };
        if began.elapsed() > Duration::from_secs(60) {
            pause = Duration::from_secs(1);
        }
        let reason = chain(error.as_ref());
        tracing::warn!(service = name, error = %reason, pause_s = pause.as_secs(), "service failed, retrying");
        status.set_health(&name, Health::Degraded(reason));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => break,
        }
        pause = (pause * 2).min(Duration::from_secs(30));
    }
    let is_over = !shutdown.is_cancelled();
    let health = if is_over {
        Health::Finished
    } else {
        Health::Stopped
    };
    status.set_health(&name, health);
}
