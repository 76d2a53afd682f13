//! Why a page cannot be shown, for the log and for the reader.

use crate::telemetry::chain;

use axum::http::StatusCode;
use serde::Serialize;

use super::decode::DecodeError;

/// Why a page cannot be shown.
#[derive(Debug)]
pub(super) enum PageError {
    /// There is nothing at this address.
    NotFound {
        /// What is missing, as a sentence.
        what: String,
    },
    /// A query of the page failed.
    Query {
        /// Its SQL file.
        name: &'static str,
        /// The engine's answer.
        source: Box<query::Error>,
    },
    /// A query of the page took too long.
    Deadline {
        /// Its SQL file.
        name: &'static str,
    },
    /// The lake cannot be read.
    Lake(Box<lake::Error>),
    /// The rows are not what the page expects.
    Rows {
        /// The SQL file.
        name: &'static str,
        /// What is wrong.
        source: DecodeError,
    },
    /// A file of `sql/pages` is missing.
    SqlFile {
        /// Which one.
        name: &'static str,
    },
    /// The template is missing or wrong.
    Template(minijinja::Error),
}

impl From<lake::Error> for PageError {
    fn from(error: lake::Error) -> Self {
        Self::Lake(Box::new(error))
    }
}

impl From<minijinja::Error> for PageError {
    fn from(error: minijinja::Error) -> Self {
        Self::Template(error)
    }
}

/// What the error page says.
#[derive(Debug, Serialize)]
pub(super) struct Notice {
    title: &'static str,
    text: String,
}

impl PageError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Query { .. } | Self::Deadline { .. } | Self::Lake(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Rows { .. } | Self::SqlFile { .. } | Self::Template(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Returns the reader's words; causes stay in the log.
    pub(super) fn notice(&self) -> Notice {
        let (title, text) = match self {
            Self::NotFound { what } => ("Not found", what.as_str()),
            Self::Deadline { .. } => ("Not available", "Reading the lake takes too long."),
            Self::Query { .. } | Self::Lake(_) => {
                ("Not available", "The lake cannot be read right now.")
            }
            _ => (
                "Something went wrong",
                "This page cannot be shown. The log says why.",
            ),
        };
        Notice {
            title,
            text: text.to_owned(),
        }
    }

    /// Writes the failure to the log.
    pub(super) fn log(&self) {
        match self {
            Self::NotFound { .. } => {}
            Self::Query { name, source } => {
                tracing::warn!(sql = name, error = %chain(source.as_ref()), "a page's query failed");
            }
            Self::Deadline { name } => tracing::warn!(sql = name, "a page's query takes too long"),
            Self::Lake(source) => {
                tracing::warn!(error = %chain(source.as_ref()), "a page cannot read the lake");
            }
            Self::Rows { name, source } => {
                tracing::error!(sql = name, error = %chain(source), "a page cannot use its rows");
            }
            Self::SqlFile { name } => tracing::error!(sql = name, "a page's sql file is missing"),
            Self::Template(source) => {
                tracing::error!(error = %chain(source), "a page cannot be rendered");
            }
        }
    }
}
