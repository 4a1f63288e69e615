//! Finds out what is safe in a directory when it is opened.
//!
//! ```text
//! newest segment ─ previous ─▶ … ─ previous ─▶ oldest     headers: who follows whom, and where each was sealed
//!                      ◀───────── batches ────────────     from the last checkpoint
//!                 ◀── index pages ──                       from the oldest id worth knowing; without one, batches
//! ```
//!
//! A batch is written only after the one before it was synced. So a bad batch with nothing valid behind it was never
//! promised: it is cut off. A bad batch with a valid one behind it, or before a seal, was promised: that is damage, and
//! nothing is touched. Only the very last batch may not have reached the disk although it can be read, its sync having
//! failed or never come. So the newest segment is synced and then read from the disk itself, not from the system's memory.
//! To write that batch once more instead would put at risk what may be safe.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::batch::Batch;
use super::catalog::Kept;
use super::disk::Disk;
use super::error::JournalError;
use super::ids::{IdWindow, Ids};
use super::index::{self, Page};
use super::layout::{BLOCK, Name};
use super::parked::{Listed, Open, OpenParked};
use super::record::{Record, RouteProgress};
use super::restore::RestoreIds;
use super::segment::{Blocks, Header, Link, Segment, Spare};
use crate::event::{EventParts, Sequence};
use crate::failpoint;

/// What was found in the directory.
#[derive(Debug)]
pub(super) struct Found {
    /// Oldest first.
    pub(super) kept: Vec<Kept>,
    /// The last of them, to go on with.
    pub(super) segment: Option<Segment>,
    pub(super) spares: Vec<Spare>,
    pub(super) next: Sequence,
    pub(super) progress: BTreeMap<Arc<str>, RouteProgress>,
    pub(super) open: Open,
    /// Of the segment to go on with.
    pub(super) index: index::Draft,
    pub(super) torn_bytes: u64,
    pub(super) segments_read: usize,
}

/// Reads what is there, cuts a torn tail off, and makes safe what can be read. `ids` takes up the ids of its windows.
pub(super) fn recover(
    disk: &dyn Disk,
    segment_size: u64,
    windows: &[IdWindow],
    ids: &mut Ids,
) -> Result<Found, JournalError> {
    // Names that can be seen may not be safe yet.
    disk.sync_folder().map_err(JournalError::file("sync", "the folder of segments"))?;
    let names = list(disk)?;
    let headers = read_headers(disk, &names.segments)?;
    let (chain, strays) = chain(headers)?;

    if let Some(newest) = chain.last() {
        settle(disk, newest)?;
    }
    failpoint::pass("recovery.settled");
    let now = SystemTime::now();
    let from_checkpoint = checkpoint(disk, &chain)?;
    let from_id = first_with_ids(&chain, windows, now).min(from_checkpoint);
    // Ids are hashed as in the newest page; others with the same key are of use then.
    let links = chain.iter().skip(from_id + 1).rev().filter_map(|next| next.previous);
    if let Some(page) = links.into_iter().find_map(|link| Page::of(disk, &link)) {
        ids.adopt(*page.key());
    }
    let mut restored = RestoreIds::new(ids, now);
    let mut kept: Vec<Kept> = Vec::with_capacity(chain.len());
    let mut segments_read = 0;
    let mut sealed = chain.windows(2).filter_map(|pair| Some((pair.first()?, pair.get(1)?.previous?))).enumerate();
    for (at, (header, link)) in sealed.by_ref().take(from_checkpoint) {
        let mut blocks = open(disk, header, Some(link.sealed_at))?;
        if blocks.end() < link.sealed_at {
            return Err(damaged(header, blocks.end(), "the file ends before its last batch"));
        }
        if at >= from_id && !restored.restore(Page::of(disk, &link)) {
            // What it says of routes is out of date.
            Read::new(&mut restored).sealed(header, &link, &mut blocks)?;
            segments_read += 1;
        }
        kept.push(keep(disk, header, link, blocks)?);
    }
    let mut read = Read::new(&mut restored);
    for (_, (header, link)) in sealed {
        let mut blocks = open(disk, header, Some(link.sealed_at))?;
        read.sealed(header, &link, &mut blocks)?;
        segments_read += 1;
        kept.push(keep(disk, header, link, blocks)?);
    }

    let mut torn_bytes = 0;
    let mut segment = None;
    if let Some(header) = chain.last() {
        let (resumed, torn) = read.last(header, open(disk, header, None)?)?;
        torn_bytes = torn;
        let (link, bytes) = (resumed.link(), resumed.bytes());
        kept.push(Kept { link, bytes, index_bytes: 0, opened: header.opened, broken: false });
        segment = Some(resumed);
        segments_read += 1;
    }
    failpoint::pass("recovery.read");
    let Read { next, progress, open, .. } = read;
    let index = restored.write_pages(disk, &mut kept, &names.indexes);
    let spares = spares(disk, segment_size, names.spares, &strays)?;
    Ok(Found { kept, segment, spares, next, progress, open, index, torn_bytes, segments_read })
}

fn keep(disk: &dyn Disk, header: &Header, link: Link, blocks: Blocks) -> Result<Kept, JournalError> {
    let bytes = blocks.into_file().len().map_err(JournalError::file("read", header.name()))?;
    let index_bytes = index::length(disk, header.first);
    Ok(Kept { link, bytes, index_bytes, opened: header.opened, broken: false })
}

/// What is told of the batches while they are read, in their order.
pub(super) trait Witness {
    /// A segment begins.
    fn segment(&mut self, _first: Sequence) {}
    /// An event.
    fn event(&mut self, sequence: Sequence, event: &EventParts<'_>);
    /// An event that was appended again, to wait for an attempt.
    fn parked(&mut self, _sequence: Sequence, _event: &EventParts<'_>) {}
    /// The batch that ends here was read: so many bytes.
    fn batch(&mut self, _bytes: u64) {}
}

pub(super) struct Names {
    pub(super) segments: Vec<u64>,
    pub(super) indexes: Vec<u64>,
    pub(super) spares: Vec<u64>,
}

pub(super) fn list(disk: &dyn Disk) -> Result<Names, JournalError> {
    let mut names = Names { segments: Vec::new(), indexes: Vec::new(), spares: Vec::new() };
    for text in disk.list().map_err(JournalError::file("list", "the folder of segments"))? {
        match Name::parse(&text) {
            Some(Name::Segment(first)) => names.segments.push(first),
            Some(Name::Index(first)) => names.indexes.push(first),
            Some(Name::Spare(number)) => names.spares.push(number),
            None => {
                tracing::warn!(file = text, "this file in the journal's folder is none of its own; it is left alone");
            }
        }
    }
    names.segments.sort_unstable();
    Ok(names)
}

pub(super) fn read_headers(disk: &dyn Disk, segments: &[u64]) -> Result<Vec<Header>, JournalError> {
    let mut headers = Vec::with_capacity(segments.len());
    for &first in segments {
        let name = Name::Segment(first).to_string();
        let mut block = vec![0; BLOCK];
        let file = disk.open(&name).map_err(JournalError::file("open", &name))?;
        let read = file.read_full_at(&mut block, 0).map_err(JournalError::file("read", &name))?;
        block.truncate(read);
        headers.push(Header::read(first, &block)?);
    }
    Ok(headers)
}

/// The segments that follow each other, oldest first; and those that never joined, because a failure came first.
pub(super) fn chain(headers: Vec<Header>) -> Result<(Vec<Header>, Vec<Header>), JournalError> {
    let mut rest: HashMap<u64, Header> = headers.into_iter().map(|header| (header.first.0, header)).collect();
    let newest = rest.keys().max().copied();
    let mut chain: Vec<Header> = newest.and_then(|first| rest.remove(&first)).into_iter().collect();
    while let Some(previous) = chain.last().and_then(|oldest| oldest.previous) {
        let Some(header) = rest.remove(&previous.first.0) else { break };
        if header.id != previous.id {
            return Err(damaged(&header, 0, "the next segment knows this one by another id"));
        }
        chain.push(header);
    }
    let begins = chain.last().and_then(|oldest| oldest.previous).map_or(Sequence(0), |previous| previous.end);
    if let Some(orphan) = rest.values().find(|stray| stray.first < begins) {
        return Err(damaged(orphan, 0, "a segment after this one is missing: its end is not known"));
    }
    chain.reverse();
    Ok((chain, rest.into_values().collect()))
}

/// The index of the first segment that must be read for how far the routes have come.
pub(super) fn checkpoint(disk: &dyn Disk, chain: &[Header]) -> Result<usize, JournalError> {
    let Some(mut from) = chain.len().checked_sub(1) else { return Ok(0) };
    while from > 0
        && let Some(header) = chain.get(from)
        && !begins_with_checkpoint(disk, header)?
    {
        from -= 1;
    }
    Ok(from)
}

/// The index of the first segment with ids that a window remembers.
fn first_with_ids(chain: &[Header], windows: &[IdWindow], now: SystemTime) -> usize {
    let Some(mut from) = chain.len().checked_sub(1) else { return 0 };
    // The windows count per source; a segment counts for all of them.
    let ids: usize = windows.iter().map(|window| window.ids).fold(0, usize::saturating_add);
    let age = windows.iter().filter(|window| window.ids > 0).map(|window| window.age).max().unwrap_or_default();
    let Some(end) = chain.last().map(|newest| newest.first.0) else { return from };
    while from > 0
        && let Some(header) = chain.get(from)
        && let Some(previous) = header.previous
        && end.saturating_sub(previous.end.0) < ids as u64
        && now.duration_since(header.opened).is_ok_and(|sealed_since| sealed_since < age)
    {
        from -= 1;
    }
    from
}

fn begins_with_checkpoint(disk: &dyn Disk, header: &Header) -> Result<bool, JournalError> {
    let mut blocks = open(disk, header, None)?;
    let batch = blocks.batch_at(BLOCK as u64).map_err(JournalError::file("read", header.name()))?;
    Ok(batch.is_some_and(|batch| matches!(batch.records().next(), Some(Some(Record::Checkpoint(_))))))
}

pub(super) fn open(disk: &dyn Disk, header: &Header, end: Option<u64>) -> Result<Blocks, JournalError> {
    let name = header.name();
    let file = disk.open(&name).map_err(JournalError::file("open", &name))?;
    Blocks::new(file, header.id, end).map_err(JournalError::file("read", &name))
}

/// Makes what can be read of a segment what is on the disk.
fn settle(disk: &dyn Disk, header: &Header) -> Result<(), JournalError> {
    let name = header.name();
    let file = disk.open(&name).map_err(JournalError::file("open", &name))?;
    file.sync().map_err(JournalError::file("sync", &name))?;
    file.forget_cached().map_err(JournalError::file("read", &name))
}

/// What is read from the batches, in their order.
pub(super) struct Read<'w> {
    pub(super) next: Sequence,
    pub(super) progress: BTreeMap<Arc<str>, RouteProgress>,
    pub(super) open: Open,
    witness: &'w mut dyn Witness,
}

/// How far the batches of a segment go.
pub(super) struct Extent {
    batches: u64,
    pub(super) end: u64,
    /// Bytes behind the end of a batch that was being written.
    pub(super) torn: u64,
}

impl<'w> Read<'w> {
    pub(super) fn new(witness: &'w mut dyn Witness) -> Self {
        Self { next: Sequence(1), progress: BTreeMap::new(), open: Open::default(), witness }
    }

    /// A segment that was sealed: everything up to the seal was promised.
    pub(super) fn sealed(&mut self, header: &Header, link: &Link, blocks: &mut Blocks) -> Result<(), JournalError> {
        let extent = self.batches(header, blocks)?;
        if extent.end != link.sealed_at {
            return Err(damaged(header, extent.end, "a batch does not fit its checksum"));
        }
        if self.next != link.end {
            return Err(damaged(header, extent.end, "the events are not as many as the next segment says"));
        }
        Ok(())
    }

    /// The segment that was written last. Returns how many bytes of a torn batch were cut off.
    fn last(&mut self, header: &Header, mut blocks: Blocks) -> Result<(Segment, u64), JournalError> {
        let name = header.name();
        let extent = self.tail(header, &mut blocks)?;
        if extent.torn > 0 {
            blocks.clear(extent.end, extent.torn as usize).map_err(JournalError::file("write", &name))?;
        }
        let file = blocks.into_file();
        let segment = Segment::resume(file, header.clone(), extent.end, extent.batches, self.next)
            .map_err(JournalError::file("read", &name))?;
        Ok((segment, extent.torn))
    }

    /// The batches of the segment that was written last, and how much of a torn one is behind them.
    pub(super) fn tail(&mut self, header: &Header, blocks: &mut Blocks) -> Result<Extent, JournalError> {
        let name = header.name();
        let extent = self.batches(header, blocks)?;
        if holds_valid_after(blocks, extent.end).map_err(JournalError::file("read", &name))? {
            return Err(damaged(header, extent.end, "a batch does not fit its checksum, and one behind it does"));
        }
        let torn = blocks.size_at(extent.end).map_err(JournalError::file("read", &name))?;
        let torn = torn.map_or(0, |size| (size as u64).min(blocks.end() - extent.end));
        Ok(Extent { torn, ..extent })
    }

    /// Reads batches from the beginning to the first that is not valid.
    fn batches(&mut self, header: &Header, blocks: &mut Blocks) -> Result<Extent, JournalError> {
        self.next = header.first;
        self.witness.segment(header.first);
        let mut extent = Extent { batches: 0, end: BLOCK as u64, torn: 0 };
        while let Some(batch) = blocks.batch_at(extent.end).map_err(JournalError::file("read", header.name()))? {
            if batch.number != extent.batches || batch.first < self.next {
                return Err(damaged(header, extent.end, "a batch stands in the wrong place"));
            }
            self.records(&batch, extent.end).ok_or_else(|| damaged(header, extent.end, "a record cannot be read"))?;
            self.next = batch.end();
            extent.end += batch.size as u64;
            extent.batches += 1;
            self.witness.batch(batch.size as u64);
        }
        Ok(extent)
    }

    fn records(&mut self, batch: &Batch<'_>, offset: u64) -> Option<()> {
        let mut events = 0;
        for record in batch.records() {
            match record? {
                Record::Event(event) => {
                    self.witness.event(batch.first.plus(u64::from(events)), &event);
                    events += 1;
                }
                Record::Checkpoint(all) => {
                    self.progress = all.into_iter().map(|(route, progress)| (route.into(), progress)).collect();
                    self.open = Open::default();
                }
                Record::Progress(some) => {
                    self.progress.extend(some.into_iter().map(|(route, progress)| (route.into(), progress)));
                }
                Record::Parked(parked) => {
                    let sequence = batch.first.plus(u64::from(events));
                    events += 1;
                    self.witness.parked(sequence, &parked.event);
                    if let Some(replaced) = parked.replaces {
                        self.open.settle(replaced);
                    }
                    let (due_ms, original) = (parked.due_ms, parked.original);
                    self.open.insert(parked.route, &Listed { sequence, due_ms, original, offset });
                }
                Record::Settled(settled) => settled.into_iter().for_each(|sequence| self.open.settle(sequence)),
                Record::Open(all) => {
                    for (route, list) in all {
                        list.iter().for_each(|listed| self.open.insert(route, listed));
                    }
                }
                Record::RoutesChanged | Record::Removed => {}
            }
        }
        (events == batch.events).then_some(())
    }
}

/// Whether a valid batch begins anywhere behind `end`.
fn holds_valid_after(blocks: &mut Blocks, end: u64) -> std::io::Result<bool> {
    let mut at = end + BLOCK as u64;
    while at < blocks.end() {
        if blocks.size_at(at)?.is_some() && blocks.batch_at(at)?.is_some() {
            return Ok(true);
        }
        at += BLOCK as u64;
    }
    Ok(false)
}

/// Spares that can be used as they are; of the rest the folder is cleaned.
fn spares(disk: &dyn Disk, segment_size: u64, names: Vec<u64>, strays: &[Header]) -> Result<Vec<Spare>, JournalError> {
    for stray in strays {
        disk.remove(&stray.name()).map_err(JournalError::file("remove", stray.name()))?;
    }
    let mut spares = Vec::new();
    for number in names {
        let name = Name::Spare(number).to_string();
        let file = disk.open(&name).map_err(JournalError::file("open", &name))?;
        let bytes = file.len().map_err(JournalError::file("read", &name))?;
        if bytes == segment_size {
            // It may have been left half written.
            file.sync().map_err(JournalError::file("sync", &name))?;
            spares.push(Spare { name, file, bytes });
        } else {
            disk.remove(&name).map_err(JournalError::file("remove", &name))?;
        }
    }
    disk.sync_folder().map_err(JournalError::file("sync", "the folder of segments"))?;
    Ok(spares)
}

fn damaged(header: &Header, offset: u64, what: &'static str) -> JournalError {
    JournalError::Damaged { segment: header.name(), offset, what }
}

/// What the caller of [`super::Journal::open`] learns.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// The last event that is safe; `None` in a journal that never had one.
    pub(crate) last: Option<Sequence>,
    /// The first event that is kept.
    pub(crate) oldest: Sequence,
    /// How far each route has come, as it was saved.
    pub(crate) progress: Vec<(Arc<str>, RouteProgress)>,
    /// Events that wait for another attempt.
    pub(crate) parked: Vec<OpenParked>,
    /// Bytes of a batch that was being written when the power went, cut off. Nothing in it was promised.
    pub(crate) torn_bytes: u64,
    /// Segments there are.
    pub(crate) segments: usize,
    /// Of these, how many had to be read.
    pub(crate) segments_read: usize,
    /// How long it took.
    pub(crate) took: Duration,
}

impl Recovered {
    pub(super) fn new(found: &Found, began: Instant) -> Self {
        Self {
            last: (found.next.0 > 1).then(|| Sequence(found.next.0 - 1)),
            oldest: found.kept.first().map_or(Sequence(1), |kept| kept.link.first),
            progress: found.progress.clone().into_iter().collect(),
            parked: found.open.all(),
            torn_bytes: found.torn_bytes,
            segments: found.kept.len(),
            segments_read: found.segments_read,
            took: began.elapsed(),
        }
    }
}
