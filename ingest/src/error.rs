//! What can go wrong between a source and a table.

/// The result of an ingestion step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of ingestion.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read `{file}`: {reason}")]
    File {
        /// The file.
        file: String,
        /// What is wrong, with the row where it is known.
        reason: String,
    },
    /// A file's columns do not fit the table.
    #[error("`{file}` does not fit table `{table}`: {reason}")]
    Columns {
        /// The file.
        file: String,
        /// The table.
        table: lake::TableName,
        /// The first difference.
        reason: String,
    },
    /// Another process keeps loading the same source.
    #[error("another process is loading `{source_id}` into table `{table}`")]
    Contended {
        /// The source.
        source_id: String,
        /// The table.
        table: lake::TableName,
    },
    /// The lake refused.
    #[error(transparent)]
    Lake(#[from] lake::Error),
    /// A bug of ours.
    #[error("internal error in ingest: {message}; please report this")]
    Internal {
        /// What we did not expect.
        message: String,
    },
}
