//! Takes out what recovery refuses to start on, and keeps a copy of it. To be used by people, on a journal that no gateway
//! has open.
//!
//! ```text
//! before   header │ batch 0 │ batch 1 │ ruins             │ batch 4 │ …
//! after    header │ batch 0 │ batch 1 │ removed │ removed │ batch 4 │ …      removed-TIME/00…01.segment.at-73728
//! ```
//!
//! Whatever is still proven by its checksum stays where it is: no offset, no number and no sequence changes. Ruins are
//! filled with batches that hold no event. A header that is damaged is made again from what its neighbours say of it; a
//! segment whose id nobody knows any more is taken out whole, and its neighbours are linked to each other.
//!
//! First everything that will change is copied and synced. Whoever is interrupted repairs again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::batch::{self, BatchBuffer};
use super::disk::{Disk, ReadOnlyDisk, RealDisk};
use super::error::JournalError;
use super::index;
use super::layout::{BLOCK, Name, SEGMENTS};
use super::lock::DirLock;
use super::record::{self, Kind, Record, RouteProgress};
use super::recovery;
use super::segment::{Blocks, Header, Link};
use crate::event::Sequence;

/// What a repair does, or would do.
#[derive(Debug, Default)]
pub(crate) struct Repair {
    /// Ruins. Empty if the journal is whole.
    pub(crate) losses: Vec<Loss>,
    /// Segments whose header is written anew.
    pub(crate) headers: Vec<String>,
    /// Routes whose place was known from what is lost only. They begin again with the oldest event.
    pub(crate) restarted: Vec<String>,
    /// The same, but there is no room to say so in the journal: they begin as new routes do.
    pub(crate) forgotten: Vec<String>,
    /// Where the copies are.
    pub(crate) removed_to: Option<PathBuf>,
}

/// A stretch that is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    /// The name of its file.
    pub(crate) segment: String,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// The first sequence that may be lost, and the first behind it that is not. Numbers that a failed write has left out
    /// are among them, so that this is the most that can be lost. `None`: the end is not known.
    pub(crate) sequences: (Sequence, Option<Sequence>),
}

/// Repairs the journal in `dir`, or says what that would do. `routes` are those that are configured.
pub(crate) fn repair(
    dir: &Path,
    routes: &[&str],
    now: SystemTime,
    dry_run: bool,
    advance: &mut dyn FnMut(u64, u64),
) -> Result<Repair, JournalError> {
    let folder = dir.join(SEGMENTS);
    if dry_run {
        let _lock = DirLock::share(dir)?;
        return Ok(plan(&ReadOnlyDisk { folder }, routes, advance)?.repair);
    }
    let _lock = DirLock::take(dir)?;
    let unusable = |source| JournalError::Directory { dir: dir.to_owned(), source };
    let disk = RealDisk::open(&folder).map_err(unusable)?;
    let mut plan = plan(&disk, routes, advance)?;
    if !plan.changes.is_empty() {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let removed = dir.join(format!("removed-{seconds}"));
        apply(&disk, &RealDisk::open(&removed).map_err(unusable)?, &plan.changes)?;
        plan.repair.removed_to = Some(removed);
    }
    Ok(plan.repair)
}

/// What is to be done, oldest segment first.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) repair: Repair,
    pub(super) changes: Vec<Change>,
}

#[derive(Debug)]
pub(super) enum Change {
    /// These bytes are written there.
    Write { segment: String, offset: u64, bytes: Vec<u8> },
    /// The file goes.
    Remove { segment: String },
}

/// A segment that stays.
struct Kept {
    header: Header,
    /// What the next one says of it.
    link: Option<Link>,
    /// Its header has to be written.
    rewrite: bool,
    /// It does not say rightly which segment comes before it.
    relink: bool,
}

/// What stays between batches that are proven.
struct Hole {
    offset: u64,
    bytes: u64,
    /// The numbers of the batches that fill it.
    number: u64,
    count: u64,
    sequences: (Sequence, Sequence),
}

/// Finds out what is to be done. Changes nothing.
pub(super) fn plan(disk: &dyn Disk, routes: &[&str], advance: &mut dyn FnMut(u64, u64)) -> Result<Plan, JournalError> {
    let mut plan = Plan::default();
    let names = recovery::list(disk)?.segments;
    let mut chain = chain(disk, names, &mut plan)?;
    let oldest = chain.first().map_or(Sequence(1), |kept| kept.header.first);
    let mut known = Known::default();
    let mut fills = Vec::new();
    let mut before: Option<Link> = None;
    let segments = chain.len() as u64;
    for (at, kept) in chain.iter_mut().enumerate() {
        if kept.relink {
            kept.header.previous = before;
        }
        let name = kept.header.name();
        if kept.rewrite || kept.relink {
            plan.repair.headers.push(name.clone());
            plan.changes.push(Change::Write { segment: name.clone(), offset: 0, bytes: kept.header.to_block() });
        }
        let (holes, link) = scan(disk, kept, &mut known)?;
        for hole in holes {
            plan.repair.losses.push(Loss {
                segment: name.clone(),
                offset: hole.offset,
                bytes: hole.bytes,
                sequences: (hole.sequences.0, Some(hole.sequences.1)),
            });
            fills.push((kept.header.clone(), hole));
        }
        before = Some(link);
        advance(at as u64 + 1, segments);
    }

    let lost_progress = !plan.repair.losses.is_empty() && !known.has_checkpoint;
    let restarted: Vec<&str> =
        routes.iter().copied().filter(|route| lost_progress && !known.routes.contains(*route)).collect();
    let mut said = restarted.is_empty();
    for (header, hole) in &fills {
        let progress: &[&str] = if said { &[] } else { &restarted };
        let (bytes, fits) = fill(header, hole, progress, oldest);
        said |= fits;
        plan.changes.push(Change::Write { segment: header.name(), offset: hole.offset, bytes });
    }
    let restarted = restarted.into_iter().map(str::to_owned).collect();
    if said {
        plan.repair.restarted = restarted;
    } else {
        plan.repair.forgotten = restarted;
    }
    Ok(plan)
}

/// The segments that stay, oldest first, as far as their headers can be had; the others are taken out.
fn chain(disk: &dyn Disk, mut names: Vec<u64>, plan: &mut Plan) -> Result<Vec<Kept>, JournalError> {
    let mut chain: Vec<Kept> = Vec::new();
    while let Some(first) = names.pop() {
        let next = chain.last_mut();
        let link = next.as_ref().and_then(|next| next.header.previous);
        let linked = link.filter(|link| link.first.0 == first);
        if linked.is_none()
            && let Some(link) = link
        {
            if first >= link.end.0 || names.contains(&link.first.0) {
                // It never joined: recovery removes it.
                continue;
            }
            // The one that should stand here is gone: this one takes its place.
            plan.repair.losses.push(Loss {
                segment: Name::Segment(link.first.0).to_string(),
                offset: 0,
                bytes: 0,
                sequences: (link.first, Some(link.end)),
            });
        }
        match resolve(disk, first, linked)? {
            Some((header, is_as_it_was)) => {
                if let Some(next) = next {
                    next.relink |= linked.is_none();
                }
                // Of a header that was made anew nobody knows what came before.
                let relink = !is_as_it_was && !names.is_empty();
                chain.push(Kept { header, link: linked, rewrite: !is_as_it_was, relink });
            }
            None => {
                let segment = Name::Segment(first).to_string();
                let length = disk.open(&segment).and_then(|file| file.len());
                let end = chain.last().map(|next| next.header.first);
                plan.repair.losses.push(Loss {
                    segment: segment.clone(),
                    offset: 0,
                    bytes: length.map_err(JournalError::file("read", &segment))?,
                    sequences: (Sequence(first), end),
                });
                plan.changes.push(Change::Remove { segment });
                if let Some(next) = chain.last_mut() {
                    next.relink = true;
                    next.header.previous = None;
                }
            }
        }
    }
    chain.reverse();
    Ok(chain)
}

/// The header of a segment, and whether that is what stands there; `None` if it cannot be known.
fn resolve(disk: &dyn Disk, first: u64, link: Option<Link>) -> Result<Option<(Header, bool)>, JournalError> {
    let name = Name::Segment(first).to_string();
    let file = disk.open(&name).map_err(JournalError::file("open", &name))?;
    let mut block = vec![0; BLOCK];
    let read = file.read_full_at(&mut block, 0).map_err(JournalError::file("read", &name))?;
    block.truncate(read);
    let written = match Header::read(first, &block) {
        Ok(header) => Some(header),
        Err(JournalError::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    if let Some(header) = &written
        && link.is_none_or(|link| link.id == header.id)
    {
        return Ok(written.map(|header| (header, true)));
    }
    // What stands where the id was is the id if a batch proves it.
    let ids = link.map(|link| link.id).into_iter().chain(block.get(16..32).and_then(|id| id.try_into().ok()));
    for id in ids {
        let file = disk.open(&name).map_err(JournalError::file("open", &name))?;
        let mut blocks = Blocks::new(file, id, None).map_err(JournalError::file("read", &name))?;
        let mut at = BLOCK as u64;
        while at < blocks.end() {
            if is_batch(&mut blocks, at).map_err(JournalError::file("read", &name))? {
                let header = Header { previous: None, id, ..Header::new(Sequence(first), None) };
                return Ok(Some((header, false)));
            }
            at += BLOCK as u64;
        }
    }
    Ok(None)
}

/// Reads all of a segment that is proven, and finds what is not.
fn scan(disk: &dyn Disk, kept: &Kept, known: &mut Known) -> Result<(Vec<Hole>, Link), JournalError> {
    let Kept { header, link, .. } = kept;
    let name = header.name();
    let read_error = |error| JournalError::file("read", &name)(error);
    let mut blocks = recovery::open(disk, header, link.map(|link| link.sealed_at))?;
    let (mut number, mut at, mut next) = (0, BLOCK as u64, header.first);
    let mut holes = Vec::new();
    loop {
        if let Some(batch) = blocks.batch_at(at).map_err(read_error)?
            && batch.number == number
            && batch.first >= next
        {
            let unreadable = JournalError::Damaged { segment: name.clone(), offset: at, what: UNREADABLE };
            batch.records().try_for_each(|record| record.map(|record| known.take(&record))).ok_or(unreadable)?;
            (number, at, next) = (number + 1, at + batch.size as u64, batch.end());
            continue;
        }
        let hole = |bytes, count, end| Hole { offset: at, bytes, number, count, sequences: (next, end) };
        match next_proven(&mut blocks, at, number, next).map_err(read_error)? {
            Some((to, count, end)) => {
                holes.push(hole(to - at, count, end));
                (number, at, next) = (number + count, to, end);
            }
            None => {
                if let Some(link) = link.filter(|link| at < link.sealed_at) {
                    holes.push(hole(link.sealed_at - at, 1, link.end));
                    (at, next) = (link.sealed_at, link.end);
                }
                break;
            }
        }
    }
    let link = Link { first: header.first, id: header.id, sealed_at: at, end: next };
    Ok((holes, link))
}

const UNREADABLE: &str = "a record cannot be read, though its checksum is right: it is of another version of hookgate";

/// The next batch behind ruins that can follow: where it begins, how many are missing before it, and its first sequence.
fn next_proven(
    blocks: &mut Blocks,
    ruins: u64,
    number: u64,
    next: Sequence,
) -> std::io::Result<Option<(u64, u64, Sequence)>> {
    let mut at = ruins + BLOCK as u64;
    while at < blocks.end() {
        if blocks.size_at(at)?.is_some()
            && let Some(batch) = blocks.batch_at(at)?
            && let Some(missing) = batch.number.checked_sub(number)
            && (1..=(at - ruins) / BLOCK as u64).contains(&missing)
            && batch.first >= next
        {
            return Ok(Some((at, missing, batch.first)));
        }
        at += BLOCK as u64;
    }
    Ok(None)
}

fn is_batch(blocks: &mut Blocks, at: u64) -> std::io::Result<bool> {
    Ok(blocks.size_at(at)?.is_some() && blocks.batch_at(at)?.is_some())
}

/// Batches without events for a hole, and whether the progress of these routes is in them.
fn fill(header: &Header, hole: &Hole, routes: &[&str], position: Sequence) -> (Vec<u8>, bool) {
    let mut bytes = Vec::with_capacity(hole.bytes as usize);
    let mut buffer = BatchBuffer::default();
    let mut said = false;
    for at in 0..hole.count {
        let is_last = at + 1 == hole.count;
        let size = if is_last { hole.bytes as usize - bytes.len() } else { BLOCK };
        buffer.clear();
        let progress = progress_record(routes, position);
        // A removed record has a head at least.
        if !said && batch::HEAD + progress.len() + 8 <= size {
            buffer.push(|to| to.extend_from_slice(&progress));
            said = true;
        }
        buffer.push(|to| record::write_removed(size, to));
        bytes.extend_from_slice(buffer.seal(&header.id, hole.number + at, hole.sequences.1));
    }
    (bytes, said)
}

fn progress_record(routes: &[&str], position: Sequence) -> Vec<u8> {
    let mut record = Vec::new();
    if !routes.is_empty() {
        let progress: Vec<(Arc<str>, RouteProgress)> =
            routes.iter().map(|&route| (route.into(), RouteProgress { position, done: Vec::new() })).collect();
        record::write_progress(Kind::Progress, progress.iter().map(|(route, at)| (route, at)), &mut record);
    }
    record
}

/// What the batches that stay say of routes.
#[derive(Debug, Default)]
struct Known {
    routes: BTreeSet<String>,
    has_checkpoint: bool,
}

impl Known {
    fn take(&mut self, record: &Record<'_>) {
        match record {
            Record::Checkpoint(all) => {
                self.has_checkpoint = true;
                self.routes = all.iter().map(|(route, _)| (*route).to_owned()).collect();
            }
            Record::Progress(some) => self.routes.extend(some.iter().map(|(route, _)| (*route).to_owned())),
            _ => {}
        }
    }
}

/// Copies what will change, then changes it.
pub(super) fn apply(disk: &dyn Disk, removed: &dyn Disk, changes: &[Change]) -> Result<(), JournalError> {
    for change in changes {
        match change {
            Change::Write { segment, offset, bytes } => {
                copy(disk, segment, *offset, Some(bytes.len()), removed, &format!("{segment}.at-{offset}"))?;
            }
            Change::Remove { segment } => copy(disk, segment, 0, None, removed, segment)?,
        }
    }
    removed.sync_folder().map_err(JournalError::file("sync", "the folder of what is removed"))?;
    for change in changes {
        match change {
            Change::Write { segment, offset, bytes } => {
                remove_page(disk, segment)?;
                let file = disk.open(segment).map_err(JournalError::file("open", segment))?;
                file.write_all_at(bytes, *offset).map_err(JournalError::file("write", segment))?;
                file.sync().map_err(JournalError::file("sync", segment))?;
            }
            Change::Remove { segment } => {
                remove_page(disk, segment)?;
                disk.remove(segment).map_err(JournalError::file("remove", segment))?;
            }
        }
    }
    disk.sync_folder().map_err(JournalError::file("sync", "the folder of segments"))
}

/// The index page of a segment that changes tells of events that are gone.
fn remove_page(disk: &dyn Disk, segment: &str) -> Result<(), JournalError> {
    let Some(Name::Segment(first)) = Name::parse(segment) else { return Ok(()) };
    index::remove(disk, Sequence(first)).map_err(JournalError::file("remove the index page of", segment))
}

fn copy(
    disk: &dyn Disk,
    segment: &str,
    offset: u64,
    length: Option<usize>,
    removed: &dyn Disk,
    name: &str,
) -> Result<(), JournalError> {
    let file = disk.open(segment).map_err(JournalError::file("open", segment))?;
    let all = file.len().map_err(JournalError::file("read", segment))?;
    let mut bytes = vec![0; length.unwrap_or(all as usize)];
    let read = file.read_full_at(&mut bytes, offset).map_err(JournalError::file("read", segment))?;
    bytes.truncate(read);
    let copied = removed.create(name).map_err(JournalError::file("create", name))?;
    copied.write_all_at(&bytes, 0).map_err(JournalError::file("write", name))?;
    copied.sync().map_err(JournalError::file("sync", name))
}
