use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int32Array, RecordBatch, StringViewArray};

use super::*;

/// A year of flights whose arrival delay follows the departure delay, the carrier and some noise.
pub(crate) fn flights(rows: usize) -> TrainingSet {
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % below) as i32
    };
    let carriers = ["AA", "B6", "UA"];
    let (mut dep, mut date, mut carrier, mut arr) = (vec![], vec![], vec![], vec![]);
    for row in 0..rows {
        let (delay, which) = (next(120) - 20, next(3));
        dep.push(delay);
        date.push(15_706 + (row * 365 / rows) as i32);
        carrier.push(carriers[which as usize]);
        arr.push(delay + 10 * (which - 1) + next(20) - 10);
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("dep_delay", Arc::new(Int32Array::from(dep))),
        ("distance", Arc::new(Int32Array::from(vec![760; rows]))),
        ("flight_date", Arc::new(Date32Array::from(date))),
        ("carrier", Arc::new(StringViewArray::from(carrier))),
        ("origin", Arc::new(StringViewArray::from(vec!["JFK"; rows]))),
        ("dest", Arc::new(StringViewArray::from(vec!["BOS"; rows]))),
        ("arr_delay", Arc::new(Int32Array::from(arr))),
    ];
    TrainingSet::from_batches(&[RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
}

#[test]
fn two_runs_give_the_same_bytes_and_beat_the_majority() {
    let set = flights(1500);
    let config = MlConfig {
        fast_rows: 800,
        fast_iterations: 20,
        ..MlConfig::default()
    };
    let first = fit(&set, Learner::Fast, 1, &config).unwrap();
    let second = fit(&set, Learner::Fast, 1, &config).unwrap();
    assert_eq!(
        first.artifact.to_bytes().unwrap(),
        second.artifact.to_bytes().unwrap()
    );
    let other_seed = fit(&set, Learner::Fast, 2, &config).unwrap();
    assert_ne!(
        first.artifact.to_bytes().unwrap(),
        other_seed.artifact.to_bytes().unwrap()
    );

    let majority = first
        .baselines
        .iter()
        .find(|baseline| baseline.name == "majority")
        .unwrap();
    assert!(
        first.metrics.accuracy > majority.accuracy + 0.2,
        "{:?}",
        first.metrics
    );
    assert!(
        first.metrics.log_loss < majority.log_loss.unwrap() / 2.0,
        "{:?}",
        first.metrics
    );
    assert_eq!((first.train_rows, first.test_rows), (800, 300));
}

#[test]
fn a_stored_artifact_answers_as_the_fitted_one() {
    let set = flights(400);
    let config = MlConfig {
        full_iterations: 5,
        ..MlConfig::default()
    };
    let fitted = fit(&set, Learner::Full, 1, &config).unwrap().artifact;
    let bytes = fitted.to_bytes().unwrap();
    let stored = Artifact::from_bytes(&bytes, "here").unwrap();
    assert_eq!(stored.to_bytes().unwrap(), bytes);
    for example in set.examples() {
        let answer = stored.probabilities(&example.flight);
        assert_eq!(answer, fitted.probabilities(&example.flight));
        assert!((answer.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
    let half = &bytes[..bytes.len() / 2];
    assert!(matches!(
        Artifact::from_bytes(half, "here"),
        Err(Error::DamagedModel { .. })
    ));
}

#[test]
fn a_table_without_flights_is_refused() {
    let empty = TrainingSet::from_batches(&[]).unwrap();
    let outcome = fit(&empty, Learner::Fast, 1, &MlConfig::default());
    assert!(matches!(outcome, Err(Error::NotEnoughData { .. })));
}
