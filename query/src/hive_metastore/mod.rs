//! The Hive Metastore's Thrift protocol, served from the lake's catalog.
//!
//! ```text
//! socket --> wire       a message as a tree of values, bounded in bytes, values and depth
//!            service    method name -> databases | tables | partitions | about
//!            convert    the catalog's databases, tables and partitions <-> those of Hive
//!        <-- reply      the result, or the exception that the IDL declares
//! ```
//!
//! Spark, Trino and other readers of Hive tables list, describe and read what the catalog has, and
//! create, alter and drop tables in it. The lake stays the only place where anything is kept.
//!
//! # Source
//! `hive_metastore.thrift` of Hive 2.3, as in the crate `hive_metastore`.

mod about;
mod arguments;
mod config;
mod connection;
mod convert;
mod databases;
mod failure;
mod filter;
mod names;
mod partitions;
mod reply;
mod service;
mod tables;
mod wire;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use lake::Lake;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

pub use self::config::HiveMetastoreConfig;
use self::connection::Connection;
use self::service::Metastore;
use crate::error::Result;

/// Pause after the system could not give us a connection, for example for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Messages beyond the size of a usual one that are in memory at once.
const LARGE_MESSAGES: usize = 4;

/// Serves the metastore on `listener` until `shutdown`; requests that are being answered finish.
///
/// # Errors
/// None so far: what goes wrong with one connection ends that connection.
pub async fn run(
    listener: TcpListener,
    lake: Arc<Lake>,
    config: HiveMetastoreConfig,
    shutdown: CancellationToken,
) -> Result<()> {
    let places = Arc::new(Semaphore::new(config.max_connections));
    let large_messages = Arc::new(Semaphore::new(LARGE_MESSAGES));
    let metastore = Arc::new(Metastore::new(lake, &config));
    let config = Arc::new(config);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "metastore connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            warn!(%peer, most = config.max_connections, "metastore connection refused: too many");
            continue;
        };
        debug!(%peer, "metastore connection");
        let connection = Connection {
            metastore: Arc::clone(&metastore),
            config: Arc::clone(&config),
            large_messages: Arc::clone(&large_messages),
            shutdown: shutdown.clone(),
        };
        connections.spawn(async move {
            connection.serve(socket).await;
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

/// Asks the metastore at `address` (`host:port`) whether it is alive.
///
/// # Errors
/// Nobody listens there, or it does not speak this protocol.
pub async fn ping(address: &str, timeout: Duration) -> io::Result<()> {
    let asked = async {
        let mut socket = TcpStream::connect(address).await?;
        // A call of `getStatus` with sequence 1 and no arguments.
        let mut call = (wire::VERSION_1 | 1).to_be_bytes().to_vec();
        call.extend(9_u32.to_be_bytes());
        call.extend(b"getStatus");
        call.extend(1_u32.to_be_bytes());
        call.push(0);
        socket.write_all(&call).await?;
        let answer = socket.read_u32().await?;
        if answer == wire::VERSION_1 | 2 {
            return Ok(());
        }
        let message = format!("`{address}` does not answer as a Hive metastore does");
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    };
    let late = || {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("`{address}` does not answer"),
        )
    };
    tokio::time::timeout(timeout, asked)
        .await
        .unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests;
