//! What goes back: a result, an exception of the IDL, or a Thrift application exception.
//!
//! ```text
//! result structure   field 0: the value     or     field n: the method's n-th exception
//! ```

use bytes::{BufMut, BytesMut};
use hive_metastore as hms;
use pilota::FastStr;
use pilota::thrift::binary::TBinaryProtocol;
use pilota::thrift::{
    ApplicationException, ApplicationExceptionKind, Message, TListIdentifier, TMapIdentifier,
    TMessageIdentifier, TMessageType, TOutputProtocol, TStructIdentifier, TType, ThriftException,
};

use super::failure::{Declared, Failure};
use super::wire::Header;

/// Where answers are written.
pub(super) type Output<'a> = TBinaryProtocol<&'a mut BytesMut>;
type Result<T = (), E = ThriftException> = std::result::Result<T, E>;

const FRAME_HEADER: usize = 4;
const VOID: TStructIdentifier = TStructIdentifier { name: "" };

/// What a method can return.
pub(super) trait Answer: Send {
    const KIND: TType;

    fn write(&self, output: &mut Output<'_>) -> Result;
}

impl Answer for () {
    const KIND: TType = TType::Void;

    fn write(&self, _: &mut Output<'_>) -> Result {
        Ok(())
    }
}

impl Answer for bool {
    const KIND: TType = TType::Bool;

    fn write(&self, output: &mut Output<'_>) -> Result {
        output.write_bool(*self)
    }
}

impl Answer for i32 {
    const KIND: TType = TType::I32;

    fn write(&self, output: &mut Output<'_>) -> Result {
        output.write_i32(*self)
    }
}

impl Answer for i64 {
    const KIND: TType = TType::I64;

    fn write(&self, output: &mut Output<'_>) -> Result {
        output.write_i64(*self)
    }
}

impl Answer for FastStr {
    const KIND: TType = TType::Binary;

    fn write(&self, output: &mut Output<'_>) -> Result {
        output.write_faststr(self.clone())
    }
}

impl<T: Answer> Answer for Vec<T> {
    const KIND: TType = TType::List;

    fn write(&self, output: &mut Output<'_>) -> Result {
        let size = self.len();
        let element_type = T::KIND;
        output.write_list_begin(TListIdentifier { element_type, size })?;
        self.iter().try_for_each(|element| element.write(output))?;
        output.write_list_end()
    }
}

/// Texts by their keys.
#[derive(Debug)]
pub(super) struct Pairs(pub(super) Vec<(FastStr, FastStr)>);

impl Answer for Pairs {
    const KIND: TType = TType::Map;

    fn write(&self, output: &mut Output<'_>) -> Result {
        output.write_map_begin(TMapIdentifier {
            key_type: TType::Binary,
            value_type: TType::Binary,
            size: self.0.len(),
        })?;
        for (key, value) in &self.0 {
            key.write(output)?;
            value.write(output)?;
        }
        output.write_map_end()
    }
}

/// A structure of the IDL.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<T: Message + Send> Answer for Object<T> {
    const KIND: TType = TType::Struct;

    fn write(&self, output: &mut Output<'_>) -> Result {
        self.0.encode(output)
    }
}

/// Structures that are made when they are written, so that many of them need little room.
pub(super) struct Made<T> {
    pub(super) sources: Vec<T>,
    pub(super) make: Box<dyn Fn(&T) -> hms::Partition + Send>,
}

impl<T: Send> Answer for Made<T> {
    const KIND: TType = TType::List;

    fn write(&self, output: &mut Output<'_>) -> Result {
        output.write_list_begin(TListIdentifier {
            element_type: TType::Struct,
            size: self.sources.len(),
        })?;
        for source in &self.sources {
            (self.make)(source).encode(output)?;
        }
        output.write_list_end()
    }
}

/// How a request ends.
#[derive(Debug)]
pub(super) enum Reply {
    /// The result structure, written.
    Result(BytesMut),
    /// The request was not carried out by the method itself.
    Exception(ApplicationException),
    /// The client asked us to hang up.
    HangUp,
}

impl Reply {
    /// Returns the answer to a method that we do not have.
    pub(super) fn unknown(method: &str) -> Self {
        Self::exception(
            ApplicationExceptionKind::UNKNOWN_METHOD,
            format!("method `{method}` is not supported by this metastore"),
        )
    }

    pub(super) fn exception(kind: ApplicationExceptionKind, message: String) -> Self {
        Self::Exception(ApplicationException::new(kind, message))
    }

    /// Returns what a method answered, or the exception it is declared to throw.
    pub(super) fn of<T: Answer>(result: Result<T, Failure>, declared: &[Declared]) -> Self {
        let written = match result {
            Ok(value) => result_of(&value),
            Err(failure) => match failure.declared_as(declared) {
                Some(field) => exception_of(field, failure.into_message()),
                None => return Self::exception(failure.kind(), failure.into_message()),
            },
        };
        written.map_or_else(
            |error| {
                let message = format!("internal error: the answer cannot be written: {error}");
                Self::exception(ApplicationExceptionKind::INTERNAL_ERROR, message)
            },
            Self::Result,
        )
    }

    /// Returns the message that answers `header`; none when nothing is to be sent.
    pub(super) fn into_message(self, header: &Header) -> Result<Option<BytesMut>> {
        if header.one_way {
            return Ok(None);
        }
        let kind = match self {
            Self::HangUp => return Ok(None),
            Self::Result(_) => TMessageType::Reply,
            Self::Exception(_) => TMessageType::Exception,
        };
        let mut message = BytesMut::new();
        if header.framed {
            message.put_u32(0);
        }
        let mut output = Output::new(&mut message, false);
        output.write_message_begin(&TMessageIdentifier::new(
            header.method.clone(),
            kind,
            header.sequence,
        ))?;
        match self {
            Self::Result(body) => message.extend_from_slice(&body),
            Self::Exception(exception) => exception.encode(&mut output)?,
            Self::HangUp => {}
        }
        if header.framed {
            let length = message.len().saturating_sub(FRAME_HEADER);
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            if let Some(frame) = message.get_mut(..FRAME_HEADER) {
                frame.copy_from_slice(&length.to_be_bytes());
            }
        }
        Ok(Some(message))
    }
}

fn result_of<T: Answer>(value: &T) -> Result<BytesMut> {
    let mut body = BytesMut::new();
    let mut output = Output::new(&mut body, false);
    output.write_struct_begin(&VOID)?;
    if T::KIND != TType::Void {
        output.write_field_begin(T::KIND, 0)?;
        value.write(&mut output)?;
        output.write_field_end()?;
    }
    output.write_field_stop()?;
    Ok(body)
}

/// All exceptions of the IDL have a message as their first field.
fn exception_of(field: i16, message: String) -> Result<BytesMut> {
    let mut body = BytesMut::new();
    let mut output = Output::new(&mut body, false);
    output.write_struct_begin(&VOID)?;
    output.write_field_begin(TType::Struct, field)?;
    output.write_field_begin(TType::Binary, 1)?;
    output.write_string(&message)?;
    output.write_field_stop()?;
    output.write_field_stop()?;
    Ok(body)
}
