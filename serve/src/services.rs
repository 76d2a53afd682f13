//! Starts and stops the whole house.
//!
//! ```text
//! start   storage -> catalog -> SQL engine -> HTTP doors -> tables -> history, in the background
//! stop    the loader first, then the doors
//! ```
//!
//! A background service runs under `supervise`: a failure makes it degraded, is logged, and is retried with
//! growing pauses, so that a store that comes back heals without us.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use lake::Lake;
use query::QueryEngine;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::status::{Health, Status};
use crate::{flights, telemetry, web};

/// How long services may take to finish what they do.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

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
    /// Cancelled first: whatever writes returns.
    writers: CancellationToken,
    /// Cancelled second: no new requests.
    doors: CancellationToken,
    writer_tasks: TaskTracker,
    door_tasks: TaskTracker,
}

/// Starts everything `config` asks for and returns once the HTTP door answers.
///
/// # Errors
/// Whatever cannot heal by itself: a port in use, a folder that cannot be written, an unsafe store.
pub async fn start(config: Config) -> Result<House> {
    config.check()?;
    let metrics = telemetry::metrics_handle()?;
    let status = Status::new();

    // The port is taken first: it is the most frequent conflict and the cheapest to report.
    let address = SocketAddr::new(
        config.http.host.parse().context("`http.host`")?,
        config.http.port,
    );
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on `{address}`"))?;
    let url = format!(
        "http://{}",
        listener
            .local_addr()
            .context("cannot read the bound address")?
    );

    let lake = Lake::open(&config.effective_storage())
        .await
        .context("cannot open the lake")?;
    let storage_url = lake.storage().root_url().to_string();
    let kind = if storage_url.starts_with("file:") {
        "folder"
    } else {
        "object store"
    };
    status.set_service("storage", kind, &storage_url, Health::Running);
    let engine =
        QueryEngine::new(lake, config.query.clone()).context("cannot start the SQL engine")?;
    if config.flights.enabled {
        flights::create_tables(&engine).await?;
    }

    let (writers, doors) = (CancellationToken::new(), CancellationToken::new());
    let (writer_tasks, door_tasks) = (TaskTracker::new(), TaskTracker::new());
    let is_loopback = address.ip().is_loopback();
    let router = web::router(engine.clone(), Arc::clone(&status), metrics)
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

    if config.flights.enabled {
        status.set_service("history", "built in", "flights of 2013", Health::Starting);
        let (engine, flights, loading) =
            (engine.clone(), config.flights.clone(), Arc::clone(&status));
        let load = move || flights::load(engine.clone(), flights.clone(), Arc::clone(&loading));
        writer_tasks.spawn(supervise(
            "history",
            Arc::clone(&status),
            writers.clone(),
            load,
        ));
    }
    writer_tasks.close();
    door_tasks.close();
    tracing::info!(url = %url, lake = %storage_url, "lakehouse is up");
    Ok(House {
        engine,
        status,
        url,
        storage_url,
        writers,
        doors,
        writer_tasks,
        door_tasks,
    })
}

impl House {
    /// Stops the loader, then the doors; returns when all have drained or the deadline passed.
    pub async fn stop(self) {
        self.writers.cancel();
        if tokio::time::timeout(DRAIN_DEADLINE, self.writer_tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                "the loader is still busy; it goes on from its last commit at the next start"
            );
        }
        self.doors.cancel();
        self.engine.registry().shutdown().await;
        if tokio::time::timeout(DRAIN_DEADLINE, self.door_tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("requests are still running and are cut off");
        }
        tracing::info!("lakehouse is down");
    }
}

/// Runs `service` again and again until it returns `Ok` or `shutdown` is cancelled.
async fn supervise<F, Fut>(
    name: &'static str,
    status: Arc<Status>,
    shutdown: CancellationToken,
    mut service: F,
) where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let mut pause = Duration::from_secs(1);
    while !shutdown.is_cancelled() {
        status.set_health(name, Health::Running);
        let outcome = tokio::select! {
            outcome = service() => outcome,
            () = shutdown.cancelled() => break,
        };
        let Err(error) = outcome else {
            status.set_health(name, Health::Finished);
            return;
        };
        let reason = format!("{error:#}");
        tracing::warn!(service = name, error = %reason, pause_s = pause.as_secs(), "service failed, retrying");
        status.set_health(name, Health::Degraded(reason));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
        pause = (pause * 2).min(Duration::from_secs(30));
    }
    status.set_health(name, Health::Stopped);
}
