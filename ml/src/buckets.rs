//! The target: arrival delay in four buckets, cut at -15, 0 and 30 minutes.

/// Number of classes.
pub const CLASSES: usize = 4;

/// Lower bounds of classes 1, 2 and 3, in minutes; each belongs to the class it starts.
pub const CUTS: [f64; CLASSES - 1] = [-15.0, 0.0, 30.0];

/// What each class means, in words.
pub const LABELS: [&str; CLASSES] = [
    "more than 15 minutes early",
    "up to 15 minutes early",
    "less than 30 minutes late",
    "30 minutes late or more",
];

/// Returns the class of an arrival delay in minutes.
pub fn bucket(arrival_delay_minutes: f64) -> usize {
    CUTS.iter()
        .filter(|cut| arrival_delay_minutes >= **cut)
        .count()
}

/// Returns what `class` means, in words.
pub fn label(class: usize) -> &'static str {
    LABELS.get(class).copied().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_belongs_to_the_class_it_starts() {
        let classes = [-16.0, -15.0, -0.5, 0.0, 29.0, 30.0, 500.0].map(bucket);
        assert_eq!(classes, [0, 1, 1, 2, 2, 3, 3]);
    }
}
