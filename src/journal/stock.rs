//! Files to become the next segment: written ahead, or recycled from segments that nobody needs. Runs on `disk`.
//!
//! Zeros are written while there is time for it: syncing into extents that were merely allocated takes 2.7 ms a megabyte
//! instead of 1.6. Where the journal needs the disk itself, or waits for the file, that is less than zeros would take. A file
//! that was a segment gets a spare's name, and the folder is synced, before anything in it is changed: a power cut never
//! leaves a segment's name on other content.

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::catalog::Catalog;
use super::disk::{Disk, DiskFile, is_full};
use super::index;
use super::layout::{BLOCK, Name};
use super::mutex::locked;
use super::retain::{Retain, Wall, is_released};
use super::segment::Spare;
use super::shared::Shared;
use crate::event::Sequence;
use crate::failpoint;
use crate::refusal::Refusal;

/// Spares kept besides the one in the supply. More are removed.
const SPARES_KEPT: usize = 1;

/// Written and synced at once. The journal's own syncs wait behind this much and no more. (Three rounds in turn at 4,000
/// events of 10 KB a second: the 99th percentile of the answer 14.8 ms where a whole segment was synced in one go, 1.3 ms so.)
const ZEROS: usize = if cfg!(test) { 16 << 10 } else { 256 << 10 };

/// Allocated at once while a whole batch waits. That may soon be over, and what is left is better written.
const ALLOCATED: u64 = if cfg!(test) { 32 << 10 } else { 8 << 20 };

/// Why there is no spare.
#[derive(Debug, Clone)]
pub(super) struct Shortage {
    /// Full or failed.
    pub(super) refusal: Refusal,
    /// What there is too little of, or what the system said.
    pub(super) why: String,
}

impl From<&io::Error> for Shortage {
    fn from(error: &io::Error) -> Self {
        let refusal = if is_full(error) { Refusal::JournalFull } else { Refusal::JournalFailed };
        Self { refusal, why: error.to_string() }
    }
}

/// Where the journal thread finds the next segment's file.
#[derive(Debug, Default)]
pub(super) struct Supply {
    state: Mutex<SupplyState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SupplyState {
    spare: Option<Spare>,
    shortage: Option<Shortage>,
    /// The journal thread waits, or was told that there is none.
    wanted: bool,
}

impl Supply {
    /// Takes the spare, waiting while one is being prepared, at most for `patience`.
    pub(super) fn take(&self, patience: Duration) -> Result<Spare, Shortage> {
        let wanting = |state: &mut SupplyState| state.spare.is_none() && state.shortage.is_none();
        let mut state = locked(&self.state);
        state.wanted = true;
        let waited = self.changed.wait_timeout_while(state, patience, wanting);
        let (mut state, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        let spare = state.spare.take();
        state.wanted = spare.is_none();
        spare.ok_or_else(|| state.reason())
    }

    fn is_wanted(&self) -> bool {
        locked(&self.state).wanted
    }

    /// Whether there is one; if not it is wanted, and this is why.
    pub(super) fn check(&self) -> Result<(), Shortage> {
        let mut state = locked(&self.state);
        state.wanted = state.spare.is_none();
        if state.wanted { Err(state.reason()) } else { Ok(()) }
    }

    fn is_empty(&self) -> bool {
        locked(&self.state).spare.is_none()
    }

    fn put(&self, stocked: Result<Spare, Shortage>) {
        let mut state = locked(&self.state);
        match stocked {
            Ok(spare) => *state = SupplyState { spare: Some(spare), shortage: None, wanted: false },
            Err(shortage) => state.shortage = Some(shortage),
        }
        self.changed.notify_all();
    }
}

impl SupplyState {
    fn reason(&self) -> Shortage {
        self.shortage.clone().unwrap_or_else(|| Shortage {
            refusal: Refusal::JournalFull,
            why: "the file of the next segment is not ready yet".into(),
        })
    }
}

/// How much there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Of all files together.
    pub(super) max_size: u64,
    pub(super) segment_size: u64,
    pub(super) retain: Retain,
}

/// Keeps the supply filled and the journal within its bounds.
#[derive(Debug)]
pub(super) struct Stock {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    supply: Arc<Supply>,
    bounds: Bounds,
    wall: Wall,
    /// Everything before it is done with, and that is safe.
    released: Sequence,
    spares: Vec<Spare>,
    /// The folder could not be synced: no name that was changed is safe yet.
    unsynced: bool,
}

impl Stock {
    /// A stock of the spares that an earlier process has left.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        shared: Arc<Shared>,
        supply: Arc<Supply>,
        bounds: Bounds,
        spares: Vec<Spare>,
    ) -> Self {
        let wall = Wall::new(SystemTime::now(), Instant::now());
        Self { disk, shared, supply, bounds, wall, released: Sequence(0), spares, unsynced: false }
    }

    /// Events before `released` are not needed any more.
    pub(super) fn release(&mut self, released: Sequence) {
        self.released = self.released.max(released);
    }

    /// Writes the page of a segment, if it is still there. Without it the segment will be read.
    pub(super) fn index(&self, page: &index::Finished) {
        if !self.catalog().holds(page.segment) {
            return;
        }
        match page.write(&*self.disk) {
            Ok(()) => self.catalog().note_index(page.segment, page.bytes.len() as u64),
            Err(error) => {
                let segment = Name::Segment(page.segment.0).to_string();
                tracing::warn!(segment, %error, "the index page of this segment was not written; the segment will be read instead");
            }
        }
    }

    /// Does what there is to do: lets old segments go and prepares the next.
    pub(super) fn tend(&mut self) {
        if let Err(error) = self.let_go() {
            tracing::warn!(%error, "the journal cannot recycle a segment; trying again");
        }
        if self.supply.is_empty() {
            let stocked = self.next();
            if let Err(shortage) = &stocked {
                tracing::debug!(why = shortage.why, "there is no file for the journal's next segment");
            }
            self.supply.put(stocked);
        }
    }

    fn let_go(&mut self) -> io::Result<()> {
        let now = self.wall.trusted(SystemTime::now(), Instant::now());
        let segments = self.catalog().all();
        for _ in 0..self.bounds.retain.surplus(&segments, self.released, now) {
            self.recycle()?;
        }
        while self.spares.len() > SPARES_KEPT {
            if let Some(spare) = self.spares.pop() {
                self.disk.remove(&spare.name)?;
                self.sync_folder()?;
            }
        }
        Ok(())
    }

    /// A spare: one that is there, a new one, or the oldest segment that no route needs.
    fn next(&mut self) -> Result<Spare, Shortage> {
        if self.unsynced {
            self.sync_folder().map_err(|error| Shortage::from(&error))?;
        }
        if let Some(spare) = self.spares.pop() {
            return Ok(spare);
        }
        let created = if self.catalog().size().1 + self.bounds.segment_size <= self.bounds.max_size {
            self.create()
        } else {
            let why = format!("max_size is reached: {} bytes", self.bounds.max_size);
            Err(Shortage { refusal: Refusal::JournalFull, why })
        };
        created.or_else(|shortage_of_room| {
            let oldest = self.catalog().all().into_iter().next();
            if self.catalog().size().0 < 2 || !oldest.is_some_and(|kept| is_released(&kept, self.released)) {
                return Err(shortage_of_room);
            }
            // History gives way to new events.
            self.recycle().map_err(|error| Shortage::from(&error))?;
            self.spares.pop().ok_or(shortage_of_room)
        })
    }

    fn create(&mut self) -> Result<Spare, Shortage> {
        let name = Name::Spare(fastrand::u64(..)).to_string();
        let created = self.write_ahead(&name);
        if created.is_err() {
            // Whether it is there or not, nothing depends on it.
            let _ = self.disk.remove(&name);
        }
        created.map_err(|error| Shortage::from(&error))
    }

    fn write_ahead(&self, name: &str) -> io::Result<Spare> {
        let file = self.disk.create(name)?;
        failpoint::pass("spare.created");
        let bytes = self.bounds.segment_size;
        let zeros = vec![0; ZEROS.min(bytes as usize)];
        let mut written = 0;
        while written < bytes {
            written += self.grow(&*file, written, &zeros)?;
            failpoint::pass("spare.grown");
        }
        Ok(Spare { name: name.to_owned(), file, bytes })
    }

    /// Makes a spare's file longer by some synced bytes, and says how many.
    fn grow(&self, file: &dyn DiskFile, from: u64, zeros: &[u8]) -> io::Result<u64> {
        let left = self.bounds.segment_size - from;
        let hurried = match (self.supply.is_wanted(), self.shared.is_saturated()) {
            (true, _) => left,
            (false, true) => left.min(ALLOCATED),
            (false, false) => 0,
        };
        let allocated = hurried > 0
            && match file.allocate(from, hurried) {
                Err(error) if is_full(&error) => return Err(error),
                // Where the file system cannot do that, zeros are written.
                allocated => allocated.is_ok(),
            };
        let grown = if allocated {
            hurried
        } else {
            let piece = zeros.get(..left as usize).unwrap_or(zeros);
            file.write_all_at(piece, from)?;
            piece.len() as u64
        };
        file.sync()?;
        Ok(grown)
    }

    /// Makes the oldest segment a spare.
    fn recycle(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.sync_folder()?;
        }
        let Some(kept) = self.catalog().take_oldest() else { return Ok(()) };
        let name = Name::Segment(kept.link.first.0).to_string();
        let bytes = kept.bytes;
        // One that has grown or failed is of no use any more.
        let spare =
            (!kept.broken && bytes == self.bounds.segment_size).then(|| Name::Spare(fastrand::u64(..)).to_string());
        failpoint::pass("recycle.begun");
        if let Err(error) = index::remove(&*self.disk, kept.link.first) {
            tracing::debug!(segment = &*name, %error, "the index page of this segment stays; the next start removes it");
        }
        let moved = match &spare {
            None => self.disk.remove(&name),
            Some(spare) => self.disk.rename(&name, spare),
        };
        match moved {
            // Moved by an attempt that was told it had failed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.sync_folder(),
            Err(error) => {
                self.catalog().put_back(kept);
                return Err(error);
            }
            Ok(()) => {
                failpoint::pass("recycle.renamed");
                self.sync_folder()?;
            }
        }
        failpoint::pass("recycle.done");
        if let Some(spare) = spare {
            let file = self.disk.open(&spare)?;
            self.spares.push(Spare { name: spare, file, bytes });
        }
        Ok(())
    }

    /// In order: the segments on the disk have no gap, whenever the power goes.
    fn sync_folder(&mut self) -> io::Result<()> {
        self.unsynced = true;
        self.disk.sync_folder()?;
        self.unsynced = false;
        Ok(())
    }

    fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }
}

const _: () = assert!(ZEROS.is_multiple_of(BLOCK));
