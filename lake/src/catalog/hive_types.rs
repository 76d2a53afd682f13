//! Types as Hive writes them, from and to Arrow.
//!
//! ```text
//! type   = primitive | array<type> | map<type,type> | struct<field,…>
//! field  = name:type [COMMENT 'text']      name = plain or `quoted`
//! ```
//!
//! A timestamp of Hive has no zone; an instant is a `timestamp with local time zone`.
//!
//! # Source
//!
//! <https://cwiki.apache.org/confluence/display/Hive/LanguageManual+Types>, and
//! `TypeInfoUtils.TypeInfoParser` of Hive for the text.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

use crate::error::{Error, Result};

/// Deeper than any table, and not so deep that parsing could exhaust the stack.
const DEEPEST: usize = 64;

const LOCAL_TIMESTAMP: &str = "timestamp with local time zone";

/// Returns how Hive writes a type; none when Hive has no such type.
pub fn hive_type(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Null => "void".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "binary".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => LOCAL_TIMESTAMP.to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
            if *scale >= 0 =>
        {
            format!("decimal({precision},{scale})")
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::FixedSizeList(item, _) => format!("array<{}>", hive_type(item.data_type())?),
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return None;
            };
            let [key, value] = fields.as_ref() else {
                return None;
            };
            format!(
                "map<{},{}>",
                hive_type(key.data_type())?,
                hive_type(value.data_type())?
            )
        }
        DataType::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|field| {
                    let name = field_name(field.name())?;
                    Some(format!("{name}:{}", hive_type(field.data_type())?))
                })
                .collect::<Option<Vec<_>>>()?;
            format!("struct<{}>", fields.join(","))
        }
        DataType::Dictionary(_, value) => hive_type(value)?,
        _ => return None,
    })
}

/// Parses a type of Hive. All of its parts may be null, except the keys of a map.
///
/// # Errors
///
/// [`Error::InvalidHiveType`] for a text that is no type of Hive, and for `uniontype` and
/// intervals, which no column of a file of ours can have.
pub fn parse_hive_type(text: &str) -> Result<DataType> {
    let mut parser = Parser { text, rest: text };
    let parsed = parser.data_type(0)?;
    if parser.rest.trim().is_empty() {
        Ok(parsed)
    } else {
        Err(parser.error("the end"))
    }
}

/// Names that other parsers take for something else are quoted.
fn field_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return None;
    }
    let plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    Some(if plain {
        name.to_owned()
    } else {
        format!("`{}`", name.replace('`', "``"))
    })
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn error(&self, expected: &str) -> Error {
        Error::InvalidHiveType {
            text: self.text.to_owned(),
            reason: format!(
                "expected {expected} at character {}",
                self.text.len() - self.rest.len() + 1
            ),
        }
    }

    fn data_type(&mut self, depth: usize) -> Result<DataType> {
        if depth > DEEPEST {
            return Err(self.error("a type that is nested less deeply"));
        }
        let before = self.rest;
        let word = self.word().to_ascii_lowercase();
        Ok(match word.as_str() {
            "void" => DataType::Null,
            "boolean" => DataType::Boolean,
            "tinyint" => DataType::Int8,
            "smallint" => DataType::Int16,
            "int" | "integer" => DataType::Int32,
            "bigint" => DataType::Int64,
            "float" => DataType::Float32,
            "double" => {
                self.skip_words(&["precision"]);
                DataType::Float64
            }
            "string" => DataType::Utf8,
            "varchar" | "char" => {
                // Hive demands a length; others do not.
                if self.numbers()?.len() > 1 {
                    return Err(self.error("one length before here"));
                }
                DataType::Utf8
            }
            "binary" => DataType::Binary,
            "date" => DataType::Date32,
            "timestamp" => {
                let instant = self.skip_words(&["with", "local", "time", "zone"]);
                timestamp(instant)
            }
            "timestamplocaltz" => timestamp(true),
            "decimal" | "numeric" | "dec" => self.decimal()?,
            "array" => {
                self.symbol('<')?;
                let item = self.data_type(depth + 1)?;
                self.symbol('>')?;
                DataType::List(Arc::new(Field::new("element", item, true)))
            }
            "map" => {
                self.symbol('<')?;
                let key = self.data_type(depth + 1)?;
                self.symbol(',')?;
                let value = self.data_type(depth + 1)?;
                self.symbol('>')?;
                let entries = Fields::from(vec![
                    Field::new("key", key, false),
                    Field::new("value", value, true),
                ]);
                let entries = Field::new("key_value", DataType::Struct(entries), false);
                DataType::Map(Arc::new(entries), false)
            }
            "struct" => self.fields(depth)?,
            _ => {
                self.rest = before;
                return Err(self.error("a type"));
            }
        })
    }

    fn fields(&mut self, depth: usize) -> Result<DataType> {
        self.symbol('<')?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let name = self.name()?;
            if fields.iter().any(|field| *field.name() == name) {
                return Err(self.error("another name than the one before"));
            }
            self.symbol(':')?;
            let data_type = self.data_type(depth + 1)?;
            if self.skip_words(&["comment"]) {
                self.quoted('\'')?;
            }
            fields.push(Field::new(name, data_type, true));
            if !self.skip_symbol(',') {
                break;
            }
        }
        self.symbol('>')?;
        Ok(DataType::Struct(fields.into()))
    }

    fn decimal(&mut self) -> Result<DataType> {
        // Hive's own default.
        let (precision, scale) = match self.numbers()?.as_slice() {
            [] => (10, 0),
            [precision] => (*precision, 0),
            [precision, scale, ..] => (*precision, *scale),
        };
        match (u8::try_from(precision), i8::try_from(scale)) {
            (Ok(p @ 1..=38), Ok(s)) if scale <= precision => Ok(DataType::Decimal128(p, s)),
            _ => Err(self.error("a precision up to 38 and a scale up to it before here")),
        }
    }

    /// Reads `(1)` or `(1,2)`, or nothing.
    fn numbers(&mut self) -> Result<Vec<u32>> {
        let mut numbers = Vec::new();
        if !self.skip_symbol('(') {
            return Ok(numbers);
        }
        loop {
            let number = self.word().parse().map_err(|_| self.error("a number"))?;
            numbers.push(number);
            if !self.skip_symbol(',') {
                break;
            }
        }
        self.symbol(')')?;
        if numbers.len() > 2 {
            return Err(self.error("at most two numbers before here"));
        }
        Ok(numbers)
    }

    fn name(&mut self) -> Result<String> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('`') {
            return self.quoted('`');
        }
        // Hive takes everything up to the colon for the name.
        let end = self.rest.find([':', ',', '<', '>', '`']);
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let name = name.trim_end();
        if name.is_empty() {
            return Err(self.error("a name"));
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    /// Reads a text in quotes, in which the quote itself is doubled.
    fn quoted(&mut self, quote: char) -> Result<String> {
        self.symbol(quote)?;
        let mut text = String::new();
        loop {
            let Some(end) = self.rest.find(quote) else {
                return Err(self.error("a closing quote after here"));
            };
            let (before, rest) = self.rest.split_at(end);
            text.push_str(before);
            self.rest = rest.strip_prefix(quote).unwrap_or_default();
            match self.rest.strip_prefix(quote) {
                Some(rest) => {
                    text.push(quote);
                    self.rest = rest;
                }
                None if text.is_empty() && quote == '`' => return Err(self.error("a name")),
                None => return Ok(text),
            }
        }
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    /// Skips words if all of them follow.
    fn skip_words(&mut self, words: &[&str]) -> bool {
        let before = self.rest;
        let all = words
            .iter()
            .all(|word| self.word().eq_ignore_ascii_case(word));
        if !all {
            self.rest = before;
        }
        all
    }

    fn skip_symbol(&mut self, symbol: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(symbol);
        if let Some(rest) = rest {
            self.rest = rest;
        }
        rest.is_some()
    }

    fn symbol(&mut self, symbol: char) -> Result<()> {
        if self.skip_symbol(symbol) {
            Ok(())
        } else {
            Err(self.error(&format!("`{symbol}`")))
        }
    }
}

fn timestamp(instant: bool) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, instant.then(|| "UTC".into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn types_of_other_writers_are_understood() {
        for (text, canonical) in [
            ("INTEGER", "int"),
            ("double precision", "double"),
            ("varchar(10)", "string"),
            ("varchar", "string"),
            ("char ( 3 )", "string"),
            ("decimal", "decimal(10,0)"),
            ("numeric(5)", "decimal(5,0)"),
            ("timestamp with local time zone", LOCAL_TIMESTAMP),
            (
                "struct< a : int comment 'it''s' , b c:array<map<string,date>>>",
                "struct<a:int,`b c`:array<map<string,date>>>",
            ),
        ] {
            let parsed = parse_hive_type(text).unwrap();
            assert_eq!(hive_type(&parsed).unwrap(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_type_is_refused_with_the_place() {
        let deep = "array<".repeat(5000);
        for text in [
            "",
            "integr",
            "array",
            "array<int",
            "array<int>>",
            "map<int>",
            "struct<>",
            "struct<a:int,a:int>",
            "struct<a>",
            "decimal(39,0)",
            "decimal(5,6)",
            "varchar(1,2)",
            "decimal(1,2,3)",
            "uniontype<int,string>",
            "struct<`a:int>",
            "struct<``:int>",
            &deep,
        ] {
            let refused = parse_hive_type(text);
            assert!(
                matches!(&refused, Err(Error::InvalidHiveType { .. })),
                "{text}: {refused:?}"
            );
        }
        let error = parse_hive_type("array<itn>").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`array<itn>` is not a Hive type: expected a type at character 7"
        );
    }

    fn any_type() -> impl Strategy<Value = DataType> {
        let leaf = prop_oneof![
            Just(DataType::Null),
            Just(DataType::Boolean),
            Just(DataType::Int8),
            Just(DataType::Int16),
            Just(DataType::Int32),
            Just(DataType::Int64),
            Just(DataType::Float32),
            Just(DataType::Float64),
            Just(DataType::Utf8),
            Just(DataType::Binary),
            Just(DataType::Date32),
            any::<bool>().prop_map(timestamp),
            (1..=38_u8, 0..=38_i8)
                .prop_filter("scale", |(p, s)| *s <= i8::try_from(*p).unwrap())
                .prop_map(|(p, s)| DataType::Decimal128(p, s)),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let field = |name: &str, data_type, nullable| Field::new(name, data_type, nullable);
            prop_oneof![
                inner
                    .clone()
                    .prop_map(move |t| DataType::List(Arc::new(field("element", t, true)))),
                (inner.clone(), inner.clone()).prop_map(move |(key, value)| {
                    let entries = vec![field("key", key, false), field("value", value, true)];
                    let entries = DataType::Struct(entries.into());
                    DataType::Map(Arc::new(field("key_value", entries, false)), false)
                }),
                proptest::collection::btree_map("[a-zA-Z_:<>,` .ä'0-9]{1,8}", inner, 1..4)
                    .prop_map(move |fields| {
                        let fields: Vec<Field> = fields
                            .into_iter()
                            .map(|(name, t)| field(&name, t, true))
                            .collect();
                        DataType::Struct(fields.into())
                    }),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_type_round_trips(data_type in any_type()) {
            let text = hive_type(&data_type).unwrap();
            prop_assert_eq!(parse_hive_type(&text).unwrap(), data_type, "{}", text);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
            let _ = parse_hive_type(&text);
        }
    }
}
