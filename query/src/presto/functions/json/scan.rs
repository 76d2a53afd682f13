//! JSON read in place: values are slices of the text, nothing is built.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::presto::numbers::java_double;

/// How deep values may lie in one another.
pub(super) const DEEPEST: usize = 1_000;

/// What a value is, by its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

impl Sort {
    /// Returns what a value is; `text` is one.
    pub(super) fn of(text: &str) -> Self {
        match text.as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::String,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }
}

/// A position in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    pub(super) fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn since(&self, start: usize) -> Option<&'a str> {
        self.text.get(start..self.at)
    }

    /// Returns the only value of the text; none if it is not JSON.
    pub(super) fn whole(mut self) -> Option<&'a str> {
        let value = self.value(0)?;
        self.space();
        (self.at == self.text.len()).then_some(value)
    }

    /// Returns the value that the text begins with; none if it is not JSON. What lies behind it is not read.
    pub(super) fn first(mut self) -> Option<&'a str> {
        let value = self.value(0)?;
        self.ends_root().then_some(value)
    }

    /// Returns whether the value before ends here, if nothing is around it: a number would go on.
    pub(super) fn ends_root(&self) -> bool {
        let before = self.at.checked_sub(1);
        let before = before.and_then(|at| self.text.as_bytes().get(at));
        !before.is_some_and(u8::is_ascii_digit)
            || matches!(self.peek(), None | Some(b' ' | b'\t' | b'\n' | b'\r'))
    }

    /// Returns the number or word that comes next.
    pub(super) fn scalar(&mut self) -> Option<&'a str> {
        let start = self.at;
        match self.peek()? {
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => self.number()?,
        }
        self.since(start)
    }

    /// Returns the next value and goes behind it.
    fn value(&mut self, depth: usize) -> Option<&'a str> {
        if depth > DEEPEST {
            return None;
        }
        self.space();
        let start = self.at;
        match self.peek()? {
            b'{' => self.members(depth, |_, _| true)?,
            b'[' => self.elements(depth, |_| true)?,
            b'"' => {
                self.string()?;
            }
            _ => {
                self.scalar()?;
            }
        }
        self.since(start)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let after = rest.strip_prefix(word)?;
        if after.starts_with(|c: char| c.is_alphanumeric()) {
            return None;
        }
        self.at += word.len();
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let ends = !self
            .peek()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'.');
        ends.then_some(())
    }

    /// Returns a string with its quotes.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.eat(b'"')?;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return self.since(start);
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            let hex = self.text.get(self.at + 1..self.at + 5)?;
                            if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                                return None;
                            }
                            self.at += 5;
                        }
                        _ => return None,
                    }
                }
                0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
    }

    /// Calls `visit` with each key (in quotes) and the position of its value, which is read over if it says so.
    pub(super) fn members(
        &mut self,
        depth: usize,
        mut visit: impl FnMut(&'a str, Self) -> bool,
    ) -> Option<()> {
        self.eat(b'{')?;
        self.space();
        if self.eat(b'}').is_some() {
            return Some(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.eat(b':')?;
            self.space();
            if !visit(key, *self) {
                return Some(());
            }
            self.value(depth + 1)?;
            self.space();
            if self.eat(b',').is_none() {
                return self.eat(b'}');
            }
        }
    }

    fn elements(&mut self, depth: usize, mut visit: impl FnMut(Self) -> bool) -> Option<()> {
        self.eat(b'[')?;
        self.space();
        if self.eat(b']').is_some() {
            return Some(());
        }
        loop {
            self.space();
            if !visit(*self) {
                return Some(());
            }
            self.value(depth + 1)?;
            self.space();
            if self.eat(b',').is_none() {
                return self.eat(b']');
            }
        }
    }

    /// Returns the value that a step leads to: a member by its name, or an element by its number.
    fn step(mut self, name: &str, index: Option<usize>) -> Option<Self> {
        let mut found = None;
        self.space();
        match self.peek()? {
            b'{' => self.members(0, |key, value| {
                if unquoted(key) == name {
                    found = Some(value);
                }
                found.is_none()
            })?,
            b'[' => {
                let mut left = index?;
                self.elements(0, |value| {
                    if left == 0 {
                        found = Some(value);
                    }
                    left = left.wrapping_sub(1);
                    found.is_none()
                })?;
            }
            _ => {}
        }
        found
    }

    /// Returns the value that begins here.
    pub(super) fn piece(mut self) -> Option<&'a str> {
        self.value(0)
    }

    /// Follows steps; what lies behind the value that is found is not read.
    pub(super) fn find(self, steps: &[(String, Option<usize>)]) -> Option<&'a str> {
        let mut position = self;
        position.space();
        for (name, index) in steps {
            position = position.step(name, *index)?;
        }
        position.value(0)
    }
}

/// Returns the elements of an array.
pub(super) fn elements(text: &str) -> Option<Vec<&str>> {
    let mut positions = Vec::new();
    Scanner::new(text).elements(0, |position| {
        positions.push(position);
        true
    })?;
    positions
        .into_iter()
        .map(|mut position| position.value(0))
        .collect()
}

/// Returns keys (in quotes) and values of an object.
pub(super) fn members(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut positions = Vec::new();
    Scanner::new(text).members(0, |key, position| {
        positions.push((key, position));
        true
    })?;
    positions
        .into_iter()
        .map(|(key, mut position)| Some((key, position.value(0)?)))
        .collect()
}

/// Returns the text of a string that is written in quotes.
pub(super) fn unquoted(string: &str) -> Cow<'_, str> {
    let inner = string
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(string);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut units: Vec<u16> = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    let mut buffer = [0; 2];
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut buffer));
            continue;
        }
        let unit = match chars.next() {
            Some('b') => 8,
            Some('f') => 12,
            Some('n') => 10,
            Some('r') => 13,
            Some('t') => 9,
            Some('u') => {
                let hex: String = chars.by_ref().take(4).collect();
                u16::from_str_radix(&hex, 16).unwrap_or(0xfffd)
            }
            Some(other) => u16::try_from(u32::from(other)).unwrap_or(0xfffd),
            None => break,
        };
        units.push(unit);
    }
    // Half of a pair is what Java makes of it.
    let chars = char::decode_utf16(units).map(|c| c.unwrap_or('?'));
    Cow::Owned(chars.collect())
}

/// Writes a text in quotes; characters beyond 16 bits are escaped, as Trino does it.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if !(' '..='\u{ffff}').contains(&c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The order of an object's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Kept,
    /// By key; of equal keys the last counts.
    Sorted,
}

/// Writes a value without white space, numbers as Java writes them.
pub(super) fn canonical(value: &str, order: Order, out: &mut String) -> Option<()> {
    match Sort::of(value) {
        Sort::Object => {
            let mut list: Vec<(Cow<'_, str>, &str)> = members(value)?
                .into_iter()
                .map(|(key, value)| (unquoted(key), value))
                .collect();
            if order == Order::Sorted {
                let sorted: std::collections::BTreeMap<_, _> = list.into_iter().collect();
                list = sorted.into_iter().collect();
            }
            out.push('{');
            for (position, (key, value)) in list.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                canonical(value, order, out)?;
            }
            out.push('}');
        }
        Sort::Array => {
            out.push('[');
            for (position, value) in elements(value)?.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                canonical(value, order, out)?;
            }
            out.push(']');
        }
        Sort::String => quote(&unquoted(value), out),
        Sort::Number => write_number(value, out),
        _ => out.push_str(value),
    }
    Some(())
}

/// Writes a number as Java does; what no double holds is a text.
pub(super) fn write_number(digits: &str, out: &mut String) {
    if digits.contains(['.', 'e', 'E']) {
        write_double(digits.parse().unwrap_or(f64::NAN), out);
    } else {
        out.push_str(if digits == "-0" { "0" } else { digits });
    }
}

/// Writes a double; those that JSON has no number for are texts.
pub(super) fn write_double(value: f64, out: &mut String) {
    if value.is_finite() {
        out.push_str(&java_double(value));
    } else {
        let _ = write!(out, "\"{}\"", java_double(value));
    }
}
