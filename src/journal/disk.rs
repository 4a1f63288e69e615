//! The few things the journal asks of a file system, and the real one that does them.
//!
//! Tests put another behind this trait, which loses power and fails on purpose.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// One folder of files.
pub(super) trait Disk: fmt::Debug + Send + Sync + 'static {
    /// The names in the folder.
    fn list(&self) -> io::Result<Vec<String>>;
    /// A new, empty file.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// A file that is there, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, at once or not at all.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes safe what was created, renamed and removed.
    fn sync_folder(&self) -> io::Result<()>;
}

/// An open file.
pub(super) trait DiskFile: fmt::Debug + Send + Sync {
    /// Bytes it has.
    fn len(&self) -> io::Result<u64>;
    /// Reads some bytes from `offset` on; 0 at its end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some of the bytes at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Gives it so many bytes from `offset` on without writing them: they are zeros, as far as there were none before.
    fn allocate(&self, offset: u64, length: u64) -> io::Result<()>;
    /// Makes its content safe. After an error that is never to be believed again: the system has forgotten which pages it
    /// could not write.
    fn sync(&self) -> io::Result<()>;
    /// Makes the system forget what it holds of the file in memory, as far as it is synced: the next read is from the disk.
    fn forget_cached(&self) -> io::Result<()>;
}

impl dyn DiskFile + '_ {
    /// Writes all of it, in however many pieces the system takes it.
    pub(super) fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self.write_at(bytes, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written => written?,
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = bytes.get(written..).unwrap_or_default();
            offset += written as u64;
        }
        Ok(())
    }

    /// Reads until `bytes` is full or the file ends, and says how much that was.
    pub(super) fn read_full_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Whether an operation failed for want of room: then nothing is broken, and it may succeed later.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// A folder of the system.
#[derive(Debug)]
pub(super) struct RealDisk {
    folder: PathBuf,
}

impl RealDisk {
    /// Makes the folder, readable by nobody else, if it is not there.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        if let Some(parent) = folder.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { folder: folder.to_owned() })
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(&self.folder)?;
        names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let options = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).clone();
        Ok(Box::new(options.open(self.folder.join(name))?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(self.folder.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.folder.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

/// A folder of the system, of which nothing is changed: files are open for reading alone, so that the system sees to it.
#[derive(Debug)]
pub(super) struct ReadOnlyDisk {
    pub(super) folder: PathBuf,
}

impl Disk for ReadOnlyDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        RealDisk { folder: self.folder.clone() }.list()
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn DiskFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::open(self.folder.join(name))?))
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_folder(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(self, rustix::fs::FallocateFlags::empty(), offset, length)?)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn forget_cached(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(self, 0, None, rustix::fs::Advice::DontNeed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_allocated_is_zeros_and_can_be_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = RealDisk::open(dir.path()).and_then(|disk| disk.create("spare")).expect("a file");
        file.write_all_at(&[1; 5], 0).expect("room");
        file.allocate(5, 10_000).expect("a file system that can");
        file.write_all_at(&[2; 5], 9_000).expect("room");
        let mut read = vec![9; 20_000];
        assert_eq!(file.read_full_at(&mut read, 0).expect("it can be read"), 10_005);
        let nonzero: Vec<_> = (0..10_005).filter(|&at| read[at] != 0).collect();
        assert_eq!(nonzero, (0..5).chain(9_000..9_005).collect::<Vec<_>>());
    }
}
