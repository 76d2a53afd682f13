//! An S3 server on a folder, for tests and demonstrations of the S3 path: `s3s-fs` with a lock on each written key.
//!
//! `s3s-fs` alone looks whether a key exists and only later renames a file over it, so two writers of "put if absent"
//! can both win and a Delta commit is lost. Here every write of a key waits for the one before it. That holds while one
//! process owns the folder, which a lock file ensures. Nothing is flushed to disk: acknowledged objects outlive the
//! process, not a power failure.

mod guarded;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::guarded::Guarded;
use crate::error::{Error, Result};

/// Where the server keeps objects, listens, and who may use it.
#[derive(Clone)]
pub struct S3ServerConfig {
    /// Folder of the objects; made if absent. One process may own it.
    pub data_dir: PathBuf,
    /// Port 0 picks a free one. There is no TLS: listen on loopback.
    pub listen: SocketAddr,
    /// The one access key.
    pub access_key: String,
    /// Its secret; requests are signed with it (Signature Version 4).
    pub secret_key: String,
}

impl std::fmt::Debug for S3ServerConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("S3ServerConfig")
            .field("data_dir", &self.data_dir)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// A running S3 server.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    objects: PathBuf,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    /// Held, not read: its lock ends with the server.
    _lock: File,
}

impl S3Server {
    /// Takes the folder and listens.
    ///
    /// # Errors
    /// [`Error::FolderInUse`] when another process has the folder, [`Error::Listen`] when the address is taken, and
    /// [`Error::Storage`] when the folder cannot be used.
    pub async fn start(config: S3ServerConfig) -> Result<Self> {
        let S3ServerConfig {
            data_dir,
            listen,
            access_key,
            secret_key,
        } = config;
        let lock = lock_folder(&data_dir)?;
        let objects = data_dir.join("objects");
        std::fs::create_dir_all(&objects)
            .map_err(|source| storage_error(&data_dir, source.into()))?;
        let files = s3s_fs::FileSystem::new(&objects)
            .map_err(|error| storage_error(&data_dir, format!("{error:?}").into()))?;
        let mut service = S3ServiceBuilder::new(Guarded::new(files));
        service.set_auth(SimpleAuth::from_single(access_key, secret_key));

        let listener = TcpListener::bind(listen)
            .await
            .map_err(|source| Error::Listen {
                address: listen,
                source,
            })?;
        let address = listener.local_addr().map_err(|source| Error::Listen {
            address: listen,
            source,
        })?;
        tracing::info!(%address, "embedded S3 server (s3s-fs behind a lock) is listening; for tests and demonstrations");
        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(accept(
            listener,
            service.build(),
            shutdown.clone(),
            tasks.clone(),
        ));
        Ok(Self {
            address,
            objects,
            shutdown,
            tasks,
            _lock: lock,
        })
    }

    /// Returns the endpoint URL; buckets are named in the path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket if it is not there, as `CreateBucket` through the protocol would.
    ///
    /// # Errors
    /// [`Error::Storage`] when the name is no bucket name, or the folder cannot be written.
    pub fn create_bucket(&self, name: &str) -> Result<()> {
        let is_plain = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
        };
        if !(3..=63).contains(&name.len()) || !name.chars().all(is_plain) {
            return Err(storage_error(
                &self.objects,
                format!("`{name}` is no bucket name").into(),
            ));
        }
        std::fs::create_dir_all(self.objects.join(name))
            .map_err(|source| storage_error(&self.objects, source.into()))
    }

    /// Stops accepting, lets running requests finish, and gives the folder back.
    pub async fn shutdown(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn lock_folder(folder: &Path) -> Result<File> {
    std::fs::create_dir_all(folder).map_err(|source| storage_error(folder, source.into()))?;
    let file =
        File::create(folder.join("lock")).map_err(|source| storage_error(folder, source.into()))?;
    match fs4::fs_std::FileExt::try_lock_exclusive(&file) {
        Ok(true) => Ok(file),
        Ok(false) => Err(Error::FolderInUse {
            folder: folder.to_owned(),
        }),
        Err(source) => Err(storage_error(folder, source.into())),
    }
}

fn storage_error(folder: &Path, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Storage {
        folder: folder.to_owned(),
        source,
    }
}

async fn accept(
    listener: TcpListener,
    service: S3Service,
    shutdown: CancellationToken,
    tasks: TaskTracker,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // Without it small answers wait for the next packet; failing to set it only costs time.
                let _ = stream.set_nodelay(true);
                tasks.spawn(serve(stream, service.clone(), graceful.watcher()));
            }
            Err(error) => {
                tracing::warn!(%error, "S3 server cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
    graceful.shutdown().await;
}

async fn serve(stream: tokio::net::TcpStream, service: S3Service, watcher: Watcher) {
    let builder = Builder::new(TokioExecutor::new());
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error, "an S3 connection ended early");
    }
}

#[cfg(test)]
mod conformance;
