//! The built-in application: the tables of `sql/tables` and the flights of 2013 in them.

use std::sync::Arc;

use anyhow::{Context, Result};
use ingest::{flights_data, history};
use lake::TableName;
use query::{QueryEngine, SqlLibrary};

use crate::config::FlightsConfig;
use crate::status::Status;

/// Creates the tables; those that exist stay as they are.
pub(crate) async fn create_tables(engine: &QueryEngine) -> Result<()> {
    let library = SqlLibrary::load().context("cannot load the SQL files")?;
    for file in library.folder("tables") {
        let created = engine.execute_script(&file.sql).await;
        created.with_context(|| format!("cannot run `sql/{}.sql`", file.name))?;
    }
    Ok(())
}

/// Loads the embedded files into their tables, from where an earlier load stopped.
pub(crate) async fn load(
    engine: QueryEngine,
    config: FlightsConfig,
    status: Arc<Status>,
) -> Result<()> {
    let until = match config.history_until {
        Some(date) => flights_data::flights_before(date)?,
        None => flights_data::FLIGHTS,
    };
    for file in flights_data::files() {
        let name = TableName::new("flights", file.table)?;
        let table = engine.lake().table(&name).await?;
        let limit = (file.table == "flights").then_some(until);
        let report = |done| {
            if file.table == "flights" {
                status.set_history(done, until);
            }
        };
        let summary = history::load(&file.source(), &table, &file.source_id(), limit, report).await;
        let summary = summary.with_context(|| format!("cannot load the {} of 2013", file.table))?;
        report(summary.skipped + summary.stored);
        tracing::info!(table = %name, stored = summary.stored, skipped = summary.skipped, "history loaded");
    }
    Ok(())
}
