//! Values of SQL types inside paths: literals, parameters and what is computed.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::rc::Rc;

use datafusion::common::ScalarValue;

use super::super::scan::{quote, write_double};
use super::json::Json;
use crate::presto::numbers::{decimal_text, java_real};

/// A value of an SQL type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Datum<'a> {
    /// A boolean.
    Boolean(bool),
    /// A tinyint, smallint, integer or bigint.
    Integer {
        /// The number.
        value: i64,
        /// The type.
        width: Width,
    },
    /// A decimal.
    Decimal {
        /// The digits without their point.
        value: i128,
        /// How many digits the type has.
        precision: u8,
        /// How many of them are behind the point.
        scale: u8,
    },
    /// A double.
    Double(f64),
    /// A real.
    Real(f32),
    /// A varchar or char.
    Text {
        /// The text.
        text: Cow<'a, str>,
        /// The type.
        kind: TextKind,
    },
    /// A date, a time or a timestamp.
    Moment(Rc<Moment>),
}

/// The types of whole numbers, the smaller first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    /// `tinyint`
    Tiny,
    /// `smallint`
    Small,
    /// `integer`
    Plain,
    /// `bigint`
    Big,
}

/// The types of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    /// `varchar`
    Varchar,
    /// `varchar(n)`
    VarcharOf(usize),
    /// `char(n)`
    CharOf(usize),
}

/// A date, a time or a timestamp, as paths compare it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moment {
    /// As it came.
    pub(crate) value: ScalarValue,
    /// What it is.
    pub(crate) kind: MomentKind,
    /// Nanoseconds since 1970 or midnight, as a clock shows them.
    pub(crate) wall: i128,
    /// Nanoseconds since 1970 in UTC; a moment without a zone is one in the session's.
    pub(crate) instant: i128,
    /// The name of the type.
    pub(crate) type_name: String,
}

/// The types of moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MomentKind {
    /// `date`
    Date,
    /// `time`
    Time,
    /// `timestamp`
    Timestamp,
    /// `timestamp with time zone`
    TimestampTz,
}

/// What a path finds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item<'a> {
    /// JSON.
    Json(Json<'a>),
    /// A value of an SQL type.
    Value(Datum<'a>),
}

impl Width {
    /// Returns the type's name.
    const fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tinyint",
            Self::Small => "smallint",
            Self::Plain => "integer",
            Self::Big => "bigint",
        }
    }

    /// Returns the number as one of this type.
    pub(super) fn hold(self, value: i128) -> Option<i64> {
        let value = i64::try_from(value).ok()?;
        let fits = match self {
            Self::Tiny => i8::try_from(value).is_ok(),
            Self::Small => i16::try_from(value).is_ok(),
            Self::Plain => i32::try_from(value).is_ok(),
            Self::Big => true,
        };
        fits.then_some(value)
    }
}

impl<'a> Datum<'a> {
    /// Returns a number as an integer, or a bigint if it is too large.
    pub(super) fn integer(value: i64) -> Self {
        let width = match i32::try_from(value) {
            Ok(_) => Width::Plain,
            Err(_) => Width::Big,
        };
        Self::Integer { value, width }
    }

    /// Returns the decimal that digits with a point mean.
    pub(super) fn decimal_of(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let whole = whole.trim_start_matches('0');
        let precision = (whole.len() + fraction.len()).max(1);
        if precision > 38 {
            return None;
        }
        let value: i128 = match format!("{whole}{fraction}").as_str() {
            "" => 0,
            digits => digits.parse().ok()?,
        };
        Some(Self::Decimal {
            value: sign * value,
            precision: u8::try_from(precision).ok()?,
            scale: u8::try_from(fraction.len()).ok()?,
        })
    }

    /// Returns a text of any length.
    pub(crate) fn varchar(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text {
            text: text.into(),
            kind: TextKind::Varchar,
        }
    }

    /// Returns the number that JSON writes so; none if no type holds it.
    fn number(digits: &str) -> Option<Self> {
        if digits.contains(['.', 'e', 'E']) {
            return digits.parse().ok().map(Self::Double);
        }
        digits.parse().ok().map(Self::integer)
    }

    /// Returns the type's name.
    pub(crate) fn type_name(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Boolean(_) => "boolean",
            Self::Integer { width, .. } => width.name(),
            Self::Decimal {
                precision, scale, ..
            } => return Cow::Owned(format!("decimal({precision},{scale})")),
            Self::Double(_) => "double",
            Self::Real(_) => "real",
            Self::Text { kind, .. } => match kind {
                TextKind::Varchar => "varchar",
                TextKind::VarcharOf(length) => return Cow::Owned(format!("varchar({length})")),
                TextKind::CharOf(length) => return Cow::Owned(format!("char({length})")),
            },
            Self::Moment(moment) => &moment.type_name,
        })
    }

    pub(super) const fn is_number(&self) -> bool {
        matches!(
            self,
            Self::Integer { .. } | Self::Decimal { .. } | Self::Double(_) | Self::Real(_)
        )
    }

    /// Appends it as JSON; JSON has no moments.
    ///
    /// # Errors
    /// The name of its type.
    pub(crate) fn write_json(&self, out: &mut String) -> Result<(), String> {
        match self {
            Self::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Integer { value, .. } => {
                let _ = write!(out, "{value}");
            }
            Self::Decimal { value, scale, .. } => {
                out.push_str(&decimal_text(*value, i8::try_from(*scale).unwrap_or(0)));
            }
            Self::Double(value) => write_double(*value, out),
            Self::Real(value) if value.is_finite() => out.push_str(&java_real(*value)),
            Self::Real(value) => quote(&java_real(*value), out),
            Self::Text { text, .. } => quote(text, out),
            Self::Moment(moment) => return Err(moment.type_name.clone()),
        }
        Ok(())
    }
}

impl<'a> Item<'a> {
    /// Returns the name that messages have for what it is.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Json(json) => json.kind().to_owned(),
            Self::Value(datum) => datum.type_name().into_owned(),
        }
    }

    /// Returns the value of a scalar; none if it is no scalar, is null or has no type that holds it.
    pub(crate) fn scalar(&self) -> Option<Datum<'a>> {
        match self {
            Self::Value(datum) => Some(datum.clone()),
            Self::Json(Json::Boolean(value)) => Some(Datum::Boolean(*value)),
            Self::Json(Json::Text(text)) => Some(Datum::varchar(text.clone())),
            Self::Json(Json::Number(digits)) => Datum::number(digits),
            Self::Json(Json::Null | Json::Array(_) | Json::Object(_)) => None,
        }
    }

    /// Appends it as JSON.
    ///
    /// # Errors
    /// The name of its type, which JSON has no values for.
    pub(crate) fn write_json(&self, out: &mut String) -> Result<(), String> {
        match self {
            Self::Json(json) => json.write(out),
            Self::Value(datum) => datum.write_json(out)?,
        }
        Ok(())
    }
}
