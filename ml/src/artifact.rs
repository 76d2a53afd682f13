//! What is stored of a model: the artifact that answers, and the card that says where it came from.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::buckets::CLASSES;
use crate::evaluate::{Baseline, Metrics, most_likely};
use crate::features::{FeaturePipeline, Flight};
use crate::models::LogisticModel;
use crate::{Error, Result};

/// Layout of the stored artifact; another number is refused.
const FORMAT: u32 = 1;

/// How much a training run may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learner {
    /// A fit on a sample, within a second or two: something to answer with.
    Fast,
    /// A fit on all training rows.
    Full,
}

impl Learner {
    /// Returns the name used in cards and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "logistic, fast sample",
            Self::Full => "logistic",
        }
    }
}

/// Pipeline and model in one piece: neither means anything without the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    format: u32,
    pipeline: FeaturePipeline,
    model: LogisticModel,
}

impl Artifact {
    /// Joins a fitted pipeline and a model fitted on its rows.
    pub fn new(pipeline: FeaturePipeline, model: LogisticModel) -> Self {
        Self {
            format: FORMAT,
            pipeline,
            model,
        }
    }

    /// Returns the feature pipeline.
    pub fn pipeline(&self) -> &FeaturePipeline {
        &self.pipeline
    }

    /// Returns the probability of each arrival-delay bucket.
    pub fn probabilities(&self, flight: &Flight<'_>) -> [f64; CLASSES] {
        self.model.probabilities(&self.pipeline.encode(flight))
    }

    /// Returns the stored form: the same artifact always gives the same bytes.
    ///
    /// # Errors
    /// None that a fitted artifact can cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(Error::internal)
    }

    /// Reads the stored form; `path` is for the message.
    ///
    /// # Errors
    /// Damaged bytes, another format, or a model that does not fit its pipeline.
    pub fn from_bytes(bytes: &[u8], path: &str) -> Result<Self> {
        let damaged = |reason: String| Error::DamagedModel {
            path: path.to_owned(),
            reason,
        };
        let artifact: Self =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if artifact.format != FORMAT {
            return Err(damaged(format!(
                "format {} is not {FORMAT}",
                artifact.format
            )));
        }
        if !artifact.model.takes_width(artifact.pipeline.width()) {
            return Err(damaged("its weights do not fit its features".to_owned()));
        }
        Ok(artifact)
    }
}

/// Where a model came from and how good it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Number in the registry; 0 before it is published.
    pub model: u64,
    /// How it was fitted.
    pub learner: Learner,
    /// Table of the training rows.
    pub table: String,
    /// Version of the table.
    pub table_version: u64,
    /// Statement that read the rows.
    pub sql: String,
    /// SHA-256 of the statement.
    pub sql_sha256: String,
    /// Seed of everything random.
    pub seed: u64,
    /// The features by name.
    pub features: Vec<String>,
    /// Every column of the encoded row, in order.
    pub feature_layout: Vec<String>,
    /// Rows the model was fitted on.
    pub train_rows: u64,
    /// Rows it was tested on.
    pub test_rows: u64,
    /// First test day; training days lie before it.
    pub split_date: NaiveDate,
    /// Scores on the test days.
    pub metrics: Metrics,
    /// Scores of answers without a model on the same days.
    pub baselines: Vec<Baseline>,
    /// SHA-256 of the stored artifact.
    pub artifact_sha256: String,
    /// When the training ended.
    pub created_at: DateTime<Utc>,
    /// Revision of the program, where known.
    pub code_revision: Option<String>,
}

impl ModelCard {
    /// Returns the scores of the baseline called `name`.
    pub fn baseline(&self, name: &str) -> Option<&Baseline> {
        self.baselines.iter().find(|baseline| baseline.name == name)
    }

    /// Checks that the model beats the majority class, in accuracy and in log-loss.
    ///
    /// # Errors
    /// It does not, or the card has no such baseline.
    pub fn check_beats_majority(&self) -> Result<()> {
        let majority = self.baseline("majority");
        let majority_accuracy = majority.map_or(1.0, |baseline| baseline.accuracy);
        let majority_log_loss = majority
            .and_then(|baseline| baseline.log_loss)
            .unwrap_or(0.0);
        // Written so that a score that is not a number does not pass.
        if self.metrics.accuracy > majority_accuracy && self.metrics.log_loss < majority_log_loss {
            return Ok(());
        }
        Err(Error::WorseThanBaseline {
            model: self.model,
            accuracy: self.metrics.accuracy,
            log_loss: self.metrics.log_loss,
            majority_accuracy,
            majority_log_loss,
        })
    }
}

/// A published model, ready to answer.
#[derive(Debug, Clone)]
pub struct LoadedModel {
    /// Its card.
    pub card: ModelCard,
    /// Pipeline and model.
    pub artifact: Artifact,
}

impl LoadedModel {
    /// Returns the most likely class and the probability of each.
    pub fn predict(&self, flight: &Flight<'_>) -> (usize, [f64; CLASSES]) {
        let probabilities = self.artifact.probabilities(flight);
        (most_likely(&probabilities), probabilities)
    }
}

/// Numbers as text that reads back to the very same bits, which JSON numbers do not promise.
pub(crate) mod exact_floats {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        values: &[f64],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let words: Vec<String> = values.iter().map(ToString::to_string).collect();
        serializer.serialize_str(&words.join(" "))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<f64>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.split_ascii_whitespace()
            .map(|word| {
                word.parse()
                    .map_err(|_| D::Error::custom(format!("`{word}` is not a number")))
            })
            .collect()
    }
}
