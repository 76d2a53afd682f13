//! Which Parquet encoding a column's values get, found by trying.
//!
//! A dictionary is the right choice for text and for numbers of few values in any order, but it
//! hashes each value: for numbers in long runs (dates, partition-like columns) and for clocks it
//! costs two to three times the CPU of plain or delta-packed values and saves nothing once these
//! are compressed. A sample of the rows is encoded each way, and the smallest wins; where that
//! makes no difference that anybody would notice, the cheapest.

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

/// Fewer rows tell too little, more cost too much.
pub(crate) const SAMPLE_ROWS: usize = 16_384;
/// A difference below this share of all columns is none.
const NOTICEABLE: f64 = 0.01;

/// How the values of a column are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Plain,
    Delta,
    Dictionary,
}

impl Choice {
    /// From the cheapest to encode to the dearest.
    const ALL: [Self; 3] = [Self::Plain, Self::Delta, Self::Dictionary];
}

/// The encodings of a table's numeric columns; the others have dictionaries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Encodings {
    columns: Vec<(String, Choice)>,
}

impl Encodings {
    /// Returns what suits rows like these; none for too few to tell.
    pub(crate) fn for_rows(rows: &RecordBatch) -> Result<Option<Self>, ParquetError> {
        if rows.num_rows() < SAMPLE_ROWS {
            return Ok(None);
        }
        let sample = rows.slice(0, SAMPLE_ROWS);
        let mut sizes = Vec::new();
        for choice in Choice::ALL {
            sizes.push((choice, encoded_sizes(&sample, choice)?));
        }
        let smallest = |column: usize| {
            let of_column = sizes.iter().filter_map(|(_, sizes)| sizes.get(column));
            of_column.copied().fold(f64::INFINITY, f64::min)
        };
        let total: f64 = (0..sample.num_columns()).map(smallest).sum();
        let mut columns = Vec::new();
        for (index, field) in sample.schema().fields().iter().enumerate() {
            if !is_packed(field.data_type()) {
                continue;
            }
            let enough = smallest(index) + NOTICEABLE * total;
            let first = sizes
                .iter()
                .find(|(_, sizes)| sizes.get(index).is_some_and(|size| *size <= enough));
            if let Some((choice, _)) = first {
                columns.push((field.name().clone(), *choice));
            }
        }
        Ok(Some(Self { columns }))
    }

    /// Adds the encodings to a file's properties.
    pub(super) fn apply(&self, mut properties: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
        for (name, choice) in &self.columns {
            let path = ColumnPath::new(vec![name.clone()]);
            properties = match choice {
                Choice::Dictionary => properties,
                Choice::Plain => properties.set_column_dictionary_enabled(path, false),
                Choice::Delta => properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            };
        }
        properties
    }
}

/// Reports whether Parquet stores the type as whole numbers of 32 or 64 bits.
fn is_packed(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Timestamp(_, _)
    )
}

/// Returns the bytes of each top-level column, nothing for columns that no choice is made for.
fn encoded_sizes(sample: &RecordBatch, choice: Choice) -> Result<Vec<f64>, ParquetError> {
    let level = ZstdLevel::try_new(1).unwrap_or_default();
    let all = Encodings {
        columns: sample
            .schema()
            .fields()
            .iter()
            .filter(|field| is_packed(field.data_type()))
            .map(|field| (field.name().clone(), choice))
            .collect(),
    };
    let properties =
        all.apply(WriterProperties::builder().set_compression(Compression::ZSTD(level)));
    let mut writer = ArrowWriter::try_new(Vec::new(), sample.schema(), Some(properties.build()))?;
    writer.write(sample)?;
    let metadata = writer.finish()?;
    let names = sample.schema();
    let sizes = names.fields().iter();
    Ok(sizes
        .map(|field| column_bytes(&metadata, field.name()))
        .collect())
}

/// Returns the bytes of a column's values. A dictionary is left out: it is shared by a row group,
/// which has many times the rows of a sample.
fn column_bytes(metadata: &ParquetMetaData, name: &str) -> f64 {
    let chunks = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    chunks
        .filter(|chunk| {
            chunk
                .column_path()
                .parts()
                .first()
                .is_some_and(|part| part == name)
        })
        .map(|chunk| {
            let dictionary = chunk
                .dictionary_page_offset()
                .map_or(0, |offset| chunk.data_page_offset() - offset);
            (chunk.compressed_size() - dictionary) as f64
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};

    use super::*;

    fn sample(values: impl Fn(i32) -> i32) -> RecordBatch {
        let rows = SAMPLE_ROWS as i32;
        let numbers = Int32Array::from_iter_values((0..rows).map(values));
        let text = StringArray::from_iter_values((0..rows).map(|row| format!("{}", row * 7919)));
        RecordBatch::try_from_iter([
            ("number", Arc::new(numbers) as ArrayRef),
            ("text", Arc::new(text) as ArrayRef),
        ])
        .unwrap()
    }

    fn choice(values: impl Fn(i32) -> i32) -> Choice {
        let found = Encodings::for_rows(&sample(values)).unwrap().unwrap();
        found.columns[0].1
    }

    #[test]
    fn runs_need_no_dictionary_scattered_few_values_do_and_clocks_are_packed() {
        assert_eq!(choice(|row| row / 1000), Choice::Plain);
        // Far apart and in no order: 16 values of 32 bits.
        let scattered = |row: i32| (row.wrapping_mul(1_103_515_245) >> 8 & 15) * 100_000_007;
        assert_eq!(choice(scattered), Choice::Dictionary);
        let clock = |row: i32| row * 60 + (row.wrapping_mul(1_103_515_245) >> 8 & 31);
        assert_eq!(choice(clock), Choice::Delta);
    }

    #[test]
    fn few_rows_decide_nothing() {
        let rows = sample(|row| row).slice(0, SAMPLE_ROWS - 1);
        assert_eq!(Encodings::for_rows(&rows).unwrap(), None);
    }
}
