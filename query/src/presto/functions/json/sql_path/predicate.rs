//! What holds of an item. What fails inside a predicate makes it unknown, which is none here.

use super::arithmetic::compare;
use super::datum::{Datum, Item};
use super::evaluate::{Evaluator, Scope};
use super::json::Json;
use super::tree::{Comparison, Mode, Node, Predicate};

/// Returns whether a predicate holds.
pub(super) fn holds<'a>(
    evaluator: &Evaluator<'_, 'a>,
    predicate: &Predicate,
    scope: Scope<'_, 'a>,
) -> Option<bool> {
    match predicate {
        Predicate::All(parts) => junction(evaluator, parts, scope, false),
        Predicate::Any(parts) => junction(evaluator, parts, scope, true),
        Predicate::Not(inner) => holds(evaluator, inner, scope).map(|holds| !holds),
        Predicate::IsUnknown(inner) => Some(holds(evaluator, inner, scope).is_none()),
        Predicate::Exists(path) => {
            let items = evaluator.evaluate(path, scope).ok()?;
            Some(!items.is_empty())
        }
        Predicate::StartsWith { value, prefix } => starts_with(evaluator, value, prefix, scope),
        Predicate::Compare {
            left,
            comparison,
            right,
        } => {
            let left = evaluator.unwrapped(evaluator.evaluate(left, scope).ok()?);
            let right = evaluator.unwrapped(evaluator.evaluate(right, scope).ok()?);
            compared(evaluator.mode, *comparison, &left, &right)
        }
    }
}

/// The first part with the deciding value decides; else one that is unknown makes the whole unknown.
fn junction<'a>(
    evaluator: &Evaluator<'_, 'a>,
    parts: &[Predicate],
    scope: Scope<'_, 'a>,
    deciding: bool,
) -> Option<bool> {
    let mut is_known = true;
    for part in parts {
        match holds(evaluator, part, scope) {
            Some(value) if value == deciding => return Some(deciding),
            Some(_) => {}
            None => is_known = false,
        }
    }
    is_known.then_some(!deciding)
}

/// What kinds of items a sequence has.
#[derive(Debug, Default)]
struct Kinds {
    has_null: bool,
    has_scalar: bool,
    has_others: bool,
}

impl Kinds {
    fn of(items: &[Item<'_>]) -> Self {
        let mut kinds = Self::default();
        for item in items {
            match item {
                Item::Json(Json::Null) => kinds.has_null = true,
                Item::Json(Json::Array(_) | Json::Object(_)) => kinds.has_others = true,
                _ => kinds.has_scalar = true,
            }
        }
        kinds
    }
}

/// Any pair for which the comparison holds makes it hold; a pair that cannot be compared makes it unknown. Null is equal
/// to null, and is compared with anything; arrays and objects are compared with null only.
fn compared(
    mode: Mode,
    comparison: Comparison,
    left: &[Item<'_>],
    right: &[Item<'_>],
) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return Some(false);
    }
    let (a, b) = (Kinds::of(left), Kinds::of(right));
    if (a.has_others && (b.has_others || b.has_scalar)) || (a.has_scalar && b.has_others) {
        return None;
    }
    let mut is_found = match comparison {
        Comparison::Equal => a.has_null && b.has_null,
        Comparison::NotEqual => {
            (a.has_null && (b.has_scalar || b.has_others))
                || (b.has_null && (a.has_scalar || a.has_others))
        }
        _ => false,
    };
    let is_lax = mode == Mode::Lax;
    if (is_found && is_lax) || !a.has_scalar || !b.has_scalar {
        return Some(is_found);
    }
    let (left, right) = (scalars(left)?, scalars(right)?);
    for left in &left {
        for right in &right {
            is_found |= compare(comparison, left, right)?;
            if is_found && is_lax {
                return Some(true);
            }
        }
    }
    Some(is_found)
}

/// Returns the values of the scalars; none if one has no type that holds it.
fn scalars<'a>(items: &[Item<'a>]) -> Option<Vec<Datum<'a>>> {
    let is_scalar = |item: &&Item<'a>| {
        !matches!(
            item,
            Item::Json(Json::Null | Json::Array(_) | Json::Object(_))
        )
    };
    items.iter().filter(is_scalar).map(Item::scalar).collect()
}

fn starts_with<'a>(
    evaluator: &Evaluator<'_, 'a>,
    value: &Node,
    prefix: &Node,
    scope: Scope<'_, 'a>,
) -> Option<bool> {
    let values = evaluator.evaluate(value, scope).ok()?;
    let prefixes = evaluator.evaluate(prefix, scope).ok()?;
    let [prefix] = prefixes.as_slice() else {
        return None;
    };
    let prefix = text(prefix)?;
    let mut is_found = false;
    for value in &evaluator.unwrapped(values) {
        is_found |= text(value)?.starts_with(prefix);
        if is_found && evaluator.mode == Mode::Lax {
            return Some(true);
        }
    }
    Some(is_found)
}

fn text<'i>(item: &'i Item<'_>) -> Option<&'i str> {
    match item {
        Item::Json(Json::Text(text)) | Item::Value(Datum::Text { text, .. }) => Some(text),
        _ => None,
    }
}
