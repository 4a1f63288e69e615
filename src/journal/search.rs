//! Finds an event by its id. Reads segments from the disk, and so blocks its thread; takes no lock while it does.
//!
//! A segment that has an index page is read only where that says. An id that hookgate made says when: those segments come first
//! that were written then. For any other, the newest comes first, since what is asked for is mostly recent.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::catalog::Kept;
use super::disk::{Disk, ReadOnlyDisk};
use super::error::JournalError;
use super::index::Page;
use super::layout::{BLOCK, Name, SEGMENTS};
use super::lock::DirLock;
use super::record::{self, Record, RouteProgress};
use super::recovery::{self, Read, Witness};
use super::segment::{Blocks, Link};
use super::shared::Shared;
use crate::event::{Event, EventParts, Sequence, id_time};

/// The segments of a journal, to look for events in.
#[derive(Debug)]
pub(crate) struct Search {
    disk: Arc<dyn Disk>,
    /// Oldest first.
    segments: Vec<Kept>,
    /// Of a journal that is open: it may let segments go meanwhile.
    open: Option<Arc<Shared>>,
    /// Of a journal that is not: keeps those out who would write.
    _lock: Option<DirLock>,
    progress: Vec<(Arc<str>, RouteProgress)>,
}

/// An event that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) sequence: Sequence,
    pub(crate) event: Event,
    /// The name of its segment's file.
    pub(crate) segment: String,
    /// Where its batch begins there.
    pub(crate) offset: u64,
}

/// What a segment has of an id.
#[derive(Default)]
struct FoundIn {
    received: Vec<Found>,
    parked: Vec<Found>,
}

/// Clocks of a sender's request and of a segment's beginning are the same; an event may still be written a while later.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);

impl Search {
    pub(super) fn of_open(shared: Arc<Shared>, disk: Arc<dyn Disk>) -> Self {
        let segments = shared.catalog.all();
        Self { disk, segments, open: Some(shared), _lock: None, progress: Vec::new() }
    }

    /// The segments of a journal that no gateway has open. Reads what says how far its routes have come.
    pub(crate) fn of_closed(dir: &Path) -> Result<Self, JournalError> {
        let lock = DirLock::share(dir)?;
        let disk = ReadOnlyDisk { folder: dir.join(SEGMENTS) };
        let names = recovery::list(&disk)?;
        let (chain, _strays) = recovery::chain(recovery::read_headers(&disk, &names.segments)?)?;
        let from = recovery::checkpoint(&disk, &chain)?;
        let mut nobody = Nobody;
        let mut read = Read::new(&mut nobody);
        let mut segments = Vec::with_capacity(chain.len());
        for (at, header) in chain.iter().enumerate() {
            let sealed = chain.get(at + 1).and_then(|next| next.previous);
            let mut blocks = recovery::open(&disk, header, sealed.map(|link| link.sealed_at))?;
            let link = match sealed {
                Some(link) => {
                    if at >= from {
                        read.sealed(header, &link, &mut blocks)?;
                    }
                    link
                }
                None => {
                    let extent = read.tail(header, &mut blocks)?;
                    Link { first: header.first, id: header.id, sealed_at: extent.end, end: read.next }
                }
            };
            segments.push(Kept { link, bytes: blocks.end(), index_bytes: 0, opened: header.opened, broken: false });
        }
        let progress = read.progress.into_iter().collect();
        Ok(Self { disk: Arc::new(disk), segments, open: None, _lock: lock, progress })
    }

    /// How far each route had come, as it was saved; of a journal that is closed.
    pub(crate) fn progress(&self) -> &[(Arc<str>, RouteProgress)] {
        &self.progress
    }

    /// The events of this id, and of this source if one is given: all that are in the first segment that has one. An event
    /// that is only there as it was parked for another attempt is found as that, with its own sequence. `advance`
    /// is told how many of how many bytes are read.
    pub(crate) fn find(
        &self,
        id: &str,
        source: Option<&str>,
        advance: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<Found>, JournalError> {
        let mut order: Vec<&Kept> = self.segments.iter().rev().collect();
        if let Some(time) = id_time(id) {
            // Stable: within both parts the newest stay first.
            order.sort_by_key(|kept| !self.may_hold(kept, time));
        }
        let all = order.iter().map(|kept| kept.link.sealed_at).sum();
        let mut read = 0;
        let mut parked = Vec::new();
        for kept in order {
            let found = self.find_in(kept, id, source, &mut |bytes| advance(read + bytes, all));
            let found = match found {
                // It was let go while it was read.
                Err(_) if self.open.as_ref().is_some_and(|shared| !shared.catalog.holds(kept.link.first)) => continue,
                found => found?,
            };
            if !found.received.is_empty() {
                return Ok(found.received);
            }
            parked.extend(found.parked);
            read += kept.link.sealed_at;
        }
        // Each attempt left a copy; they differ in nothing that is told here.
        parked.sort_by_key(|found| found.sequence);
        parked.dedup_by_key(|found| found.sequence);
        Ok(parked)
    }

    /// Whether events that were received then may be in it.
    fn may_hold(&self, kept: &Kept, time: SystemTime) -> bool {
        let next = self.segments.iter().find(|other| other.link.first > kept.link.first);
        kept.opened <= time + WRITTEN_WITHIN && next.is_none_or(|next| time <= next.opened + WRITTEN_WITHIN)
    }

    fn find_in(
        &self,
        kept: &Kept,
        id: &str,
        source: Option<&str>,
        advance: &mut dyn FnMut(u64),
    ) -> Result<FoundIn, JournalError> {
        let name = Name::Segment(kept.link.first.0).to_string();
        let file = self.disk.open(&name).map_err(JournalError::file("open", &name))?;
        let blocks = Blocks::new(file, kept.link.id, Some(kept.link.sealed_at));
        let mut blocks = blocks.map_err(JournalError::file("read", &name))?;
        let mut found = FoundIn::default();
        let mut known = Page::of(&*self.disk, &kept.link).map(|page| page.batches_of(id).into_iter());
        let mut behind = BLOCK as u64;
        loop {
            let next = match &mut known {
                Some(offsets) => offsets.next(),
                None => Some(behind).filter(|offset| *offset < kept.link.sealed_at),
            };
            let Some(offset) = next else { break };
            let batch = blocks.batch_at(offset).map_err(JournalError::file("read", &name))?;
            let damaged = |what| JournalError::Damaged { segment: name.clone(), offset, what };
            let batch = batch.ok_or_else(|| damaged("a batch does not fit its checksum"))?;
            let mut sequence = batch.first;
            for record in batch.records() {
                let record = record.ok_or_else(|| damaged("a record cannot be read"))?;
                let (parts, original) = match record {
                    Record::Event(parts) => (parts, Some(sequence)),
                    Record::Parked(parked) => (parked.event, parked.original),
                    Record::Progress(_)
                    | Record::Checkpoint(_)
                    | Record::Settled(_)
                    | Record::Open(_)
                    | Record::RoutesChanged
                    | Record::Removed => continue,
                };
                if let Some(original) = original
                    && parts.id == id
                    && source.is_none_or(|source| source == parts.source)
                {
                    let into = if original == sequence { &mut found.received } else { &mut found.parked };
                    let event = Event::from_parts(&parts, record::now());
                    into.push(Found { sequence: original, event, segment: name.clone(), offset });
                }
                sequence = sequence.plus(1);
            }
            behind = offset + batch.size as u64;
            advance(behind);
        }
        Ok(found)
    }
}

struct Nobody;

impl Witness for Nobody {
    fn event(&mut self, _: Sequence, _: &EventParts<'_>) {}
}
