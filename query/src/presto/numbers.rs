//! Numbers as text.

/// Returns a double as Java's `toString` does: `1.0`, `1.0E10`, `NaN`.
#[must_use]
pub fn java_double(value: f64) -> String {
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    scientific(value)
}

/// As [`java_double`], with the digits of a real.
#[must_use]
pub fn java_real(value: f32) -> String {
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    exponent_text(f64::from(value), &format!("{value:E}"))
}

/// Returns a number as Presto's cast to varchar writes it: always with an exponent.
#[must_use]
pub fn scientific(value: f64) -> String {
    exponent_text(value, &format!("{value:E}"))
}

/// As [`scientific`], with seven digits of a real at most; half of the last one is rounded up.
#[must_use]
pub fn scientific_real(value: f32) -> String {
    const DIGITS: usize = 7;
    let shortest = exponent_text(f64::from(value), &format!("{value:E}"));
    let digits_of = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let (mantissa, _) = shortest.split_once('E').unwrap_or_default();
    if digits_of(mantissa).len() <= DIGITS {
        return shortest;
    }
    // The shortest text may have been rounded up itself, so all digits decide.
    let exact = format!("{:.60E}", f64::from(value));
    let (mantissa, exponent) = exact.split_once('E').unwrap_or_default();
    let kept = digits_of(mantissa)
        .get(..=DIGITS)
        .and_then(|kept| kept.parse::<u32>().ok());
    let (Some(kept), Ok(exponent)) = (kept, exponent.parse::<i32>()) else {
        return shortest;
    };
    let rounded = ((kept + 5) / 10).to_string();
    // Nines may have become one digit more.
    let exponent = if rounded.len() > DIGITS {
        exponent + 1
    } else {
        exponent
    };
    let (whole, fraction) = rounded.split_at(1);
    let fraction = fraction.trim_end_matches('0');
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    let sign = if value.is_sign_negative() { "-" } else { "" };
    format!("{sign}{whole}.{fraction}E{exponent}")
}

fn exponent_text(value: f64, text: &str) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    match text.split_once('E') {
        Some((mantissa, _)) if value != 0.0 && !mantissa.contains('.') => {
            // Java shows two digits at least: those nearest to the number.
            format!("{value:.1E}")
        }
        _ => text.to_owned(),
    }
}

/// Returns a decimal's digits with its point.
#[must_use]
pub fn decimal_text(value: i128, scale: i8) -> String {
    let scale = usize::try_from(scale).unwrap_or(0);
    if scale == 0 {
        return value.to_string();
    }
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits
        .split_at_checked(digits.len() - scale)
        .unwrap_or((&digits, ""));
    format!("{sign}{whole}.{fraction}")
}

/// Returns the number's text without what only Java reads.
#[must_use]
pub fn java_number(text: &str) -> Option<&str> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return Some(text);
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let is_plain = number
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    is_plain.then_some(number)
}

/// Returns the double that Java reads in a text.
#[must_use]
pub fn parse_double(text: &str) -> Option<f64> {
    java_number(text)?.parse().ok()
}
