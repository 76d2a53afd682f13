//! Record batches, format 2: kept as they came; only the 61 bytes of the header are read.
//!
//! The offset of the first record is ours to write: the checksum does not cover it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;

/// Bytes of a batch before its records.
pub(super) const HEADER_BYTES: usize = 61;
/// Bytes before what the length field counts.
const LENGTH_PREFIX: usize = 12;
const CHECKED_FROM: usize = 21;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const CODEC: i16 = 0x07;

/// What the broker reads of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub(super) base_offset: i64,
    /// Bytes of the whole batch.
    pub(super) size: usize,
    crc: u32,
    attributes: i16,
    last_offset_delta: i32,
    base_timestamp: i64,
    pub(super) max_timestamp: i64,
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
    pub(super) base_sequence: i32,
    records: i32,
}

impl BatchHeader {
    /// Reads a header; `None` if these bytes are not the beginning of a batch.
    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let base_offset = bytes.try_get_i64().ok()?;
        let length = usize::try_from(bytes.try_get_i32().ok()?).ok()?;
        let _leader_epoch = bytes.try_get_i32().ok()?;
        let magic = bytes.try_get_i8().ok()?;
        let header = Self {
            base_offset,
            size: length + LENGTH_PREFIX,
            crc: bytes.try_get_u32().ok()?,
            attributes: bytes.try_get_i16().ok()?,
            last_offset_delta: bytes.try_get_i32().ok()?,
            base_timestamp: bytes.try_get_i64().ok()?,
            max_timestamp: bytes.try_get_i64().ok()?,
            producer_id: bytes.try_get_i64().ok()?,
            producer_epoch: bytes.try_get_i16().ok()?,
            base_sequence: bytes.try_get_i32().ok()?,
            records: bytes.try_get_i32().ok()?,
        };
        let plausible = magic == 2
            && header.size >= HEADER_BYTES
            && header.last_offset_delta >= 0
            && header.base_offset >= 0;
        plausible.then_some(header)
    }

    pub(super) fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Returns the sequence number of the last record; they wrap to zero after the largest.
    pub(super) fn last_sequence(&self) -> i32 {
        next_sequence(self.base_sequence, self.last_offset_delta)
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(super) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether `batch`, from its first byte, has the checksum its header says.
    pub(super) fn is_intact(&self, batch: &[u8]) -> bool {
        batch
            .get(CHECKED_FROM..self.size)
            .is_some_and(|checked| crc32c::crc32c(checked) == self.crc)
    }

    /// Checks what a producer sent.
    fn accept(&self, batch: &[u8]) -> Result<(), ResponseError> {
        if self.attributes & CODEC > 4 {
            Err(ResponseError::UnsupportedCompressionType)
        } else if !self.is_intact(batch) {
            Err(ResponseError::CorruptMessage)
        } else if self.is_control()
            || self.records != self.last_offset_delta.saturating_add(1)
            || (self.producer_id >= 0 && (self.base_sequence < 0 || self.producer_epoch < 0))
            || (self.is_transactional() && self.producer_id < 0)
        {
            Err(ResponseError::InvalidRecord)
        } else {
            Ok(())
        }
    }
}

/// Returns `sequence + step`, wrapped as Kafka does.
pub(super) fn next_sequence(sequence: i32, step: i32) -> i32 {
    sequence.wrapping_add(step) & i32::MAX
}

/// Cuts what a producer sent into batches and checks each.
pub(super) fn split(mut records: Bytes) -> Result<Vec<(BatchHeader, Bytes)>, ResponseError> {
    let mut batches = Vec::new();
    while !records.is_empty() {
        let header = match BatchHeader::parse(&records) {
            Some(header) => header,
            // Formats 0 and 1 carry their magic at the same place.
            None if matches!(records.get(16), Some(0 | 1)) => {
                return Err(ResponseError::UnsupportedForMessageFormat);
            }
            None => return Err(ResponseError::CorruptMessage),
        };
        if header.size > records.len() {
            return Err(ResponseError::CorruptMessage);
        }
        let batch = records.split_to(header.size);
        header.accept(&batch)?;
        batches.push((header, batch));
    }
    Ok(batches)
}

/// Returns the batch with its place in the partition written into it.
pub(super) fn place(batch: &[u8], base_offset: i64) -> Vec<u8> {
    let mut placed = batch.to_vec();
    if let Some(slot) = placed.first_chunk_mut::<8>() {
        *slot = base_offset.to_be_bytes();
    }
    placed
}

/// Returns the batch that ends a transaction.
pub(super) fn control_marker(
    producer_id: i64,
    producer_epoch: i16,
    commit: bool,
    now_ms: i64,
) -> Vec<u8> {
    let mut record = BytesMut::new();
    record.put_slice(&[0, 0, 0]); // attributes, timestamp delta, offset delta
    record.put_u8(8); // key of 4 bytes, zigzag
    record.put_i16(0);
    record.put_i16(i16::from(commit));
    record.put_u8(12); // value of 6 bytes
    record.put_i16(0);
    record.put_i32(0); // coordinator epoch
    record.put_u8(0); // no headers

    let mut checked = BytesMut::new();
    checked.put_i16(TRANSACTIONAL | CONTROL);
    checked.put_i32(0);
    checked.put_i64(now_ms);
    checked.put_i64(now_ms);
    checked.put_i64(producer_id);
    checked.put_i16(producer_epoch);
    checked.put_i32(-1);
    checked.put_i32(1);
    checked.put_u8((record.len() as u8) << 1);
    checked.put_slice(&record);

    let mut batch = Vec::with_capacity(CHECKED_FROM + checked.len());
    batch.put_i64(0);
    batch.put_i32((checked.len() + CHECKED_FROM - LENGTH_PREFIX) as i32);
    batch.put_i32(0);
    batch.put_u8(2);
    batch.put_u32(crc32c::crc32c(&checked));
    batch.put_slice(&checked);
    batch
}

/// Whether a control batch says commit and not abort.
pub(super) fn is_commit(batch: &[u8]) -> bool {
    const TYPE_AT: usize = HEADER_BYTES + 7;
    batch.get(TYPE_AT..TYPE_AT + 2) == Some([0, 1].as_slice())
}

/// Returns offset and timestamp of the first record at or after `timestamp`.
///
/// Records of a compressed batch are not looked at: the answer is the batch's first offset.
pub(super) fn first_at(batch: &[u8], timestamp: i64) -> Option<(i64, i64)> {
    let header = BatchHeader::parse(batch)?;
    if header.max_timestamp < timestamp {
        return None;
    }
    if header.attributes & CODEC != 0 {
        return Some((header.base_offset, header.max_timestamp));
    }
    let mut records = batch.get(HEADER_BYTES..header.size)?;
    while !records.is_empty() {
        let length = usize::try_from(varint(&mut records)?).ok()?;
        let mut record = records.get(..length)?;
        records = records.get(length..)?;
        record.try_get_i8().ok()?;
        let at = header.base_timestamp.checked_add(varint(&mut record)?)?;
        let delta = varint(&mut record)?;
        if at >= timestamp {
            return Some((header.base_offset.checked_add(delta)?, at));
        }
    }
    None
}

/// Reads a zigzag number of up to ten bytes.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = bytes.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A batch of `values.len()` records, one per millisecond from `timestamp` on.
    pub(crate) fn batch(
        values: &[&[u8]],
        timestamp: i64,
        producer: (i64, i16, i32),
        transactional: bool,
    ) -> Bytes {
        let zigzag = |value: i64, out: &mut Vec<u8>| {
            let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
            while left >= 0x80 {
                out.push(left as u8 | 0x80);
                left >>= 7;
            }
            out.push(left as u8);
        };
        let mut body = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let mut record = vec![0];
            zigzag(index as i64, &mut record);
            zigzag(index as i64, &mut record);
            zigzag(-1, &mut record);
            zigzag(value.len() as i64, &mut record);
            record.extend_from_slice(value);
            zigzag(0, &mut record);
            zigzag(record.len() as i64, &mut body);
            body.extend_from_slice(&record);
        }
        let mut checked = BytesMut::new();
        checked.put_i16(if transactional { TRANSACTIONAL } else { 0 });
        checked.put_i32(values.len() as i32 - 1);
        checked.put_i64(timestamp);
        checked.put_i64(timestamp + values.len() as i64 - 1);
        checked.put_i64(producer.0);
        checked.put_i16(producer.1);
        checked.put_i32(producer.2);
        checked.put_i32(values.len() as i32);
        checked.put_slice(&body);
        let mut batch = BytesMut::new();
        batch.put_i64(0);
        batch.put_i32((checked.len() + CHECKED_FROM - LENGTH_PREFIX) as i32);
        batch.put_i32(0);
        batch.put_u8(2);
        batch.put_u32(crc32c::crc32c(&checked));
        batch.put_slice(&checked);
        batch.freeze()
    }

    #[test]
    fn a_flipped_bit_is_corrupt() {
        let good = batch(&[b"one", b"two"], 1_000, (-1, -1, -1), false);
        assert_eq!(split(good.clone()).unwrap().len(), 1);
        for position in CHECKED_FROM..good.len() {
            let mut bad = good.to_vec();
            bad[position] ^= 1;
            assert!(split(Bytes::from(bad)).is_err(), "bit in byte {position}");
        }
        assert_eq!(
            split(good.slice(..good.len() - 1)).unwrap_err(),
            ResponseError::CorruptMessage
        );
    }

    #[test]
    fn records_are_found_by_time() {
        let batch = place(&batch(&[b"a", b"b", b"c"], 1_000, (-1, -1, -1), false), 40);
        assert_eq!(first_at(&batch, 0), Some((40, 1_000)));
        assert_eq!(first_at(&batch, 1_001), Some((41, 1_001)));
        assert_eq!(first_at(&batch, 1_003), None);
    }

    #[test]
    fn a_marker_is_an_intact_control_batch() {
        for commit in [true, false] {
            let marker = control_marker(7, 3, commit, 1_000);
            let header = BatchHeader::parse(&marker).unwrap();
            assert!(header.is_intact(&marker) && header.is_control());
            assert_eq!(is_commit(&marker), commit);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_batches_or_an_error(bytes in proptest::collection::vec(0_u8.., 0..300)) {
            let _ = split(Bytes::from(bytes.clone()));
            let _ = first_at(&bytes, 0);
        }
    }
}
