//! The files of the quarantine: one for each request, in a folder for each source. Owned by one thread.
//!
//! A file is written under another name and then gets its own, so that one of its own name is whole unless the power failed;
//! its checksum tells then. Nothing is synced.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::counts::{Counts, Loss};
use super::entry::{Entry, Summary};
use super::shelf::{Holding, Kept, Shelf};
use crate::config::QuarantineConfig;
use crate::event::IdSource;

/// What is kept, on the disk and by its summaries in memory.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    by_source: BTreeMap<String, Shelf>,
    share: Holding,
    max_age: Duration,
    counts: Arc<Counts>,
    /// A file could not be taken away: nothing more is kept, or the bounds would not hold.
    stuck: bool,
}

/// A file takes up whole blocks of the disk.
const BLOCK_BYTES: u64 = 4096;

/// What is left of the disk for others: with less free than this nothing is kept.
const RESERVE_BYTES: u64 = 64 << 20;

/// The extension of a file that is being written.
const UNFINISHED: &str = "part";

/// The share of each of so many sources.
pub(super) fn share_of(config: &QuarantineConfig, sources: usize) -> Holding {
    let sources = sources.max(1);
    Holding { events: (config.max_events / sources).max(1), bytes: config.max_size / sources as u64 }
}

impl Store {
    /// Reads what is there. Sources that are no more configured have their shares for as long as something of theirs is there.
    /// What cannot be read is as if it were not there, and what is no whole request goes.
    pub(crate) fn open(config: &QuarantineConfig, sources: &[String], counts: Arc<Counts>) -> Self {
        let QuarantineConfig { dir, max_age, .. } = config.clone();
        let found = names(&dir).into_iter().filter(|name| dir.join(name).is_dir());
        let names: BTreeSet<String> = sources.iter().cloned().chain(found).collect();
        let share = share_of(config, names.len());
        let mut store = Self { dir, by_source: BTreeMap::new(), share, max_age, counts, stuck: false };
        for name in names {
            store.read_folder(&name);
        }
        store
    }

    /// Keeps one, in the place of others if there is no room.
    pub(crate) fn keep(&mut self, entry: &Entry) {
        let source = &entry.summary.source;
        if let Err(loss) = self.try_keep(entry) {
            self.counts.lost_of(source, loss);
        }
        self.tell(source);
    }

    /// One of this source is not kept for a reason of the caller's.
    pub(crate) fn went_without(&self, source: usize, loss: Loss) {
        self.counts.lost(source, loss);
    }

    /// Forgets one.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Summary> {
        let source = self.find(id)?.source.clone();
        let removed = self.by_source.get_mut(&source)?.remove(id)?;
        self.delete(&self.path(&removed.summary));
        self.tell(&source);
        Some(removed.summary)
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, now: SystemTime) {
        let Some(oldest) = now.checked_sub(self.max_age) else { return };
        let oldest = IdSource::unix_ms(oldest);
        let mut expired = Vec::new();
        for shelf in self.by_source.values_mut() {
            expired.extend(shelf.take_older(oldest));
        }
        self.discard(&expired, Loss::Expired);
    }

    /// What is kept of a source, or of all; by their ids, which is by age.
    pub(crate) fn list(&self, source: Option<&str>) -> Vec<Summary> {
        let shelves = self.by_source.iter().filter(|(name, _)| source.is_none_or(|wanted| wanted == *name));
        let mut all: Vec<Summary> = shelves.flat_map(|(_, shelf)| shelf.summaries()).cloned().collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// Whether this one is kept.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    /// One of them. `None` if it is not there, or cannot be read any more.
    pub(crate) fn read(&self, id: &str) -> Option<Entry> {
        let summary = self.find(id)?;
        Entry::decode(&fs::read(self.path(summary)).ok()?)
    }

    /// How soon something can be too old.
    pub(crate) fn max_age(&self) -> Duration {
        self.max_age
    }

    fn try_keep(&mut self, entry: &Entry) -> Result<(), Loss> {
        let file = entry.encode();
        let failed = |error: io::Error| {
            tracing::debug!(%error, "a refused request could not be kept");
            Loss::Disk
        };
        self.prepare(&entry.summary.source, file.len() as u64).map_err(failed)?;
        let one = Kept::new(entry.summary.clone(), on_disk(file.len() as u64));
        let of_source = self.by_source.entry(entry.summary.source.clone()).or_default();
        let displaced = of_source.make_room(&one, self.share).map_err(|_| Loss::TooLarge)?;
        self.discard(&displaced, Loss::Displaced);
        self.write(&entry.summary, &file).map_err(failed)?;
        if let Some(of_source) = self.by_source.get_mut(&entry.summary.source) {
            of_source.insert(one);
        }
        Ok(())
    }

    /// Before anything goes for it.
    fn prepare(&self, source: &str, bytes: u64) -> io::Result<()> {
        if self.stuck {
            return Err(io::Error::other("an old file could not be removed"));
        }
        let folder = self.dir.join(source);
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        }
        let disk = rustix::fs::statvfs(&folder)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < RESERVE_BYTES + bytes {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "what is left of the disk is for others"));
        }
        Ok(())
    }

    fn write(&mut self, summary: &Summary, file: &[u8]) -> io::Result<()> {
        let path = self.path(summary);
        let unfinished = path.with_extension(UNFINISHED);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)
            .and_then(|mut part| part.write_all(file))
            .and_then(|()| fs::rename(&unfinished, &path));
        if written.is_err() {
            self.delete(&unfinished);
        }
        written
    }

    fn read_folder(&mut self, source: &str) {
        let folder = self.dir.join(source);
        for name in names(&folder) {
            let path = folder.join(&name);
            if path.extension().is_some_and(|extension| extension == UNFINISHED) {
                self.delete(&path);
                continue;
            }
            // What else somebody has put there is not hookgate's.
            if name.len() != ID_LENGTH {
                continue;
            }
            let Ok(file) = fs::read(&path) else { continue };
            match Entry::decode(&file).map(|entry| entry.summary) {
                Some(summary) if summary.id == name && summary.source == source => {
                    let one = Kept::new(summary, on_disk(file.len() as u64));
                    let of_source = self.by_source.entry(source.to_owned()).or_default();
                    match of_source.make_room(&one, self.share) {
                        Ok(displaced) => {
                            of_source.insert(one);
                            self.discard(&displaced, Loss::Displaced);
                        }
                        Err(_) => self.discard(&[one], Loss::TooLarge),
                    }
                }
                _ => self.delete(&path),
            }
        }
        self.tell(source);
    }

    fn find(&self, id: &str) -> Option<&Summary> {
        self.by_source.values().find_map(|shelf| shelf.get(id))
    }

    /// They are gone from their shelves already.
    fn discard(&mut self, gone: &[Kept], loss: Loss) {
        for one in gone {
            self.delete(&self.path(&one.summary));
            self.counts.lost_of(&one.summary.source, loss);
            self.tell(&one.summary.source);
        }
    }

    fn delete(&mut self, path: &Path) {
        if let Err(error) = fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
            && !std::mem::replace(&mut self.stuck, true)
        {
            tracing::warn!(path = %path.display(), %error, "the quarantine keeps nothing more: this file cannot be removed");
        }
    }

    fn tell(&self, source: &str) {
        let Holding { events, bytes } = self.by_source.get(source).map(Shelf::holding).unwrap_or_default();
        self.counts.holds(source, events, bytes);
    }

    fn path(&self, summary: &Summary) -> PathBuf {
        self.dir.join(&summary.source).join(&summary.id)
    }
}

/// Of an id of hookgate's own.
const ID_LENGTH: usize = 26;

fn on_disk(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK_BYTES)
}

/// In order; none where there is no such folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}
