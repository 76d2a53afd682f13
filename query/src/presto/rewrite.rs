//! Presto's functions in terms of DataFusion's, where the argument types do not matter: pure and idempotent.
//!
//! What needs the types of its arguments is a function of its own in [`functions`](super::functions).

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Statement,
    visit_expressions_mut,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::dialect::TrinoDialect;
use super::tokens;
use crate::{Error, Result};

/// What functions without arguments tell of the session.
#[derive(Debug, Clone, Default)]
pub struct SessionFacts {
    /// `current_user`.
    pub user: String,
    /// `current_catalog`.
    pub catalog: String,
    /// `current_schema`.
    pub schema: Option<String>,
    /// `current_timezone()`.
    pub time_zone: String,
}

/// The Trino version whose SQL and protocol are spoken, which `version()` says.
pub const VERSION: &str = "476";

/// Replaces calls of Presto functions in `statement`.
///
/// # Errors
/// A call with arguments the function does not take.
pub fn functions(statement: &mut Statement, facts: &SessionFacts) -> Result<()> {
    let outcome = visit_expressions_mut(statement, |expr| {
        let new = match &*expr {
            Expr::Function(function) => replacement(function, facts),
            other => Ok(super::calls::special_form(other)),
        };
        match new {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(new)) => {
                *expr = new;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    });
    match outcome {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn replacement(function: &Function, facts: &SessionFacts) -> Result<Option<Expr>> {
    let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
        return Ok(None);
    };
    let name = ident.value.to_ascii_lowercase();
    if let Some(call) = super::calls::rewritten(&name, function)? {
        return Ok(Some(call));
    }
    let Some(args) = plain_arguments(function) else {
        return Ok(None);
    };
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let text = match (name.as_str(), args.as_slice()) {
        // The parser takes these for functions; here they are names of columns.
        ("session_user" | "user", []) if is_bare(function) => {
            return Ok(Some(Expr::Identifier(ident.clone())));
        }
        ("current_user", []) => literal(&facts.user),
        ("current_catalog", []) => literal(&facts.catalog),
        ("current_schema", []) => facts
            .schema
            .as_deref()
            .map_or_else(|| "NULL".to_owned(), literal),
        ("normalize", [value, form]) if form.starts_with("NF") => {
            format!("normalize({value}, {})", literal(form))
        }
        _ => return Ok(None),
    };
    parse(&text).map(Some)
}

fn is_bare(function: &Function) -> bool {
    matches!(function.args, FunctionArguments::None)
}

/// Returns the arguments as text if none is named, a wildcard or behind DISTINCT.
fn plain_arguments(function: &Function) -> Option<Vec<String>> {
    match &function.args {
        FunctionArguments::None => Some(Vec::new()),
        FunctionArguments::Subquery(_) => None,
        FunctionArguments::List(list) => {
            if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
                return None;
            }
            let texts = list.args.iter().map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.to_string()),
                _ => None,
            });
            texts.collect()
        }
    }
}

fn parse(text: &str) -> Result<Expr> {
    Parser::new(&TrinoDialect)
        .with_tokens_with_locations(tokens::read(text)?.tokens)
        .parse_expr()
        .map_err(|error| Error::Internal {
            message: format!("`{text}` does not parse: {error}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(sql: &str) -> String {
        let mut statements = Parser::parse_sql(&TrinoDialect, sql).unwrap();
        let facts = SessionFacts {
            user: "ann".to_owned(),
            ..SessionFacts::default()
        };
        functions(&mut statements[0], &facts).unwrap();
        statements[0].to_string()
    }

    #[test]
    fn calls_become_what_the_engine_knows() {
        assert_eq!(
            rewritten("SELECT if(a, 1, 2)"),
            "SELECT CASE WHEN a THEN 1 ELSE 2 END"
        );
        assert_eq!(
            rewritten(
                "SELECT substring(s FROM 2 FOR 3), trim(LEADING 'x' FROM s), position('a' IN b), normalize(s, NFD)"
            ),
            "SELECT substr(s, 2, 3), ltrim(s, 'x'), strpos(b, 'a'), normalize(s, 'NFD')"
        );
        assert_eq!(rewritten("SELECT current_user"), "SELECT 'ann'");
        assert_eq!(
            rewritten("SELECT listagg(a, ',') WITHIN GROUP (ORDER BY b DESC) FROM t"),
            "SELECT listagg(a, ',' ORDER BY b DESC) FROM t"
        );
        assert_eq!(
            rewritten(
                "SELECT listagg(a ON OVERFLOW TRUNCATE '~' WITH COUNT) WITHIN GROUP (ORDER BY b) FROM t"
            ),
            "SELECT listagg(a, '', '~', true ORDER BY b) FROM t"
        );
    }

    #[test]
    fn rewriting_again_changes_nothing() {
        let once = rewritten(
            "SELECT if(count_if(a) > 1, date(b), c), week(d), map(), listagg(e) WITHIN GROUP (ORDER BY e) FROM t GROUP BY 2",
        );
        assert_eq!(rewritten(&once), once);
    }
}
