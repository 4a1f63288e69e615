//! A batch ⇄ bytes: records that become safe together, with the one checksum that proves them and all before them.
//!
//! ```text
//! ┌ tag ─ number ─ first sequence ─ events ─ length ─ codec ─ CRC-32C ┐ records … │ zeros to the end of the block
//! └─────────────────────────── 40 bytes ──────────────────────────────┘
//! ```
//!
//! The tag is a part of the segment's id, and the checksum begins with all of it: what the file held in an earlier life has
//! another one, and no sender can guess it. The checksum covers the zeros too, so that every byte of a batch is proven.

use super::layout::{BLOCK, whole_blocks};
use super::record::{self, Record};
use crate::event::Sequence;

/// Bytes before the records.
pub(super) const HEAD: usize = 40;

/// Where in the head the checksum is.
pub(super) const CRC_AT: usize = HEAD - 4;

const TAG: usize = 4;

/// What a segment is known by: random, and part of every checksum within it.
pub(super) type SegmentId = [u8; 16];

/// A batch that is being gathered. Its buffer is used again for the next.
#[derive(Debug, Default)]
pub(super) struct BatchBuffer {
    bytes: Vec<u8>,
    events: u32,
}

impl BatchBuffer {
    /// Forgets what it holds.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(HEAD, 0);
        self.events = 0;
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.len() <= HEAD
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Events so far.
    pub(super) fn events(&self) -> u32 {
        self.events
    }

    /// Appends an event: the one copy that the journal makes of it.
    pub(super) fn push_event(&mut self, event: &crate::event::Event) {
        record::write_event(event, &mut self.bytes);
        self.events += 1;
    }

    /// Appends an event that waits for an attempt. It is counted like any other.
    pub(super) fn push_parked(&mut self, parked: &super::parked::Parked) {
        record::write_parked(parked, &mut self.bytes);
        self.events += 1;
    }

    /// Appends a record of another kind.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
    }

    /// Writes head and checksum, and returns whole blocks.
    pub(super) fn seal(&mut self, id: &SegmentId, number: u64, first: Sequence) -> &[u8] {
        let length = (self.bytes.len() - HEAD) as u32;
        self.bytes.resize(whole_blocks(self.bytes.len()), 0);
        let mut head = [0; CRC_AT];
        head[..4].copy_from_slice(tag(id));
        head[4..12].copy_from_slice(&number.to_le_bytes());
        head[12..20].copy_from_slice(&first.0.to_le_bytes());
        head[20..24].copy_from_slice(&self.events.to_le_bytes());
        head[24..28].copy_from_slice(&length.to_le_bytes());
        // The rest is the codec: none.
        if let Some((place, records)) = self.bytes.split_first_chunk_mut::<HEAD>() {
            place[..CRC_AT].copy_from_slice(&head);
            let crc = checksum(id, &place[..CRC_AT], records);
            place[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        }
        &self.bytes
    }
}

/// A batch, proven by its checksum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch<'bytes> {
    /// Counts from 0 in each segment.
    pub(super) number: u64,
    /// The sequence of its first event, or of the next one if it has none.
    pub(super) first: Sequence,
    /// How many events it has, parked ones included.
    pub(super) events: u32,
    /// Bytes it takes up, whole blocks.
    pub(super) size: usize,
    records: &'bytes [u8],
}

impl<'bytes> Batch<'bytes> {
    /// The bytes that a batch of this segment takes up whose first block this is, or `None` if none begins here. Not proven
    /// yet.
    pub(super) fn size(id: &SegmentId, block: &[u8]) -> Option<usize> {
        let head = block.first_chunk::<HEAD>()?;
        if !head.starts_with(tag(id)) {
            return None;
        }
        Some(whole_blocks(HEAD + u32_at(head, 24) as usize))
    }

    /// Reads the batch that `bytes` begins with.
    pub(super) fn read(id: &SegmentId, bytes: &'bytes [u8]) -> Option<Self> {
        let size = Self::size(id, bytes)?;
        let bytes = bytes.get(..size)?;
        let (head, records) = bytes.split_first_chunk::<HEAD>()?;
        if checksum(id, &head[..CRC_AT], records) != u32_at(head, CRC_AT) {
            return None;
        }
        if head[28..CRC_AT] != [0; 8] {
            return None;
        }
        Some(Self {
            number: u64_at(head, 4),
            first: Sequence(u64_at(head, 12)),
            events: u32_at(head, 20),
            size,
            records: records.get(..u32_at(head, 24) as usize)?,
        })
    }

    /// The sequence after its last event.
    pub(super) fn end(&self) -> Sequence {
        self.first.plus(u64::from(self.events))
    }

    /// Its records. Stops with `None` at one that cannot be read: then the batch was written by another version.
    pub(super) fn records(&self) -> impl Iterator<Item = Option<Record<'bytes>>> + use<'bytes> {
        let mut rest = self.records;
        let mut broken = false;
        std::iter::from_fn(move || {
            if rest.is_empty() || broken {
                return None;
            }
            let record = record::take(&mut rest);
            broken = record.is_none();
            Some(record)
        })
    }
}

/// What a batch of this segment begins with: a part of the id. Not a checksum of it: a CRC over data and then its own CRC is
/// the same for all data, and the id would have no part in the checksum of the batch any more.
pub(super) fn tag(id: &SegmentId) -> &[u8] {
    &id[..TAG]
}

/// Of a batch with this head, without its checksum, and these records.
pub(super) fn checksum(id: &SegmentId, head: &[u8], records: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(id), head);
    crc32c::crc32c_append(crc, records)
}

fn u32_at(head: &[u8; HEAD], at: usize) -> u32 {
    head.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(head: &[u8; HEAD], at: usize) -> u64 {
    head.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

const _: () = assert!(HEAD < BLOCK);
