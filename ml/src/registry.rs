//! Models on the lake: numbered, never changed, with a log of promotions.
//!
//! ```text
//! models/flight_delay/000012/model.json       put-if-absent: takes the number
//! _pins/flights.flights/…-model-flight_delay-12.json  put-if-absent: keeps the version it was trained from
//! models/flight_delay/000012/card.json        put-if-absent: makes the model visible
//! models/flight_delay/promotions/000003.json  put-if-absent: the last one names the model in service
//! ```
//!
//! A number whose card is missing was abandoned by a publisher that died; it is skipped for ever.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use lake::maintenance::pins::{Pin, Pins};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::artifact::{Artifact, LoadedModel, ModelCard};
use crate::{Error, Result};

const ROOT: &str = "models/flight_delay";

/// Races a publisher may lose before it gives up.
const MAX_ATTEMPTS: u64 = 100;

/// The flight-delay models of one lake.
#[derive(Debug, Clone)]
pub struct ModelRegistry {
    store: Arc<dyn ObjectStore>,
}

/// An entry of the promotion log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// The model that is in service from then on.
    pub model: u64,
    /// When.
    pub promoted_at: DateTime<Utc>,
}

impl ModelRegistry {
    /// Returns the registry on the lake whose object store is given.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Stores a model under the next free number and returns its card with that number.
    ///
    /// # Errors
    /// The store fails, or other publishers win every race.
    #[tracing::instrument(name = "ml.publish", skip_all, err)]
    pub async fn publish(&self, artifact: &Artifact, mut card: ModelCard) -> Result<ModelCard> {
        let bytes = Bytes::from(artifact.to_bytes()?);
        let first = self
            .numbers(&Path::from(ROOT))
            .await?
            .last()
            .copied()
            .unwrap_or(0)
            + 1;
        for number in first..first + MAX_ATTEMPTS {
            if !self
                .put_if_absent(&model_path(number), bytes.clone())
                .await?
            {
                continue;
            }
            card.model = number;
            // Before the model can be seen: whoever sees it can also see its training rows.
            self.pin_version(&card).await?;
            let text = serde_json::to_vec_pretty(&card).map_err(Error::internal)?;
            if !self.put_if_absent(&card_path(number), text.into()).await? {
                return Err(Error::internal(format!("card {number} exists without us")));
            }
            tracing::info!(
                model = number,
                accuracy = card.metrics.accuracy,
                "model published"
            );
            return Ok(card);
        }
        Err(Error::RegistryContended {
            action: "publishing a model",
        })
    }

    /// Pins the table versions of all models, so that maintenance keeps them. Publishing does
    /// it for each new model; this is for models that were published before there were pins.
    ///
    /// # Errors
    /// The store fails or a card is damaged.
    pub async fn pin_versions(&self) -> Result<()> {
        for card in self.list().await? {
            self.pin_version(&card).await?;
        }
        Ok(())
    }

    async fn pin_version(&self, card: &ModelCard) -> Result<()> {
        let failed = |source| Error::Lake {
            action: "pinning the version a model was trained from",
            source: Box::new(source),
        };
        let pin = Pin {
            table: card.table.parse().map_err(failed)?,
            version: card.table_version,
            owner: format!("model-flight_delay-{}", card.model),
            reason: "a registered model was trained from it".to_owned(),
            created_at: card.created_at,
            expires_at: None,
        };
        let pins = Pins::new(Arc::clone(&self.store));
        pins.pin(&pin).await.map_err(failed)
    }

    /// Returns the cards of all models, oldest first.
    ///
    /// # Errors
    /// The store fails or a card is damaged.
    pub async fn list(&self) -> Result<Vec<ModelCard>> {
        let mut cards = Vec::new();
        for number in self.numbers(&Path::from(ROOT)).await? {
            cards.extend(self.read::<ModelCard>(&card_path(number)).await?);
        }
        Ok(cards)
    }

    /// Returns the card of one model.
    ///
    /// # Errors
    /// There is no such model, or the store fails.
    pub async fn card(&self, number: u64) -> Result<ModelCard> {
        match self.read(&card_path(number)).await? {
            Some(card) => Ok(card),
            None => Err(self.not_found(number).await?),
        }
    }

    /// Loads one model.
    ///
    /// # Errors
    /// There is no such model, it is damaged, or the store fails.
    pub async fn load(&self, number: u64) -> Result<LoadedModel> {
        let card = self.card(number).await?;
        let path = model_path(number);
        let Some(bytes) = self.get(&path).await? else {
            return Err(self.not_found(number).await?);
        };
        let artifact = Artifact::from_bytes(&bytes, path.as_ref())?;
        Ok(LoadedModel { card, artifact })
    }

    /// Puts a model into service.
    ///
    /// # Errors
    /// The model does not beat the majority class, does not exist, or the store fails.
    #[tracing::instrument(name = "ml.promote", skip(self, now), err)]
    pub async fn promote(&self, number: u64, now: DateTime<Utc>) -> Result<()> {
        self.card(number).await?.check_beats_majority()?;
        let entry = Promotion {
            model: number,
            promoted_at: now,
        };
        let bytes = Bytes::from(serde_json::to_vec_pretty(&entry).map_err(Error::internal)?);
        let first = self.last_promotion().await?.unwrap_or(0) + 1;
        for sequence in first..first + MAX_ATTEMPTS {
            if self
                .put_if_absent(&promotion_path(sequence), bytes.clone())
                .await?
            {
                tracing::info!(model = number, "model promoted");
                return Ok(());
            }
        }
        Err(Error::RegistryContended {
            action: "promoting a model",
        })
    }

    /// Returns the number of the model in service.
    ///
    /// # Errors
    /// The store fails or the log is damaged.
    pub async fn promoted(&self) -> Result<Option<u64>> {
        let Some(sequence) = self.last_promotion().await? else {
            return Ok(None);
        };
        let entry: Option<Promotion> = self.read(&promotion_path(sequence)).await?;
        Ok(entry.map(|promotion| promotion.model))
    }

    async fn last_promotion(&self) -> Result<Option<u64>> {
        Ok(self
            .numbers(&Path::from(format!("{ROOT}/promotions")))
            .await?
            .last()
            .copied())
    }

    /// Returns the numbers used directly below `folder`, in order.
    async fn numbers(&self, folder: &Path) -> Result<Vec<u64>> {
        let fail = store_error("listing", folder);
        let listing = self
            .store
            .list_with_delimiter(Some(folder))
            .await
            .map_err(fail)?;
        let objects = listing.objects.iter().map(|object| &object.location);
        let mut numbers: Vec<u64> = listing
            .common_prefixes
            .iter()
            .chain(objects)
            .filter_map(|path| path.filename()?.trim_end_matches(".json").parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    async fn put_if_absent(&self, path: &Path, bytes: Bytes) -> Result<bool> {
        let put = self
            .store
            .put_opts(path, PutPayload::from_bytes(bytes), PutMode::Create.into());
        match put.await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(store_error("writing", path)(error)),
        }
    }

    async fn get(&self, path: &Path) -> Result<Option<Bytes>> {
        let found = match self.store.get(path).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(store_error("reading", path)(error)),
        };
        let chunks: Vec<Bytes> = found
            .into_stream()
            .try_collect()
            .await
            .map_err(store_error("reading", path))?;
        Ok(Some(chunks.concat().into()))
    }

    async fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>> {
        let Some(bytes) = self.get(path).await? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&bytes);
        value.map(Some).map_err(|error| Error::DamagedModel {
            path: path.to_string(),
            reason: error.to_string(),
        })
    }

    async fn not_found(&self, model: u64) -> Result<Error> {
        let known = self
            .list()
            .await?
            .into_iter()
            .map(|card| card.model)
            .collect();
        Ok(Error::ModelNotFound { model, known })
    }
}

fn model_path(number: u64) -> Path {
    Path::from(format!("{ROOT}/{number:06}/model.json"))
}

fn card_path(number: u64) -> Path {
    Path::from(format!("{ROOT}/{number:06}/card.json"))
}

fn promotion_path(sequence: u64) -> Path {
    Path::from(format!("{ROOT}/promotions/{sequence:06}.json"))
}

fn store_error(action: &'static str, path: &Path) -> impl FnOnce(object_store::Error) -> Error {
    let path = path.to_string();
    move |source| Error::RegistryStore {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests;
