//! Reads paths.
//!
//! ```text
//! path       lax | strict  sum
//! sum        product { + | - product }
//! product    signed { * | / | % signed }
//! signed     { + | - } access
//! access     primary { .key | ."key" | .* | ..key | .method() | [ … ] | ?( predicate ) }
//! primary    literal | $ | $name | @ | last | ( sum )
//! predicate  conjunctions of comparisons, exists(sum), sum starts with "…", !(…), (…) is unknown
//! ```
//!
//! What is in parentheses inside a predicate may be a path or a predicate: which is known at its end only.

mod predicates;

use super::datum::{Datum, TextKind};
use super::lex::{Lexer, Token};
use super::tree::{Method, Mode, Node, Operator, Predicate, Step};

/// How deep parentheses, brackets and signs may lie in one another.
const DEEPEST: usize = 40;

/// What begins an expression.
const EXPRESSION: &str =
    "'+', '-', '(', '$', '@', 'last', 'null', 'true', 'false', <number>, <string>, <variable>";

/// A path that is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The byte where it goes wrong; none is the path as a whole.
    pub(crate) at: Option<usize>,
    /// Trino's name of the error.
    pub(crate) name: &'static str,
    /// What is wrong, in words.
    pub(crate) message: String,
}

type Result<T> = std::result::Result<T, Wrong>;

/// What was read.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) mode: Mode,
    pub(super) root: Node,
    pub(super) variables: Vec<String>,
}

pub(super) fn parse(text: &str) -> Result<Parsed> {
    let mut lexer = Lexer::new(text);
    let (token, at, found) = lexer.next();
    let mut parser = Parser {
        lexer,
        token,
        at,
        found,
        depth: 0,
        variables: Vec::new(),
    };
    let mode = match parser.token {
        Token::Word("lax") => Mode::Lax,
        Token::Word("strict") => Mode::Strict,
        _ => return Err(parser.unexpected("'lax', 'strict'")),
    };
    parser.advance();
    let root = parser.path()?;
    if parser.token != Token::End {
        return Err(parser.unexpected("'.', '..', '[', '?', '+', '-', '*', '/', '%', <EOF>"));
    }
    Ok(Parsed {
        mode,
        root,
        variables: parser.variables,
    })
}

/// What parentheses may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Path,
    Predicate,
}

/// What parentheses held.
enum Held {
    Path(Node),
    Predicate(Predicate),
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The next token, where it begins and its text.
    token: Token<'a>,
    at: usize,
    found: &'a str,
    depth: usize,
    variables: Vec<String>,
}

impl<'a> Parser<'a> {
    fn advance(&mut self) -> Token<'a> {
        let (token, at, found) = self.lexer.next();
        self.at = at;
        self.found = found;
        std::mem::replace(&mut self.token, token)
    }

    fn unexpected(&self, expected: &str) -> Wrong {
        let found = match self.token {
            Token::End => "<EOF>",
            _ => self.found,
        };
        self.wrong(
            "SYNTAX_ERROR",
            format!("mismatched input '{found}'. Expecting: {expected}"),
        )
    }

    fn wrong(&self, name: &'static str, message: String) -> Wrong {
        Wrong {
            at: Some(self.at),
            name,
            message,
        }
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.token, Token::Sign(found) if found == sign)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let is_next = self.is_sign(sign);
        if is_next {
            self.advance();
        }
        is_next
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        if self.eat(sign) {
            return Ok(());
        }
        Err(self.unexpected(&format!("'{sign}'")))
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let is_next = self.token == Token::Word(word);
        if is_next {
            self.advance();
        }
        is_next
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEEPEST {
            return Err(self.wrong(
                "SYNTAX_ERROR",
                format!("the path is more than {DEEPEST} levels deep"),
            ));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn path(&mut self) -> Result<Node> {
        let held = self.sum(Within::Path)?;
        self.only_path(held)
    }

    fn only_path(&self, held: Held) -> Result<Node> {
        match held {
            Held::Path(node) => Ok(node),
            Held::Predicate(_) => Err(self.unexpected(EXPRESSION)),
        }
    }

    fn sum(&mut self, within: Within) -> Result<Held> {
        self.chain(
            within,
            &[("+", Operator::Add), ("-", Operator::Subtract)],
            Self::product,
        )
    }

    fn product(&mut self, within: Within) -> Result<Held> {
        let operators = [
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("%", Operator::Modulus),
        ];
        self.chain(within, &operators, Self::signed)
    }

    fn chain(
        &mut self,
        within: Within,
        operators: &[(&str, Operator)],
        operand: fn(&mut Self, Within) -> Result<Held>,
    ) -> Result<Held> {
        let first = match operand(self, within)? {
            Held::Path(node) => node,
            predicate => return Ok(predicate),
        };
        let mut rest = Vec::new();
        while let Some((sign, operator)) = operators.iter().find(|(sign, _)| self.is_sign(sign)) {
            self.expect(sign)?;
            let right = operand(self, Within::Path)?;
            rest.push((*operator, self.only_path(right)?));
        }
        Ok(Held::Path(if rest.is_empty() {
            first
        } else {
            Node::Chain {
                first: Box::new(first),
                rest,
            }
        }))
    }

    fn signed(&mut self, within: Within) -> Result<Held> {
        let is_negative = self.is_sign("-");
        if !is_negative && !self.is_sign("+") {
            return self.access(within);
        }
        self.advance();
        if is_negative && let Some(literal) = self.number("-")? {
            return self.steps(Node::Literal(literal)).map(Held::Path);
        }
        let operand = self.deeper(|parser| {
            let held = parser.signed(Within::Path)?;
            parser.only_path(held)
        })?;
        let operand = Box::new(operand);
        Ok(Held::Path(if is_negative {
            Node::Negative(operand)
        } else {
            Node::Positive(operand)
        }))
    }

    fn access(&mut self, within: Within) -> Result<Held> {
        let base = if self.eat("(") {
            let held = self.deeper(|parser| match within {
                Within::Path => parser.path().map(Held::Path),
                Within::Predicate => parser.any(),
            })?;
            self.expect(")")?;
            match held {
                Held::Path(node) => node,
                predicate => return Ok(predicate),
            }
        } else {
            self.primary()?
        };
        self.steps(base).map(Held::Path)
    }

    fn primary(&mut self) -> Result<Node> {
        if let Some(literal) = self.number("")? {
            return Ok(Node::Literal(literal));
        }
        let node = match &mut self.token {
            Token::Text(text) => Node::Literal(text_datum(std::mem::take(text))),
            Token::Word("null") => Node::Null,
            Token::Word("true") => Node::Literal(Datum::Boolean(true)),
            Token::Word("false") => Node::Literal(Datum::Boolean(false)),
            Token::Word("last") => Node::Last,
            Token::Sign("$") => Node::Context,
            Token::Sign("@") => Node::Current,
            Token::Variable(name) => {
                let name = *name;
                self.variable(name)
            }
            _ => return Err(self.unexpected(EXPRESSION)),
        };
        self.advance();
        Ok(node)
    }

    fn variable(&mut self, name: &str) -> Node {
        let known = self.variables.iter().position(|known| known == name);
        Node::Variable(known.unwrap_or_else(|| {
            self.variables.push(name.to_owned());
            self.variables.len() - 1
        }))
    }

    fn number(&mut self, sign: &str) -> Result<Option<Datum<'static>>> {
        let invalid = |digits: &str| Wrong {
            at: Some(self.at),
            name: "SYNTAX_ERROR",
            message: format!("Invalid numeric literal: {digits}"),
        };
        let literal = match self.token {
            Token::Integer(digits) => {
                let value = format!("{sign}{digits}").parse();
                Datum::integer(value.map_err(|_| invalid(digits))?)
            }
            Token::Decimal(digits) => {
                let decimal = Datum::decimal_of(&format!("{sign}{digits}"));
                decimal.ok_or_else(|| Wrong {
                    at: Some(self.at),
                    name: "INVALID_LITERAL",
                    message: format!("'{digits}' is not a valid DECIMAL literal"),
                })?
            }
            Token::Double(digits) => {
                let value = format!("{sign}{digits}").parse();
                Datum::Double(value.map_err(|_| invalid(digits))?)
            }
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(literal))
    }

    fn steps(&mut self, base: Node) -> Result<Node> {
        let mut steps = Vec::new();
        loop {
            let step = match self.token {
                Token::Sign(".") => self.dot()?,
                Token::Sign("..") => {
                    self.advance();
                    Step::Descendants(self.key()?)
                }
                Token::Sign("[") => {
                    self.advance();
                    self.deeper(Self::brackets)?
                }
                Token::Sign("?") => {
                    self.advance();
                    self.expect("(")?;
                    let predicate = self.deeper(Self::predicate)?;
                    self.expect(")")?;
                    Step::Filter(predicate)
                }
                _ => break,
            };
            steps.push(step);
        }
        if steps.is_empty() {
            return Ok(base);
        }
        Ok(Node::Access {
            base: Box::new(base),
            steps,
        })
    }

    fn key(&mut self) -> Result<String> {
        match self.token {
            Token::Word(_) | Token::Text(_) => Ok(match self.advance() {
                Token::Text(text) => text,
                Token::Word(word) => word.to_owned(),
                _ => String::new(),
            }),
            _ => Err(self.unexpected("<identifier>, <string>")),
        }
    }

    fn dot(&mut self) -> Result<Step> {
        self.advance();
        if self.eat("*") {
            return Ok(Step::AnyMember);
        }
        let method = match self.token {
            Token::Word("abs") => Some(Method::Abs),
            Token::Word("ceiling") => Some(Method::Ceiling),
            Token::Word("double") => Some(Method::Double),
            Token::Word("floor") => Some(Method::Floor),
            Token::Word("keyvalue") => Some(Method::KeyValue),
            Token::Word("size") => Some(Method::Size),
            Token::Word("type") => Some(Method::Type),
            _ => None,
        };
        let is_datetime = self.token == Token::Word("datetime");
        let key = self.key()?;
        if is_datetime && self.is_sign("(") {
            return Err(Wrong {
                at: None,
                name: "NOT_SUPPORTED",
                message: "datetime method in JSON path is not yet supported".to_owned(),
            });
        }
        match method {
            Some(method) if self.eat("(") => {
                self.expect(")")?;
                Ok(Step::Method(method))
            }
            _ => Ok(Step::Member(key)),
        }
    }

    fn brackets(&mut self) -> Result<Step> {
        // `[*` cannot begin an expression.
        if self.eat("*") {
            self.expect("]")?;
            return Ok(Step::AnyElement);
        }
        let mut ranges = Vec::new();
        loop {
            let from = self.path()?;
            let to = if self.eat_word("to") {
                Some(self.path()?)
            } else {
                None
            };
            ranges.push((from, to));
            if self.eat("]") {
                return Ok(Step::Subscripts(ranges));
            }
            if !self.eat(",") {
                return Err(self.unexpected("',', ']', 'to'"));
            }
        }
    }
}

fn text_datum(text: String) -> Datum<'static> {
    let length = text.chars().count();
    Datum::Text {
        text: text.into(),
        kind: TextKind::VarcharOf(length),
    }
}
