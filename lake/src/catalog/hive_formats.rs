//! The Java classes by which Hive clients know a format.

use super::model::{StorageDescriptor, TableFormat};

const PARQUET_SERDE: &str = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";
const PARQUET_INPUT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat";
const PARQUET_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat";
const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
const JSON_SERDE: &str = "org.apache.hive.hcatalog.data.JsonSerDe";

/// Delimited text with quotes: comma-separated unless `separatorChar` says otherwise.
const CSV_SERDE: &str = "org.apache.hadoop.hive.serde2.OpenCSVSerde";

/// Delimited text without quotes: separated by byte 1 unless `field.delim` says otherwise.
const TEXT_SERDE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";

impl StorageDescriptor {
    /// Returns the classes that read and write a format; none are needed for Delta.
    pub fn of_format(format: TableFormat) -> Self {
        let (serde, input, output) = match format {
            TableFormat::Delta => return Self::default(),
            TableFormat::Parquet => (PARQUET_SERDE, PARQUET_INPUT, PARQUET_OUTPUT),
            TableFormat::Csv => (CSV_SERDE, TEXT_INPUT, TEXT_OUTPUT),
            TableFormat::Json => (JSON_SERDE, TEXT_INPUT, TEXT_OUTPUT),
        };
        Self {
            serde: Some(serde.to_owned()),
            input_format: Some(input.to_owned()),
            output_format: Some(output.to_owned()),
            ..Self::default()
        }
    }

    /// Returns the classes of delimited text without quotes, Hive's `TEXTFILE`.
    pub fn of_text() -> Self {
        Self {
            serde: Some(TEXT_SERDE.to_owned()),
            ..Self::of_format(TableFormat::Csv)
        }
    }

    /// Returns whether the files are delimited text without quotes.
    pub fn is_plain_text(&self) -> bool {
        self.serde.as_deref() == Some(TEXT_SERDE)
    }

    /// Returns the format that the classes mean; none when we do not read it.
    pub fn format(&self) -> Option<TableFormat> {
        match self.serde.as_deref()?.rsplit('.').next()? {
            "ParquetHiveSerDe" => Some(TableFormat::Parquet),
            "OpenCSVSerde" | "LazySimpleSerDe" => Some(TableFormat::Csv),
            "JsonSerDe" | "HiveJsonSerDe" => Some(TableFormat::Json),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_classes() {
        for format in [TableFormat::Parquet, TableFormat::Csv, TableFormat::Json] {
            assert_eq!(StorageDescriptor::of_format(format).format(), Some(format));
        }
        let text = StorageDescriptor::of_text();
        assert!(text.is_plain_text());
        assert_eq!(text.format(), Some(TableFormat::Csv));
        assert_eq!(StorageDescriptor::default().format(), None);
    }
}
