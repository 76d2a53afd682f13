//! Types by their Presto names.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::sql::sqlparser::ast::{self, ExactNumberInfo, TimezoneInfo};

use super::opaque::opaque_name;
use super::type_parser::{PRESTO_TYPE, anonymous};
use super::zoned_time::unit_and_offset;
use crate::{Error, Result};

/// Returns how Presto writes the type of the field, with what only its metadata tells: lengths.
pub fn field_type_name(field: &Field) -> String {
    if let Some(name) = field.metadata().get(PRESTO_TYPE) {
        return name.clone();
    }
    type_name(field.data_type())
}

/// Returns how Presto writes a field's name inside a row type: quoted unless it is a plain identifier.
fn row_field_name(name: &str) -> String {
    let mut chars = name.chars();
    let is_plain = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns how Presto writes the type.
pub fn type_name(data_type: &DataType) -> String {
    let precision = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    if let Some(name) = opaque_name(data_type) {
        return name.to_owned();
    }
    match data_type {
        DataType::Null => "unknown".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 | DataType::UInt8 => "smallint".to_owned(),
        DataType::Int32 | DataType::UInt16 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint".to_owned(),
        DataType::Float16 | DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => {
            format!("decimal({p},{s})")
        }
        DataType::Utf8 | DataType::Utf8View => "varchar".to_owned(),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "varbinary".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("time({})", precision(unit)),
        zoned if let Some((unit, _)) = unit_and_offset(zoned) => {
            format!("time({}) with time zone", precision(&unit))
        }
        DataType::Timestamp(unit, None) => format!("timestamp({})", precision(unit)),
        DataType::Timestamp(unit, Some(_)) => {
            format!("timestamp({}) with time zone", precision(unit))
        }
        DataType::Interval(arrow::datatypes::IntervalUnit::YearMonth) => {
            "interval year to month".to_owned()
        }
        DataType::Interval(_) | DataType::Duration(_) => "interval day to second".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("array({})", field_type_name(item))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => match fields.iter().collect::<Vec<_>>().as_slice() {
                [key, value] => {
                    format!("map({}, {})", field_type_name(key), field_type_name(value))
                }
                _ => "map".to_owned(),
            },
            _ => "map".to_owned(),
        },
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .enumerate()
                .map(|(position, field)| {
                    let shown = field_type_name(field);
                    if *field.name() == anonymous(position) {
                        return shown;
                    }
                    format!("{} {shown}", row_field_name(field.name()))
                })
                .collect();
            format!("row({})", fields.join(", "))
        }
        DataType::Dictionary(_, value) => type_name(value),
        DataType::RunEndEncoded(_, value) => type_name(value.data_type()),
        other => other.to_string(),
    }
}

/// Returns the Arrow type of a column definition.
///
/// # Errors
/// A type that a Delta table cannot hold, or that we do not know.
pub fn column_type(data_type: &ast::DataType) -> Result<DataType> {
    let unsupported = || Error::NotSupported {
        what: format!("column type `{data_type}`"),
    };
    Ok(match data_type {
        ast::DataType::Boolean | ast::DataType::Bool => DataType::Boolean,
        ast::DataType::TinyInt(_) => DataType::Int8,
        ast::DataType::SmallInt(_) => DataType::Int16,
        ast::DataType::Int(_) | ast::DataType::Integer(_) => DataType::Int32,
        ast::DataType::BigInt(_) => DataType::Int64,
        ast::DataType::Real | ast::DataType::Float(_) => DataType::Float32,
        ast::DataType::Double(_) | ast::DataType::DoublePrecision => DataType::Float64,
        ast::DataType::Varchar(_)
        | ast::DataType::Char(_)
        | ast::DataType::String(_)
        | ast::DataType::Text
        | ast::DataType::CharVarying(_) => DataType::Utf8,
        ast::DataType::Varbinary(_) | ast::DataType::Binary(_) | ast::DataType::Bytea => {
            DataType::Binary
        }
        ast::DataType::Date => DataType::Date32,
        ast::DataType::Timestamp(precision, zone) => {
            if precision.is_some_and(|p| p > 6) {
                return Err(unsupported());
            }
            let zone = matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz)
                .then(|| Arc::from("UTC"));
            DataType::Timestamp(TimeUnit::Microsecond, zone)
        }
        ast::DataType::Decimal(info) | ast::DataType::Numeric(info) | ast::DataType::Dec(info) => {
            let (precision, scale) = match info {
                ExactNumberInfo::None => (38, 0),
                ExactNumberInfo::Precision(p) => (*p, 0),
                ExactNumberInfo::PrecisionAndScale(p, s) => (*p, *s),
            };
            match (u8::try_from(precision), i8::try_from(scale)) {
                (Ok(p @ 1..=38), Ok(s)) if s >= 0 && s.unsigned_abs() <= p => {
                    DataType::Decimal128(p, s)
                }
                _ => return Err(unsupported()),
            }
        }
        ast::DataType::Array(
            ast::ArrayElemTypeDef::AngleBracket(item)
            | ast::ArrayElemTypeDef::Parenthesis(item)
            | ast::ArrayElemTypeDef::SquareBracket(item, _),
        ) => DataType::List(Arc::new(Field::new("element", column_type(item)?, true))),
        _ => return Err(unsupported()),
    })
}
