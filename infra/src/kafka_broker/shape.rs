//! Which requests are answered, and what each is made of.
//!
//! The codecs reserve memory for as many elements as a request claims to hold. Here each claim is held against the
//! bytes that are really there, and all of them against a limit, before the codec sees the request. Only versions without tagged fields are offered,
//! which is what keeps a shape one short line.
//!
//! `b` 1 byte · `h` 2 · `i` 4 · `q` 8 · `s` text with a 2-byte length · `B` bytes with a 4-byte length ·
//! `[…]` a 4-byte count of what is in the brackets

use bytes::Buf;
use kafka_protocol::messages::ApiKey;

/// Elements of all lists of a request together; in the codec one takes many times its bytes.
const MAX_ELEMENTS: usize = 20_000;

/// A request in some of its versions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) api: ApiKey,
    pub(super) min: i16,
    pub(super) max: i16,
    fields: &'static str,
}

const fn shape(api: ApiKey, min: i16, max: i16, fields: &'static str) -> Shape {
    Shape {
        api,
        min,
        max,
        fields,
    }
}

/// Ascending by version within a request.
pub(super) const SHAPES: &[Shape] = &[
    shape(ApiKey::Produce, 3, 8, "shi[s[iB]]"),
    shape(ApiKey::Fetch, 4, 4, "iiiib[s[iqi]]"),
    shape(ApiKey::Fetch, 5, 6, "iiiib[s[iqqi]]"),
    shape(ApiKey::Fetch, 7, 8, "iiiibii[s[iqqi]][s[i]]"),
    shape(ApiKey::Fetch, 9, 10, "iiiibii[s[iiqqi]][s[i]]"),
    shape(ApiKey::Fetch, 11, 11, "iiiibii[s[iiqqi]][s[i]]s"),
    shape(ApiKey::ListOffsets, 1, 1, "i[s[iq]]"),
    shape(ApiKey::ListOffsets, 2, 3, "ib[s[iq]]"),
    shape(ApiKey::ListOffsets, 4, 5, "ib[s[iiq]]"),
    shape(ApiKey::Metadata, 0, 3, "[s]"),
    shape(ApiKey::Metadata, 4, 7, "[s]b"),
    shape(ApiKey::Metadata, 8, 8, "[s]bbb"),
    shape(ApiKey::OffsetCommit, 2, 4, "sisq[s[iqs]]"),
    shape(ApiKey::OffsetCommit, 5, 5, "sis[s[iqs]]"),
    shape(ApiKey::OffsetCommit, 6, 6, "sis[s[iqis]]"),
    shape(ApiKey::OffsetFetch, 1, 5, "s[s[i]]"),
    shape(ApiKey::FindCoordinator, 0, 0, "s"),
    shape(ApiKey::FindCoordinator, 1, 2, "sb"),
    shape(ApiKey::JoinGroup, 0, 0, "siss[sB]"),
    shape(ApiKey::JoinGroup, 1, 4, "siiss[sB]"),
    shape(ApiKey::Heartbeat, 0, 2, "sis"),
    shape(ApiKey::LeaveGroup, 0, 2, "ss"),
    shape(ApiKey::SyncGroup, 0, 2, "sis[sB]"),
    shape(ApiKey::DescribeGroups, 0, 2, "[s]"),
    shape(ApiKey::DescribeGroups, 3, 3, "[s]b"),
    shape(ApiKey::ListGroups, 0, 2, ""),
    shape(ApiKey::CreateTopics, 2, 4, "[sih[i[i]][ss]]ib"),
    shape(ApiKey::DeleteTopics, 1, 3, "[s]i"),
    shape(ApiKey::InitProducerId, 0, 1, "si"),
    shape(ApiKey::AddPartitionsToTxn, 0, 2, "sqh[s[i]]"),
    shape(ApiKey::AddOffsetsToTxn, 0, 2, "sqhs"),
    shape(ApiKey::EndTxn, 0, 2, "sqhb"),
    shape(ApiKey::TxnOffsetCommit, 0, 1, "ssqh[s[iqs]]"),
    shape(ApiKey::TxnOffsetCommit, 2, 2, "ssqh[s[iqis]]"),
    shape(ApiKey::DeleteGroups, 0, 1, "[s]"),
];

/// The one request whose body nobody needs; its later versions have tagged fields, but only in the body.
pub(super) const API_VERSIONS: (i16, i16) = (0, 3);

/// Returns the shape of a request, if it is offered.
pub(super) fn find(api: i16, version: i16) -> Option<&'static Shape> {
    let mut shapes = SHAPES.iter();
    shapes.find(|shape| shape.api as i16 == api && (shape.min..=shape.max).contains(&version))
}

impl Shape {
    /// Whether `body` is exactly one such request.
    pub(super) fn fits(&self, mut body: &[u8]) -> bool {
        let mut left = MAX_ELEMENTS;
        walk(self.fields.as_bytes(), &mut body, &mut left).is_some() && body.is_empty()
    }
}

/// Steps over the fields; `None` where the bytes end before the fields do, or with more than `left` elements.
fn walk(mut fields: &[u8], body: &mut &[u8], left: &mut usize) -> Option<()> {
    while let Some((field, rest)) = fields.split_first() {
        fields = rest;
        match field {
            b'b' => skip(body, 1)?,
            b'h' => skip(body, 2)?,
            b'i' => skip(body, 4)?,
            b'q' => skip(body, 8)?,
            b's' => {
                let length = body.try_get_i16().ok()?;
                skip(body, length_of(length.into())?)?;
            }
            b'B' => {
                let length = body.try_get_i32().ok()?;
                skip(body, length_of(length)?)?;
            }
            _ => {
                let end = closing(fields)?;
                let (element, after) = (fields.get(..end)?, fields.get(end + 1..)?);
                let count = length_of(body.try_get_i32().ok()?)?;
                // Every element has at least one byte.
                if count > body.len() {
                    return None;
                }
                *left = left.checked_sub(count)?;
                for _ in 0..count {
                    walk(element, body, left)?;
                }
                fields = after;
            }
        }
    }
    Some(())
}

/// A length of -1 means that there is nothing.
fn length_of(length: i32) -> Option<usize> {
    usize::try_from(length.max(0)).ok().filter(|_| length >= -1)
}

fn skip(body: &mut &[u8], bytes: usize) -> Option<()> {
    *body = body.get(bytes..)?;
    Some(())
}

/// Returns where the bracket that was just opened closes.
fn closing(fields: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    fields.iter().position(|field| {
        match field {
            b'[' => depth += 1,
            b']' if depth == 0 => return true,
            b']' => depth -= 1,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use kafka_protocol::messages::{FetchRequest, JoinGroupRequest, MetadataRequest, TopicName};
    use kafka_protocol::messages::{fetch_request, join_group_request};
    use kafka_protocol::protocol::{Encodable, StrBytes};

    use super::*;

    fn fits<T: Encodable>(api: ApiKey, version: i16, request: &T) -> bool {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap();
        let shape = find(api as i16, version).unwrap();
        let torn = !shape.fits(&body[..body.len() - 1]);
        body.put_u8(0);
        let longer = !shape.fits(&body);
        shape.fits(&body[..body.len() - 1]) && torn && longer
    }

    #[test]
    fn shapes_agree_with_the_codecs() {
        let topic = TopicName(StrBytes::from_static_str("t"));
        let partition = fetch_request::FetchPartition::default().with_fetch_offset(9);
        let topics = fetch_request::FetchTopic::default()
            .with_topic(topic)
            .with_partitions(vec![partition.clone(), partition]);
        for version in 4..=11 {
            let request = FetchRequest::default()
                .with_topics(vec![topics.clone()])
                .with_max_bytes(i32::MAX);
            assert!(fits(ApiKey::Fetch, version, &request), "fetch {version}");
        }
        let protocol = join_group_request::JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("range"))
            .with_metadata(vec![1, 2, 3].into());
        for version in 0..=4 {
            let request = JoinGroupRequest::default().with_protocols(vec![protocol.clone()]);
            assert!(fits(ApiKey::JoinGroup, version, &request), "join {version}");
        }
        for version in 1..=8 {
            let request = MetadataRequest::default().with_topics(None);
            assert!(
                fits(ApiKey::Metadata, version, &request),
                "metadata {version}"
            );
        }
    }

    #[test]
    fn a_claim_beyond_the_bytes_is_refused() {
        let shape = find(ApiKey::Metadata as i16, 1).unwrap();
        assert!(!shape.fits(&i32::MAX.to_be_bytes()));
        assert!(!shape.fits(&(-2_i32).to_be_bytes()));
        assert!(shape.fits(&(-1_i32).to_be_bytes()));
    }

    #[test]
    fn more_elements_than_the_limit_are_refused() {
        let shape = find(ApiKey::Metadata as i16, 1).unwrap();
        let body = |count: usize| {
            let mut body = BytesMut::new();
            body.put_i32(count as i32);
            body.put_bytes(0, 2 * count);
            body
        };
        assert!(shape.fits(&body(MAX_ELEMENTS)));
        assert!(!shape.fits(&body(MAX_ELEMENTS + 1)));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_fit_or_not(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            for shape in SHAPES {
                let _ = shape.fits(&bytes);
            }
        }
    }
}
