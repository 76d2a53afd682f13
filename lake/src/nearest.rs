//! The names a caller may have meant.

/// Returns up to three of `names` that are close to `wanted`, closest first; when none is close
/// and there are few names, returns those.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut ranked: Vec<(usize, &str)> = names
        .into_iter()
        .map(|name| (edit_distance(wanted, name), name))
        .collect();
    ranked.sort();
    let close = |distance: usize, name: &str| distance <= 1 + wanted.len().max(name.len()) / 3;
    let few = ranked.len() <= 3;
    ranked
        .into_iter()
        .filter(|(distance, name)| few || close(*distance, name))
        .take(3)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// Levenshtein distance, one row at a time.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, a) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        let mut next = vec![before];
        for (b, above) in right.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(a != *b);
            before = replaced.min(above + 1).min(before + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance_counts_insertions_deletions_and_replacements() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", ""), 3);
        assert_eq!(edit_distance("same", "same"), 0);
    }

    #[test]
    fn the_closest_name_comes_first_and_distant_ones_are_left_out() {
        let names = ["flights", "airports", "planes", "weather", "lights"];
        assert_eq!(
            nearest("fligths", names),
            ["flights", "lights"].map(String::from).to_vec()
        );
        assert!(nearest("zzzzzzzzzzzz", names).is_empty());
    }
}
