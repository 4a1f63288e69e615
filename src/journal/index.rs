//! Index pages: what is in a segment that is written to no more, in 32 bytes an event. They restore the windows of duplicates
//! and find an event by its id without reading the segment.
//!
//! A page is never synced and nothing depends on one: one that is missing, torn or of another segment is as if there were
//! none, and the segment is read. `docs/journal-format.md` describes the bytes.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::batch::SegmentId;
use super::disk::Disk;
use super::id_hash::{IdHash, IdKey};
use super::layout::{BLOCK, INDEX_MAGIC, Name, VERSION, take};
use super::segment::Link;
use crate::event::Sequence;
use crate::failpoint;

const HEADER: usize = 8 + 4 + 4 + 16 + 16 + 8 + 8 + 8 + 8;

const ENTRY: usize = 32;

/// The highest bit of an entry's source: the event was appended again, to wait for an attempt.
const PARKED: u16 = 1 << 15;

/// Of the last number of an entry: when it was received, in milliseconds since 1970.
const TIME: u64 = (1 << 48) - 1;

/// A page that grows with its segment.
#[derive(Debug, Default)]
pub(super) struct Draft {
    first: Sequence,
    /// Room for the header, then entries.
    bytes: Vec<u8>,
    sources: Vec<Arc<str>>,
    /// By a source's index in the configuration: which of `sources` it is.
    numbers: Vec<Option<u16>>,
    /// Something was too large to be told. Then there is no page.
    unfit: bool,
}

/// What a page says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: IdHash,
    pub(super) sequence: Sequence,
    /// Where its batch begins.
    pub(super) offset: u64,
    /// By its index in [`Page::sources`].
    pub(super) source: usize,
    pub(super) parked: bool,
    /// In milliseconds.
    pub(super) received: SystemTime,
}

/// An event's place: its sequence, and where its batch begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) sequence: Sequence,
    pub(super) offset: u64,
    pub(super) parked: bool,
}

impl Draft {
    /// Of the segment that begins with `first`.
    pub(super) fn new(first: Sequence) -> Self {
        Self { first, bytes: vec![0; HEADER], ..Self::default() }
    }

    /// Where its segment begins.
    pub(super) fn first(&self) -> Sequence {
        self.first
    }

    /// The next event. `configured` is its source's index in the configuration, if it has one; then the source's name is asked for
    /// once, and not looked up in an event that has left the cache.
    pub(super) fn push<'name>(
        &mut self,
        id: IdHash,
        spot: Spot,
        (configured, source): (Option<usize>, impl FnOnce() -> &'name str),
        received: SystemTime,
    ) {
        if self.try_push(id, spot, (configured, source), received).is_none() {
            self.unfit = true;
        }
    }

    fn try_push<'name>(
        &mut self,
        id: IdHash,
        spot: Spot,
        (configured, source): (Option<usize>, impl FnOnce() -> &'name str),
        received: SystemTime,
    ) -> Option<()> {
        let source = self.number(configured, source)?;
        let behind = u32::try_from(spot.sequence.0.checked_sub(self.first.0)?).ok()?;
        let block = u32::try_from(spot.offset / BLOCK as u64).ok()?;
        let received_ms = received.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        let parked = if spot.parked { PARKED } else { 0 };
        // One number, of which the low six bytes are the time.
        let received_and_source = (received_ms & TIME) | u64::from(source | parked) << TIME.count_ones();
        self.bytes.extend_from_slice(&id.to_bytes());
        self.bytes.extend_from_slice(&behind.to_le_bytes());
        self.bytes.extend_from_slice(&block.to_le_bytes());
        self.bytes.extend_from_slice(&received_and_source.to_le_bytes());
        Some(())
    }

    fn number<'name>(&mut self, configured: Option<usize>, source: impl FnOnce() -> &'name str) -> Option<u16> {
        if let Some(Some(number)) = configured.and_then(|index| self.numbers.get(index)) {
            return Some(*number);
        }
        let source = source();
        let known = self.sources.iter().position(|known| **known == *source);
        let number = known.unwrap_or(self.sources.len());
        if known.is_none() {
            self.sources.push(source.into());
        }
        let number = u16::try_from(number).ok().filter(|number| *number < PARKED)?;
        if let Some(index) = configured {
            if self.numbers.len() <= index {
                self.numbers.resize(index + 1, None);
            }
            if let Some(slot) = self.numbers.get_mut(index) {
                *slot = Some(number);
            }
        }
        Some(number)
    }

    /// The page of the segment that is now sealed like this. `None` if it is not this segment's, or cannot tell all.
    pub(super) fn finish(mut self, link: &Link, key: &IdKey) -> Option<Finished> {
        if self.unfit || self.first != link.first {
            return None;
        }
        let entries = u32::try_from(self.bytes.len().checked_sub(HEADER)? / ENTRY).ok()?;
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(&INDEX_MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&entries.to_le_bytes());
        header.extend_from_slice(&key.0);
        header.extend_from_slice(&link.id);
        header.extend_from_slice(&link.first.0.to_le_bytes());
        header.extend_from_slice(&link.end.0.to_le_bytes());
        header.extend_from_slice(&link.sealed_at.to_le_bytes());
        header.extend_from_slice(&(self.sources.len() as u64).to_le_bytes());
        self.bytes.get_mut(..HEADER)?.copy_from_slice(&header);
        for source in &self.sources {
            self.bytes.extend_from_slice(&u16::try_from(source.len()).ok()?.to_le_bytes());
            self.bytes.extend_from_slice(source.as_bytes());
        }
        let crc = crc32c::crc32c(&self.bytes);
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        Some(Finished { segment: link.first, bytes: self.bytes })
    }
}

/// A page to be written.
pub(super) struct Finished {
    pub(super) segment: Sequence,
    pub(super) bytes: Vec<u8>,
}

impl Finished {
    /// Writes it, unsynced, in place of one that is there. Of one that fails nothing stays, as far as the disk allows.
    pub(super) fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        let name = Name::Index(self.segment.0).to_string();
        remove(disk, self.segment)?;
        let written = disk.create(&name).and_then(|file| file.write_all_at(&self.bytes, 0));
        if written.is_err() {
            let _ = disk.remove(&name);
        }
        failpoint::pass("index.written");
        written
    }
}

impl std::fmt::Debug for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finished").field("segment", &self.segment).field("bytes", &self.bytes.len()).finish()
    }
}

/// Removes the page of a segment, if there is one.
pub(super) fn remove(disk: &dyn Disk, segment: Sequence) -> io::Result<()> {
    match disk.remove(&Name::Index(segment.0).to_string()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Bytes of the page of a segment; 0 if there is none.
pub(super) fn length(disk: &dyn Disk, segment: Sequence) -> u64 {
    disk.open(&Name::Index(segment.0).to_string()).and_then(|file| file.len()).unwrap_or_default()
}

/// A page that was read, and fits its checksum.
pub(super) struct Page {
    bytes: Vec<u8>,
    key: IdKey,
    entries: usize,
    sources: Vec<Arc<str>>,
    first: Sequence,
}

impl Page {
    /// The page of this sealed segment. `None` where there is none that can be believed.
    pub(super) fn of(disk: &dyn Disk, link: &Link) -> Option<Self> {
        let file = disk.open(&Name::Index(link.first.0).to_string()).ok()?;
        let mut bytes = vec![0; usize::try_from(file.len().ok()?).ok()?];
        if file.read_full_at(&mut bytes, 0).ok()? != bytes.len() {
            return None;
        }
        Self::read(bytes, link)
    }

    /// The page of this segment that these bytes are.
    pub(super) fn read(bytes: Vec<u8>, link: &Link) -> Option<Self> {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(covered) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut rest = covered;
        let is_ours = take::<8>(&mut rest)? == INDEX_MAGIC && u32::from_le_bytes(take(&mut rest)?) == VERSION;
        let entries = u32::from_le_bytes(take(&mut rest)?) as usize;
        let key = IdKey(take(&mut rest)?);
        let id: SegmentId = take(&mut rest)?;
        let [first, end, sealed_at] = [take(&mut rest)?, take(&mut rest)?, take(&mut rest)?].map(u64::from_le_bytes);
        let described = Link { first: Sequence(first), id, sealed_at, end: Sequence(end) };
        let count = u64::from_le_bytes(take(&mut rest)?);
        if !is_ours || described != *link {
            return None;
        }
        let mut rest = rest.get(entries.checked_mul(ENTRY)?..)?;
        let mut sources = Vec::new();
        for _ in 0..count {
            let length = usize::from(u16::from_le_bytes(take(&mut rest)?));
            let (source, behind) = rest.split_at_checked(length)?;
            sources.push(std::str::from_utf8(source).ok()?.into());
            rest = behind;
        }
        Some(Self { key, entries, sources, first: link.first, bytes })
    }

    /// What its ids are hashed with.
    pub(super) fn key(&self) -> &IdKey {
        &self.key
    }

    /// The names of its sources.
    pub(super) fn sources(&self) -> &[Arc<str>] {
        &self.sources
    }

    /// All events, in their order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        let entries = self.bytes.get(HEADER..).unwrap_or_default().as_chunks::<ENTRY>().0;
        entries.iter().take(self.entries).filter_map(|entry| self.entry(entry))
    }

    fn entry(&self, entry: &[u8; ENTRY]) -> Option<Entry> {
        let mut rest = entry.as_slice();
        let id = IdHash::from_bytes(take(&mut rest)?);
        let behind = u32::from_le_bytes(take(&mut rest)?);
        let block = u32::from_le_bytes(take(&mut rest)?);
        let received_and_source = u64::from_le_bytes(take(&mut rest)?);
        let source = (received_and_source >> TIME.count_ones()) as u16;
        Some(Entry {
            id,
            sequence: self.first.plus(u64::from(behind)),
            offset: u64::from(block) * BLOCK as u64,
            source: usize::from(source & !PARKED),
            parked: source & PARKED != 0,
            received: UNIX_EPOCH + Duration::from_millis(received_and_source & TIME),
        })
    }

    /// Where the batches begin that hold an event of this id, in their order. One of another id may be among them, whose hash
    /// is the same.
    pub(super) fn batches_of(&self, id: &str) -> Vec<u64> {
        let hash = self.key.hash(id);
        let mut offsets: Vec<u64> = self.entries().filter(|entry| entry.id == hash).map(|entry| entry.offset).collect();
        offsets.dedup();
        offsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: IdKey = IdKey([7; 16]);

    fn link() -> Link {
        Link { first: Sequence(100), id: [3; 16], sealed_at: 10 * BLOCK as u64, end: Sequence(103) }
    }

    fn received() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_764_000_000_123)
    }

    fn finished() -> Finished {
        let mut draft = Draft::new(Sequence(100));
        let spot =
            |sequence, block: u64, parked| Spot { sequence: Sequence(sequence), offset: block * BLOCK as u64, parked };
        draft.push(KEY.hash("a"), spot(100, 1, false), (Some(4), || "shop"), received());
        draft.push(KEY.hash("b"), spot(101, 1, false), (None, || "gone"), received());
        draft.push(KEY.hash("a"), spot(102, 5, true), (None, || "shop"), received());
        draft.finish(&link(), &KEY).unwrap()
    }

    #[test]
    fn a_page_tells_what_it_was_told() {
        let page = Page::read(finished().bytes, &link()).unwrap();
        assert_eq!(page.sources(), ["shop".into(), "gone".into()] as [Arc<str>; 2]);
        let entry = |id, sequence, block: u64, source, parked| Entry {
            id: KEY.hash(id),
            sequence: Sequence(sequence),
            offset: block * BLOCK as u64,
            source,
            parked,
            received: received(),
        };
        let expected = [entry("a", 100, 1, 0, false), entry("b", 101, 1, 1, false), entry("a", 102, 5, 0, true)];
        assert_eq!(page.entries().collect::<Vec<_>>(), expected);
        assert_eq!(page.batches_of("a"), [BLOCK as u64, 5 * BLOCK as u64]);
        assert!(page.batches_of("c").is_empty());
        assert_eq!(*page.key(), KEY);
    }

    #[test]
    fn a_page_with_any_byte_changed_or_cut_off_is_none() {
        let bytes = finished().bytes;
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Page::read(changed, &link()).is_none(), "byte {at}");
            assert!(Page::read(bytes[..at].to_vec(), &link()).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn a_page_of_another_segment_is_none() {
        let other = [
            Link { id: [4; 16], ..link() },
            Link { sealed_at: 9 * BLOCK as u64, ..link() },
            Link { end: Sequence(104), ..link() },
        ];
        for other in other {
            assert!(Page::read(finished().bytes, &other).is_none(), "{other:?}");
        }
        let draft = Draft::new(Sequence(99));
        assert!(draft.finish(&link(), &KEY).is_none());
    }

    #[test]
    fn more_sources_than_can_be_told_are_no_page() {
        let mut draft = Draft::new(Sequence(100));
        for number in 0..=u64::from(PARKED) {
            let spot = Spot { sequence: Sequence(100 + number), offset: BLOCK as u64, parked: false };
            let name = number.to_string();
            draft.push(KEY.hash("a"), spot, (Some(number as usize), || &*name), received());
        }
        assert!(draft.finish(&link(), &KEY).is_none());
    }
}
