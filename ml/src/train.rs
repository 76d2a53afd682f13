//! From a table version to a published model.
//!
//! ```text
//! training_set::load -> split by day -> fit pipeline and model on the earlier days
//!                                    -> score model and baselines on the later days -> registry
//! ```

use std::collections::BTreeSet;
use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};
use lake::AsOf;
use query::QueryEngine;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};

use crate::artifact::{Artifact, Learner, ModelCard};
use crate::evaluate::{Baseline, Metrics, baselines, evaluate, split_date};
use crate::features::{FLIGHT_FEATURES, FeaturePipeline, Flight};
use crate::models::LogisticModel;
use crate::training_set::{self, Example, FLIGHT_DELAY_SQL, TrainingSet};
use crate::{Error, MlConfig, ModelRegistry, Result};

/// What to train from and how.
#[derive(Debug, Clone)]
pub struct TrainRequest {
    /// State of the table; resolved to one version before anything is read.
    pub as_of: AsOf,
    /// How much the run may cost.
    pub learner: Learner,
    /// Picks the sample, where one is taken.
    pub seed: u64,
    /// Goes into the card.
    pub created_at: DateTime<Utc>,
    /// Goes into the card.
    pub code_revision: Option<String>,
}

/// A fitted model with its scores, not yet published.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Pipeline and model.
    pub artifact: Artifact,
    /// Scores on the test days.
    pub metrics: Metrics,
    /// Scores without a model.
    pub baselines: Vec<Baseline>,
    /// First test day.
    pub split_date: NaiveDate,
    /// Rows the model was fitted on.
    pub train_rows: usize,
    /// Rows it was tested on.
    pub test_rows: usize,
}

/// Trains a model and publishes it; promotion is a separate decision.
///
/// # Errors
/// The rows cannot be read, are too few, or the registry fails.
#[tracing::instrument(name = "ml.train", skip_all, fields(learner = request.learner.name()), err)]
pub async fn train(
    engine: &QueryEngine,
    registry: &ModelRegistry,
    config: &MlConfig,
    request: TrainRequest,
) -> Result<ModelCard> {
    let started = Instant::now();
    let (set, provenance) = training_set::load(engine, FLIGHT_DELAY_SQL, request.as_of).await?;
    let (settings, learner, seed) = (config.clone(), request.learner, request.seed);
    let trained = tokio::task::spawn_blocking(move || fit(&set, learner, seed, &settings))
        .await
        .map_err(|error| Error::internal(format!("the training task ended early: {error}")))??;

    let bytes = trained.artifact.to_bytes()?;
    let card = ModelCard {
        model: 0,
        learner: request.learner,
        table: provenance.table,
        table_version: provenance.table_version,
        sql: provenance.sql,
        sql_sha256: provenance.sql_sha256,
        seed: request.seed,
        features: FLIGHT_FEATURES.map(str::to_owned).to_vec(),
        feature_layout: trained.artifact.pipeline().layout(),
        train_rows: trained.train_rows as u64,
        test_rows: trained.test_rows as u64,
        split_date: trained.split_date,
        metrics: trained.metrics,
        baselines: trained.baselines,
        artifact_sha256: Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        created_at: request.created_at,
        code_revision: request.code_revision,
    };
    let card = registry.publish(&trained.artifact, card).await?;
    let elapsed = started.elapsed();
    metrics::histogram!(crate::metrics::TRAINING, "learner" => request.learner.name())
        .record(elapsed.as_secs_f64());
    tracing::info!(
        model = card.model,
        table_version = card.table_version,
        train_rows = card.train_rows,
        accuracy = card.metrics.accuracy,
        log_loss = card.metrics.log_loss,
        elapsed_ms = elapsed.as_millis() as u64,
        "model trained"
    );
    Ok(card)
}

/// Fits and scores; the result depends on nothing but the arguments. Blocks for as long as it takes.
///
/// # Errors
/// Too few rows, or the learner gives up.
pub fn fit(set: &TrainingSet, learner: Learner, seed: u64, config: &MlConfig) -> Result<Trained> {
    let days: BTreeSet<NaiveDate> = set.examples().map(|example| example.flight.date).collect();
    let split = split_date(&days, config.test_fraction)?;
    let (train, test): (Vec<Example<'_>>, Vec<Example<'_>>) = set
        .examples()
        .partition(|example| example.flight.date < split);
    let baselines = baselines(&train, &test)?;

    let (limit, iterations) = match learner {
        Learner::Fast => (config.fast_rows, config.fast_iterations),
        Learner::Full => (config.full_rows, config.full_iterations),
    };
    let train = sample(train, limit, seed);
    let flights: Vec<Flight<'_>> = train.iter().map(|example| example.flight).collect();
    let pipeline = FeaturePipeline::fit(&flights)?;
    let targets = train.iter().map(Example::class).collect();
    let model = LogisticModel::fit(pipeline.encode_batch(&flights), targets, iterations)?;
    let artifact = Artifact::new(pipeline, model);

    let classes: Vec<usize> = test.iter().map(Example::class).collect();
    let probabilities: Vec<_> = test
        .iter()
        .map(|example| artifact.probabilities(&example.flight))
        .collect();
    let metrics = evaluate(&classes, &probabilities)?;
    Ok(Trained {
        artifact,
        metrics,
        baselines,
        split_date: split,
        train_rows: train.len(),
        test_rows: test.len(),
    })
}

/// Keeps at most `limit` rows, chosen by the seed, in their order.
fn sample<T>(rows: Vec<T>, limit: usize, seed: u64) -> Vec<T> {
    if rows.len() <= limit {
        return rows;
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut keep = vec![false; rows.len()];
    for index in rand::seq::index::sample(&mut random, rows.len(), limit) {
        if let Some(flag) = keep.get_mut(index) {
            *flag = true;
        }
    }
    rows.into_iter()
        .zip(keep)
        .filter_map(|(row, kept)| kept.then_some(row))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
