//! Which overload of a function takes which arguments, and what it returns.
//!
//! The catalogue writes types as Trino's `SHOW FUNCTIONS` does; a [`Kind`] is such a type without its parameters.

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};

use crate::presto::opaque::{BING_TILE, IP_ADDRESS, JSON, UUID};
use crate::presto::type_parser::PRESTO_TYPE;
use crate::presto::zoned_time::{is_zoned_time, of_offset};

/// A Trino type without its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Unknown,
    Boolean,
    Tinyint,
    Smallint,
    Integer,
    Bigint,
    Real,
    Double,
    Decimal,
    Varchar,
    Varbinary,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    IntervalDay,
    IntervalYear,
    Json,
    Uuid,
    IpAddress,
    Geometry,
    SphericalGeography,
    BingTile,
    HyperLogLog,
    TDigest,
    QDigestOfBigint,
    QDigestOfDouble,
    QDigestOfReal,
    Array,
    Map,
    Row,
}

/// Kinds that Arrow knows nothing like, by the type's name in the field's metadata.
const NAMED: [(Kind, &str); 7] = [
    (Kind::Geometry, "Geometry"),
    (Kind::SphericalGeography, "SphericalGeography"),
    (Kind::HyperLogLog, "HyperLogLog"),
    (Kind::TDigest, "tdigest"),
    (Kind::QDigestOfBigint, "qdigest(bigint)"),
    (Kind::QDigestOfDouble, "qdigest(double)"),
    (Kind::QDigestOfReal, "qdigest(real)"),
];

impl Kind {
    /// Returns the kind that a catalogue writes so; `None` is a type that the engine has not.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some((kind, _)) = NAMED.iter().find(|(_, own)| text.eq_ignore_ascii_case(own)) {
            return Some(*kind);
        }
        let (base, zone) = match text.strip_suffix(" with time zone") {
            Some(base) => (base, true),
            None => (text, false),
        };
        let base = base.split('(').next().unwrap_or(base);
        Some(match (base, zone) {
            ("boolean", _) => Self::Boolean,
            ("tinyint", _) => Self::Tinyint,
            ("smallint", _) => Self::Smallint,
            ("integer", _) => Self::Integer,
            ("bigint", _) => Self::Bigint,
            ("real", _) => Self::Real,
            ("double", _) => Self::Double,
            ("decimal", _) => Self::Decimal,
            ("varchar" | "joniregexp" | "jsonpath" | "codepoints", _) => Self::Varchar,
            ("varbinary", _) => Self::Varbinary,
            ("date", _) => Self::Date,
            ("time", false) => Self::Time,
            ("time", true) => Self::TimeTz,
            ("timestamp", false) => Self::Timestamp,
            ("timestamp", true) => Self::TimestampTz,
            ("interval day to second", _) => Self::IntervalDay,
            ("interval year to month", _) => Self::IntervalYear,
            ("json", _) => Self::Json,
            ("uuid", _) => Self::Uuid,
            ("ipaddress", _) => Self::IpAddress,
            ("bingtile", _) => Self::BingTile,
            ("array", _) => Self::Array,
            ("map", _) => Self::Map,
            ("row", _) => Self::Row,
            ("E" | "T" | "t", _) => Self::Any,
            _ => return None,
        })
    }

    /// Returns the kind of an argument.
    pub(super) fn of(field: &Field) -> Self {
        let name = field.metadata().get(PRESTO_TYPE);
        let named = NAMED
            .iter()
            .find(|(_, own)| name.is_some_and(|name| name == own));
        named.map_or_else(|| Self::of_type(field.data_type()), |(kind, _)| *kind)
    }

    fn of_type(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Self::Unknown,
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Tinyint,
            DataType::Int16 | DataType::UInt8 => Self::Smallint,
            DataType::Int32 | DataType::UInt16 => Self::Integer,
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Self::Bigint,
            DataType::Float16 | DataType::Float32 => Self::Real,
            DataType::Float64 => Self::Double,
            DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Self::Decimal,
            json if *json == JSON => Self::Json,
            DataType::Utf8 | DataType::Utf8View => Self::Varchar,
            opaque if *opaque == UUID => Self::Uuid,
            opaque if *opaque == IP_ADDRESS => Self::IpAddress,
            opaque if *opaque == BING_TILE => Self::BingTile,
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::Varbinary,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Time32(_) | DataType::Time64(_) => Self::Time,
            zoned if is_zoned_time(zoned) => Self::TimeTz,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Interval(IntervalUnit::YearMonth) => Self::IntervalYear,
            DataType::Interval(_) | DataType::Duration(_) => Self::IntervalDay,
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::ListView(_) => Self::Array,
            DataType::Map(..) => Self::Map,
            DataType::Struct(_) => Self::Row,
            DataType::Dictionary(_, value) => Self::of_type(value),
            DataType::RunEndEncoded(_, value) => Self::of_type(value.data_type()),
            _ => Self::Any,
        }
    }

    /// Returns how far the kind is from `wanted`; `None` if it does not become that.
    pub(super) fn distance(self, wanted: Self) -> Option<u32> {
        use Kind::{
            Any, Bigint, Date, Decimal, Double, Geometry, Integer, Real, Smallint,
            SphericalGeography, Timestamp, TimestampTz, Tinyint, Unknown, Varchar,
        };
        const NUMBERS: [Kind; 7] = [Tinyint, Smallint, Integer, Bigint, Decimal, Real, Double];
        if self == wanted {
            return Some(0);
        }
        let rank = |kind: Self| NUMBERS.iter().position(|known| *known == kind);
        match (self, wanted) {
            (_, Any) => Some(20),
            (Unknown, _) => Some(1),
            (Date, Timestamp) | (Timestamp, TimestampTz) => Some(1),
            (Date, TimestampTz) => Some(2),
            // What a field says of its type may be lost on the way through an operator.
            (Varchar, Geometry | SphericalGeography)
            | (Geometry | SphericalGeography, Varchar)
            | (Geometry, SphericalGeography) => Some(10),
            _ => {
                let (from, to) = (rank(self)?, rank(wanted)?);
                (from < to).then(|| u32::try_from(to - from).unwrap_or(u32::MAX))
            }
        }
    }

    /// Returns the Arrow type that functions read this kind as.
    pub(super) fn canonical(self, actual: &DataType, zone: &str) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Tinyint => DataType::Int8,
            Self::Smallint => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::Bigint => DataType::Int64,
            Self::Real => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal => match actual {
                DataType::Decimal128(..) => actual.clone(),
                DataType::Decimal32(p, s)
                | DataType::Decimal64(p, s)
                | DataType::Decimal256(p, s) => DataType::Decimal128((*p).min(38), *s),
                DataType::Int8 => DataType::Decimal128(3, 0),
                DataType::Int16 | DataType::UInt8 => DataType::Decimal128(5, 0),
                DataType::Int32 | DataType::UInt16 => DataType::Decimal128(10, 0),
                _ => DataType::Decimal128(19, 0),
            },
            Self::Varchar | Self::Json | Self::Geometry | Self::SphericalGeography => {
                DataType::Utf8
            }
            Self::Varbinary
            | Self::HyperLogLog
            | Self::TDigest
            | Self::QDigestOfBigint
            | Self::QDigestOfDouble
            | Self::QDigestOfReal => DataType::Binary,
            Self::Uuid => UUID,
            Self::IpAddress => IP_ADDRESS,
            Self::BingTile => BING_TILE,
            Self::Date => DataType::Date32,
            Self::Timestamp => match actual {
                DataType::Timestamp(unit, _) => DataType::Timestamp(*unit, None),
                _ => DataType::Timestamp(TimeUnit::Millisecond, None),
            },
            Self::TimestampTz => match actual {
                DataType::Timestamp(_, Some(_)) => actual.clone(),
                DataType::Timestamp(unit, None) => DataType::Timestamp(*unit, Some(zone.into())),
                _ => DataType::Timestamp(TimeUnit::Millisecond, Some(zone.into())),
            },
            Self::Time if *actual == DataType::Null => DataType::Time32(TimeUnit::Millisecond),
            Self::TimeTz if *actual == DataType::Null => of_offset(TimeUnit::Millisecond, 0),
            Self::IntervalYear => DataType::Interval(IntervalUnit::YearMonth),
            Self::IntervalDay => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::Array => match actual {
                DataType::LargeList(item)
                | DataType::FixedSizeList(item, _)
                | DataType::ListView(item) => DataType::List(FieldRef::clone(item)),
                other => plain(other),
            },
            _ => plain(actual),
        }
    }

    /// Returns the result's field.
    pub(super) fn result_field(self, name: &str, data_type: DataType) -> Field {
        let field = Field::new(name, data_type, true);
        match NAMED.iter().find(|(kind, _)| *kind == self) {
            Some((_, own)) => {
                field.with_metadata([(PRESTO_TYPE.to_owned(), (*own).to_owned())].into())
            }
            None => field,
        }
    }
}

/// Returns the type without an encoding.
pub(super) fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => plain(value),
        DataType::RunEndEncoded(_, value) => plain(value.data_type()),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        other => other.clone(),
    }
}
