//! Errors that have a name in Presto, from where only DataFusion's error type fits.

use datafusion::error::DataFusionError;

/// Trino's standard errors: the number of each name.
///
/// # Source
/// <https://github.com/trinodb/trino/blob/476/core/trino-spi/src/main/java/io/trino/spi/StandardErrorCode.java>
pub const STANDARD_ERRORS: [(u32, &str); 106] = [
    (0, "GENERIC_USER_ERROR"),
    (1, "SYNTAX_ERROR"),
    (2, "ABANDONED_QUERY"),
    (3, "USER_CANCELED"),
    (4, "PERMISSION_DENIED"),
    (5, "NOT_FOUND"),
    (6, "FUNCTION_NOT_FOUND"),
    (7, "INVALID_FUNCTION_ARGUMENT"),
    (8, "DIVISION_BY_ZERO"),
    (9, "INVALID_CAST_ARGUMENT"),
    (10, "OPERATOR_NOT_FOUND"),
    (11, "INVALID_VIEW"),
    (12, "ALREADY_EXISTS"),
    (13, "NOT_SUPPORTED"),
    (14, "INVALID_SESSION_PROPERTY"),
    (15, "INVALID_WINDOW_FRAME"),
    (16, "CONSTRAINT_VIOLATION"),
    (17, "TRANSACTION_CONFLICT"),
    (18, "INVALID_TABLE_PROPERTY"),
    (19, "NUMERIC_VALUE_OUT_OF_RANGE"),
    (20, "UNKNOWN_TRANSACTION"),
    (21, "NOT_IN_TRANSACTION"),
    (22, "TRANSACTION_ALREADY_ABORTED"),
    (23, "READ_ONLY_VIOLATION"),
    (25, "AUTOCOMMIT_WRITE_CONFLICT"),
    (26, "UNSUPPORTED_ISOLATION_LEVEL"),
    (28, "SUBQUERY_MULTIPLE_ROWS"),
    (29, "PROCEDURE_NOT_FOUND"),
    (30, "INVALID_PROCEDURE_ARGUMENT"),
    (31, "QUERY_REJECTED"),
    (33, "INVALID_SCHEMA_PROPERTY"),
    (34, "SCHEMA_NOT_EMPTY"),
    (35, "QUERY_TEXT_TOO_LARGE"),
    (36, "UNSUPPORTED_SUBQUERY"),
    (38, "ADMINISTRATIVELY_KILLED"),
    (39, "INVALID_COLUMN_PROPERTY"),
    (42, "INVALID_ANALYZE_PROPERTY"),
    (43, "TYPE_NOT_FOUND"),
    (44, "CATALOG_NOT_FOUND"),
    (45, "SCHEMA_NOT_FOUND"),
    (46, "TABLE_NOT_FOUND"),
    (47, "COLUMN_NOT_FOUND"),
    (48, "ROLE_NOT_FOUND"),
    (49, "SCHEMA_ALREADY_EXISTS"),
    (50, "TABLE_ALREADY_EXISTS"),
    (51, "COLUMN_ALREADY_EXISTS"),
    (54, "DUPLICATE_COLUMN_NAME"),
    (55, "MISSING_COLUMN_NAME"),
    (56, "MISSING_CATALOG_NAME"),
    (57, "MISSING_SCHEMA_NAME"),
    (58, "TYPE_MISMATCH"),
    (59, "INVALID_LITERAL"),
    (60, "COLUMN_TYPE_UNKNOWN"),
    (61, "MISMATCHED_COLUMN_ALIASES"),
    (62, "AMBIGUOUS_NAME"),
    (63, "INVALID_COLUMN_REFERENCE"),
    (64, "MISSING_GROUP_BY"),
    (65, "MISSING_ORDER_BY"),
    (66, "MISSING_OVER"),
    (67, "NESTED_AGGREGATION"),
    (68, "NESTED_WINDOW"),
    (69, "EXPRESSION_NOT_IN_DISTINCT"),
    (71, "FUNCTION_NOT_WINDOW"),
    (72, "FUNCTION_NOT_AGGREGATE"),
    (73, "EXPRESSION_NOT_AGGREGATE"),
    (74, "EXPRESSION_NOT_SCALAR"),
    (75, "EXPRESSION_NOT_CONSTANT"),
    (76, "INVALID_ARGUMENTS"),
    (77, "TOO_MANY_ARGUMENTS"),
    (78, "INVALID_PRIVILEGE"),
    (79, "DUPLICATE_PROPERTY"),
    (80, "INVALID_PARAMETER_USAGE"),
    (81, "VIEW_IS_STALE"),
    (82, "VIEW_IS_RECURSIVE"),
    (86, "MISSING_TABLE"),
    (88, "MISSING_COLUMN_ALIASES"),
    (90, "INVALID_LIMIT_CLAUSE"),
    (91, "INVALID_ORDER_BY"),
    (101, "TABLE_HAS_NO_COLUMNS"),
    (102, "INVALID_RANGE"),
    (108, "STACK_OVERFLOW"),
    (111, "MISSING_ARGUMENT"),
    (112, "DUPLICATE_PARAMETER_NAME"),
    (113, "INVALID_PATH"),
    (114, "JSON_INPUT_CONVERSION_ERROR"),
    (115, "JSON_OUTPUT_CONVERSION_ERROR"),
    (116, "PATH_EVALUATION_ERROR"),
    (118, "JSON_VALUE_RESULT_ERROR"),
    (119, "MERGE_TARGET_ROW_MULTIPLE_MATCHES"),
    (121, "INVALID_TABLE_FUNCTION_INVOCATION"),
    (123, "INVALID_CHECK_CONSTRAINT"),
    (125, "CATALOG_UNAVAILABLE"),
    (127, "DUPLICATE_COLUMN_OR_PATH_NAME"),
    (128, "MISSING_PATH_NAME"),
    (129, "INVALID_PLAN"),
    (65_536, "GENERIC_INTERNAL_ERROR"),
    (65_545, "SERVER_SHUTTING_DOWN"),
    (65_548, "SERVER_STARTING_UP"),
    (131_073, "EXCEEDED_GLOBAL_MEMORY_LIMIT"),
    (131_074, "QUERY_QUEUE_FULL"),
    (131_075, "EXCEEDED_TIME_LIMIT"),
    (131_076, "CLUSTER_OUT_OF_MEMORY"),
    (131_077, "EXCEEDED_CPU_LIMIT"),
    (131_078, "EXCEEDED_SPILL_LIMIT"),
    (131_079, "EXCEEDED_LOCAL_MEMORY_LIMIT"),
    (131_081, "EXCEEDED_SCAN_LIMIT"),
];

/// An error with the name that Trino's clients know it by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TrinoFailure {
    /// Trino's name, such as `DIVISION_BY_ZERO`.
    pub name: &'static str,
    /// What went wrong, in words.
    pub message: String,
}

impl TrinoFailure {
    /// Returns an error of this name.
    pub fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            name,
            message: message.into(),
        }
    }

    /// Returns Trino's number for the name; that of an internal error if the name is none of Trino's.
    #[must_use]
    pub fn code(&self) -> u32 {
        STANDARD_ERRORS
            .iter()
            .find(|(_, name)| *name == self.name)
            .map_or(65_536, |(code, _)| *code)
    }

    /// Returns the failure inside an error, however deep.
    #[must_use]
    pub fn find(error: &DataFusionError) -> Option<&Self> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = next {
            if let Some(found) = current.downcast_ref::<Self>() {
                return Some(found);
            }
            // The source of `External` and of shared errors is what they hold, not its source.
            next = match current.downcast_ref::<DataFusionError>() {
                Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
                Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
                _ => current.source(),
            };
        }
        None
    }
}

impl From<TrinoFailure> for DataFusionError {
    fn from(failure: TrinoFailure) -> Self {
        Self::External(Box::new(failure))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_failure_is_found_however_deep() {
        let failure = TrinoFailure::new("DIVISION_BY_ZERO", "Division by zero");
        let error = DataFusionError::from(failure.clone()).context("optimizing");
        let error = DataFusionError::Shared(Arc::new(error));
        assert_eq!(TrinoFailure::find(&error), Some(&failure));
        assert_eq!(TrinoFailure::find(&DataFusionError::Plan("x".into())), None);
    }
}
