//! The embedded document store (MongoDB wire subset): a small server for one machine, reached through the official
//! driver like the real one. It is not MongoDB and says so in its start-up log and in `buildInfo`.
//!
//! ```text
//! driver --TCP--> wire (frames) -> commands (one blocking task each) -> filter | update | shape
//!                                                                        \-> storage (one redb file)
//! ```
//!
//! What it does not know, whether command, option or operator, is an error and never ignored.

mod commands;
mod cursors;
mod failure;
mod fields;
mod filter;
mod path;
mod shape;
mod storage;
mod update;
mod value;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::commands::Commands;
use self::storage::Storage;
use crate::error::{Error, Result};

/// Connections beyond this wait to be accepted.
const MAX_CONNECTIONS: usize = 256;

/// How long a peer may take to read an answer.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the store keeps its file and listens.
#[derive(Debug, Clone)]
pub struct DocumentStoreConfig {
    /// Folder of the store; made if absent. One process may own it.
    pub data_dir: PathBuf,
    /// Port 0 picks a free one. There is no authentication: listen on loopback.
    pub listen: SocketAddr,
}

/// A running document store.
#[derive(Debug)]
pub struct DocumentStore {
    address: SocketAddr,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl DocumentStore {
    /// Opens the file in `data_dir` and listens.
    ///
    /// # Errors
    /// [`Error::FolderInUse`] when another process has the folder, [`Error::Listen`] when the address is taken, and
    /// [`Error::Storage`] when the file cannot be opened.
    pub async fn start(config: DocumentStoreConfig) -> Result<Self> {
        let folder = config.data_dir;
        let opening = tokio::task::spawn_blocking(move || open_storage(folder));
        let storage = opening.await.map_err(|error| Error::Internal {
            what: error.to_string(),
        })??;
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| Error::Listen {
                address: config.listen,
                source,
            })?;
        let address = listener.local_addr().map_err(|source| Error::Listen {
            address: config.listen,
            source,
        })?;
        tracing::info!(%address, "embedded document store (MongoDB wire subset) is listening; it is not MongoDB");
        let store = Self {
            address,
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let server = Server {
            commands: Arc::new(Commands::new(storage)),
            shutdown: store.shutdown.clone(),
            tasks: store.tasks.clone(),
        };
        store.tasks.spawn(server.accept(listener));
        Ok(store)
    }

    /// Returns the connection string for a driver.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address)
    }

    /// Stops accepting, lets running commands finish, and closes the file.
    pub async fn shutdown(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for DocumentStore {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn open_storage(folder: PathBuf) -> Result<Storage> {
    std::fs::create_dir_all(&folder).map_err(|source| Error::Storage {
        folder: folder.clone(),
        source: source.into(),
    })?;
    Storage::open(&folder.join("documents.redb")).map_err(|error| match error {
        redb::Error::DatabaseAlreadyOpen => Error::FolderInUse {
            folder: folder.clone(),
        },
        other => Error::Storage {
            folder: folder.clone(),
            source: other.into(),
        },
    })
}

#[derive(Clone)]
struct Server {
    commands: Arc<Commands>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    async fn accept(self, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = self.shutdown.cancelled() => return,
                accepted = async {
                    let slot = Arc::clone(&slots).acquire_owned().await;
                    (slot, listener.accept().await)
                } => accepted,
            };
            match accepted {
                (Ok(slot), Ok((stream, peer))) => {
                    let server = self.clone();
                    self.tasks.spawn(async move {
                        if let Err(error) = server.serve(stream).await {
                            tracing::warn!(%peer, error = &error as &dyn std::error::Error, "document store closed a connection");
                        }
                        drop(slot);
                    });
                }
                (_, Err(error)) => {
                    // Mostly too many open files: let some close.
                    tracing::warn!(%error, "document store cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                (Err(_), _) => return,
            }
        }
    }

    /// Answers one connection until it closes or misbehaves. Requests of one connection are answered in order.
    async fn serve(&self, mut stream: TcpStream) -> Result<(), wire::FrameError> {
        stream.set_nodelay(true)?;
        loop {
            let request = tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                request = wire::read_request(&mut stream) => request?,
            };
            let Some(request) = request else {
                return Ok(());
            };
            let commands = Arc::clone(&self.commands);
            let running =
                tokio::task::spawn_blocking(move || commands.run(request.command, Instant::now()));
            let reply = running.await.map_err(std::io::Error::other)?;
            if request.wants_reply {
                let frame = wire::encode_reply(request.id, request.form, &reply)?;
                // Also on the way down: a write that is on disk is told to who asked for it.
                let written = tokio::time::timeout(REPLY_TIMEOUT, stream.write_all(&frame)).await;
                written.map_err(|_| wire::FrameError::TooSlow)??;
            }
        }
    }
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;
