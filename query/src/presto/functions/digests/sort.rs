//! The order that groups of values are put together in.
//!
//! Groups of the same mean and other weights give another digest in another order, so that the sort must be airlift's:
//! the quicksort of Bentley and McIlroy, which is not stable.
//!
//! # Source
//! Jon L. Bentley and M. Douglas McIlroy, "Engineering a Sort Function", Software: Practice and Experience 23(11), 1993.

use std::cmp::Ordering;

use super::tdigest::Centroid;

const MAX_INSERTION: usize = 16;
const MAX_MEDIAN_OF_3: usize = 128;

/// Sorts by the mean.
pub(super) fn sort(groups: &mut [Centroid]) {
    let mut groups = groups;
    while groups.len() >= MAX_INSERTION {
        let (low, high) = partition(groups);
        // The order of the parts does not matter; the smaller one first keeps the stack shallow.
        let (smaller, larger) = if low.len() < high.len() {
            (low, high)
        } else {
            (high, low)
        };
        sort(smaller);
        groups = larger;
    }
    insertion_sort(groups);
}

fn mean(groups: &[Centroid], at: usize) -> f64 {
    groups.get(at).map_or(f64::NAN, |group| group.mean)
}

/// Brings groups below and above one of the means to the two ends; those of that mean stay between.
fn partition(groups: &mut [Centroid]) -> (&mut [Centroid], &mut [Centroid]) {
    let len = groups.len();
    let pivot = mean(groups, pivot(groups));
    // Equal ones are gathered at both ends: before `equal_low` and from `equal_high` on.
    let (mut equal_low, mut low, mut high, mut equal_high) = (0, 0, len, len);
    loop {
        while low < high {
            match mean(groups, low).total_cmp(&pivot) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    groups.swap(equal_low, low);
                    equal_low += 1;
                }
                Ordering::Less => {}
            }
            low += 1;
        }
        while low < high {
            match mean(groups, high - 1).total_cmp(&pivot) {
                Ordering::Less => break,
                Ordering::Equal => {
                    equal_high -= 1;
                    groups.swap(high - 1, equal_high);
                }
                Ordering::Greater => {}
            }
            high -= 1;
        }
        if low >= high {
            break;
        }
        high -= 1;
        groups.swap(low, high);
        low += 1;
    }
    let (below, above) = (low - equal_low, equal_high - high);
    swap_ranges(groups, 0, low, equal_low.min(below));
    swap_ranges(groups, low, len, above.min(len - equal_high));
    let (rest, above) = groups.split_at_mut(len - above);
    let (below, _) = rest.split_at_mut(below);
    (below, above)
}

/// Swaps so many groups from `start` on with those before `end`.
fn swap_ranges(groups: &mut [Centroid], start: usize, end: usize, count: usize) {
    for step in 0..count {
        groups.swap(start + step, end - count + step);
    }
}

/// Returns the place of a group that is about in the middle.
fn pivot(groups: &[Centroid]) -> usize {
    let len = groups.len();
    let (mut low, mut middle, mut high) = (0, len / 2, len - 1);
    if len > MAX_MEDIAN_OF_3 {
        let step = len / 8;
        low = median(groups, low, low + step, low + 2 * step);
        middle = median(groups, middle - step, middle, middle + step);
        high = median(groups, high - 2 * step, high - step, high);
    }
    median(groups, low, middle, high)
}

fn median(groups: &[Centroid], a: usize, b: usize, c: usize) -> usize {
    let compare = |left, right| mean(groups, left).total_cmp(&mean(groups, right));
    let (ab, ac, bc) = (compare(a, b), compare(a, c), compare(b, c));
    if ab.is_lt() {
        match (bc.is_lt(), ac.is_lt()) {
            (true, _) => b,
            (false, true) => c,
            (false, false) => a,
        }
    } else {
        match (bc.is_gt(), ac.is_gt()) {
            (true, _) => b,
            (false, true) => c,
            (false, false) => a,
        }
    }
}

fn insertion_sort(groups: &mut [Centroid]) {
    for end in 1..groups.len() {
        let mut at = end;
        while at > 0 && mean(groups, at).total_cmp(&mean(groups, at - 1)).is_lt() {
            groups.swap(at, at - 1);
            at -= 1;
        }
    }
}
