//! Reading back: from the ring while the events are there, else from the segments. Never writes.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::batch::Batch;
use super::catalog::Kept;
use super::disk::Disk;
use super::error::JournalError;
use super::layout::{BLOCK, Name};
use super::mutex::locked;
use super::parked::{Parked, ReadParked};
use super::record::{self, Record};
use super::segment::Blocks;
use super::shared::{Shared, Wake};
use crate::event::Event;
use crate::event::Sequence;

/// Reads events that are safe. Reads from the disk block the calling thread.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    /// Where recent reads have ended: readers that go on from there need not look for their place.
    places: Mutex<Vec<Place>>,
    /// The segment that a parked event was read from last: those that are due together were often parked together.
    last_parked: Mutex<Option<(Sequence, Blocks)>>,
}

/// A place in a segment, behind the batches before `next`.
#[derive(Debug)]
struct Place {
    segment: Sequence,
    next: Sequence,
    offset: u64,
    blocks: Blocks,
}

/// Each holds a buffer of 1 MiB.
const PLACES_KEPT: usize = 8;

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, disk: Arc<dyn Disk>) -> Self {
        Self { shared, disk, places: Mutex::default(), last_parked: Mutex::default() }
    }

    /// Events from `from` on, in their order: one at least, if there is one, then up to about `max_bytes` of bodies. Numbers
    /// may be left out where a write has failed. Empty when `from` is not safe yet.
    pub(crate) fn read(&self, from: Sequence, max_bytes: usize) -> Result<Vec<(Sequence, Event)>, JournalError> {
        if from >= self.synced_end() {
            return Ok(Vec::new());
        }
        // Bound first: the lock is not held while the disk is read.
        let recent = locked(&self.shared.ring).read(from, max_bytes);
        match recent {
            Some(events) => Ok(events),
            None => self.read_back(from, max_bytes),
        }
    }

    /// The parked event with this sequence. `None` if it is not open.
    pub(crate) fn read_parked(&self, sequence: Sequence) -> Result<Option<ReadParked>, JournalError> {
        let Some(offset) = locked(&self.shared.open).offset(sequence) else { return Ok(None) };
        let recent = locked(&self.shared.ring).parked(sequence).map(ReadParked::from);
        match recent {
            Some(parked) => Ok(Some(parked)),
            None => self.read_parked_back(sequence, offset).map(Some),
        }
    }

    /// The same, of what is still in memory: never blocks. `None` if `from` has left it.
    pub(crate) fn read_recent(&self, from: Sequence, max_bytes: usize) -> Option<Vec<(Sequence, Event)>> {
        if from >= self.synced_end() {
            return Some(Vec::new());
        }
        locked(&self.shared.ring).read(from, max_bytes)
    }

    /// A sequence with nothing before it that was received after `time`, as far as the clock did not jump.
    pub(crate) fn first_after(&self, time: SystemTime) -> Sequence {
        let segments = self.shared.catalog.all();
        let before = segments.iter().rev().find(|kept| kept.opened <= time);
        before.or(segments.first()).map_or_else(|| self.oldest(), |kept| kept.link.first)
    }

    /// The next sequence that is not safe yet.
    pub(crate) fn synced_end(&self) -> Sequence {
        self.shared.synced_end()
    }

    /// The first sequence that is kept.
    pub(crate) fn oldest(&self) -> Sequence {
        self.shared.catalog.oldest()
    }

    /// Bytes of the journal from `from` to the safe end. Within a segment one event counts as much as another.
    pub(crate) fn bytes_from(&self, from: Sequence) -> u64 {
        self.shared.catalog.bytes_from(from)
    }

    /// The first sequence from which on there are no more than so many bytes.
    pub(crate) fn last_bytes(&self, bytes: u64) -> Sequence {
        self.shared.catalog.last_bytes(bytes)
    }

    /// A place before the first event that was received at `time` or later, not far from it.
    pub(crate) fn begins_before(&self, time: SystemTime) -> Sequence {
        self.shared.catalog.begins_before(time)
    }

    /// `wake` is called by the journal thread after each batch that is published; it must not block.
    pub(crate) fn on_published(&self, wake: Wake) {
        self.shared.add_wake(wake);
    }

    /// No route needs an event before `sequence` any more. To be called after the progress that says so was given to
    /// [`super::Journal::save_progress`]: it takes effect when that is safe, so that no route ever starts at an event that
    /// is gone.
    pub(crate) fn release_before(&self, sequence: Sequence) {
        self.shared.control(|control| control.release = control.release.max(Some(sequence)));
    }

    fn read_back(&self, mut from: Sequence, max_bytes: usize) -> Result<Vec<(Sequence, Event)>, JournalError> {
        if from < self.oldest() {
            return Err(JournalError::Gone { oldest: self.oldest().0 });
        }
        let mut collected = Collected { events: Vec::new(), bytes: 0, max_bytes };
        while let Some(kept) = self.shared.catalog.find(from) {
            let mut place = self.place(&kept, from)?;
            place.read(&kept, from, &mut collected).map_err(|error| self.explain(error, &kept))?;
            self.keep(place);
            if collected.is_full() || kept.link.end >= self.synced_end() {
                break;
            }
            from = kept.link.end;
        }
        Ok(collected.events)
    }

    fn read_parked_back(&self, sequence: Sequence, offset: u64) -> Result<ReadParked, JournalError> {
        let gone = JournalError::Gone { oldest: self.oldest().0 };
        let Some(kept) = self.shared.catalog.find(sequence) else { return Err(gone) };
        let (segment, end) = (kept.link.first, kept.link.sealed_at);
        let name = || Name::Segment(segment.0).to_string();
        let known = locked(&self.last_parked).take().filter(|(known, _)| *known == segment);
        let mut blocks = match known {
            Some((_, mut blocks)) => {
                if blocks.end() != end {
                    blocks.extend(end);
                }
                blocks
            }
            None => self
                .disk
                .open(&name())
                .and_then(|file| Blocks::scattered(file, kept.link.id, end))
                .map_err(JournalError::file("open", name()))?,
        };
        let batch = blocks.batch_at(offset).map_err(JournalError::file("read", name()))?;
        let damaged = |what| JournalError::Damaged { segment: name(), offset, what };
        let batch = batch.ok_or_else(|| damaged("a batch does not fit its checksum"))?;
        let read = find_parked(&batch, sequence).ok_or_else(|| damaged("a parked event is not where it should be"))?;
        *locked(&self.last_parked) = Some((segment, blocks));
        Ok(read)
    }

    /// The nearest place before `from`, taken out of those that are kept.
    fn place(&self, kept: &Kept, from: Sequence) -> Result<Place, JournalError> {
        let segment = kept.link.first;
        let mut places = locked(&self.places);
        let fitting = places.iter().enumerate().filter(|(_, place)| place.segment == segment && place.next <= from);
        if let Some((at, _)) = fitting.max_by_key(|(_, place)| place.next) {
            return Ok(places.swap_remove(at));
        }
        drop(places);
        let name = Name::Segment(segment.0).to_string();
        let opened = self.disk.open(&name).and_then(|file| Blocks::new(file, kept.link.id, Some(kept.link.sealed_at)));
        match opened {
            Ok(blocks) => Ok(Place { segment, next: segment, offset: BLOCK as u64, blocks }),
            Err(error) => Err(self.explain(JournalError::file("open", name)(error), kept)),
        }
    }

    fn keep(&self, place: Place) {
        let mut places = locked(&self.places);
        if places.len() >= PLACES_KEPT {
            places.remove(0);
        }
        places.push(place);
    }

    /// An error in a segment that was let go meanwhile is no damage.
    fn explain(&self, error: JournalError, kept: &Kept) -> JournalError {
        if self.shared.catalog.holds(kept.link.first) { error } else { JournalError::Gone { oldest: self.oldest().0 } }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("shared", &self.shared).finish_non_exhaustive()
    }
}

struct Collected {
    events: Vec<(Sequence, Event)>,
    bytes: usize,
    max_bytes: usize,
}

impl Collected {
    /// Adds an event, or leaves it out if there is no room.
    fn add(&mut self, sequence: Sequence, event: impl FnOnce() -> Event, bytes: usize) -> bool {
        self.bytes += bytes;
        let has_room = self.events.is_empty() || self.bytes <= self.max_bytes;
        if has_room {
            self.events.push((sequence, event()));
        }
        has_room
    }

    fn is_full(&self) -> bool {
        !self.events.is_empty() && self.bytes >= self.max_bytes
    }
}

impl Place {
    /// Reads on to the end of the segment or until enough is collected.
    fn read(&mut self, kept: &Kept, from: Sequence, collected: &mut Collected) -> Result<(), JournalError> {
        let name = || Name::Segment(kept.link.first.0).to_string();
        if self.blocks.end() != kept.link.sealed_at {
            self.blocks.extend(kept.link.sealed_at);
        }
        while self.offset < kept.link.sealed_at && !collected.is_full() {
            let batch = self.blocks.batch_at(self.offset).map_err(JournalError::file("read", name()))?;
            let damaged = |what| JournalError::Damaged { segment: name(), offset: self.offset, what };
            let batch = batch.ok_or_else(|| damaged("a batch does not fit its checksum"))?;
            let end = batch.end();
            let taken_whole =
                end <= from || collect(&batch, from, collected).ok_or_else(|| damaged("a record cannot be read"))?;
            if !taken_whole {
                // The rest of this batch comes with the next read.
                self.next = batch.first;
                break;
            }
            self.next = end;
            self.offset += batch.size as u64;
        }
        Ok(())
    }
}

/// Takes the events of a batch from `from` on. `Some(false)` if there was no room for all of them; `None` if one cannot be
/// read.
fn collect(batch: &Batch<'_>, from: Sequence, collected: &mut Collected) -> Option<bool> {
    let now = record::now();
    let mut sequence = batch.first;
    for record in batch.records() {
        match record? {
            Record::Event(parts) => {
                let event = || Event::from_parts(&parts, now);
                if sequence >= from && !collected.add(sequence, event, parts.body.len()) {
                    return Some(false);
                }
            }
            // For one route, when it is due.
            Record::Parked(_) => {}
            _ => continue,
        }
        sequence = sequence.plus(1);
    }
    Some(true)
}

fn find_parked(batch: &Batch<'_>, wanted: Sequence) -> Option<ReadParked> {
    let mut sequence = batch.first;
    for record in batch.records() {
        match record? {
            Record::Parked(parts) if sequence == wanted => {
                return Some(ReadParked {
                    event: Event::from_parts(&parts.event, record::now()),
                    attempts: parts.attempts,
                    original: parts.original,
                    state: parts.state.to_vec(),
                });
            }
            Record::Event(_) | Record::Parked(_) => sequence = sequence.plus(1),
            _ => {}
        }
    }
    None
}

impl From<&Parked> for ReadParked {
    fn from(parked: &Parked) -> Self {
        Self {
            event: parked.event.clone(),
            attempts: parked.attempts,
            original: parked.original,
            state: parked.state.clone(),
        }
    }
}
