//! `lakehouse tables`: what the lake holds.

use std::io::Write;

use anyhow::{Context, Result};
use clap::Args;
use lake::{AsOf, Lake};

use super::Common;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lakehouse tables --data-dir ./lakehouse-data")]
pub(super) struct TablesArgs {}

pub(super) async fn run(common: &Common, _args: TablesArgs) -> Result<()> {
    let config = common.load_quiet()?;
    let lake = Lake::open(&config.effective_storage())
        .await
        .context("cannot open the lake")?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<32} {:>8} {:>12} {:>7} {:>10}  LOCATION",
        "TABLE", "VERSION", "ROWS", "FILES", "MB"
    )?;
    for database in lake.catalog().databases().await? {
        for entry in lake.catalog().tables(&database.name).await? {
            let table = lake.table(&entry.name).await?;
            let snapshot = table.snapshot(AsOf::Latest).await?;
            let rows = snapshot
                .row_count()
                .map_or_else(|| "?".to_owned(), |rows| rows.to_string());
            writeln!(
                out,
                "{:<32} {:>8} {:>12} {:>7} {:>10.1}  {}",
                entry.name.to_string(),
                snapshot.version(),
                rows,
                snapshot.file_count(),
                snapshot.total_bytes() as f64 / 1e6,
                table.url(),
            )?;
        }
    }
    Ok(())
}
