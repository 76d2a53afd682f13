//! How a column looks to clients: beyond the Arrow type, what its field's metadata says.

use arrow::datatypes::{DataType, Field};

use crate::presto::type_parser::{PRESTO_TYPE, sketch};

const EXTENSION_KEY: &str = "ARROW:extension:name";

/// A type that the Arrow type alone does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// `varchar(n)`.
    Varchar(i64),
    /// `char(n)`; values are padded.
    Char(i64),
    /// JSON text.
    Json,
    /// Sixteen bytes, or their text.
    Uuid,
    /// Sixteen bytes, IPv4 mapped into IPv6, or their text.
    IpAddress,
    /// A sketch; clients get its bytes.
    Sketch(&'static str),
}

impl Special {
    /// Returns what the metadata says, if it fits the Arrow type.
    pub(super) fn of(field: &Field) -> Option<Self> {
        if let Some(name) = sketch(field) {
            return Some(Self::Sketch(name));
        }
        let metadata = field.metadata();
        let found = match metadata.get(PRESTO_TYPE) {
            Some(text) => Self::parse(text)?,
            None => match metadata.get(EXTENSION_KEY)?.as_str() {
                "arrow.json" => Self::Json,
                "arrow.uuid" => Self::Uuid,
                _ => return None,
            },
        };
        found.fits(field.data_type()).then_some(found)
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, length) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')')?.trim().parse().ok()),
            None => (text, None),
        };
        Some(match (name.trim().to_ascii_lowercase().as_str(), length) {
            ("varchar", Some(length)) => Self::Varchar(length),
            ("char", length) => Self::Char(length.unwrap_or(1)),
            ("json", None) => Self::Json,
            ("uuid", None) => Self::Uuid,
            ("ipaddress", None) => Self::IpAddress,
            _ => return None,
        })
    }

    fn fits(self, data_type: &DataType) -> bool {
        let data_type = match data_type {
            DataType::Dictionary(_, value) => value.as_ref(),
            other => other,
        };
        let is_text = matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        match self {
            Self::Uuid | Self::IpAddress => is_text || *data_type == DataType::FixedSizeBinary(16),
            _ => is_text,
        }
    }
}
