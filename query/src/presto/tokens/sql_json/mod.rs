//! SQL/JSON: calls with clauses become plain calls of the functions in [`sql_json`](crate::presto::sql_json).
//!
//! ```text
//! call: clauses of one result     table: columns, nested paths     plan: how nested rows go together
//!              \                        /
//!               clause: token by token, path
//! ```

mod call;
mod clause;
mod path;
mod plan;
mod table;

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use self::call::Call;
use self::clause::Clause;
use self::path::PathText;
use super::{closing, is_any_word, is_word, new_text, word};
use crate::presto::error::TrinoFailure;
use crate::presto::labels::Quoted;
use crate::presto::sql_json::{self, Behaviour, Format, Keys, Nulls};
use crate::{Error, Result};

/// How deep calls may lie in one another.
const DEEPEST: usize = 40;

const CALLS: [&str; 6] = [
    "json_exists",
    "json_query",
    "json_value",
    "json_object",
    "json_array",
    "json_table",
];

/// Makes plain calls of those with clauses; `quoted` are the names as they were written.
///
/// # Errors
/// A clause or a path that is not understood.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>, quoted: &Quoted) -> Result<Vec<TokenWithSpan>> {
    if !tokens.iter().any(|token| is_any_word(token, &CALLS)) {
        return Ok(tokens);
    }
    let mut out = Vec::with_capacity(tokens.len());
    Rewriter { quoted, depth: 0 }.all(&tokens, &mut out)?;
    Ok(out)
}

struct Rewriter<'a> {
    quoted: &'a Quoted,
    depth: usize,
}

impl Rewriter<'_> {
    fn all(&self, tokens: &[TokenWithSpan], out: &mut Vec<TokenWithSpan>) -> Result<()> {
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            let is_call = is_any_word(token, &CALLS)
                && tokens
                    .get(index + 1)
                    .is_some_and(|next| next.token == Token::LParen);
            match is_call.then(|| closing(tokens, index + 1)).flatten() {
                Some(close) => {
                    let inner = tokens.get(index + 2..close).unwrap_or_default();
                    let end = tokens.get(close).unwrap_or(token);
                    self.call(token, inner, end, out)?;
                    index = close + 1;
                }
                None => {
                    out.push(token.clone());
                    index += 1;
                }
            }
        }
        Ok(())
    }

    fn call(
        &self,
        name: &TokenWithSpan,
        inner: &[TokenWithSpan],
        end: &TokenWithSpan,
        out: &mut Vec<TokenWithSpan>,
    ) -> Result<()> {
        if self.depth == DEEPEST {
            let message = format!("SQL/JSON calls are more than {DEEPEST} levels deep");
            return Err(failure("SYNTAX_ERROR", &message, name.span));
        }
        let mut call = Call::new(name.clone());
        let mut clause = Clause::new(inner, end);
        let target = match word(name)
            .map(|word| word.value.to_ascii_lowercase())
            .as_deref()
        {
            Some("json_exists") => {
                call.clauses.on_error = Behaviour::False;
                self.search(&mut clause, &mut call, "JSON_EXISTS")?;
                call.on_exists_error(&mut clause)?;
                sql_json::EXISTS
            }
            Some("json_query") => {
                self.search(&mut clause, &mut call, "JSON_QUERY")?;
                call.returning(
                    &mut clause,
                    &[
                        "FORMAT", "WITH", "WITHOUT", "KEEP", "OMIT", "ERROR", "NULL", "EMPTY",
                    ],
                )?;
                call.wrapper(&mut clause)?;
                call.on_query_empty(&mut clause)?;
                sql_json::QUERY
            }
            Some("json_value") => {
                self.search(&mut clause, &mut call, "JSON_VALUE")?;
                call.returning(&mut clause, &["ERROR", "NULL", "DEFAULT"])?;
                self.on_value_empty(&mut clause, &mut call)?;
                sql_json::VALUE
            }
            Some("json_table") => {
                return self.table(name.span, clause, call, out);
            }
            Some("json_object") => {
                self.members(&mut clause, &mut call)?;
                call.returning(&mut clause, &["FORMAT"])?;
                sql_json::OBJECT
            }
            _ => {
                call.clauses.nulls = Nulls::Absent;
                self.elements(&mut clause, &mut call)?;
                call.returning(&mut clause, &["FORMAT"])?;
                sql_json::ARRAY
            }
        };
        clause.end()?;
        call.write(target, out);
        Ok(())
    }

    /// Appends an expression, and what is in it rewritten.
    fn expression(&self, tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>> {
        let mut out = Vec::with_capacity(tokens.len());
        let inside = Rewriter {
            quoted: self.quoted,
            depth: self.depth + 1,
        };
        inside.all(tokens, &mut out)?;
        Ok(out)
    }

    /// `input [FORMAT JSON …], 'path' [PASSING …]`
    fn search(&self, clause: &mut Clause<'_>, call: &mut Call, function: &str) -> Result<()> {
        let path = self.path(clause, call)?;
        if let Some((_, place)) = path.name {
            let message = format!("JSON path name is not allowed in {function} function");
            return Err(failure("INVALID_PATH", &message, place));
        }
        path.check(&call.clauses.names)?;
        call.first.push(vec![new_text(path.text, path.place)]);
        Ok(())
    }

    /// `input [FORMAT JSON …], 'path' [AS name] [PASSING value [FORMAT JSON …] AS name, …]`
    fn path(&self, clause: &mut Clause<'_>, call: &mut Call) -> Result<PathText> {
        let input = clause.expression(|rest| {
            matches!(rest, [comma, ..] if comma.token == Token::Comma) || is_format(rest)
        })?;
        call.first.push(self.expression(input)?);
        call.clauses.input = clause.format()?.unwrap_or(Format::Json);
        clause.expect(&Token::Comma, "','")?;
        let path = PathText::read_named(clause, self.quoted)?;
        if clause.eat_word("passing") {
            loop {
                let value = clause.expression(|rest| {
                    is_format(rest) || matches!(rest, [first, ..] if is_word(first, "as"))
                })?;
                call.push(self.expression(value)?, clause.format()?, value);
                clause.expect_word("AS")?;
                let (name, place) = clause.name(self.quoted)?;
                if call.clauses.names.contains(&name) {
                    let message = format!("{name} JSON path parameter is specified more than once");
                    return Err(failure("DUPLICATE_PARAMETER_NAME", &message, place));
                }
                call.clauses.names.push(name);
                if !clause.eat(&Token::Comma) {
                    break;
                }
            }
        }
        Ok(path)
    }

    /// `[ERROR|NULL|DEFAULT e ON EMPTY] [ERROR|NULL|DEFAULT e ON ERROR]`
    fn on_value_empty(&self, clause: &mut Clause<'_>, call: &mut Call) -> Result<()> {
        let mut defaults = [None, None];
        let mut first = 0;
        while first < 2 && !clause.is_done() {
            let (behaviour, default) = if clause.eat_word("error") {
                (Behaviour::Error, None)
            } else if clause.eat_word("null") {
                (Behaviour::Null, None)
            } else if clause.eat_word("default") {
                let value = clause.expression(|rest| {
                    matches!(rest, [on, event, ..]
                        if is_word(on, "on") && is_any_word(event, &["empty", "error"]))
                })?;
                (Behaviour::Default, Some(self.expression(value)?))
            } else {
                let expected = if first == 0 {
                    "')', 'PASSING', 'RETURNING', 'DEFAULT', 'ERROR', 'NULL'"
                } else {
                    "')'"
                };
                return Err(clause.unexpected(expected));
            };
            clause.expect_word("ON")?;
            let is_empty = first == 0 && clause.eat_word("empty");
            if !is_empty {
                clause.expect_any_word(
                    if first == 0 {
                        &["EMPTY", "ERROR"]
                    } else {
                        &["ERROR"]
                    },
                    "error",
                )?;
            }
            let place = usize::from(!is_empty);
            if is_empty {
                call.clauses.on_empty = behaviour;
            } else {
                call.clauses.on_error = behaviour;
            }
            if let Some(slot) = defaults.get_mut(place) {
                *slot = default;
            }
            first = place + 1;
        }
        call.defaults = defaults.into_iter().collect();
        Ok(())
    }

    /// `[KEY] k VALUE v | k : v, … [NULL|ABSENT ON NULL] [WITH|WITHOUT UNIQUE [KEYS]]`
    fn members(&self, clause: &mut Clause<'_>, call: &mut Call) -> Result<()> {
        let mut has_more = has_values(clause);
        while has_more {
            let mut key = clause.expression(|rest| {
                matches!(rest, [next, ..]
                    if matches!(next.token, Token::Colon | Token::Comma) || is_word(next, "value"))
            })?;
            if !clause.eat(&Token::Colon) {
                clause.expect_word("VALUE")?;
                key = without_key(key);
            }
            call.values.push(self.expression(key)?);
            let value = clause.expression(ends_value)?;
            call.push(self.expression(value)?, clause.format()?, value);
            has_more = clause.eat(&Token::Comma);
        }
        call.nulls(clause)?;
        let has = clause.eat_word("with");
        if has || clause.eat_word("without") {
            clause.expect_word("UNIQUE")?;
            clause.eat_word("keys");
            if has {
                call.clauses.keys = Keys::Unique;
            }
        }
        Ok(())
    }

    /// `v, … [NULL|ABSENT ON NULL]`
    fn elements(&self, clause: &mut Clause<'_>, call: &mut Call) -> Result<()> {
        let mut has_more = has_values(clause);
        while has_more {
            let value = clause.expression(ends_value)?;
            call.push(self.expression(value)?, clause.format()?, value);
            has_more = clause.eat(&Token::Comma);
        }
        call.nulls(clause)
    }
}

fn is_format(rest: &[TokenWithSpan]) -> bool {
    matches!(rest, [format, json, ..] if is_word(format, "format") && is_word(json, "json"))
}

/// Whether a list of values begins here.
fn has_values(clause: &Clause<'_>) -> bool {
    !clause.is_done() && !clause.is_word("returning")
}

/// `KEY k` is `k`; a column may have that name.
fn without_key(tokens: &[TokenWithSpan]) -> &[TokenWithSpan] {
    match tokens {
        [key, inner @ ..] if is_word(key, "key") && begins_key(inner) => inner,
        _ => tokens,
    }
}

fn begins_key(tokens: &[TokenWithSpan]) -> bool {
    matches!(tokens, [first, ..]
        if matches!(first.token, Token::Word(_) | Token::SingleQuotedString(_) | Token::LParen))
}

fn ends_value(rest: &[TokenWithSpan]) -> bool {
    is_format(rest)
        || match rest {
            [comma, ..] if comma.token == Token::Comma => true,
            [nulls, on, ..] if is_any_word(nulls, &["null", "absent"]) => is_word(on, "on"),
            [with, unique, ..] if is_any_word(with, &["with", "without"]) => {
                is_word(unique, "unique")
            }
            [first, ..] => is_word(first, "returning"),
            [] => true,
        }
}

fn failure(name: &'static str, message: &str, span: Span) -> Error {
    let (line, column) = (span.start.line, span.start.column);
    TrinoFailure::new(name, format!("line {line}:{column}: {message}")).into()
}
