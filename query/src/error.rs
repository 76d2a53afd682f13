//! What can go wrong with a statement, and whose fault it is.

use datafusion::error::DataFusionError;

use crate::presto::error::TrinoFailure;

/// The result of running SQL.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the SQL service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not SQL.
    #[error("the statement cannot be parsed: {message}")]
    Syntax {
        /// What the parser said, with line and column.
        message: String,
    },
    /// The statement is SQL, but we do not run it.
    #[error("not supported: {what}")]
    NotSupported {
        /// The statement or clause.
        what: String,
    },
    /// A catalog other than `lake`.
    #[error("catalog `{name}` does not exist; there is `lake`")]
    CatalogNotFound {
        /// What was asked for.
        name: String,
    },
    /// A table was named without a schema, and the session has none.
    #[error("table `{name}` needs a schema: write `schema.{name}`, or set one with USE")]
    MissingSchema {
        /// The table.
        name: String,
    },
    /// A table that is not there, of a schema that the lake's catalog does not keep.
    #[error("table `{name}` does not exist")]
    TableNotFound {
        /// The full name.
        name: String,
    },
    /// Something else that is named and not there, such as a prepared statement.
    #[error("{what} not found: {name}")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A prepared statement was given too few or too many values.
    #[error("incorrect number of parameters: expected {expected} but found {found}")]
    InvalidParameterUsage {
        /// Placeholders in the statement.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A session property that we do not have.
    #[error("session property `{name}` does not exist")]
    InvalidSessionProperty {
        /// Its name.
        name: String,
    },
    /// The client cancelled the query.
    #[error("the query was cancelled")]
    Cancelled,
    /// The client stopped asking for the query's pages.
    #[error("the query was abandoned: its client has not asked for pages for too long")]
    Abandoned,
    /// The statement is inconsistent in itself.
    #[error("{message}")]
    Invalid {
        /// What is wrong, in words.
        message: String,
    },
    /// An error that has a name in Presto.
    #[error(transparent)]
    Named(#[from] TrinoFailure),
    /// The lake refused.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// Planning failed, for example because a column does not exist.
    #[error("the statement cannot be planned")]
    Plan(#[source] DataFusionError),
    /// Running failed.
    #[error("the query failed")]
    Execution(#[source] DataFusionError),
    /// A file of the SQL library is missing or wrong.
    #[error("SQL file `{name}`: {reason}")]
    Library {
        /// The file's name without ending.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A bug of ours.
    #[error("internal error in query: {message}; please report this")]
    Internal {
        /// What we did not expect.
        message: String,
    },
}
