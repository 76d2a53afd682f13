//! Rows of the engine's own tables as they become a batch.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListBuilder, MapBuilder, MapFieldNames,
    RecordBatch, StringArray, StringBuilder, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::{Error, Result};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Kind {
    Text,
    Bigint,
    Boolean,
    Double,
    /// `timestamp(3) with time zone`.
    Time,
    /// `array(varchar)`.
    Texts,
    /// `map(varchar, varchar)`.
    Pairs,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) enum Cell {
    Null,
    Text(String),
    Bigint(i64),
    Boolean(bool),
    /// Milliseconds since 1970 in UTC.
    Time(i64),
    Texts(Vec<String>),
    Pairs(Vec<(String, String)>),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Bigint(number)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<chrono::DateTime<chrono::Utc>> for Cell {
    fn from(time: chrono::DateTime<chrono::Utc>) -> Self {
        Self::Time(time.timestamp_millis())
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Bigint => DataType::Int64,
            Self::Boolean => DataType::Boolean,
            Self::Double => DataType::Float64,
            Self::Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            Self::Texts => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
            Self::Pairs => {
                let entries = Field::new(
                    "entries",
                    DataType::Struct(
                        vec![
                            Field::new("key", DataType::Utf8, false),
                            Field::new("value", DataType::Utf8, true),
                        ]
                        .into(),
                    ),
                    false,
                );
                DataType::Map(Arc::new(entries), false)
            }
        }
    }

    /// Returns how Presto writes the type.
    pub(in crate::engine) fn name(self) -> &'static str {
        match self {
            Self::Text => "varchar",
            Self::Bigint => "bigint",
            Self::Boolean => "boolean",
            Self::Double => "double",
            Self::Time => "timestamp(3) with time zone",
            Self::Texts => "array(varchar)",
            Self::Pairs => "map(varchar, varchar)",
        }
    }
}

/// Returns the schema of columns.
pub(super) fn schema(columns: &[(&'static str, Kind)]) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|(name, kind)| Field::new(*name, kind.data_type(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Returns a batch of rows, which may have more values than there are columns.
pub(super) fn batch(
    columns: &[(&'static str, Kind)],
    schema: &SchemaRef,
    rows: &[Vec<Cell>],
) -> Result<RecordBatch> {
    let arrays: Vec<ArrayRef> = columns
        .iter()
        .enumerate()
        .map(|(index, (_, kind))| array(*kind, rows.iter().map(|row| row.get(index))))
        .collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(|error| {
        Error::Internal {
            message: error.to_string(),
        }
    })
}

fn array<'a>(kind: Kind, cells: impl Iterator<Item = Option<&'a Cell>>) -> ArrayRef {
    match kind {
        Kind::Text => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
            Some(Cell::Text(text)) => Some(text.as_str()),
            _ => None,
        }))),
        Kind::Bigint => Arc::new(Int64Array::from_iter(cells.map(|cell| match cell {
            Some(Cell::Bigint(number)) => Some(*number),
            _ => None,
        }))),
        Kind::Boolean => Arc::new(BooleanArray::from_iter(cells.map(|cell| match cell {
            Some(Cell::Boolean(value)) => Some(*value),
            _ => None,
        }))),
        Kind::Double => Arc::new(Float64Array::from_iter(cells.map(|_| None::<f64>))),
        Kind::Time => Arc::new(
            TimestampMillisecondArray::from_iter(cells.map(|cell| match cell {
                Some(Cell::Time(time)) => Some(*time),
                _ => None,
            }))
            .with_timezone("UTC"),
        ),
        Kind::Texts => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for cell in cells {
                match cell {
                    Some(Cell::Texts(texts)) => lists.append_value(texts.iter().map(Some)),
                    _ => lists.append_null(),
                }
            }
            Arc::new(lists.finish())
        }
        Kind::Pairs => {
            let names = MapFieldNames {
                entry: "entries".to_owned(),
                key: "key".to_owned(),
                value: "value".to_owned(),
            };
            let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
            for cell in cells {
                let pairs = match cell {
                    Some(Cell::Pairs(pairs)) => Some(pairs),
                    _ => None,
                };
                for (key, value) in pairs.into_iter().flatten() {
                    maps.keys().append_value(key);
                    maps.values().append_value(value);
                }
                // Keys and values were added pairwise, so this cannot fail.
                let _ = maps.append(pairs.is_some());
            }
            Arc::new(maps.finish())
        }
    }
}

/// Returns a batch of named columns, for tables that are not the engine's own.
pub(in crate::engine) fn cells(
    columns: &[(&'static str, Kind)],
    rows: &[Vec<Cell>],
) -> Result<RecordBatch> {
    batch(columns, &schema(columns), rows)
}
