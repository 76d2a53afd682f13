//! Connections and frames: a 4-byte length, then a request or an answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{ApiKey, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Broker, requests, shape};

/// Connections beyond this wait to be accepted.
const MAX_CONNECTIONS: usize = 512;
/// Largest request with records.
const MAX_PRODUCE_BYTES: usize = 100 << 20;
/// Largest request of any other kind.
const MAX_REQUEST_BYTES: usize = 1 << 20;
/// Memory for larger requests of all connections together, in KiB.
const REQUEST_BUDGET_KIB: usize = 256 << 10;
/// Requests up to this size are outside the budget, so that no large one holds up a heartbeat.
const SMALL_REQUEST_BYTES: usize = 64 << 10;
/// How long a new connection may be silent.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be silent between requests, as in Kafka.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// How long a peer may take to send a request it announced, or to read an answer.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(30);

/// A request that has been read.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) api: ApiKey,
    pub(super) version: i16,
    pub(super) client: String,
    correlation_id: i32,
    body: Bytes,
    /// Its share of the budget.
    room: Option<OwnedSemaphorePermit>,
}

impl Request {
    /// Reads the body.
    pub(super) fn decode<T: Decodable>(&self) -> io::Result<T> {
        T::decode(&mut self.body.clone(), self.version).map_err(io::Error::other)
    }

    /// Gives body and room back, before a wait for others.
    pub(super) fn release(&mut self) {
        self.body = Bytes::new();
        self.room = None;
    }

    /// Writes the answer, length and header included.
    pub(super) fn reply<T: Encodable + HeaderVersion>(
        &self,
        answer: &T,
    ) -> io::Result<Option<Bytes>> {
        encode(self.correlation_id, self.version, answer)
            .map(Some)
            .map_err(|error| io::Error::other(format!("{:?} {}: {error}", self.api, self.version)))
    }
}

/// Accepts connections until told to stop.
pub(super) async fn accept(
    listener: TcpListener,
    broker: Arc<Broker>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let budget = Arc::new(Semaphore::new(REQUEST_BUDGET_KIB));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (Ok(slot), Ok((stream, peer))) => {
                let (broker, budget) = (Arc::clone(&broker), Arc::clone(&budget));
                let shutdown = shutdown.clone();
                tasks.spawn(async move {
                    let served = tokio::select! {
                        () = shutdown.cancelled() => Ok(()),
                        served = serve(stream, &broker, &budget) => served,
                    };
                    if let Err(error) = served {
                        tracing::debug!(%peer, %error, "kafka broker closed a connection");
                    }
                    drop(slot);
                });
            }
            (_, Err(error)) => {
                // Mostly too many open files: let some close.
                tracing::warn!(%error, "kafka broker cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (Err(_), _) => return,
        }
    }
}

/// Answers one connection, request by request, until it closes or misbehaves.
async fn serve(stream: TcpStream, broker: &Arc<Broker>, budget: &Arc<Semaphore>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let mut patience = FIRST_REQUEST_TIMEOUT;
    loop {
        let length = match within(patience, reader.read_i32()).await {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        patience = IDLE_TIMEOUT;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_PRODUCE_BYTES {
            return Err(invalid("a request is larger than 100 MiB"));
        }
        let api = within(TRANSFER_TIMEOUT, reader.read_i16()).await?;
        if length > MAX_REQUEST_BYTES && api != ApiKey::Produce as i16 {
            return Err(invalid("a request without records is larger than 1 MiB"));
        }
        let rest = length
            .checked_sub(2)
            .ok_or_else(|| invalid("a request is shorter than its number"))?;
        let room = find_room(budget, length).await?;
        let frame = within(TRANSFER_TIMEOUT, read_frame(&mut reader, rest)).await?;
        let answer = match parse(api, frame, room)? {
            Parsed::Request(request) => requests::answer(broker, request).await?,
            Parsed::NewerApiVersions(correlation_id) => {
                let refusal = requests::api_versions(ResponseError::UnsupportedVersion.code());
                Some(encode(correlation_id, 0, &refusal)?)
            }
        };
        if let Some(answer) = answer {
            within(TRANSFER_TIMEOUT, writer.write_all(&answer)).await?;
        }
    }
}

/// Waits until there is memory for a request.
async fn find_room(
    budget: &Arc<Semaphore>,
    length: usize,
) -> io::Result<Option<OwnedSemaphorePermit>> {
    if length <= SMALL_REQUEST_BYTES {
        return Ok(None);
    }
    let kib = u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX);
    let room = Arc::clone(budget).acquire_many_owned(kib).await;
    room.map(Some).map_err(io::Error::other)
}

/// Reads as the bytes come, so that a length that is only claimed costs nothing.
async fn read_frame(
    reader: &mut (impl tokio::io::AsyncRead + Unpin),
    length: usize,
) -> io::Result<Bytes> {
    let mut frame = Vec::with_capacity(length.min(1 << 16));
    reader.take(length as u64).read_to_end(&mut frame).await?;
    if frame.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(frame.into())
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

enum Parsed {
    Request(Request),
    /// A version of `ApiVersions` we do not know: the answer has to be in version 0.
    NewerApiVersions(i32),
}

fn parse(
    api_number: i16,
    mut frame: Bytes,
    room: Option<OwnedSemaphorePermit>,
) -> io::Result<Parsed> {
    let version = frame.try_get_i16().map_err(io::Error::other)?;
    let correlation_id = frame.try_get_i32().map_err(io::Error::other)?;
    let client_length = frame.try_get_i16().map_err(io::Error::other)?;
    let client = usize::try_from(client_length.max(0)).unwrap_or(0);
    if client > frame.len() {
        return Err(invalid("a client id is longer than its request"));
    }
    let client = frame.split_to(client);
    let client = String::from_utf8_lossy(&client).into_owned();
    let api = ApiKey::try_from(api_number).map_err(|()| invalid("an unknown request"))?;
    if api == ApiKey::ApiVersions {
        let (min, max) = shape::API_VERSIONS;
        if !(min..=max).contains(&version) {
            return Ok(Parsed::NewerApiVersions(correlation_id));
        }
    } else {
        let shape = shape::find(api_number, version)
            .ok_or_else(|| invalid(&format!("{api:?} version {version} is not offered")))?;
        if !shape.fits(&frame) {
            return Err(invalid(&format!("a malformed {api:?} version {version}")));
        }
    }
    Ok(Parsed::Request(Request {
        api,
        version,
        client,
        correlation_id,
        body: frame,
        room,
    }))
}

fn encode<T: Encodable + HeaderVersion>(
    correlation_id: i32,
    version: i16,
    answer: &T,
) -> io::Result<Bytes> {
    let mut body = BytesMut::new();
    ResponseHeader::default()
        .with_correlation_id(correlation_id)
        .encode(&mut body, T::header_version(version))
        .and_then(|()| answer.encode(&mut body, version))
        .map_err(io::Error::other)?;
    let mut frame = BytesMut::with_capacity(body.len() + 4);
    frame.put_i32(i32::try_from(body.len()).map_err(io::Error::other)?);
    frame.extend_from_slice(&body);
    Ok(frame.freeze())
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}
