//! Which Parquet encoding a column's values get, and whether they are compressed: found by trying.
//!
//! A dictionary is the right choice for text and for numbers of few values in any order, but it
//! hashes each value: for numbers in long runs (dates, partition-like columns) and for clocks it
//! costs two to three times the CPU of plain or delta-packed values and saves nothing once these
//! are compressed. Keys and prices outgrow it: what it has no room for is stored plain, where
//! delta packing would leave a third, and nothing to decompress whenever it is read. A sample of
//! the rows is encoded each way, and the smallest wins; where that makes no difference that
//! anybody would notice, the cheapest. What packing has made dense is not compressed in vain.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

/// Fewer rows tell too little, more cost too much.
pub(crate) const SAMPLE_ROWS: usize = 16_384;
/// A difference below this share of all columns is none.
const NOTICEABLE: f64 = 0.01;
/// What a dictionary must save of all columns: it costs two to three times the others.
const WORTH_HASHING: f64 = 0.03;
/// A dictionary to which the second half of the sample adds a value for more than this share of its
/// rows outgrows its page.
const OUTGROWN: f64 = 0.25;
/// Compression that leaves more than this share of a column is not worth its time, twice: when the
/// column is written and whenever it is read.
const INCOMPRESSIBLE: f64 = 0.93;

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

/// The encodings of a table's numeric columns, where the others have dictionaries; and what no
/// compression makes smaller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Encodings {
    columns: Vec<(String, Choice)>,
    incompressible: Vec<String>,
}

impl Encodings {
    /// Returns what suits rows like these; none for too few to tell.
    pub(crate) fn for_rows(rows: &RecordBatch) -> Result<Option<Self>, ParquetError> {
        if rows.num_rows() < SAMPLE_ROWS {
            return Ok(None);
        }
        let sample = rows.slice(0, SAMPLE_ROWS);
        let level = ZstdLevel::try_new(1).unwrap_or_default();
        let zstd = Compression::ZSTD(level);
        let mut sizes = Vec::new();
        for choice in Choice::ALL {
            let all = Self::all(&sample, choice);
            sizes.push((choice, all.encoded_sizes(&sample, zstd, value_bytes)?));
        }
        let outgrown = Self::outgrown(&sample)?;
        let smallest = |column: usize| {
            let of_column = sizes.iter().filter_map(|(_, sizes)| sizes.get(column));
            of_column.copied().fold(f64::INFINITY, f64::min)
        };
        let total: f64 = (0..sample.num_columns()).map(smallest).sum();
        let noticeable = NOTICEABLE * total;
        let mut columns = Vec::new();
        for (index, field) in sample.schema().fields().iter().enumerate() {
            if !is_packed(field.data_type()) {
                continue;
            }
            let size_of = |choice: Choice| {
                let sizes = sizes.iter().find(|(tried, _)| *tried == choice);
                sizes.and_then(|(_, sizes)| sizes.get(index).copied())
            };
            let [Some(plain), Some(delta), Some(dictionary)] = Choice::ALL.map(size_of) else {
                continue;
            };
            let hashless = plain.min(delta);
            let fits = outgrown.get(index) == Some(&false);
            let choice = if fits && dictionary + WORTH_HASHING * total < hashless {
                Choice::Dictionary
            } else if delta + noticeable < plain
                // As small without compression as plain values with it.
                || (delta > noticeable && delta < plain + noticeable)
            {
                Choice::Delta
            } else {
                Choice::Plain
            };
            columns.push((field.name().clone(), choice));
        }
        let mut chosen = Self {
            columns,
            incompressible: Vec::new(),
        };
        // With dictionaries: what outgrows one is stored as it stands there.
        let whole = ColumnChunkMetaData::compressed_size;
        let dense = chosen.encoded_sizes(&sample, Compression::UNCOMPRESSED, whole)?;
        let compressed = chosen.encoded_sizes(&sample, zstd, whole)?;
        for (index, field) in sample.schema().fields().iter().enumerate() {
            let (Some(dense), Some(compressed)) = (dense.get(index), compressed.get(index)) else {
                continue;
            };
            // Columns within columns have paths of their own; they are left as they are.
            if !field.data_type().is_nested() && *compressed > INCOMPRESSIBLE * dense {
                chosen.incompressible.push(field.name().clone());
            }
        }
        Ok(Some(chosen))
    }

    /// Returns for each column whether a row group's dictionary has no room for its values.
    fn outgrown(sample: &RecordBatch) -> Result<Vec<bool>, ParquetError> {
        let half = sample.num_rows() / 2;
        let all = Self::all(sample, Choice::Dictionary);
        let dictionaries = |rows: &RecordBatch| {
            all.encoded_sizes(rows, Compression::UNCOMPRESSED, dictionary_bytes)
        };
        let first = dictionaries(&sample.slice(0, half))?;
        let whole = dictionaries(sample)?;
        let plain = Self::all(sample, Choice::Plain);
        let plain = plain.encoded_sizes(sample, Compression::UNCOMPRESSED, value_bytes)?;
        let grown = whole.iter().zip(first).map(|(whole, first)| whole - first);
        let shares = grown.zip(plain).map(|(grown, plain)| 2.0 * grown / plain);
        Ok(shares.map(|share| share > OUTGROWN).collect())
    }

    /// Returns one choice for all columns that there is one for.
    fn all(sample: &RecordBatch, choice: Choice) -> Self {
        let schema = sample.schema();
        let packed = schema.fields().iter();
        let packed = packed.filter(|field| is_packed(field.data_type()));
        Self {
            columns: packed.map(|field| (field.name().clone(), choice)).collect(),
            incompressible: Vec::new(),
        }
    }

    /// Adds the encodings to a file's properties.
    pub(super) fn apply(&self, mut properties: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
        for name in &self.incompressible {
            let path = ColumnPath::new(vec![name.clone()]);
            properties = properties.set_column_compression(path, Compression::UNCOMPRESSED);
        }
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

impl Encodings {
    /// Returns the bytes that each top-level column of the sample takes.
    fn encoded_sizes(
        &self,
        sample: &RecordBatch,
        compression: Compression,
        bytes: fn(&ColumnChunkMetaData) -> i64,
    ) -> Result<Vec<f64>, ParquetError> {
        let properties = self.apply(WriterProperties::builder().set_compression(compression));
        let schema = sample.schema();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties.build()))?;
        writer.write(sample)?;
        let metadata = writer.finish()?;
        let names = schema.fields().iter().map(|field| field.name());
        Ok(names
            .map(|name| column_bytes(&metadata, name, bytes))
            .collect())
    }
}

/// Reports whether Parquet stores the type as whole numbers of 32 or 64 bits, of those that tables have.
fn is_packed(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Timestamp(_, _)
            | DataType::Decimal128(..=18, _)
    )
}

/// Returns the bytes of all parts of a top-level column.
fn column_bytes(
    metadata: &ParquetMetaData,
    name: &str,
    bytes: fn(&ColumnChunkMetaData) -> i64,
) -> f64 {
    let chunks = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    let of_column = |chunk: &&ColumnChunkMetaData| {
        let first = chunk.column_path().parts().first();
        first.is_some_and(|part| part == name)
    };
    chunks.filter(of_column).map(bytes).sum::<i64>() as f64
}

/// Returns the bytes of a column's values. A dictionary is left out: it is shared by a row group,
/// which has many times the rows of a sample.
fn value_bytes(chunk: &ColumnChunkMetaData) -> i64 {
    chunk.compressed_size() - dictionary_bytes(chunk)
}

fn dictionary_bytes(chunk: &ColumnChunkMetaData) -> i64 {
    chunk
        .dictionary_page_offset()
        .map_or(0, |offset| chunk.data_page_offset() - offset)
}

#[cfg(test)]
mod tests {
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
    fn what_outgrows_a_dictionary_is_packed() {
        // Numbers below 200,000 in no order, as keys and prices are, and below 2,500, as days.
        let scattered = |row: i32, below: i64| {
            let mixed = i64::from(row.wrapping_mul(-1_640_531_527) as u32 ^ (row as u32) << 7);
            (mixed % below) as i32
        };
        assert_eq!(choice(|row| scattered(row, 200_000)), Choice::Delta);
        assert_eq!(
            choice(|row| scattered(row, 2_500) * 86_400),
            Choice::Dictionary
        );
    }

    #[test]
    fn what_is_dense_is_not_compressed() {
        let scattered = |row: i32| {
            let mixed = (row ^ row >> 7).wrapping_mul(-2_048_144_789);
            (mixed ^ mixed.rotate_left(13)).wrapping_mul(-1_028_477_387)
        };
        let found = Encodings::for_rows(&sample(scattered)).unwrap().unwrap();
        assert_eq!(found.incompressible, ["number"]);
        let found = Encodings::for_rows(&sample(|row| row / 1000)).unwrap();
        assert_eq!(found.unwrap().incompressible, [""; 0]);
    }

    #[test]
    fn few_rows_decide_nothing() {
        let rows = sample(|row| row).slice(0, SAMPLE_ROWS - 1);
        assert_eq!(Encodings::for_rows(&rows).unwrap(), None);
    }
}
