//! Multinomial logistic regression, fitted by linfa with L-BFGS in f64.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::artifact::exact_floats;
use crate::buckets::CLASSES;
use crate::{Error, Result};

/// Strength of the L2 penalty: keeps rare categories near zero.
const ALPHA: f64 = 1.0;

/// A fitted model: one linear score per class, turned into probabilities by softmax.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogisticModel {
    /// Classes that occurred in training; the others get probability zero.
    classes: Vec<usize>,
    #[serde(with = "exact_floats")]
    intercepts: Vec<f64>,
    /// Feature after feature, one weight per class.
    #[serde(with = "exact_floats")]
    weights: Vec<f64>,
}

impl LogisticModel {
    /// Fits the model; the result depends on nothing but the arguments.
    ///
    /// # Errors
    /// Fewer than two classes, or values the solver cannot use.
    pub fn fit(rows: Array2<f64>, targets: Vec<usize>, max_iterations: u64) -> Result<Self> {
        let first = targets.first().copied();
        if targets.iter().all(|class| Some(*class) == first) {
            let reason = "all training flights are in one delay bucket".to_owned();
            return Err(Error::NotEnoughData { reason });
        }
        let dataset = DatasetBase::new(rows, Array1::from(targets));
        let fitted = MultiLogisticRegression::default()
            .alpha(ALPHA)
            .max_iterations(max_iterations)
            .fit(&dataset)
            .map_err(|error| Error::Fit {
                reason: error.to_string(),
            })?;
        let model = Self {
            classes: fitted.classes().to_vec(),
            intercepts: fitted.intercept().to_vec(),
            weights: fitted.params().iter().copied().collect(),
        };
        let finite = model
            .weights
            .iter()
            .chain(&model.intercepts)
            .all(|value| value.is_finite());
        if !finite {
            return Err(Error::Fit {
                reason: "the solver diverged".to_owned(),
            });
        }
        Ok(model)
    }

    /// Returns the probability of each class for one encoded row.
    pub fn probabilities(&self, row: &[f64]) -> [f64; CLASSES] {
        let mut scores = self.intercepts.clone();
        for (value, weights) in row
            .iter()
            .zip(self.weights.chunks_exact(scores.len().max(1)))
        {
            // Most of a row is one-hot zeros.
            if *value != 0.0 {
                scores
                    .iter_mut()
                    .zip(weights)
                    .for_each(|(score, weight)| *score += value * weight);
            }
        }
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let parts: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
        let total: f64 = parts.iter().sum();
        let mut probabilities = [0.0; CLASSES];
        for (class, part) in self.classes.iter().zip(parts) {
            if let Some(probability) = probabilities.get_mut(*class) {
                *probability = part / total;
            }
        }
        probabilities
    }

    /// Returns whether the model fits rows of `width` columns.
    pub fn takes_width(&self, width: usize) -> bool {
        !self.classes.is_empty()
            && self.intercepts.len() == self.classes.len()
            && self.weights.len() == width * self.classes.len()
            && self.classes.iter().all(|class| *class < CLASSES)
    }
}
