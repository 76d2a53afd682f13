//! `lakehouse tables`: what the lake holds.

use std::io::Write;

use anyhow::{Context, Result};
use clap::Args;
use lake::{AsOf, Lake, OpenTable};

use super::Common;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lakehouse tables --data-dir ./lakehouse-data")]
pub(super) struct TablesArgs {}

/// What is printed of a table; a table of files has its format instead of a version, and what was
/// counted last.
struct Row {
    version: String,
    rows: Option<u64>,
    files: Option<u64>,
    bytes: Option<u64>,
    location: String,
}

pub(super) async fn run(common: &Common, _args: TablesArgs) -> Result<()> {
    let config = common.load_quiet()?;
    let lake = Lake::open_with(&config.effective_storage(), config.lake.clone())
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
            let row = match lake.open_table(&entry.name).await? {
                OpenTable::Delta(table) => {
                    let snapshot = table.snapshot(AsOf::Latest).await?;
                    Row {
                        version: snapshot.version().to_string(),
                        rows: snapshot.row_count(),
                        files: Some(snapshot.file_count() as u64),
                        bytes: Some(snapshot.total_bytes()),
                        location: table.url().to_string(),
                    }
                }
                OpenTable::Files(table) => {
                    let counted = entry.statistics.as_ref();
                    Row {
                        version: entry.format.to_string(),
                        rows: counted.and_then(|counted| counted.rows),
                        files: counted.map(|counted| counted.files),
                        bytes: counted.map(|counted| counted.bytes),
                        location: table.url().to_string(),
                    }
                }
            };
            let known = |number: Option<u64>| {
                number.map_or_else(|| "?".to_owned(), |number| number.to_string())
            };
            let megabytes = row.bytes.map(|bytes| format!("{:.1}", bytes as f64 / 1e6));
            writeln!(
                out,
                "{:<32} {:>8} {:>12} {:>7} {:>10}  {}",
                entry.name.to_string(),
                row.version,
                known(row.rows),
                known(row.files),
                megabytes.unwrap_or_else(|| "?".to_owned()),
                row.location,
            )?;
        }
    }
    Ok(())
}
