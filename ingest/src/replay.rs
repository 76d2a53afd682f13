//! A recording played into a topic at the pace of its own clock.
//!
//! The producer numbers its events by their row, so the pipeline stores each once; it begins at what the table has,
//! whether the broker kept the events or came back empty.

use std::time::Duration;

use arrow::array::RecordBatch;
use lake::LakeTable;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::history::{DataSource, blocking, read_parquet};
use crate::producer::{Event, EventProducer, encode};
use crate::{Error, KafkaConfig, Result};

/// How often the table is asked whether all rows have arrived.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Without a new row for so long, the events are taken for lost and sent again.
const STALLED_AFTER: Duration = Duration::from_secs(120);

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

/// Plays `recording` from the row after the last one stored in `table` to its end, and returns when all of it is
/// stored, or at `shutdown`.
///
/// # Errors
/// The recording cannot be read, the broker does not confirm in time, or what was sent does not arrive. Run it again:
/// it begins at what is stored.
#[tracing::instrument(name = "ingest.replay", skip_all, fields(topic, %speed), err)]
pub async fn run(
    recording: Recording,
    kafka: &KafkaConfig,
    topic: &str,
    table: &LakeTable,
    speed: ReplaySpeed,
    shutdown: CancellationToken,
) -> Result<()> {
    let first = stored_rows(&recording, table).await?;
    let producer = EventProducer::connect(kafka, topic)?;
    tracing::info!(row = first, "replay begins");
    let playing = async {
        let sent = play(&recording, &producer, first, speed).await?;
        producer.flush().await?;
        await_stored(&recording, topic, table, sent).await
    };
    let outcome = tokio::select! {
        outcome = playing => outcome,
        () = shutdown.cancelled() => Ok(()),
    };
    // Dropping it waits for its thread.
    let dropped = tokio::task::spawn_blocking(move || drop(producer)).await;
    dropped.map_err(Error::internal)?;
    outcome
}

async fn stored_rows(recording: &Recording, table: &LakeTable) -> Result<u64> {
    let source = format!("producer/{}", recording.lane);
    let stored = table.stored_offset(&source).await?.unwrap_or(0);
    u64::try_from(stored).map_err(Error::internal)
}

/// Sends the rows from `row` on and returns the number of the next one.
async fn play(
    recording: &Recording,
    producer: &EventProducer,
    mut row: u64,
    speed: ReplaySpeed,
) -> Result<u64> {
    let mut pace = None;
    let mut batches = read_parquet(&recording.source, row)?;
    loop {
        let clock = recording.clock;
        // Reading and encoding are CPU work.
        let encoded = blocking(move || {
            let Some(batch) = batches.next() else {
                return Ok(None);
            };
            let batch = batch.map_err(Error::internal)?;
            Ok(Some((clock(&batch)?, encode(&batch)?, batches)))
        });
        let Some((times, lines, rest)) = encoded.await? else {
            return Ok(row);
        };
        batches = rest;
        for (line, time) in lines.split(|byte| *byte == b'\n').zip(times) {
            if let ReplaySpeed::HoursPerSecond(hours) = speed {
                let pace = pace.get_or_insert_with(|| Pace::new(time, hours));
                sleep_until(pace.due(time)).await;
            }
            let event = Event {
                // Numbered records must stay in one partition.
                key: Some(recording.lane),
                payload: line,
                lane: Some((recording.lane, row)),
            };
            producer.send(event).await?;
            row += 1;
        }
    }
}

/// Returns when all rows that were sent are stored; a topic that lost them never gets there.
async fn await_stored(
    recording: &Recording,
    topic: &str,
    table: &LakeTable,
    sent: u64,
) -> Result<()> {
    let (mut last, mut since) = (0, Instant::now());
    loop {
        let stored = stored_rows(recording, table).await?;
        if stored >= sent {
            tracing::info!(rows = stored, "replay is at its end");
            return Ok(());
        }
        if stored > last {
            (last, since) = (stored, Instant::now());
        } else if since.elapsed() > STALLED_AFTER {
            return Err(Error::Stalled {
                topic: topic.to_owned(),
                table: table.name().clone(),
                stored,
                sent,
            });
        }
        sleep(CHECK_INTERVAL).await;
    }
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
