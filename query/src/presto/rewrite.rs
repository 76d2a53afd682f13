//! Presto's literals and functions in terms of DataFusion's, where the argument types do not matter.
//!
//! Tokens first (literals the parser reads differently), then the syntax tree (function calls). Both are pure and
//! idempotent. What needs the types of its arguments is a function of its own in [`functions`](super::functions).

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Statement,
    TrimWhereField, visit_expressions_mut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

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

/// What `version()` says: a number first, as Trino's.
pub const VERSION: &str = concat!("476-lakehouse-", env!("CARGO_PKG_VERSION"));

/// Functions that exist through this rewrite only.
pub const FUNCTIONS: [&str; 10] = [
    "arbitrary",
    "approx_percentile",
    "count_if",
    "current_user",
    "every",
    "if",
    "max_by",
    "min_by",
    "sequence",
    "variance",
];

const RENAMED: [(&str, &str); 9] = [
    ("approx_percentile", "approx_percentile_cont"),
    ("array_remove", "array_remove_all"),
    ("bitwise_and_agg", "bit_and"),
    ("bitwise_or_agg", "bit_or"),
    ("bitwise_xor_agg", "bit_xor"),
    ("contains", "array_has"),
    ("every", "bool_and"),
    ("sequence", "generate_series"),
    ("variance", "var_samp"),
];

/// The functions that `EXTRACT(field FROM x)` calls, by the field without underscores.
const PARTS: [(&str, &str); 17] = [
    ("day", "day"),
    ("dayofmonth", "day"),
    ("dayofweek", "day_of_week"),
    ("dayofyear", "day_of_year"),
    ("dow", "day_of_week"),
    ("doy", "day_of_year"),
    ("hour", "hour"),
    ("minute", "minute"),
    ("month", "month"),
    ("quarter", "quarter"),
    ("second", "second"),
    ("timezonehour", "timezone_hour"),
    ("timezoneminute", "timezone_minute"),
    ("week", "week"),
    ("year", "year"),
    ("yearofweek", "year_of_week"),
    ("yow", "year_of_week"),
];

/// Returns `sql` with Presto's literals as the parser reads them: numbers with an exponent are doubles, and
/// `DECIMAL '1.20'` has the digits that are written.
///
/// # Errors
/// The text has no tokens, for example because a quote is not closed.
pub fn literals(sql: &str) -> Result<String> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        // Literals stay as they are written: what is put together again must say the same.
        .with_unescape(false)
        .tokenize()
        .map_err(|error| Error::Syntax {
            message: error.to_string(),
        })?;
    let (mut out, mut is_changed) = (String::with_capacity(sql.len()), false);
    let mut rest = tokens.as_slice();
    while let [token, tail @ ..] = rest {
        rest = tail;
        match (token, tail) {
            (Token::Number(text, _), _) if text.contains(['e', 'E']) => {
                out.push_str(&format!("CAST('{text}' AS DOUBLE)"));
                is_changed = true;
            }
            (
                Token::Word(word),
                [
                    Token::Whitespace(_),
                    Token::SingleQuotedString(text),
                    after @ ..,
                ],
            ) if word.quote_style.is_none()
                && word.value.eq_ignore_ascii_case("decimal")
                && is_plain_number(text) =>
            {
                out.push_str(text);
                is_changed = true;
                rest = after;
            }
            (token, _) => out.push_str(&token.to_string()),
        }
    }
    Ok(if is_changed { out } else { sql.to_owned() })
}

fn is_plain_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && digits.matches('.').count() <= 1
}

/// Replaces calls of Presto functions in `statement`.
///
/// # Errors
/// A call with arguments the function does not take.
pub fn functions(statement: &mut Statement, facts: &SessionFacts) -> Result<()> {
    let outcome = visit_expressions_mut(statement, |expr| {
        let new = match &*expr {
            Expr::Function(function) => replacement(function, facts),
            other => special_form(other),
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

/// Returns the call that an expression with words for arguments means.
fn special_form(expr: &Expr) -> Result<Option<Expr>> {
    let text = |expr: &Expr| expr.to_string();
    match expr {
        Expr::Extract { field, expr, .. } => {
            let wanted = field.to_string().to_ascii_lowercase().replace('_', "");
            let known = PARTS.iter().find(|(known, _)| *known == wanted);
            known.map(|(_, name)| call(name, &[text(expr)])).transpose()
        }
        Expr::Position { expr, r#in } => call("strpos", &[text(r#in), text(expr)]).map(Some),
        Expr::Substring {
            expr,
            substring_from,
            substring_for,
            ..
        } => {
            let from = substring_from
                .as_ref()
                .map_or_else(|| "1".to_owned(), |from| text(from));
            let length = substring_for.as_ref().map(|length| text(length));
            let arguments: Vec<String> = [text(expr), from].into_iter().chain(length).collect();
            call("substr", &arguments).map(Some)
        }
        Expr::Trim {
            expr,
            trim_where,
            trim_what,
            trim_characters,
        } => {
            let name = match trim_where {
                None | Some(TrimWhereField::Both) => "trim",
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
            };
            let what = trim_what.as_deref();
            let what = what.or_else(|| trim_characters.as_ref().and_then(|list| list.first()));
            let arguments: Vec<String> = [text(expr)].into_iter().chain(what.map(text)).collect();
            call(name, &arguments).map(Some)
        }
        _ => Ok(None),
    }
}

/// Returns a call of a function, also of one whose name the parser takes for a special form.
fn call(name: &str, arguments: &[String]) -> Result<Expr> {
    let mut expr = parse(&format!("f({})", arguments.join(", ")))?;
    if let Expr::Function(function) = &mut expr
        && let Some(ObjectNamePart::Identifier(ident)) = function.name.0.first_mut()
    {
        name.clone_into(&mut ident.value);
    }
    Ok(expr)
}

fn replacement(function: &Function, facts: &SessionFacts) -> Result<Option<Expr>> {
    let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
        return Ok(None);
    };
    let name = ident.value.to_ascii_lowercase();
    let Some(args) = plain_arguments(function) else {
        return Ok(None);
    };
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let text = match (name.as_str(), args.as_slice()) {
        ("if", [condition, yes]) => format!("CASE WHEN {condition} THEN {yes} END"),
        ("if", [condition, yes, no]) => format!("CASE WHEN {condition} THEN {yes} ELSE {no} END"),
        ("count_if", [condition]) => {
            format!(
                "count(CASE WHEN {condition} THEN 1 END){}",
                suffix(function, None)
            )
        }
        ("arbitrary" | "any_value", [value]) => {
            let filter = format!("{value} IS NOT NULL");
            format!("first_value({value}){}", suffix(function, Some(&filter)))
        }
        ("max_by" | "min_by", [value, by]) => {
            let order = if name == "max_by" { "DESC" } else { "ASC" };
            let filter = format!("{by} IS NOT NULL");
            let rest = suffix(function, Some(&filter));
            format!("first_value({value} ORDER BY {by} {order}){rest}")
        }
        ("current_user" | "session_user" | "user", []) => literal(&facts.user),
        ("current_catalog", []) => literal(&facts.catalog),
        ("current_schema", []) => facts
            .schema
            .as_deref()
            .map_or_else(|| "NULL".to_owned(), literal),
        ("normalize", [value, form]) if form.starts_with("NF") => {
            return call("normalize", &[(*value).to_owned(), literal(form)]).map(Some);
        }
        ("if" | "count_if" | "arbitrary", _) => {
            return Err(Error::Invalid {
                message: format!(
                    "Unexpected parameters ({}) for function {name}",
                    args.join(", ")
                ),
            });
        }
        _ => return Ok(renamed(function, &name)),
    };
    parse(&text).map(Some)
}

fn renamed(function: &Function, name: &str) -> Option<Expr> {
    let (_, new) = RENAMED.iter().find(|(known, _)| *known == name)?;
    let mut function = function.clone();
    if let Some(ObjectNamePart::Identifier(ident)) = function.name.0.first_mut() {
        (*new).clone_into(&mut ident.value);
    }
    Some(Expr::Function(function))
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

/// Returns FILTER and OVER of a call, with a further condition.
fn suffix(function: &Function, condition: Option<&str>) -> String {
    let own = function.filter.as_ref().map(ToString::to_string);
    let conditions: Vec<String> = own
        .into_iter()
        .chain(condition.map(str::to_owned))
        .map(|text| format!("({text})"))
        .collect();
    let mut text = String::new();
    if !conditions.is_empty() {
        text.push_str(&format!(" FILTER (WHERE {})", conditions.join(" AND ")));
    }
    if let Some(over) = &function.over {
        text.push_str(&format!(" OVER {over}"));
    }
    text
}

fn parse(text: &str) -> Result<Expr> {
    Parser::new(&GenericDialect {})
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|error| Error::Internal {
            message: format!("`{text}` does not parse: {error}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(sql: &str) -> String {
        let mut statements =
            Parser::parse_sql(&GenericDialect {}, &literals(sql).unwrap()).unwrap();
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
                "SELECT extract(dow FROM d), substring(s FROM 2 FOR 3), trim(LEADING 'x' FROM s)"
            ),
            "SELECT day_of_week(d), substr(s, 2, 3), ltrim(s, 'x')"
        );
        assert_eq!(rewritten("SELECT current_user"), "SELECT 'ann'");
        assert_eq!(
            rewritten("SELECT position('a' IN b), normalize(s, NFD)"),
            "SELECT strpos(b, 'a'), normalize(s, 'NFD')"
        );
        assert_eq!(
            rewritten("SELECT max_by(a, b) FROM t"),
            "SELECT first_value(a ORDER BY b DESC) FILTER (WHERE (b IS NOT NULL)) FROM t"
        );
    }

    #[test]
    fn literals_keep_their_types() {
        assert_eq!(
            literals("SELECT 1e3, 1.5, '1e3'").unwrap(),
            "SELECT CAST('1e3' AS DOUBLE), 1.5, '1e3'"
        );
        assert_eq!(literals("SELECT DECIMAL '1.20'").unwrap(), "SELECT 1.20");
    }

    #[test]
    fn rewriting_again_changes_nothing() {
        let once =
            rewritten("SELECT if(count_if(a) > 1, date(b), c), week(d), 1e5 FROM t GROUP BY 2");
        assert_eq!(rewritten(&once), once);
    }
}
