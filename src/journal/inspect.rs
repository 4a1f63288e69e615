//! Looks at a journal that no gateway has open: reads every batch of every segment as recovery does, and changes nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::disk::{Disk, ReadOnlyDisk};
use super::error::JournalError;
use super::layout::{Name, SEGMENTS};
use super::lock::DirLock;
use super::record::RouteProgress;
use super::recovery::{self, Read, Witness};
use crate::event::{EventParts, Sequence};

/// What is in a journal. All its checksums are right.
#[derive(Debug)]
pub(crate) struct Inspection {
    /// Segments there are.
    pub(crate) segments: usize,
    /// Bytes of their files.
    pub(crate) bytes: u64,
    /// Bytes of files that wait to become one.
    pub(crate) spare_bytes: u64,
    /// The first sequence that is kept.
    pub(crate) oldest: Sequence,
    /// The sequence after the last event.
    pub(crate) end: Sequence,
    pub(crate) events: u64,
    /// Events that were appended again to wait for an attempt, once for each time.
    pub(crate) parked: u64,
    /// Of them, those that wait still.
    pub(crate) parked_open: usize,
    pub(crate) batches: u64,
    /// When the first and the last of the events were received.
    pub(crate) received: Option<(SystemTime, SystemTime)>,
    /// How far each route had come, as it was saved.
    pub(crate) progress: Vec<(Arc<str>, RouteProgress)>,
    /// Bytes of a batch whose writing had not ended. Nothing in it was promised; the next start cuts it off.
    pub(crate) torn_bytes: u64,
}

/// Reads all of a journal, and keeps those out meanwhile who would write to it. `advance` is told now and then how many of
/// how many bytes are read.
pub(crate) fn inspect(dir: &Path, advance: &mut dyn FnMut(u64, u64)) -> Result<Inspection, JournalError> {
    let _lock = DirLock::share(dir)?;
    let disk = ReadOnlyDisk { folder: dir.join(SEGMENTS) };
    let names = recovery::list(&disk)?;
    let (chain, _strays) = recovery::chain(recovery::read_headers(&disk, &names.segments)?)?;
    let mut bytes = 0;
    for header in &chain {
        bytes += length(&disk, &header.name())?;
    }
    let mut spare_bytes = 0;
    for &number in &names.spares {
        spare_bytes += length(&disk, &Name::Spare(number).to_string())?;
    }

    let mut counts = Counts { events: 0, parked: 0, batches: 0, bytes: 0, of: bytes, received: None, advance };
    let mut read = Read::new(&mut counts);
    for pair in chain.windows(2) {
        if let [header, next] = pair
            && let Some(link) = &next.previous
        {
            let mut blocks = recovery::open(&disk, header, Some(link.sealed_at))?;
            read.sealed(header, link, &mut blocks)?;
        }
    }
    let mut torn_bytes = 0;
    if let Some(header) = chain.last() {
        torn_bytes = read.tail(header, &mut recovery::open(&disk, header, None)?)?.torn;
    }
    let (end, parked_open, progress) = (read.next, read.open.len(), read.progress.into_iter().collect());
    Ok(Inspection {
        segments: chain.len(),
        bytes,
        spare_bytes,
        oldest: chain.first().map_or(Sequence(1), |header| header.first),
        end,
        events: counts.events,
        parked: counts.parked,
        parked_open,
        batches: counts.batches,
        received: counts.received,
        progress,
        torn_bytes,
    })
}

fn length(disk: &ReadOnlyDisk, name: &str) -> Result<u64, JournalError> {
    disk.open(name).and_then(|file| file.len()).map_err(JournalError::file("read", name))
}

struct Counts<'a> {
    events: u64,
    parked: u64,
    batches: u64,
    bytes: u64,
    of: u64,
    received: Option<(SystemTime, SystemTime)>,
    advance: &'a mut dyn FnMut(u64, u64),
}

impl Witness for Counts<'_> {
    fn event(&mut self, _: Sequence, event: &EventParts<'_>) {
        self.events += 1;
        let first = self.received.map_or(event.received, |(first, _)| first);
        self.received = Some((first, event.received));
    }

    fn parked(&mut self, _: Sequence, _: &EventParts<'_>) {
        self.parked += 1;
    }

    fn batch(&mut self, bytes: u64) {
        self.batches += 1;
        self.bytes += bytes;
        (self.advance)(self.bytes, self.of);
    }
}
