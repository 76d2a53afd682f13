//! `date_format` and `date_parse`: MySQL's codes.

use arrow::array::ArrayRef;
use datafusion::error::Result;

use super::moments::{Moments, as_type, build, scaled};
use super::pattern::{Item, joined, parse, print};
use crate::presto::functions::call::{Call, Memo, Text, invalid};

fn compile(format: &str) -> Result<Vec<Item>> {
    let literal = |text: &str| Item::Literal(text.to_owned());
    let mut items = Vec::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            items.push(Item::Literal(c.to_string()));
            continue;
        }
        let Some(code) = rest.next() else {
            break;
        };
        match code {
            'a' => items.push(Item::DayShort),
            'b' => items.push(Item::MonthShort),
            'c' => items.push(Item::Month(1)),
            'd' => items.push(Item::Day(2)),
            'e' => items.push(Item::Day(1)),
            'f' => items.push(Item::Fraction(6, true)),
            'H' => items.push(Item::Hour24(2)),
            'h' | 'I' => items.push(Item::ClockHour12(2)),
            'i' => items.push(Item::Minute(2)),
            'j' => items.push(Item::DayOfYear(3)),
            'k' => items.push(Item::Hour24(1)),
            'l' => items.push(Item::ClockHour12(1)),
            'M' => items.push(Item::MonthLong),
            'm' => items.push(Item::Month(2)),
            'p' => items.push(Item::HalfDay),
            'r' => items.extend([
                Item::ClockHour12(2),
                literal(":"),
                Item::Minute(2),
                literal(":"),
                Item::Second(2),
                literal(" "),
                Item::HalfDay,
            ]),
            'S' | 's' => items.push(Item::Second(2)),
            'T' => items.extend([
                Item::Hour24(2),
                literal(":"),
                Item::Minute(2),
                literal(":"),
                Item::Second(2),
            ]),
            'v' => items.push(Item::Week(2)),
            'W' => items.push(Item::DayLong),
            'x' => items.push(Item::WeekYear(4)),
            'Y' => items.push(Item::Year(4)),
            'y' => items.push(Item::TwoDigitYear),
            'w' | 'U' | 'u' | 'V' | 'X' | 'D' => {
                let message = format!("%{code} not supported in date format string");
                return Err(invalid(message));
            }
            other => items.push(Item::Literal(other.to_string())),
        }
    }
    Ok(joined(items))
}

/// `date_format(x, format)`.
pub(super) fn date_format(call: &Call) -> Result<ArrayRef> {
    let moments = Moments::of(call, 0)?;
    let mut formats = Memo::new();
    call.build_text(|row, out| {
        let (Some(time), Some(format)) = (moments.local(row)?, call.get::<Text>(1, row)) else {
            return Ok(false);
        };
        print(out, formats.get(format, compile)?, time, ("UTC", 0))?;
        Ok(true)
    })
}

/// `date_parse(text, format)`.
pub(super) fn date_parse(call: &Call) -> Result<ArrayRef> {
    let mut formats = Memo::new();
    let result = build(call.rows, |row| {
        let (Some(text), Some(format)) = (call.get::<Text>(0, row), call.get::<Text>(1, row))
        else {
            return Ok(None);
        };
        let (time, _) = parse(text, formats.get(format, compile)?)?;
        scaled(time, 1_000).map(Some)
    })?;
    as_type(result, &call.returns)
}
