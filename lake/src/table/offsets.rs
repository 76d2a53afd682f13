//! The algebra of offset ranges: which range may follow what is stored.

use std::collections::{BTreeMap, HashSet};

use crate::error::{Error, Result};

/// The rows of a commit were read from `source` at offsets `start..end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetRange {
    /// The source, such as one topic partition; stored as the Delta application id.
    pub source: String,
    /// What must be stored now; none when nothing is.
    pub start: Option<i64>,
    /// The next offset to read, stored with the rows as the Delta transaction version.
    pub end: i64,
}

impl OffsetRange {
    /// Returns the range `start..end` of a source.
    pub fn new(source: impl Into<String>, start: Option<i64>, end: i64) -> Self {
        Self {
            source: source.into(),
            start,
            end,
        }
    }

    /// Reports whether the range moves nothing. Such a range only guards: it demands what must be
    /// stored.
    pub fn is_empty(&self) -> bool {
        self.start == Some(self.end)
    }
}

/// How the ranges of a commit relate to what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Every range continues what is stored.
    Follows,
    /// Every range ends at or before what is stored.
    AlreadyStored,
    /// This range neither continues what is stored nor is it stored.
    Moved {
        source: String,
        expected: Option<i64>,
        found: Option<i64>,
    },
}

/// Refuses ranges that contradict themselves or name a source twice.
pub(crate) fn validate(ranges: &[OffsetRange]) -> Result<()> {
    let mut seen = HashSet::new();
    for range in ranges {
        let invalid = |reason| {
            Err(Error::InvalidOffsetRange {
                offset_source: range.source.clone(),
                reason,
            })
        };
        if range.source.is_empty() {
            return invalid("the source has no name");
        }
        if !seen.insert(range.source.as_str()) {
            return invalid("the source occurs twice in one commit");
        }
        if range.start.is_some_and(|start| range.end < start) {
            return invalid("it ends before it starts");
        }
    }
    Ok(())
}

/// Compares ranges with what is stored. Ranges of one commit are stored together or not at all.
pub(crate) fn relate(stored: &BTreeMap<String, i64>, ranges: &[OffsetRange]) -> Relation {
    let found = |range: &OffsetRange| stored.get(&range.source).copied();
    let is_stored = |range: &OffsetRange| found(range).is_some_and(|stored| range.end <= stored);
    if ranges.iter().any(|range| !range.is_empty()) && ranges.iter().all(is_stored) {
        return Relation::AlreadyStored;
    }
    match ranges.iter().find(|range| found(range) != range.start) {
        None => Relation::Follows,
        Some(range) => Relation::Moved {
            source: range.source.clone(),
            expected: range.start,
            found: found(range),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(offsets: &[(&str, i64)]) -> BTreeMap<String, i64> {
        offsets
            .iter()
            .map(|(source, offset)| ((*source).to_owned(), *offset))
            .collect()
    }

    #[test]
    fn a_range_follows_what_is_stored_or_nothing() {
        assert_eq!(
            relate(&stored(&[]), &[OffsetRange::new("a", None, 5)]),
            Relation::Follows
        );
        let at_five = stored(&[("a", 5)]);
        assert_eq!(
            relate(&at_five, &[OffsetRange::new("a", Some(5), 9)]),
            Relation::Follows
        );
        assert_eq!(relate(&at_five, &[]), Relation::Follows);
    }

    #[test]
    fn a_stored_range_is_known_and_an_overlapping_one_has_moved() {
        let at_five = stored(&[("a", 5)]);
        assert_eq!(
            relate(&at_five, &[OffsetRange::new("a", Some(2), 5)]),
            Relation::AlreadyStored
        );
        assert_eq!(
            relate(&at_five, &[OffsetRange::new("a", None, 5)]),
            Relation::AlreadyStored
        );
        assert_eq!(
            relate(&at_five, &[OffsetRange::new("a", Some(2), 6)]),
            Relation::Moved {
                source: "a".into(),
                expected: Some(2),
                found: Some(5)
            }
        );
    }

    #[test]
    fn one_stored_range_of_two_is_not_already_stored() {
        let offsets = stored(&[("a", 5)]);
        let ranges = [
            OffsetRange::new("a", Some(2), 5),
            OffsetRange::new("b", None, 1),
        ];
        assert!(matches!(relate(&offsets, &ranges), Relation::Moved { .. }));
    }

    #[test]
    fn an_empty_range_only_guards() {
        let offsets = stored(&[("a", 5)]);
        assert_eq!(
            relate(&offsets, &[OffsetRange::new("a", Some(5), 5)]),
            Relation::Follows
        );
        assert!(matches!(
            relate(&offsets, &[OffsetRange::new("a", Some(4), 4)]),
            Relation::Moved { .. }
        ));
    }

    #[test]
    fn contradictory_ranges_are_refused() {
        assert!(validate(&[OffsetRange::new("a", Some(3), 2)]).is_err());
        assert!(validate(&[OffsetRange::new("", None, 2)]).is_err());
        assert!(
            validate(&[
                OffsetRange::new("a", None, 2),
                OffsetRange::new("a", Some(2), 3)
            ])
            .is_err()
        );
    }

    proptest! {
        /// Writers that append any overlapping, repeated or skipping ranges of one source, and
        /// store only those that follow, store each offset exactly once and leave no hole.
        #[test]
        fn what_is_stored_is_always_a_prefix_without_holes(
            cuts in proptest::collection::vec((0_i64..40, 1_i64..10), 1..60)
        ) {
            let mut offsets = BTreeMap::new();
            let mut rows = Vec::new();
            for (start, length) in cuts {
                let start_of_range = (start > 0).then_some(start);
                let range = OffsetRange::new("s", start_of_range, start + length);
                let before = offsets.get("s").copied();
                match relate(&offsets, std::slice::from_ref(&range)) {
                    Relation::Follows => {
                        rows.extend(start..range.end);
                        offsets.insert("s".to_owned(), range.end);
                    }
                    Relation::AlreadyStored => prop_assert!(before >= Some(range.end)),
                    Relation::Moved { expected, found, .. } => {
                        prop_assert_eq!(expected, range.start);
                        prop_assert_eq!(found, before);
                        prop_assert!(before < Some(range.end));
                    }
                }
            }
            let expected: Vec<i64> = (0..offsets.get("s").copied().unwrap_or(0)).collect();
            prop_assert_eq!(rows, expected);
        }

        /// Repeating a committed range right after it was stored is always recognised.
        #[test]
        fn a_repeated_commit_is_always_already_stored(
            first in 0_i64..1000, length in 1_i64..1000
        ) {
            let range = OffsetRange::new("s", (first > 0).then_some(first), first + length);
            let offsets = stored(&[("s", range.end)]);
            prop_assert_eq!(relate(&offsets, &[range]), Relation::AlreadyStored);
        }
    }
}
