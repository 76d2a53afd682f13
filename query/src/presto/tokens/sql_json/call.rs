//! What is read of one call, and the plain call that it becomes.

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::super::{closing, is_any_word, new_name, new_text, new_token, new_word};
use super::clause::Clause;
use super::failure;
use crate::Result;
use crate::presto::sql_json::{self, Behaviour, Clauses, Format, Nulls, Quotes, Wrapper};

/// A call as it becomes.
pub(super) struct Call {
    name: TokenWithSpan,
    pub(super) clauses: Clauses,
    /// Input and path; of `JSON_TABLE` only the input.
    pub(super) first: Vec<Vec<TokenWithSpan>>,
    /// The type's tokens; none is varchar.
    returns: Option<Vec<TokenWithSpan>>,
    /// On empty and on error; none is NULL.
    pub(super) defaults: Vec<Option<Vec<TokenWithSpan>>>,
    pub(super) values: Vec<Vec<TokenWithSpan>>,
}

impl Call {
    pub(super) fn new(name: TokenWithSpan) -> Self {
        Self {
            name,
            clauses: Clauses::default(),
            first: Vec::new(),
            returns: None,
            defaults: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Adds a value; calls that return JSON are read as that.
    pub(super) fn push(
        &mut self,
        value: Vec<TokenWithSpan>,
        format: Option<Format>,
        written: &[TokenWithSpan],
    ) {
        let implied = if returns_json(written) {
            Format::Json
        } else {
            Format::Sql
        };
        self.values.push(value);
        self.clauses.formats.push(format.unwrap_or(implied));
    }

    /// `[RETURNING type [FORMAT JSON …]]`; the words end a type.
    pub(super) fn returning(&mut self, clause: &mut Clause<'_>, ends: &[&str]) -> Result<()> {
        if !clause.eat_word("returning") {
            return Ok(());
        }
        self.returns = Some(clause.data_type(ends)?.to_vec());
        if ends.contains(&"FORMAT") {
            self.clauses.output = clause.format()?.unwrap_or_default();
        }
        Ok(())
    }

    /// The type of a column.
    pub(super) fn column_type(&mut self, clause: &mut Clause<'_>) -> Result<()> {
        let ends = ["PATH", "FORMAT", "DEFAULT", "NULL", "ERROR"];
        self.returns = Some(clause.data_type(&ends)?.to_vec());
        Ok(())
    }

    /// `[TRUE|FALSE|UNKNOWN|ERROR ON ERROR]`
    pub(super) fn on_exists_error(&mut self, clause: &mut Clause<'_>) -> Result<()> {
        if clause.is_done() {
            return Ok(());
        }
        self.clauses.on_error = if clause.eat_word("true") {
            Behaviour::True
        } else if clause.eat_word("false") {
            Behaviour::False
        } else if clause.eat_word("unknown") {
            Behaviour::Null
        } else if clause.eat_word("error") {
            Behaviour::Error
        } else {
            return Err(clause.unexpected("')', 'PASSING', 'TRUE', 'FALSE', 'UNKNOWN', 'ERROR'"));
        };
        clause.expect_word("ON")?;
        clause.expect_word("ERROR")
    }

    /// `[WITHOUT|WITH [CONDITIONAL|UNCONDITIONAL] [ARRAY] WRAPPER] [KEEP|OMIT QUOTES [ON SCALAR STRING]]`
    pub(super) fn wrapper(&mut self, clause: &mut Clause<'_>) -> Result<()> {
        if clause.eat_word("without") {
            clause.eat_word("array");
            clause.expect_word("WRAPPER")?;
        } else if clause.eat_word("with") {
            self.clauses.wrapper = if clause.eat_word("conditional") {
                Wrapper::Conditional
            } else {
                clause.eat_word("unconditional");
                Wrapper::Unconditional
            };
            clause.eat_word("array");
            clause.expect_word("WRAPPER")?;
        }
        let omits = clause.eat_word("omit");
        if !omits && !clause.eat_word("keep") {
            return Ok(());
        }
        clause.expect_word("QUOTES")?;
        if clause.eat_word("on") {
            clause.expect_word("SCALAR")?;
            clause.expect_word("STRING")?;
        }
        let wrapper = match self.clauses.wrapper {
            Wrapper::Without => None,
            Wrapper::Conditional => Some("CONDITIONAL"),
            Wrapper::Unconditional => Some("UNCONDITIONAL"),
        };
        if !omits {
            return Ok(());
        }
        self.clauses.quotes = Quotes::Omit;
        match wrapper {
            None => Ok(()),
            Some(wrapper) => {
                let message = format!(
                    "OMIT QUOTES behavior specified with WITH {wrapper} ARRAY WRAPPER behavior"
                );
                Err(failure(
                    "INVALID_FUNCTION_ARGUMENT",
                    &message,
                    self.name.span,
                ))
            }
        }
    }

    /// `[ERROR|NULL|EMPTY ARRAY|EMPTY OBJECT ON EMPTY] [… ON ERROR]`
    pub(super) fn on_query_empty(&mut self, clause: &mut Clause<'_>) -> Result<()> {
        let mut may_be_empty = true;
        while !clause.is_done() {
            let behaviour = if clause.eat_word("error") {
                Behaviour::Error
            } else if clause.eat_word("null") {
                Behaviour::Null
            } else if clause.eat_word("empty") {
                if clause.eat_word("array") {
                    Behaviour::EmptyArray
                } else {
                    clause.expect_any_word(&["ARRAY", "OBJECT"], "object")?;
                    Behaviour::EmptyObject
                }
            } else {
                let expected = "')', 'PASSING', 'RETURNING', 'WITH', 'WITHOUT', 'KEEP', 'OMIT', 'ERROR', 'NULL', 'EMPTY'";
                return Err(clause.unexpected(if may_be_empty {
                    expected
                } else {
                    "')', 'ERROR', 'NULL', 'EMPTY'"
                }));
            };
            clause.expect_word("ON")?;
            if may_be_empty && clause.eat_word("empty") {
                self.clauses.on_empty = behaviour;
                may_be_empty = false;
                continue;
            }
            let expected: &[&str] = if may_be_empty {
                &["EMPTY", "ERROR"]
            } else {
                &["ERROR"]
            };
            clause.expect_any_word(expected, "error")?;
            self.clauses.on_error = behaviour;
            return Ok(());
        }
        Ok(())
    }

    /// `[NULL|ABSENT ON NULL]`
    pub(super) fn nulls(&mut self, clause: &mut Clause<'_>) -> Result<()> {
        self.clauses.nulls = if clause.eat_word("null") {
            Nulls::Null
        } else if clause.eat_word("absent") {
            Nulls::Absent
        } else {
            return Ok(());
        };
        clause.expect_word("ON")?;
        clause.expect_word("NULL")
    }

    pub(super) fn write(mut self, target: &str, out: &mut Vec<TokenWithSpan>) {
        let span = self.name.span;
        let mut arguments = std::mem::take(&mut self.first);
        let values = std::mem::take(&mut self.values);
        arguments.push(vec![new_text(self.clauses.encode(), span)]);
        if target != sql_json::EXISTS {
            arguments.extend(self.result());
        }
        arguments.extend(values);
        write_plain(target, span, arguments, out);
    }

    /// Returns the arguments that tell the result: its type, and what is there instead.
    pub(super) fn result(self) -> Vec<Vec<TokenWithSpan>> {
        let span = self.name.span;
        let null = || vec![new_word("NULL", span)];
        let mut typed = vec![new_word("CAST", span), new_token(Token::LParen, span)];
        typed.extend(null());
        typed.push(new_word("AS", span));
        typed.extend(
            self.returns
                .unwrap_or_else(|| vec![new_word("VARCHAR", span)]),
        );
        typed.push(new_token(Token::RParen, span));
        let defaults = self.defaults.into_iter();
        std::iter::once(typed)
            .chain(defaults.map(|default| default.unwrap_or_else(null)))
            .collect()
    }
}

/// Writes a plain call.
pub(super) fn write_plain(
    target: &str,
    span: Span,
    arguments: Vec<Vec<TokenWithSpan>>,
    out: &mut Vec<TokenWithSpan>,
) {
    out.push(new_name(target.to_owned(), span));
    out.push(new_token(Token::LParen, span));
    for (position, argument) in arguments.into_iter().enumerate() {
        if position > 0 {
            out.push(new_token(Token::Comma, span));
        }
        out.extend(argument);
    }
    out.push(new_token(Token::RParen, span));
}

/// Whether an expression is a call that returns JSON, and nothing else.
fn returns_json(tokens: &[TokenWithSpan]) -> bool {
    let mut tokens = tokens;
    while let [open, inner @ .., close] = tokens
        && open.token == Token::LParen
        && close.token == Token::RParen
        && closing(tokens, 0) == Some(tokens.len() - 1)
    {
        tokens = inner;
    }
    matches!(tokens, [name, open, ..]
        if is_any_word(name, &["json_query", "json_object", "json_array"])
            && open.token == Token::LParen
            && closing(tokens, 1) == Some(tokens.len() - 1))
}
