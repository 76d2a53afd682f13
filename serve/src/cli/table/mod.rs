//! `lakehouse table …`: one table, on demand.
//!
//! Safe beside a running house: whatever is committed has one winner, and what a pin, the
//! retention or a query of the running house's last seven days needs is not removed.

mod derive;
mod maintain;
mod pins;
mod versions;

use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use lake::{Lake, LakeTable, Maintainer, MaintenanceConfig, TableName};

use super::Common;

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  lakehouse table optimize flights.flights --dry-run
  lakehouse table vacuum flights.flights --dry-run
  lakehouse table pin flights.flights --version 12 --owner report-2026-q1 --reason \"figures of the first quarter\"
  lakehouse table history flights.flights --limit 5")]
pub(super) enum TableCommand {
    /// Pack small files into large ones, or sort the table along several columns
    Optimize(maintain::OptimizeArgs),
    /// Delete files that no version within the retention, no pin and no running query needs
    Vacuum(maintain::VacuumArgs),
    /// Write a checkpoint of the log, and clean up what is older than its retention
    Checkpoint(maintain::CheckpointArgs),
    /// List the commits, the newest first
    History(versions::HistoryArgs),
    /// Make an older version the newest again
    Restore(derive::RestoreArgs),
    /// Make a table that shares the files of a version
    Clone(derive::CloneArgs),
    /// Make a Delta table of a folder of Parquet files, where they are
    Convert(derive::ConvertArgs),
    /// Keep a version for as long as somebody needs it
    Pin(pins::PinArgs),
    /// Let a pinned version go
    Unpin(pins::UnpinArgs),
    /// List the pins of a table or of all tables
    Pins(pins::PinsArgs),
}

/// Which table is meant.
#[derive(Debug, Args)]
struct TableArg {
    /// The table, as database.table
    #[arg(value_name = "DATABASE.TABLE")]
    table: TableName,
}

/// A table with what looks after it.
struct Target {
    table: LakeTable,
    maintainer: Maintainer,
}

pub(super) async fn run(common: &Common, command: TableCommand) -> Result<()> {
    match command {
        TableCommand::Optimize(args) => maintain::optimize(common, args).await,
        TableCommand::Vacuum(args) => maintain::vacuum(common, args).await,
        TableCommand::Checkpoint(args) => maintain::checkpoint(common, args).await,
        TableCommand::History(args) => versions::history(common, args).await,
        TableCommand::Restore(args) => derive::restore(common, args).await,
        TableCommand::Clone(args) => derive::clone(common, args).await,
        TableCommand::Convert(args) => derive::convert(common, args).await,
        TableCommand::Pin(args) => pins::pin(common, args).await,
        TableCommand::Unpin(args) => pins::unpin(common, args).await,
        TableCommand::Pins(args) => pins::list(common, args).await,
    }
}

/// Opens the configured lake.
async fn open_lake(common: &Common) -> Result<(Arc<Lake>, MaintenanceConfig)> {
    let config = common.load_quiet()?;
    super::sql::require_lake(&config)?;
    let lake = Lake::open_with(&config.effective_storage(), config.lake.clone())
        .await
        .context("cannot open the lake")?;
    // Somebody waits for it, so it may use the machine.
    Ok((lake, config.maintenance.on_demand()))
}

impl Target {
    async fn open(common: &Common, name: &TableName) -> Result<Self> {
        let (lake, config) = open_lake(common).await?;
        Self::over(lake, config, name).await
    }

    async fn over(lake: Arc<Lake>, config: MaintenanceConfig, name: &TableName) -> Result<Self> {
        let table = lake.table(name).await?;
        Ok(Self {
            table,
            maintainer: Maintainer::new(lake, config),
        })
    }
}

/// Returns bytes as people read them.
fn human(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
