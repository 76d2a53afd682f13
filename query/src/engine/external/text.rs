//! Delimited text as Hive describes it: by parameters of its serde.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::error::Result as DataFusionResult;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::{Expr, cast, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use lake::TableEntry;
use lake::hive_types::parse_hive_type;

use crate::{Error, Result};

/// Hive separates the fields of its text files by this byte unless told otherwise.
const HIVE_DELIMITER: u8 = 1;

/// How lines become values. A field without text is null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextOptions {
    delimiter: u8,
    /// None: quotes are text like any other.
    quote: Option<u8>,
    escape: Option<u8>,
    has_header: bool,
    /// A text that stands for null, besides none.
    null: Option<String>,
}

impl TextOptions {
    /// # Errors
    /// Parameters that we do not honour, and columns that text cannot hold.
    pub(super) fn of(entry: &TableEntry) -> Result<Self> {
        for column in &entry.columns {
            let data_type = parse_hive_type(&column.data_type)?;
            if data_type.is_nested() || matches!(data_type, DataType::Binary | DataType::Null) {
                return Err(Error::NotSupported {
                    what: format!(
                        "column `{}` of type {} in the text files of table `{}`",
                        column.name, column.data_type, entry.name
                    ),
                });
            }
        }
        let plain = entry.storage.is_plain_text();
        let default_delimiter = if plain { HIVE_DELIMITER } else { b',' };
        let delimiter = byte(
            entry,
            &["field.delim", "separatorChar", "serialization.format"],
        )?;
        let quote = byte(entry, &["quoteChar", "quote"])?;
        let null = parameter(entry, &["serialization.null.format"]).map(str::to_owned);
        let null = null.or_else(|| plain.then(|| "\\N".to_owned()));
        if lines(entry, "skip.footer.line.count")? > 0 {
            return Err(not_honoured(entry, "skip.footer.line.count"));
        }
        let header_lines = lines(entry, "skip.header.line.count")?;
        if header_lines > 1 {
            return Err(not_honoured(entry, "skip.header.line.count"));
        }
        Ok(Self {
            delimiter: delimiter.unwrap_or(default_delimiter),
            quote: quote.or((!plain).then_some(b'"')),
            escape: byte(entry, &["escapeChar", "escape.delim", "escape"])?,
            has_header: header_lines == 1,
            null: null.filter(|null| !null.is_empty()),
        })
    }

    /// Returns the format to scan with.
    pub(super) fn format(&self) -> CsvFormat {
        CsvFormat::default()
            .with_has_header(self.has_header)
            .with_delimiter(self.delimiter)
            // The reader always has a quote; this one does not occur in text.
            .with_quote(self.quote.unwrap_or(0))
            .with_escape(self.escape)
            // Hive takes missing fields at the end of a line for nulls.
            .with_truncated_rows(true)
            // Splitting a file at a line's end is wrong when that end may be inside quotes.
            .with_newlines_in_values(self.quote.is_some())
    }

    /// Returns the columns as the reader is to parse them: as text, if a text stands for null.
    pub(super) fn read_schema(&self, schema: &SchemaRef) -> SchemaRef {
        if self.null.is_none() {
            return Arc::clone(schema);
        }
        let fields = schema.fields().iter();
        let fields = fields.map(|field| Field::new(field.name(), DataType::Utf8, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Puts the types and the nulls of `schema` over a scan of [`read_schema`](Self::read_schema).
    pub(super) fn typed(
        &self,
        state: &dyn Session,
        scan: Arc<dyn ExecutionPlan>,
        schema: &SchemaRef,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let Some(null) = &self.null else {
            return Ok(scan);
        };
        let read = DFSchema::try_from(scan.schema())?;
        let null = lit(ScalarValue::Utf8(Some(null.clone())));
        let mut columns: Vec<(Arc<dyn PhysicalExpr>, String)> = Vec::new();
        for (wanted, found) in schema.fields().iter().zip(scan.schema().fields()) {
            let column = Expr::Column(Column::new_unqualified(found.name()));
            let typed = if found.data_type() == &DataType::Utf8 {
                cast(nullif(column, null.clone()), wanted.data_type().clone())
            } else {
                column
            };
            let typed = state.create_physical_expr(typed, &read)?;
            columns.push((typed, wanted.name().clone()));
        }
        Ok(Arc::new(ProjectionExec::try_new(columns, scan)?))
    }
}

/// Returns a parameter of the serde, or of the table, as some clients write it.
fn parameter<'a>(entry: &'a TableEntry, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| {
        let found = entry.storage.serde_parameters.get(*name);
        found
            .or_else(|| entry.properties.get(*name))
            .map(String::as_str)
    })
}

/// Reads a parameter that is one byte: a character, or its code as Hive allows.
fn byte(entry: &TableEntry, names: &[&str]) -> Result<Option<u8>> {
    let Some(text) = parameter(entry, names).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let written = match text {
        "\\t" => Some(b'\t'),
        "\\\\" => Some(b'\\'),
        _ => text.parse().ok(),
    };
    match (written, text.as_bytes()) {
        (Some(byte), _) => Ok(Some(byte)),
        (None, [byte]) => Ok(Some(*byte)),
        _ => Err(Error::NotSupported {
            what: format!(
                "`{}` = `{text}` of table `{}`: it must be one byte",
                names.first().copied().unwrap_or_default(),
                entry.name
            ),
        }),
    }
}

fn lines(entry: &TableEntry, name: &str) -> Result<u32> {
    let Some(text) = parameter(entry, &[name]) else {
        return Ok(0);
    };
    text.trim().parse().map_err(|_| not_honoured(entry, name))
}

fn not_honoured(entry: &TableEntry, name: &str) -> Error {
    Error::NotSupported {
        what: format!(
            "`{name}` = `{}` of table `{}`",
            parameter(entry, &[name]).unwrap_or_default(),
            entry.name
        ),
    }
}
