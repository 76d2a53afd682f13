//! Follows the promotion log: a newly promoted model is in service within one poll.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::PredictorProgress;
use crate::{LoadedModel, ModelRegistry, Result};

/// Puts every newly promoted model into `models` until `shutdown`. While the registry is not readable the
/// last model stays in service.
pub(super) async fn run(
    registry: ModelRegistry,
    every: Duration,
    progress: Arc<PredictorProgress>,
    models: watch::Sender<Option<Arc<LoadedModel>>>,
    shutdown: CancellationToken,
) {
    let mut ticks = interval(every.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let serving = models.borrow().as_ref().map(|model| model.card.model);
        match newer_than(&registry, serving).await {
            Ok(None) => {}
            Ok(Some(model)) => {
                let number = model.card.model;
                tracing::info!(model = number, replaced = serving, "model in service");
                metrics::gauge!(crate::metrics::MODEL).set(number as f64);
                progress.model.store(number, Ordering::Relaxed);
                models.send_replace(Some(Arc::new(model)));
            }
            Err(error) => {
                tracing::warn!(error = %error, "registry is not readable, the model stays")
            }
        }
    }
}

async fn newer_than(registry: &ModelRegistry, serving: Option<u64>) -> Result<Option<LoadedModel>> {
    match registry.promoted().await? {
        Some(number) if Some(number) != serving => registry.load(number).await.map(Some),
        _ => Ok(None),
    }
}
