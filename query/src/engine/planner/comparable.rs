//! Which types go together: what can be compared, and what can be stored in one column.

use arrow::datatypes::{DataType, Field, IntervalUnit};

use super::function::{is_text, value_type};
use crate::presto::opaque::{BING_TILE, IP_ADDRESS, JSON, UUID};
use crate::presto::type_parser::sketch;
use crate::presto::zoned_time::is_zoned_time;

/// What a type's values can be compared with and stored beside: others of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Number,
    Text,
    Bytes,
    Uuid,
    IpAddress,
    BingTile,
    Json,
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
            json if *json == JSON => Self::Json,
            text if is_text(text) => Self::Text,
            number if number.is_numeric() => Self::Number,
            opaque if *opaque == UUID => Self::Uuid,
            opaque if *opaque == IP_ADDRESS => Self::IpAddress,
            opaque if *opaque == BING_TILE => Self::BingTile,
            DataType::Boolean => Self::Boolean,
            zoned if is_zoned_time(zoned) => Self::Time,
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

/// Returns whether values of the two types can be compared.
pub(super) fn are_comparable(left: &Field, right: &Field) -> bool {
    is_comparable(left) && is_comparable(right) && have_common_type(left, right)
}

/// Returns whether it is a type of text, or that of NULL.
pub(super) fn is_varchar(data_type: &DataType) -> bool {
    let data_type = value_type(data_type);
    data_type.is_null() || (is_text(data_type) && *data_type != JSON)
}

/// Returns whether a value is or holds one of such a type.
fn holds(field: &Field, is_such: fn(&Field) -> bool) -> bool {
    use DataType as T;
    is_such(field)
        || match value_type(field.data_type()) {
            T::List(item) | T::LargeList(item) | T::FixedSizeList(item, _) => holds(item, is_such),
            T::Map(entries, _) => holds(entries, is_such),
            T::Struct(fields) => fields.iter().any(|field| holds(field, is_such)),
            _ => false,
        }
}

/// Returns whether it can be said of two values if they are equal: of sketches nobody knows.
pub(super) fn is_comparable(field: &Field) -> bool {
    !holds(field, |field| sketch(field).is_some())
}

/// Returns whether the values of a type have an order.
pub(super) fn is_orderable(field: &Field) -> bool {
    is_comparable(field)
        && !holds(field, |field| {
            let data_type = field.data_type();
            matches!(data_type, DataType::Map(..)) || *data_type == JSON || *data_type == BING_TILE
        })
}
