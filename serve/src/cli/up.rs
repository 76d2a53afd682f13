//! `lakehouse up`: everything in one process until Ctrl-C or SIGTERM.

use ::ingest::replay::ReplaySpeed;
use anyhow::{Context, Result};
use chrono::NaiveDate;
use clap::Args;

use super::Common;
use crate::{services, telemetry};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lakehouse up
  lakehouse up --replay-speed max
  lakehouse up --http-port 0 --no-replay
  LAKEHOUSE__KAFKA__BROKERS=kafka:9092 LAKEHOUSE__STORAGE__URL=s3://flights/lake lakehouse up")]
pub(super) struct UpArgs {
    /// Port of pages, SQL API and Trino protocol; 0 = any free port [default: 8080]
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// Port of the Hive metastore; 0 = any free port [default: 9083, or any free one with --http-port 0]
    #[arg(long, value_name = "PORT", conflicts_with = "no_metastore")]
    metastore_port: Option<u16>,
    /// Do not serve the Hive metastore
    #[arg(long)]
    no_metastore: bool,
    /// First departure date that arrives through Kafka instead of as history [default: 2013-12-01]
    #[arg(long, value_name = "DATE", conflicts_with = "no_replay")]
    history_until: Option<NaiveDate>,
    /// Hours of 2013 in a second, or `max` [default: 1]
    #[arg(long, value_name = "X", conflicts_with = "no_replay")]
    replay_speed: Option<ReplaySpeed>,
    /// Load the whole year as history
    #[arg(long)]
    no_replay: bool,
}

#[expect(clippy::print_stderr, reason = "the newcomer's first lines")]
pub(super) async fn run(common: &Common, args: UpArgs) -> Result<()> {
    let mut config = common.load()?;
    if let Some(port) = args.http_port {
        config.http.port = port;
    }
    let metastore = &mut config.query.hive_metastore;
    metastore.enabled &= !args.no_metastore;
    // Whoever wants any port runs several houses.
    let any = args.http_port.filter(|port| *port == 0);
    metastore.port = args.metastore_port.or(any).unwrap_or(metastore.port);
    let flights = &mut config.flights;
    flights.history_until = args.history_until.unwrap_or(flights.history_until);
    flights.replay_speed = args.replay_speed.unwrap_or(flights.replay_speed);
    flights.replay &= !args.no_replay;
    let flights = flights.enabled;
    telemetry::init_logging(&config.log)?;

    let house = services::start(config).await?;
    eprintln!("\n  lakehouse is up");
    eprintln!("  pages     {}/", house.url);
    if flights {
        eprintln!("  predict   {}/flights/delays/predict_kafka", house.url);
    }
    eprintln!("  SQL       lakehouse sql --server {}", house.url);
    eprintln!(
        "  Trino     any client, {} (any user, catalog lake, schema flights)",
        house.url
    );
    if let Some(uri) = &house.hive_metastore {
        eprintln!("  Hive      {uri} (metastore for Spark, Trino and others)");
    }
    eprintln!("  Kafka     {}", house.kafka);
    eprintln!(
        "  Ctrl-C stops it; what was stored stays in {}\n",
        house.storage_url
    );

    stop_signal().await?;
    eprintln!("stopping …");
    house.stop().await;
    Ok(())
}

async fn stop_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.context("cannot handle Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
