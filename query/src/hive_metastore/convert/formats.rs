//! The Java classes that Hive reads and writes a format with.

use lake::TableFormat;

use crate::hive_metastore::failure::{Failure, Result};

/// A serde, an input format and an output format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Classes {
    pub(super) serde: &'static str,
    pub(super) input: &'static str,
    pub(super) output: &'static str,
}

const LAZY_SIMPLE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";
const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";

/// Returns the classes of a format. Those of Delta are what Spark and Trino register: nobody reads
/// a Delta table with them.
pub(super) fn classes(format: TableFormat) -> Classes {
    match format {
        TableFormat::Delta => Classes {
            serde: LAZY_SIMPLE,
            input: "org.apache.hadoop.mapred.SequenceFileInputFormat",
            output: "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
        },
        TableFormat::Parquet => Classes {
            serde: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            input: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            output: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        },
        TableFormat::Csv => Classes {
            serde: LAZY_SIMPLE,
            input: TEXT_INPUT,
            output: TEXT_OUTPUT,
        },
        TableFormat::Json => Classes {
            serde: "org.apache.hive.hcatalog.data.JsonSerDe",
            input: TEXT_INPUT,
            output: TEXT_OUTPUT,
        },
    }
}

/// Returns the format that a client means: by the name of Spark's provider or, without one, by
/// the classes.
pub(super) fn format(
    provider: Option<&str>,
    serde: &str,
    input: &str,
    has_delimiter: bool,
) -> Result<TableFormat> {
    let refused = |what: String| {
        Failure::Invalid(format!(
            "{what}: this metastore keeps tables of delta, parquet, csv and json"
        ))
    };
    match provider.map(str::to_ascii_lowercase).as_deref() {
        Some("delta") => return Ok(TableFormat::Delta),
        Some("parquet") => return Ok(TableFormat::Parquet),
        Some("csv") => return Ok(TableFormat::Csv),
        Some("json") => return Ok(TableFormat::Json),
        // Spark's own name for "see the classes".
        None | Some("hive") => {}
        Some(other) => return Err(refused(format!("provider `{other}` is not supported"))),
    }
    let class = |text: &str| text.rsplit('.').next().unwrap_or_default().to_owned();
    match (class(serde).as_str(), class(input).as_str()) {
        ("ParquetHiveSerDe", _) => Ok(TableFormat::Parquet),
        ("JsonSerDe", _) => Ok(TableFormat::Json),
        ("OpenCSVSerde", "TextInputFormat") => Ok(TableFormat::Csv),
        ("LazySimpleSerDe", "TextInputFormat") if has_delimiter => Ok(TableFormat::Csv),
        ("LazySimpleSerDe", "TextInputFormat") => Err(refused(
            "text without `field.delim` is separated by control characters".to_owned(),
        )),
        _ => Err(refused(format!(
            "serde `{serde}` with input format `{input}` is not supported"
        ))),
    }
}
