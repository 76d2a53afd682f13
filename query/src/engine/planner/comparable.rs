//! Which types go together: what can be compared, and what can be stored in one column.

use arrow::datatypes::{DataType, Field, IntervalUnit};
use datafusion::common::DFSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

use super::function::{failure, is_text, value_type};
use crate::presto::type_parser::sketch;
use crate::presto::types::field_type_name;

/// What a type's values can be compared with and stored beside: others of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Number,
    Text,
    Bytes,
    Moment,
    Time,
    Months,
    Seconds,
    Array,
    Map,
    Row,
}

impl Kind {
    /// Returns the kind of a type; none for one that goes with all, as that of NULL does.
    fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            text if is_text(text) => Self::Text,
            number if number.is_numeric() => Self::Number,
            DataType::Boolean => Self::Boolean,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _) => Self::Moment,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            DataType::Interval(IntervalUnit::YearMonth) => Self::Months,
            DataType::Interval(_) | DataType::Duration(_) => Self::Seconds,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::Bytes,
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
                Self::Array
            }
            DataType::Map(_, _) => Self::Map,
            DataType::Struct(_) => Self::Row,
            _ => return None,
        })
    }
}

/// Returns whether the two types have a common one.
pub(super) fn have_common_type(left: &Field, right: &Field) -> bool {
    use DataType as T;
    let are_alike = sketch(left) == sketch(right);
    let (left, right) = (value_type(left.data_type()), value_type(right.data_type()));
    match (left, right) {
        (T::Null, _) | (_, T::Null) => true,
        _ if !are_alike => false,
        (
            T::List(left) | T::LargeList(left) | T::FixedSizeList(left, _),
            T::List(right) | T::LargeList(right) | T::FixedSizeList(right, _),
        )
        | (T::Map(left, _), T::Map(right, _)) => have_common_type(left, right),
        (T::Struct(left), T::Struct(right)) => {
            let pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.into_iter().all(|(l, r)| have_common_type(l, r))
        }
        (left, right) => match (Kind::of(left), Kind::of(right)) {
            (Some(left), Some(right)) => left == right,
            _ => true,
        },
    }
}

/// Returns whether values of the two types can be compared: moments also with text, which Trino refuses.
pub(super) fn are_comparable(left: &Field, right: &Field) -> bool {
    let kind = |field: &Field| Kind::of(value_type(field.data_type()));
    if holds_sketch(left) || holds_sketch(right) {
        return false;
    }
    have_common_type(left, right)
        || matches!(
            (kind(left), kind(right)),
            (Some(Kind::Text), Some(Kind::Moment | Kind::Time))
                | (Some(Kind::Moment | Kind::Time), Some(Kind::Text))
        )
}

/// Returns whether there are sketches among the values: of two nobody knows whether they are equal.
fn holds_sketch(field: &Field) -> bool {
    match field.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            holds_sketch(item)
        }
        DataType::Map(entries, _) => holds_sketch(entries),
        DataType::Struct(fields) => fields.iter().any(|field| holds_sketch(field)),
        _ => sketch(field).is_some(),
    }
}

/// Refuses to group and to sort by what cannot be compared.
pub(super) fn check_order(plan: &LogicalPlan, schema: &DFSchema) -> Result<()> {
    let sketch_of = |expr: &Expr| {
        let (_, field) = expr.to_field(schema).ok()?;
        holds_sketch(&field).then(|| field_type_name(&field))
    };
    match plan {
        LogicalPlan::Aggregate(aggregate) => {
            match aggregate.group_expr.iter().find_map(sketch_of) {
                Some(name) => Err(mismatch(format!(
                    "{name} is not comparable, and therefore cannot be used in GROUP BY"
                ))),
                None => Ok(()),
            }
        }
        LogicalPlan::Sort(sort) => match sort.expr.iter().find_map(|sort| sketch_of(&sort.expr)) {
            Some(name) => Err(mismatch(format!(
                "Type {name} is not orderable, and therefore cannot be used in ORDER BY"
            ))),
            None => Ok(()),
        },
        LogicalPlan::Distinct(distinct) => {
            let mut fields = distinct.input().schema().fields().iter();
            match fields.find(|field| holds_sketch(field)) {
                Some(field) => Err(not_distinct(field)),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Refuses `f(DISTINCT x)` where values cannot be compared.
pub(super) fn check_distinct(arguments: &[Expr], schema: &DFSchema) -> Result<()> {
    for argument in arguments {
        let (_, field) = argument.to_field(schema)?;
        if holds_sketch(&field) {
            return Err(not_distinct(&field));
        }
    }
    Ok(())
}

fn not_distinct(field: &Field) -> DataFusionError {
    mismatch(format!(
        "DISTINCT can only be applied to comparable types (actual: {})",
        field_type_name(field)
    ))
}

fn mismatch(message: String) -> DataFusionError {
    failure("TYPE_MISMATCH", message)
}
