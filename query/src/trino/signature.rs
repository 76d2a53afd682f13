//! Types as text and as signatures.

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use serde_json::{Value, json};

use super::headers::Prefix;
use super::types::Special;
use crate::presto::opaque::opaque_name;
use crate::presto::zoned_time::unit_and_offset;

/// How types are written for one client.
#[derive(Debug, Clone, Copy)]
pub(super) struct TypeStyle {
    /// The client reads `timestamp(6)`.
    pub(super) has_parametric_datetime: bool,
    /// Old Presto clients expect more keys in a signature.
    pub(super) prefix: Prefix,
}

impl TypeStyle {
    fn long(self, value: i64) -> Value {
        let kind = match self.prefix {
            Prefix::Presto => "LONG_LITERAL",
            Prefix::Trino => "LONG",
        };
        json!({ "kind": kind, "value": value })
    }

    fn nested(self, signature: Value) -> Value {
        let kind = match self.prefix {
            Prefix::Presto => "TYPE_SIGNATURE",
            Prefix::Trino => "TYPE",
        };
        json!({ "kind": kind, "value": signature })
    }

    fn named(self, name: &str, signature: Value) -> Value {
        let kind = match self.prefix {
            Prefix::Presto => "NAMED_TYPE_SIGNATURE",
            Prefix::Trino => "NAMED_TYPE",
        };
        let mut value = json!({ "typeSignature": signature });
        if let (false, Some(map)) = (name.is_empty(), value.as_object_mut()) {
            map.insert("fieldName".to_owned(), json!({ "name": name }));
        }
        json!({ "kind": kind, "value": value })
    }

    /// Returns the document of a signature, with the keys that old Presto clients expect in addition.
    fn document(self, raw: &str, arguments: Vec<Value>) -> Value {
        let mut document = json!({ "rawType": raw, "arguments": arguments });
        if let (Prefix::Presto, Some(map)) = (self.prefix, document.as_object_mut()) {
            map.insert("typeArguments".to_owned(), json!([]));
            map.insert("literalArguments".to_owned(), json!([]));
        }
        document
    }
}

/// Returns the text and the signature of a bigint.
pub(super) fn int64_type(style: TypeStyle) -> (String, Value) {
    data_type_of(&DataType::Int64, style)
}

/// Returns the text and the signature of a column's type.
pub(super) fn type_of(field: &Field, style: TypeStyle) -> (String, Value) {
    let sized = |raw: &str, length: i64| {
        let signature = style.document(raw, vec![style.long(length)]);
        (format!("{raw}({length})"), signature)
    };
    match Special::of(field) {
        Some(Special::Varchar(length)) => sized("varchar", length),
        Some(Special::Char(length)) => sized("char", length),
        Some(Special::Sketch(name)) => match name.strip_suffix(')').and_then(|n| n.split_once('('))
        {
            Some((raw, of)) => {
                let inner = style.nested(style.document(of, Vec::new()));
                (name.to_owned(), style.document(raw, vec![inner]))
            }
            None => (name.to_owned(), style.document(name, Vec::new())),
        },
        None => data_type_of(field.data_type(), style),
    }
}

fn data_type_of(data_type: &DataType, style: TypeStyle) -> (String, Value) {
    let plain = |raw: &str| (raw.to_owned(), style.document(raw, Vec::new()));
    let timed = |base: &str, suffix: &str, unit: TimeUnit| {
        let raw = format!("{base}{suffix}");
        if !style.has_parametric_datetime {
            return (raw.clone(), style.document(&raw, Vec::new()));
        }
        let digits = i64::from(digits(unit));
        let signature = style.document(&raw, vec![style.long(digits)]);
        (format!("{base}({digits}){suffix}"), signature)
    };
    if let Some(name) = opaque_name(data_type) {
        return plain(name);
    }
    match data_type {
        DataType::Null => plain("unknown"),
        DataType::Boolean => plain("boolean"),
        DataType::Int8 => plain("tinyint"),
        DataType::Int16 | DataType::UInt8 => plain("smallint"),
        DataType::Int32 | DataType::UInt16 => plain("integer"),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => plain("bigint"),
        DataType::Float16 | DataType::Float32 => plain("real"),
        DataType::Float64 => plain("double"),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => {
            // A negative scale stands for zeros before the point.
            let (p, s) = (i64::from(*p), i64::from(*s));
            let (p, s) = if s < 0 { (p - s, 0) } else { (p, s) };
            let p = p.min(38);
            let signature = style.document("decimal", vec![style.long(p), style.long(s)]);
            (format!("decimal({p},{s})"), signature)
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => plain("varbinary"),
        DataType::Date32 | DataType::Date64 => plain("date"),
        DataType::Time32(unit) | DataType::Time64(unit) => timed("time", "", *unit),
        zoned if let Some((unit, _)) = unit_and_offset(zoned) => {
            timed("time", " with time zone", unit)
        }
        DataType::Timestamp(unit, None) => timed("timestamp", "", *unit),
        DataType::Timestamp(unit, Some(_)) => timed("timestamp", " with time zone", *unit),
        DataType::Interval(IntervalUnit::YearMonth) => plain("interval year to month"),
        DataType::Interval(_) | DataType::Duration(_) => plain("interval day to second"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => {
            let (text, signature) = type_of(item, style);
            let signature = style.document("array", vec![style.nested(signature)]);
            (format!("array({text})"), signature)
        }
        DataType::Map(entries, _) => {
            let inner: Vec<_> = struct_fields(entries)
                .iter()
                .map(|field| type_of(field, style))
                .collect();
            let texts: Vec<&str> = inner.iter().map(|(text, _)| text.as_str()).collect();
            let text = format!("map({})", texts.join(", "));
            let arguments = inner.into_iter().map(|(_, inner)| style.nested(inner));
            (text, style.document("map", arguments.collect()))
        }
        DataType::Struct(fields) => {
            let (mut texts, mut arguments) = (Vec::new(), Vec::new());
            // Fields of a `ROW(1, 2)` have no names; the planner's own for them are not shown.
            let mut numbered = fields.iter().enumerate();
            let is_anonymous = numbered.all(|(position, f)| *f.name() == format!("c{position}"));
            for field in fields {
                let name = if is_anonymous {
                    ""
                } else {
                    field.name().as_str()
                };
                let (text, signature) = type_of(field, style);
                texts.push(match name {
                    "" => text,
                    name => format!("{} {text}", quoted(name)),
                });
                arguments.push(style.named(name, signature));
            }
            let text = format!("row({})", texts.join(", "));
            (text, style.document("row", arguments))
        }
        DataType::Dictionary(_, value) => data_type_of(value, style),
        DataType::RunEndEncoded(_, value) => data_type_of(value.data_type(), style),
        // Strings, and what is written as one.
        _ => {
            let unbounded = vec![style.long(i64::from(i32::MAX))];
            ("varchar".to_owned(), style.document("varchar", unbounded))
        }
    }
}

fn struct_fields(entries: &FieldRef) -> Vec<FieldRef> {
    match entries.data_type() {
        DataType::Struct(fields) => fields.iter().cloned().collect(),
        _ => Vec::new(),
    }
}

/// Returns the digits after the point that a unit holds.
pub(super) fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

fn quoted(name: &str) -> String {
    let is_simple = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_simple {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
