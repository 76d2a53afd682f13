//! The words and signs of a path.

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// `$name`, without the dollar.
    Variable(&'a str),
    Text(String),
    Integer(&'a str),
    Decimal(&'a str),
    Double(&'a str),
    Sign(&'static str),
    /// What no path has.
    Unknown(&'a str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 25] = [
    "..", "&&", "||", "==", "<>", "!=", "<=", ">=", ".", "*", "[", "]", "(", ")", "?", ",", "+",
    "-", "/", "%", "$", "@", "<", ">", "!",
];

/// Reads tokens one after another.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, _) = self.rest().split_at_checked(length).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    /// Returns the next token, the place where it begins and its text.
    pub(super) fn next(&mut self) -> (Token<'a>, usize, &'a str) {
        let blanks = self.rest().len()
            - self
                .rest()
                .trim_start_matches([' ', '\t', '\n', '\r'])
                .len();
        self.take(blanks);
        let start = self.at;
        let token = self.token();
        (
            token,
            start,
            self.text.get(start..self.at).unwrap_or_default(),
        )
    }

    fn token(&mut self) -> Token<'a> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Token::End;
        };
        if let Some(number) = self.number() {
            return number;
        }
        if first == '"' {
            return self.quoted();
        }
        let word = word_length(rest);
        if word > 0 {
            return Token::Word(self.take(word));
        }
        if first == '$' {
            let name = word_length(rest.get(1..).unwrap_or_default());
            if name > 0 {
                self.take(1);
                return Token::Variable(self.take(name));
            }
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.take(sign.len());
            return Token::Sign(sign);
        }
        Token::Unknown(self.take(first.len_utf8()))
    }

    fn number(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        let whole = digits(rest);
        let behind = rest.get(whole..)?;
        let fraction = match behind.strip_prefix('.') {
            Some(after) if whole > 0 || digits(after) > 0 => Some(digits(after)),
            _ => None,
        };
        if whole == 0 && fraction.is_none() {
            return None;
        }
        let mantissa = whole + fraction.map_or(0, |count| count + 1);
        let exponent = rest.get(mantissa..).map_or(0, exponent);
        let text = self.take(mantissa + exponent);
        Some(match (exponent, fraction) {
            (0, None) => Token::Integer(text),
            (0, Some(_)) => Token::Decimal(text),
            _ => Token::Double(text),
        })
    }

    /// A quote within is written twice.
    fn quoted(&mut self) -> Token<'a> {
        let opening = self.take(1);
        let mut text = String::new();
        let mut rest = self.rest();
        while let Some((inner, after)) = rest.split_once('"') {
            text.push_str(inner);
            let Some(more) = after.strip_prefix('"') else {
                self.at = self.text.len() - after.len();
                return Token::Text(text);
            };
            text.push('"');
            rest = more;
        }
        Token::Unknown(opening)
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn exponent(text: &str) -> usize {
    let Some(after) = text.strip_prefix(['e', 'E']) else {
        return 0;
    };
    let sign = usize::from(after.starts_with(['+', '-']));
    match digits(after.get(sign..).unwrap_or_default()) {
        0 => 0,
        count => 1 + sign + count,
    }
}

fn word_length(text: &str) -> usize {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    if !text.bytes().next().is_some_and(is_first) {
        return 0;
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.bytes().take_while(is_part).count()
}
