//! The binary tree of a q-digest: each node counts the values within a range of integers.
//!
//! ```text
//!  level 3          0..=7: 0                     a node of level n spans 2^n integers
//!                 /         \
//!  level 0      2: 5      level 2   4..=7: 3
//! ```
//!
//! Levels fall on the way down, so that no tree is deeper than [`BITS`] and one node.

/// How many bits a value has.
pub(super) const BITS: u8 = 64;
/// Below this a count is none.
const LEAST_COUNT: f64 = 1e-5;

/// A tree, or the place where one would be.
pub(super) type Link = Option<Box<Node>>;

/// A range of integers, and how many of them there were.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// An integer of the range, with the sign's bit turned so that the order is that of unsigned ones.
    pub(super) bits: u64,
    pub(super) level: u8,
    pub(super) count: f64,
    pub(super) left: Link,
    pub(super) right: Link,
}

/// Which way a tree is walked; the node comes after what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Upwards,
    Downwards,
}

impl Node {
    pub(super) fn leaf(bits: u64, count: f64) -> Self {
        Self {
            bits,
            level: 0,
            count,
            left: None,
            right: None,
        }
    }

    /// Returns the parent of two nodes that have no integer in common.
    pub(super) fn above(first: Box<Self>, second: Box<Self>) -> Self {
        let level = (BITS as u32 - (first.bits ^ second.bits).leading_zeros()) as u8;
        let mut parent = Self {
            level,
            ..Self::leaf(first.bits, 0.0)
        };
        let is_left = parent.is_left(first.bits);
        let (left, right) = if is_left {
            (first, second)
        } else {
            (second, first)
        };
        (parent.left, parent.right) = (Some(left), Some(right));
        parent
    }

    /// Returns whether both integers are in the one range of that level.
    pub(super) fn are_together(a: u64, b: u64, level: u8) -> bool {
        let shift = u32::from(level);
        a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
    }

    fn is_left(&self, bits: u64) -> bool {
        let bit = u32::from(self.level.saturating_sub(1));
        bits & 1_u64.checked_shl(bit).unwrap_or(0) == 0
    }

    /// Returns whether what is below is within the right halves of the range.
    pub(super) fn holds_children(&self) -> bool {
        let holds = |child: &Link, is_left: bool| {
            child.as_ref().is_none_or(|child| {
                child.level < self.level
                    && Self::are_together(child.bits, self.bits, self.level)
                    && self.is_left(child.bits) == is_left
            })
        };
        holds(&self.left, true) && holds(&self.right, false)
    }

    /// Returns the half of the range that the integer is in.
    pub(super) fn half(&mut self, bits: u64) -> &mut Link {
        if self.is_left(bits) {
            &mut self.left
        } else {
            &mut self.right
        }
    }

    /// Returns the smallest integer of the range.
    pub(super) fn lower(&self) -> i64 {
        to_long(self.bits & !self.mask())
    }

    /// Returns the largest integer of the range.
    pub(super) fn upper(&self) -> i64 {
        to_long(self.bits | self.mask())
    }

    fn mask(&self) -> u64 {
        let unused = u32::from(BITS - self.level.min(BITS));
        u64::MAX.checked_shr(unused).unwrap_or(0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count < LEAST_COUNT
    }

    /// Moves counts up to nodes that have less than `bound` with what is right below them.
    ///
    /// Returns how many nodes are gone.
    pub(super) fn compress(&mut self, bound: f64) -> usize {
        let mut gone = 0;
        for child in [&mut self.left, &mut self.right].into_iter().flatten() {
            gone += child.compress(bound);
        }
        let count = |link: &Link| link.as_ref().map_or(0.0, |child| child.count);
        let sum = self.count + count(&self.left) + count(&self.right);
        for child in [&mut self.left, &mut self.right] {
            let moved = count(child);
            if sum < bound || child.as_ref().is_some_and(|child| child.is_empty()) {
                gone += remove(child);
                self.count += moved;
            }
        }
        gone
    }

    /// Passes the nodes on until `visit` returns that it has enough; returns whether it has.
    pub(super) fn walk<'a>(
        &'a self,
        order: Order,
        visit: &mut impl FnMut(&'a Self) -> bool,
    ) -> bool {
        let children = match order {
            Order::Upwards => [&self.left, &self.right],
            Order::Downwards => [&self.right, &self.left],
        };
        let mut children = children.into_iter().flatten();
        children.any(|child| child.walk(order, visit)) || visit(self)
    }
}

/// Takes a node away, or its count if it has two below it; returns how many nodes are gone.
pub(super) fn remove(link: &mut Link) -> usize {
    let Some(mut node) = link.take() else {
        return 0;
    };
    *link = match (node.left.take(), node.right.take()) {
        (Some(left), Some(right)) => {
            node.count = 0.0;
            (node.left, node.right) = (Some(left), Some(right));
            *link = Some(node);
            return 0;
        }
        (left, right) => left.or(right),
    };
    1
}

/// Returns the bits of an integer, in the order of unsigned ones.
pub(super) fn to_bits(value: i64) -> u64 {
    value.cast_unsigned() ^ (1 << 63)
}

fn to_long(bits: u64) -> i64 {
    (bits ^ (1 << 63)).cast_signed()
}
