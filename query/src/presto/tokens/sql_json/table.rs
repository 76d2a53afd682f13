//! `JSON_TABLE`: a relation, which becomes `UNNEST` of a plain call.

use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::super::{new_text, new_token, new_word};
use super::call::{Call, write_plain};
use super::clause::Clause;
use super::path::PathText;
use super::plan::Plan;
use super::{Rewriter, failure};
use crate::presto::sql_json::Behaviour;
use crate::presto::sql_json::table::{Column, Source, TABLE, Table};
use crate::{Error, Result};

/// How deep paths may be nested.
pub(super) const DEEPEST: usize = 24;

/// A path with its columns, as they are written.
pub(super) struct PathColumns {
    pub(super) path: PathText,
    /// The places of its own columns.
    pub(super) columns: Vec<usize>,
    pub(super) nested: Vec<PathColumns>,
}

impl PathColumns {
    pub(super) fn new(path: PathText) -> Self {
        Self {
            path,
            columns: Vec::new(),
            nested: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.path.name.as_ref().map(|(name, _)| name.as_str())
    }
}

impl Rewriter<'_> {
    /// `input, 'path' [AS name] [PASSING …] COLUMNS (…) [PLAN …] [ERROR|EMPTY ON ERROR]`
    pub(super) fn table(
        &self,
        span: Span,
        mut clause: Clause<'_>,
        mut call: Call,
        out: &mut Vec<TokenWithSpan>,
    ) -> Result<()> {
        // Columns before it say what they do on error by it.
        let on_error = if clause.ends_with(&["error", "on", "error"]) {
            Behaviour::Error
        } else {
            Behaviour::Null
        };
        let mut root = PathColumns::new(self.path(&mut clause, &mut call)?);
        let mut reader = Reader {
            rewriter: self,
            on_error,
            names: Vec::new(),
            columns: Vec::new(),
            arguments: Vec::new(),
        };
        if let Some((name, place)) = &root.path.name {
            reader.claim(name, *place)?;
        }
        if !clause.eat_word("columns") {
            return Err(clause.unexpected("'AS', 'COLUMNS', 'PASSING'"));
        }
        root.path.check(&call.clauses.names)?;
        reader.columns(&mut clause.inside()?, &mut root, 0)?;
        let plan = Plan::read(&mut clause, self.quoted)?;
        if !clause.is_done() {
            if !clause.eat_word("error") && !clause.eat_word("empty") {
                return Err(clause.unexpected("')', 'EMPTY', 'ERROR', 'PLAN'"));
            }
            clause.expect_word("ON")?;
            clause.expect_word("ERROR")?;
        }
        clause.end()?;
        call.clauses.on_error = on_error;
        let table = Table {
            search: call.clauses,
            columns: reader.columns,
            rows: plan.arrange(root)?,
        };
        let mut arguments = call.first;
        arguments.push(vec![new_text(table.encode(), span)]);
        arguments.extend(reader.arguments);
        arguments.extend(call.values);
        out.push(new_word("UNNEST", span));
        out.push(new_token(Token::LParen, span));
        write_plain(TABLE, span, arguments, out);
        out.push(new_token(Token::RParen, span));
        Ok(())
    }
}

/// Reads columns.
struct Reader<'r, 'q> {
    rewriter: &'r Rewriter<'q>,
    /// What columns do on error that do not say it.
    on_error: Behaviour,
    /// Of columns and paths.
    names: Vec<String>,
    columns: Vec<Column>,
    /// Of the columns.
    arguments: Vec<Vec<TokenWithSpan>>,
}

impl Reader<'_, '_> {
    fn columns(
        &mut self,
        clause: &mut Clause<'_>,
        path: &mut PathColumns,
        depth: usize,
    ) -> Result<()> {
        loop {
            let mut column = clause.part();
            if column.begins_nested() {
                path.nested.push(self.nested(&mut column, depth + 1)?);
            } else {
                path.columns.push(self.columns.len());
                self.column(&mut column)?;
            }
            column.end()?;
            if !clause.eat(&Token::Comma) {
                return clause.end();
            }
        }
    }

    /// `NESTED [PATH] 'path' [AS name] COLUMNS (…)`
    fn nested(&mut self, clause: &mut Clause<'_>, depth: usize) -> Result<PathColumns> {
        if depth > DEEPEST {
            let message = format!("paths are nested more than {DEEPEST} levels deep");
            return Err(failure("SYNTAX_ERROR", &message, clause.place()));
        }
        clause.expect_word("NESTED")?;
        clause.eat_word("path");
        let path = PathText::read_named(clause, self.rewriter.quoted)?;
        path.check(&[])?;
        if let Some((name, place)) = &path.name {
            self.claim(name, *place)?;
        }
        if !clause.eat_word("columns") {
            return Err(clause.unexpected("'AS', 'COLUMNS'"));
        }
        let mut nested = PathColumns::new(path);
        self.columns(&mut clause.inside()?, &mut nested, depth)?;
        Ok(nested)
    }

    /// `name FOR ORDINALITY`, `name type [PATH 'path'] …`, `name type FORMAT JSON … [PATH 'path'] …`
    fn column(&mut self, clause: &mut Clause<'_>) -> Result<()> {
        let mut call = Call::new(clause.peek().clone());
        let (name, place) = clause.name(self.rewriter.quoted)?;
        self.claim(&name, place)?;
        // Names have no case inside of queries.
        let is_same = |column: &Column| column.name.to_lowercase() == name.to_lowercase();
        if self.columns.iter().any(is_same) {
            return Err(Error::NotSupported {
                what: "columns of JSON_TABLE whose names differ in letter case only".to_owned(),
            });
        }
        if clause.eat_word("for") {
            clause.expect_word("ORDINALITY")?;
            let source = Source::Ordinality;
            self.columns.push(Column { name, source });
            return Ok(());
        }
        call.clauses.on_error = self.on_error;
        call.column_type(clause)?;
        let format = clause.format()?;
        let path = if clause.eat_word("path") {
            let path = PathText::read(clause)?;
            path.check(&[])?;
            path.text
        } else {
            format!("lax $.\"{}\"", name.replace('"', "\"\""))
        };
        let source = if let Some(format) = format {
            call.clauses.output = format;
            call.wrapper(clause)?;
            call.on_query_empty(clause)?;
            let clauses = std::mem::take(&mut call.clauses);
            Source::Query { path, clauses }
        } else {
            self.rewriter.on_value_empty(clause, &mut call)?;
            let clauses = std::mem::take(&mut call.clauses);
            Source::Value { path, clauses }
        };
        self.arguments.extend(call.result());
        self.columns.push(Column { name, source });
        Ok(())
    }

    /// Takes a name, which no other column or path may have.
    fn claim(&mut self, name: &str, place: Span) -> Result<()> {
        if self.names.iter().any(|known| known == name) {
            return Err(failure(
                "DUPLICATE_COLUMN_OR_PATH_NAME",
                "All column and path names in JSON_TABLE invocation must be unique",
                place,
            ));
        }
        self.names.push(name.to_owned());
        Ok(())
    }
}
