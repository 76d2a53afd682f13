//! Our errors by Trino's codes.

use std::error::Error as _;
use std::sync::LazyLock;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use regex::Regex;

use crate::Error;
use crate::presto::error::TrinoFailure;

const USER: &str = "USER_ERROR";
const INTERNAL: &str = "INTERNAL_ERROR";
const RESOURCES: &str = "INSUFFICIENT_RESOURCES";
const EXTERNAL: &str = "EXTERNAL";

/// Where in the statement the error is; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorLocation {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// An error as clients know it.
#[derive(Debug, Clone)]
pub struct TrinoError {
    /// The number.
    pub code: u32,
    /// The name, such as `COLUMN_NOT_FOUND`.
    pub name: &'static str,
    /// Whose fault it is, such as `USER_ERROR`.
    pub kind: &'static str,
    /// What to show; begins with `line L:C: ` if the place is known.
    pub message: String,
    /// The place.
    pub location: Option<ErrorLocation>,
}

impl TrinoError {
    /// Returns how clients see `error`.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Syntax { message } => syntax(message),
            Error::NotSupported { .. } => user(13, "NOT_SUPPORTED", error.to_string()),
            Error::CatalogNotFound { name } => user(
                44,
                "CATALOG_NOT_FOUND",
                format!("Catalog '{name}' does not exist"),
            ),
            Error::MissingSchema { .. } => user(57, "MISSING_SCHEMA_NAME", error.to_string()),
            Error::TableNotFound { name } => user(
                46,
                "TABLE_NOT_FOUND",
                format!("Table '{name}' does not exist"),
            ),
            Error::NotFound { .. } => user(5, "NOT_FOUND", error.to_string()),
            Error::InvalidParameterUsage { .. } => {
                user(80, "INVALID_PARAMETER_USAGE", error.to_string())
            }
            Error::InvalidSessionProperty { .. } => {
                user(14, "INVALID_SESSION_PROPERTY", error.to_string())
            }
            Error::Cancelled => user(3, "USER_CANCELED", "Query was canceled".to_owned()),
            Error::Abandoned => user(2, "ABANDONED_QUERY", error.to_string()),
            Error::Invalid { .. } | Error::Library { .. } => {
                user(0, "GENERIC_USER_ERROR", error.to_string())
            }
            Error::Named(failure) => TrinoError {
                location: place_of(&failure.message),
                ..named(failure)
            },
            Error::Lake(lake) => of_lake(lake),
            Error::Plan(error) | Error::Execution(error) => of_datafusion(error),
            Error::Internal { .. } => internal(error.to_string()),
        }
    }
}

fn error(code: u32, name: &'static str, kind: &'static str, message: String) -> TrinoError {
    TrinoError {
        code,
        name,
        kind,
        message,
        location: None,
    }
}

fn user(code: u32, name: &'static str, message: String) -> TrinoError {
    error(code, name, USER, message)
}

fn internal(message: String) -> TrinoError {
    error(65536, "GENERIC_INTERNAL_ERROR", INTERNAL, message)
}

fn named(failure: &TrinoFailure) -> TrinoError {
    let code = failure.code();
    let kind = match code {
        0..65_536 => USER,
        65_536..131_072 => INTERNAL,
        131_072..16_777_216 => RESOURCES,
        _ => EXTERNAL,
    };
    error(code, failure.name, kind, failure.message.clone())
}

/// Returns the place that a message begins with.
fn place_of(message: &str) -> Option<ErrorLocation> {
    let (place, _) = message.strip_prefix("line ")?.split_once(": ")?;
    let (line, column) = place.split_once(':')?;
    Some(ErrorLocation {
        line: line.parse().ok()?,
        column: column.parse().ok()?,
    })
}

impl TrinoError {
    fn at(mut self, location: Option<ErrorLocation>) -> Self {
        if let Some(ErrorLocation { line, column }) = location {
            self.message = format!("line {line}:{column}: {}", self.message);
        }
        self.location = location;
        self
    }
}

static PLACE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)(?: at|,) line: (\d+),? column:? (\d+)").ok());
static EXPECTED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?s)Expected:? (.*?), found:? (.*)").ok());

fn syntax(message: &str) -> TrinoError {
    let text = message
        .trim_start_matches("sql parser error: ")
        .trim_start_matches("SQL error: ")
        .trim_start_matches("ParserError(\"")
        .trim_end_matches("\")");
    let mut location = None;
    let mut text = text.to_owned();
    if let Some(found) = PLACE.as_ref().and_then(|regex| regex.captures(&text)) {
        let number = |index: usize| found.get(index).and_then(|m| m.as_str().parse().ok());
        if let (Some(line), Some(column)) = (number(1), number(2)) {
            location = Some(ErrorLocation { line, column });
        }
        if let Some(whole) = found.get(0) {
            text.replace_range(whole.range(), "");
        }
    }
    if let Some(parts) = EXPECTED.as_ref().and_then(|regex| regex.captures(&text))
        && let (Some(expected), Some(found)) = (parts.get(1), parts.get(2))
    {
        let found = found.as_str().trim();
        let found = if found == "EOF" { "<EOF>" } else { found };
        text = format!(
            "mismatched input '{found}'. Expecting: {}",
            expected.as_str()
        );
    }
    user(1, "SYNTAX_ERROR", text).at(location)
}

fn of_lake(lake: &lake::Error) -> TrinoError {
    use lake::Error as E;
    let with_cause = || match lake.source() {
        Some(cause) => format!("{lake}: {cause}"),
        None => lake.to_string(),
    };
    match lake {
        E::DatabaseNotFound { name, .. } => user(
            45,
            "SCHEMA_NOT_FOUND",
            format!("Schema '{name}' does not exist"),
        ),
        E::TableNotFound { name, .. } => user(
            46,
            "TABLE_NOT_FOUND",
            format!("Table 'lake.{name}' does not exist"),
        ),
        E::DroppedTableNotFound { .. } => user(46, "TABLE_NOT_FOUND", lake.to_string()),
        E::PartitionNotFound { .. } => user(5, "NOT_FOUND", lake.to_string()),
        E::PartitionAlreadyExists { .. } => user(12, "ALREADY_EXISTS", lake.to_string()),
        E::LocationTaken { .. }
        | E::LocationOutsideLake { .. }
        | E::ExternalLocationNotAllowed { .. } => {
            user(18, "INVALID_TABLE_PROPERTY", lake.to_string())
        }
        E::InvalidPartition { .. } | E::InvalidHiveType { .. } => {
            user(0, "GENERIC_USER_ERROR", lake.to_string())
        }
        E::NotDelta { .. } | E::NotExternal { .. } => user(13, "NOT_SUPPORTED", lake.to_string()),
        E::DatabaseAlreadyExists { .. } => user(49, "SCHEMA_ALREADY_EXISTS", lake.to_string()),
        E::TableAlreadyExists { .. } => user(50, "TABLE_ALREADY_EXISTS", lake.to_string()),
        E::DatabaseNotEmpty { .. } => user(34, "SCHEMA_NOT_EMPTY", lake.to_string()),
        E::SchemaMismatch { .. } => user(58, "TYPE_MISMATCH", lake.to_string()),
        E::InvalidName { .. } => user(0, "GENERIC_USER_ERROR", lake.to_string()),
        E::VersionNotFound { .. } | E::NoVersionAt { .. } => {
            user(7, "INVALID_FUNCTION_ARGUMENT", lake.to_string())
        }
        E::UnsupportedFeature { .. } | E::AppendOnly { .. } => {
            user(13, "NOT_SUPPORTED", lake.to_string())
        }
        E::Contended { .. } | E::CatalogContended { .. } => {
            user(17, "TRANSACTION_CONFLICT", lake.to_string())
        }
        E::Internal { .. } => internal(lake.to_string()),
        E::Table { .. } => error(
            84_279_297,
            "DELTA_LAKE_INVALID_TABLE",
            EXTERNAL,
            with_cause(),
        ),
        _ => error(16_777_216, "LAKE_STORAGE_ERROR", EXTERNAL, with_cause()),
    }
}

/// Peels wrappers off and remembers the first place a diagnostic names.
fn of_datafusion(error: &DataFusionError) -> TrinoError {
    let (mut current, mut location) = (error, None);
    loop {
        current = match current {
            DataFusionError::Diagnostic(diagnostic, inner) => {
                if let Some(span) = diagnostic.span {
                    location = Some(ErrorLocation {
                        line: span.start.line,
                        column: span.start.column,
                    });
                }
                inner
            }
            DataFusionError::Context(_, inner) => inner,
            DataFusionError::Shared(inner) => inner,
            DataFusionError::Collection(errors) => match errors.first() {
                Some(first) => first,
                None => return internal(current.to_string()),
            },
            _ => break,
        };
    }
    if let Some(failure) = TrinoFailure::find(current) {
        return named(failure).at(location);
    }
    if let DataFusionError::External(inner) = current
        && let Some(ours) = inner.downcast_ref::<Error>()
    {
        return TrinoError::of(ours);
    }
    classify(current).at(location)
}

fn classify(error_found: &DataFusionError) -> TrinoError {
    match error_found {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound {
                field,
                valid_fields,
            } => user(
                47,
                "COLUMN_NOT_FOUND",
                format!(
                    "Column '{}' cannot be resolved{}",
                    field.flat_name(),
                    did_you_mean(
                        &field.name,
                        valid_fields.iter().map(|known| known.name.as_str())
                    )
                ),
            ),
            SchemaError::AmbiguousReference { field } => user(
                62,
                "AMBIGUOUS_NAME",
                format!("Column '{}' is ambiguous", field.flat_name()),
            ),
            other => user(54, "DUPLICATE_COLUMN_NAME", other.to_string()),
        },
        DataFusionError::SQL(parse, _) => syntax(&parse.to_string()),
        DataFusionError::NotImplemented(text) => user(13, "NOT_SUPPORTED", text.clone()),
        DataFusionError::ResourcesExhausted(text) => error(
            131_079,
            "EXCEEDED_LOCAL_MEMORY_LIMIT",
            RESOURCES,
            format!("Query exceeded per-node memory limit: {text}"),
        ),
        DataFusionError::IoError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::ParquetError(_) => error(
            16_777_216,
            "LAKE_STORAGE_ERROR",
            EXTERNAL,
            error_found.strip_backtrace(),
        ),
        other => by_text(other),
    }
}

/// Names that are near follow the text that clients look for.
fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = lake::nearest(name, known);
    if nearest.is_empty() {
        return String::new();
    }
    format!("; did you mean '{}'?", nearest.join("' or '"))
}

fn by_text(error_found: &DataFusionError) -> TrinoError {
    let text = error_found.strip_backtrace();
    let text = [
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "External error: ",
    ]
    .iter()
    .fold(text.as_str(), |text, prefix| {
        text.trim_start_matches(prefix)
    })
    .to_owned();
    let has = |needle: &str| text.contains(needle);
    // Comes as an I/O error of Arrow.
    if has("used disk space during the spilling") {
        let text = format!("Query exceeded local spill limit: {text}");
        return error(131_078, "EXCEEDED_SPILL_LIMIT", RESOURCES, text);
    }
    let quoted = || text.split('\'').nth(1).unwrap_or_default().to_owned();
    if has("Invalid function") {
        let name = quoted();
        return user(
            6,
            "FUNCTION_NOT_FOUND",
            format!("Function '{name}' not registered"),
        );
    }
    if text.starts_with("table '") && has("not found") {
        return user(
            46,
            "TABLE_NOT_FOUND",
            format!("Table '{}' does not exist", quoted()),
        );
    }
    if text.starts_with("failed to resolve catalog") {
        let name = text.rsplit(' ').next().unwrap_or_default().to_owned();
        return user(
            44,
            "CATALOG_NOT_FOUND",
            format!("Catalog '{name}' does not exist"),
        );
    }
    if has("Divide by zero") || has("division by zero") {
        return user(8, "DIVISION_BY_ZERO", "Division by zero".to_owned());
    }
    if has("Cannot cast") || has("Can't cast") || has("Cast error") || has("Error parsing") {
        return user(
            9,
            "INVALID_CAST_ARGUMENT",
            text.trim_start_matches("Cast error: ").to_owned(),
        );
    }
    if has("verflow") || has("too large to store") {
        return user(19, "NUMERIC_VALUE_OUT_OF_RANGE", text);
    }
    if has("must appear in the GROUP BY") || has("must be in GROUP BY") {
        return user(73, "EXPRESSION_NOT_AGGREGATE", text);
    }
    if has("must appear in select list") {
        return user(69, "EXPRESSION_NOT_IN_DISTINCT", text);
    }
    if has("Fail to find the coerced type") {
        let what = quoted().to_uppercase();
        let text =
            format!("All {what} operands must be the same type or coercible to a common type");
        return user(58, "TYPE_MISMATCH", text);
    }
    if has("Failed to coerce")
        || has("No function matches")
        || has("cannot be coerced")
        || has("Cannot coerce")
        || has("Cannot infer common")
    {
        return user(58, "TYPE_MISMATCH", text);
    }
    if has("more than one row") {
        return user(
            28,
            "SUBQUERY_MULTIPLE_ROWS",
            "Scalar sub-query has returned multiple rows".to_owned(),
        );
    }
    match error_found {
        DataFusionError::Plan(_) => user(0, "GENERIC_USER_ERROR", text),
        DataFusionError::Execution(_) => user(7, "INVALID_FUNCTION_ARGUMENT", text),
        _ => internal(text),
    }
}
