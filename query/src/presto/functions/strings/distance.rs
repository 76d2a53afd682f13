//! How different two texts are.

use arrow::array::ArrayRef;
use datafusion::error::Result;

use crate::presto::functions::call::{Call, Text, invalid};

pub(super) fn hamming_distance(call: &Call) -> Result<ArrayRef> {
    call.map2::<Text, Text, i64>(|a, b| {
        if a.chars().count() != b.chars().count() {
            return Err(invalid(
                "The input strings to hamming_distance function must have the same length",
            ));
        }
        let different = a.chars().zip(b.chars()).filter(|(a, b)| a != b);
        Ok(i64::try_from(different.count()).ok())
    })
}

pub(super) fn levenshtein_distance(call: &Call) -> Result<ArrayRef> {
    let mut distances: Vec<usize> = Vec::new();
    call.map2::<Text, Text, i64>(|a, b| {
        let (rows, columns) = (a.chars().count(), b.chars().count());
        if rows.saturating_mul(columns.saturating_sub(1)) > 1_000_000 {
            return Err(invalid(format!(
                "The combined inputs for Levenshtein distance are too large: {rows} * {columns}"
            )));
        }
        Ok(i64::try_from(levenshtein(a, b, &mut distances)).ok())
    })
}

fn levenshtein(a: &str, b: &str, distances: &mut Vec<usize>) -> usize {
    distances.clear();
    distances.extend(1..=b.chars().count());
    let mut last = distances.len();
    for (row, x) in a.chars().enumerate() {
        let mut diagonal = row;
        last = row + 1;
        for (cell, y) in distances.iter_mut().zip(b.chars()) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *cell;
            last = replaced.min(last + 1).min(diagonal + 1);
            *cell = last;
        }
    }
    last
}
