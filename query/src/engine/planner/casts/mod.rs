//! `CAST` and `TRY_CAST` as Presto does them.
//!
//! ```text
//! numbers  <->  text  <->  dates and times          arrays, maps and rows: element by element
//!        any of them  <->  JSON
//! ```
//!
//! A cast that Arrow does the same way and that cannot fail stays Arrow's, so that filters over it still reach the
//! statistics of files.

mod json;
mod nested;
mod numbers;
mod opaque;
mod sketches;
mod temporal;
mod text;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, IntervalUnit};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{Cast, ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs};

pub(super) use self::json::canonical_json;
pub(super) use self::numbers::decimal_of_digits;
use super::attempt::attempt;
use super::function::{Kernel, by_arrays, call, failure, unexpected, value_type};
use crate::presto::common_type::as_decimal;
use crate::presto::opaque::{BING_TILE, IP_ADDRESS, JSON, UUID};
use crate::presto::temporal::{digits_of, parse_timestamp};
use crate::presto::type_parser::{TextLength, is_json, sketch, text_length};
use crate::presto::types::field_type_name;
use crate::presto::zoned_time::{
    is_zoned_time, of_offset, of_zone, parse_zoned_time, unit_and_offset,
};

/// What a value that has no place in the type becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Failing {
    /// `CAST`: an error.
    IsAnError,
    /// `TRY_CAST`: NULL.
    IsNull,
}

/// Returns the cast of `expr`, of the field `from` if it is known, to the field `to`.
///
/// # Errors
/// `TYPE_MISMATCH`: there is no such cast.
pub(super) fn cast_to(
    expr: Expr,
    from: Option<Field>,
    to: &Field,
    failing: Failing,
) -> Result<Expr> {
    let mut to = to.clone();
    if let Some(from) = &from {
        if class(from) == Class::Time && class(&to) == Class::Timestamp {
            return Ok(temporal::today_at(expr, &to));
        }
        check(from, &to)?;
        keep_zone(&expr, from, &mut to);
    }
    Ok(call(CastTo { from, to, failing }, vec![expr]))
}

/// A moment that has a zone keeps it: the type that is written does not tell which.
fn keep_zone(expr: &Expr, from: &Field, to: &mut Field) {
    if let Some((unit, _)) = unit_and_offset(to.data_type()) {
        let kept = match (from.data_type(), expr) {
            (zoned, _) if let Some((_, offset)) = unit_and_offset(zoned) => {
                Some(of_offset(unit, offset))
            }
            (DataType::Timestamp(_, Some(zone)), _) => of_zone(unit, zone),
            (_, Expr::Literal(ScalarValue::Utf8(Some(text)), _)) => parse_zoned_time(text)
                .and_then(|(_, offset)| offset)
                .map(|offset| of_offset(unit, offset)),
            _ => None,
        };
        if let Some(kept) = kept {
            to.set_data_type(kept);
        }
        return;
    }
    let DataType::Timestamp(unit, Some(_)) = to.data_type() else {
        return;
    };
    let zone = match from.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => match expr {
            Expr::Literal(ScalarValue::Utf8(Some(text)), _) => parse_timestamp(text)
                .and_then(|read| read.zone)
                .map(Arc::from),
            _ => None,
        },
    };
    if let Some(zone) = zone {
        let data_type = DataType::Timestamp(*unit, Some(zone));
        to.set_data_type(data_type);
    }
}

/// Returns whether Arrow's cast is Presto's and cannot fail.
fn is_arrows(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    let is_integer =
        |data_type: &DataType| matches!(data_type, T::Int8 | T::Int16 | T::Int32 | T::Int64);
    match (from, to) {
        (T::Null, _) => true,
        // Arrow's cast of bytes would leave the name of a sketch's type on them.
        (from, to) if from == to => !from.is_nested() && !matches!(from, T::Utf8 | T::Binary),
        (from, to) if is_integer(from) && is_integer(to) => {
            from.primitive_width() < to.primitive_width()
        }
        (from, T::Float64) => is_integer(from) || *from == T::Float32,
        (T::Date32, T::Timestamp(unit, None)) => *unit != arrow::datatypes::TimeUnit::Nanosecond,
        (from, T::Decimal128(p2, s2)) => as_decimal(from).is_some_and(|(p1, s1)| {
            s2 >= &s1 && i16::from(*p2) - i16::from(*s2) >= i16::from(p1) - i16::from(s1)
        }),
        _ => false,
    }
}

/// Returns whether a value becomes one of the type `to` without being cast; of a constant the value is known.
pub(super) fn is_implied(from: &Field, constant: Option<&ScalarValue>, to: &Field) -> bool {
    use DataType as T;
    let (source, target) = (value_type(from.data_type()), to.data_type());
    if source.is_null() {
        return true;
    }
    match (class(from), class(to)) {
        (Class::Text, Class::Text) => {
            let written = constant.and_then(|value| value.try_as_str().flatten());
            let length = match (text_length(from), written) {
                (TextLength::Varchar(length) | TextLength::Char(length), _) => Some(length),
                (TextLength::Unbounded, text) => text.map(|text| text.chars().count()),
            };
            match text_length(to) {
                TextLength::Unbounded => true,
                TextLength::Varchar(limit) | TextLength::Char(limit) => {
                    length.is_some_and(|length| length <= limit)
                }
            }
        }
        (Class::Number, Class::Number) => {
            let is_float = matches!(target, T::Float32 | T::Float64);
            let is_smaller = source.is_integer() || source.is_decimal();
            source == target || (is_float && is_smaller) || is_arrows(source, target)
        }
        (Class::Date, Class::Timestamp) => true,
        (Class::Timestamp, Class::Timestamp) => match (source, target) {
            (T::Timestamp(from, a), T::Timestamp(to, b)) => {
                digits_of(*from) <= digits_of(*to) && (a.is_none() || b.is_some())
            }
            _ => false,
        },
        (from, to) => from == to,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CastTo {
    /// The field of the argument: what its metadata says is lost when constants are folded.
    from: Option<Field>,
    to: Field,
    failing: Failing,
}

impl Kernel for CastTo {
    fn name(&self) -> &'static str {
        match self.failing {
            Failing::IsAnError => "cast",
            Failing::IsNull => "try_cast",
        }
    }

    fn column_name(&self, argument: &str) -> String {
        format!(
            "{}({argument} AS {})",
            self.name(),
            field_type_name(&self.to)
        )
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let [from] = args.arg_fields else {
            return Err(unexpected("one value"));
        };
        if self.from.is_none() {
            check(from, &self.to)?;
        }
        let is_nullable = match self.failing {
            // JSON's null is NULL.
            Failing::IsAnError => from.is_nullable() || self.from.as_ref().is_some_and(is_json),
            Failing::IsNull => true,
        };
        let field = self.to.clone().with_name(self.name());
        Ok(field.with_nullable(is_nullable))
    }

    /// The types of arguments may change until plans are coerced, so this is not done before.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let [arg] = args.as_slice() else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let from = info.get_data_type(arg)?;
        let is_plain = self.failing == Failing::IsAnError && self.to.metadata().is_empty();
        if !is_plain || !is_arrows(&from, self.to.data_type()) {
            return Ok(ExprSimplifyResult::Original(args));
        }
        let to = Arc::new(self.to.clone().with_nullable(info.nullable(arg)?));
        let cast = Expr::Cast(Cast::new_from_field(Box::new(arg.clone()), to));
        Ok(ExprSimplifyResult::Simplified(cast))
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [argument] = args.arg_fields.as_slice() else {
            return Err(unexpected("one value"));
        };
        let from = match &self.from {
            Some(from) if from.data_type().equals_datatype(argument.data_type()) => from,
            _ => argument.as_ref(),
        };
        by_arrays(args, |arrays| {
            let [array] = arrays else {
                return Err(unexpected("one value"));
            };
            match self.failing {
                Failing::IsAnError => cast_array(array, from, &self.to),
                Failing::IsNull => attempt(array.len(), self.to.data_type(), &|start, length| {
                    cast_array(&array.slice(start, length), from, &self.to)
                }),
            }
        })
    }
}

/// What a type is to casts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Null,
    /// Booleans, integers, decimals and floating-point numbers.
    Number,
    Text,
    Binary,
    Date,
    Time,
    ZonedTime,
    Timestamp,
    Interval(IntervalUnit),
    Json,
    Uuid,
    IpAddress,
    BingTile,
    Sketch(&'static str),
    List,
    Map,
    Row,
    Other,
}

fn class(field: &Field) -> Class {
    use DataType as T;
    match value_type(field.data_type()) {
        T::Null => Class::Null,
        json if *json == JSON => Class::Json,
        T::Utf8 | T::Utf8View => Class::Text,
        opaque if *opaque == UUID => Class::Uuid,
        opaque if *opaque == IP_ADDRESS => Class::IpAddress,
        opaque if *opaque == BING_TILE => Class::BingTile,
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => {
            sketch(field).map_or(Class::Binary, Class::Sketch)
        }
        T::Date32 | T::Date64 => Class::Date,
        T::Time32(_) | T::Time64(_) => Class::Time,
        zoned if is_zoned_time(zoned) => Class::ZonedTime,
        T::Timestamp(..) => Class::Timestamp,
        T::Interval(IntervalUnit::YearMonth) => Class::Interval(IntervalUnit::YearMonth),
        T::Interval(_) | T::Duration(_) => Class::Interval(IntervalUnit::MonthDayNano),
        T::List(_)
        | T::LargeList(_)
        | T::FixedSizeList(..)
        | T::ListView(_)
        | T::LargeListView(_) => Class::List,
        T::Map(..) => Class::Map,
        T::Struct(_) => Class::Row,
        T::Boolean => Class::Number,
        other if other.is_numeric() => Class::Number,
        _ => Class::Other,
    }
}

/// Refuses casts that do not exist.
pub(super) fn check(from: &Field, to: &Field) -> Result<()> {
    use Class as C;
    if class(to) == C::Json {
        return json::check(from);
    }
    let is_char = |field: &Field| matches!(text_length(field), TextLength::Char(_));
    let exists = match (class(from), class(to)) {
        // Only text is cast to `char`, and `char` only to text.
        (C::Text, to) if is_char(from) => to == C::Text,
        (from, C::Text) if is_char(to) => matches!(from, C::Null | C::Text),
        (C::Null, _)
        | (C::Number, C::Number | C::Text)
        | (
            C::Text,
            C::Number
            | C::Text
            | C::Binary
            | C::Date
            | C::Time
            | C::ZonedTime
            | C::Timestamp
            | C::Uuid
            | C::IpAddress,
        )
        | (C::Date, C::Date | C::Timestamp | C::Text)
        | (C::Time | C::ZonedTime, C::Time | C::ZonedTime | C::Text)
        | (C::Timestamp, C::Timestamp | C::Date | C::Time | C::ZonedTime | C::Text)
        | (C::Interval(_), C::Text)
        | (C::Json, C::Number | C::Text | C::List | C::Map | C::Row)
        | (C::Uuid, C::Uuid | C::Text | C::Binary)
        | (C::IpAddress, C::IpAddress | C::Text | C::Binary)
        | (C::BingTile, C::BingTile)
        | (C::Binary, C::Binary | C::Uuid | C::IpAddress | C::Sketch(_))
        | (C::Sketch(_), C::Binary) => true,
        (C::Sketch(from), C::Sketch(to)) => from == to,
        (C::Interval(from), C::Interval(to)) => from == to,
        (C::List, C::List) | (C::Map, C::Map) | (C::Row, C::Row) => {
            let (inner_from, inner_to) = (children(from), children(to));
            inner_from.len() == inner_to.len()
                && inner_from
                    .iter()
                    .zip(&inner_to)
                    .all(|(from, to)| check(from, to).is_ok())
        }
        _ => false,
    };
    if exists {
        return Ok(());
    }
    Err(failure(
        "TYPE_MISMATCH",
        format!(
            "Cannot cast {} to {}",
            field_type_name(from),
            field_type_name(to)
        ),
    ))
}

/// Returns the fields inside: the elements, key and value, or the row's fields.
fn children(field: &Field) -> Vec<Field> {
    match field.data_type() {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => vec![item.as_ref().clone()],
        DataType::Map(entries, _) => children(entries),
        DataType::Struct(fields) => fields.iter().map(|field| field.as_ref().clone()).collect(),
        _ => Vec::new(),
    }
}

/// Returns the types that the casts are written for.
fn canonical(data_type: &DataType) -> DataType {
    use DataType as T;
    match value_type(data_type) {
        T::LargeUtf8 | T::Utf8View => T::Utf8,
        T::LargeBinary | T::BinaryView => T::Binary,
        T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => T::Int64,
        T::Float16 => T::Float32,
        T::Decimal32(p, s) | T::Decimal64(p, s) => T::Decimal128(*p, *s),
        T::Decimal256(p, s) => T::Decimal128((*p).min(38), *s),
        T::Date64 => T::Date32,
        T::Duration(_) | T::Interval(IntervalUnit::DayTime) => {
            T::Interval(IntervalUnit::MonthDayNano)
        }
        T::LargeList(item)
        | T::FixedSizeList(item, _)
        | T::ListView(item)
        | T::LargeListView(item) => T::List(Arc::clone(item)),
        other => other.clone(),
    }
}

/// Casts a whole array; the first value that has no place in the type is an error.
pub(super) fn cast_array(array: &ArrayRef, from: &Field, to: &Field) -> Result<ArrayRef> {
    let (from_class, to_class) = (class(from), class(to));
    let source_type = canonical(array.data_type());
    let array = if source_type == *array.data_type() {
        Arc::clone(array)
    } else {
        cast(array, &source_type)?
    };
    let from = &from.clone().with_data_type(source_type);
    match (from_class, to_class) {
        (Class::Null, _) => Ok(new_null_array(to.data_type(), array.len())),
        (Class::Json, Class::Json) => Ok(cast(&array, &JSON)?),
        (_, Class::Json) => json::to_json(&array),
        (Class::Json, _) => json::from_json(&array, to),
        (Class::List | Class::Map | Class::Row, _) => nested::cast_nested(&array, from, to),
        (_, Class::Text) => text::to_text(&array, to),
        (_, Class::Number) => numbers::to_number(&array, from, to),
        (_, Class::Date | Class::Time | Class::ZonedTime | Class::Timestamp) => {
            temporal::to_moment(&array, to.data_type())
        }
        (Class::Sketch(kind), Class::Binary) => sketches::to_bytes(&array, kind),
        (Class::Binary, Class::Sketch(kind)) => sketches::from_bytes(array, kind),
        (Class::Sketch(_), Class::Sketch(_)) => Ok(array),
        (_, Class::Binary) => opaque::to_binary(&array),
        (_, Class::Uuid) => opaque::to_uuid(&array),
        (_, Class::IpAddress) => opaque::to_ip_address(&array),
        (Class::Interval(_), Class::Interval(_)) | (Class::BingTile, Class::BingTile) => Ok(array),
        _ => Err(unexpected("cast")),
    }
}

/// Returns a value as text, for messages.
pub(super) fn text_of(array: &ArrayRef, row: usize) -> String {
    let mut text = String::new();
    if let Ok(write) = text::writer(array) {
        let _ = write(row, &mut text);
    }
    text
}

/// Computes each row that has a value.
fn rows<T, R: FromIterator<Option<T>>>(
    array: &dyn Array,
    mut compute: impl FnMut(usize) -> Result<T>,
) -> Result<R> {
    (0..array.len())
        .map(|row| {
            if array.is_null(row) {
                return Ok(None);
            }
            compute(row).map(Some)
        })
        .collect()
}

/// Returns an error of a value that has no place in the type.
fn invalid(message: impl Into<String>) -> DataFusionError {
    failure("INVALID_CAST_ARGUMENT", message)
}
