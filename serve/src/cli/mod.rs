//! The command line: data on standard output, everything else on standard error.
//!
//! Exit codes: 0 done, 1 the user can fix it, 2 wrong usage, 3 our bug.

mod config;
mod doctor;
mod ingest;
mod models;
mod output;
mod prompt;
mod sql;
mod table;
mod tables;
mod topics;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::telemetry;

const EXAMPLES: &str = "\
Examples:
  lakehouse up                                    everything in one process, data in ./lakehouse-data
  lakehouse sql -e \"SELECT carrier, count(*) FROM lake.flights.flights GROUP BY 1\"
  lakehouse sql --server http://127.0.0.1:8080    interactive prompt on a running server
  lakehouse up --config production.toml           real Kafka, S3 or MinIO, and MongoDB";

/// A lakehouse with a SQL service: Kafka events and files in Delta tables on a folder, S3 or MinIO, Presto-style SQL over
/// them, and models that learn from them.
#[derive(Debug, Parser)]
#[command(name = "lakehouse", version, about, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Folder of the embedded lake [default: ./lakehouse-data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// TOML configuration file; LAKEHOUSE__SECTION__KEY variables and flags override it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Log filter, for example `info` or `warn,lake=debug`
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything: ingestion, SQL over HTTP and the Trino protocol, the model, the web pages
    Up(up::UpArgs),
    /// Run SQL on a server or directly on the lake
    Sql(sql::SqlArgs),
    /// Load files into a table, exactly once
    #[command(subcommand)]
    Ingest(ingest::IngestCommand),
    /// Send a file's rows to a Kafka topic as JSON events
    Produce(topics::ProduceArgs),
    /// Print the events of a Kafka topic
    Consume(topics::ConsumeArgs),
    /// Train the flight-delay model from a table version
    Train(models::TrainArgs),
    /// List the trained models with their scores
    Models(models::ModelsArgs),
    /// List the tables with their versions and row counts
    Tables(tables::TablesArgs),
    /// Look after one table: pack its files, remove old ones, pin versions, see its history
    #[command(subcommand)]
    Table(table::TableCommand),
    /// Show or check the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Check storage, Kafka and MongoDB: reachable, and safe for what we do with them
    Doctor(doctor::DoctorArgs),
}

impl Common {
    /// Returns the configuration with the common flags applied.
    fn load(&self) -> Result<Config> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(dir) = &self.data_dir {
            config.data_dir.clone_from(dir);
        }
        if let Some(filter) = &self.log {
            config.log.filter.clone_from(filter);
        }
        Ok(config)
    }

    /// Returns the configuration for a one-shot command, which logs only warnings unless told otherwise.
    fn load_quiet(&self) -> Result<Config> {
        let mut config = self.load()?;
        if self.log.is_none() {
            "warn".clone_into(&mut config.log.filter);
        }
        telemetry::init_logging(&config.log)?;
        Ok(config)
    }
}

/// Parses the arguments, runs the command and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Deep SQL expressions recurse; debug frames are large.
        .thread_stack_size(8 << 20)
        .build()
        .context("cannot start the runtime")
        .and_then(|runtime| {
            let outcome = runtime.block_on(run(cli));
            // Everything of ours has drained; what is left are other people's blocking threads.
            runtime.shutdown_timeout(std::time::Duration::from_secs(2));
            outcome
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

async fn run(cli: Cli) -> Result<()> {
    let common = cli.common;
    match cli.command {
        Command::Up(args) => up::run(&common, args).await,
        Command::Sql(args) => sql::run(&common, args).await,
        Command::Ingest(command) => ingest::run(&common, command).await,
        Command::Produce(args) => topics::produce(&common, args).await,
        Command::Consume(args) => topics::consume(&common, args).await,
        Command::Train(args) => models::train(&common, args).await,
        Command::Models(args) => models::list(&common, args).await,
        Command::Tables(args) => tables::run(&common, args).await,
        Command::Table(command) => table::run(&common, command).await,
        Command::Config(command) => config::run(&common, command),
        Command::Doctor(args) => doctor::run(&common, args).await,
    }
}

/// Prints the chain of causes and what may help, and returns the exit code.
#[expect(
    clippy::print_stderr,
    reason = "this is the edge where errors meet the user"
)]
fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error}");
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        let text = text.trim_start_matches("External error: ").to_owned();
        // Some libraries repeat their source in their own message.
        if !last.contains(&text) {
            eprintln!("  caused by: {text}");
        }
        last = text;
    }
    if let Some(hint) = hint(error) {
        eprintln!("hint: {hint}");
    }
    if is_internal(error) {
        eprintln!("hint: this is a bug in lakehouse, please report it");
        return ExitCode::from(3);
    }
    ExitCode::from(1)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

fn is_internal(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref::<lake::Error>(),
            Some(lake::Error::Internal { .. })
        ) || matches!(
            cause.downcast_ref::<query::Error>(),
            Some(query::Error::Internal { .. })
        ) || matches!(
            cause.downcast_ref::<::ingest::Error>(),
            Some(::ingest::Error::Internal { .. })
        ) || matches!(
            cause.downcast_ref::<ml::Error>(),
            Some(ml::Error::Internal { .. })
        )
    })
}

fn hint(error: &anyhow::Error) -> Option<&'static str> {
    let known = error.chain().find_map(|cause| {
        let error = cause.downcast_ref::<lake::Error>()?;
        error.hint()
    });
    if known.is_some() {
        return known;
    }
    let text = format!("{error:#}").to_lowercase();
    let knows = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if knows(&["address already in use"]) {
        Some(
            "another process listens there; choose another port with --http-port or --metastore-port (0 = any free port)",
        )
    } else if knows(&["locked", "another lakehouse", "is in use"]) {
        Some("another lakehouse runs on this folder; stop it or choose another --data-dir")
    } else if knows(&["no kafka broker answers", "no mongodb server answers"]) {
        Some("is it running, and is the address right? `lakehouse doctor` looks at each part")
    } else if knows(&["no space left"]) {
        Some("the disk is full; nothing was committed, free some space and start again")
    } else if knows(&["permission denied", "read-only file system"]) {
        Some("choose a --data-dir that this user may write")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
