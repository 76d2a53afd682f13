//! One client: a request, its answer, the next request.

use std::sync::Arc;

use pilota::thrift::ApplicationExceptionKind;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::config::HiveMetastoreConfig;
use super::reply::Reply;
use super::service::Metastore;
use super::wire::{Fields, Header, Input, WireError};

/// What a connection needs to be served.
pub(super) struct Connection {
    pub(super) metastore: Arc<Metastore>,
    pub(super) config: Arc<HiveMetastoreConfig>,
    pub(super) large_messages: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
}

/// What became of waiting for a request.
enum Received {
    Request(Header, Fields),
    /// It began well and cannot be understood; where the next one begins is unknown.
    Broken(Header, WireError),
    End,
}

impl Connection {
    /// Answers requests until the client hangs up, misbehaves or is idle, or `shutdown`.
    pub(super) async fn serve(self, socket: TcpStream) {
        // Answers are written whole, so there is nothing to wait for before sending them.
        if socket.set_nodelay(true).is_err() {
            return;
        }
        let (reader, mut writer) = socket.into_split();
        let large_messages = Arc::clone(&self.large_messages);
        let mut input = Input::new(reader, self.config.max_message_bytes, large_messages);
        loop {
            // Nothing is lost when a request is given up: the connection ends with it.
            let received = tokio::select! {
                () = self.shutdown.cancelled() => return,
                received = self.receive(&mut input) => received,
            };
            match received {
                Received::End => return,
                Received::Broken(header, error) => {
                    let kind = ApplicationExceptionKind::PROTOCOL_ERROR;
                    let reply = Reply::exception(kind, error.to_string());
                    self.send(&mut writer, &header, reply).await;
                    return;
                }
                Received::Request(header, arguments) => {
                    let reply = self.metastore.answer(&header.method, &arguments).await;
                    let hang_up = matches!(reply, Reply::HangUp);
                    if !self.send(&mut writer, &header, reply).await || hang_up {
                        return;
                    }
                    input.finish();
                }
            }
        }
    }

    async fn receive<R>(&self, input: &mut Input<R>) -> Received
    where
        R: tokio::io::AsyncRead + Unpin + Send,
    {
        match timeout(self.config.idle_timeout, input.wait()).await {
            Ok(Ok(true)) => {}
            // A client may hang up at any time, and how it does says nothing.
            Ok(Ok(false) | Err(_)) | Err(_) => return Received::End,
        }
        let begin = tokio::time::Instant::now();
        let header = match timeout(self.config.transfer_timeout, input.header()).await {
            Ok(Ok(header)) => header,
            Ok(Err(error)) => {
                debug!(%error, "metastore connection ends");
                return Received::End;
            }
            Err(_) => return Received::End,
        };
        let deadline = begin + self.config.transfer_timeout;
        match tokio::time::timeout_at(deadline, input.arguments()).await {
            Ok(Ok(arguments)) => Received::Request(header, arguments),
            Ok(Err(WireError::Io(_))) | Err(_) => Received::End,
            Ok(Err(error)) => {
                debug!(method = %header.method, %error, "metastore request cannot be read");
                Received::Broken(header, error)
            }
        }
    }

    /// Sends an answer; false when the client does not take it.
    async fn send(&self, writer: &mut OwnedWriteHalf, header: &Header, reply: Reply) -> bool {
        let message = match reply.into_message(header) {
            Ok(Some(message)) => message,
            Ok(None) => return true,
            Err(error) => {
                debug!(method = %header.method, %error, "metastore answer cannot be written");
                return false;
            }
        };
        let sent = timeout(self.config.transfer_timeout, writer.write_all(&message)).await;
        matches!(sent, Ok(Ok(())))
    }
}
