use object_store::memory::InMemory;

use super::*;
use crate::artifact::Learner;
use crate::evaluate::{Baseline, Metrics};
use crate::train::{self, Trained};
use crate::{LoadedModel, MlConfig};

fn trained() -> (Artifact, ModelCard) {
    let config = MlConfig {
        fast_iterations: 5,
        ..MlConfig::default()
    };
    let Trained {
        artifact,
        metrics,
        baselines,
        split_date,
        train_rows,
        test_rows,
    } = train::fit(&train::tests::flights(300), Learner::Fast, 1, &config).unwrap();
    let card = ModelCard {
        model: 0,
        learner: Learner::Fast,
        table: "flights.flights".into(),
        table_version: 3,
        sql: "select 1".into(),
        sql_sha256: String::new(),
        seed: 1,
        features: vec![],
        feature_layout: artifact.pipeline().layout(),
        train_rows: train_rows as u64,
        test_rows: test_rows as u64,
        split_date,
        metrics,
        baselines,
        artifact_sha256: String::new(),
        created_at: DateTime::UNIX_EPOCH,
        code_revision: None,
    };
    (artifact, card)
}

fn registry() -> ModelRegistry {
    ModelRegistry::new(Arc::new(InMemory::new()))
}

#[tokio::test]
async fn publishers_at_the_same_time_get_different_numbers() {
    let (registry, (artifact, card)) = (registry(), trained());
    let publish = || registry.publish(&artifact, card.clone());
    let (a, b, c) = tokio::join!(publish(), publish(), publish());
    let mut numbers = [a.unwrap().model, b.unwrap().model, c.unwrap().model];
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3]);
    let listed: Vec<u64> = registry
        .list()
        .await
        .unwrap()
        .iter()
        .map(|card| card.model)
        .collect();
    assert_eq!(listed, [1, 2, 3]);
}

#[tokio::test]
async fn the_last_promotion_is_in_service() {
    let (registry, (artifact, card)) = (registry(), trained());
    assert_eq!(registry.promoted().await.unwrap(), None);
    for _ in 0..2 {
        registry.publish(&artifact, card.clone()).await.unwrap();
    }
    for model in [1, 2, 1] {
        registry.promote(model, DateTime::UNIX_EPOCH).await.unwrap();
        assert_eq!(registry.promoted().await.unwrap(), Some(model));
    }
    let LoadedModel {
        card,
        artifact: stored,
    } = registry.load(1).await.unwrap();
    assert_eq!((card.model, stored), (1, artifact));
}

#[tokio::test]
async fn a_model_no_better_than_the_majority_is_not_promoted() {
    let (registry, (artifact, mut card)) = (registry(), trained());
    card.metrics = Metrics {
        accuracy: 0.3,
        macro_f1: 0.2,
        log_loss: f64::MAX,
        confusion: vec![],
    };
    card.baselines = vec![Baseline {
        name: "majority".into(),
        does: String::new(),
        accuracy: 0.4,
        macro_f1: 0.1,
        log_loss: Some(1.3),
    }];
    let published = registry.publish(&artifact, card.clone()).await.unwrap();
    let refused = registry
        .promote(published.model, DateTime::UNIX_EPOCH)
        .await;
    assert!(matches!(
        refused,
        Err(Error::WorseThanBaseline { model: 1, .. })
    ));
    assert_eq!(registry.promoted().await.unwrap(), None);
    card.metrics.accuracy = 0.5;
    assert!(
        card.check_beats_majority().is_err(),
        "a worse log-loss alone is enough to refuse"
    );
}

#[tokio::test]
async fn an_unknown_model_names_those_that_exist() {
    let (registry, (artifact, card)) = (registry(), trained());
    registry.publish(&artifact, card).await.unwrap();
    let missing = registry.promote(9, DateTime::UNIX_EPOCH).await;
    assert!(matches!(missing, Err(Error::ModelNotFound { model: 9, known }) if known == [1]));
}

#[tokio::test]
async fn the_version_a_model_was_trained_from_is_pinned() {
    let (registry, (artifact, card)) = (registry(), trained());
    registry.publish(&artifact, card).await.unwrap();
    let pins = Pins::new(Arc::clone(&registry.store));
    let pinned = pins.list(None).await.unwrap();
    let told: Vec<_> = pinned
        .iter()
        .map(|pin| (pin.table.to_string(), pin.version, pin.owner.as_str()))
        .collect();
    assert_eq!(
        told,
        [("flights.flights".to_owned(), 3, "model-flight_delay-1")]
    );
    let table = pinned[0].table.clone();
    pins.unpin(&table, 3, "model-flight_delay-1").await.unwrap();
    registry.pin_versions().await.unwrap();
    assert_eq!(pins.list(Some(&table)).await.unwrap(), pinned);
}
