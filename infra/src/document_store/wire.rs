//! The wire protocol: OP_MSG both ways, and OP_QUERY for the first `hello` of older drivers.
//!
//! # Source
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>

use std::time::Duration;

use mongodb::bson::{Bson, Document};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::value::MAX_DEPTH;

/// What `hello` promises and the reader enforces.
pub(super) const MAX_MESSAGE_BYTES: usize = 48_000_000;

/// How long a started message may take to arrive; between messages a connection may idle.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

const HEADER_BYTES: usize = 16;
const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;
const CHECKSUM_PRESENT: u32 = 1;
const MORE_TO_COME: u32 = 1 << 1;
/// The lower half of the flags must be understood; the upper half may be ignored.
const MUST_UNDERSTAND: u32 = 0xffff;

/// A message that ends its connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("reading the connection failed")]
    Read(#[from] std::io::Error),
    #[error("a message did not arrive in time")]
    TooSlow,
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    #[error("malformed BSON")]
    Bson(#[source] mongodb::bson::error::Error),
    #[error("operation code {0} is not supported")]
    Unsupported(i32),
}

/// The form in which the answer must go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Message,
    /// OP_QUERY, answered by OP_REPLY.
    Legacy,
}

/// One command as it came in.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: i32,
    pub(super) form: Form,
    pub(super) wants_reply: bool,
    pub(super) command: Document,
}

/// Reads one request; `None` is a connection closed between messages.
pub(super) async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<Request>, FrameError> {
    let mut header = [0_u8; HEADER_BYTES];
    match stream.read_exact(&mut header).await {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let mut fields = header.as_slice();
    let length = take_i32(&mut fields)?;
    let id = take_i32(&mut fields)?;
    let _response_to = take_i32(&mut fields)?;
    let operation = take_i32(&mut fields)?;
    let length = usize::try_from(length).unwrap_or(0);
    if !(HEADER_BYTES..=MAX_MESSAGE_BYTES).contains(&length) {
        return Err(FrameError::Malformed("its length is out of bounds"));
    }
    if operation != OP_MSG && operation != OP_QUERY {
        return Err(FrameError::Unsupported(operation));
    }
    // Memory grows with what really arrives, not with what the header claims.
    let body_bytes = length - HEADER_BYTES;
    let mut body = Vec::with_capacity(body_bytes.min(64 * 1024));
    let read = stream.take(body_bytes as u64);
    tokio::pin!(read);
    tokio::time::timeout(BODY_TIMEOUT, read.read_to_end(&mut body))
        .await
        .map_err(|_| FrameError::TooSlow)??;
    if body.len() < body_bytes {
        return Err(FrameError::Malformed("it ends early"));
    }
    if operation == OP_MSG {
        parse_message(id, &header, &body)
    } else {
        parse_query(id, &body)
    }
    .map(Some)
}

/// Encodes `reply` as the answer to a request.
pub(super) fn encode_reply(
    request_id: i32,
    form: Form,
    reply: &Document,
) -> Result<Vec<u8>, FrameError> {
    let body = reply.to_vec().map_err(FrameError::Bson)?;
    let mut prefix = Vec::with_capacity(20);
    let operation = match form {
        Form::Message => {
            prefix.extend(0_u32.to_le_bytes());
            prefix.push(0);
            OP_MSG
        }
        Form::Legacy => {
            prefix.extend(8_u32.to_le_bytes());
            prefix.extend([0; 12]);
            prefix.extend(1_i32.to_le_bytes());
            OP_REPLY
        }
    };
    let length = HEADER_BYTES + prefix.len() + body.len();
    let length =
        i32::try_from(length).map_err(|_| FrameError::Malformed("the reply is too large"))?;
    let mut frame = Vec::with_capacity(HEADER_BYTES + prefix.len() + body.len());
    for field in [length, 0, request_id, operation] {
        frame.extend(field.to_le_bytes());
    }
    frame.extend(prefix);
    frame.extend(body);
    Ok(frame)
}

fn parse_message(id: i32, header: &[u8], body: &[u8]) -> Result<Request, FrameError> {
    let mut rest = body;
    let flags = take_i32(&mut rest)?.cast_unsigned();
    if flags & MUST_UNDERSTAND & !(CHECKSUM_PRESENT | MORE_TO_COME) != 0 {
        return Err(FrameError::Malformed("it has unknown flags"));
    }
    if flags & CHECKSUM_PRESENT != 0 {
        let (covered, checksum) = body
            .split_last_chunk::<4>()
            .map(|(covered, sum)| (covered, u32::from_le_bytes(*sum)))
            .ok_or(FrameError::Malformed("it has no checksum"))?;
        if crc32c::crc32c_append(crc32c::crc32c(header), covered) != checksum {
            return Err(FrameError::Malformed("its checksum is wrong"));
        }
        rest = covered
            .get(4..)
            .ok_or(FrameError::Malformed("it has no sections"))?;
    }
    let mut command = None;
    let mut sequences = Vec::new();
    while !rest.is_empty() {
        match take(&mut rest, 1)? {
            [0] if command.is_none() => command = Some(take_document(&mut rest)?),
            [1] => sequences.push(take_sequence(&mut rest)?),
            _ => return Err(FrameError::Malformed("it has an unknown section")),
        }
    }
    let mut command = command.ok_or(FrameError::Malformed("it has no body"))?;
    for (name, documents) in sequences {
        if command.insert(name, documents).is_some() {
            return Err(FrameError::Malformed("a field comes twice"));
        }
    }
    Ok(Request {
        id,
        form: Form::Message,
        wants_reply: flags & MORE_TO_COME == 0,
        command,
    })
}

fn parse_query(id: i32, body: &[u8]) -> Result<Request, FrameError> {
    let mut rest = body;
    let _flags = take_i32(&mut rest)?;
    let namespace = take_text(&mut rest)?;
    let database = namespace
        .strip_suffix(".$cmd")
        .ok_or(FrameError::Malformed("OP_QUERY is for commands only"))?
        .to_owned();
    let _skip = take_i32(&mut rest)?;
    let _limit = take_i32(&mut rest)?;
    let mut command = take_document(&mut rest)?;
    let is_hello = command
        .keys()
        .next()
        .is_some_and(|name| matches!(name.as_str(), "hello" | "isMaster" | "ismaster"));
    if !is_hello {
        return Err(FrameError::Malformed("OP_QUERY is for hello only"));
    }
    command.insert("$db", database);
    Ok(Request {
        id,
        form: Form::Legacy,
        wants_reply: true,
        command,
    })
}

fn take_sequence(rest: &mut &[u8]) -> Result<(String, Vec<Bson>), FrameError> {
    let length = usize::try_from(take_i32(rest)?).unwrap_or(0);
    let mut section = take(
        rest,
        length
            .checked_sub(4)
            .ok_or(FrameError::Malformed("a section has no length"))?,
    )?;
    let name = take_text(&mut section)?.to_owned();
    let mut documents = Vec::new();
    while !section.is_empty() {
        documents.push(take_document(&mut section)?.into());
    }
    Ok((name, documents))
}

fn take_document(rest: &mut &[u8]) -> Result<Document, FrameError> {
    let length = rest
        .first_chunk::<4>()
        .map(|bytes| i32::from_le_bytes(*bytes));
    let length = length
        .and_then(|length| usize::try_from(length).ok())
        .ok_or(FrameError::Malformed("BSON is cut off"))?;
    let bytes = take(rest, length)?;
    check_depth(bytes)?;
    Document::from_reader(bytes).map_err(FrameError::Bson)
}

/// Walks the elements without recursion: the BSON parser recurses, and a hostile depth would end the process.
fn check_depth(document: &[u8]) -> Result<(), FrameError> {
    let mut rest = document;
    take(&mut rest, 4)?;
    let mut depth = 1;
    while depth > 0 {
        let kind = match take(&mut rest, 1)? {
            [kind] => *kind,
            _ => return Err(FrameError::Malformed("BSON is cut off")),
        };
        if kind == 0 {
            depth -= 1;
            continue;
        }
        take_text(&mut rest)?;
        match kind {
            0x03 | 0x04 => {
                take(&mut rest, 4)?;
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(FrameError::Malformed("BSON is nested too deeply"));
                }
            }
            0x01 | 0x09 | 0x11 | 0x12 => drop(take(&mut rest, 8)?),
            0x02 | 0x0d | 0x0e => take_sized(&mut rest, 0)?,
            0x05 => take_sized(&mut rest, 1)?,
            0x06 | 0x0a | 0x7f | 0xff => {}
            0x07 => drop(take(&mut rest, 12)?),
            0x08 => drop(take(&mut rest, 1)?),
            0x0b => {
                take_text(&mut rest)?;
                take_text(&mut rest)?;
            }
            0x10 => drop(take(&mut rest, 4)?),
            0x13 => drop(take(&mut rest, 16)?),
            _ => {
                return Err(FrameError::Malformed(
                    "BSON has a type that is not supported",
                ));
            }
        }
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(FrameError::Malformed("BSON goes on after its end"))
    }
}

fn take_sized(rest: &mut &[u8], extra: usize) -> Result<(), FrameError> {
    let length = usize::try_from(take_i32(rest)?)
        .map_err(|_| FrameError::Malformed("BSON has a negative length"))?;
    take(rest, length.saturating_add(extra)).map(|_| ())
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], FrameError> {
    let (taken, left) = rest
        .split_at_checked(count)
        .ok_or(FrameError::Malformed("it is cut off"))?;
    *rest = left;
    Ok(taken)
}

fn take_i32(rest: &mut &[u8]) -> Result<i32, FrameError> {
    let (bytes, left) = rest
        .split_first_chunk::<4>()
        .ok_or(FrameError::Malformed("it is cut off"))?;
    *rest = left;
    Ok(i32::from_le_bytes(*bytes))
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, FrameError> {
    let end = rest
        .iter()
        .position(|byte| *byte == 0)
        .ok_or(FrameError::Malformed("a text does not end"))?;
    let text = take(rest, end)?;
    take(rest, 1)?;
    std::str::from_utf8(text).map_err(|_| FrameError::Malformed("a text is not UTF-8"))
}

#[cfg(test)]
mod tests;
