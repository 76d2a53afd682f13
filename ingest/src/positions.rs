//! How far a topic is stored, by what the table's log says.
//!
//! A partition's source in the log is `kafka/{cluster}/{topic}/{generation}/{partition}`. The generation is one more
//! whenever the log is ahead of the broker: then the topic was deleted and made again, and its offsets mean other
//! records. A producer that numbers its records has a source `producer/{lane}` beside it, which outlives the topic.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use lake::OffsetRange;

use crate::source::{LanePosition, Watermarks};

/// Numbering producers one table remembers; each is an entry in every checkpoint of its log.
const MAX_LANES: usize = 1_000;

/// What the table's log says: the next offset by source.
pub(crate) type StoredOffsets = BTreeMap<String, i64>;

/// One source: what is stored of it and how far we have read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    source: String,
    stored: Option<i64>,
    next: i64,
}

impl Position {
    fn range(&self) -> Option<OffsetRange> {
        let is_moved = self.stored.unwrap_or(0) != self.next;
        is_moved.then(|| OffsetRange::new(self.source.clone(), self.stored, self.next))
    }
}

/// What to do with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new.
    Store,
    /// Its row is stored, or waits to be.
    Repeated,
    /// It must not be stored, for this reason.
    Refuse(String),
}

/// The partitions we hold and the producers seen in them.
#[derive(Debug)]
pub(crate) struct Positions {
    prefix: String,
    stored: StoredOffsets,
    partitions: BTreeMap<i32, Position>,
    lanes: BTreeMap<Arc<str>, Position>,
}

impl Positions {
    /// Returns the positions of a topic with no partition held.
    pub(crate) fn new(cluster: &str, topic: &str) -> Self {
        Self {
            prefix: format!("kafka/{cluster}/{topic}"),
            stored: StoredOffsets::new(),
            partitions: BTreeMap::new(),
            lanes: BTreeMap::new(),
        }
    }

    /// Takes note of what is stored now.
    pub(crate) fn set_stored(&mut self, stored: StoredOffsets) {
        self.stored = stored;
    }

    /// Takes partitions and returns where to read each from, and how many records retention deleted before they were
    /// read.
    pub(crate) fn assign(
        &mut self,
        partitions: &[i32],
        watermarks: &BTreeMap<i32, Watermarks>,
    ) -> (BTreeMap<i32, i64>, u64) {
        let generation = self.generation(watermarks);
        let (mut begin, mut expired) = (BTreeMap::new(), 0);
        for partition in partitions {
            let source = format!("{}/{generation}/{partition}", self.prefix);
            let stored = self.stored.get(&source).copied();
            let low = watermarks.get(partition).map_or(0, |marks| marks.low);
            let next = stored.unwrap_or(0).max(low);
            if let Some(stored) = stored {
                expired += (next - stored).unsigned_abs();
            }
            begin.insert(*partition, next);
            let position = Position {
                source,
                stored,
                next,
            };
            self.partitions.insert(*partition, position);
        }
        (begin, expired)
    }

    /// Gives partitions back.
    pub(crate) fn revoke(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
        // Whoever holds them now may store records of the same producers.
        self.lanes.clear();
    }

    /// Judges a record and moves past it.
    pub(crate) fn read(
        &mut self,
        partition: i32,
        offset: i64,
        lane: Option<&LanePosition>,
    ) -> Verdict {
        let Some(position) = self.partitions.get_mut(&partition) else {
            // It was read before the partition was given back.
            return Verdict::Repeated;
        };
        if offset < position.next {
            return Verdict::Repeated;
        }
        position.next = offset + 1;
        let Some(LanePosition { lane, sequence }) = lane else {
            return Verdict::Store;
        };
        if lane.is_empty() {
            return Verdict::Refuse("its producer's name or number is not valid".to_owned());
        }
        let Some(position) = self.lane(lane) else {
            return Verdict::Refuse(format!("the table remembers {MAX_LANES} producers already"));
        };
        match sequence.cmp(&position.next) {
            Ordering::Less => Verdict::Repeated,
            Ordering::Greater => Verdict::Refuse(format!(
                "its producer's record {} should come before it",
                position.next
            )),
            Ordering::Equal => {
                position.next += 1;
                Verdict::Store
            }
        }
    }

    /// Returns a producer's position; none when there are too many.
    fn lane(&mut self, lane: &Arc<str>) -> Option<&mut Position> {
        if !self.lanes.contains_key(lane) {
            let source = format!("producer/{lane}");
            let stored = self.stored.get(&source).copied();
            if stored.is_none() {
                let known = self.stored.keys().filter(|s| s.starts_with("producer/"));
                let new = self.lanes.values().filter(|lane| lane.stored.is_none());
                if known.count() + new.count() >= MAX_LANES {
                    return None;
                }
            }
            let position = Position {
                source,
                stored,
                next: stored.unwrap_or(0),
            };
            self.lanes.insert(Arc::clone(lane), position);
        }
        self.lanes.get_mut(lane)
    }

    /// Returns the source of a partition we hold.
    pub(crate) fn source(&self, partition: i32) -> Option<&str> {
        let position = self.partitions.get(&partition)?;
        Some(&position.source)
    }

    /// Returns what has to be stored with the rows read so far.
    pub(crate) fn ranges(&self) -> Vec<OffsetRange> {
        let all = self.partitions.values().chain(self.lanes.values());
        all.filter_map(Position::range).collect()
    }

    /// Notes that the ranges are stored.
    pub(crate) fn mark_stored(&mut self) {
        let all = self.partitions.values_mut().chain(self.lanes.values_mut());
        for position in all {
            if let Some(range) = position.range() {
                position.stored = Some(range.end);
                self.stored.insert(range.source, range.end);
            }
        }
    }

    /// Returns the next offset to store, by partition.
    pub(crate) fn next_offsets(&self) -> BTreeMap<i32, i64> {
        let next = self.partitions.iter();
        next.map(|(partition, position)| (*partition, position.next))
            .collect()
    }

    /// Returns the newest generation stored, or the one after it when the topic is a new one.
    fn generation(&self, watermarks: &BTreeMap<i32, Watermarks>) -> u32 {
        let newest = self
            .of_this_topic()
            .map(|(generation, ..)| generation)
            .max()
            .unwrap_or(0);
        let is_new = self.of_this_topic().any(|(generation, partition, stored)| {
            let high = watermarks.get(&partition).map(|marks| marks.high);
            generation == newest && high.is_some_and(|high| stored > high)
        });
        newest + u32::from(is_new)
    }

    /// Returns generation, partition and offset of what is stored of this topic.
    fn of_this_topic(&self) -> impl Iterator<Item = (u32, i32, i64)> + '_ {
        self.stored.iter().filter_map(|(source, offset)| {
            let rest = source.strip_prefix(&self.prefix)?.strip_prefix('/')?;
            let (generation, partition) = rest.split_once('/')?;
            Some((generation.parse().ok()?, partition.parse().ok()?, *offset))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(pairs: &[(i64, i64)]) -> BTreeMap<i32, Watermarks> {
        let marks = pairs.iter().map(|(low, high)| Watermarks {
            low: *low,
            high: *high,
        });
        (0..).zip(marks).collect()
    }

    fn stored(pairs: &[(&str, i64)]) -> StoredOffsets {
        let pairs = pairs.iter();
        pairs.map(|(k, v)| ((*k).to_owned(), *v)).collect()
    }

    fn assign(
        positions: &mut Positions,
        partitions: &[i32],
        pairs: &[(i64, i64)],
        known: StoredOffsets,
    ) -> (BTreeMap<i32, i64>, u64) {
        positions.set_stored(known);
        positions.assign(partitions, &marks(pairs))
    }

    fn lane(sequence: i64) -> LanePosition {
        LanePosition {
            lane: "l".into(),
            sequence,
        }
    }

    #[test]
    fn reading_goes_on_where_the_log_says() {
        let mut positions = Positions::new("c", "t");
        let known = stored(&[("kafka/c/t/0/0", 5), ("kafka/c/tt/9/0", 9)]);
        let (begin, expired) = assign(&mut positions, &[0, 1], &[(0, 9), (3, 9)], known);
        assert_eq!(begin, BTreeMap::from([(0, 5), (1, 3)]));
        assert_eq!(expired, 0);
        assert_eq!(positions.read(0, 4, None), Verdict::Repeated);
        assert_eq!(positions.read(0, 5, None), Verdict::Store);
        assert_eq!(positions.read(2, 0, None), Verdict::Repeated);
        // Partition 1 has nothing stored; its range begins with nothing.
        let range = OffsetRange::new("kafka/c/t/0/0", Some(5), 6);
        let skipped = OffsetRange::new("kafka/c/t/0/1", None, 3);
        assert_eq!(positions.ranges(), [range, skipped]);
        positions.mark_stored();
        assert_eq!(positions.ranges(), []);
    }

    #[test]
    fn a_topic_behind_the_log_is_a_new_one() {
        let mut positions = Positions::new("c", "t");
        let known = stored(&[("kafka/c/t/0/0", 5), ("kafka/c/t/0/1", 2)]);
        let (begin, _) = assign(&mut positions, &[0, 1], &[(0, 4), (0, 3)], known);
        assert_eq!(begin, BTreeMap::from([(0, 0), (1, 0)]));
        assert_eq!(positions.source(1), Some("kafka/c/t/1/1"));
        // A partition that the broker does not know says nothing.
        let known = stored(&[("kafka/c/t/1/0", 1), ("kafka/c/t/1/1", 2)]);
        assign(&mut positions, &[0], &[(0, 4)], known);
        assert_eq!(positions.source(0), Some("kafka/c/t/1/0"));
    }

    #[test]
    fn what_retention_deleted_is_counted() {
        let mut positions = Positions::new("c", "t");
        let known = stored(&[("kafka/c/t/0/0", 5)]);
        let (begin, expired) = assign(&mut positions, &[0], &[(8, 9)], known);
        assert_eq!((begin.get(&0), expired), (Some(&8), 3));
    }

    #[test]
    fn producers_without_end_are_refused() {
        let mut positions = Positions::new("c", "t");
        assign(
            &mut positions,
            &[0],
            &[(0, 0)],
            stored(&[("producer/l", 2)]),
        );
        let mut stored = 0;
        for offset in 0..1_100 {
            let lane = LanePosition {
                lane: format!("l{offset}").into(),
                sequence: 0,
            };
            stored += u64::from(positions.read(0, offset, Some(&lane)) == Verdict::Store);
        }
        assert_eq!(stored, 999);
        let nameless = LanePosition {
            lane: "".into(),
            sequence: 0,
        };
        let verdict = positions.read(0, 1_100, Some(&nameless));
        assert!(matches!(verdict, Verdict::Refuse(_)), "{verdict:?}");
    }

    #[test]
    fn a_producer_that_begins_again_is_stored_once() {
        let mut positions = Positions::new("c", "t");
        assign(
            &mut positions,
            &[0],
            &[(0, 0)],
            stored(&[("producer/l", 2)]),
        );
        let mut verdicts = Vec::new();
        for (offset, sequence) in [1, 2, 4, 2, 3, 3].into_iter().enumerate() {
            verdicts.push(positions.read(0, offset as i64, Some(&lane(sequence))));
        }
        use Verdict::{Refuse, Repeated, Store};
        let ahead = Refuse("its producer's record 3 should come before it".to_owned());
        assert_eq!(
            verdicts,
            [Repeated, Store, ahead, Repeated, Store, Repeated]
        );
        let ranges = positions.ranges();
        assert!(
            ranges.contains(&OffsetRange::new("producer/l", Some(2), 4)),
            "{ranges:?}"
        );
    }
}
