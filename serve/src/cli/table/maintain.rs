//! `lakehouse table optimize | vacuum | checkpoint`.

use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::Utc;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use lake::AsOf;
use lake::maintenance::{CompactSummary, Minimum, Mode, Progress, Scope};

use super::super::Common;
use super::{TableArg, Target, human, open_lake};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lakehouse table optimize flights.flights
  lakehouse table optimize flights.flights --zorder carrier,origin
  LAKEHOUSE__MAINTENANCE__MEMORY_LIMIT_BYTES=134217728 lakehouse table optimize flights.flights")]
pub(in crate::cli) struct OptimizeArgs {
    #[command(flatten)]
    table: TableArg,
    /// Sort all rows along these columns instead of only packing files
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    zorder: Vec<String>,
    /// Size of a packed file in bytes [default: the table's `delta.targetFileSize`, or maintenance.target_file_bytes]
    #[arg(long, value_name = "BYTES", conflicts_with = "zorder")]
    target_file_bytes: Option<u64>,
    /// Only count what would be packed
    #[arg(long, conflicts_with = "zorder")]
    dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lakehouse table vacuum flights.flights --dry-run
  lakehouse table vacuum flights.flights --retention 30d
  lakehouse table vacuum flights.flights --retention 0s --allow-short-retention")]
pub(in crate::cli) struct VacuumArgs {
    #[command(flatten)]
    table: TableArg,
    /// Keep removed files for this long [default: the larger of the table's and the configuration's, at least 7 days]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    retention: Option<Duration>,
    /// Allow a retention below the minimum: right only if nothing else reads or writes the table now
    #[arg(long, requires = "retention")]
    allow_short_retention: bool,
    /// Only count what would be deleted
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lakehouse table checkpoint flights.flights
  lakehouse table checkpoint flights.flights --clean-log --dry-run")]
pub(in crate::cli) struct CheckpointArgs {
    #[command(flatten)]
    table: TableArg,
    /// Also delete commits that are older than the log's retention and that nobody needs
    #[arg(long)]
    clean_log: bool,
    /// Keep the log for this long [default: the table's `delta.logRetentionDuration`, or 30 days]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "clean_log")]
    retention: Option<Duration>,
    /// Write nothing, only count what would be deleted
    #[arg(long, requires = "clean_log")]
    dry_run: bool,
}

pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime_serde::re::humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it as 7d, 12h or 30m"))
}

pub(super) async fn optimize(common: &Common, args: OptimizeArgs) -> Result<()> {
    let (lake, mut config) = open_lake(common).await?;
    if let Some(bytes) = args.target_file_bytes {
        config.target_file_bytes = bytes.max(1);
    }
    let target = Target::over(lake, config, &args.table.table).await?;
    if args.dry_run {
        let planned = target
            .maintainer
            .plan_compaction(&target.table, Scope::All)
            .await?;
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{}: {} files of {} in {} partitions would become {}; nothing was written",
            args.table.table,
            planned.files_removed,
            human(planned.bytes_removed),
            planned.partitions,
            planned.files_added
        )?;
        return Ok(());
    }
    let started = Instant::now();
    let progress = Arc::new(Progress::default());
    let done = if args.zorder.is_empty() {
        let work = target
            .maintainer
            .compact(&target.table, Scope::All, &progress);
        watch(&progress, "packing", work).await?
    } else {
        let work = target
            .maintainer
            .zorder(&target.table, args.zorder.clone(), Utc::now());
        watch(&progress, "sorting", work).await?
    };
    print_compacted(&args, &done, started.elapsed())
}

fn print_compacted(args: &OptimizeArgs, done: &CompactSummary, elapsed: Duration) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let table = &args.table.table;
    match done.version {
        Some(version) => writeln!(
            out,
            "{table}: {} files ({}) became {} ({}) in {} partitions, version {version}, {:.1} s",
            done.files_removed,
            human(done.bytes_removed),
            done.files_added,
            human(done.bytes_added),
            done.partitions,
            elapsed.as_secs_f64()
        )?,
        None if done.files_lost == 0 => writeln!(out, "{table}: there is nothing to pack")?,
        None => {}
    }
    if done.files_lost > 0 {
        writeln!(
            out,
            "{table}: another writer changed {} of the files meanwhile; run it again for the rest",
            done.files_lost
        )?;
    }
    Ok(())
}

pub(super) async fn vacuum(common: &Common, args: VacuumArgs) -> Result<()> {
    let target = Target::open(common, &args.table.table).await?;
    let minimum = if args.allow_short_retention {
        Minimum::Ignored
    } else {
        Minimum::Enforced
    };
    let mode = mode(args.dry_run);
    let work = target
        .maintainer
        .vacuum(&target.table, args.retention, minimum, mode, Utc::now());
    let done = watch(&Progress::default(), "looking for files", work).await?;
    let mut out = std::io::stdout().lock();
    let table = &args.table.table;
    if done.is_lost {
        writeln!(out, "{table}: another writer was first; run it again")?;
        return Ok(());
    }
    writeln!(
        out,
        "{table}: {} files ({}) {}; removed less than {} ago are kept",
        done.files,
        human(done.bytes),
        verb(args.dry_run),
        humantime_serde::re::humantime::format_duration(done.retention)
    )?;
    print_kept(&mut out, &done.kept_versions)
}

pub(super) async fn checkpoint(common: &Common, args: CheckpointArgs) -> Result<()> {
    let target = Target::open(common, &args.table.table).await?;
    let table = &args.table.table;
    if !args.dry_run {
        let version = target.maintainer.checkpoint(&target.table).await?;
        writeln!(
            std::io::stdout().lock(),
            "{table}: checkpoint of version {version} written"
        )?;
    }
    if !args.clean_log {
        return Ok(());
    }
    let now = Utc::now();
    let mode = mode(args.dry_run);
    let done = target
        .maintainer
        .clean_log(&target.table, args.retention, mode, now)
        .await?;
    let latest = target.table.snapshot(AsOf::Latest).await?.version();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{table}: {} files of the log ({}) {}; versions {} to {latest} can be read",
        done.files,
        human(done.bytes),
        verb(args.dry_run),
        done.readable_from.unwrap_or(latest)
    )?;
    print_kept(&mut out, &done.kept_versions)
}

fn mode(dry_run: bool) -> Mode {
    if dry_run { Mode::DryRun } else { Mode::Run }
}

fn verb(dry_run: bool) -> &'static str {
    if dry_run {
        "would be deleted"
    } else {
        "deleted"
    }
}

fn print_kept(out: &mut impl Write, versions: &[u64]) -> Result<()> {
    if !versions.is_empty() {
        let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
        writeln!(out, "kept for pins: version {}", versions.join(", "))?;
    }
    Ok(())
}

/// Shows on standard error how far some work is.
async fn watch<T, E>(
    progress: &Progress,
    message: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let style = "{msg} [{bar:40}] {bytes}/{total_bytes} {eta}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new_spinner().with_message(message);
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    let work = std::pin::pin!(work);
    let mut work = work;
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = ticks.tick() => {
                if progress.planned_bytes() > 0 {
                    if bar.length() != Some(progress.planned_bytes()) {
                        bar.set_style(style.clone());
                        bar.set_length(progress.planned_bytes());
                    }
                    bar.set_position(progress.done_bytes());
                } else {
                    bar.tick();
                }
            }
        }
    };
    bar.finish_and_clear();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_with_their_unit() {
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(7 * 24 * 3600)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert!(parse_duration("7").unwrap_err().contains("7d, 12h or 30m"));
    }
}
