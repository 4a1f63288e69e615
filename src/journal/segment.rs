//! A segment: a header, then batches. How one begins, and how a batch is appended to it.
//!
//! ```text
//! spare file ── write header ── sync ── rename ── sync folder ──▶ segment ── batch, sync ── batch, sync ── …
//! ```
//!
//! Whatever has a segment's name has had a synced header before: a header that cannot be read is damage, never a beginning
//! that power cut short.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::batch::{Batch, BatchBuffer, SegmentId};
use super::disk::{Disk, DiskFile, is_full};
use super::error::JournalError;
use super::layout::{BLOCK, Name, SEGMENT_MAGIC, VERSION, take};
use crate::event::Sequence;
use crate::failpoint;

/// The first block of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Random, in every checksum within.
    pub(super) id: SegmentId,
    /// The first sequence it can hold: its name.
    pub(super) first: Sequence,
    /// When it was begun.
    pub(super) opened: SystemTime,
    /// The segment before it, unless it is the first of all.
    pub(super) previous: Option<Link>,
}

/// What the next segment says about the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// Its name.
    pub(super) first: Sequence,
    /// Its id.
    pub(super) id: SegmentId,
    /// Where its last batch ends. What is behind that is not part of it.
    pub(super) sealed_at: u64,
    /// The sequence after its last event.
    pub(super) end: Sequence,
}

const HEADER_BYTES: usize = 8 + 4 + 4 + 16 + 8 + 8 + 8 + 16 + 8 + 8;

impl Header {
    /// The header of a new segment.
    pub(super) fn new(first: Sequence, previous: Option<Link>) -> Self {
        Self { id: fastrand::u128(..).to_le_bytes(), first, opened: SystemTime::now(), previous }
    }

    /// Its name.
    pub(super) fn name(&self) -> String {
        Name::Segment(self.first.0).to_string()
    }

    /// The whole block, its checksum in the last four bytes.
    pub(super) fn to_block(&self) -> Vec<u8> {
        let opened = self.opened.duration_since(UNIX_EPOCH).unwrap_or_default();
        let none = Link { first: Sequence(0), id: [0; 16], sealed_at: 0, end: Sequence(0) };
        let previous = self.previous.unwrap_or(none);
        let mut block = Vec::with_capacity(BLOCK);
        block.extend_from_slice(&SEGMENT_MAGIC);
        block.extend_from_slice(&VERSION.to_le_bytes());
        block.extend_from_slice(&[0; 4]);
        block.extend_from_slice(&self.id);
        block.extend_from_slice(&self.first.0.to_le_bytes());
        block.extend_from_slice(&(opened.as_nanos() as u64).to_le_bytes());
        block.extend_from_slice(&previous.first.0.to_le_bytes());
        block.extend_from_slice(&previous.id);
        block.extend_from_slice(&previous.sealed_at.to_le_bytes());
        block.extend_from_slice(&previous.end.0.to_le_bytes());
        block.resize(BLOCK - 4, 0);
        block.extend_from_slice(&crc32c::crc32c(&block).to_le_bytes());
        block
    }

    /// Reads the header of the segment of this name.
    pub(super) fn read(first: u64, block: &[u8]) -> Result<Self, JournalError> {
        let name = Name::Segment(first).to_string();
        let header = Self::parse(block).map_err(|problem| match problem {
            Problem::Damaged => {
                JournalError::Damaged { segment: name.clone(), offset: 0, what: "the header does not fit its checksum" }
            }
            Problem::Version(version) => JournalError::Version { segment: name.clone(), version, known: VERSION },
        })?;
        if header.first.0 != first {
            return Err(JournalError::Damaged {
                segment: name,
                offset: 0,
                what: "the header is that of another segment",
            });
        }
        Ok(header)
    }

    fn parse(block: &[u8]) -> Result<Self, Problem> {
        let (covered, crc) = block.split_last_chunk::<4>().filter(|_| block.len() == BLOCK).ok_or(Problem::Damaged)?;
        let mut rest = covered.strip_prefix(SEGMENT_MAGIC.as_slice()).ok_or(Problem::Damaged)?;
        if crc32c::crc32c(covered) != u32::from_le_bytes(*crc) {
            return Err(Problem::Damaged);
        }
        let version = take(&mut rest).map(u32::from_le_bytes).ok_or(Problem::Damaged)?;
        if version != VERSION {
            return Err(Problem::Version(version));
        }
        Self::parts(rest).ok_or(Problem::Damaged)
    }

    /// What stands behind the version.
    fn parts(mut rest: &[u8]) -> Option<Self> {
        let _reserved: [u8; 4] = take(&mut rest)?;
        let id = take(&mut rest)?;
        let first = Sequence(u64::from_le_bytes(take(&mut rest)?));
        let opened = UNIX_EPOCH + Duration::from_nanos(u64::from_le_bytes(take(&mut rest)?));
        let previous = Link {
            first: Sequence(u64::from_le_bytes(take(&mut rest)?)),
            id: take(&mut rest)?,
            sealed_at: u64::from_le_bytes(take(&mut rest)?),
            end: Sequence(u64::from_le_bytes(take(&mut rest)?)),
        };
        let previous = (previous.first.0 > 0).then_some(previous);
        Some(Self { id, first, opened, previous })
    }
}

enum Problem {
    Damaged,
    Version(u32),
}

const _: () = assert!(HEADER_BYTES + 4 <= BLOCK);

/// A file that can become a segment: synced, and safe under its name.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) name: String,
    pub(super) file: Box<dyn DiskFile>,
    pub(super) bytes: u64,
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct Segment {
    file: Box<dyn DiskFile>,
    header: Header,
    /// Where the next batch goes.
    offset: u64,
    /// Its number.
    number: u64,
    /// Bytes that are there already, most of them written, so that a sync moves data alone.
    capacity: u64,
    end: Sequence,
}

/// A batch that is written and not yet synced.
#[derive(Debug)]
#[must_use]
pub(super) struct Written {
    bytes: u64,
    /// The sequence after its last event.
    end: Sequence,
}

/// Why a batch was not appended.
#[derive(Debug)]
pub(super) struct AppendError {
    /// What the system said.
    pub(super) error: io::Error,
    /// The segment must never be written again: what the system still holds of it is unknown.
    pub(super) broken: bool,
}

impl Segment {
    /// Makes a spare the next segment. On an error nothing may be appended to it; whether the file has the segment's name is
    /// then unknown.
    pub(super) fn start(disk: &dyn Disk, spare: Spare, header: Header) -> io::Result<Self> {
        spare.file.write_all_at(&header.to_block(), 0)?;
        failpoint::pass("segment.header_written");
        spare.file.sync()?;
        failpoint::pass("segment.header_synced");
        disk.rename(&spare.name, &header.name())?;
        failpoint::pass("segment.renamed");
        disk.sync_folder()?;
        failpoint::pass("segment.named");
        let end = header.first;
        Ok(Self { file: spare.file, header, offset: BLOCK as u64, number: 0, capacity: spare.bytes, end })
    }

    /// The segment that was written last when the journal was open before: `number` batches up to `offset`.
    pub(super) fn resume(
        file: Box<dyn DiskFile>,
        header: Header,
        offset: u64,
        number: u64,
        end: Sequence,
    ) -> io::Result<Self> {
        let capacity = file.len()?;
        Ok(Self { file, header, offset, number, capacity, end })
    }

    /// Whether a batch of so many bytes belongs here: it fits into what is there, or there is nothing yet but the
    /// checkpoint. A batch larger than a segment has one to itself, which grows.
    pub(super) fn has_room(&self, size: usize) -> bool {
        self.number <= 1 || self.offset + size as u64 <= self.capacity
    }

    /// Writes and syncs a batch whose first event has the sequence `first`. When this returns it is safe.
    pub(super) fn append(&mut self, batch: &mut BatchBuffer, first: Sequence) -> Result<(), AppendError> {
        let written = self.write(batch, first)?;
        self.sync(written)
    }

    /// The first half of [`Segment::append`]: the system has the batch, the disk may not.
    pub(super) fn write(&mut self, batch: &mut BatchBuffer, first: Sequence) -> Result<Written, AppendError> {
        let end = first.plus(u64::from(batch.events()));
        let bytes = batch.seal(&self.header.id, self.number, first);
        // Without room nothing was promised, and the next write at this place begins anew.
        self.file.write_all_at(bytes, self.offset).map_err(|error| AppendError { broken: !is_full(&error), error })?;
        failpoint::pass("batch.written");
        Ok(Written { bytes: bytes.len() as u64, end })
    }

    /// The other half. When this returns the batch is safe.
    pub(super) fn sync(&mut self, Written { bytes, end }: Written) -> Result<(), AppendError> {
        self.file.sync().map_err(|error| AppendError { broken: true, error })?;
        failpoint::pass("batch.synced");
        self.offset += bytes;
        self.number += 1;
        self.capacity = self.capacity.max(self.offset);
        self.end = end;
        Ok(())
    }

    /// What the next segment will say about it.
    pub(super) fn link(&self) -> Link {
        Link { first: self.header.first, id: self.header.id, sealed_at: self.offset, end: self.end }
    }

    /// When it was begun.
    pub(super) fn opened(&self) -> SystemTime {
        self.header.opened
    }

    /// Bytes of its file.
    pub(super) fn bytes(&self) -> u64 {
        self.capacity
    }
}

/// Reads a segment's batches in order, a large piece at a time.
#[derive(Debug)]
pub(super) struct Blocks {
    file: Box<dyn DiskFile>,
    id: SegmentId,
    /// What was read last, and where it began.
    piece: Vec<u8>,
    piece_at: u64,
    /// Read at once.
    piece_bytes: usize,
    /// Nothing at or after this is looked at.
    end: u64,
}

/// Read at once by who reads on.
const PIECE: usize = 1 << 20;

/// Read at once by who wants a batch here and there.
const SMALL_PIECE: usize = 32 << 10;

impl Blocks {
    /// Of a segment with this id, up to `end` or the end of the file.
    pub(super) fn new(file: Box<dyn DiskFile>, id: SegmentId, end: Option<u64>) -> io::Result<Self> {
        let length = file.len()?;
        let end = end.unwrap_or(length).min(length);
        Ok(Self { file, id, piece: Vec::new(), piece_at: 0, piece_bytes: PIECE, end })
    }

    /// Likewise, for single batches.
    pub(super) fn scattered(file: Box<dyn DiskFile>, id: SegmentId, end: u64) -> io::Result<Self> {
        Ok(Self { piece_bytes: SMALL_PIECE, ..Self::new(file, id, Some(end))? })
    }

    /// Looks up to `end` from now on: the segment has grown.
    pub(super) fn extend(&mut self, end: u64) {
        self.end = end;
        // The last piece may hold what stood there before.
        self.piece.clear();
    }

    /// The file.
    pub(super) fn into_file(self) -> Box<dyn DiskFile> {
        self.file
    }

    /// Writes zeros from `offset` on, up to the end at most, and syncs them.
    pub(super) fn clear(&mut self, offset: u64, size: usize) -> io::Result<()> {
        let size = size.min(self.end.saturating_sub(offset) as usize);
        self.file.write_all_at(&vec![0; size], offset)?;
        self.file.sync()
    }

    /// Where it ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The proven batch at `offset`, or `None` if there is none.
    pub(super) fn batch_at(&mut self, offset: u64) -> io::Result<Option<Batch<'_>>> {
        let id = self.id;
        let Some(size) = Batch::size(&id, self.bytes(offset, BLOCK)?) else { return Ok(None) };
        Ok(Batch::read(&id, self.bytes(offset, size)?))
    }

    /// The size of what may be a batch at `offset`. Not proven.
    pub(super) fn size_at(&mut self, offset: u64) -> io::Result<Option<usize>> {
        let id = self.id;
        Ok(Batch::size(&id, self.bytes(offset, BLOCK)?))
    }

    /// Up to `length` bytes at `offset`; fewer where it ends.
    fn bytes(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let length = length.min(self.end.saturating_sub(offset) as usize);
        let held = offset.checked_sub(self.piece_at).map(|from| from as usize);
        let held = held.filter(|from| from + length <= self.piece.len());
        let from = match held {
            Some(from) => from,
            None => {
                let wanted = self.piece_bytes.max(length).min(self.end.saturating_sub(offset) as usize);
                self.piece.resize(wanted, 0);
                let read = self.file.read_full_at(&mut self.piece, offset)?;
                self.piece.truncate(read);
                self.piece_at = offset;
                0
            }
        };
        let to = (from + length).min(self.piece.len());
        Ok(self.piece.get(from..to).unwrap_or_default())
    }
}
