//! Presto's types from their text, as Arrow fields.
//!
//! ```text
//! type  := name [ '(' args ')' | '<' args '>' ] [ WITH TIME ZONE ]
//! args  := numbers of a parametric type | types of ARRAY and MAP | [name] type of ROW
//! ```
//!
//! What Arrow has no type for is in the field's metadata: `varchar(n)`, `char(n)` and sketches.

use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};

use super::error::TrinoFailure;
use super::opaque::{BING_TILE, IP_ADDRESS, JSON, UUID};
use super::types::field_type_name;
use super::zoned_time;

/// Metadata key under which a field keeps the Presto type that Arrow's type does not tell.
pub const PRESTO_TYPE: &str = "presto.type";
/// The longest `char`.
const MAX_CHAR_LENGTH: usize = 65_536;

/// Types that Trino has and we do not.
const REFUSED: [&str; 7] = [
    "p4hyperloglog",
    "setdigest",
    "geometry",
    "sphericalgeography",
    "kdbtree",
    "color",
    "function",
];

/// Types of sketches; their values are bytes.
const SKETCHES: [&str; 5] = [
    "HyperLogLog",
    "tdigest",
    "qdigest(bigint)",
    "qdigest(double)",
    "qdigest(real)",
];

/// Returns which sketches the field holds, if it does.
#[must_use]
pub fn sketch(field: &Field) -> Option<&'static str> {
    let name = field.metadata().get(PRESTO_TYPE)?;
    SKETCHES.into_iter().find(|known| known == name)
}

/// Returns whether the field holds JSON text.
#[must_use]
pub fn is_json(field: &Field) -> bool {
    *field.data_type() == JSON
}

/// The declared length of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextLength {
    /// `varchar`.
    Unbounded,
    /// `varchar(n)`.
    Varchar(usize),
    /// `char(n)`.
    Char(usize),
}

/// Returns the length a text field was declared with.
#[must_use]
pub fn text_length(field: &Field) -> TextLength {
    let Some(name) = field.metadata().get(PRESTO_TYPE) else {
        return TextLength::Unbounded;
    };
    let number = |prefix: &str| {
        let digits = name.strip_prefix(prefix)?.strip_suffix(')')?;
        digits.parse::<usize>().ok()
    };
    if let Some(length) = number("varchar(") {
        return TextLength::Varchar(length);
    }
    number("char(").map_or(TextLength::Unbounded, TextLength::Char)
}

fn with(name: &str, data_type: DataType, key: &str, value: &str) -> Field {
    let metadata = HashMap::from([(key.to_owned(), value.to_owned())]);
    Field::new(name, data_type, true).with_metadata(metadata)
}

/// Returns the type that `text` names, as a nullable field; `zone` is that of `timestamp with time zone`.
///
/// # Errors
/// `TYPE_NOT_FOUND` for names and parameters there is no type for, `NOT_SUPPORTED` for types of Trino that we do
/// not have, `INVALID_FUNCTION_ARGUMENT` for a decimal out of range.
pub fn parse_type(text: &str, zone: &str) -> Result<Field, TrinoFailure> {
    let mut parser = TypeParser {
        text,
        zone,
        tokens: tokenize(text)?,
        at: 0,
    };
    let field = parser.one_type("item")?;
    if parser.at < parser.tokens.len() {
        return Err(parser.unknown());
    }
    Ok(field)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TypeToken {
    Word(String),
    Quoted(String),
    Sign(char),
}

fn tokenize(text: &str) -> Result<Vec<TypeToken>, TrinoFailure> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => tokens.push(TypeToken::Quoted(quoted(&mut chars))),
            '(' | ')' | '<' | '>' | ',' | ':' => tokens.push(TypeToken::Sign(c)),
            c if c.is_whitespace() => {}
            c if c.is_alphanumeric() || c == '_' || c == '$' => {
                let mut word = String::from(c);
                while let Some(next) =
                    chars.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
                {
                    word.push(next);
                }
                tokens.push(TypeToken::Word(word));
            }
            _ => {
                return Err(TrinoFailure::new(
                    "TYPE_NOT_FOUND",
                    format!("Unknown type: {text}"),
                ));
            }
        }
    }
    Ok(tokens)
}

fn quoted(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut name = String::new();
    while let Some(c) = chars.next() {
        if c == '"' && chars.next_if_eq(&'"').is_none() {
            break;
        }
        name.push(c);
    }
    name
}

struct TypeParser<'a> {
    text: &'a str,
    zone: &'a str,
    tokens: Vec<TypeToken>,
    at: usize,
}

impl TypeParser<'_> {
    fn unknown(&self) -> TrinoFailure {
        let text = self.text.to_lowercase();
        TrinoFailure::new("TYPE_NOT_FOUND", format!("Unknown type: {text}"))
    }

    fn word_at(&self, position: usize) -> Option<String> {
        match self.tokens.get(position) {
            Some(TypeToken::Word(word)) => Some(word.to_ascii_lowercase()),
            _ => None,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.word_at(self.at).as_deref() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn take_sign(&mut self, signs: &[char]) -> bool {
        let found =
            matches!(self.tokens.get(self.at), Some(TypeToken::Sign(sign)) if signs.contains(sign));
        self.at += usize::from(found);
        found
    }

    fn one_type(&mut self, name: &str) -> Result<Field, TrinoFailure> {
        let word = self.word_at(self.at).ok_or_else(|| self.unknown())?;
        self.at += 1;
        let plain = |data_type| Ok(Field::new(name, data_type, true));
        match word.as_str() {
            "boolean" | "bool" => plain(DataType::Boolean),
            "tinyint" => plain(DataType::Int8),
            "smallint" => plain(DataType::Int16),
            "integer" | "int" => plain(DataType::Int32),
            "bigint" => plain(DataType::Int64),
            "real" | "float" => plain(DataType::Float32),
            "double" => {
                self.take_word("precision");
                plain(DataType::Float64)
            }
            "decimal" | "numeric" | "dec" => plain(self.decimal()?),
            "varchar" | "string" | "text" => self.varchar(name),
            "char" | "character" => {
                if self.take_word("varying") {
                    return self.varchar(name);
                }
                self.char(name)
            }
            "varbinary" | "binary" => plain(DataType::Binary),
            "date" => plain(DataType::Date32),
            "time" => {
                let unit = self.precision()?;
                if self.time_zone()? {
                    let zoned = zoned_time::of_zone(unit, self.zone);
                    return plain(zoned.ok_or_else(|| self.unknown())?);
                }
                plain(time_type(unit))
            }
            "timestamp" => {
                let unit = self.precision()?;
                let zone = self.time_zone()?.then(|| Arc::from(self.zone));
                plain(DataType::Timestamp(unit, zone))
            }
            "interval" => plain(self.interval()?),
            "json" => plain(JSON),
            "uuid" => plain(UUID),
            "ipaddress" => plain(IP_ADDRESS),
            "bingtile" => plain(BING_TILE),
            "hyperloglog" => sketch_field(name, "HyperLogLog"),
            "tdigest" => sketch_field(name, "tdigest"),
            "qdigest" => {
                self.open()?;
                let of = field_type_name(&self.one_type("value")?);
                self.close()?;
                sketch_field(name, &format!("qdigest({of})"))
            }
            "unknown" => plain(DataType::Null),
            "array" => {
                self.open()?;
                let item = self.one_type("item")?;
                self.close()?;
                plain(DataType::List(Arc::new(item)))
            }
            "map" => {
                self.open()?;
                let key = self.one_type("key")?.with_nullable(false);
                if !self.take_sign(&[',']) {
                    return Err(self.unknown());
                }
                let value = self.one_type("value")?;
                self.close()?;
                plain(map_type(key, value))
            }
            "row" | "struct" => {
                self.open()?;
                let fields = self.row_fields()?;
                self.close()?;
                plain(DataType::Struct(Fields::from(fields)))
            }
            other if REFUSED.contains(&other) => {
                Err(TrinoFailure::new("NOT_SUPPORTED", format!("type {other}")))
            }
            _ => Err(self.unknown()),
        }
    }

    fn open(&mut self) -> Result<(), TrinoFailure> {
        if self.take_sign(&['(', '<']) {
            return Ok(());
        }
        Err(self.unknown())
    }

    fn close(&mut self) -> Result<(), TrinoFailure> {
        if self.take_sign(&[')', '>']) {
            return Ok(());
        }
        Err(self.unknown())
    }

    /// Numbers in parentheses; none without parentheses.
    fn numbers(&mut self) -> Result<Vec<u64>, TrinoFailure> {
        let mut numbers = Vec::new();
        if !self.take_sign(&['(']) {
            return Ok(numbers);
        }
        loop {
            let number = self.word_at(self.at).and_then(|word| word.parse().ok());
            numbers.push(number.ok_or_else(|| self.unknown())?);
            self.at += 1;
            if !self.take_sign(&[',']) {
                break;
            }
        }
        self.close()?;
        Ok(numbers)
    }

    fn decimal(&mut self) -> Result<DataType, TrinoFailure> {
        let (precision, scale) = match self.numbers()?.as_slice() {
            [] => (38, 0),
            [precision] => (*precision, 0),
            [precision, scale] => (*precision, *scale),
            _ => return Err(self.unknown()),
        };
        let invalid = |message| TrinoFailure::new("INVALID_FUNCTION_ARGUMENT", message);
        let (p, s) = match (u8::try_from(precision), i8::try_from(scale)) {
            (Ok(p @ 1..=38), Ok(s)) => (p, s),
            (Ok(1..=38), Err(_)) => {
                return Err(invalid(format!(
                    "DECIMAL scale must be in range [0, precision ({precision})]: {scale}"
                )));
            }
            _ => {
                return Err(invalid(format!(
                    "DECIMAL precision must be in range [1, 38]: {precision}"
                )));
            }
        };
        if s.unsigned_abs() > p {
            return Err(invalid(format!(
                "DECIMAL scale must be in range [0, precision ({p})]: {s}"
            )));
        }
        Ok(DataType::Decimal128(p, s))
    }

    fn varchar(&mut self, name: &str) -> Result<Field, TrinoFailure> {
        match self.numbers()?.as_slice() {
            [] => Ok(Field::new(name, DataType::Utf8, true)),
            [length] if *length < 2_147_483_647 => {
                let shown = format!("varchar({length})");
                Ok(with(name, DataType::Utf8, PRESTO_TYPE, &shown))
            }
            [2_147_483_647] => Ok(Field::new(name, DataType::Utf8, true)),
            _ => Err(self.unknown()),
        }
    }

    fn char(&mut self, name: &str) -> Result<Field, TrinoFailure> {
        let length = match self.numbers()?.as_slice() {
            [] => 1,
            [length] => usize::try_from(*length).unwrap_or(usize::MAX),
            _ => return Err(self.unknown()),
        };
        if length > MAX_CHAR_LENGTH {
            return Err(self.unknown());
        }
        let shown = format!("char({length})");
        Ok(with(name, DataType::Utf8, PRESTO_TYPE, &shown))
    }

    /// The precision of a time; three digits if none is written.
    fn precision(&mut self) -> Result<TimeUnit, TrinoFailure> {
        match self.numbers()?.as_slice() {
            [] => Ok(TimeUnit::Millisecond),
            [digits @ 0..=12] => unit_of_digits(usize::try_from(*digits).unwrap_or(12)),
            _ => Err(self.unknown()),
        }
    }

    fn time_zone(&mut self) -> Result<bool, TrinoFailure> {
        let with = self.take_word("with");
        if with || self.take_word("without") {
            if !(self.take_word("time") && self.take_word("zone")) {
                return Err(self.unknown());
            }
            return Ok(with);
        }
        Ok(false)
    }

    fn interval(&mut self) -> Result<DataType, TrinoFailure> {
        let unit = if self.take_word("year") {
            IntervalUnit::YearMonth
        } else if self.take_word("day") {
            IntervalUnit::MonthDayNano
        } else {
            return Err(self.unknown());
        };
        let last = match unit {
            IntervalUnit::YearMonth => "month",
            _ => "second",
        };
        if !(self.take_word("to") && self.take_word(last)) {
            return Err(self.unknown());
        }
        Ok(DataType::Interval(unit))
    }

    fn row_fields(&mut self) -> Result<Vec<Field>, TrinoFailure> {
        let mut fields = Vec::new();
        loop {
            let name = self.field_name();
            let name = name.unwrap_or_else(|| anonymous(fields.len()));
            fields.push(self.one_type(&name)?);
            if !self.take_sign(&[',']) {
                return Ok(fields);
            }
        }
    }

    /// The name before a field's type; none for a field that has a type only.
    fn field_name(&mut self) -> Option<String> {
        let name = match self.tokens.get(self.at)? {
            TypeToken::Quoted(name) => name.clone(),
            TypeToken::Word(word) => {
                let first = word.to_ascii_lowercase();
                match self.tokens.get(self.at + 1) {
                    Some(TypeToken::Word(second)) => {
                        let second = second.to_ascii_lowercase();
                        if is_one_type(&first, &second) {
                            return None;
                        }
                    }
                    Some(TypeToken::Sign(':')) => self.at += 1,
                    _ => return None,
                }
                first
            }
            TypeToken::Sign(_) => return None,
        };
        self.at += 1;
        Some(name)
    }
}

fn sketch_field(name: &str, shown: &str) -> Result<Field, TrinoFailure> {
    if !SKETCHES.contains(&shown) {
        return Err(TrinoFailure::new("NOT_SUPPORTED", format!("type {shown}")));
    }
    Ok(with(name, DataType::Binary, PRESTO_TYPE, shown))
}

/// Returns whether the two words belong to one type's name.
fn is_one_type(first: &str, second: &str) -> bool {
    matches!(
        (first, second),
        ("double", "precision")
            | ("char" | "character", "varying")
            | ("interval", "year" | "day")
            | ("timestamp" | "time", "with" | "without")
    )
}

/// Returns the name that the field at this position has if none is written.
#[must_use]
pub fn anonymous(position: usize) -> String {
    format!("c{position}")
}

/// Returns the type of maps between these fields.
#[must_use]
pub fn map_type(key: Field, value: Field) -> DataType {
    let entries = DataType::Struct(Fields::from(vec![key, value]));
    DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
}

/// Returns the coarsest unit that holds so many fraction digits.
///
/// # Errors
/// `NOT_SUPPORTED` for more than nine.
pub fn unit_of_digits(digits: usize) -> Result<TimeUnit, TrinoFailure> {
    Ok(match digits {
        0 => TimeUnit::Second,
        1..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        7..=9 => TimeUnit::Nanosecond,
        _ => {
            return Err(TrinoFailure::new(
                "NOT_SUPPORTED",
                format!("time precision {digits}: at most 9 digits are kept"),
            ));
        }
    })
}

/// Returns the type of times of day in this unit.
#[must_use]
pub fn time_type(unit: TimeUnit) -> DataType {
    match unit {
        TimeUnit::Second | TimeUnit::Millisecond => DataType::Time32(unit),
        TimeUnit::Microsecond | TimeUnit::Nanosecond => DataType::Time64(unit),
    }
}

#[cfg(test)]
mod tests;
