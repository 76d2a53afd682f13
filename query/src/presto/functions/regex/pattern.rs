//! Patterns as Trino reads them, which are Joni's with Java's syntax, for the engine here.
//!
//! `\w`, `\d` and `\s` are ASCII, `[[:alpha:]]`, `\p{Alpha}` and `\b` are not; a letter behind a backslash that means
//! nothing is that letter; `$` matches before a line break at the end of the text.

mod class;

use std::str::Chars;

use datafusion::error::{DataFusionError, Result};
use fancy_regex::{Regex, RegexBuilder};

use self::class::{ascii_class, posix_class};
use crate::presto::functions::call::invalid;

/// Steps of a search that goes back and forth, before it is given up.
const BACKTRACK_LIMIT: usize = 1_000_000;

/// A compiled pattern.
#[derive(Debug)]
pub(in crate::presto::functions) struct Pattern {
    regex: Regex,
    /// The pattern for text that ends with a line break, if that makes a difference: looking ahead is slow.
    before_break: Option<Regex>,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is not a pattern.
    pub(in crate::presto::functions) fn compile(pattern: &str) -> Result<Self> {
        let (plain, differs) = translated(pattern, Ending::Plain)?;
        let before_break = match differs {
            true => Some(build(&translated(pattern, Ending::LineBreak)?.0)?),
            false => None,
        };
        Ok(Self {
            regex: build(&plain)?,
            before_break,
        })
    }

    /// Returns what searches in this text.
    pub(in crate::presto::functions) fn of(&self, text: &str) -> &Regex {
        match &self.before_break {
            Some(regex) if text.ends_with('\n') => regex,
            _ => &self.regex,
        }
    }

    /// Returns what searches in text without a line break at its end.
    pub(super) fn regex(&self) -> &Regex {
        &self.regex
    }
}

fn build(pattern: &str) -> Result<Regex> {
    RegexBuilder::new(pattern)
        .backtrack_limit(BACKTRACK_LIMIT)
        .build()
        .map_err(|error| invalid(error.to_string()))
}

/// How the text ends in which is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Plain,
    LineBreak,
}

/// Returns the pattern in the engine's syntax, and whether a line break at the end of the text makes a difference.
fn translated(pattern: &str, ending: Ending) -> Result<(String, bool)> {
    let mut translator = Translator {
        rest: pattern.chars(),
        out: String::with_capacity(pattern.len()),
        ending,
        differs: false,
        modes: Vec::new(),
        mode: Mode::default(),
        groups: 0,
    };
    while let Some(c) = translator.rest.next() {
        translator.outside(c)?;
    }
    Ok((translator.out, translator.differs))
}

/// Flags that are on.
#[derive(Debug, Clone, Copy, Default)]
struct Mode {
    /// `i`.
    ignores_case: bool,
    /// `m`.
    is_multiline: bool,
    /// `x`.
    is_extended: bool,
}

struct Translator<'a> {
    rest: Chars<'a>,
    out: String,
    ending: Ending,
    differs: bool,
    /// The modes around open groups.
    modes: Vec<Mode>,
    mode: Mode,
    /// Capturing groups so far.
    groups: u32,
}

fn unknown_property(name: &str) -> DataFusionError {
    invalid(format!("invalid character property name <{name}>"))
}

impl<'a> Translator<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    /// Reads up to and with `end`; nothing if it is not there.
    fn through(&mut self, end: &str) -> Option<&'a str> {
        let tail = self.rest.as_str();
        let (inside, after) = tail.split_once(end)?;
        self.rest = after.chars();
        Some(inside)
    }

    /// Reads as many digits as there are, up to a number of them.
    fn digits(&mut self, radix: u32, most: usize) -> Option<u32> {
        let tail = self.rest.as_str();
        let count = tail
            .chars()
            .take(most)
            .take_while(|c| c.is_digit(radix))
            .count();
        let (digits, after) = tail.split_at_checked(count)?;
        let number = u32::from_str_radix(digits, radix).ok()?;
        self.rest = after.chars();
        Some(number)
    }

    fn push_code(&mut self, code: u32) {
        self.out.push_str(&format!("\\x{{{code:X}}}"));
    }

    fn push_class(&mut self, inside: &str, is_negated: bool) {
        let start = if is_negated { "[^" } else { "[" };
        self.out.push_str(start);
        self.out.push_str(inside);
        self.out.push(']');
    }

    fn outside(&mut self, c: char) -> Result<()> {
        match c {
            '\\' => self.escape()?,
            '[' => self.class()?,
            '(' => self.group()?,
            ')' => {
                self.mode = self.modes.pop().unwrap_or(self.mode);
                self.out.push(c);
            }
            '$' if !self.mode.is_multiline => self.end_of_text("$"),
            '^' if self.mode.is_multiline => {
                self.differs = true;
                self.out.push_str(match self.ending {
                    Ending::Plain => "^",
                    // No line begins behind the last line break.
                    Ending::LineBreak => r"(?:\A|(?<=\n)(?!\z))",
                });
            }
            '#' if self.mode.is_extended => {
                if self.through("\n").is_none() {
                    self.rest = "".chars();
                }
            }
            '{' if self.peek() == Some(',') => self.out.push_str("\\{"),
            other => self.out.push(other),
        }
        Ok(())
    }

    fn end_of_text(&mut self, plain: &str) {
        self.differs = true;
        self.out.push_str(match self.ending {
            Ending::Plain => plain,
            Ending::LineBreak => r"(?=\n?\z)",
        });
    }

    /// Reads what is behind an opening parenthesis.
    fn group(&mut self) -> Result<()> {
        let tail = self.rest.as_str();
        if tail.starts_with("?#") {
            self.through(")");
            return Ok(());
        }
        let flags = tail.strip_prefix('?').unwrap_or_default();
        let end = flags
            .find(|c: char| !matches!(c, 'i' | 'm' | 's' | 'x' | '-'))
            .unwrap_or(flags.len());
        let (flags, after) = flags.split_at_checked(end).unwrap_or(("", flags));
        match after.chars().next() {
            Some(')') if !flags.is_empty() => {
                self.rest = after.get(1..).unwrap_or_default().chars();
                self.switch(flags, ")");
            }
            Some(':') if !flags.is_empty() => {
                self.rest = after.get(1..).unwrap_or_default().chars();
                self.modes.push(self.mode);
                self.switch(flags, ":");
            }
            Some('a'..='z' | 'A'..='Z') if tail.starts_with('?') => {
                return Err(invalid("undefined group option"));
            }
            _ => {
                self.modes.push(self.mode);
                let is_capturing = !tail.starts_with('?')
                    || tail.starts_with("?'")
                    || (tail.starts_with("?<")
                        && !tail.starts_with("?<=")
                        && !tail.starts_with("?<!"));
                self.groups += u32::from(is_capturing);
                self.out.push('(');
            }
        }
        Ok(())
    }

    /// Switches flags on and off.
    fn switch(&mut self, flags: &str, end: &str) {
        let mut is_on = true;
        for flag in flags.chars() {
            match flag {
                '-' => is_on = false,
                'i' => self.mode.ignores_case = is_on,
                'm' => self.mode.is_multiline = is_on,
                'x' => self.mode.is_extended = is_on,
                _ => {}
            }
        }
        self.out.push_str("(?");
        self.out.push_str(flags.trim_end_matches('-'));
        self.out.push_str(end);
    }

    /// Reads what is behind a backslash.
    fn escape(&mut self) -> Result<()> {
        let Some(c) = self.rest.next() else {
            self.out.push('\\');
            return Ok(());
        };
        if let Some((inside, is_negated)) = ascii_class(c) {
            // With `i`, letters beyond ASCII would be equal to some of it.
            if self.mode.ignores_case {
                self.out.push_str("(?-i:");
            }
            self.push_class(inside, is_negated);
            if self.mode.ignores_case {
                self.out.push(')');
            }
            return Ok(());
        }
        match c {
            'Q' => {
                let tail = self.rest.as_str();
                let (quoted, after) = tail.split_once("\\E").unwrap_or((tail, ""));
                self.out.push_str(&fancy_regex::escape(quoted));
                self.rest = after.chars();
            }
            'Z' => self.end_of_text(r"\z"),
            'b' | 'B' | 'A' | 'z' | 'G' | 'k' => {
                self.out.push('\\');
                self.out.push(c);
            }
            '1'..='9' => self.reference(c),
            'p' | 'P' => self.property(c == 'P')?,
            _ => self.character(c),
        }
        Ok(())
    }

    /// A group's number, or the octal number of a character if there are not so many groups.
    fn reference(&mut self, first: char) {
        let count = self.rest.clone().take_while(char::is_ascii_digit).count();
        let digits: String = std::iter::once(first)
            .chain(self.rest.clone().take(count))
            .collect();
        let is_group = digits
            .parse::<u32>()
            .is_ok_and(|group| group <= self.groups.max(9));
        if is_group {
            self.out.push('\\');
            self.out.push_str(&digits);
            self.rest.by_ref().take(count).for_each(drop);
            return;
        }
        self.octal(first);
    }

    /// A character by up to three octal digits, of which the first is read.
    fn octal(&mut self, first: char) {
        let Some(first) = first.to_digit(8) else {
            self.out.push(first);
            return;
        };
        let before = self.rest.clone();
        let count = before.clone().take(2).take_while(|c| c.is_digit(8)).count();
        let code = before
            .take(count)
            .filter_map(|c| c.to_digit(8))
            .fold(first, |code, digit| code * 8 + digit);
        self.rest.by_ref().take(count).for_each(drop);
        self.push_code(code);
    }

    /// A character that is written with a backslash.
    fn character(&mut self, c: char) {
        match c {
            't' | 'n' | 'r' | 'f' | 'a' | 'e' | 'v' => {
                self.out.push('\\');
                self.out.push(c);
            }
            '0' => self.octal(c),
            'x' if self.peek() == Some('{') => self.out.push_str("\\x"),
            'x' => {
                let code = self.digits(16, 2).unwrap_or(0);
                self.push_code(code);
            }
            'u' => match self.rest.as_str().get(..4) {
                Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                    let code = self.digits(16, 4).unwrap_or(0);
                    self.push_code(code);
                }
                _ => self.out.push(c),
            },
            'c' => {
                if let Some(control) = self.rest.next() {
                    self.push_code(u32::from(control) & 0x1f);
                }
            }
            c if c.is_alphanumeric() || !c.is_ascii() || matches!(c, '<' | '>') => self.out.push(c),
            c => {
                self.out.push('\\');
                self.out.push(c);
            }
        }
    }

    /// `\p{name}` and `\pL`.
    fn property(&mut self, is_negated: bool) -> Result<()> {
        if self.peek() != Some('{') {
            self.out.push_str(if is_negated { "\\P" } else { "\\p" });
            return Ok(());
        }
        let written = self.through("}").unwrap_or_default();
        let name = written.strip_prefix('{').unwrap_or(written);
        let folded = name.replace([' ', '_', '-'], "").to_ascii_lowercase();
        if let Some(inside) = posix_class(&folded) {
            self.push_class(inside, is_negated);
            return Ok(());
        }
        if folded.is_empty() || folded.starts_with("is") || folded.contains(['=', '^']) {
            return Err(unknown_property(name));
        }
        self.out.push_str(if is_negated { "\\P{" } else { "\\p{" });
        self.out.push_str(name);
        self.out.push('}');
        Ok(())
    }
}
