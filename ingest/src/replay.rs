//! A recording played into a topic at the pace of its own clock.
//!
//! The producer numbers its events by their row, so the pipeline stores each once; it begins at what the table has,
//! whether the broker kept the events or came back empty.

use std::time::Duration;

use arrow::array::RecordBatch;
use lake::LakeTable;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::history::{DataSource, read_parquet};
use crate::producer::{Event, EventProducer, encode};
use crate::{Error, KafkaConfig, Result};

/// How fast a recording is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ReplaySpeed {
    /// Hours of the recording in a second.
    HoursPerSecond(f64),
    /// As fast as the broker takes it.
    Max,
}

impl std::str::FromStr for ReplaySpeed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("max") {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(hours) if hours.is_finite() && hours > 0.0 => Ok(Self::HoursPerSecond(hours)),
            _ => Err(format!(
                "`{text}` is neither a positive number of hours per second nor `max`"
            )),
        }
    }
}

impl std::fmt::Display for ReplaySpeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HoursPerSecond(hours) => write!(f, "{hours}"),
            Self::Max => f.write_str("max"),
        }
    }
}

/// Rows with a clock.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Parquet.
    pub source: DataSource,
    /// Name of the numbering producer; the log keeps `producer/{lane}`.
    pub lane: &'static str,
    /// Returns when each row of a batch happened, in microseconds since 1970.
    pub clock: fn(&RecordBatch) -> Result<Vec<i64>>,
}

/// Plays `recording` from the row after the last one stored in `table`, to its end or until `shutdown`.
///
/// # Errors
/// The recording cannot be read, or the broker does not confirm in time.
#[tracing::instrument(name = "ingest.replay", skip_all, fields(topic, %speed), err)]
pub async fn run(
    recording: Recording,
    kafka: &KafkaConfig,
    topic: &str,
    table: &LakeTable,
    speed: ReplaySpeed,
    shutdown: CancellationToken,
) -> Result<()> {
    let stored = table
        .stored_offset(&format!("producer/{}", recording.lane))
        .await?;
    let mut row = u64::try_from(stored.unwrap_or(0)).map_err(Error::internal)?;
    let producer = EventProducer::connect(kafka, topic)?;
    let mut pace = None;
    tracing::info!(row, "replay begins");
    for batch in read_parquet(&recording.source, row)? {
        let batch = batch.map_err(Error::internal)?;
        let clock = (recording.clock)(&batch)?;
        let lines = encode(&batch)?;
        for (line, time) in lines.split(|byte| *byte == b'\n').zip(clock) {
            if let ReplaySpeed::HoursPerSecond(hours) = speed {
                let pace = pace.get_or_insert_with(|| Pace::new(time, hours));
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = sleep_until(pace.due(time)) => {}
                }
            }
            if shutdown.is_cancelled() {
                break;
            }
            let event = Event {
                key: None,
                payload: line,
                lane: Some((recording.lane, row)),
            };
            producer.send(event).await?;
            row += 1;
        }
        if shutdown.is_cancelled() {
            return Ok(());
        }
    }
    let events = producer.flush().await?;
    tracing::info!(events, "replay is at its end");
    Ok(())
}

/// Maps the clock of a recording to ours.
struct Pace {
    began: Instant,
    first: i64,
    hours_per_second: f64,
}

impl Pace {
    fn new(first: i64, hours_per_second: f64) -> Self {
        Self {
            began: Instant::now(),
            first,
            hours_per_second,
        }
    }

    /// Returns when a row is due; rows before the first are due at once.
    fn due(&self, time: i64) -> Instant {
        let seconds = (time - self.first).max(0) as f64 / 3.6e9 / self.hours_per_second;
        // Durations end at 584 years; a slower replay waits that long.
        let wait =
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(u32::MAX.into()));
        self.began + wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_a_positive_number_or_max() {
        assert_eq!("max".parse(), Ok(ReplaySpeed::Max));
        assert_eq!("2.5".parse(), Ok(ReplaySpeed::HoursPerSecond(2.5)));
        for wrong in ["0", "-1", "fast", "inf", "NaN"] {
            assert!(wrong.parse::<ReplaySpeed>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_hour_takes_a_second() {
        let hour = 3_600_000_000;
        let pace = Pace::new(hour, 1.0);
        assert_eq!(pace.due(3 * hour) - pace.began, Duration::from_secs(2));
        assert_eq!(pace.due(0), pace.began);
        let slow = Pace::new(0, f64::MIN_POSITIVE);
        assert!(slow.due(hour) > slow.began);
    }
}
