//! Our errors as the exceptions that the IDL declares for a method.

use std::error::Error as _;
use std::fmt::Write as _;

use pilota::thrift::ApplicationExceptionKind;

/// Why a method was not carried out, with the message for the client.
#[derive(Debug)]
pub(super) enum Failure {
    DatabaseMissing(String),
    TableMissing(String),
    /// A partition, a function, statistics.
    ObjectMissing(String),
    Exists(String),
    /// It is understood, and not done.
    Refused(String),
    /// What the client sent contradicts itself or our rules.
    Invalid(String),
    /// The lake failed.
    Failed(String),
    /// A required argument is missing or of another type.
    Argument(String),
}

pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

/// An exception in a method's `throws` clause; its place in the list is its field id, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
    AlreadyExists,
    ConfigValSecurity,
    InvalidInput,
    InvalidObject,
    InvalidOperation,
    Meta,
    NoSuchObject,
    UnknownDb,
    UnknownTable,
}

impl Failure {
    /// Returns the field of the exception that says it best; none when the method declares none.
    pub(super) fn declared_as(&self, declared: &[Declared]) -> Option<i16> {
        use Declared as D;
        let preferred: &[Declared] = match self {
            Self::DatabaseMissing(_) => &[
                D::UnknownDb,
                D::NoSuchObject,
                D::InvalidObject,
                D::InvalidOperation,
                D::Meta,
            ],
            Self::TableMissing(_) => &[
                D::UnknownTable,
                D::NoSuchObject,
                D::InvalidOperation,
                D::InvalidObject,
                D::Meta,
            ],
            Self::ObjectMissing(_) => &[D::NoSuchObject, D::InvalidOperation, D::Meta],
            Self::Exists(_) => &[D::AlreadyExists, D::InvalidOperation, D::Meta],
            Self::Refused(_) => &[D::InvalidOperation, D::InvalidObject, D::Meta],
            Self::Invalid(_) => &[
                D::InvalidObject,
                D::InvalidInput,
                D::InvalidOperation,
                D::Meta,
                D::ConfigValSecurity,
            ],
            Self::Failed(_) => &[D::Meta],
            Self::Argument(_) => &[],
        };
        let place = preferred
            .iter()
            .find_map(|wanted| declared.iter().position(|known| known == wanted))?;
        i16::try_from(place + 1).ok()
    }

    /// Returns how it is said where no exception of the IDL can.
    pub(super) fn kind(&self) -> ApplicationExceptionKind {
        match self {
            Self::Argument(_) => ApplicationExceptionKind::PROTOCOL_ERROR,
            _ => ApplicationExceptionKind::INTERNAL_ERROR,
        }
    }

    pub(super) fn into_message(self) -> String {
        match self {
            Self::DatabaseMissing(message)
            | Self::TableMissing(message)
            | Self::ObjectMissing(message)
            | Self::Exists(message)
            | Self::Refused(message)
            | Self::Invalid(message)
            | Self::Failed(message)
            | Self::Argument(message) => message,
        }
    }
}

impl From<lake::Error> for Failure {
    fn from(error: lake::Error) -> Self {
        use lake::Error as E;
        let mut message = with_causes(&error);
        if let Some(hint) = error.hint() {
            // Clients show nothing but the message.
            let _ = write!(message, "; {hint}");
        }
        match error {
            E::DatabaseNotFound { .. } => Self::DatabaseMissing(message),
            E::TableNotFound { .. } => Self::TableMissing(message),
            E::PartitionNotFound { .. } => Self::ObjectMissing(message),
            E::DatabaseAlreadyExists { .. }
            | E::TableAlreadyExists { .. }
            | E::PartitionAlreadyExists { .. } => Self::Exists(message),
            E::DatabaseNotEmpty { .. } | E::UnsupportedFeature { .. } | E::AppendOnly { .. } => {
                Self::Refused(message)
            }
            E::InvalidName { .. }
            | E::InvalidHiveType { .. }
            | E::InvalidPartition { .. }
            | E::ExternalLocationNotAllowed { .. }
            | E::LocationOutsideLake { .. }
            | E::LocationTaken { .. }
            | E::MissingLog { .. }
            | E::SchemaMismatch { .. } => Self::Invalid(message),
            _ => Self::Failed(message),
        }
    }
}

fn with_causes(error: &lake::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
