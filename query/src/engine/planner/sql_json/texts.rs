//! Text of JSON in arguments, and in results.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::error::Result;

use super::super::casts::cast_array;
use super::super::function::{failure, is_text, value_type};
use super::is_binary;
use crate::presto::sql_json::Format;
use crate::presto::type_parser::is_json;
use crate::presto::types::field_type_name;

/// The texts of an argument.
pub(super) struct Texts {
    texts: StringArray,
    /// Bytes that are no text; empty if all are.
    broken: Vec<bool>,
}

/// The text of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text<'a> {
    Null,
    /// Bytes that are not in their encoding.
    Broken,
    Json(&'a str),
}

/// Refuses arguments that are not read as JSON.
pub(super) fn check_input(field: &Field, format: Format) -> Result<()> {
    let known = value_type(field.data_type());
    let is_plain = is_text(known) && matches!(format, Format::Sql | Format::Json);
    if known.is_null() || is_binary(known) || (is_plain && !is_json(field)) {
        return Ok(());
    }
    Err(failure(
        "TYPE_MISMATCH",
        format!(
            "Cannot read input of type {} as JSON using formatting {}",
            field_type_name(field),
            format.shown()
        ),
    ))
}

impl Texts {
    pub(super) fn read(array: &ArrayRef, format: Format) -> Result<Self> {
        if !is_binary(value_type(array.data_type())) {
            let texts = cast(array, &DataType::Utf8)?.as_string().clone();
            return Ok(Self {
                texts,
                broken: Vec::new(),
            });
        }
        let bytes = cast(array, &DataType::Binary)?;
        let bytes: &BinaryArray = bytes.as_binary();
        let mut broken = vec![false; bytes.len()];
        let texts = bytes.iter().zip(&mut broken).map(|(bytes, is_broken)| {
            let text = decode(bytes?, format);
            *is_broken = text.is_none();
            Some(text.unwrap_or_default())
        });
        Ok(Self {
            texts: texts.collect(),
            broken,
        })
    }

    pub(super) fn get(&self, row: usize) -> Text<'_> {
        if self.texts.is_null(row) {
            return Text::Null;
        }
        if self.broken.get(row) == Some(&true) {
            return Text::Broken;
        }
        Text::Json(self.texts.value(row))
    }
}

fn decode(bytes: &[u8], format: Format) -> Option<String> {
    match format {
        Format::Sql | Format::Json | Format::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
        Format::Utf16 => {
            let (units, rest) = bytes.as_chunks::<2>();
            let units: Vec<u16> = units.iter().copied().map(u16::from_le_bytes).collect();
            rest.is_empty()
                .then(|| String::from_utf16(&units).ok())
                .flatten()
        }
        Format::Utf32 => {
            let (units, rest) = bytes.as_chunks::<4>();
            let mut chars = units
                .iter()
                .map(|unit| char::from_u32(u32::from_le_bytes(*unit)));
            rest.is_empty().then(|| chars.by_ref().collect()).flatten()
        }
    }
}

/// Refuses types that JSON is not written as.
pub(super) fn check_output(field: &Field, format: Format) -> Result<()> {
    let known = field.data_type();
    let is_plain = is_text(known) && matches!(format, Format::Sql | Format::Json);
    if is_binary(known) || (is_plain && !is_json(field)) {
        return Ok(());
    }
    Err(failure(
        "TYPE_MISMATCH",
        format!(
            "Cannot output JSON value as {} using formatting {}",
            field_type_name(field),
            format.shown()
        ),
    ))
}

/// Returns texts as values of the type that the call returns.
pub(super) fn written(texts: StringArray, to: &Field, format: Format) -> Result<ArrayRef> {
    if !is_binary(to.data_type()) {
        let texts: ArrayRef = Arc::new(texts);
        return cast_array(&texts, &Field::new("", DataType::Utf8, true), to);
    }
    let bytes = texts
        .iter()
        .map(|text| text.map(|text| encode(text, format)));
    Ok(Arc::new(bytes.collect::<BinaryArray>()))
}

fn encode(text: &str, format: Format) -> Vec<u8> {
    match format {
        Format::Sql | Format::Json | Format::Utf8 => text.as_bytes().to_vec(),
        Format::Utf16 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Format::Utf32 => text
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect(),
    }
}
