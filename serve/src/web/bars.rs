//! Horizontal bars from a common zero line, in percent of the space there is.

use serde::Serialize;

/// One bar.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Bar {
    /// Left edge.
    x: f64,
    /// Length.
    width: f64,
    /// Whether it points to the left of zero.
    negative: bool,
}

/// Returns a bar for each value; a missing value has no length.
pub(super) fn build(values: &[Option<f64>]) -> Vec<Bar> {
    let known = || values.iter().flatten().copied();
    let lowest = known().fold(0.0, f64::min);
    let highest = known().fold(0.0, f64::max);
    let bar = |value: &Option<f64>| {
        let value = value.unwrap_or(0.0);
        let x = percent(value.min(0.0) - lowest, highest - lowest);
        Bar {
            x,
            width: percent(value.abs(), highest - lowest),
            negative: value < 0.0,
        }
    };
    values.iter().map(bar).collect()
}

/// Returns bars for probabilities: the full length is certainty.
pub(super) fn of_probabilities(probabilities: &[f64]) -> Vec<Bar> {
    let bar = |probability: &f64| Bar {
        x: 0.0,
        width: percent(*probability, 1.0),
        negative: false,
    };
    probabilities.iter().map(bar).collect()
}

/// Returns the share in percent with one digit, which is finer than a pixel.
fn percent(part: f64, whole: f64) -> f64 {
    if !(whole > 0.0 && part.is_finite()) {
        return 0.0;
    }
    (part / whole * 1000.0).clamp(0.0, 1000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_share_one_zero_line() {
        let bars = build(&[Some(15.0), Some(-5.0), None]);
        assert_eq!((bars[0].x, bars[0].width), (25.0, 75.0));
        assert_eq!(
            (bars[1].x, bars[1].width, bars[1].negative),
            (0.0, 25.0, true)
        );
        assert_eq!((bars[2].x, bars[2].width), (25.0, 0.0));
        assert_eq!(build(&[Some(0.0)])[0].width, 0.0);
    }

    #[test]
    fn a_probability_is_its_own_length() {
        let widths: Vec<f64> = of_probabilities(&[0.125, 1.0, f64::NAN, 7.0])
            .iter()
            .map(|bar| bar.width)
            .collect();
        assert_eq!(widths, [12.5, 100.0, 0.0, 100.0]);
    }
}
