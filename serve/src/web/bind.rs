//! Values of a page, as literals in its SQL text.

use std::fmt;

use chrono::NaiveDate;

/// A value that is written into SQL.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    /// Nothing.
    Null,
    /// Text, quoted.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A day.
    Date(NaiveDate),
}

impl Literal {
    /// Returns `value` as text, or nothing.
    pub(super) fn text(value: Option<&str>) -> Self {
        value.map_or(Self::Null, |text| Self::Text(text.to_owned()))
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Date(day) => write!(f, "DATE '{day}'"),
        }
    }
}

/// Writes `values` in the place of their `{names}`.
///
/// The text is read once from left to right, so a value that looks like a name stays a value.
pub(super) fn bind(sql: &str, values: &[(&str, Literal)]) -> String {
    let mut bound = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('{') {
        bound.push_str(before);
        let found = after.split_once('}').and_then(|(name, tail)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((value, tail))
        });
        match found {
            Some((value, tail)) => {
                bound.push_str(&value.to_string());
                rest = tail;
            }
            None => {
                bound.push('{');
                rest = after;
            }
        }
    }
    bound.push_str(rest);
    bound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_never_read_again() {
        let day = NaiveDate::from_ymd_opt(2013, 2, 1).unwrap();
        let values = [
            ("a", Literal::Text("it's {b}".to_owned())),
            ("b", Literal::Integer(-7)),
            ("c", Literal::text(None)),
            ("d", Literal::Date(day)),
        ];
        assert_eq!(
            bind("f({a}, {b}, {c}, {d}, {e}, {", &values),
            "f('it''s {b}', -7, NULL, DATE '2013-02-01', {e}, {"
        );
    }
}
