//! `JSON_OBJECT` and `JSON_ARRAY`.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs};

use super::super::function::{Kernel, failure, is_text, unexpected, value_type};
use super::search::check_formatted;
use super::texts::{Text, Texts, check_output, written};
use super::values::{Moments, Values};
use super::{Arguments, by_rows, failed, field_at, planned_clauses};
use crate::presto::functions::sql_path::{Datum, Failure, Json};
use crate::presto::sql_json::{ARRAY, Clauses, Format, Keys, Nulls, OBJECT};
use crate::presto::types::field_type_name;

/// Where keys and values begin.
const FIRST: usize = 2;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonObject;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonArray;

impl Kernel for JsonObject {
    fn name(&self) -> &'static str {
        OBJECT
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let clauses = planned_clauses(args, 0)?;
        for (member, format) in clauses.formats.iter().enumerate() {
            let key = field_at(args, FIRST + 2 * member)?;
            let known = value_type(key.data_type());
            if !is_text(known) && !known.is_null() {
                return Err(failure(
                    "INVALID_FUNCTION_ARGUMENT",
                    format!("Invalid type of JSON object key: {}", field_type_name(key)),
                ));
            }
            let value = field_at(args, FIRST + 2 * member + 1)?;
            check_formatted(value, *format, "value passed to JSON_OBJECT function")?;
        }
        returned(args, &clauses, OBJECT)
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        by_rows(args, |arguments| {
            let clauses = arguments.clauses(0)?;
            let mut members = Vec::with_capacity(clauses.formats.len());
            for (member, format) in clauses.formats.iter().enumerate() {
                let keys = cast(&arguments.array(FIRST + 2 * member)?, &DataType::Utf8)?;
                let keys: StringArray = keys.as_string().clone();
                let values = Elements::read(arguments, FIRST + 2 * member + 1, *format)?;
                members.push((keys, values));
            }
            build(arguments, &clauses, |row, out| {
                object(&members, &clauses, row, out)
            })
        })
    }
}

impl Kernel for JsonArray {
    fn name(&self) -> &'static str {
        ARRAY
    }

    fn returns(&self, args: &ReturnFieldArgs<'_>) -> Result<Field> {
        let clauses = planned_clauses(args, 0)?;
        for (position, format) in clauses.formats.iter().enumerate() {
            let value = field_at(args, FIRST + position)?;
            check_formatted(value, *format, "value passed to JSON_ARRAY function")?;
        }
        returned(args, &clauses, ARRAY)
    }

    fn run(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        by_rows(args, |arguments| {
            let clauses = arguments.clauses(0)?;
            let mut columns = Vec::with_capacity(clauses.formats.len());
            for (position, format) in clauses.formats.iter().enumerate() {
                columns.push(Elements::read(arguments, FIRST + position, *format)?);
            }
            build(arguments, &clauses, |row, out| {
                array(&columns, &clauses, row, out)
            })
        })
    }
}

fn returned(args: &ReturnFieldArgs<'_>, clauses: &Clauses, name: &str) -> Result<Field> {
    let returns = field_at(args, 1)?;
    check_output(returns, clauses.output)?;
    Ok(returns.clone().with_name(name))
}

fn build(
    arguments: &Arguments<'_>,
    clauses: &Clauses,
    write: impl Fn(usize, &mut String) -> Result<()>,
) -> Result<ArrayRef> {
    let mut texts = StringBuilder::with_capacity(arguments.rows, arguments.rows * 16);
    let mut out = String::new();
    for row in 0..arguments.rows {
        out.clear();
        write(row, &mut out)?;
        texts.append_value(&out);
    }
    written(texts.finish(), &arguments.args.return_field, clauses.output)
}

fn array(columns: &[Elements], clauses: &Clauses, row: usize, out: &mut String) -> Result<()> {
    out.push('[');
    for column in columns {
        let element = column.get(row)?;
        if element.is_none() && clauses.nulls == Nulls::Absent {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        write_element(element, out)?;
    }
    out.push(']');
    Ok(())
}

fn object(
    members: &[(StringArray, Elements)],
    clauses: &Clauses,
    row: usize,
    out: &mut String,
) -> Result<()> {
    let mut keys = HashSet::with_capacity(members.len());
    let mut present = Vec::with_capacity(members.len());
    for (key, value) in members {
        if key.is_null(row) {
            return Err(failure(
                "INVALID_FUNCTION_ARGUMENT",
                "null value passed for JSON object key to JSON_OBJECT function",
            ));
        }
        let key = key.value(row);
        let value = value.get(row)?;
        if value.is_none() && clauses.nulls == Nulls::Absent {
            continue;
        }
        if !keys.insert(key) {
            return Err(match clauses.keys {
                Keys::Unique => failure(
                    "INVALID_FUNCTION_ARGUMENT",
                    "duplicate key passed to JSON_OBJECT function",
                ),
                Keys::Any => failure(
                    "NOT_SUPPORTED",
                    "cannot construct a JSON object with duplicate key",
                ),
            });
        }
        present.push((key, value));
    }
    let buckets = buckets(present.len());
    present.sort_by_key(|(key, _)| bucket(key, buckets));
    out.push('{');
    for (position, (key, value)) in present.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        Json::Text(key.into()).write(out);
        out.push(':');
        write_element(value, out)?;
    }
    out.push('}');
    Ok(())
}

/// Returns how many buckets Java's hash table has for so many keys: members come in its order, so that the same text is
/// written as Trino writes.
fn buckets(keys: usize) -> u32 {
    let mut buckets = 16_u32;
    while usize::try_from(buckets / 4 * 3).is_ok_and(|limit| keys > limit) {
        buckets *= 2;
    }
    buckets
}

/// Returns the bucket of a key.
fn bucket(key: &str, buckets: u32) -> u32 {
    let hash = key.encode_utf16().fold(0_u32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(u32::from(unit))
    });
    (hash ^ (hash >> 16)) & (buckets - 1)
}

fn write_element(element: Option<Element<'_>>, out: &mut String) -> Result<()> {
    match element {
        None => out.push_str("null"),
        Some(Element::Json(json)) => json.write(out),
        Some(Element::Value(datum)) => {
            datum
                .write_json(out)
                .map_err(|_| unexpected("what JSON does not have"))?;
        }
    }
    Ok(())
}

/// Values of one argument.
enum Elements {
    Texts(Texts),
    Values(Values),
}

enum Element<'a> {
    Json(Json<'a>),
    Value(Datum<'a>),
}

impl Elements {
    fn read(arguments: &Arguments<'_>, position: usize, format: Format) -> Result<Self> {
        let array = arguments.array(position)?;
        if format != Format::Sql {
            return Texts::read(&array, format).map(Self::Texts);
        }
        let (field, zone) = (arguments.field(position)?, arguments.zone());
        Values::read(&array, field, Moments::AsText, zone).map(Self::Values)
    }

    fn get(&self, row: usize) -> Result<Option<Element<'_>>> {
        Ok(match self {
            Self::Values(values) => values.get(row)?.map(Element::Value),
            Self::Texts(texts) => match texts.get(row) {
                Text::Null => None,
                Text::Broken => return Err(failed(&Failure::Input)),
                Text::Json(text) => {
                    let json = Json::parse(text).ok_or_else(|| failed(&Failure::Input))?;
                    Some(Element::Json(json))
                }
            },
        })
    }
}
