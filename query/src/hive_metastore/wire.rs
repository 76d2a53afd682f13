//! The Thrift binary protocol, read from clients that nobody vouches for.
//!
//! ```text
//! message = 0x8001 00 type | name | sequence | fields        as it is, or after its length ("framed")
//! fields  = (type, id, value)* stop
//! ```
//!
//! Messages become trees of [`Value`]s. A generated decoder believes the lengths and element types
//! that it is told; here memory grows only with the bytes that really arrived.
//!
//! # Source
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md>

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use pilota::FastStr;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What the first two bytes of a message say.
pub(super) const VERSION_1: u32 = 0x8001_0000;
const CALL: u32 = 1;
const ONE_WAY: u32 = 4;

/// Deeper than any structure of the metastore.
const DEEPEST: usize = 32;
/// Most values in a message; a tree node takes ten times the room of the shortest value.
const MOST_VALUES: usize = 500_000;
/// Larger messages need a permit, so that few of them are in memory at once.
const LARGE_MESSAGE: usize = 64 << 10;
const LONGEST_METHOD: usize = 256;
/// What is set aside for a text before its bytes arrive.
const TEXT_START: usize = 4096;

/// Why reading ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Malformed(String),
    #[error("the message has more than {0} bytes")]
    TooLarge(usize),
}

type Result<T, E = WireError> = std::result::Result<T, E>;

fn malformed<T>(what: impl Into<String>) -> Result<T> {
    Err(WireError::Malformed(what.into()))
}

/// The beginning of a message.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) method: FastStr,
    pub(super) sequence: i32,
    /// Whether the message came with its length; the answer goes the same way.
    pub(super) framed: bool,
    /// Whether the client waits for an answer.
    pub(super) one_way: bool,
}

/// One value of a message. Sets are lists, and integers of all sizes are numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Number(i64),
    Text(FastStr),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Fields(Fields),
    /// A double, a uuid, or bytes that are not UTF-8: nothing that we were asked for has them.
    Other,
}

/// The fields of a structure by their ids.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Fields(Vec<(i16, Value)>);

impl Fields {
    fn value(&self, id: i16) -> Option<&Value> {
        let mut fields = self.0.iter();
        fields.find(|(known, _)| *known == id).map(|(_, v)| v)
    }

    pub(super) fn text(&self, id: i16) -> Option<FastStr> {
        match self.value(id) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn number(&self, id: i16) -> Option<i64> {
        match self.value(id) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn flag(&self, id: i16) -> Option<bool> {
        match self.value(id) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn fields(&self, id: i16) -> Option<&Self> {
        match self.value(id) {
            Some(Value::Fields(fields)) => Some(fields),
            _ => None,
        }
    }

    /// Returns the texts of a list; none if it is absent or has anything else in it.
    pub(super) fn texts(&self, id: i16) -> Option<Vec<FastStr>> {
        let Some(Value::List(values)) = self.value(id) else {
            return None;
        };
        let texts = values.iter().map(|value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    }

    /// Returns the structures of a list; none if it is absent or has anything else in it.
    pub(super) fn list(&self, id: i16) -> Option<Vec<&Self>> {
        let Some(Value::List(values)) = self.value(id) else {
            return None;
        };
        let structures = values.iter().map(|value| match value {
            Value::Fields(fields) => Some(fields),
            _ => None,
        });
        structures.collect()
    }

    /// Returns a map of texts; what is no text is left out, as a null of Java is.
    pub(super) fn map(&self, id: i16) -> BTreeMap<String, String> {
        let Some(Value::Map(entries)) = self.value(id) else {
            return BTreeMap::new();
        };
        let texts = entries.iter().filter_map(|entry| match entry {
            (Value::Text(key), Value::Text(value)) => Some((key.to_string(), value.to_string())),
            _ => None,
        });
        texts.collect()
    }
}

/// Reads messages off a connection.
#[derive(Debug)]
pub(super) struct Input<R> {
    reader: BufReader<R>,
    max_message_bytes: usize,
    /// What the current message may still have.
    bytes_left: usize,
    values_left: usize,
    large_messages: Arc<Semaphore>,
    /// Held while a large message is read and answered.
    permit: Option<OwnedSemaphorePermit>,
}

impl<R: AsyncRead + Unpin + Send> Input<R> {
    pub(super) fn new(reader: R, max_message_bytes: usize, large_messages: Arc<Semaphore>) -> Self {
        Self {
            reader: BufReader::new(reader),
            max_message_bytes,
            bytes_left: 0,
            values_left: 0,
            large_messages,
            permit: None,
        }
    }

    /// Waits for the next message; false when the client has hung up.
    ///
    /// # Cancel safety
    /// Nothing is lost: bytes that arrived stay in the buffer.
    pub(super) async fn wait(&mut self) -> Result<bool> {
        Ok(!self.reader.fill_buf().await?.is_empty())
    }

    /// Reads up to the arguments.
    pub(super) async fn header(&mut self) -> Result<Header> {
        self.bytes_left = self.max_message_bytes;
        self.values_left = MOST_VALUES;
        let mut first = self.u32().await?;
        let framed = first & 0x8000_0000 == 0;
        if framed {
            if usize::try_from(first).is_ok_and(|length| length > self.max_message_bytes) {
                return Err(WireError::TooLarge(self.max_message_bytes));
            }
            first = self.u32().await?;
        }
        if first & 0xffff_ff00 != VERSION_1 {
            return malformed("this is not the Thrift binary protocol");
        }
        let kind = first & 0xff;
        if kind != CALL && kind != ONE_WAY {
            return malformed(format!("a message of type {kind} is no request"));
        }
        let length = self.length().await?;
        if length > LONGEST_METHOD {
            return malformed(format!("a method's name has {length} bytes"));
        }
        let Value::Text(method) = self.text(length).await? else {
            return malformed("a method's name is not UTF-8");
        };
        Ok(Header {
            method,
            sequence: self.u32().await?.cast_signed(),
            framed,
            one_way: kind == ONE_WAY,
        })
    }

    /// Reads the arguments that follow the header.
    pub(super) async fn arguments(&mut self) -> Result<Fields> {
        self.fields(0).await
    }

    /// Tells that the message is answered and its values are gone.
    pub(super) fn finish(&mut self) {
        self.permit = None;
    }

    async fn fields(&mut self, depth: usize) -> Result<Fields> {
        let mut fields = Vec::new();
        loop {
            let kind = self.u8().await?;
            if kind == kind::STOP {
                return Ok(Fields(fields));
            }
            let id = self.u16().await?.cast_signed();
            fields.push((id, self.value(kind, depth).await?));
        }
    }

    /// Reads a value that has no others in it; none if `kind` is not of that sort.
    async fn plain(&mut self, kind: u8) -> Result<Option<Value>> {
        Ok(Some(match kind {
            kind::BOOL => Value::Flag(self.u8().await? != 0),
            kind::I8 => Value::Number(self.u8().await?.cast_signed().into()),
            kind::I16 => Value::Number(self.u16().await?.cast_signed().into()),
            kind::I32 => Value::Number(self.u32().await?.cast_signed().into()),
            kind::I64 => Value::Number(self.u64().await?.cast_signed()),
            kind::DOUBLE => {
                self.u64().await?;
                Value::Other
            }
            kind::UUID => {
                self.u64().await?;
                self.u64().await?;
                Value::Other
            }
            kind::TEXT => {
                let length = self.length().await?;
                self.text(length).await?
            }
            _ => return Ok(None),
        }))
    }

    async fn value(&mut self, kind: u8, depth: usize) -> Result<Value> {
        self.values_left = match self.values_left.checked_sub(1) {
            Some(left) => left,
            None => return malformed(format!("the message has more than {MOST_VALUES} values")),
        };
        match self.plain(kind).await? {
            Some(value) => Ok(value),
            None if depth == DEEPEST => malformed("the message is nested too deeply"),
            None => self.nested(kind, depth + 1).await,
        }
    }

    fn nested(&mut self, kind: u8, depth: usize) -> BoxFuture<'_, Result<Value>> {
        Box::pin(async move {
            match kind {
                kind::STRUCT => Ok(Value::Fields(self.fields(depth).await?)),
                kind::LIST | kind::SET => {
                    let element = self.u8().await?;
                    let length = self.length().await?;
                    let mut values = Vec::new();
                    for _ in 0..length {
                        values.push(self.value(element, depth).await?);
                    }
                    Ok(Value::List(values))
                }
                kind::MAP => {
                    let (key, value) = (self.u8().await?, self.u8().await?);
                    let length = self.length().await?;
                    let mut entries = Vec::new();
                    for _ in 0..length {
                        let key = self.value(key, depth).await?;
                        entries.push((key, self.value(value, depth).await?));
                    }
                    Ok(Value::Map(entries))
                }
                _ => malformed(format!("{kind} is no type")),
            }
        })
    }

    async fn spend(&mut self, bytes: usize) -> Result<()> {
        let Some(left) = self.bytes_left.checked_sub(bytes) else {
            return Err(WireError::TooLarge(self.max_message_bytes));
        };
        self.bytes_left = left;
        if self.permit.is_none() && self.max_message_bytes - left > LARGE_MESSAGE {
            let permit = Arc::clone(&self.large_messages).acquire_owned().await;
            // The semaphore is never closed.
            self.permit = permit.ok();
        }
        Ok(())
    }

    /// Reads a length, of which there must be as many bytes left at least.
    async fn length(&mut self) -> Result<usize> {
        let length = self.u32().await?.cast_signed();
        match usize::try_from(length) {
            Ok(length) if length <= self.bytes_left => Ok(length),
            Ok(_) => Err(WireError::TooLarge(self.max_message_bytes)),
            Err(_) => malformed(format!("a length is {length}")),
        }
    }

    async fn text(&mut self, length: usize) -> Result<Value> {
        self.spend(length).await?;
        let mut bytes = Vec::with_capacity(length.min(TEXT_START));
        let wanted = u64::try_from(length).unwrap_or(u64::MAX);
        (&mut self.reader)
            .take(wanted)
            .read_to_end(&mut bytes)
            .await?;
        if bytes.len() < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(String::from_utf8(bytes).map_or(Value::Other, |text| Value::Text(FastStr::from(text))))
    }

    async fn u8(&mut self) -> Result<u8> {
        self.spend(1).await?;
        Ok(self.reader.read_u8().await?)
    }

    async fn u16(&mut self) -> Result<u16> {
        self.spend(2).await?;
        Ok(self.reader.read_u16().await?)
    }

    async fn u32(&mut self) -> Result<u32> {
        self.spend(4).await?;
        Ok(self.reader.read_u32().await?)
    }

    async fn u64(&mut self) -> Result<u64> {
        self.spend(8).await?;
        Ok(self.reader.read_u64().await?)
    }
}

/// The numbers of the types.
mod kind {
    pub(super) const STOP: u8 = 0;
    pub(super) const BOOL: u8 = 2;
    pub(super) const I8: u8 = 3;
    pub(super) const DOUBLE: u8 = 4;
    pub(super) const I16: u8 = 6;
    pub(super) const I32: u8 = 8;
    pub(super) const I64: u8 = 10;
    pub(super) const TEXT: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const MAP: u8 = 13;
    pub(super) const SET: u8 = 14;
    pub(super) const LIST: u8 = 15;
    pub(super) const UUID: u8 = 16;
}
