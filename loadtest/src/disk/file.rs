//! A file as a segment of the journal is: written full once before its first use, so that a sync changes nothing but data.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Whose writes are whole blocks: what `O_DIRECT` asks for, and what the journal pads a batch to.
pub(super) const BLOCK: usize = 4096;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// Through the page cache; synced by `fdatasync`.
    Buffered,
    /// Past the page cache; synced by `fdatasync`.
    Direct,
    /// Past the page cache; every write is synced (`O_DSYNC`).
    DirectSynced,
}

/// The file, and where its next batch goes.
#[derive(Debug)]
pub(super) struct Prepared {
    path: PathBuf,
    file: File,
    size: u64,
    at: u64,
    syncs: bool,
}

impl Prepared {
    /// A file of `size` bytes, full of zeros and synced. Removed when dropped.
    pub(super) fn new(dir: &Path, name: &str, size: u64, opened: Opened) -> io::Result<Self> {
        let path = dir.join(format!("loadtest-{}-{name}.bin", std::process::id()));
        let zeros = vec![0; 1 << 20];
        let mut filled = File::create(&path)?;
        for _ in 0..size.div_ceil(zeros.len() as u64) {
            io::Write::write_all(&mut filled, &zeros)?;
        }
        filled.sync_all()?;
        let flags = match opened {
            Opened::Buffered => OFlags::WRONLY,
            Opened::Direct => OFlags::WRONLY | OFlags::DIRECT,
            Opened::DirectSynced => OFlags::WRONLY | OFlags::DIRECT | OFlags::DSYNC,
        };
        let file = File::from(rustix::fs::open(&path, flags | OFlags::CLOEXEC, Mode::empty())?);
        Ok(Self { path, file, size, at: 0, syncs: opened != Opened::DirectSynced })
    }

    /// Writes one piece, whose length is whole blocks, and syncs it.
    pub(super) fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        let at = self.advance(piece.len());
        self.file.write_all_at(piece, at)?;
        self.sync()
    }

    /// Writes pieces, whose lengths add up to whole blocks, and syncs them.
    pub(super) fn append_pieces(&mut self, pieces: &mut [io::IoSlice<'_>]) -> io::Result<()> {
        let total = pieces.iter().map(|piece| piece.len()).sum();
        let mut at = self.advance(total);
        let mut left = pieces;
        while !left.is_empty() {
            let now = left.len().min(PIECES_MAX);
            let written = rustix::io::pwritev(&self.file, &left[..now], at)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            at += written as u64;
            io::IoSlice::advance_slices(&mut left, written);
        }
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        if self.syncs { self.file.sync_data() } else { Ok(()) }
    }

    /// Where `length` bytes go: behind the last, or at the start again, as in a recycled segment.
    fn advance(&mut self, length: usize) -> u64 {
        let length = length as u64;
        if self.at + length > self.size {
            self.at = 0;
        }
        let at = self.at;
        self.at += length;
        at
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // A file left behind by a failure here is named after this program.
        let _ = fs::remove_file(&self.path);
    }
}

/// `IOV_MAX` of Linux.
const PIECES_MAX: usize = 1024;
