//! Values as text: Java's `Formatter`, numbers with a unit.

mod data_size;
mod digits;
mod values;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};

use self::digits::{fixed, fixed_decimal, grouped, scientific, with_unit};
use self::values::{Column, Moment, Value};
use super::call::{Call, Double, Long, Memo, Text, failure, invalid};
use super::scalar::Entry;
use crate::presto::numbers::java_double;
use crate::presto::zoned_time::offset_text;

/// The functions of this room.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("format", format).returning(|planned| {
        if planned.types.first() != Some(&DataType::Utf8) {
            return Err(failure(
                "TYPE_MISMATCH",
                "Type of first argument to format() must be VARCHAR",
            ));
        }
        Ok(DataType::Utf8)
    }),
    Entry::new("format_number", format_number),
    Entry::new("parse_data_size", data_size::parse_data_size)
        .returning(|_| Ok(DataType::Decimal128(38, 0))),
    Entry::new("parse_presto_data_size", data_size::parse_data_size)
        .returning(|_| Ok(DataType::Decimal128(38, 0))),
];

/// A part of a format.
enum Part {
    Text(String),
    Value(Directive),
}

/// `%[index$][flags][width][.precision]conversion`
#[derive(Debug, Clone)]
struct Directive {
    text: String,
    argument: usize,
    flags: String,
    width: usize,
    precision: Option<usize>,
    conversion: char,
    /// The letter after `t`.
    suffix: Option<char>,
}

fn bad(format: &str, what: &str) -> DataFusionError {
    invalid(format!("Invalid format string: {format} ({what})"))
}

fn compile(format: &str) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let (mut ordinary, mut last) = (0, 0);
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        plain.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        let spec = Spec::read(rest)
            .ok_or_else(|| bad(format, "UnknownFormatConversion: Conversion = '%'"))?;
        let text = format!("%{}", rest.get(..spec.length).unwrap_or_default());
        rest = rest.get(spec.length..).unwrap_or_default();
        match spec.conversion {
            '%' => {
                let padded = pad("%", spec.width, spec.flags.contains('-'));
                plain.push_str(&padded);
                continue;
            }
            'n' => {
                plain.push('\n');
                continue;
            }
            'b' | 'B' | 'h' | 'H' | 's' | 'S' | 'c' | 'C' | 'd' | 'o' | 'x' | 'X' | 'e' | 'E'
            | 'f' | 'g' | 'G' | 't' | 'T' => {}
            other => {
                let what = format!("UnknownFormatConversion: Conversion = '{other}'");
                return Err(bad(format, &what));
            }
        }
        let argument = if spec.flags.contains('<') {
            last
        } else if spec.index > 0 {
            spec.index
        } else {
            ordinary += 1;
            ordinary
        };
        last = argument;
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Value(Directive {
            text,
            argument,
            flags: spec.flags.to_owned(),
            width: spec.width,
            precision: spec.precision,
            conversion: spec.conversion,
            suffix: spec.suffix,
        }));
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

/// A directive as it is written, after its `%`.
struct Spec<'a> {
    index: usize,
    flags: &'a str,
    width: usize,
    precision: Option<usize>,
    conversion: char,
    suffix: Option<char>,
    length: usize,
}

impl<'a> Spec<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let number = |from: usize| -> Option<(usize, usize)> {
            let digits = text.get(from..)?.bytes().take_while(u8::is_ascii_digit);
            let end = from + digits.count();
            Some((text.get(from..end)?.parse().unwrap_or(0), end))
        };
        let mut at = 0;
        let mut index = 0;
        let (leading, end) = number(0)?;
        if leading > 0 && text.get(end..)?.starts_with('$') {
            (index, at) = (leading, end + 1);
        }
        let flags_end = at
            + text
                .get(at..)?
                .bytes()
                .take_while(|b| b"-#+ 0,(<".contains(b))
                .count();
        let flags = text.get(at..flags_end)?;
        let (width, end) = number(flags_end)?;
        at = end;
        let mut precision = None;
        if text.get(at..)?.starts_with('.') {
            let (digits, end) = number(at + 1)?;
            (precision, at) = (Some(digits), end);
        }
        let mut letters = text.get(at..)?.chars();
        let conversion = letters.next()?;
        at += conversion.len_utf8();
        let suffix = match conversion {
            't' | 'T' => Some(letters.next()?),
            _ => None,
        };
        at += suffix.map_or(0, char::len_utf8);
        Some(Self {
            index,
            flags,
            width,
            precision,
            conversion,
            suffix,
            length: at,
        })
    }
}

fn pad(text: &str, width: usize, to_the_left: bool) -> String {
    let missing = " ".repeat(width.saturating_sub(text.chars().count()));
    if to_the_left {
        format!("{text}{missing}")
    } else {
        format!("{missing}{text}")
    }
}

/// `format(format, value…)`.
fn format(call: &Call) -> Result<ArrayRef> {
    if call.len() < 2 {
        let message = "The 'format' function must have at least two arguments";
        return Err(failure("SYNTAX_ERROR", message));
    }
    let columns: Result<Vec<Column>> = (1..call.len())
        .map(|position| Column::of(call, position))
        .collect();
    let columns = columns?;
    let mut formats = Memo::new();
    call.build_text(|row, out| {
        let Some(format) = call.get::<Text>(0, row) else {
            return Ok(false);
        };
        for part in formats.get(format, compile)? {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value(directive) => {
                    let column = directive
                        .argument
                        .checked_sub(1)
                        .and_then(|at| columns.get(at));
                    let column = column.ok_or_else(|| {
                        let specifier = &directive.text;
                        let what = format!("MissingFormatArgument: Format specifier '{specifier}'");
                        bad(format, &what)
                    })?;
                    let value = column.value(call, directive.argument, row)?;
                    let text = directive.write(value).map_err(|what| bad(format, &what))?;
                    out.push_str(&text);
                }
            }
        }
        Ok(true)
    })
}

impl Directive {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    fn write(&self, value: Value) -> Result<String, String> {
        let conversion = self.conversion.to_ascii_lowercase();
        let value = match conversion {
            'e' | 'f' | 'g' => value.widened(),
            _ => value,
        };
        let text = match (conversion, &value) {
            ('b', Value::Null) => "false".to_owned(),
            ('b', Value::Boolean(value)) => value.to_string(),
            ('b', _) => "true".to_owned(),
            ('s', _) => {
                let text = value.text();
                match self.precision {
                    Some(most) => text.chars().take(most).collect(),
                    None => text,
                }
            }
            (_, Value::Null) => "null".to_owned(),
            ('h', _) => format!("{:x}", value.hash()),
            ('c', Value::Integer(code)) => match u32::try_from(*code).ok().and_then(char::from_u32)
            {
                Some(c) => c.to_string(),
                None => return Err(format!("IllegalFormatCodePoint: Code point = 0x{code:x}")),
            },
            ('d', Value::Integer(number)) => {
                return Ok(self.number(*number < 0, number.unsigned_abs().to_string()));
            }
            ('x', Value::Integer(number)) => return Ok(self.radix(format!("{number:x}"), "0x")),
            ('o', Value::Integer(number)) => return Ok(self.radix(format!("{number:o}"), "0")),
            ('e' | 'f' | 'g', Value::Double(number)) if !number.is_finite() => {
                pad(&java_double(*number), self.width, self.has('-'))
            }
            ('f', Value::Double(number)) => {
                let digits = fixed(number.abs(), self.precision.unwrap_or(6));
                return Ok(self.number(number.is_sign_negative(), digits));
            }
            ('f', Value::Decimal(number, scale)) => {
                let digits =
                    fixed_decimal(number.unsigned_abs(), *scale, self.precision.unwrap_or(6));
                return Ok(self.number(*number < 0, digits));
            }
            ('e', Value::Double(_) | Value::Decimal(..)) => {
                let number: f64 = value.text().parse().unwrap_or(0.0);
                let digits = scientific(number.abs(), self.precision.unwrap_or(6));
                return Ok(self.cased(self.number(number < 0.0, digits)));
            }
            ('g', Value::Double(_) | Value::Decimal(..)) => {
                let number: f64 = value.text().parse().unwrap_or(0.0);
                let precision = self.precision.unwrap_or(6).max(1);
                let size = number.abs();
                let digits = if size == 0.0
                    || (1e-4..10_f64.powi(i32::try_from(precision).unwrap_or(6))).contains(&size)
                {
                    let whole = if size == 0.0 {
                        1
                    } else {
                        size.log10().floor() as i64 + 1
                    };
                    let fraction = i64::try_from(precision).unwrap_or(6) - whole;
                    fixed(size, usize::try_from(fraction).unwrap_or(0))
                } else {
                    scientific(size, precision - 1)
                };
                return Ok(self.cased(self.number(number < 0.0, digits)));
            }
            ('t', Value::Moment(moment)) => match self.time(moment)? {
                Some(text) => text,
                None => return Err(self.illegal(&value)),
            },
            _ => return Err(self.illegal(&value)),
        };
        Ok(self.cased(pad(&text, self.width, self.has('-'))))
    }

    fn cased(&self, text: String) -> String {
        if self.conversion.is_ascii_uppercase() {
            text.to_uppercase()
        } else {
            text
        }
    }

    /// Puts sign, separators and padding around digits.
    fn number(&self, is_negative: bool, digits: String) -> String {
        let digits = if self.has(',') {
            grouped(&digits)
        } else {
            digits
        };
        let (before, after) = match is_negative {
            true if self.has('(') => ("(", ")"),
            true => ("-", ""),
            false if self.has('+') => ("+", ""),
            false if self.has(' ') => (" ", ""),
            false => ("", ""),
        };
        let zeros = if self.has('0') {
            self.width
                .saturating_sub(before.len() + digits.len() + after.len())
        } else {
            0
        };
        let text = format!("{before}{}{digits}{after}", "0".repeat(zeros));
        pad(&text, self.width, self.has('-'))
    }

    fn radix(&self, digits: String, prefix: &str) -> String {
        let prefix = if self.has('#') { prefix } else { "" };
        let zeros = if self.has('0') {
            self.width.saturating_sub(prefix.len() + digits.len())
        } else {
            0
        };
        let text = format!("{prefix}{}{digits}", "0".repeat(zeros));
        self.cased(pad(&text, self.width, self.has('-')))
    }

    fn illegal(&self, value: &Value) -> String {
        let letter = self.suffix.unwrap_or(self.conversion);
        format!("IllegalFormatConversion: {letter} != {}", value.class())
    }

    /// Returns a part of a moment, none if it has no such part.
    fn time(&self, moment: &Moment) -> Result<Option<String>, String> {
        let suffix = self.suffix.unwrap_or(' ');
        let is_of_clock = "HIklMSLNpRTr".contains(suffix);
        let is_of_zone = "zsQ".contains(suffix);
        let is_of_day = !is_of_clock && !is_of_zone;
        if (moment.is_date() && is_of_clock) || (moment.is_time() && is_of_day) {
            return Ok(None);
        }
        if is_of_zone {
            return Ok(moment.offset.map(|offset| {
                let instant = moment.local.and_utc().timestamp_millis() - i64::from(offset) * 1000;
                match suffix {
                    'z' => offset_text(offset).replace(':', ""),
                    's' => instant.div_euclid(1000).to_string(),
                    _ => instant.to_string(),
                }
            }));
        }
        let code = match suffix {
            'Y' => "%Y",
            'y' => "%y",
            'C' => "%C",
            'm' => "%m",
            'd' => "%d",
            'e' => "%-d",
            'B' => "%B",
            'b' | 'h' => "%b",
            'A' => "%A",
            'a' => "%a",
            'j' => "%j",
            'H' => "%H",
            'I' => "%I",
            'k' => "%-H",
            'l' => "%-I",
            'M' => "%M",
            'S' => "%S",
            'L' => "%3f",
            'N' => "%9f",
            'p' => "%P",
            'R' => "%H:%M",
            'T' => "%H:%M:%S",
            'r' => "%I:%M:%S %p",
            'D' => "%m/%d/%y",
            'F' => "%Y-%m-%d",
            _ => return Err(format!("UnknownFormatConversion: Conversion = 't{suffix}'")),
        };
        Ok(Some(moment.local.format(code).to_string()))
    }
}

/// `format_number(x)`: `1.23K`.
fn format_number(call: &Call) -> Result<ArrayRef> {
    let is_double = call.data_type(0) == DataType::Float64;
    call.build_text(|row, out| {
        let number = if is_double {
            call.get::<Double>(0, row).map(|x| x as i64)
        } else {
            call.get::<Long>(0, row)
        };
        let Some(number) = number else {
            return Ok(false);
        };
        with_unit(number, out);
        Ok(true)
    })
}
