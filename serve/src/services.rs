//! Starts and stops the whole house.
//!
//! ```text
//! start   stand-ins -> storage -> catalog -> SQL engine -> tables -> HTTP doors -> workers
//! stop    workers first (they store what they have), then the doors, then the stand-ins
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use lake::Lake;
use ml::ModelRegistry;
use query::QueryEngine;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::embedded::{Embedded, Endpoints};
use crate::predictions::Predictions;
use crate::status::{Health, Status};
use crate::workers::Workers;
use crate::{flights, telemetry, web};

/// How long the doors may take to finish what they serve.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);
/// How long workers may take to store what they have.
const WORKERS_DEADLINE: Duration = Duration::from_secs(20);

/// A running lakehouse.
#[derive(Debug)]
pub struct House {
    /// The SQL engine all doors share.
    pub engine: QueryEngine,
    /// What the services are doing.
    pub status: Arc<Status>,
    /// Base URL of the doors.
    pub url: String,
    /// Where the tables are.
    pub storage_url: String,
    /// Bootstrap servers of the Kafka in use.
    pub kafka: String,
    /// URI of the MongoDB in use, without credentials.
    pub mongodb: String,
    /// URI of the Hive metastore; none when it is not served.
    pub hive_metastore: Option<String>,
    data_dir: PathBuf,
    embedded: Embedded,
    /// Cancelled first: whatever writes returns.
    workers: CancellationToken,
    /// Cancelled second: no new requests.
    doors: CancellationToken,
    worker_tasks: TaskTracker,
    door_tasks: TaskTracker,
}

/// Starts everything `config` asks for and returns once the HTTP door answers.
///
/// # Errors
/// Whatever cannot heal by itself: a port in use, a folder that cannot be written, an unsafe store.
pub async fn start(mut config: Config) -> Result<House> {
    config.check()?;
    let metrics = telemetry::metrics_handle()?;
    let status = Status::new();

    // Ports are taken first: they are the most frequent conflict and the cheapest to report.
    let host = config.http.host.parse().context("`http.host`")?;
    let address = SocketAddr::new(host, config.http.port);
    let (listener, bound) = bind(address).await?;
    let url = format!("http://{bound}");
    let metastore = config.query.hive_metastore.clone();
    let metastore_listener = match metastore.enabled {
        true => {
            let host = metastore.host.parse();
            let host = host.context("`query.hive_metastore.host`")?;
            Some(bind(SocketAddr::new(host, metastore.port)).await?)
        }
        false => None,
    };
    let hive_metastore = metastore_listener
        .as_ref()
        .map(|(_, bound)| format!("thrift://{bound}"));

    let lake = Lake::open_with(&config.effective_storage(), config.lake.clone())
        .await
        .context("cannot open the lake")?;
    let storage_url = lake.storage().root_url().to_string();
    let is_folder = storage_url.starts_with("file:");
    let kind = if is_folder { "folder" } else { "object store" };
    status.set_service("storage", kind, &storage_url, Health::Running);
    let engine =
        QueryEngine::new(lake, config.query.clone()).context("cannot start the SQL engine")?;
    let registry = ModelRegistry::new(engine.lake().storage().object_store());
    flights::create_tables(&engine, &config.flights).await?;

    let embedded = Embedded::start(&mut config).await?;
    let kind = |is_embedded| if is_embedded { "stand-in" } else { "external" };
    let kafka = config.kafka.brokers.clone();
    let mongodb = without_credentials(&config.mongodb.uri);
    let (broker, documents) = (kind(embedded.has_broker()), kind(embedded.has_documents()));
    status.set_service("kafka", broker, &kafka, Health::Starting);
    status.set_service("mongodb", documents, &mongodb, Health::Starting);
    let endpoints = Endpoints {
        http: url.clone(),
        kafka: kafka.clone(),
        mongodb: mongodb.clone(),
        hive_metastore: hive_metastore.clone(),
    };
    endpoints.write(&config.data_dir)?;

    let config = Arc::new(config);
    let predictions = Arc::new(Predictions::new(
        registry,
        config.kafka.clone(),
        config.ml.clone(),
        config.mongodb.clone(),
    ));
    let (stop_workers, doors) = (CancellationToken::new(), CancellationToken::new());
    let (worker_tasks, door_tasks) = (TaskTracker::new(), TaskTracker::new());
    let is_loopback = address.ip().is_loopback();
    let router = web::router(web::Web {
        engine: engine.clone(),
        status: Arc::clone(&status),
        metrics,
        predictions: Arc::clone(&predictions),
        flights: config.flights.enabled,
        url: url.clone(),
    })
    .merge(query::trino::router(engine.clone()))
    .layer(axum::middleware::from_fn(move |request, next| {
        web::same_site::guard(is_loopback, request, next)
    }));
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(doors.clone().cancelled_owned());
    door_tasks.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(error = %error, "http door failed");
        }
    });
    status.set_service("http", "built in", &url, Health::Running);
    if let (Some((listener, _)), Some(uri)) = (metastore_listener, &hive_metastore) {
        let lake = Arc::clone(engine.lake());
        let serving = query::hive_metastore::run(listener, lake, metastore, doors.clone());
        door_tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(error = %error, "hive metastore failed");
            }
        });
        status.set_service("hive metastore", "built in", uri, Health::Running);
    }

    let workers = Workers::new(
        Arc::clone(&config),
        engine.clone(),
        Arc::clone(&status),
        predictions,
        stop_workers.clone(),
    )?;
    workers.start(&worker_tasks)?;
    worker_tasks.close();
    door_tasks.close();
    tracing::info!(url = %url, lake = %storage_url, kafka = %kafka, "lakehouse is up");
    Ok(House {
        engine,
        status,
        url,
        storage_url,
        kafka,
        mongodb,
        hive_metastore,
        data_dir: config.data_dir.clone(),
        embedded,
        workers: stop_workers,
        doors,
        worker_tasks,
        door_tasks,
    })
}

impl House {
    /// Stops the workers, then the doors, then the stand-ins; returns when all have drained or the deadlines passed.
    pub async fn stop(self) {
        Endpoints::remove(&self.data_dir);
        self.workers.cancel();
        let drained = tokio::time::timeout(WORKERS_DEADLINE, self.worker_tasks.wait()).await;
        if drained.is_err() {
            tracing::warn!(services = ?self.busy(), "still busy; they go on from their last commit at the next start");
        }
        self.doors.cancel();
        self.engine.registry().shutdown().await;
        let drained = tokio::time::timeout(DRAIN_DEADLINE, self.door_tasks.wait()).await;
        if drained.is_err() {
            tracing::warn!("requests are still running and are cut off");
        }
        self.embedded.shutdown().await;
        tracing::info!("lakehouse is down");
    }

    fn busy(&self) -> Vec<String> {
        let built_in = self.status.snapshot().services.into_iter();
        let busy = built_in.filter(|service| {
            service.kind == "built in"
                && service.name != "http"
                && service.name != "hive metastore"
                && service.health == Health::Running
        });
        busy.map(|service| service.name).collect()
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on `{address}`"))?;
    let bound = listener
        .local_addr()
        .context("cannot read the bound address")?;
    Ok((listener, bound))
}

/// Returns `uri` without user and password.
fn without_credentials(uri: &str) -> String {
    match url::Url::parse(uri) {
        Ok(mut url) if !url.username().is_empty() => {
            let stripped = url.set_password(None).and_then(|()| url.set_username(""));
            stripped.map_or_else(|()| String::new(), |()| url.to_string())
        }
        _ => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_shown() {
        let uri = "mongodb://user:hush@db.example:27017/x";
        assert_eq!(without_credentials(uri), "mongodb://db.example:27017/x");
        let plain = "mongodb://127.0.0.1:9/?directConnection=true";
        assert_eq!(without_credentials(plain), plain);
    }
}
