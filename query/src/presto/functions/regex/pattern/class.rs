//! Classes of characters: `[a-z]`.

use datafusion::error::Result;

use super::Translator;
use crate::presto::functions::call::invalid;

/// What was read last in a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Character,
    /// The `-` of a range.
    Dash,
    Range,
    /// An escape that stands for several characters.
    Set,
    /// A class in the class.
    Nested,
}

impl Last {
    const fn and_character(self) -> Self {
        match self {
            Self::Dash => Self::Range,
            _ => Self::Character,
        }
    }
}

/// The inside of a class of ASCII characters that a letter stands for, and whether it is negated.
pub(super) fn ascii_class(letter: char) -> Option<(&'static str, bool)> {
    let inside = match letter.to_ascii_lowercase() {
        'w' => "0-9A-Za-z_",
        'd' => "0-9",
        's' => r"\t-\r\x20",
        _ => return None,
    };
    Some((inside, letter.is_ascii_uppercase()))
}

/// The inside of a class of Unicode characters that POSIX has a name for.
pub(super) fn posix_class(name: &str) -> Option<&'static str> {
    Some(match name {
        "alnum" => r"\p{Alphabetic}\p{Nd}",
        "alpha" => r"\p{Alphabetic}",
        "ascii" => r"\x00-\x7F",
        "blank" => r"\p{Zs}\t",
        "cntrl" => r"\p{Cc}",
        "digit" => r"\p{Nd}",
        "graph" => r"[^\p{White_Space}\p{Cc}\p{Cn}]",
        "lower" => r"\p{Lowercase}",
        "print" => r"[^\p{White_Space}\p{Cc}\p{Cn}]\p{Zs}",
        "punct" => r"\p{P}",
        "space" => r"\p{White_Space}",
        "upper" => r"\p{Uppercase}",
        "word" => r"\w",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    })
}

impl Translator<'_> {
    /// Reads a class up to its end.
    pub(super) fn class(&mut self) -> Result<()> {
        self.open_class();
        let mut depth = 1_usize;
        let mut last = Last::Nothing;
        let mut last_character = "\\x00".to_owned();
        while let Some(c) = self.rest.next() {
            last = match c {
                '[' if self.posix_bracket()? => Last::Set,
                '[' => {
                    self.open_class();
                    depth += 1;
                    Last::Nothing
                }
                ']' => {
                    self.out.push(']');
                    depth -= 1;
                    Last::Nested
                }
                '-' => self.dash(last, &last_character),
                '\\' if self.class_escape()? => match last {
                    Last::Dash => return Err(invalid("char-class value at end of range")),
                    _ => Last::Set,
                },
                '\\' => last.and_character(),
                '~' => {
                    self.out.push_str("\\~");
                    last.and_character()
                }
                other => {
                    self.out.push(other);
                    last_character =
                        fancy_regex::escape(other.encode_utf8(&mut [0; 4])).into_owned();
                    last.and_character()
                }
            };
            if depth == 0 {
                break;
            }
        }
        Ok(())
    }

    /// A `-` in a class, which is itself or a range's. Behind a set, the range begins with the last character of the
    /// class, or with the first that there is.
    fn dash(&mut self, last: Last, last_character: &str) -> Last {
        let next = self.peek();
        if next == Some(']') {
            self.out.push_str("\\-");
            return Last::Character;
        }
        match last {
            Last::Character if next != Some('[') => {
                self.out.push('-');
                Last::Dash
            }
            Last::Range => Last::Nothing,
            Last::Set if next == Some('[') => Last::Nothing,
            Last::Set => {
                self.out.push_str(last_character);
                self.out.push('-');
                Last::Dash
            }
            Last::Dash => {
                self.out.push_str("\\-");
                Last::Range
            }
            Last::Nothing | Last::Nested | Last::Character => {
                self.out.push_str("\\-");
                Last::Character
            }
        }
    }

    /// A class begins, perhaps with `^`, perhaps with `]` as its first character.
    fn open_class(&mut self) {
        self.out.push('[');
        if self.peek() == Some('^') {
            self.rest.next();
            self.out.push('^');
        }
        if self.peek() == Some(']') {
            self.rest.next();
            self.out.push_str("\\]");
        }
    }

    /// Reads `[:name:]`, behind its first bracket; false if it is none.
    fn posix_bracket(&mut self) -> Result<bool> {
        let Some(tail) = self.rest.as_str().strip_prefix(':') else {
            return Ok(false);
        };
        let Some((written, after)) = tail.split_once(":]") else {
            return Ok(false);
        };
        let name = written.strip_prefix('^').unwrap_or(written);
        if !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Ok(false);
        }
        let inside = posix_class(name).ok_or_else(|| invalid("invalid POSIX bracket type"))?;
        self.push_class(inside, written.starts_with('^'));
        self.rest = after.chars();
        Ok(true)
    }

    /// Reads what is behind a backslash in a class; tells whether it stands for several characters.
    fn class_escape(&mut self) -> Result<bool> {
        let Some(c) = self.rest.next() else {
            self.out.push('\\');
            return Ok(false);
        };
        if let Some((inside, is_negated)) = ascii_class(c) {
            self.push_class(inside, is_negated);
            return Ok(true);
        }
        match c {
            'b' => self.push_code(8),
            '1'..='7' => self.octal(c),
            'p' | 'P' => {
                self.property(c == 'P')?;
                return Ok(true);
            }
            _ => self.character(c),
        }
        Ok(false)
    }
}
