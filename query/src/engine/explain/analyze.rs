//! What each operator of a plan did.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};
use datafusion::physical_plan::{ExecutionPlan, displayable};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verbosity {
    Terse,
    /// Every metric the operators keep.
    Verbose,
}

/// Returns the plan with what its operators did.
pub(super) fn render(
    plan: &Arc<dyn ExecutionPlan>,
    verbosity: Verbosity,
    planning: Duration,
    execution: Duration,
) -> String {
    let mut text = format!(
        "Lakehouse version: {}\nPlanning: {}, Execution: {}\n",
        env!("CARGO_PKG_VERSION"),
        millis(planning),
        millis(execution)
    );
    let total = total_time(plan.as_ref());
    let root = Branch {
        before: String::new(),
        below: String::new(),
    };
    node(plan.as_ref(), &root, verbosity, total, &mut text);
    text
}

/// What stands before a node's lines: the first of them, and the others.
struct Branch {
    before: String,
    below: String,
}

fn node(
    plan: &dyn ExecutionPlan,
    branch: &Branch,
    verbosity: Verbosity,
    total: Duration,
    out: &mut String,
) {
    let children = plan.children();
    // Nodes that only yield have nothing to say.
    if let ("CooperativeExec", [child]) = (plan.name(), children.as_slice()) {
        return node(child.as_ref(), branch, verbosity, total, out);
    }
    let line = displayable(plan).one_line().to_string();
    out.push_str(&format!("{}{}\n", branch.before, line.trim_end()));
    let bar = if children.is_empty() {
        "    "
    } else {
        "│   "
    };
    for line in facts(plan.metrics().as_ref(), verbosity, total) {
        out.push_str(&format!("{}{bar}{line}\n", branch.below));
    }
    let last = children.len().saturating_sub(1);
    for (position, child) in children.iter().enumerate() {
        let (corner, gap) = match position == last {
            true => ("└─ ", "   "),
            false => ("├─ ", "│  "),
        };
        let inner = Branch {
            before: format!("{}{corner}", branch.below),
            below: format!("{}{gap}", branch.below),
        };
        node(child.as_ref(), &inner, verbosity, total, out);
    }
}

fn facts(metrics: Option<&MetricsSet>, verbosity: Verbosity, total: Duration) -> Vec<String> {
    let Some(metrics) = metrics else {
        return Vec::new();
    };
    let metrics = metrics.aggregate_by_name();
    let count = |name: &str| metrics.sum_by_name(name).map(|value| value.as_usize());
    let mut lines = Vec::new();
    let mut first = Vec::new();
    if let Some(time) = metrics.elapsed_compute() {
        let time = Duration::from_nanos(u64::try_from(time).unwrap_or(u64::MAX));
        let share = match total.as_secs_f64() {
            0.0 => 0.0,
            all => 100.0 * time.as_secs_f64() / all,
        };
        first.push(format!("CPU: {} ({share:.2}%)", millis(time)));
    }
    if let Some(rows) = metrics.output_rows() {
        let bytes = count("output_bytes").map_or_else(String::new, |b| format!(" ({})", size(b)));
        let noun = if rows == 1 { "row" } else { "rows" };
        first.push(format!("Output: {rows} {noun}{bytes}"));
    }
    if let Some(bytes) = metrics.spilled_bytes().filter(|bytes| *bytes > 0) {
        let files = metrics.spill_count().unwrap_or(0);
        first.push(format!("Spilled: {} in {files} files", size(bytes)));
    }
    if !first.is_empty() {
        lines.push(first.join(", "));
    }
    if let Some(bytes) = count("bytes_scanned") {
        lines.push(format!("Input: {}", size(bytes)));
    }
    let pruned: Vec<String> = metrics.iter().filter_map(|m| pruning(m.value())).collect();
    if !pruned.is_empty() {
        lines.push(format!("Pruned: {}", pruned.join(", ")));
    }
    if verbosity == Verbosity::Verbose {
        let all: BTreeMap<String, String> = metrics
            .iter()
            .map(|metric| (metric.value().name().to_owned(), metric.value().to_string()))
            .collect();
        lines.push("metrics:".to_owned());
        lines.extend(
            all.iter()
                .map(|(name, value)| format!("  '{name}' = {value}")),
        );
    }
    lines
}

/// Returns what was skipped of what there was, in the words for it.
fn pruning(value: &MetricValue) -> Option<String> {
    let MetricValue::PruningMetrics {
        name,
        pruning_metrics,
    } = value
    else {
        return None;
    };
    let pruned = pruning_metrics.pruned();
    let all = pruned + pruning_metrics.matched();
    let what = match name.as_ref() {
        lake::PRUNED_BY_LOG => "files by the log",
        "files_ranges_pruned_statistics" => "parts of files",
        "row_groups_pruned_statistics" => "row groups by statistics",
        "row_groups_pruned_bloom_filter" => "row groups by bloom filter",
        "page_index_rows_pruned" => "rows by page index",
        "page_index_pages_pruned" => "pages by page index",
        "limit_pruned_row_groups" => "row groups by limit",
        other => other,
    };
    (all > 0).then(|| format!("{pruned} of {all} {what}"))
}

fn total_time(plan: &dyn ExecutionPlan) -> Duration {
    let own = plan.metrics().and_then(|metrics| metrics.elapsed_compute());
    let own = Duration::from_nanos(u64::try_from(own.unwrap_or(0)).unwrap_or(u64::MAX));
    let children = plan.children();
    let below = children.iter().map(|child| total_time(child.as_ref()));
    below.fold(own, Duration::saturating_add)
}

fn millis(time: Duration) -> String {
    format!("{:.2}ms", time.as_secs_f64() * 1e3)
}

pub(super) fn size(bytes: usize) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 1000.0 {
            return match unit {
                "B" => format!("{bytes}B"),
                unit => format!("{size:.2}{unit}"),
            };
        }
        size /= 1024.0;
    }
    format!("{size:.2}TB")
}
