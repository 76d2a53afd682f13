//! Column types as Trino and Hive write them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::engine::reader::Reader;
use crate::presto::error::TrinoFailure;
use crate::{Error, Result};

/// The deepest nesting of a type.
const DEEPEST: usize = 32;

/// Reads a type.
///
/// # Errors
/// `TYPE_NOT_FOUND`, and [`Error::NotSupported`] for types that a Delta table cannot hold.
pub(in crate::engine) fn read(reader: &mut Reader) -> Result<DataType> {
    at_depth(reader, 0)
}

/// Reads a type that is all of a text.
///
/// # Errors
/// Those of [`read`].
pub(in crate::engine) fn parse(text: &str) -> Result<DataType> {
    let mut reader = Reader::new(text)?;
    let data_type = read(&mut reader)?;
    reader.end()?;
    Ok(data_type)
}

fn at_depth(reader: &mut Reader, depth: usize) -> Result<DataType> {
    if depth > DEEPEST {
        return Err(TrinoFailure::new("STACK_OVERFLOW", "the type is nested too deeply").into());
    }
    let name = reader.identifier()?;
    let unsupported = || Error::NotSupported {
        what: format!("column type `{name}`"),
    };
    Ok(match name.as_str() {
        "boolean" | "bool" => DataType::Boolean,
        "tinyint" => DataType::Int8,
        "smallint" => DataType::Int16,
        "integer" | "int" => DataType::Int32,
        "bigint" => DataType::Int64,
        "real" | "float" => DataType::Float32,
        "double" => {
            let _ = reader.word("PRECISION");
            DataType::Float64
        }
        "varchar" | "char" | "character" | "string" => {
            if name == "character" {
                let _ = reader.word("VARYING");
            }
            let _ = numbers(reader)?;
            DataType::Utf8
        }
        "varbinary" | "binary" => DataType::Binary,
        "date" => DataType::Date32,
        "timestamp" => {
            let digits = numbers(reader)?.first().copied().unwrap_or(3);
            if digits > 6 {
                return Err(Error::NotSupported {
                    what: format!("column type `timestamp({digits})`"),
                });
            }
            let zone = if reader.words(&["WITH", "TIME", "ZONE"]) {
                Some(Arc::from("UTC"))
            } else {
                let _ = reader.words(&["WITHOUT", "TIME", "ZONE"]);
                None
            };
            DataType::Timestamp(TimeUnit::Microsecond, zone)
        }
        "decimal" | "numeric" | "dec" => {
            let numbers = numbers(reader)?;
            let precision = numbers.first().copied().unwrap_or(38);
            let scale = numbers.get(1).copied().unwrap_or(0);
            match (u8::try_from(precision), i8::try_from(scale)) {
                (Ok(p @ 1..=38), Ok(s)) if s >= 0 && s.unsigned_abs() <= p => {
                    DataType::Decimal128(p, s)
                }
                _ => {
                    return Err(TrinoFailure::new(
                        "INVALID_FUNCTION_ARGUMENT",
                        format!("DECIMAL({precision},{scale}) is not valid: precision is 1 to 38, scale at most that"),
                    )
                    .into());
                }
            }
        }
        "array" => {
            let close = open(reader)?;
            let item = at_depth(reader, depth + 1)?;
            close_with(reader, &close)?;
            DataType::List(Arc::new(Field::new("element", item, true)))
        }
        "map" => {
            let close = open(reader)?;
            let key = at_depth(reader, depth + 1)?;
            reader.expect(&Token::Comma)?;
            let value = at_depth(reader, depth + 1)?;
            close_with(reader, &close)?;
            let entries = vec![
                Field::new("key", key, false),
                Field::new("value", value, true),
            ];
            let entries = Field::new("key_value", DataType::Struct(entries.into()), false);
            DataType::Map(Arc::new(entries), false)
        }
        "row" | "struct" => {
            let close = open(reader)?;
            let mut fields = Vec::new();
            loop {
                let name = reader.identifier()?;
                let _ = reader.token(&Token::Colon);
                fields.push(Field::new(name, at_depth(reader, depth + 1)?, true));
                if !reader.token(&Token::Comma) {
                    break;
                }
            }
            close_with(reader, &close)?;
            DataType::Struct(fields.into())
        }
        "time" | "json" | "uuid" | "ipaddress" | "interval" | "geometry" | "hyperloglog"
        | "tdigest" | "qdigest" => {
            return Err(unsupported());
        }
        _ => {
            return Err(
                TrinoFailure::new("TYPE_NOT_FOUND", format!("Unknown type '{name}'")).into(),
            );
        }
    })
}

fn open(reader: &mut Reader) -> Result<Token> {
    if reader.token(&Token::Lt) {
        return Ok(Token::Gt);
    }
    reader.expect(&Token::LParen)?;
    Ok(Token::RParen)
}

/// `>>` is one token, which closes two types.
fn close_with(reader: &mut Reader, close: &Token) -> Result<()> {
    if *close == Token::Gt && reader.split_shift() {
        return Ok(());
    }
    reader.expect(close)
}

/// Reads `(n, …)` if it comes next.
fn numbers(reader: &mut Reader) -> Result<Vec<u64>> {
    if reader.peek() != Some(&Token::LParen) {
        return Ok(Vec::new());
    }
    reader.list(|reader| match reader.next() {
        Some(Token::Number(text, _)) => text.parse().map_err(|_| Error::Syntax {
            message: format!("Expected: a number, found: {text}"),
        }),
        _ => Err(reader.expected("a number")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presto::types::type_name;

    #[test]
    fn types_are_read_and_written_alike() {
        for text in [
            "boolean",
            "decimal(10,2)",
            "varchar",
            "timestamp(6)",
            "timestamp(6) with time zone",
            "array(array(integer))",
            "map(varchar, array(double))",
            "row(x bigint, y row(z varchar))",
        ] {
            assert_eq!(type_name(&parse(text).unwrap()), text);
        }
        assert_eq!(
            type_name(&parse("array<map<string, array<int>>>").unwrap()),
            "array(map(varchar, array(integer)))"
        );
        assert!(parse("foo").is_err());
        assert!(parse("decimal(40)").is_err());
        assert!(parse(&"array(".repeat(100)).is_err());
    }
}
