//! What can go wrong with a stand-in, in the words of whoever starts it.

use std::net::SocketAddr;
use std::path::PathBuf;

/// The result of an operation on a stand-in.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a stand-in; the cause is in [`source`](std::error::Error::source) and not in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A process holds the lock of the folder.
    #[error("`{folder}` is in use: is another lakehouse running on this folder?", folder = folder.display())]
    FolderInUse {
        /// The folder of the stand-in.
        folder: PathBuf,
    },

    /// The address cannot be listened on.
    #[error("listening on `{address}` failed")]
    Listen {
        /// The address as configured.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },

    /// The folder or a file in it cannot be used.
    #[error("the stand-in's data in `{folder}` cannot be opened", folder = folder.display())]
    Storage {
        /// The folder of the stand-in.
        folder: PathBuf,
        /// What the system or the storage engine said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// Our own mistake.
    #[error("internal error, please report it: {what}")]
    Internal {
        /// What was found to be impossible.
        what: String,
    },
}
