//! A file of lines, rotated by size.
//!
//! ```text
//! events.jsonl ─▶ events.jsonl.1 ─▶ events.jsonl.2 ─▶ … keep ─▶ gone
//! ```
//!
//! Before each write it is looked up by its name: when another program has renamed or removed it, a new one is begun. The
//! file is hookgate's own, mode 0600; another process may read it, rename it or cut it to nothing, but not append to it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::sink::{Output, Shared};
use super::whole::{Medium, WholeLines};
use crate::config::FileSink as FileConfig;
use crate::sinks::SinkError;

/// The output of a route to a file, opened.
pub(in crate::sinks) fn file(route: &str, config: &FileConfig) -> Result<Shared<RotatedFile>, SinkError> {
    let file = RotatedFile::open(config).map_err(|source| SinkError::Open {
        route: route.to_owned(),
        path: config.path.clone(),
        source,
    })?;
    Ok(Arc::new(Mutex::new(file)))
}

/// The file and the names it is renamed to.
pub(in crate::sinks) struct RotatedFile {
    config: FileConfig,
    current: Current,
    /// The last rotation failed: it has been reported and is tried again without a word.
    stuck: bool,
}

struct Current {
    lines: WholeLines<File>,
    /// Device and inode, to tell whether the name still leads to it.
    identity: (u64, u64),
}

impl RotatedFile {
    fn open(config: &FileConfig) -> io::Result<Self> {
        Ok(Self { config: config.clone(), current: Current::open(&config.path)?, stuck: false })
    }

    fn follow_the_name(&mut self) -> io::Result<()> {
        let there = fs::metadata(&self.config.path).is_ok_and(|found| identity(&found) == self.current.identity);
        if !there {
            self.current = Current::open(&self.config.path)?;
        }
        Ok(())
    }

    /// A file that cannot be rotated grows on: losing events would be worse.
    fn rotate_if_due(&mut self) -> io::Result<()> {
        let length = self.current.lines.medium().length().unwrap_or_default();
        if length < self.config.rotate.max(1) {
            return Ok(());
        }
        if let Err(error) = shift(&self.config.path, self.config.keep) {
            if !self.stuck {
                tracing::warn!(path = %self.config.path.display(), %error, "file could not be rotated and grows on");
            }
            self.stuck = true;
            return Ok(());
        }
        self.stuck = false;
        self.current = Current::open(&self.config.path)?;
        Ok(())
    }
}

impl Output for RotatedFile {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.follow_the_name()?;
        self.rotate_if_due()?;
        self.current.lines.append(lines)
    }
}

impl Current {
    fn open(path: &Path) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is there and not a regular file"));
        }
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let metadata = file.metadata()?;
        // A process that was killed, or ran out of disk, may have left half a line.
        let torn = match metadata.len().checked_sub(1) {
            Some(last) => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, last)?;
                byte != *b"\n"
            }
            None => false,
        };
        Ok(Self { lines: WholeLines::new(file, torn), identity: identity(&metadata) })
    }
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Renames `path` to `path.1`, after `path.1` to `path.2` and so on up to the first name that is free. Only when none is,
/// the file at `keep` is replaced: a rotation that fails half-way and is tried again must not push more out.
fn shift(path: &Path, keep: usize) -> io::Result<()> {
    if keep == 0 {
        return fs::remove_file(path);
    }
    let end = (1..keep).find(|&number| !numbered(path, number).exists()).unwrap_or(keep);
    for number in (1..end).rev() {
        fs::rename(numbered(path, number), numbered(path, number + 1))?;
    }
    fs::rename(path, numbered(path, 1))
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;
    use crate::config::SinkConfig;
    use crate::routes::Outcome;
    use crate::sinks::factory;
    use crate::sinks::testing::{deliver, delivery, on_a_worker, route};

    struct Place {
        dir: TempDir,
    }

    impl Place {
        fn new() -> Self {
            Self { dir: TempDir::new().unwrap() }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("events.jsonl")
        }

        fn open(&self, rotate: u64, keep: usize) -> RotatedFile {
            RotatedFile::open(&FileConfig { path: self.path(), rotate, keep }).unwrap()
        }

        /// The contents of the file and of `.1`, `.2`, … up to the first that is not there.
        fn contents(&self) -> Vec<String> {
            let names = std::iter::once(self.path()).chain((1..).map(|number| numbered(&self.path(), number)));
            names.map_while(|name| fs::read_to_string(name).ok()).collect()
        }
    }

    #[test]
    fn workers_share_one_file_of_whole_lines() {
        let place = Place::new();
        let config = FileConfig { path: place.path(), rotate: 1 << 30, keep: 1 };
        let factory = factory(&route(SinkConfig::File(config)), None).unwrap();
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let factory = Arc::clone(&factory);
                std::thread::spawn(move || {
                    let sink = factory();
                    on_a_worker(async {
                        for _ in 0..50 {
                            assert_eq!(deliver(&*sink, delivery(b"{\"a\":1}")).await, Outcome::Delivered);
                        }
                    });
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        let content = fs::read_to_string(place.path()).unwrap();
        assert_eq!(content.lines().filter(|line| line.ends_with("\"body\":{\"a\":1}}")).count(), 100);
        assert_eq!(content.lines().count(), 100);
        assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_full_file_is_renamed_and_the_oldest_goes() {
        let place = Place::new();
        let mut file = place.open(6, 2);
        for line in ["one 1\n", "two 2\n", "3\n", "4\n", "5\n", "six 6\n"] {
            file.append(line.as_bytes()).unwrap();
        }
        assert_eq!(place.contents(), ["six 6\n", "3\n4\n5\n", "two 2\n"]);
    }

    #[test]
    fn without_files_to_keep_the_old_one_goes_at_once() {
        let place = Place::new();
        let mut file = place.open(1, 0);
        file.append(b"1\n").unwrap();
        file.append(b"2\n").unwrap();
        assert_eq!(place.contents(), ["2\n"]);
    }

    #[test]
    fn a_file_that_cannot_be_rotated_grows_on_and_loses_nothing() {
        let place = Place::new();
        let mut file = place.open(1, 1);
        // A directory with something in it can be neither replaced nor moved over.
        fs::create_dir_all(numbered(&place.path(), 1).join("inside")).unwrap();
        file.append(b"1\n").unwrap();
        file.append(b"2\n").unwrap();
        assert_eq!(place.contents()[0], "1\n2\n");
        fs::remove_dir_all(numbered(&place.path(), 1)).unwrap();
        file.append(b"3\n").unwrap();
        assert_eq!(place.contents(), ["3\n", "1\n2\n"]);
    }

    #[test]
    fn a_file_that_was_renamed_or_removed_is_begun_anew() {
        let place = Place::new();
        let mut file = place.open(1 << 20, 1);
        file.append(b"1\n").unwrap();
        let moved = place.dir.path().join("moved");
        fs::rename(place.path(), &moved).unwrap();
        file.append(b"2\n").unwrap();
        assert_eq!((place.contents(), fs::read_to_string(moved).unwrap()), (vec!["2\n".to_owned()], "1\n".to_owned()));
        fs::remove_file(place.path()).unwrap();
        file.append(b"3\n").unwrap();
        assert_eq!(place.contents(), ["3\n"]);
    }

    #[test]
    fn a_file_that_was_cut_to_nothing_is_written_from_its_start() {
        let place = Place::new();
        let mut file = place.open(1 << 20, 1);
        file.append(b"1\n").unwrap();
        fs::write(place.path(), "").unwrap();
        file.append(b"2\n").unwrap();
        assert_eq!(place.contents(), ["2\n"]);
    }

    #[test]
    fn half_a_line_of_an_earlier_run_is_ended_first() {
        let place = Place::new();
        fs::write(place.path(), "whole\nhal").unwrap();
        place.open(1 << 20, 1).append(b"next\n").unwrap();
        place.open(1 << 20, 1).append(b"last\n").unwrap();
        assert_eq!(place.contents(), ["whole\nhal\nnext\nlast\n"]);
    }

    #[test]
    fn what_cannot_be_appended_to_is_found_before_the_first_delivery() {
        let place = Place::new();
        for path in [place.dir.path().to_owned(), place.dir.path().join("missing/events"), PathBuf::from("/dev/null")] {
            let config = FileConfig { path: path.clone(), rotate: 1, keep: 1 };
            let error = factory(&route(SinkConfig::File(config)), None).err().unwrap().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
}
