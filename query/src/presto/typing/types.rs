//! Types in the syntax tree: their text, and the name of our own that carries it.

use datafusion::sql::sqlparser::ast::{DataType, Ident, ObjectName, ObjectNamePart, TimezoneInfo};

use crate::presto::tokens::PRESTO_TYPE_NAME;
use crate::presto::zoned_time::parse_zoned_time;

/// Returns our own type name with parameters.
pub(super) fn presto_type(parameters: Vec<String>) -> DataType {
    DataType::Custom(
        ObjectName(vec![ObjectNamePart::Identifier(Ident::new(
            PRESTO_TYPE_NAME,
        ))]),
        parameters,
    )
}

/// Returns the parameters of our own type name: the text of the type and the session's zone.
#[must_use]
pub fn presto_type_parameters(data_type: &DataType) -> Option<&[String]> {
    match data_type {
        DataType::Custom(name, parameters) => match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] if ident.value == PRESTO_TYPE_NAME => {
                Some(parameters)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Returns the type as text.
#[must_use]
pub fn type_text(data_type: &DataType) -> String {
    if let Some([text, ..]) = presto_type_parameters(data_type) {
        return text.clone();
    }
    match data_type {
        DataType::Timestamp(precision, TimezoneInfo::Tz) => {
            let precision = precision.map_or_else(String::new, |p| format!("({p})"));
            format!("timestamp{precision} with time zone")
        }
        // The parser keeps the parts of a row's fields in one list.
        DataType::Custom(name, parts) if name.to_string().eq_ignore_ascii_case("row") => {
            let fields: Vec<String> = parts.chunks(2).map(|pair| pair.join(" ")).collect();
            format!("row({})", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// Returns the type of a literal: that of a time has the digits that are written.
pub(super) fn literal_type(data_type: &DataType, value: &str) -> String {
    let fraction = || {
        let digits = value.split_once('.').map_or("", |(_, rest)| rest);
        digits.chars().take_while(char::is_ascii_digit).count()
    };
    match data_type {
        DataType::Time(None, TimezoneInfo::None) => {
            let has_offset = matches!(parse_zoned_time(value), Some((_, Some(_))));
            let with = if has_offset { " with time zone" } else { "" };
            format!("time({}){with}", fraction())
        }
        DataType::Timestamp(None, TimezoneInfo::None) => {
            let zone = crate::presto::temporal::parse_timestamp(value).and_then(|read| read.zone);
            let with = if zone.is_some() {
                " with time zone"
            } else {
                ""
            };
            format!("timestamp({}){with}", fraction())
        }
        DataType::Decimal(info) | DataType::Dec(info) | DataType::Numeric(info)
            if matches!(info, datafusion::sql::sqlparser::ast::ExactNumberInfo::None) =>
        {
            // The digits that are written tell precision and scale.
            "decimal".to_owned()
        }
        other => type_text(other),
    }
}
