//! Record batches of an Arrow IPC file.
//!
//! Arrow's own reader clears new memory for each batch before it reads into it: 7 % of the CPU time of an append.
//! Here a batch is read into the memory of one that nobody holds any more.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::{Block, convert, root_as_footer};

/// The footer's length and the file's magic number.
const TRAILER_BYTES: usize = 10;
/// A message begins with a marker and a length.
const PREFIX_BYTES: usize = 8;
/// Batches whose memory is kept: those on their way to the encoder and the ones that it has.
const KEPT: usize = 8;

/// Reads the batches of a file one after another.
#[derive(Debug)]
pub(super) struct ArrowFile {
    file: File,
    length: u64,
    decoder: FileDecoder,
    blocks: std::vec::IntoIter<Block>,
    kept: Vec<Buffer>,
}

impl ArrowFile {
    pub(super) fn open(mut file: File) -> Result<Self, ArrowError> {
        let length = file.metadata()?.len();
        let read = |file: &mut File, from: u64, bytes: &mut [u8]| {
            file.seek(SeekFrom::Start(from))?;
            file.read_exact(bytes)
        };
        let before = |end: u64, bytes: usize| {
            let begin = end.checked_sub(bytes as u64);
            begin.ok_or_else(|| invalid("it is too short for an Arrow file"))
        };
        let mut trailer = [0; TRAILER_BYTES];
        let footer_end = before(length, TRAILER_BYTES)?;
        read(&mut file, footer_end, &mut trailer)?;
        let footer_bytes = read_footer_length(trailer)?;
        let footer_begin = before(footer_end, footer_bytes)?;
        let mut footer = vec![0; footer_bytes];
        read(&mut file, footer_begin, &mut footer)?;
        let footer = root_as_footer(&footer).map_err(|error| invalid(&error.to_string()))?;
        let schema = footer
            .schema()
            .ok_or_else(|| invalid("its footer has no schema"))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(invalid("its numbers have the other byte order"));
        }
        let schema = Arc::new(convert::fb_to_schema(schema));
        let blocks = footer.recordBatches().into_iter().flatten().copied();
        let mut opened = Self {
            file,
            length,
            decoder: FileDecoder::new(schema, footer.version()),
            blocks: blocks.collect::<Vec<_>>().into_iter(),
            kept: Vec::new(),
        };
        for block in footer.dictionaries().into_iter().flatten() {
            let bytes = opened.read_block(block)?;
            opened.decoder.read_dictionary(block, &bytes)?;
        }
        Ok(opened)
    }

    fn read_block(&mut self, block: &Block) -> Result<Buffer, ArrowError> {
        let (offset, metadata, body) = (block.offset(), block.metaDataLength(), block.bodyLength());
        let begin = u64::try_from(offset).ok();
        let bytes = usize::try_from(metadata)
            .ok()
            .zip(usize::try_from(body).ok());
        let bytes = bytes.and_then(|(metadata, body)| {
            (metadata >= PREFIX_BYTES).then(|| metadata.checked_add(body))?
        });
        let within = begin.zip(bytes).filter(|(begin, bytes)| {
            let end = begin.checked_add(*bytes as u64);
            end.is_some_and(|end| end <= self.length)
        });
        let Some((begin, bytes)) = within else {
            return Err(invalid(&format!(
                "a batch of {metadata} + {body} bytes at byte {offset} is not within it"
            )));
        };
        let mut memory = self.free_memory();
        memory.resize(bytes, 0);
        self.file.seek(SeekFrom::Start(begin))?;
        self.file.read_exact(&mut memory)?;
        Ok(Buffer::from_vec(memory))
    }

    /// Returns the memory of a batch that nobody holds any more, or none.
    fn free_memory(&mut self) -> Vec<u8> {
        let kept = std::mem::take(&mut self.kept);
        let mut free = Vec::new();
        for buffer in kept {
            match buffer.into_vec() {
                Ok(memory) => free = memory,
                Err(held) => self.kept.push(held),
            }
        }
        free
    }
}

impl Iterator for ArrowFile {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.blocks.next()?;
        let batch = self.read_block(&block).and_then(|bytes| {
            let batch = self.decoder.read_record_batch(&block, &bytes);
            if self.kept.len() < KEPT {
                self.kept.push(bytes);
            }
            batch
        });
        batch.transpose()
    }
}

fn invalid(reason: &str) -> ArrowError {
    ArrowError::IpcError(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, DictionaryArray, Int64Array, StringArray};
    use arrow::datatypes::Int32Type;
    use arrow::ipc::writer::FileWriter;

    use super::*;

    fn batch(number: i64) -> RecordBatch {
        let rows = 10 + number;
        let numbers =
            Int64Array::from_iter((0..rows).map(|row| (row % 3 > 0).then_some(row * number)));
        let text = StringArray::from_iter_values((0..rows).map(|row| format!("{number}/{row}")));
        let keys = (0..rows).map(|row| ["EWR", "JFK", "LGA"][(row % 3) as usize]);
        let airports: DictionaryArray<Int32Type> = keys.collect();
        RecordBatch::try_from_iter([
            ("number", Arc::new(numbers) as ArrayRef),
            ("text", Arc::new(text) as ArrayRef),
            ("airport", Arc::new(airports) as ArrayRef),
        ])
        .unwrap()
    }

    fn written(batches: &[RecordBatch]) -> Vec<u8> {
        let mut writer = FileWriter::try_new(Vec::new(), &batch(0).schema()).unwrap();
        for batch in batches {
            writer.write(batch).unwrap();
        }
        writer.into_inner().unwrap()
    }

    fn open(bytes: &[u8]) -> Result<ArrowFile, ArrowError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.arrow");
        std::fs::write(&path, bytes).unwrap();
        ArrowFile::open(File::open(path).unwrap())
    }

    #[test]
    fn memory_is_read_into_again_only_when_nobody_holds_it() {
        let expected: Vec<RecordBatch> = (0..20).map(batch).collect();
        let bytes = written(&expected);
        let held: Vec<RecordBatch> = open(&bytes).unwrap().map(Result::unwrap).collect();
        assert_eq!(held, expected);
        for (found, expected) in open(&bytes).unwrap().zip(&expected) {
            assert_eq!(&found.unwrap(), expected);
        }
        // A part of a batch holds all of it.
        let mut file = open(&bytes).unwrap();
        let part = file.next().unwrap().unwrap().column(1).slice(3, 4);
        assert_eq!(file.by_ref().map(Result::unwrap).count(), 19);
        assert_eq!(&part, &expected[0].column(1).slice(3, 4));
        let mut file = open(&bytes).unwrap();
        file.by_ref().for_each(|batch| drop(batch.unwrap()));
        assert_eq!(file.kept.len(), 1);
    }

    #[test]
    fn what_is_no_whole_file_is_refused() {
        let bytes = written(&[batch(1), batch(2)]);
        let refused = |bytes: &[u8]| open(bytes).unwrap_err().to_string();
        assert!(refused(b"").contains("too short"));
        assert!(refused(&bytes[..bytes.len() - 1]).contains("correct footer"));
        assert!(refused(&bytes[bytes.len() - 20..]).contains("too short"));
        // The footer stands, and what it speaks of does not.
        let footer = i32::from_le_bytes(*bytes[bytes.len() - 10..].first_chunk().unwrap());
        let footer = &bytes[bytes.len() - 10 - footer as usize..];
        let message = open(footer).err().map(|error| error.to_string());
        assert!(message.is_some_and(|message| message.contains("is not within it")));
    }
}
