//! `lakehouse train` and `lakehouse models`.

use std::io::Write;

use anyhow::{Context, Result};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use lake::{AsOf, Lake};
use ml::train::TrainRequest;
use ml::{Learner, ModelCard, ModelRegistry};
use query::QueryEngine;

use super::Common;
use crate::workers::{SEED, code_revision};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lakehouse train
  lakehouse train --table-version 1
  lakehouse train --as-of 2026-01-31T12:00:00Z --learner fast")]
pub(super) struct TrainArgs {
    /// Train from this version of the flights table [default: the newest]
    #[arg(long, value_name = "N", conflicts_with = "as_of")]
    table_version: Option<u64>,
    /// Train from the version that was the newest at this time: a date, or a time in RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    as_of: Option<DateTime<Utc>>,
    /// How much the training may cost
    #[arg(long, value_enum, default_value_t = LearnerArg::Full)]
    learner: LearnerArg,
    /// Decides the sample, where one is taken
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Publish the model without putting it into service
    #[arg(long)]
    no_promote: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LearnerArg {
    /// A fit on a sample, a second or two
    Fast,
    /// A fit on all flights, less than a minute
    Full,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lakehouse models --data-dir ./lakehouse-data")]
pub(super) struct ModelsArgs {}

pub(in crate::cli) fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN);
    let time = text
        .parse()
        .map(midnight)
        .or_else(|_| text.parse::<NaiveDateTime>());
    time.map(|time| time.and_utc())
        .map_err(|_| "it is neither a date nor a time such as 2026-01-31T12:00:00Z".to_owned())
}

async fn open(common: &Common) -> Result<(QueryEngine, ModelRegistry, ml::MlConfig)> {
    let config = common.load_quiet()?;
    super::sql::require_lake(&config)?;
    let lake = Lake::open_with(&config.effective_storage(), config.lake.clone())
        .await
        .context("cannot open the lake")?;
    let registry = ModelRegistry::new(lake.storage().object_store());
    let engine =
        QueryEngine::new(lake, config.query.clone()).context("cannot start the SQL engine")?;
    Ok((engine, registry, config.ml))
}

#[expect(clippy::print_stderr, reason = "the summary is for a person")]
pub(super) async fn train(common: &Common, args: TrainArgs) -> Result<()> {
    let (engine, registry, config) = open(common).await?;
    let request = TrainRequest {
        as_of: match (args.table_version, args.as_of) {
            (Some(version), _) => AsOf::Version(version),
            (None, Some(time)) => AsOf::Timestamp(time),
            (None, None) => AsOf::Latest,
        },
        learner: match args.learner {
            LearnerArg::Fast => Learner::Fast,
            LearnerArg::Full => Learner::Full,
        },
        seed: args.seed,
        created_at: Utc::now(),
        code_revision: code_revision(),
    };
    let bar = ProgressBar::new_spinner().with_message("training");
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    let card = ml::train::train(&engine, &registry, &config, request).await;
    bar.finish_and_clear();
    let card = card?;
    print_card(&card)?;
    if args.no_promote {
        eprintln!("model {} is published, not in service", card.model);
    } else {
        registry.promote(card.model, Utc::now()).await?;
        eprintln!("model {} is in service", card.model);
    }
    Ok(())
}

fn print_card(card: &ModelCard) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "model {} ({}) from version {} of {}: {} flights before {}, tested on {} later ones",
        card.model,
        card.learner.name(),
        card.table_version,
        card.table,
        card.train_rows,
        card.split_date,
        card.test_rows
    )?;
    writeln!(
        out,
        "{:<18} {:>8} {:>8} {:>8}",
        "ANSWERS BY", "ACCURACY", "MACRO-F1", "LOG-LOSS"
    )?;
    let metrics = &card.metrics;
    writeln!(
        out,
        "{:<18} {:>8.4} {:>8.4} {:>8.4}",
        "the model", metrics.accuracy, metrics.macro_f1, metrics.log_loss
    )?;
    for baseline in &card.baselines {
        let log_loss = baseline
            .log_loss
            .map_or_else(|| "-".to_owned(), |loss| format!("{loss:.4}"));
        writeln!(
            out,
            "{:<18} {:>8.4} {:>8.4} {:>8}",
            baseline.name, baseline.accuracy, baseline.macro_f1, log_loss
        )?;
    }
    Ok(())
}

pub(super) async fn list(common: &Common, _args: ModelsArgs) -> Result<()> {
    let (_, registry, _) = open(common).await?;
    let promoted = registry.promoted().await?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:>5} {:<10} {:<21} {:>7} {:>8} {:>8} {:>8}  CREATED",
        "MODEL", "SERVICE", "LEARNER", "VERSION", "ROWS", "ACCURACY", "LOG-LOSS"
    )?;
    for card in registry.list().await? {
        let is_in_service = promoted == Some(card.model);
        writeln!(
            out,
            "{:>5} {:<10} {:<21} {:>7} {:>8} {:>8.4} {:>8.4}  {}",
            card.model,
            if is_in_service { "in service" } else { "" },
            card.learner.name(),
            card.table_version,
            card.train_rows,
            card.metrics.accuracy,
            card.metrics.log_loss,
            card.created_at.format("%Y-%m-%d %H:%M:%SZ")
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_or_rfc_3339() {
        let noon = "2026-01-31T12:00:00Z";
        assert_eq!(
            parse_time(noon).unwrap().to_rfc3339(),
            "2026-01-31T12:00:00+00:00"
        );
        assert_eq!(parse_time("2026-01-31T12:00:00"), parse_time(noon));
        assert_eq!(parse_time("2026-01-31"), parse_time("2026-01-31T00:00:00Z"));
        assert!(parse_time("yesterday").is_err());
    }
}
