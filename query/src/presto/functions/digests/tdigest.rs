//! The t-digest: values in groups, small at both ends and larger in the middle.
//!
//! ```text
//! add -> more and more groups -> 1260 of them: neighbours are put together, some 200 are left -> more …
//! ```
//!
//! # Source
//! `io.airlift.stats.TDigest`, after Ted Dunning and Otmar Ertl, "Computing Extremely Accurate Quantiles Using t-Digests".

use datafusion::error::Result;

use super::bytes::Reader;
use super::sort::sort;
use super::{internal, refused};

/// How many groups are about left when they are put together.
const COMPRESSION: f64 = 100.0;
/// Groups beyond those that a full digest should need.
const SLACK: f64 = 10.0;

/// A group of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Centroid {
    pub(super) mean: f64,
    pub(super) weight: f64,
}

/// A sketch of numbers, best at the ends of their range.
#[derive(Debug, Clone)]
pub(in crate::presto::functions) struct TDigest {
    compression: f64,
    min: f64,
    max: f64,
    total: f64,
    centroids: Vec<Centroid>,
    /// Where airlift would have to grow its arrays, which is when it puts groups together.
    room: usize,
    /// Every other time groups are put together from the end.
    is_backwards: bool,
    has_new: bool,
}

impl TDigest {
    pub(in crate::presto::functions) fn new() -> Self {
        Self {
            compression: COMPRESSION,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            total: 0.0,
            centroids: Vec::new(),
            room: 1,
            is_backwards: false,
            has_new: false,
        }
    }

    pub(in crate::presto::functions) fn deserialize(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        reader.format()?;
        let (min, max) = (reader.double()?, reader.double()?);
        let (compression, total) = (reader.double()?, reader.double()?);
        let count = reader.int()?;
        if count < 0 {
            return Err(refused(count.to_string()));
        }
        let mut centroids = Vec::new();
        for _ in 0..count {
            let (mean, weight) = (reader.double()?, 0.0);
            centroids.push(Centroid { mean, weight });
        }
        for centroid in &mut centroids {
            centroid.weight = reader.double()?;
        }
        if compression.is_nan() || compression < 10.0 {
            return Err(refused("compression factor too small (< 10)"));
        }
        Ok(Self {
            compression,
            min,
            max,
            total,
            room: centroids.len(),
            centroids,
            is_backwards: false,
            has_new: false,
        })
    }

    pub(in crate::presto::functions) fn serialize(&mut self) -> Vec<u8> {
        self.compress(self.compression);
        self.as_it_is()
    }

    /// Returns the bytes with all groups there are now.
    pub(in crate::presto::functions) fn as_it_is(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(37 + self.centroids.len() * size_of::<Centroid>());
        bytes.push(0);
        for number in [self.min, self.max, self.compression, self.total] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let count = i32::try_from(self.centroids.len()).unwrap_or(i32::MAX);
        bytes.extend_from_slice(&count.to_le_bytes());
        let means = self.centroids.iter().map(|centroid| centroid.mean);
        let weights = self.centroids.iter().map(|centroid| centroid.weight);
        for number in means.chain(weights) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Returns the weight of all values.
    pub(in crate::presto::functions) fn count(&self) -> f64 {
        self.total
    }

    pub(in crate::presto::functions) fn add(&mut self, value: f64, weight: f64) -> Result<()> {
        for (number, what) in [(value, "value"), (weight, "weight")] {
            if number.is_nan() {
                return Err(refused(format!("{what} is NaN")));
            }
            if number.is_infinite() {
                return Err(refused(format!("{what} must be finite")));
            }
        }
        if self.centroids.len() == self.room {
            let most = self.most_centroids();
            if self.room < most {
                self.room = (self.room * 2).max(1).min(most);
            } else {
                self.compress(2.0 * self.compression);
                if self.centroids.len() >= self.room {
                    return Err(internal("the size of a t-digest is not as estimated"));
                }
            }
        }
        let mean = value;
        self.centroids.push(Centroid { mean, weight });
        self.total += weight;
        self.min = smaller(value, self.min);
        self.max = -smaller(-value, -self.max);
        self.has_new = true;
        Ok(())
    }

    pub(in crate::presto::functions) fn merge(&mut self, mut other: Self) {
        if self.centroids.len() + other.centroids.len() > self.room {
            self.compress(2.0 * self.compression);
            other.compress(2.0 * self.compression);
            self.room = self.room.max(self.centroids.len() + other.centroids.len());
        }
        self.centroids.append(&mut other.centroids);
        self.total += other.total;
        self.min = smaller(self.min, other.min);
        self.max = -smaller(-self.max, -other.max);
        self.has_new = true;
    }

    /// Adds the groups of another digest as if they were values: few of them stay as they are.
    pub(in crate::presto::functions) fn absorb(&mut self, other: &Self) -> Result<()> {
        for centroid in &other.centroids {
            self.add(centroid.mean, centroid.weight)?;
        }
        self.min = smaller(self.min, other.min);
        self.max = -smaller(-self.max, -other.max);
        Ok(())
    }

    fn most_centroids(&self) -> usize {
        (6.0 * (2.0 * self.compression + SLACK)) as usize
    }

    /// Puts neighbours together as long as a group is not too large for its place.
    fn compress(&mut self, compression: f64) {
        sort(&mut self.centroids);
        if self.is_backwards {
            self.centroids.reverse();
        }
        let total = self.total;
        let normalizer = compression / (4.0 * (total / compression).ln() + 24.0);
        let largest_at = |quantile: f64| quantile * (1.0 - quantile) / normalizer;

        let mut entries = self.centroids.iter().copied();
        let Some(mut current) = entries.next() else {
            return;
        };
        let mut merged = Vec::new();
        let mut before = 0.0;
        let mut largest_at_start = largest_at(0.0);
        for entry in entries {
            let weight = current.weight + entry.weight;
            let quantile = smaller((before + weight) / total, 1.0);
            if weight <= total * smaller(largest_at_start, largest_at(quantile)) {
                current.mean += (entry.mean - current.mean) * entry.weight / weight;
                current.weight = weight;
            } else {
                before += current.weight;
                largest_at_start = largest_at(before / total);
                merged.push(current);
                current = entry;
            }
        }
        merged.push(current);
        if self.is_backwards {
            merged.reverse();
        }
        self.is_backwards = !self.is_backwards;
        self.centroids = merged;
    }

    /// Returns the values at quantiles in increasing order; NaN if there are none.
    pub(in crate::presto::functions) fn values_at(
        &mut self,
        quantiles: &[f64],
    ) -> Result<Vec<f64>> {
        if quantiles
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if b < a))
        {
            return Err(refused("quantiles must be sorted in increasing order"));
        }
        if quantiles.iter().any(|q| *q < 0.0 || *q > 1.0) {
            return Err(refused("quantiles should be in [0, 1] range"));
        }
        if self.has_new && !quantiles.is_empty() {
            self.compress(2.0 * self.compression);
        }
        let ([first, .., last], total) = (self.centroids.as_slice(), self.total) else {
            let only = self.centroids.first().map_or(f64::NAN, |only| only.mean);
            return Ok(vec![only; quantiles.len()]);
        };
        let (first_half, last_half) = (first.weight / 2.0, last.weight / 2.0);
        let from_end = |rank: f64| {
            self.max + interpolate(total - rank, (1.0, self.max), (last_half, last.mean))
        };
        let is_before_max = |rank: f64| rank <= total - 1.0 && last_half > 1.0;

        let mut found = Vec::with_capacity(quantiles.len());
        let mut ranks = quantiles.iter().map(|quantile| quantile * total).peekable();
        while ranks.next_if(|rank| *rank < 1.0).is_some() {
            found.push(self.min);
        }
        while let Some(rank) = ranks.next_if(|rank| *rank < first_half) {
            let offset = interpolate(rank, (1.0, self.min), (first_half, first.mean));
            found.push(self.min + offset);
        }
        while let Some(rank) =
            ranks.next_if(|rank| is_before_max(*rank) && total - *rank <= last_half)
        {
            found.push(from_end(rank));
        }
        if ranks.peek().is_some_and(|rank| *rank >= total - 1.0) {
            found.resize(quantiles.len(), self.max);
            return Ok(found);
        }
        let mut pairs = self.centroids.windows(2).peekable();
        let mut before = first_half;
        for rank in ranks {
            while let Some(pair) = pairs.next_if(|pair| before + distance(pair) <= rank) {
                before += distance(pair);
            }
            match pairs.peek() {
                Some([left, right]) => found.push(between(*left, *right, rank - before)),
                _ if is_before_max(rank) => found.push(from_end(rank)),
                _ => {
                    found.resize(quantiles.len(), self.max);
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Returns the memory it takes, in bytes.
    pub(in crate::presto::functions) fn size(&self) -> usize {
        size_of::<Self>() + self.centroids.capacity() * size_of::<Centroid>()
    }
}

/// Returns the weight between the middles of two neighbours.
fn distance(pair: &[Centroid]) -> f64 {
    match pair {
        [left, right] => (left.weight + right.weight) / 2.0,
        _ => 0.0,
    }
}

/// Returns the value so far behind the middle of the left group; a group of one value is that value all over.
fn between(left: Centroid, right: Centroid, offset: f64) -> f64 {
    let (left_half, right_half) = (left.weight / 2.0, right.weight / 2.0);
    if left.weight == 1.0 && offset < left_half {
        return left.mean;
    }
    if right.weight == 1.0 && offset >= left_half {
        return right.mean;
    }
    let (offset, length) = if left.weight == 1.0 {
        (offset - left_half, right_half)
    } else if right.weight == 1.0 {
        (offset, left_half)
    } else {
        (offset, (left.weight + right.weight) / 2.0)
    };
    left.mean + interpolate(offset, (0.0, left.mean), (length, right.mean))
}

/// Returns how far the line between two points rises until `x`.
fn interpolate(x: f64, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> f64 {
    (x - x0) / (x1 - x0) * (y1 - y0)
}

/// Returns the smaller number as Java does: NaN of NaN, and minus zero before zero.
fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    if a.total_cmp(&b).is_lt() { a } else { b }
}
