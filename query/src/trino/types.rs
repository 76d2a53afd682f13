//! How a column looks to clients: beyond the Arrow type, what its field's metadata says.

use arrow::datatypes::{DataType, Field};

use crate::presto::type_parser::{PRESTO_TYPE, sketch};

/// A type that the Arrow type alone does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// `varchar(n)`.
    Varchar(i64),
    /// `char(n)`; values are padded.
    Char(i64),
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
        let found = Self::parse(metadata.get(PRESTO_TYPE)?)?;
        Self::is_of(field.data_type()).then_some(found)
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, length) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')')?.trim().parse().ok()),
            None => (text, None),
        };
        Some(match (name.trim().to_ascii_lowercase().as_str(), length) {
            ("varchar", Some(length)) => Self::Varchar(length),
            ("char", length) => Self::Char(length.unwrap_or(1)),
            _ => return None,
        })
    }

    fn is_of(data_type: &DataType) -> bool {
        let data_type = match data_type {
            DataType::Dictionary(_, value) => value.as_ref(),
            other => other,
        };
        matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        )
    }
}
