//! One file of batches, one after another, with a sparse index in memory.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{self, BatchHeader, HEADER_BYTES};

/// Bytes of the file for each entry of the index.
const INDEX_INTERVAL: u64 = 16 * 1024;
/// Bytes of a damaged file that are looked through at a time.
const SCAN_BYTES: usize = 1 << 20;

/// A file that holds the batches from offset `base` on.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) base: i64,
    pub(super) size: u64,
    /// Milliseconds since 1970 of the newest record; `i64::MIN` when there is none.
    pub(super) max_timestamp: i64,
    path: PathBuf,
    /// Open while the segment is written; an older one is opened when it is read, so that files do not run out.
    file: Option<Arc<File>>,
    /// Offset and position of a batch now and then, ascending.
    index: Vec<(i64, u64)>,
}

impl Segment {
    /// Makes an empty file.
    pub(super) fn create(folder: &Path, base: i64) -> io::Result<Self> {
        let path = folder.join(format!("{base:020}.log"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok(Self {
            base,
            size: 0,
            max_timestamp: i64::MIN,
            path,
            file: Some(Arc::new(file)),
            index: Vec::new(),
        })
    }

    /// Opens a file and shows each batch's header, and the whole batch if it ends a transaction.
    ///
    /// The last file of a partition may end in a batch that was never acknowledged: it is cut off there. Where intact
    /// batches would be cut off too, or earlier ones are missing, it is an error.
    pub(super) fn open(
        folder: &Path,
        base: i64,
        is_last: bool,
        mut visit: impl FnMut(&BatchHeader, &[u8]),
    ) -> io::Result<Self> {
        let path = folder.join(format!("{base:020}.log"));
        let file = Arc::new(OpenOptions::new().read(true).write(true).open(&path)?);
        let mut segment = Self {
            base,
            size: 0,
            max_timestamp: i64::MIN,
            path,
            file: is_last.then(|| Arc::clone(&file)),
            index: Vec::new(),
        };
        let total = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(1 << 16, file.as_ref());
        let mut bytes = vec![0; HEADER_BYTES];
        let mut next = base;
        while segment.size < total {
            bytes.resize(HEADER_BYTES, 0);
            let header = match reader.read_exact(&mut bytes) {
                Ok(()) => BatchHeader::parse(&bytes),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
                Err(error) => return Err(error),
            };
            // The checksum does not cover the offset.
            let Some(header) = header.filter(|header| {
                header.base_offset == next && segment.size + header.size as u64 <= total
            }) else {
                break;
            };
            let body = (header.size - HEADER_BYTES) as u64;
            if is_last || header.is_control() {
                bytes.resize(header.size, 0);
                reader.read_exact(bytes.get_mut(HEADER_BYTES..).unwrap_or_default())?;
                if !header.is_intact(&bytes) {
                    break;
                }
            } else {
                reader.seek_relative(body.cast_signed())?;
            }
            visit(&header, &bytes);
            segment.note(&header);
            next = header.last_offset() + 1;
        }
        if segment.size < total {
            if !is_last || has_intact_batch(&file, segment.size..total, next)? {
                return Err(segment.damaged(segment.size));
            }
            let bytes = total - segment.size;
            tracing::warn!(file = %segment.path.display(), bytes, "what follows the last intact batch is cut off");
            file.set_len(segment.size)?;
        }
        Ok(segment)
    }

    /// Goes on without an open file: another segment is written now.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Appends a batch that already carries its offsets. What a failed write left behind is taken back.
    pub(super) fn append(&mut self, header: &BatchHeader, batch: &[u8]) -> io::Result<()> {
        let file = self.file()?;
        if let Err(error) = file.write_all_at(batch, self.size) {
            // If this fails too, opening the file cuts the rest off.
            let _ = file.set_len(self.size);
            return Err(error);
        }
        self.note(header);
        Ok(())
    }

    /// Returns whole batches from the one that holds `from` on, before `until`: about `max` bytes, at least one batch.
    pub(super) fn read(&self, from: i64, until: i64, max: usize) -> io::Result<Vec<u8>> {
        let file = self.file()?;
        let mut position = self.position_before(from);
        // Batches before `from` are stepped over, header by header.
        let mut header = [0; HEADER_BYTES];
        let first = loop {
            if position >= self.size {
                return Ok(Vec::new());
            }
            file.read_exact_at(&mut header, position)?;
            let parsed = BatchHeader::parse(&header).ok_or_else(|| self.damaged(position))?;
            if parsed.last_offset() >= from {
                break parsed;
            }
            position += parsed.size as u64;
        };
        if first.base_offset >= until {
            return Ok(Vec::new());
        }
        let left = usize::try_from(self.size - position).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(max.max(first.size))];
        file.read_exact_at(&mut bytes, position)?;
        let mut whole = 0;
        while let Some(parsed) = bytes.get(whole..).and_then(BatchHeader::parse) {
            if whole + parsed.size > bytes.len() || parsed.base_offset >= until {
                break;
            }
            whole += parsed.size;
        }
        bytes.truncate(whole);
        Ok(bytes)
    }

    /// Returns offset and timestamp of the first record at or after `timestamp`.
    pub(super) fn first_at(&self, timestamp: i64) -> io::Result<Option<(i64, i64)>> {
        if self.max_timestamp < timestamp {
            return Ok(None);
        }
        let mut from = self.base;
        loop {
            let bytes = self.read(from, i64::MAX, 1 << 20)?;
            let mut rest = bytes.as_slice();
            while let Some(header) = BatchHeader::parse(rest) {
                if let Some(found) = batch::first_at(rest, timestamp) {
                    return Ok(Some(found));
                }
                from = header.last_offset() + 1;
                rest = rest.get(header.size..).unwrap_or_default();
            }
            if bytes.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Makes what was appended outlive a power failure.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    /// Removes the file.
    pub(super) fn delete(&self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }

    fn file(&self) -> io::Result<Arc<File>> {
        match &self.file {
            Some(file) => Ok(Arc::clone(file)),
            None => File::open(&self.path).map(Arc::new),
        }
    }

    fn note(&mut self, header: &BatchHeader) {
        let is_due = self
            .index
            .last()
            .is_none_or(|(_, position)| self.size - position >= INDEX_INTERVAL);
        if is_due {
            self.index.push((header.base_offset, self.size));
        }
        self.size += header.size as u64;
        self.max_timestamp = self.max_timestamp.max(header.max_timestamp);
    }

    /// Returns a position at or before the batch that holds `offset`.
    fn position_before(&self, offset: i64) -> u64 {
        let after = self.index.partition_point(|(base, _)| *base <= offset);
        after
            .checked_sub(1)
            .and_then(|entry| self.index.get(entry))
            .map_or(0, |(_, position)| *position)
    }

    fn damaged(&self, position: u64) -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("`{}` is damaged at byte {position}", self.path.display()),
        )
    }
}

/// Whether somewhere in `range` an intact batch begins whose offsets are beyond `offset`.
fn has_intact_batch(file: &File, range: Range<u64>, offset: i64) -> io::Result<bool> {
    let mut start = range.start;
    while start + HEADER_BYTES as u64 <= range.end {
        let left = usize::try_from(range.end - start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(SCAN_BYTES)];
        file.read_exact_at(&mut bytes, start)?;
        for (position, header) in (start..).zip(bytes.windows(HEADER_BYTES)) {
            let header = BatchHeader::parse(header).filter(|header| {
                header.base_offset > offset && position + header.size as u64 <= range.end
            });
            if let Some(header) = header {
                let mut batch = vec![0; header.size];
                file.read_exact_at(&mut batch, position)?;
                if header.is_intact(&batch) {
                    return Ok(true);
                }
            }
        }
        start += (bytes.len() - HEADER_BYTES + 1) as u64;
    }
    Ok(false)
}
