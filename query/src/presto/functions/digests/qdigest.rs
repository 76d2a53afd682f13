//! The q-digest: integers in a tree of ranges, which are narrow where there are many.
//!
//! # Source
//! `io.airlift.stats.QuantileDigest`, after Nisheeth Shrivastava and others, "Medians and Beyond: New Aggregation
//! Techniques for Sensor Networks".

use datafusion::error::Result;

use super::super::shared::failure;
use super::bytes::Reader;
use super::refused;
use super::tree::{BITS, Link, Node, Order, remove, to_bits};

const HAS_LEFT: u8 = 1;
const HAS_RIGHT: u8 = 2;

/// A sketch of integers that says how wrong the rank of an answer may be.
#[derive(Debug, Clone)]
pub(in crate::presto::functions) struct QuantileDigest {
    max_error: f64,
    /// The weight of all values.
    total: f64,
    min: i64,
    max: i64,
    root: Link,
    nodes: usize,
}

impl QuantileDigest {
    pub(in crate::presto::functions) fn new(max_error: f64) -> Self {
        Self {
            max_error,
            total: 0.0,
            min: i64::MAX,
            max: i64::MIN,
            root: None,
            nodes: 0,
        }
    }

    pub(in crate::presto::functions) fn deserialize(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        reader.format()?;
        let (max_error, alpha) = (reader.double()?, reader.double()?);
        if alpha != 0.0 {
            let message = "quantile digests whose values lose weight with time";
            return Err(failure("NOT_SUPPORTED", message));
        }
        let _landmark = reader.long()?;
        let (min, max) = (reader.long()?, reader.long()?);
        let nodes = reader.int()?;
        let height = BITS as u32 - (min ^ max).leading_zeros() + 1;
        let most = 1_i64.checked_shl(height).map_or(i64::MAX, |most| most - 1);
        if height < 64 && i64::from(nodes) > most {
            return Err(refused(
                "Too many nodes in deserialized tree. Possible corruption",
            ));
        }
        let mut digest = Self {
            min,
            max,
            ..Self::new(max_error)
        };
        let mut subtrees: Vec<Node> = Vec::new();
        for _ in 0..nodes {
            let node = read_node(&mut reader, &mut subtrees)?;
            digest.total += node.count;
            digest.nodes += 1;
            subtrees.push(node);
        }
        digest.root = subtrees.pop().map(Box::new);
        if !subtrees.is_empty() {
            return Err(refused("Tree is corrupted. Expected a single root node"));
        }
        Ok(digest)
    }

    pub(in crate::presto::functions) fn serialize(&mut self) -> Vec<u8> {
        self.compress();
        let mut bytes = Vec::with_capacity(45 + self.nodes * 17);
        bytes.push(0);
        bytes.extend_from_slice(&self.max_error.to_le_bytes());
        // Weights do not decay, from the beginning of time on.
        bytes.extend_from_slice(&0_f64.to_le_bytes());
        for number in [0, self.min, self.max] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let nodes = i32::try_from(self.nodes).unwrap_or(i32::MAX);
        bytes.extend_from_slice(&nodes.to_le_bytes());
        self.walk(Order::Upwards, &mut |node| {
            let left = if node.left.is_some() { HAS_LEFT } else { 0 };
            let right = if node.right.is_some() { HAS_RIGHT } else { 0 };
            bytes.push((node.level.saturating_sub(1) << 2) | left | right);
            bytes.extend_from_slice(&node.count.to_le_bytes());
            bytes.extend_from_slice(&node.bits.to_le_bytes());
            false
        });
        bytes
    }

    /// Returns how far from the one asked for the rank of an answer may be, as a part of all.
    pub(in crate::presto::functions) fn max_error(&self) -> f64 {
        self.max_error
    }

    /// Returns the weight of all values.
    pub(in crate::presto::functions) fn count(&self) -> f64 {
        self.total
    }

    /// Adds a value of a weight above zero.
    pub(in crate::presto::functions) fn add(&mut self, value: i64, weight: f64) {
        self.max = self.max.max(value);
        self.min = self.min.min(value);
        let before = self.total;
        self.insert(Node::leaf(to_bits(value), weight));
        // What is put together depends on how many such parts the weight has.
        let part = i64::from(self.compression_factor());
        if before as i64 / part != self.total as i64 / part {
            self.compress();
        }
    }

    fn insert(&mut self, leaf: Node) {
        if leaf.is_empty() {
            return;
        }
        self.total += leaf.count;
        let mut place = &mut self.root;
        loop {
            match place {
                None => {
                    *place = Some(Box::new(leaf));
                    self.nodes += 1;
                    return;
                }
                Some(node) if !Node::are_together(leaf.bits, node.bits, node.level) => {
                    if let Some(node) = place.take() {
                        *place = Some(Box::new(Node::above(node, Box::new(leaf))));
                    }
                    self.nodes += 2;
                    return;
                }
                Some(node) if node.level == 0 => {
                    node.count += leaf.count;
                    return;
                }
                Some(node) => place = node.half(leaf.bits),
            }
        }
    }

    pub(in crate::presto::functions) fn merge(&mut self, other: Self) {
        let root = self.root.take();
        self.root = self.merged(root, other.root);
        self.max = self.max.max(other.max);
        self.min = self.min.min(other.min);
        self.compress();
    }

    fn merged(&mut self, own: Link, other: Link) -> Link {
        let (mut own, mut other) = match (own, other) {
            (own, None) => return own,
            (None, Some(other)) => {
                self.count_in(&other);
                return Some(other);
            }
            (Some(own), Some(other)) => (own, other),
        };
        if !Node::are_together(own.bits, other.bits, own.level.max(other.level)) {
            self.count_in(&other);
            self.nodes += 1;
            return Some(Box::new(Node::above(own, other)));
        }
        if own.level > other.level {
            let half = own.half(other.bits);
            let below = half.take();
            *half = self.merged(below, Some(other));
            return Some(own);
        }
        if own.level < other.level {
            let bits = own.bits;
            let below = other.half(bits).take();
            // Without the half that is merged.
            self.count_in(&other);
            *other.half(bits) = self.merged(Some(own), below);
            return Some(other);
        }
        self.total += other.count;
        own.count += other.count;
        own.left = self.merged(own.left.take(), other.left.take());
        own.right = self.merged(own.right.take(), other.right.take());
        Some(own)
    }

    /// Counts what comes from another digest.
    fn count_in(&mut self, node: &Node) {
        node.walk(Order::Upwards, &mut |node| {
            self.total += node.count;
            self.nodes += 1;
            false
        });
    }

    fn compression_factor(&self) -> i32 {
        self.root.as_ref().map_or(1, |root| {
            let factor = (f64::from(root.level) + 1.0) / self.max_error;
            (factor as i32).max(1)
        })
    }

    fn compress(&mut self) {
        let bound = (self.total / f64::from(self.compression_factor())).floor();
        if let Some(root) = &mut self.root {
            self.nodes -= root.compress(bound);
            if root.is_empty() {
                self.nodes -= remove(&mut self.root);
            }
        }
    }

    fn walk<'a>(&'a self, order: Order, visit: &mut impl FnMut(&'a Node) -> bool) -> bool {
        self.root
            .as_ref()
            .is_some_and(|root| root.walk(order, visit))
    }

    /// Returns the first range that has values.
    fn first(&self, order: Order) -> Option<&Node> {
        let mut found = None;
        self.walk(order, &mut |node| {
            found = Some(node).filter(|node| !node.is_empty());
            found.is_some()
        });
        found
    }

    /// Returns the value at a quantile, or a little more.
    pub(in crate::presto::functions) fn value_at(&self, quantile: f64) -> Result<i64> {
        if !(0.0..=1.0).contains(&quantile) {
            return Err(refused("quantile must be between [0,1]"));
        }
        let mut sum = 0.0;
        let mut found = self.max;
        self.walk(Order::Upwards, &mut |node| {
            sum += node.count;
            let is_there = sum > quantile * self.total;
            if is_there {
                found = found.min(node.upper());
            }
            is_there
        });
        Ok(found)
    }

    /// Returns which part of the values is smaller; none for what is not between the smallest and the largest.
    pub(in crate::presto::functions) fn quantile_at(&self, value: i64) -> Option<f64> {
        let smallest = self.first(Order::Upwards).map_or(self.min, Node::lower);
        let largest = self.first(Order::Downwards).map_or(self.max, Node::upper);
        let range = self.min.max(smallest)..=self.max.min(largest);
        if self.total == 0.0 || !range.contains(&value) {
            return None;
        }
        let mut sum = 0.0;
        self.walk(Order::Upwards, &mut |node| {
            let is_there = value <= node.upper();
            if !is_there {
                sum += node.count;
            }
            is_there
        });
        Some(sum / self.total)
    }

    /// Returns the memory it takes, in bytes.
    pub(in crate::presto::functions) fn size(&self) -> usize {
        size_of::<Self>() + self.nodes * size_of::<Node>()
    }
}

/// Reads a node; the last subtrees are below it.
fn read_node(reader: &mut Reader<'_>, subtrees: &mut Vec<Node>) -> Result<Node> {
    let structure = reader.byte()?;
    let mut below = |flag: u8| -> Result<Link> {
        if structure & flag == 0 {
            return Ok(None);
        }
        let corrupted = || refused("Tree is corrupted. A node has not what is below it");
        let node = subtrees.pop().ok_or_else(corrupted)?;
        Ok(Some(Box::new(node)))
    };
    let (right, left) = (below(HAS_RIGHT)?, below(HAS_LEFT)?);
    let has_children = left.is_some() || right.is_some();
    // A range with nothing below it is read as the half of what was written: so it is in airlift.
    let level = (structure >> 2) + u8::from(has_children);
    let count = reader.double()?;
    let bits = reader.long()?.cast_unsigned();
    let node = Node {
        level,
        left,
        right,
        ..Node::leaf(bits, count)
    };
    if !node.holds_children() {
        return Err(refused("Tree is corrupted. A range is not within another"));
    }
    Ok(node)
}
