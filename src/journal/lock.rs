//! The lock that keeps a second process out of a directory, and names the first.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::JournalError;
use super::layout::LOCK;

/// A locked directory, for as long as this lives. The system unlocks it when the process ends, however that happens.
#[derive(Debug)]
pub(super) struct DirLock(#[expect(dead_code, reason = "an open file holds its lock")] File);

impl DirLock {
    /// Locks a directory that is there.
    pub(super) fn take(dir: &Path) -> Result<Self, JournalError> {
        let unusable = |source| JournalError::Directory { dir: dir.to_owned(), source };
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).clone();
        let mut file = options.open(dir.join(LOCK)).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Who it is only helps the reader; that somebody has it is known.
                let _ = file.take(100).read_to_string(&mut owner);
                let owner = if owner.trim().is_empty() { "another process" } else { owner.trim() }.to_owned();
                return Err(JournalError::Locked { dir: dir.to_owned(), owner });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let owner = format!("process {}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(owner.as_bytes())).map_err(unusable)?;
        Ok(Self(file))
    }
}
