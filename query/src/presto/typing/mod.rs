//! Expressions whose type or meaning the planner would get wrong become operators of ours, which the engine's
//! expression planner turns into typed expressions.
//!
//! ```text
//! 1                              ->  '1' OPERATOR(presto.number) NULL
//! TIMESTAMP '2024-01-01 UTC'     ->  '2024-01-01 UTC' OPERATOR(presto.literal) CAST(NULL AS presto_type(…))
//! CAST(x AS T)                   ->  x OPERATOR(presto.cast) CAST(NULL AS presto_type('T', zone))
//! x LIKE p ESCAPE e              ->  x LIKE (p OPERATOR(presto.like_pattern) e) ESCAPE '\'
//! TRY(x), typeof(x), -x          ->  x OPERATOR(presto.try) NULL, …
//! ```
//!
//! Numbers that are positions (`ORDER BY 1`), counts (`LIMIT 1`) and window frames stay as they are. Rewriting again
//! changes nothing.

mod kept;
mod literals;
mod types;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, GroupByExpr, LimitClause, NamedWindowExpr, ObjectNamePart, OrderByKind,
    Query, Select, Statement, TableFactor, TypedString, UnaryOperator, Value, ValueWithSpan,
    VisitMut, VisitorMut, WindowFrame, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use self::kept::{keep, keep_argument, keep_positions, keep_sample};
use self::literals::{digits_of, interval_literal, negated};
use self::types::{literal_type, presto_type};
pub use self::types::{presto_type_parameters, type_text};

/// What an operator of ours does with its left side; the right side is a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Meaning {
    /// Digits, with or without a point.
    Number,
    /// `TYPE 'text'`.
    Literal,
    /// `CAST(left AS right)`.
    Cast,
    /// `TRY_CAST(left AS right)`.
    TryCast,
    /// `-left`.
    Negate,
    /// The pattern left with the escape right.
    LikePattern,
    /// `left AT TIME ZONE right`.
    AtTimeZone,
    /// The time of the query as a value of right.
    Now,
    /// `TRY(left)`.
    Try,
    /// `typeof(left)`.
    TypeOf,
}

const MEANINGS: [(Meaning, &str); 10] = [
    (Meaning::Number, "number"),
    (Meaning::Literal, "literal"),
    (Meaning::Cast, "cast"),
    (Meaning::TryCast, "try_cast"),
    (Meaning::Negate, "negate"),
    (Meaning::LikePattern, "like_pattern"),
    (Meaning::AtTimeZone, "at_time_zone"),
    (Meaning::Now, "now"),
    (Meaning::Try, "try"),
    (Meaning::TypeOf, "typeof"),
];

/// The schema of the operators' names.
const SPACE: &str = "presto";

impl Meaning {
    /// Returns what the operator means; none if it is not ours.
    #[must_use]
    pub fn of(operator: &BinaryOperator) -> Option<Self> {
        let BinaryOperator::PGCustomBinaryOperator(parts) = operator else {
            return None;
        };
        let [space, name] = parts.as_slice() else {
            return None;
        };
        let (meaning, _) = MEANINGS.iter().find(|(_, known)| known == name)?;
        (space == SPACE).then_some(*meaning)
    }

    fn apply(self, left: Expr, right: Expr) -> Expr {
        let name = MEANINGS
            .iter()
            .find(|(meaning, _)| *meaning == self)
            .map_or("", |(_, name)| *name);
        let op = BinaryOperator::PGCustomBinaryOperator(vec![SPACE.to_owned(), name.to_owned()]);
        Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(left),
            op,
            right: Box::new(right),
        }))
    }
}

/// Rewrites the queries inside `statement`; `zone` is the session's.
pub fn rewrite(statement: &mut Statement, zone: &str) {
    let is_expression_statement = matches!(
        statement,
        Statement::Update { .. } | Statement::Delete(_) | Statement::Merge { .. }
    );
    let mut rewriter = Rewriter {
        zone,
        depth: usize::from(is_expression_statement),
        frames: Vec::new(),
    };
    let _ = statement.visit(&mut rewriter);
}

struct Rewriter<'a> {
    zone: &'a str,
    /// How many queries are around what is visited; outside of them are properties and options.
    depth: usize,
    /// Frames of the windows around what is visited: they are no expressions of rows.
    frames: Vec<Option<WindowFrame>>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        if let Some(order) = &mut query.order_by
            && let OrderByKind::Expressions(expressions) = &mut order.kind
        {
            expressions.iter_mut().for_each(|item| keep(&mut item.expr));
        }
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                limit.iter_mut().for_each(keep);
                offset.iter_mut().for_each(|offset| keep(&mut offset.value));
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                keep(offset);
                keep(limit);
            }
            None => {}
        }
        if let Some(fetch) = &mut query.fetch {
            fetch.quantity.iter_mut().for_each(keep);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if let GroupByExpr::Expressions(expressions, _) = &mut select.group_by {
            expressions.iter_mut().for_each(keep_positions);
        }
        for window in &mut select.named_window {
            if let NamedWindowExpr::WindowSpec(spec) = &mut window.1 {
                self.frames.push(spec.window_frame.take());
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for window in select.named_window.iter_mut().rev() {
            if let NamedWindowExpr::WindowSpec(spec) = &mut window.1 {
                spec.window_frame = self.frames.pop().flatten();
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                args: Some(args), ..
            } => args.args.iter_mut().for_each(keep_argument),
            TableFactor::Function { args, .. } => args.iter_mut().for_each(keep_argument),
            TableFactor::Table {
                sample: Some(_), ..
            } => keep_sample(factor),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(Function {
            over: Some(WindowType::WindowSpec(spec)),
            ..
        }) = expr
        {
            self.frames.push(spec.window_frame.take());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(Function {
            over: Some(WindowType::WindowSpec(spec)),
            ..
        }) = expr
        {
            spec.window_frame = self.frames.pop().flatten();
        }
        if self.depth > 0
            && let Some(new) = self.rewritten(expr)
        {
            *expr = new;
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter<'_> {
    fn rewritten(&self, expr: &mut Expr) -> Option<Expr> {
        Some(match expr {
            Expr::Value(ValueWithSpan {
                value: Value::Number(digits, false),
                ..
            }) => {
                if digits.starts_with("0x") {
                    return None;
                }
                Meaning::Number.apply(text(digits), null())
            }
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => negated(expr)?,
            Expr::TypedString(TypedString {
                data_type, value, ..
            }) => {
                let value = value.value.clone().into_string()?;
                Meaning::Literal.apply(
                    text(&value),
                    self.typed_null(&literal_type(data_type, &value)),
                )
            }
            Expr::Interval(interval) => interval_literal(interval)?,
            Expr::Cast {
                kind,
                expr,
                data_type,
                array: false,
                format: None,
            } if !is_ours(expr, data_type) => {
                let meaning = match kind {
                    CastKind::Cast | CastKind::DoubleColon => Meaning::Cast,
                    CastKind::TryCast | CastKind::SafeCast => Meaning::TryCast,
                };
                meaning.apply(take(expr), self.typed_null(&type_text(data_type)))
            }
            Expr::Like {
                pattern,
                escape_char,
                ..
            } => {
                if is_like_pattern(pattern) {
                    return None;
                }
                let escape = escape_char.take().map_or_else(null, Expr::Value);
                **pattern = Meaning::LikePattern.apply(take(pattern), escape);
                *escape_char = Some(spanned(Value::SingleQuotedString("\\".to_owned())));
                return None;
            }
            Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => Meaning::AtTimeZone.apply(take(timestamp), take(time_zone)),
            Expr::CompoundFieldAccess { root, access_chain } => {
                name_fields(root, access_chain);
                return None;
            }
            Expr::Function(function) => return self.call(function),
            _ => return None,
        })
    }

    fn call(&self, function: &mut Function) -> Option<Expr> {
        let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
            return None;
        };
        if ident.quote_style.is_some() || function.over.is_some() {
            return None;
        }
        let name = ident.value.to_ascii_lowercase();
        let args = match &mut function.args {
            FunctionArguments::None => &mut Vec::new(),
            FunctionArguments::List(list) if list.clauses.is_empty() => &mut list.args,
            _ => return None,
        };
        let one = match args.as_mut_slice() {
            [] => None,
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(one))] => Some(one),
            _ => return None,
        };
        match (name.as_str(), one) {
            ("try", Some(one)) => Some(Meaning::Try.apply(take(one), null())),
            ("typeof", Some(one)) => Some(Meaning::TypeOf.apply(take(one), null())),
            ("now" | "current_timestamp", precision) => {
                let digits = digits_of(precision.as_deref())?;
                Some(self.now(&format!("timestamp({digits}) with time zone")))
            }
            ("localtimestamp", precision) => {
                let digits = digits_of(precision.as_deref())?;
                Some(self.now(&format!("timestamp({digits})")))
            }
            ("localtime", precision) => {
                let digits = digits_of(precision.as_deref())?;
                Some(self.now(&format!("time({digits})")))
            }
            ("current_time", precision) => {
                let digits = digits_of(precision.as_deref())?;
                Some(self.now(&format!("time({digits}) with time zone")))
            }
            ("current_date", None) => Some(self.now("date")),
            _ => None,
        }
    }

    fn now(&self, type_text: &str) -> Expr {
        Meaning::Now.apply(null(), self.typed_null(type_text))
    }

    fn typed_null(&self, type_text: &str) -> Expr {
        Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(null()),
            data_type: presto_type(vec![type_text.to_owned(), self.zone.to_owned()]),
            array: false,
            format: None,
        }
    }
}

/// Whether it is the typed NULL that one of our operators has on its right.
fn is_ours(expr: &Expr, data_type: &DataType) -> bool {
    presto_type_parameters(data_type).is_some_and(|parameters| parameters.len() == 2)
        && matches!(
            expr,
            Expr::Value(ValueWithSpan {
                value: Value::Null,
                ..
            })
        )
}

fn is_like_pattern(pattern: &Expr) -> bool {
    matches!(pattern, Expr::Nested(inner)
        if matches!(inner.as_ref(), Expr::BinaryOp { op, .. } if Meaning::of(op) == Some(Meaning::LikePattern)))
}

/// `(expr).field`: names after what is no column name are read by the planner as text only.
fn name_fields(root: &Expr, chain: &mut [AccessExpr]) {
    let mut is_name = matches!(root, Expr::Identifier(_));
    for access in chain {
        let AccessExpr::Dot(field) = access else {
            is_name = false;
            continue;
        };
        if !is_name && let Expr::Identifier(ident) = field {
            let name = match ident.quote_style {
                Some(_) => ident.value.clone(),
                None => ident.value.to_ascii_lowercase(),
            };
            *field = text(&name);
        }
    }
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, null())
}

fn spanned(value: Value) -> ValueWithSpan {
    value.with_span(Span::empty())
}

fn text(value: &str) -> Expr {
    Expr::Value(spanned(Value::SingleQuotedString(value.to_owned())))
}

fn null() -> Expr {
    Expr::Value(spanned(Value::Null))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn rewritten(sql: &str) -> String {
        let mut statements = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
        rewrite(&mut statements[0], "UTC");
        statements[0].to_string()
    }

    #[test]
    fn numbers_of_rows_are_typed_and_positions_are_not() {
        let sql = rewritten("SELECT a, 1 FROM t GROUP BY 1 ORDER BY 2 LIMIT 3");
        assert!(sql.contains("('1' OPERATOR(presto.number) NULL)"), "{sql}");
        assert!(sql.contains("GROUP BY 1L ORDER BY 2L LIMIT 3L"), "{sql}");
        let sql = rewritten(
            "SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        );
        assert!(sql.contains("ROWS BETWEEN 1 PRECEDING"), "{sql}");
    }

    #[test]
    fn a_minus_belongs_to_its_number() {
        let sql = rewritten("SELECT -9223372036854775808, -a");
        assert!(
            sql.contains("'-9223372036854775808' OPERATOR(presto.number)"),
            "{sql}"
        );
        assert!(sql.contains("(a OPERATOR(presto.negate) NULL)"), "{sql}");
    }

    #[test]
    fn rewriting_again_changes_nothing() {
        let sql = "SELECT 1.5, CAST(a AS INT), DATE '2024-01-01', try(b), c LIKE 'x', INTERVAL '1' DAY FROM t LIMIT 3";
        let mut statements = Parser::parse_sql(&GenericDialect {}, sql).unwrap();
        rewrite(&mut statements[0], "UTC");
        let once = statements[0].clone();
        rewrite(&mut statements[0], "UTC");
        assert_eq!(statements[0], once);
    }
}
