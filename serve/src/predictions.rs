//! The form's way to the predictor and back.
//!
//! Connections are made when first needed and kept; an outside system that is away fails the request and not the
//! house, and is tried again by the next request.

use chrono::Utc;
use ingest::KafkaConfig;
use ml::requests::{FlightFacts, PredictionRequest, RequestProducer};
use ml::{MlConfig, ModelRegistry, MongoConfig, PredictionStore, RequestStatus};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Where requests go and answers are found.
#[derive(Debug)]
pub(crate) struct Predictions {
    registry: ModelRegistry,
    kafka: KafkaConfig,
    ml: MlConfig,
    mongodb: MongoConfig,
    store: OnceCell<PredictionStore>,
    producer: OnceCell<RequestProducer>,
}

impl Predictions {
    /// Returns a way that is not connected yet.
    #[must_use]
    pub(crate) fn new(
        registry: ModelRegistry,
        kafka: KafkaConfig,
        ml: MlConfig,
        mongodb: MongoConfig,
    ) -> Self {
        Self {
            registry,
            kafka,
            ml,
            mongodb,
            store: OnceCell::new(),
            producer: OnceCell::new(),
        }
    }

    /// Returns the models.
    #[must_use]
    pub(crate) fn registry(&self) -> &ModelRegistry {
        &self.registry
    }

    /// Returns how Kafka is reached.
    #[must_use]
    pub(crate) fn kafka(&self) -> &KafkaConfig {
        &self.kafka
    }

    /// Returns the prediction store.
    ///
    /// # Errors
    /// It does not answer in time.
    pub(crate) async fn store(&self) -> ml::Result<&PredictionStore> {
        let connect = || PredictionStore::connect(&self.mongodb);
        self.store.get_or_try_init(connect).await
    }

    /// Issues a request and returns its id.
    ///
    /// It is recorded and sent when the id is returned, so that an id the browser knows is never unknown to us.
    ///
    /// # Errors
    /// The prediction store or the broker does not answer in time.
    pub(crate) async fn submit(&self, facts: FlightFacts) -> ml::Result<Uuid> {
        let request = PredictionRequest::new(facts, Uuid::new_v4(), Utc::now());
        let store = self.store().await?;
        let connect = || async { RequestProducer::connect(&self.kafka, &self.ml) };
        let producer = self.producer.get_or_try_init(connect).await?;
        tokio::try_join!(store.record_request(&request), producer.send(&request))?;
        Ok(request.uuid)
    }

    /// Returns what is known of an id.
    ///
    /// # Errors
    /// The prediction store does not answer in time.
    pub(crate) async fn status(&self, id: Uuid) -> ml::Result<RequestStatus> {
        self.store().await?.status(id).await
    }
}
