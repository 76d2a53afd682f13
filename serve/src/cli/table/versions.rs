//! `lakehouse table history`.

use std::io::Write;

use anyhow::Result;
use clap::Args;
use lake::CommitSummary;

use super::super::Common;
use super::{TableArg, Target};

#[derive(Debug, Args)]
pub(in crate::cli) struct HistoryArgs {
    #[command(flatten)]
    table: TableArg,
    /// Most commits to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

pub(super) async fn history(common: &Common, args: HistoryArgs) -> Result<()> {
    let target = Target::open(common, &args.table.table).await?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:>8} {:<20} {:<20}  METRICS",
        "VERSION", "TIME", "OPERATION"
    )?;
    for commit in target.table.history(args.limit).await? {
        writeln!(
            out,
            "{:>8} {:<20} {:<20}  {}",
            commit.version,
            commit.timestamp.format("%Y-%m-%d %H:%M:%SZ").to_string(),
            commit.operation,
            metrics(&commit)
        )?;
    }
    Ok(())
}

/// Returns the numbers of a commit in one line.
fn metrics(commit: &CommitSummary) -> String {
    let Some(metrics) = commit.metadata.get("operationMetrics") else {
        return String::new();
    };
    let Some(metrics) = metrics.as_object() else {
        return metrics.to_string();
    };
    let told: Vec<String> = metrics
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    told.join(", ")
}
