//! Expressions of the syntax tree that have another meaning in Presto than in DataFusion.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::functions::string::expr_fn::rtrim;
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr,
};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, Literal as _};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::arithmetic::{Operation, arithmetic, negate};
use super::casts::{Failing, cast_to};
use super::comparable::{are_comparable, is_orderable, is_varchar};
use super::function::{failure, unexpected, value_type};
use super::rules::{implied, widest};
use super::{attempted, extract, like, literals, nested, subscripts, type_of, zones};
use crate::presto::type_parser::{TextLength, text_length};
use crate::presto::types::field_type_name;
use crate::presto::typing::Meaning;

/// Plans operators, subscripts and `EXTRACT`; comes before DataFusion's planners.
#[derive(Debug)]
pub(super) struct PrestoExpressions;

impl ExprPlanner for PrestoExpressions {
    fn plan_binary_op(
        &self,
        raw: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if let Some(meaning) = Meaning::of(&raw.op) {
            return planned(meaning, raw.left, raw.right, schema).map(PlannerResult::Planned);
        }
        let operation = match raw.op {
            BinaryOperator::Plus => Operation::Add,
            BinaryOperator::Minus => Operation::Subtract,
            BinaryOperator::Multiply => Operation::Multiply,
            BinaryOperator::Divide => Operation::Divide,
            BinaryOperator::Modulo => Operation::Modulo,
            BinaryOperator::StringConcat => return concatenated(raw, schema),
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => return compared(raw, schema),
            _ => return Ok(PlannerResult::Original(raw)),
        };
        Ok(PlannerResult::Planned(arithmetic(
            operation, raw.left, raw.right,
        )))
    }

    fn plan_field_access(
        &self,
        raw: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr { field_access, expr } = raw;
        let base = expr.get_type(schema).ok();
        match (field_access, &base) {
            (GetFieldAccess::ListIndex { key }, _) => {
                subscripts::subscript(expr, *key, base.as_ref()).map(PlannerResult::Planned)
            }
            (GetFieldAccess::NamedStructField { name }, Some(DataType::Struct(fields))) => {
                let name = name.try_as_str().flatten().unwrap_or_default().to_owned();
                subscripts::field_of(expr, &name, fields).map(PlannerResult::Planned)
            }
            (GetFieldAccess::NamedStructField { name }, Some(_)) => {
                subscripts::subscript(expr, name.lit(), base.as_ref()).map(PlannerResult::Planned)
            }
            (field_access, _) => Ok(PlannerResult::Original(RawFieldAccessExpr {
                field_access,
                expr,
            })),
        }
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        match args.as_slice() {
            [Expr::Literal(ScalarValue::Utf8(Some(field)), _), moment] => {
                extract::extract(field, moment.clone()).map(PlannerResult::Planned)
            }
            _ => Ok(PlannerResult::Original(args)),
        }
    }
}

/// Returns the field of an expression; none where it is not known yet, inside a lambda.
fn field_of(expr: &Expr, schema: &DFSchema) -> Option<Field> {
    let (_, field) = expr.to_field(schema).ok()?;
    Some(field.as_ref().clone())
}

fn planned(meaning: Meaning, left: Expr, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let text = || match &left {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Ok(text.as_str()),
        _ => Err(unexpected("literal")),
    };
    let target = || field_of(&right, schema).ok_or_else(|| unexpected("type"));
    match meaning {
        Meaning::Number => literals::number(text()?),
        Meaning::Literal => literals::typed(text()?, &target()?),
        Meaning::Cast | Meaning::TryCast => {
            let to = target()?;
            let failing = match meaning {
                Meaning::Cast => Failing::IsAnError,
                _ => Failing::IsNull,
            };
            let from = field_of(&left, schema);
            cast_to(left, from, &to, failing)
        }
        Meaning::Negate => Ok(negate(left)),
        Meaning::LikePattern => {
            if let Some(field) = field_of(&left, schema)
                && !is_varchar(field.data_type())
            {
                let name = shown(&left, &field);
                return Err(failure(
                    "TYPE_MISMATCH",
                    format!(
                        "Pattern for LIKE expression must evaluate to a varchar (actual: {name})"
                    ),
                ));
            }
            let has_escape = !matches!(right, Expr::Literal(ScalarValue::Null, _));
            like::pattern(left, right, has_escape)
        }
        Meaning::AtTimeZone => zones::at_time_zone(left, &right),
        Meaning::Now => Ok(zones::now(target()?.data_type().clone())),
        Meaning::Try => Ok(attempted::mark(left)),
        Meaning::TypeOf => {
            let field = field_of(&left, schema);
            Ok(type_of::type_of(left, field))
        }
    }
}

/// Refuses `||` of what is neither text nor bytes nor an array.
fn concatenated(raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
    let (Some(left), Some(right)) = (field_of(&raw.left, schema), field_of(&raw.right, schema))
    else {
        return Ok(PlannerResult::Original(raw));
    };
    let sides = [left.data_type(), right.data_type()];
    let is_known = sides.iter().all(|side| is_varchar(side))
        || sides.iter().all(|side| is_bytes(side) || side.is_null())
        || sides.iter().any(|side| side.is_list());
    if is_known {
        return Ok(PlannerResult::Original(raw));
    }
    let (left, right) = (shown(&raw.left, &left), shown(&raw.right, &right));
    Err(failure(
        "FUNCTION_NOT_FOUND",
        format!("Unexpected parameters ({left}, {right}) for function concat"),
    ))
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(
        value_type(data_type),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView
    )
}

/// Refuses comparisons that Presto does not have, and compares `char` without its padding.
fn compared(raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
    let (Some(left), Some(right)) = (field_of(&raw.left, schema), field_of(&raw.right, schema))
    else {
        return Ok(PlannerResult::Original(raw));
    };
    let is_equality = matches!(raw.op, BinaryOperator::Eq | BinaryOperator::NotEq);
    let has_order = is_orderable(&left) && is_orderable(&right);
    if !are_comparable(&left, &right) || !(is_equality || has_order) {
        let (left, right) = (shown(&raw.left, &left), shown(&raw.right, &right));
        let sign = if raw.op == BinaryOperator::NotEq {
            "<>".to_owned()
        } else {
            raw.op.to_string()
        };
        return Err(failure(
            "TYPE_MISMATCH",
            format!("Cannot apply operator: {left} {sign} {right}"),
        ));
    }
    if is_equality && let Some(equal) = nested::equal(&raw.left, &raw.right, (&left, &right)) {
        return Ok(PlannerResult::Planned(match raw.op {
            BinaryOperator::NotEq => !equal,
            _ => equal,
        }));
    }
    let is_char = |field: &Field| matches!(text_length(field), TextLength::Char(_));
    if is_char(&left) || is_char(&right) {
        return Ok(PlannerResult::Original(RawBinaryExpr {
            op: raw.op,
            left: rtrim(vec![raw.left]),
            right: rtrim(vec![raw.right]),
        }));
    }
    let RawBinaryExpr {
        op,
        left: l,
        right: r,
    } = raw;
    let (from, to) = (left.data_type(), right.data_type());
    let (l, r) = match widest([from, to]) {
        Some(common) => (implied(l, from, &common), implied(r, to, &common)),
        None => (l, r),
    };
    Ok(PlannerResult::Original(RawBinaryExpr {
        op,
        left: l,
        right: r,
    }))
}

/// Returns the type of an expression for messages; a text literal is as long as it is written.
pub(super) fn shown(expr: &Expr, field: &Field) -> String {
    let constant = match expr {
        Expr::Literal(constant, _) => Some(constant),
        _ => None,
    };
    shown_value(constant, field)
}

/// As [`shown`], where only the value of a literal is known.
pub(super) fn shown_value(constant: Option<&ScalarValue>, field: &Field) -> String {
    match constant {
        Some(ScalarValue::Utf8(Some(text))) if field.metadata().is_empty() => {
            format!("varchar({})", text.chars().count())
        }
        _ => field_type_name(field),
    }
}
