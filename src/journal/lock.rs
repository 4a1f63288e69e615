//! The lock that keeps a second process out of a directory, and names the first.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::JournalError;
use super::layout::LOCK;

/// A locked directory, for as long as this lives. The system unlocks it when the process ends, however that happens.
#[derive(Debug)]
pub(crate) struct DirLock(#[expect(dead_code, reason = "an open file holds its lock")] File);

impl DirLock {
    /// Locks a directory that is there.
    pub(super) fn take(dir: &Path) -> Result<Self, JournalError> {
        let unusable = |source| JournalError::Directory { dir: dir.to_owned(), source };
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).clone();
        let mut file = options.open(dir.join(LOCK)).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Then it is only read, and the file names a process of the past.
                let is_read = file.try_lock_shared().is_ok();
                let owner = if is_read { "a command that reads it".to_owned() } else { owner(file) };
                return Err(JournalError::Locked { dir: dir.to_owned(), owner });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let owner = format!("process {}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(owner.as_bytes())).map_err(unusable)?;
        Ok(Self(file))
    }

    /// Keeps processes that write out of a directory while it is read, and changes nothing in it. `None` if it has no lock
    /// file: it is a copy.
    pub(crate) fn share(dir: &Path) -> Result<Option<Self>, JournalError> {
        let unusable = |source| JournalError::Directory { dir: dir.to_owned(), source };
        let file = match File::open(dir.join(LOCK)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked { dir: dir.to_owned(), owner: owner(file) }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

/// Who has the directory. That only helps the reader; that somebody has it is known.
fn owner(file: File) -> String {
    let mut owner = String::new();
    let _ = file.take(100).read_to_string(&mut owner);
    if owner.trim().is_empty() { "another process" } else { owner.trim() }.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn readers_keep_a_writer_out_and_are_named_as_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        assert!(DirLock::share(dir.path()).unwrap().is_none(), "a directory without a lock file");
        drop(DirLock::take(dir.path()).unwrap());
        let (one, two) = (DirLock::share(dir.path()).unwrap(), DirLock::share(dir.path()).unwrap());
        let refused = DirLock::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("a command that reads it"), "{refused}");
        drop((one, two));
        let _writer = DirLock::take(dir.path()).unwrap();
        let refused = DirLock::share(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("belongs to process"), "{refused}");
    }
}
