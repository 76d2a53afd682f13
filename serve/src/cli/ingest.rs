//! `lakehouse ingest`: files into tables.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use ingest::history::{self, DataSource, LoadOptions};
use lake::{Lake, TableName};

use super::Common;

#[derive(Debug, Subcommand)]
pub(super) enum IngestCommand {
    /// Load Parquet, Arrow IPC, CSV or JSON files into an existing table; a file that was loaded is skipped
    #[command(after_help = "Example:
  lakehouse sql -e \"CREATE TABLE lake.flights.planes2 (tailnum varchar, seats integer)\"
  lakehouse ingest history planes.csv --table flights.planes2")]
    History {
        /// Files, each one source: its name and size are remembered in the table's log
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Table as `schema.table`
        #[arg(long, value_name = "TABLE")]
        table: TableName,
        /// Rows of one commit; fewer make more versions and smaller files
        #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
        commit_rows: Option<u64>,
    },
}

#[expect(clippy::print_stderr, reason = "the summary is for a person")]
pub(super) async fn run(common: &Common, command: IngestCommand) -> Result<()> {
    let IngestCommand::History {
        paths,
        table,
        commit_rows,
    } = command;
    let mut options = LoadOptions::default();
    if let Some(rows) = commit_rows {
        options.commit_rows = rows;
    }
    let config = common.load_quiet()?;
    let lake = Lake::open_with(&config.effective_storage(), config.lake.clone())
        .await
        .context("cannot open the lake")?;
    let table = lake.table(&table).await?;
    for path in paths {
        let source_id = DataSource::file_id(&path)?;
        let source = DataSource::Path(path.clone());
        let bar = progress_bar(history::count_rows(&source)?);
        let summary = history::load(&source, &table, &source_id, options, |done| {
            bar.set_position(done)
        })
        .await;
        bar.finish_and_clear();
        let summary = summary.with_context(|| format!("cannot load `{}`", path.display()))?;
        eprintln!(
            "{}: {} rows stored in {} commits, {} were there already",
            path.display(),
            summary.stored,
            summary.commits,
            summary.skipped
        );
    }
    Ok(())
}

/// Returns a bar with rows/s and, where the number of rows is known, the time left; hidden without a terminal.
fn progress_bar(rows: Option<u64>) -> ProgressBar {
    let (bar, template) = match rows {
        Some(rows) => (
            ProgressBar::new(rows),
            "{bar:30} {human_pos}/{human_len} rows {per_sec} ETA {eta}",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {human_pos} rows {per_sec}",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
