//! What a command answers when it cannot do what it was asked, with the codes drivers know.

use mongodb::bson::{Document, doc};

pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

/// A failed command or write, as the wire carries it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    pub(super) code: i32,
    pub(super) name: &'static str,
    pub(super) message: String,
}

impl Failure {
    fn new(code: i32, name: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            name,
            message: message.into(),
        }
    }

    pub(super) fn bad_value(message: impl Into<String>) -> Self {
        Self::new(2, "BadValue", message)
    }

    pub(super) fn wrong_type(field: &str, wanted: &str) -> Self {
        Self::new(
            14,
            "TypeMismatch",
            format!("field `{field}` must be {wanted}"),
        )
    }

    pub(super) fn missing(command: &str, field: &str) -> Self {
        Self::new(
            40414,
            "IDLFailedToParse",
            format!("`{command}` needs the field `{field}`"),
        )
    }

    /// The honest answer of a subset.
    pub(super) fn not_supported(what: impl std::fmt::Display) -> Self {
        Self::new(
            238,
            "NotImplemented",
            format!("{what} is not supported by the embedded document store"),
        )
    }

    pub(super) fn unknown_command(name: &str) -> Self {
        let message =
            format!("no such command: '{name}' (embedded document store, MongoDB wire subset)");
        Self::new(59, "CommandNotFound", message)
    }

    pub(super) fn transactions() -> Self {
        Self::new(
            20,
            "IllegalOperation",
            "the embedded document store has no transactions",
        )
    }

    pub(super) fn duplicate_key(namespace: &str, index: &str, key: &Document) -> Self {
        let message = format!(
            "E11000 duplicate key error collection: {namespace} index: {index} dup key: {key}"
        );
        Self::new(11000, "DuplicateKey", message)
    }

    pub(super) fn namespace_not_found(namespace: &str) -> Self {
        Self::new(
            26,
            "NamespaceNotFound",
            format!("ns does not exist: {namespace}"),
        )
    }

    pub(super) fn invalid_namespace(namespace: &str) -> Self {
        Self::new(
            73,
            "InvalidNamespace",
            format!("invalid namespace: `{namespace}`"),
        )
    }

    pub(super) fn cursor_not_found(id: i64) -> Self {
        Self::new(
            43,
            "CursorNotFound",
            format!("cursor id {id} not found (closed, or expired)"),
        )
    }

    pub(super) fn too_many_cursors() -> Self {
        Self::new(
            146,
            "ExceededMemoryLimit",
            "open cursors hold too many documents: close some",
        )
    }

    pub(super) fn document_too_large(bytes: usize) -> Self {
        Self::new(
            10334,
            "BSONObjectTooLarge",
            format!("a document of {bytes} bytes is over the limit of 16 MiB"),
        )
    }

    pub(super) fn immutable_id() -> Self {
        Self::new(66, "ImmutableField", "the field `_id` cannot be changed")
    }

    pub(super) fn path_not_viable(path: &str, part: &str) -> Self {
        Self::new(
            28,
            "PathNotViable",
            format!("cannot write `{path}`: `{part}` is not a document"),
        )
    }

    pub(super) fn conflicting_paths(path: &str) -> Self {
        Self::new(
            40,
            "ConflictingUpdateOperators",
            format!("updating `{path}` twice would be a conflict"),
        )
    }

    pub(super) fn index_conflict(name: &str) -> Self {
        Self::new(
            86,
            "IndexKeySpecsConflict",
            format!("an index other than `{name}` has this name or this key"),
        )
    }

    pub(super) fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(1, "InternalError", message.to_string())
    }

    pub(super) fn to_reply(&self) -> Document {
        doc! { "ok": 0.0, "errmsg": &self.message, "code": self.code, "codeName": self.name }
    }

    pub(super) fn to_write_error(&self, index: usize) -> Document {
        doc! { "index": i32::try_from(index).unwrap_or(i32::MAX), "code": self.code, "errmsg": &self.message }
    }
}

macro_rules! storage_failure {
    ($($error:ty),*) => { $(impl From<$error> for Failure {
        fn from(error: $error) -> Self {
            Self::internal(format_args!("the storage file failed: {error}"))
        }
    })* };
}

storage_failure!(
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    mongodb::bson::error::Error
);
