//! The templates, parsed once, and what they can do with numbers.

use minijinja::value::Value;
use minijinja::{Environment, Error};

const TEMPLATES: [(&str, &str); 10] = [
    ("base.html", include_str!("../../templates/base.html")),
    ("parts.html", include_str!("../../templates/parts.html")),
    ("error.html", include_str!("../../templates/error.html")),
    ("home.html", include_str!("../../templates/home.html")),
    (
        "airlines.html",
        include_str!("../../templates/airlines.html"),
    ),
    ("airline.html", include_str!("../../templates/airline.html")),
    ("search.html", include_str!("../../templates/search.html")),
    ("predict.html", include_str!("../../templates/predict.html")),
    ("answer.html", include_str!("../../templates/answer.html")),
    ("console.html", include_str!("../../templates/console.html")),
];

/// What stands for a value that is not there.
const NOTHING: &str = "–";

/// Returns all templates.
///
/// # Errors
/// One of them is not a template.
pub(super) fn build() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.add_filter("grouped", grouped);
    environment.add_filter("fixed", fixed);
    environment.add_filter("clock", clock);
    environment.add_filter("share", share);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    Ok(environment)
}

/// Returns `336776` as `336,776`.
fn grouped(number: Value) -> String {
    let Ok(number) = u64::try_from(number) else {
        return NOTHING.to_owned();
    };
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number with so many digits after the point.
fn fixed(number: Value, digits: usize) -> String {
    match f64::try_from(number) {
        Ok(number) if number.is_finite() => {
            let text = format!("{number:.digits$}");
            let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
            if is_zero {
                text.trim_start_matches('-').to_owned()
            } else {
                text
            }
        }
        _ => NOTHING.to_owned(),
    }
}

/// Returns a share such as 0.6312 as `63.1 %`.
fn share(number: Value) -> String {
    match f64::try_from(number) {
        Ok(share) if share.is_finite() => format!("{:.1} %", share * 100.0),
        _ => NOTHING.to_owned(),
    }
}

/// Returns the local time `517` as `05:17`.
fn clock(time: Value) -> String {
    match u64::try_from(time) {
        Ok(time) => format!("{:02}:{:02}", time / 100, time % 100),
        Err(_) => NOTHING.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_one() {
        build().unwrap();
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [7_u64, 1000, 336_776].map(|number| grouped(Value::from(number))),
            ["7", "1,000", "336,776"]
        );
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(fixed(Value::from(-0.04), 1), "0.0");
        assert_eq!(fixed(Value::from(3.558), 1), "3.6");
        assert_eq!(fixed(Value::from(()), 1), "–");
        assert_eq!(share(Value::from(0.6312)), "63.1 %");
        assert_eq!(clock(Value::from(517)), "05:17");
        assert_eq!(clock(Value::from(())), "–");
    }
}
