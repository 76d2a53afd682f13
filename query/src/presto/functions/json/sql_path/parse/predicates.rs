//! Reads the conditions of filters.

use super::super::lex::Token;
use super::super::tree::{Comparison, Node, Predicate};
use super::{Held, Parser, Result, Within, Wrong};

impl Parser<'_> {
    pub(super) fn predicate(&mut self) -> Result<Predicate> {
        let held = self.any()?;
        self.only_predicate(held)
    }

    fn only_predicate(&self, held: Held) -> Result<Predicate> {
        match held {
            Held::Predicate(predicate) => Ok(predicate),
            Held::Path(_) => {
                Err(self.unexpected("'==', '<>', '!=', '<', '>', '<=', '>=', 'starts'"))
            }
        }
    }

    /// `… || …`
    pub(super) fn any(&mut self) -> Result<Held> {
        self.junction("||", Predicate::Any, Self::all)
    }

    /// `… && …`
    fn all(&mut self) -> Result<Held> {
        self.junction("&&", Predicate::All, Self::condition)
    }

    fn junction(
        &mut self,
        sign: &str,
        join: fn(Vec<Predicate>) -> Predicate,
        operand: fn(&mut Self) -> Result<Held>,
    ) -> Result<Held> {
        let first = operand(self)?;
        if !self.is_sign(sign) {
            return Ok(first);
        }
        let mut all = vec![self.only_predicate(first)?];
        while self.eat(sign) {
            let next = operand(self)?;
            all.push(self.only_predicate(next)?);
        }
        Ok(Held::Predicate(join(all)))
    }

    fn condition(&mut self) -> Result<Held> {
        if self.eat("!") {
            let operand = if self.token == Token::Word("exists") {
                self.exists()?
            } else if self.eat("(") {
                let predicate = self.deeper(Self::predicate)?;
                self.expect(")")?;
                predicate
            } else {
                return Err(self.unexpected("'(', 'exists'"));
            };
            return Ok(Held::Predicate(Predicate::Not(Box::new(operand))));
        }
        if self.token == Token::Word("exists") {
            return self.exists().map(Held::Predicate);
        }
        match self.sum(Within::Predicate)? {
            Held::Predicate(predicate) => self.maybe_unknown(predicate).map(Held::Predicate),
            Held::Path(left) => self.compared(left),
        }
    }

    fn exists(&mut self) -> Result<Predicate> {
        self.advance();
        self.expect("(")?;
        let path = self.deeper(Self::path)?;
        self.expect(")")?;
        Ok(Predicate::Exists(path))
    }

    fn maybe_unknown(&mut self, predicate: Predicate) -> Result<Predicate> {
        if !self.eat_word("is") {
            return Ok(predicate);
        }
        if !self.eat_word("unknown") {
            return Err(self.unexpected("'unknown'"));
        }
        Ok(Predicate::IsUnknown(Box::new(predicate)))
    }

    fn compared(&mut self, left: Node) -> Result<Held> {
        let comparison = match self.token {
            Token::Sign("==") => Comparison::Equal,
            Token::Sign("<>" | "!=") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            Token::Word("starts") => return self.starts_with(left).map(Held::Predicate),
            Token::Word("like_regex") => {
                return Err(Wrong {
                    at: None,
                    name: "NOT_SUPPORTED",
                    message: "like_regex predicate in JSON path is not yet supported".to_owned(),
                });
            }
            _ => return Ok(Held::Path(left)),
        };
        self.advance();
        let right = self.path()?;
        Ok(Held::Predicate(Predicate::Compare {
            left,
            comparison,
            right,
        }))
    }

    fn starts_with(&mut self, value: Node) -> Result<Predicate> {
        self.advance();
        if !self.eat_word("with") {
            return Err(self.unexpected("'with'"));
        }
        if !matches!(self.token, Token::Text(_) | Token::Variable(_)) {
            return Err(self.unexpected("<string>, <variable>"));
        }
        let prefix = self.primary()?;
        Ok(Predicate::StartsWith { value, prefix })
    }
}
