//! JSON as a tree that borrows from its text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use super::super::scan::{DEEPEST, Scanner, quote, unquoted, write_number};

/// A value; copies share what it holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean(bool),
    /// A number as it is written.
    Number(Cow<'a, str>),
    /// A string without its quotes.
    Text(Cow<'a, str>),
    /// The elements.
    Array(Rc<[Json<'a>]>),
    /// Keys and values; each key once.
    Object(Rc<[(Cow<'a, str>, Json<'a>)]>),
}

/// Objects with more members are searched for keys that repeat by an index.
const FEW: usize = 16;

impl<'a> Json<'a> {
    /// Returns the value that the text begins with; none if it is not JSON. What lies behind the value is not read, and a
    /// text without a value is null.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if is_blank(text) {
            return Some(Self::Null);
        }
        let mut scanner = Scanner::new(text);
        let value = Self::read(&mut scanner, 0)?;
        scanner.ends_root().then_some(value)
    }

    /// Returns the value of a piece of a text that is known to be JSON.
    pub(super) fn of_piece(piece: &'a str) -> Option<Self> {
        Self::read(&mut Scanner::new(piece), 0)
    }

    fn read(scanner: &mut Scanner<'a>, depth: usize) -> Option<Self> {
        if depth > DEEPEST {
            return None;
        }
        scanner.space();
        Some(match scanner.peek()? {
            b'{' => Self::object(scanner, depth)?,
            b'[' => Self::array(scanner, depth)?,
            b'"' => Self::Text(unquoted(scanner.string()?)),
            b't' | b'f' => Self::Boolean(scanner.scalar()? == "true"),
            b'n' => {
                scanner.scalar()?;
                Self::Null
            }
            _ => Self::Number(Cow::Borrowed(scanner.scalar()?)),
        })
    }

    fn array(scanner: &mut Scanner<'a>, depth: usize) -> Option<Self> {
        let mut elements = Vec::new();
        scanner.eat(b'[')?;
        scanner.space();
        if scanner.eat(b']').is_none() {
            loop {
                elements.push(Self::read(scanner, depth + 1)?);
                scanner.space();
                if scanner.eat(b',').is_none() {
                    scanner.eat(b']')?;
                    break;
                }
            }
        }
        Some(Self::Array(elements.into()))
    }

    fn object(scanner: &mut Scanner<'a>, depth: usize) -> Option<Self> {
        let mut members: Vec<(Cow<'a, str>, Self)> = Vec::new();
        scanner.eat(b'{')?;
        scanner.space();
        if scanner.eat(b'}').is_none() {
            loop {
                scanner.space();
                let key = unquoted(scanner.string()?);
                scanner.space();
                scanner.eat(b':')?;
                members.push((key, Self::read(scanner, depth + 1)?));
                scanner.space();
                if scanner.eat(b',').is_none() {
                    scanner.eat(b'}')?;
                    break;
                }
            }
        }
        Some(Self::Object(once_each(members).into()))
    }

    /// Returns the name that messages have for what it is.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Boolean(_) => "BOOLEAN",
            Self::Number(_) => "NUMBER",
            Self::Text(_) => "STRING",
            Self::Array(_) => "ARRAY",
            Self::Object(_) => "OBJECT",
        }
    }

    /// Appends it without blanks, numbers as Java writes them.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(digits) => write_number(digits, out),
            Self::Text(text) => quote(text, out),
            Self::Array(elements) => {
                out.push('[');
                for (position, element) in elements.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (position, (key, value)) in members.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    quote(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

pub(super) fn is_blank(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Of members with equal keys the first tells the place, the last the value.
fn once_each<'a>(members: Vec<(Cow<'a, str>, Json<'a>)>) -> Vec<(Cow<'a, str>, Json<'a>)> {
    if members.len() <= FEW {
        let mut once: Vec<(Cow<'a, str>, Json<'a>)> = Vec::with_capacity(members.len());
        for (key, value) in members {
            match once.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => *known = value,
                None => once.push((key, value)),
            }
        }
        return once;
    }
    let mut places: HashMap<Cow<'a, str>, usize> = HashMap::with_capacity(members.len());
    let mut once: Vec<(Cow<'a, str>, Json<'a>)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        match places.get(&key).and_then(|place| once.get_mut(*place)) {
            Some((_, known)) => *known = value,
            None => {
                places.insert(key.clone(), once.len());
                once.push((key, value));
            }
        }
    }
    once
}
