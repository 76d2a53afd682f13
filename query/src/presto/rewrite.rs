//! Presto's functions in terms of DataFusion's, where the argument types do not matter: pure and idempotent.
//!
//! What needs the types of its arguments is a function of its own in [`functions`](super::functions).

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, ObjectNamePart, Statement, Value, visit_expressions_mut,
};

use crate::Result;

/// What functions without arguments tell of the session.
#[derive(Debug, Clone, Default)]
pub struct SessionFacts {
    /// `current_user`.
    pub user: String,
    /// `current_catalog`.
    pub catalog: String,
    /// `current_schema`.
    pub schema: Option<String>,
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
    let is_empty = match &function.args {
        FunctionArguments::None => true,
        FunctionArguments::Subquery(_) => false,
        FunctionArguments::List(list) => list.args.is_empty(),
    };
    if !is_empty {
        return Ok(None);
    }
    let literal = |text: &str| Expr::value(Value::SingleQuotedString(text.to_owned()));
    Ok(Some(match name.as_str() {
        // The parser takes these for functions; here they are names of columns.
        "session_user" | "user" if matches!(function.args, FunctionArguments::None) => {
            Expr::Identifier(ident.clone())
        }
        "current_user" => literal(&facts.user),
        "current_catalog" => literal(&facts.catalog),
        "current_schema" => match &facts.schema {
            Some(schema) => literal(schema),
            None => Expr::value(Value::Null),
        },
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;
    use crate::presto::dialect::TrinoDialect;

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
