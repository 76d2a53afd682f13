//! The built-in application: the tables of `sql/tables` and the flights of 2013 in them.

use anyhow::{Context, Result};
use ingest::flights_data;
use ingest::history::{self, LoadOptions};
use lake::TableName;
use query::{QueryEngine, SqlLibrary};

use crate::config::FlightsConfig;
use crate::status::Status;

/// Creates the tables; those that exist stay as they are.
pub(crate) async fn create_tables(engine: &QueryEngine, config: &FlightsConfig) -> Result<()> {
    let library = SqlLibrary::load().context("cannot load the SQL files")?;
    for file in library.folder("tables") {
        // Dead letters are for any topic.
        if config.enabled || file.name == "tables/dead_letters" {
            let created = engine.execute_script(&file.sql).await;
            created.with_context(|| format!("cannot run `sql/{}.sql`", file.name))?;
        }
    }
    Ok(())
}

/// Returns how many flights are history; the others arrive through Kafka.
pub(crate) fn history_rows(config: &FlightsConfig) -> Result<u64> {
    Ok(if config.replay {
        flights_data::flights_before(config.history_until)?
    } else {
        flights_data::FLIGHTS
    })
}

/// Loads the embedded files into their tables, from where an earlier load stopped.
///
/// Of the flights, the first `until` are loaded.
pub(crate) async fn load(engine: &QueryEngine, until: u64, status: &Status) -> Result<()> {
    for file in flights_data::files() {
        let name = TableName::new("flights", file.table)?;
        let table = engine.lake().table(&name).await?;
        let limit = (file.table == "flights").then_some(until);
        let report = |done: u64| {
            if file.table == "flights" {
                status.set_history(done.min(until), until);
            }
        };
        let options = LoadOptions {
            until: limit,
            ..LoadOptions::default()
        };
        let summary =
            history::load(&file.source(), &table, &file.source_id(), options, report).await;
        let summary = summary.with_context(|| format!("cannot load the {} of 2013", file.table))?;
        report(summary.skipped + summary.stored);
        tracing::info!(table = %name, stored = summary.stored, skipped = summary.skipped, "history loaded");
    }
    Ok(())
}
