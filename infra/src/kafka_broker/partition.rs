//! One partition: its segments, what its producers sent last, and its open and aborted transactions.
//!
//! All of it is found again in the segments when the broker starts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use kafka_protocol::error::ResponseError;

use super::batch::{self, BatchHeader};
use super::segment::Segment;
use super::topics::TopicSettings;

/// Batches of a producer that are recognised when they come again, as in Kafka.
const REMEMBERED_BATCHES: usize = 5;
/// Producers remembered for one partition; the one that was silent longest is forgotten.
const REMEMBERED_PRODUCERS: usize = 5_000;

/// A log of batches.
#[derive(Debug)]
pub(super) struct Partition {
    folder: PathBuf,
    settings: TopicSettings,
    /// Ascending, never empty; the last one is written.
    segments: Vec<Segment>,
    state: State,
    needs_sync: bool,
}

/// What is known from reading the batches.
#[derive(Debug, Default)]
struct State {
    end: i64,
    producers: HashMap<i64, Producer>,
    /// Producer and first offset of each open transaction.
    open: BTreeMap<i64, i64>,
    aborted: Vec<Aborted>,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    /// First and last sequence and first offset of the last batches.
    batches: VecDeque<(i32, i32, i64)>,
}

/// A transaction whose records a `read_committed` consumer skips.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aborted {
    pub(super) producer_id: i64,
    pub(super) first_offset: i64,
    /// Offset of its marker.
    last_offset: i64,
}

impl Partition {
    /// Opens the partition in `folder`, or makes it.
    pub(super) fn open(folder: PathBuf, settings: TopicSettings) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let bases = segment_bases(&folder)?;
        let mut state = State::default();
        let mut segments = Vec::new();
        for (number, base) in bases.iter().enumerate() {
            let is_last = number + 1 == bases.len();
            if number > 0 && state.end != *base {
                let place = folder.display();
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("`{place}` lacks the records from {} to {base}", state.end),
                ));
            }
            state.end = *base;
            let visit = |header: &BatchHeader, batch: &[u8]| state.learn(header, batch);
            segments.push(Segment::open(&folder, *base, is_last, visit)?);
        }
        if segments.is_empty() {
            segments.push(Segment::create(&folder, 0)?);
        }
        Ok(Self {
            folder,
            settings,
            segments,
            state,
            needs_sync: false,
        })
    }

    /// Returns the first offset that is kept.
    pub(super) fn start(&self) -> i64 {
        self.segments.first().map_or(0, |segment| segment.base)
    }

    /// Returns the offset the next record gets.
    pub(super) fn end(&self) -> i64 {
        self.state.end
    }

    /// Returns the offset before which every transaction is decided.
    pub(super) fn last_stable(&self) -> i64 {
        let undecided = self.state.open.values().min();
        undecided.copied().unwrap_or(self.state.end)
    }

    /// Appends a batch of a producer and returns the offset of its first record.
    ///
    /// A batch that the same producer sent before is answered with the offset it got then.
    pub(super) fn append(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
    ) -> Result<i64, ResponseError> {
        if batch.len() > self.settings.max_message_bytes {
            return Err(ResponseError::MessageTooLarge);
        }
        if let Some(offset) = self.state.check_sequence(header)? {
            return Ok(offset);
        }
        self.write(batch)
    }

    /// Ends a producer's transaction; nothing happens when it has none here.
    pub(super) fn end_transaction(
        &mut self,
        producer_id: i64,
        epoch: i16,
        commit: bool,
        now_ms: i64,
    ) -> Result<(), ResponseError> {
        if self.state.open.contains_key(&producer_id) {
            self.write(&batch::control_marker(producer_id, epoch, commit, now_ms))?;
        }
        Ok(())
    }

    /// Returns whole batches from `from` on and before `until`, about `max` bytes and at least one batch.
    pub(super) fn read(&self, from: i64, until: i64, max: usize) -> Result<Vec<u8>, ResponseError> {
        if from < self.start() || from > self.state.end {
            return Err(ResponseError::OffsetOutOfRange);
        }
        let after = self
            .segments
            .partition_point(|segment| segment.base <= from);
        let segment = after
            .checked_sub(1)
            .and_then(|place| self.segments.get(place));
        segment.map_or(Ok(Vec::new()), |segment| {
            segment
                .read(from, until, max)
                .map_err(|error| self.failed("reading", &error))
        })
    }

    /// Returns the aborted transactions that reach into `from..until`.
    pub(super) fn aborted(&self, from: i64, until: i64) -> impl Iterator<Item = &Aborted> {
        let aborted = self.state.aborted.iter();
        aborted.filter(move |one| one.last_offset >= from && one.first_offset < until)
    }

    /// Returns offset and timestamp of the first record at or after `timestamp`.
    pub(super) fn first_at(&self, timestamp: i64) -> Result<Option<(i64, i64)>, ResponseError> {
        for segment in &self.segments {
            let found = segment
                .first_at(timestamp)
                .map_err(|error| self.failed("reading", &error))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Deletes the oldest segments that are too many or too old; the one being written and those with records of an
    /// open transaction stay.
    pub(super) fn retain(&mut self, now_ms: i64) {
        let stable = self.last_stable();
        let mut total: u64 = self.segments.iter().map(|segment| segment.size).sum();
        while let [oldest, next, ..] = self.segments.as_slice() {
            let too_many = self.settings.retention_bytes.is_some_and(|max| total > max);
            let too_old = self
                .settings
                .retention_ms
                .is_some_and(|max| now_ms.saturating_sub(oldest.max_timestamp) > max);
            if (!too_many && !too_old) || next.base > stable {
                return;
            }
            if let Err(error) = oldest.delete() {
                tracing::warn!(folder = %self.folder.display(), %error, "an old segment cannot be removed");
                return;
            }
            total -= oldest.size;
            self.segments.remove(0);
            let start = self.start();
            self.state.aborted.retain(|one| one.last_offset >= start);
        }
    }

    /// Makes what was appended outlive a power failure.
    pub(super) fn sync(&mut self) {
        if !self.needs_sync {
            return;
        }
        match self.segments.last().map(Segment::sync) {
            Some(Err(error)) => {
                self.failed("syncing", &error);
            }
            _ => self.needs_sync = false,
        }
    }

    fn write(&mut self, batch: &[u8]) -> Result<i64, ResponseError> {
        let base = self.state.end;
        let placed = batch::place(batch, base);
        let header = BatchHeader::parse(&placed).ok_or(ResponseError::CorruptMessage)?;
        let is_full = self.segments.last().is_none_or(|segment| {
            segment.size > 0 && segment.size + placed.len() as u64 > self.settings.segment_bytes
        });
        if is_full {
            self.sync();
            let segment = Segment::create(&self.folder, base)
                .map_err(|error| self.failed("starting a segment", &error))?;
            if let Some(full) = self.segments.last_mut() {
                full.close();
            }
            self.segments.push(segment);
        }
        if let Some(segment) = self.segments.last_mut()
            && let Err(error) = segment.append(&header, &placed)
        {
            return Err(self.failed("appending", &error));
        }
        self.needs_sync = true;
        self.state.learn(&header, &placed);
        Ok(base)
    }

    fn failed(&self, action: &str, error: &io::Error) -> ResponseError {
        tracing::error!(folder = %self.folder.display(), %error, "{action} failed");
        ResponseError::KafkaStorageError
    }
}

impl State {
    /// Takes note of a batch that is in the log.
    fn learn(&mut self, header: &BatchHeader, batch: &[u8]) {
        self.end = header.last_offset() + 1;
        let id = header.producer_id;
        if header.is_control() {
            if let Some(first_offset) = self.open.remove(&id)
                && !batch::is_commit(batch)
            {
                self.aborted.push(Aborted {
                    producer_id: id,
                    first_offset,
                    last_offset: header.base_offset,
                });
            }
            return;
        }
        if header.is_transactional() {
            self.open.entry(id).or_insert(header.base_offset);
        }
        if id >= 0 {
            self.remember(header);
        }
    }

    fn remember(&mut self, header: &BatchHeader) {
        let id = header.producer_id;
        if self.producers.len() >= REMEMBERED_PRODUCERS && !self.producers.contains_key(&id) {
            let last = |producer: &Producer| producer.batches.back().map_or(-1, |batch| batch.2);
            let silent = self.producers.iter().min_by_key(|(_, one)| last(one));
            if let Some(silent) = silent.map(|(id, _)| *id) {
                self.producers.remove(&silent);
            }
        }
        let producer = self.producers.entry(id).or_insert_with(|| Producer {
            epoch: header.producer_epoch,
            batches: VecDeque::new(),
        });
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        let batch = (
            header.base_sequence,
            header.last_sequence(),
            header.base_offset,
        );
        producer.batches.push_back(batch);
        if producer.batches.len() > REMEMBERED_BATCHES {
            producer.batches.pop_front();
        }
    }

    /// Returns the offset of a batch that came before, nothing for the next one in order, an error otherwise.
    fn check_sequence(&self, header: &BatchHeader) -> Result<Option<i64>, ResponseError> {
        let Some(producer) = self.producers.get(&header.producer_id) else {
            return Ok(None);
        };
        if header.producer_epoch < producer.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if header.producer_epoch > producer.epoch {
            let is_first = header.base_sequence == 0;
            return if is_first {
                Ok(None)
            } else {
                Err(ResponseError::OutOfOrderSequenceNumber)
            };
        }
        let range = (header.base_sequence, header.last_sequence());
        let mut known = producer.batches.iter();
        if let Some((_, _, offset)) = known.find(|(first, last, _)| (*first, *last) == range) {
            return Ok(Some(*offset));
        }
        match producer.batches.back() {
            Some((_, last, _)) if batch::next_sequence(*last, 1) != header.base_sequence => {
                Err(ResponseError::OutOfOrderSequenceNumber)
            }
            _ => Ok(None),
        }
    }
}

fn segment_bases(folder: &Path) -> io::Result<Vec<i64>> {
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let base = name.to_str().and_then(|name| name.strip_suffix(".log"));
        if let Some(base) = base.and_then(|base| base.parse().ok()) {
            bases.push(base);
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

#[cfg(test)]
mod tests;
