//! The files of the log, as the `disk` thread writes them.
//!
//! `DIR/00000000000000000001.attempts`, …: each process begins a new one, so that nothing is ever written behind a torn
//! tail. A file that has its share of the quota is left for the next; the oldest goes when all of them are too large.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Receiver;

use super::format::{BLOCK_ENTRIES, Entry, write_block};
use super::note::Notes;

/// The files, and what is to be written to them.
#[derive(Debug)]
pub(in crate::routes) struct AttemptFiles {
    dir: PathBuf,
    quota: u64,
    notes: Notes,
    entries: Receiver<Entry>,
    /// The file being written and its length.
    current: Option<(File, u64)>,
    /// When to write what is there.
    due: Option<Instant>,
    /// It was said that the log cannot be written, and has not been written since.
    is_broken: bool,
    // Kept for their memory.
    gathered: Vec<Entry>,
    bytes: Vec<u8>,
}

/// What comes within this time is written at once.
const WRITE_EVERY: Duration = Duration::from_millis(100);

/// The quota is spread over so many files.
const FILES: u64 = 16;

/// More than these are never kept, however small they are: each start begins one.
const FILES_MAX: usize = 1_000;

impl AttemptFiles {
    /// A log in `dir` of `quota` bytes, and the workers' side of it. A directory that cannot be written is said, and no
    /// reason not to deliver.
    pub(in crate::routes) fn open(dir: &Path, quota: u64) -> (Notes, Self) {
        let (notes, entries) = Notes::new();
        let mut files = Self {
            dir: dir.to_owned(),
            quota,
            notes: notes.clone(),
            entries,
            current: None,
            due: None,
            is_broken: false,
            gathered: Vec::new(),
            bytes: Vec::new(),
        };
        files.gathered.push(Entry::Began(SystemTime::now()));
        files.write();
        (notes, files)
    }

    /// There is something to write, soon.
    pub(in crate::routes) fn told(&mut self, now: Instant) {
        self.due.get_or_insert(now + WRITE_EVERY);
    }

    /// When there is something to do.
    pub(in crate::routes) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes what is there if it is time to.
    pub(in crate::routes) fn write_if_due(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.write();
        }
    }

    /// Writes what is there.
    pub(in crate::routes) fn write(&mut self) {
        self.due = None;
        self.notes.forget_known();
        // No more than is there now: workers may be as fast as this.
        let waiting = self.entries.len();
        self.gathered.extend(self.entries.try_iter().take(waiting));
        if self.gathered.is_empty() {
            return;
        }
        match self.append() {
            Ok(()) => self.is_broken = false,
            Err(error) => {
                self.notes.count_dropped(self.gathered.len());
                if !std::mem::replace(&mut self.is_broken, true) {
                    tracing::warn!(
                        dir = %self.dir.display(),
                        %error,
                        "the log of attempts cannot be written: `hookgate show` will not tell of attempts until it can be; \
                         deliveries go on"
                    );
                }
            }
        }
        self.gathered.clear();
    }

    /// The process ends in order.
    pub(in crate::routes) fn end(&mut self) {
        self.write();
        self.gathered.push(Entry::Ended(SystemTime::now()));
        self.write();
    }

    fn append(&mut self) -> io::Result<()> {
        self.bytes.clear();
        for entries in self.gathered.chunks(BLOCK_ENTRIES) {
            write_block(entries, &mut self.bytes);
        }
        let (file, length) = match &mut self.current {
            Some(current) => current,
            None => self.current.insert((next_file(&self.dir)?, 0)),
        };
        if let Err(error) = file.write_all(&self.bytes) {
            if file.set_len(*length).is_err() {
                // What stands behind a torn block is not read: the next is in a file of its own.
                self.current = None;
            }
            return Err(error);
        }
        *length += self.bytes.len() as u64;
        if *length >= self.quota / FILES {
            self.current = None;
            prune(&self.dir, self.quota)?;
        }
        Ok(())
    }
}

/// A new file behind all others, with room made for it.
fn next_file(dir: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let last = list(dir)?.last().map_or(0, |file| file.number);
    let path = dir.join(name(last + 1));
    let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(path)?;
    Ok(file)
}

/// Deletes the oldest files until the rest leave room for one more.
fn prune(dir: &Path, quota: u64) -> io::Result<()> {
    let files = list(dir)?;
    let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
    for (at, file) in files.iter().enumerate() {
        if bytes + quota / FILES <= quota && files.len() - at < FILES_MAX {
            break;
        }
        std::fs::remove_file(&file.path)?;
        bytes -= file.bytes;
    }
    Ok(())
}

/// One file of the log.
#[derive(Debug)]
pub(super) struct LogFile {
    number: u64,
    pub(super) path: PathBuf,
    bytes: u64,
    /// When it was written last.
    pub(super) modified: SystemTime,
}

/// The files there are, oldest first. None where there is no directory.
pub(super) fn list(dir: &Path) -> io::Result<Vec<LogFile>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| name.strip_suffix(".attempts")?.parse().ok());
        let (Some(number), Ok(metadata)) = (number, entry.metadata()) else { continue };
        let modified = metadata.modified()?;
        files.push(LogFile { number, path: entry.path(), bytes: metadata.len(), modified });
    }
    files.sort_unstable_by_key(|file| file.number);
    Ok(files)
}

fn name(number: u64) -> String {
    format!("{number:020}.attempts")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_oldest_files_go_when_the_quota_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let quota = 64 << 10;
        let (_notes, mut files) = AttemptFiles::open(dir.path(), quota);
        for _ in 0..2_000 {
            files.gathered.extend(std::iter::repeat_n(Entry::Began(SystemTime::now()), 50));
            files.write();
        }
        let left = list(dir.path()).unwrap();
        let bytes: u64 = left.iter().map(|file| file.bytes).sum();
        assert!(bytes <= quota && bytes > quota / 2, "{bytes} bytes of {quota}");
        assert!(left[0].number > 1, "the first file is gone");
    }

    #[test]
    fn a_log_that_cannot_be_written_is_counted_and_goes_on_when_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let blocked = dir.path().join("attempts");
        std::fs::write(&blocked, "a file in the place of the directory").unwrap();
        let (notes, mut files) = AttemptFiles::open(&blocked, 1 << 20);
        assert_eq!(notes.dropped(), 1);
        std::fs::remove_file(&blocked).unwrap();
        files.end();
        assert_eq!((notes.dropped(), list(&blocked).unwrap().len()), (1, 1));
    }
}
