//! `lakehouse produce` and `lakehouse consume`: a topic by hand.

use std::io::Write;
use std::path::PathBuf;

use ::ingest::producer::{EventProducer, produce_file};
use ::ingest::tail::{Tail, TailFrom};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::Common;
use crate::config::Config;
use crate::embedded::Endpoints;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lakehouse produce --topic flight-events flights.jsonl
  lakehouse produce --topic trades trades.csv --key symbol --rate 1000")]
pub(super) struct ProduceArgs {
    /// Topic; created if it is missing
    #[arg(long)]
    topic: String,
    /// Parquet or CSV rows are sent as JSON, the lines of a .json or .jsonl file as they are
    file: PathBuf,
    /// Field whose value is the event's key
    #[arg(long, value_name = "COLUMN")]
    key: Option<String>,
    /// Events a second [default: as fast as the broker takes them]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lakehouse consume --topic flight-events --from beginning --max 10
  lakehouse consume --topic flight-delay-ml-response")]
pub(super) struct ConsumeArgs {
    /// Topic
    #[arg(long)]
    topic: String,
    /// Where to begin
    #[arg(long, value_enum, default_value_t = From::End)]
    from: From,
    /// Stop after this many events [default: at Ctrl-C]
    #[arg(long, value_name = "N")]
    max: Option<u64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum From {
    /// The oldest event the broker keeps
    Beginning,
    /// The next one that arrives
    End,
}

fn config_with_broker(common: &Common) -> Result<Config> {
    let mut config = common.load_quiet()?;
    Endpoints::fill_kafka(&mut config)?;
    Ok(config)
}

#[expect(clippy::print_stderr, reason = "the summary is for a person")]
pub(super) async fn produce(common: &Common, args: ProduceArgs) -> Result<()> {
    if args
        .rate
        .is_some_and(|rate| !(rate > 0.0 && rate.is_finite()))
    {
        bail!("`--rate` is not a positive number of events a second");
    }
    let config = config_with_broker(common)?;
    ::ingest::pipeline::ensure_topic(&config.kafka, &args.topic, config.ingest.broker_timeout)
        .await?;
    let producer = EventProducer::connect(&config.kafka, &args.topic)?;
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} events {per_sec}") {
        bar.set_style(style);
    }
    let key = args.key.as_deref();
    let show = |sent| bar.set_position(sent);
    let sent = produce_file(&producer, &args.file, key, args.rate, show).await;
    bar.finish_and_clear();
    let sent = sent.with_context(|| format!("cannot send `{}`", args.file.display()))?;
    eprintln!("{sent} events are on topic `{}`", args.topic);
    Ok(())
}

pub(super) async fn consume(common: &Common, args: ConsumeArgs) -> Result<()> {
    let config = config_with_broker(common)?;
    let from = match args.from {
        From::Beginning => TailFrom::Beginning,
        From::End => TailFrom::End,
    };
    let timeout = config.ingest.broker_timeout;
    let tail = Tail::open(&config.kafka, &args.topic, from, timeout).await?;
    for _ in 0..args.max.unwrap_or(u64::MAX) {
        let event = tokio::select! {
            event = tail.next() => event?,
            stopped = tokio::signal::ctrl_c() => return stopped.context("cannot handle Ctrl-C"),
        };
        // A whole line at once, also when it goes to a pipe.
        let mut line = event.unwrap_or_default();
        line.push(b'\n');
        std::io::stdout().lock().write_all(&line)?;
    }
    Ok(())
}
