//! How good a model is on days it has not seen, and how good answers without a model are.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use linfa::metrics::ToConfusionMatrix;
use ndarray::Array1;
use serde::{Deserialize, Serialize};

use crate::buckets::{CLASSES, bucket};
use crate::training_set::Example;
use crate::{Error, Result};

/// Probabilities below this are counted as this, so that one certain and wrong answer is not infinitely bad.
const SMALLEST_PROBABILITY: f64 = 1e-15;

/// Scores on the test days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Share of right answers.
    pub accuracy: f64,
    /// Mean of the classes' F1 scores.
    pub macro_f1: f64,
    /// Mean negative logarithm of the probability given to what happened.
    pub log_loss: f64,
    /// Rows: what happened; columns: what was predicted.
    pub confusion: Vec<Vec<u64>>,
}

/// An answer without a model, scored on the same days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// `majority` or `dep_delay_rule`.
    pub name: String,
    /// What it does, in words.
    pub does: String,
    /// Share of right answers.
    pub accuracy: f64,
    /// Mean of the classes' F1 scores.
    pub macro_f1: f64,
    /// Log-loss, where the baseline gives probabilities.
    pub log_loss: Option<f64>,
}

/// Returns the first test day: the last `test_fraction` of the days are for testing.
///
/// # Errors
/// Fewer than two days, so that nothing could be tested.
pub fn split_date(days: &BTreeSet<NaiveDate>, test_fraction: f64) -> Result<NaiveDate> {
    let not_enough = || Error::NotEnoughData {
        reason: format!(
            "{} days of flights cannot be split into training and test days",
            days.len()
        ),
    };
    if days.len() < 2 {
        return Err(not_enough());
    }
    let fraction = test_fraction.clamp(0.0, 1.0);
    let test_days = ((days.len() as f64 * fraction).round() as usize).clamp(1, days.len() - 1);
    days.iter()
        .nth(days.len() - test_days)
        .copied()
        .ok_or_else(not_enough)
}

/// Scores predicted probabilities against what happened.
///
/// # Errors
/// There is nothing to score.
pub fn evaluate(classes: &[usize], probabilities: &[[f64; CLASSES]]) -> Result<Metrics> {
    let predicted: Vec<usize> = probabilities.iter().map(most_likely).collect();
    let (accuracy, macro_f1, confusion) = score_labels(classes, &predicted)?;
    let loss: f64 = classes
        .iter()
        .zip(probabilities)
        .map(|(class, row)| {
            -row.get(*class)
                .copied()
                .unwrap_or(0.0)
                .clamp(SMALLEST_PROBABILITY, 1.0)
                .ln()
        })
        .sum();
    Ok(Metrics {
        accuracy,
        macro_f1,
        log_loss: loss / classes.len() as f64,
        confusion,
    })
}

/// Scores the baselines: learned from `train`, tested on `test`.
///
/// # Errors
/// One of the two is empty.
pub fn baselines(train: &[Example<'_>], test: &[Example<'_>]) -> Result<Vec<Baseline>> {
    let classes: Vec<usize> = test.iter().map(Example::class).collect();
    Ok(vec![
        majority(train, &classes)?,
        dep_delay_rule(train, test, &classes)?,
    ])
}

/// Returns the class with the highest probability; the first of equals.
pub fn most_likely(probabilities: &[f64; CLASSES]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > best.1 {
            best = (class, *probability);
        }
    }
    best.0
}

fn majority(train: &[Example<'_>], classes: &[usize]) -> Result<Baseline> {
    let mut shares = [0.0; CLASSES];
    for example in train {
        if let Some(share) = shares.get_mut(example.class()) {
            *share += 1.0 / train.len() as f64;
        }
    }
    let metrics = evaluate(classes, &vec![shares; classes.len()])?;
    Ok(Baseline {
        name: "majority".to_owned(),
        does: "always answers the most frequent class of the training days".to_owned(),
        accuracy: metrics.accuracy,
        macro_f1: metrics.macro_f1,
        log_loss: Some(metrics.log_loss),
    })
}

fn dep_delay_rule(
    train: &[Example<'_>],
    test: &[Example<'_>],
    classes: &[usize],
) -> Result<Baseline> {
    let gains: f64 = train
        .iter()
        .map(|example| example.arr_delay - example.flight.dep_delay)
        .sum();
    let mean_gain = gains / train.len().max(1) as f64;
    let predicted: Vec<usize> = test
        .iter()
        .map(|example| bucket(example.flight.dep_delay + mean_gain))
        .collect();
    let (accuracy, macro_f1, _) = score_labels(classes, &predicted)?;
    Ok(Baseline {
        name: "dep_delay_rule".to_owned(),
        does: format!(
            "answers the bucket of DepDelay {mean_gain:+.2} minutes, the mean gain in the air"
        ),
        accuracy,
        macro_f1,
        log_loss: None,
    })
}

fn score_labels(classes: &[usize], predicted: &[usize]) -> Result<(f64, f64, Vec<Vec<u64>>)> {
    if classes.is_empty() {
        return Err(Error::NotEnoughData {
            reason: "there is no test flight".to_owned(),
        });
    }
    let truth = Array1::from(classes.to_vec());
    let matrix = Array1::from(predicted.to_vec())
        .confusion_matrix(&truth)
        .map_err(|error| Error::internal(format!("confusion matrix: {error}")))?;
    let accuracy = f64::from(matrix.accuracy());

    let mut confusion = vec![vec![0_u64; CLASSES]; CLASSES];
    for (class, answer) in classes.iter().zip(predicted) {
        if let Some(cell) = confusion
            .get_mut(*class)
            .and_then(|row| row.get_mut(*answer))
        {
            *cell += 1;
        }
    }
    Ok((accuracy, macro_f1(&confusion), confusion))
}

/// linfa's F1 of several classes is the F1 of mean precision and mean recall; this is the mean of F1.
fn macro_f1(confusion: &[Vec<u64>]) -> f64 {
    let total = confusion.iter().enumerate().map(|(class, row)| {
        let right = row.get(class).copied().unwrap_or(0) as f64;
        let happened: u64 = row.iter().sum();
        let answered: u64 = confusion.iter().filter_map(|row| row.get(class)).sum();
        let sum = (happened + answered) as f64;
        if sum == 0.0 { 0.0 } else { 2.0 * right / sum }
    });
    total.sum::<f64>() / CLASSES as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_agree_with_a_calculation_by_hand() {
        let sure = |class: usize| {
            let mut row = [0.1; CLASSES];
            row[class] = 0.7;
            row
        };
        let metrics = evaluate(&[0, 1, 2, 2], &[sure(0), sure(1), sure(2), sure(3)]).unwrap();
        assert!((metrics.accuracy - 0.75).abs() < 1e-9);
        let by_hand = (3.0 * -(0.7_f64.ln()) - 0.1_f64.ln()) / 4.0;
        assert!((metrics.log_loss - by_hand).abs() < 1e-12);
        assert!((metrics.macro_f1 - (1.0 + 1.0 + 2.0 / 3.0) / 4.0).abs() < 1e-12);
        assert_eq!(metrics.confusion[2], [0, 0, 1, 1]);
    }

    #[test]
    fn the_last_days_are_for_testing() {
        let days: BTreeSet<_> = (1..=10)
            .map(|day| NaiveDate::from_yo_opt(2013, day).unwrap())
            .collect();
        assert_eq!(
            split_date(&days, 0.2).unwrap(),
            NaiveDate::from_yo_opt(2013, 9).unwrap()
        );
        let one = days.into_iter().take(1).collect();
        assert!(matches!(
            split_date(&one, 0.2),
            Err(Error::NotEnoughData { .. })
        ));
    }
}
