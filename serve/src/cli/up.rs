//! `lakehouse up`: everything in one process until Ctrl-C or SIGTERM.

use anyhow::{Context, Result};
use chrono::NaiveDate;
use clap::Args;

use super::Common;
use crate::{services, telemetry};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lakehouse up
  lakehouse up --http-port 0 --history-until 2013-12-01
  LAKEHOUSE__STORAGE__URL=s3://flights/lake lakehouse up")]
pub(super) struct UpArgs {
    /// Port of the SQL API and the Trino protocol; 0 = any free port [default: 8080]
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// First departure date that is not loaded [default: the whole year is]
    #[arg(long, value_name = "DATE")]
    history_until: Option<NaiveDate>,
}

#[expect(clippy::print_stderr, reason = "the newcomer's first lines")]
pub(super) async fn run(common: &Common, args: UpArgs) -> Result<()> {
    let mut config = common.load()?;
    if let Some(port) = args.http_port {
        config.http.port = port;
    }
    if args.history_until.is_some() {
        config.flights.history_until = args.history_until;
    }
    telemetry::init_logging(&config.log)?;

    let house = services::start(config).await?;
    eprintln!("\n  lakehouse is up");
    eprintln!("  status    {}/", house.url);
    eprintln!("  SQL       lakehouse sql --server {}", house.url);
    eprintln!(
        "  Trino     any client, {} (any user, catalog lake, schema flights)",
        house.url
    );
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
