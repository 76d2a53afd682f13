//! What a path finds in a tree.

use std::cell::Cell;
use std::rc::Rc;

use super::arithmetic::{Towards, absolute, calculate, double, nearest, negated, whole};
use super::datum::{Datum, Item, TextKind};
use super::json::Json;
use super::predicate::holds;
use super::tree::{Method, Mode, Node, Operator, Step};
use crate::presto::numbers::parse_double;

/// How many items a sequence may have: subscripts and descendants find the same item again and again.
const MOST_ITEMS: usize = 1 << 20;

/// What goes wrong while a path is evaluated, in words.
pub(super) type Result<T> = std::result::Result<T, String>;

/// What an expression is evaluated for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scope<'s, 'a> {
    /// `@`
    current: Option<&'s Item<'a>>,
    /// `last`
    last: Option<i64>,
}

impl<'s, 'a> Scope<'s, 'a> {
    fn of(self, current: &'s Item<'a>) -> Self {
        Self {
            current: Some(current),
            ..self
        }
    }
}

/// A path's evaluation for one text.
#[derive(Debug)]
pub(super) struct Evaluator<'p, 'a> {
    pub(super) mode: Mode,
    pub(super) root: Item<'a>,
    /// Values of the path's names; none is an empty sequence.
    pub(super) parameters: &'p [Option<Item<'a>>],
    /// How many objects `keyvalue()` has numbered.
    pub(super) objects: Cell<usize>,
}

fn item_type(expected: &str, actual: &Item<'_>) -> String {
    format!(
        "invalid item type. Expected: {expected}, actual: {}",
        actual.kind()
    )
}

fn structural(message: impl std::fmt::Display) -> String {
    format!("structural error: {message}")
}

impl<'a> Evaluator<'_, 'a> {
    /// Returns the sequence that an expression gives.
    pub(super) fn evaluate(&self, node: &Node, scope: Scope<'_, 'a>) -> Result<Vec<Item<'a>>> {
        Ok(vec![match node {
            Node::Literal(datum) => Item::Value(datum.clone()),
            Node::Null => Item::Json(Json::Null),
            Node::Context => self.root.clone(),
            Node::Current => scope
                .current
                .cloned()
                .ok_or("accessing current filter item with no enclosing filter")?,
            Node::Last => Item::Value(Datum::integer(
                scope
                    .last
                    .ok_or("accessing the last array index with no enclosing array")?,
            )),
            Node::Variable(place) => match self.parameters.get(*place) {
                Some(Some(item)) => item.clone(),
                _ => return Ok(Vec::new()),
            },
            Node::Access { base, steps } => {
                let mut items = self.evaluate(base, scope)?;
                for step in steps {
                    items = self.step(step, items, scope)?;
                    limit(&items)?;
                }
                return Ok(items);
            }
            Node::Positive(operand) => {
                return self.each_number(operand, scope, Ok);
            }
            Node::Negative(operand) => {
                return self.each_number(operand, scope, |number| {
                    negated(&number).ok_or_else(|| "number out of range".to_owned())
                });
            }
            Node::Chain { first, rest } => {
                let mut items = self.evaluate(first, scope)?;
                for (operator, right) in rest {
                    let right = self.evaluate(right, scope)?;
                    items = vec![self.calculated(*operator, items, right)?];
                }
                return Ok(items);
            }
        }])
    }

    fn each_number(
        &self,
        operand: &Node,
        scope: Scope<'_, 'a>,
        compute: impl Fn(Datum<'a>) -> Result<Datum<'a>>,
    ) -> Result<Vec<Item<'a>>> {
        let items = self.unwrapped(self.evaluate(operand, scope)?);
        let numbers = items
            .iter()
            .map(|item| compute(number(item)?).map(Item::Value));
        numbers.collect()
    }

    fn calculated(
        &self,
        operator: Operator,
        left: Vec<Item<'a>>,
        right: Vec<Item<'a>>,
    ) -> Result<Item<'a>> {
        let (left, right) = (self.unwrapped(left), self.unwrapped(right));
        let ([left], [right]) = (left.as_slice(), right.as_slice()) else {
            return Err("arithmetic binary expression requires singleton operands".to_owned());
        };
        calculate(operator, &operand(left)?, &operand(right)?).map(Item::Value)
    }

    /// Puts the elements of arrays in their place, if the path is lax.
    pub(super) fn unwrapped(&self, items: Vec<Item<'a>>) -> Vec<Item<'a>> {
        let is_array = |item: &Item<'a>| matches!(item, Item::Json(Json::Array(_)));
        if self.mode == Mode::Strict || !items.iter().any(is_array) {
            return items;
        }
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Json(Json::Array(elements)) => {
                    out.extend(elements.iter().cloned().map(Item::Json));
                }
                other => out.push(other),
            }
        }
        out
    }

    fn step(
        &self,
        step: &Step,
        items: Vec<Item<'a>>,
        scope: Scope<'_, 'a>,
    ) -> Result<Vec<Item<'a>>> {
        let mut out = Vec::new();
        match step {
            Step::Member(key) => {
                for item in self.unwrapped(items) {
                    self.member(key, &item, &mut out)?;
                }
            }
            Step::AnyMember => {
                for item in self.unwrapped(items) {
                    match &item {
                        Item::Json(Json::Object(members)) => {
                            let values = members.iter().map(|(_, value)| value.clone());
                            out.extend(values.map(Item::Json));
                        }
                        _ if self.mode == Mode::Strict => return Err(item_type("OBJECT", &item)),
                        _ => {}
                    }
                }
            }
            Step::Descendants(key) => {
                for item in &items {
                    if let Item::Json(json) = item {
                        descendants(json, key, &mut out);
                        limit(&out)?;
                    }
                }
            }
            Step::AnyElement => {
                for item in items {
                    match item {
                        Item::Json(Json::Array(elements)) => {
                            out.extend(elements.iter().cloned().map(Item::Json));
                        }
                        _ if self.mode == Mode::Strict => return Err(item_type("ARRAY", &item)),
                        other => out.push(other),
                    }
                }
            }
            Step::Subscripts(ranges) => {
                for item in items {
                    self.elements(ranges, item, scope, &mut out)?;
                    limit(&out)?;
                }
            }
            Step::Filter(predicate) => {
                for item in self.unwrapped(items) {
                    if holds(self, predicate, scope.of(&item)) == Some(true) {
                        out.push(item);
                    }
                }
            }
            Step::Method(method) => return self.method(*method, items),
        }
        Ok(out)
    }

    fn member(&self, key: &str, item: &Item<'a>, out: &mut Vec<Item<'a>>) -> Result<()> {
        match item {
            Item::Json(Json::Object(members)) => {
                let found = members.iter().find(|(known, _)| known == key);
                match found {
                    Some((_, value)) => out.push(Item::Json(value.clone())),
                    None if self.mode == Mode::Strict => {
                        return Err(structural(format_args!(
                            "missing member '{key}' in JSON object"
                        )));
                    }
                    None => {}
                }
            }
            _ if self.mode == Mode::Strict => return Err(item_type("OBJECT", item)),
            _ => {}
        }
        Ok(())
    }

    fn elements(
        &self,
        ranges: &[(Node, Option<Node>)],
        item: Item<'a>,
        scope: Scope<'_, 'a>,
        out: &mut Vec<Item<'a>>,
    ) -> Result<()> {
        let elements: Rc<[Json<'a>]> = match &item {
            Item::Json(Json::Array(elements)) => Rc::clone(elements),
            _ if self.mode == Mode::Strict => return Err(item_type("ARRAY", &item)),
            Item::Json(json) => Rc::from([json.clone()]),
            Item::Value(_) => Rc::from([]),
        };
        let size = match item {
            Item::Value(_) => 1,
            Item::Json(_) => i64::try_from(elements.len()).unwrap_or(i64::MAX),
        };
        if size == 0 {
            return match self.mode {
                Mode::Strict => Err(structural("invalid array subscript for empty array")),
                Mode::Lax => Ok(()),
            };
        }
        let within = Scope {
            last: Some(size - 1),
            ..scope
        };
        for (from, to) in ranges {
            let from = index(&self.evaluate(from, within)?, "from")?;
            let to = match to {
                Some(to) => index(&self.evaluate(to, within)?, "to")?,
                None => from,
            };
            if self.mode == Mode::Strict && !(0 <= from && from <= to && to < size) {
                return Err(structural(format_args!(
                    "invalid array subscript: [{from}, {to}] for array of size {size}"
                )));
            }
            for place in from.max(0)..=to.min(size - 1) {
                let element = usize::try_from(place)
                    .ok()
                    .and_then(|place| elements.get(place));
                out.push(element.map_or_else(|| item.clone(), |json| Item::Json(json.clone())));
            }
            limit(out)?;
        }
        Ok(())
    }

    fn method(&self, method: Method, items: Vec<Item<'a>>) -> Result<Vec<Item<'a>>> {
        let items = match method {
            Method::Size | Method::Type => items,
            _ => self.unwrapped(items),
        };
        let mut out = Vec::with_capacity(items.len());
        let too_large = || "number out of range".to_owned();
        for item in &items {
            out.push(Item::Value(match method {
                Method::Abs => absolute(&number(item)?).ok_or_else(too_large)?,
                Method::Ceiling => whole(&number(item)?, Towards::Larger).ok_or_else(too_large)?,
                Method::Floor => whole(&number(item)?, Towards::Smaller).ok_or_else(too_large)?,
                Method::Double => Datum::Double(doubled(item)?),
                Method::Size => Datum::integer(self.size(item)?),
                Method::Type => Datum::Text {
                    text: type_of(item).into(),
                    kind: TextKind::VarcharOf(27),
                },
                Method::KeyValue => {
                    self.key_values(item, &mut out)?;
                    continue;
                }
            }));
        }
        Ok(out)
    }

    fn size(&self, item: &Item<'a>) -> Result<i64> {
        match item {
            Item::Json(Json::Array(elements)) => {
                i64::try_from(elements.len()).map_err(|error| error.to_string())
            }
            _ if self.mode == Mode::Strict => Err(item_type("ARRAY", item)),
            _ => Ok(1),
        }
    }

    fn key_values(&self, item: &Item<'a>, out: &mut Vec<Item<'a>>) -> Result<()> {
        let Item::Json(Json::Object(members)) = item else {
            return Err(item_type("OBJECT", item));
        };
        let id = self.objects.get();
        self.objects.set(id + 1);
        for (key, value) in members.iter() {
            out.push(Item::Json(Json::Object(Rc::from([
                ("name".into(), Json::Text(key.clone())),
                ("value".into(), value.clone()),
                ("id".into(), Json::Number(id.to_string().into())),
            ]))));
        }
        Ok(())
    }
}

fn limit(items: &[Item<'_>]) -> Result<()> {
    if items.len() > MOST_ITEMS {
        return Err(format!("the path finds more than {MOST_ITEMS} items"));
    }
    Ok(())
}

/// An object comes before what is in it.
fn descendants<'a>(json: &Json<'a>, key: &str, out: &mut Vec<Item<'a>>) {
    match json {
        Json::Object(members) => {
            if let Some((_, value)) = members.iter().find(|(known, _)| known == key) {
                out.push(Item::Json(value.clone()));
            }
            for (_, value) in members.iter() {
                descendants(value, key, out);
            }
        }
        Json::Array(elements) => {
            for element in elements.iter() {
                descendants(element, key, out);
            }
        }
        _ => {}
    }
}

/// Returns the value of an operand: JSON must be a number, values of other types are for the operator to refuse.
fn operand<'a>(item: &Item<'a>) -> Result<Datum<'a>> {
    match item {
        Item::Value(datum) => Ok(datum.clone()),
        Item::Json(Json::Number(digits)) => item
            .scalar()
            .ok_or_else(|| format!("cannot convert {digits} to Trino value (value too big)")),
        Item::Json(_) => Err(item_type("NUMBER", item)),
    }
}

fn number<'a>(item: &Item<'a>) -> Result<Datum<'a>> {
    let datum = operand(item)?;
    if datum.is_number() {
        return Ok(datum);
    }
    Err(item_type("NUMBER", item))
}

fn doubled(item: &Item<'_>) -> Result<f64> {
    let wrong = || item_type("NUMBER or TEXT", item);
    let datum = match item {
        Item::Json(Json::Number(_)) => operand(item)?,
        Item::Json(Json::Text(_)) | Item::Value(_) => item.scalar().ok_or_else(wrong)?,
        Item::Json(_) => return Err(wrong()),
    };
    match &datum {
        Datum::Text { text, .. } => {
            parse_double(text).ok_or_else(|| format!("Cannot cast '{text}' to DOUBLE"))
        }
        other => double(other).ok_or_else(wrong),
    }
}

/// Returns a subscript; JSON's numbers are cut, others are rounded.
fn index(items: &[Item<'_>], which: &str) -> Result<i64> {
    let [item] = items else {
        return Err(format!(
            "array subscript '{which}' value must be singleton numeric"
        ));
    };
    let number = number(item)?;
    let number = match (item, &number) {
        (Item::Json(_), Datum::Double(value)) => Datum::Double(value.trunc()),
        _ => number,
    };
    nearest(&number).ok_or_else(|| "number out of range for a subscript".to_owned())
}

fn type_of(item: &Item<'_>) -> &'static str {
    use super::datum::MomentKind;
    match item {
        Item::Json(Json::Null) => "null",
        Item::Json(Json::Array(_)) => "array",
        Item::Json(Json::Object(_)) => "object",
        Item::Json(Json::Boolean(_)) | Item::Value(Datum::Boolean(_)) => "boolean",
        Item::Json(Json::Text(_)) | Item::Value(Datum::Text { .. }) => "string",
        Item::Value(Datum::Moment(moment)) => match moment.kind {
            MomentKind::Date => "date",
            MomentKind::Time => "time without time zone",
            MomentKind::Timestamp => "timestamp without time zone",
            MomentKind::TimestampTz => "timestamp with time zone",
        },
        Item::Json(Json::Number(_)) | Item::Value(_) => "number",
    }
}
