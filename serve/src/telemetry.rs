//! Logging to standard error and Prometheus metrics; the only place that installs either.

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use crate::config::{LogConfig, LogFormat};

/// Libraries that log much and say it again in their errors; a filter that names one of them has it back.
const QUIET: &str = "buoyant_kernel=warn,rdkafka=off,librdkafka=off";

/// Installs the log subscriber; a second call in one process keeps the first.
///
/// # Errors
/// A filter that `tracing` cannot parse.
pub fn init_logging(config: &LogConfig) -> Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.filter))
        .with_context(|| format!("`log.filter` is `{}`", config.filter))?;
    let registry = tracing_subscriber::registry().with(filter);
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let layer = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal);
    // An error only means that a subscriber is there already, as in tests.
    let _ = match config.format {
        LogFormat::Text => registry.with(layer.compact()).try_init(),
        LogFormat::Json => registry.with(layer.json()).try_init(),
    };
    Ok(())
}

/// Returns the process-wide metrics recorder's handle, installing it on first use.
///
/// # Errors
/// Another recorder was installed before.
pub fn metrics_handle() -> Result<PrometheusHandle> {
    static HANDLE: parking_lot::Mutex<Option<PrometheusHandle>> = parking_lot::Mutex::new(None);
    let mut slot = HANDLE.lock();
    if let Some(handle) = slot.as_ref() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .install_recorder()
        .context("cannot install the metrics recorder")?;
    *slot = Some(handle.clone());
    Ok(handle)
}

/// Returns the message with those of its causes, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    message
}
