//! Documents and type signatures of the protocol.

use arrow::datatypes::{DataType, FieldRef, IntervalUnit, SchemaRef, TimeUnit};
use serde_json::{Value, json};

use super::error_codes::TrinoError;
use super::headers::Prefix;
use crate::engine::registry::QueryStats;

/// How types are written for one client.
#[derive(Debug, Clone, Copy)]
pub(super) struct TypeStyle {
    /// The client reads `timestamp(6)`.
    pub(super) has_parametric_datetime: bool,
    /// Old Presto clients expect more keys in a signature.
    pub(super) prefix: Prefix,
}

/// What one document says.
pub(super) struct Document<'a> {
    pub(super) id: &'a str,
    pub(super) base: &'a str,
    pub(super) next_uri: Option<String>,
    pub(super) columns: Option<&'a Value>,
    /// Encoded rows without the outer brackets; none means no `data`.
    pub(super) rows: Option<&'a [u8]>,
    pub(super) update_type: Option<&'a str>,
    pub(super) update_count: Option<u64>,
    pub(super) error: Option<&'a TrinoError>,
    pub(super) stats: &'a QueryStats,
}

impl Document<'_> {
    /// Returns the JSON text; rows are copied as they are.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut head = serde_json::Map::new();
        head.insert("id".to_owned(), json!(self.id));
        head.insert(
            "infoUri".to_owned(),
            json!(format!("{}/ui/query.html?{}", self.base, self.id)),
        );
        if let Some(next) = &self.next_uri {
            head.insert("nextUri".to_owned(), json!(next));
        }
        if let Some(columns) = self.columns {
            head.insert("columns".to_owned(), columns.clone());
        }
        head.insert("stats".to_owned(), stats(self.stats));
        head.insert("warnings".to_owned(), json!([]));
        if let Some(kind) = self.update_type {
            head.insert("updateType".to_owned(), json!(kind));
        }
        if let Some(count) = self.update_count {
            head.insert("updateCount".to_owned(), json!(count));
        }
        if let Some(error) = self.error {
            head.insert("error".to_owned(), error_document(error));
        }
        let mut text = Value::Object(head).to_string().into_bytes();
        if let Some(rows) = self.rows {
            text.pop();
            text.reserve(rows.len() + 16);
            text.extend_from_slice(b",\"data\":[");
            text.extend_from_slice(rows);
            text.extend_from_slice(b"]}");
        }
        text
    }
}

fn stats(stats: &QueryStats) -> Value {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let is_queued = stats.state.name() == "QUEUED";
    let is_done = matches!(stats.state.name(), "FINISHED" | "FAILED");
    let running = !is_queued && !is_done;
    json!({
        "state": stats.state.name(),
        "queued": is_queued,
        "scheduled": !is_queued,
        "progressPercentage": if is_done { json!(100.0) } else { Value::Null },
        "runningPercentage": Value::Null,
        "nodes": i32::from(!is_queued),
        "totalSplits": 1,
        "queuedSplits": i32::from(is_queued),
        "runningSplits": i32::from(running),
        "completedSplits": i32::from(is_done),
        "cpuTimeMillis": millis(stats.elapsed.saturating_sub(stats.queued)),
        "wallTimeMillis": millis(stats.elapsed.saturating_sub(stats.queued)),
        "queuedTimeMillis": millis(stats.queued),
        "elapsedTimeMillis": millis(stats.elapsed),
        "processedRows": stats.rows,
        "processedBytes": stats.bytes,
        "physicalInputBytes": 0,
        "physicalWrittenBytes": 0,
        "peakMemoryBytes": 0,
        "spilledBytes": 0,
        "rootStage": Value::Null,
    })
}

fn error_document(error: &TrinoError) -> Value {
    let location = error
        .location
        .map(|at| json!({ "lineNumber": at.line, "columnNumber": at.column }));
    let class = if error.name == "SYNTAX_ERROR" {
        "io.trino.sql.parser.ParsingException"
    } else {
        "io.trino.spi.TrinoException"
    };
    let mut document = json!({
        "message": error.message,
        "errorCode": error.code,
        "errorName": error.name,
        "errorType": error.kind,
        "failureInfo": {
            "type": class,
            "message": error.message,
            "suppressed": [],
            "stack": [],
        },
    });
    if let (Some(location), Some(map)) = (location, document.as_object_mut()) {
        map.insert("errorLocation".to_owned(), location);
    }
    document
}

/// Returns the `columns` of a result.
pub(super) fn columns(schema: &SchemaRef, style: TypeStyle) -> Value {
    let columns = schema.fields().iter().map(|field| {
        let (text, signature) = type_of(field.data_type(), style);
        json!({ "name": field.name(), "type": text, "typeSignature": signature })
    });
    columns.collect()
}

/// Returns the `columns` of a statement that changed rows.
pub(super) fn update_columns(style: TypeStyle) -> Value {
    let (text, signature) = type_of(&DataType::Int64, style);
    json!([{ "name": "rows", "type": text, "typeSignature": signature }])
}

struct Signature {
    raw: &'static str,
    arguments: Vec<Value>,
}

fn type_of(data_type: &DataType, style: TypeStyle) -> (String, Value) {
    let long = |value: i64| {
        let kind = if style.prefix == Prefix::Presto {
            "LONG_LITERAL"
        } else {
            "LONG"
        };
        json!({ "kind": kind, "value": value })
    };
    let nested = |signature: Value| {
        let kind = if style.prefix == Prefix::Presto {
            "TYPE_SIGNATURE"
        } else {
            "TYPE"
        };
        json!({ "kind": kind, "value": signature })
    };
    let plain = |raw: &'static str| {
        (
            raw.to_owned(),
            Signature {
                raw,
                arguments: Vec::new(),
            },
        )
    };
    let timed = |base: &str, suffix: &str, raw: &'static str, unit: TimeUnit| {
        if style.has_parametric_datetime {
            let digits = i64::from(digits(unit));
            (
                format!("{base}({digits}){suffix}"),
                Signature {
                    raw,
                    arguments: vec![long(digits)],
                },
            )
        } else {
            plain(raw)
        }
    };
    let (text, signature) = match data_type {
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
            let (p, s) = (i64::from(*p), i64::from(*s));
            let arguments = vec![long(p), long(s)];
            (
                format!("decimal({p},{s})"),
                Signature {
                    raw: "decimal",
                    arguments,
                },
            )
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => plain("varbinary"),
        DataType::Date32 | DataType::Date64 => plain("date"),
        DataType::Time32(unit) | DataType::Time64(unit) => timed("time", "", "time", *unit),
        DataType::Timestamp(unit, None) => timed("timestamp", "", "timestamp", *unit),
        DataType::Timestamp(unit, Some(_)) => timed(
            "timestamp",
            " with time zone",
            "timestamp with time zone",
            *unit,
        ),
        DataType::Interval(IntervalUnit::YearMonth) => plain("interval year to month"),
        DataType::Interval(_) | DataType::Duration(_) => plain("interval day to second"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => {
            let (text, signature) = type_of(item.data_type(), style);
            (
                format!("array({text})"),
                Signature {
                    raw: "array",
                    arguments: vec![nested(signature)],
                },
            )
        }
        DataType::Map(entries, _) => {
            let fields = struct_fields(entries);
            let inner: Vec<(String, Value)> = fields
                .iter()
                .map(|field| type_of(field.data_type(), style))
                .collect();
            let text: Vec<&str> = inner.iter().map(|(text, _)| text.as_str()).collect();
            let text = format!("map({})", text.join(", "));
            let arguments = inner
                .into_iter()
                .map(|(_, signature)| nested(signature))
                .collect();
            (
                text,
                Signature {
                    raw: "map",
                    arguments,
                },
            )
        }
        DataType::Struct(fields) => {
            let (mut texts, mut arguments) = (Vec::new(), Vec::new());
            for field in fields {
                let (text, signature) = type_of(field.data_type(), style);
                texts.push(format!("{} {text}", quoted(field.name())));
                let kind = if style.prefix == Prefix::Presto {
                    "NAMED_TYPE_SIGNATURE"
                } else {
                    "NAMED_TYPE"
                };
                let value =
                    json!({ "fieldName": { "name": field.name() }, "typeSignature": signature });
                arguments.push(json!({ "kind": kind, "value": value }));
            }
            (
                format!("row({})", texts.join(", ")),
                Signature {
                    raw: "row",
                    arguments,
                },
            )
        }
        DataType::Dictionary(_, value) => return type_of(value, style),
        DataType::RunEndEncoded(_, value) => return type_of(value.data_type(), style),
        // Strings, and what is written as one.
        _ => {
            let arguments = vec![long(i64::from(i32::MAX))];
            (
                "varchar".to_owned(),
                Signature {
                    raw: "varchar",
                    arguments,
                },
            )
        }
    };
    let mut document = json!({ "rawType": signature.raw, "arguments": signature.arguments });
    if style.prefix == Prefix::Presto
        && let Some(map) = document.as_object_mut()
    {
        map.insert("typeArguments".to_owned(), json!([]));
        map.insert("literalArguments".to_owned(), json!([]));
    }
    (text, document)
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
