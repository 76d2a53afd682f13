//! Literals that are more than their text: intervals, and numbers with a sign.

use datafusion::sql::sqlparser::ast::{
    CastKind, DateTimeField, Expr, Interval, Value, ValueWithSpan,
};

use super::types::presto_type;
use super::{Meaning, null, take, text};

/// Returns the literal with its fields behind its text; none if the fields are none of an interval.
pub(super) fn interval_literal(interval: &Interval) -> Option<Expr> {
    use DateTimeField as F;
    let (sign, value) = match interval.value.as_ref() {
        Expr::Value(value) => ("", value.value.clone().into_string()?),
        // The minus in front of the text was rewritten before.
        Expr::Nested(inner) => match inner.as_ref() {
            Expr::BinaryOp { left, op, .. } if Meaning::of(op) == Some(Meaning::Negate) => {
                match left.as_ref() {
                    Expr::Value(value) => ("-", value.value.clone().into_string()?),
                    _ => return None,
                }
            }
            _ => return None,
        },
        _ => return None,
    };
    let field = interval.leading_field.as_ref()?;
    let last = interval.last_field.as_ref();
    let kind = match (field, last) {
        (F::Year | F::Month, None | Some(F::Year | F::Month)) => "interval year to month",
        (
            F::Day | F::Hour | F::Minute | F::Second,
            None | Some(F::Day | F::Hour | F::Minute | F::Second),
        ) => "interval day to second",
        _ => return None,
    };
    let last = last.unwrap_or(field);
    let shown = format!("{sign}|{value}|{field}|{last}");
    let data_type = presto_type(vec![kind.to_owned(), "UTC".to_owned()]);
    let typed = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(null()),
        data_type,
        array: false,
        format: None,
    };
    Some(Meaning::Literal.apply(text(&shown), typed))
}

/// Returns the negative of an expression; a number becomes one literal.
pub(super) fn negated(expr: &mut Expr) -> Option<Expr> {
    if let Expr::Value(ValueWithSpan {
        value: Value::Number(..),
        ..
    }) = expr
    {
        return None;
    }
    if let Some(digits) = digits_mut(expr) {
        *digits = match digits.strip_prefix('-') {
            Some(positive) => positive.to_owned(),
            None => format!("-{digits}"),
        };
        return Some(take(expr));
    }
    Some(Meaning::Negate.apply(take(expr), null()))
}

/// Returns the digits of a number that was rewritten.
fn digits_mut(expr: &mut Expr) -> Option<&mut String> {
    let Expr::Nested(inner) = expr else {
        return None;
    };
    if matches!(inner.as_ref(), Expr::Nested(_)) {
        return digits_mut(inner);
    }
    match inner.as_mut() {
        Expr::BinaryOp { left, op, .. } if Meaning::of(op) == Some(Meaning::Number) => {
            match left.as_mut() {
                Expr::Value(ValueWithSpan {
                    value: Value::SingleQuotedString(digits),
                    ..
                }) => Some(digits),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns the precision that is an argument: three if there is none, and none if it is no number.
pub(super) fn digits_of(precision: Option<&Expr>) -> Option<u8> {
    let Some(precision) = precision else {
        return Some(3);
    };
    let Expr::Nested(inner) = precision else {
        return None;
    };
    match inner.as_ref() {
        Expr::BinaryOp { left, .. } => match left.as_ref() {
            Expr::Value(value) => value.value.clone().into_string()?.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
