//! Category values to one-hot positions.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// The values of one categorical feature; what is not among them shares one unknown bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Vocabulary {
    values: Vec<String>,
    positions: HashMap<String, usize>,
}

impl Vocabulary {
    /// Learns the `limit` most frequent values; ties go to the smaller value, so that the order of rows
    /// does not matter.
    pub fn fit<S: AsRef<str>>(values: impl Iterator<Item = S>, limit: usize) -> Self {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for value in values {
            match counts.get_mut(value.as_ref()) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(value.as_ref().to_owned(), 1);
                }
            }
        }
        let mut ranked: Vec<_> = counts.into_iter().collect();
        ranked.sort_by(|(left, left_count), (right, right_count)| {
            right_count.cmp(left_count).then_with(|| left.cmp(right))
        });
        ranked.truncate(limit);
        let mut known: Vec<String> = ranked.into_iter().map(|(value, _)| value).collect();
        known.sort_unstable();
        known.into()
    }

    /// Returns the number of positions, the unknown bucket included.
    pub fn width(&self) -> usize {
        self.values.len() + 1
    }

    /// Returns the position of `value`; the last one is the unknown bucket.
    pub fn position(&self, value: &str) -> usize {
        self.positions
            .get(value)
            .copied()
            .unwrap_or(self.values.len())
    }

    /// Returns the known values in the order of their positions.
    pub fn values(&self) -> &[String] {
        &self.values
    }
}

impl From<Vec<String>> for Vocabulary {
    fn from(values: Vec<String>) -> Self {
        let positions = values
            .iter()
            .cloned()
            .enumerate()
            .map(|(at, value)| (value, at))
            .collect();
        Self { values, positions }
    }
}

impl From<Vocabulary> for Vec<String> {
    fn from(vocabulary: Vocabulary) -> Self {
        vocabulary.values
    }
}
