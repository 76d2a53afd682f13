//! Keeps true what pages show of topics and outside systems.

use std::time::Duration;

use anyhow::Result;
use ingest::flights_data;
use ingest::lag::LagProbe;
use tokio::time::MissedTickBehavior;

use crate::status::{Health, TopicStatus};
use crate::telemetry::chain;
use crate::workers::{FLIGHTS_TABLE, Workers};

const INTERVAL: Duration = Duration::from_secs(2);

/// What is looked at.
pub(crate) struct Watch {
    workers: Workers,
    topics: Vec<(TopicStatus, LagProbe)>,
}

impl Watch {
    /// Prepares a probe for each topic this house reads.
    ///
    /// # Errors
    /// A setting of Kafka is not one of librdkafka's.
    pub(crate) fn new(workers: &Workers) -> Result<Self> {
        let config = &workers.config;
        let streams = config.streams().into_iter();
        let mut readers: Vec<_> = streams
            .map(|stream| {
                (
                    config.ingest.group(&stream.topic),
                    stream.topic,
                    stream.table,
                )
            })
            .collect();
        if config.flights.enabled {
            let (group, topic) = (
                config.ml.consumer_group.clone(),
                config.ml.request_topic.clone(),
            );
            readers.push((group, topic, "predictor".to_owned()));
        }
        let mut topics = Vec::new();
        for (group, topic, reader) in readers {
            let timeout = config.ingest.broker_timeout;
            let probe = LagProbe::new(&config.kafka, &topic, &group, timeout)?;
            let status = TopicStatus {
                topic,
                reader,
                records: 0,
                lag: 0,
            };
            topics.push((status, probe));
        }
        Ok(Self {
            workers: workers.clone(),
            topics,
        })
    }

    /// Looks every two seconds until the house stops.
    pub(crate) async fn run(self) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let looking = async {
            loop {
                interval.tick().await;
                self.note("kafka", self.measure().await);
                self.note("mongodb", self.ping().await);
                if let Err(error) = self.replayed().await {
                    tracing::debug!(error = %chain(error.as_ref()), "the replay cannot be measured");
                }
            }
        };
        tokio::select! {
            () = looking => {}
            () = self.workers.shutdown.cancelled() => {}
        }
    }

    fn note(&self, name: &str, outcome: Result<()>) {
        let health = match outcome {
            Ok(()) => Health::Running,
            Err(error) => Health::Degraded(chain(error.as_ref())),
        };
        self.workers.status.set_health(name, health);
    }

    async fn measure(&self) -> Result<()> {
        let (mut topics, mut outcome) = (Vec::new(), Ok(()));
        for (status, probe) in &self.topics {
            match probe.measure().await {
                Ok(measured) => topics.push(TopicStatus {
                    records: measured.records,
                    lag: measured.lag,
                    ..status.clone()
                }),
                // The others may still answer.
                Err(error) => outcome = Err(error.into()),
            }
        }
        self.workers.status.set_topics(topics);
        outcome
    }

    async fn ping(&self) -> Result<()> {
        Ok(self.workers.predictions.store().await?.ping().await?)
    }

    /// Reports how many of the flights to replay are stored.
    async fn replayed(&self) -> Result<()> {
        let workers = &self.workers;
        let config = &workers.config.flights;
        if !config.enabled || !config.replay || !workers.loaded.is_cancelled() {
            return Ok(());
        }
        let table = workers.table(FLIGHTS_TABLE).await?;
        let source = format!("producer/{}", flights_data::recording().lane);
        let stored = table.stored_offset(&source).await?.unwrap_or(0);
        let done = u64::try_from(stored)?.saturating_sub(workers.history_rows);
        let total = flights_data::FLIGHTS - workers.history_rows;
        workers.status.set_replay(done, total);
        Ok(())
    }
}
