//! A disk in memory that loses power and fails, all of it from one seed.
//!
//! What it does to its user:
//! - power cut: of what was not synced any subset of 512 B sectors stays, some of them as garbage; of creations, renames and
//!   removals that the folder was not synced for, any subset stays; the operation at which it happens is done in part;
//! - a failed sync marks pages clean that were never written: a later sync "succeeds", and they are lost all the same;
//! - short writes; writes that fail after a part; no room.
//!
//! It takes note when a file is written or synced again by the process that saw it fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::journal::disk::{Disk, DiskFile};

const SECTOR: usize = 512;

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    PowerCut,
    Eio,
    NoRoom,
    ShortWrite,
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rng: fastrand::Rng,
    inodes: Vec<Inode>,
    folder: BTreeMap<String, usize>,
    safe_folder: BTreeMap<String, usize>,
    pending: Vec<Change>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    /// Bytes that all files may have together.
    room: Option<usize>,
    /// Some file systems cannot.
    allocates: bool,
    /// Bytes that were.
    allocated: u64,
    met: bool,
    off: bool,
    violations: Vec<String>,
    watch: Option<Watch>,
}

/// Looks on whenever a file is written or synced.
struct Watch(Box<dyn FnMut(Operation) + Send>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Write,
    Sync,
}

#[derive(Debug, Default, Clone)]
struct Inode {
    now: Vec<u8>,
    safe: Vec<u8>,
    dirty: BTreeSet<usize>,
    failed: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

impl Change {
    fn apply(&self, folder: &mut BTreeMap<String, usize>) {
        match self {
            Change::Create(name, inode) => {
                folder.insert(name.clone(), *inode);
            }
            Change::Rename(from, to) => {
                if let Some(inode) = folder.remove(from) {
                    folder.insert(to.clone(), inode);
                }
            }
            Change::Remove(name) => {
                folder.remove(name);
            }
        }
    }
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: fastrand::Rng::with_seed(seed),
            inodes: Vec::new(),
            folder: BTreeMap::new(),
            safe_folder: BTreeMap::new(),
            pending: Vec::new(),
            operations: 0,
            fault: None,
            room: None,
            allocates: !seed.is_multiple_of(4),
            allocated: 0,
            met: false,
            off: false,
            violations: Vec::new(),
            watch: None,
        })))
    }

    /// Calls `look` before any file is written or synced.
    pub(super) fn watch(&self, look: impl FnMut(Operation) + Send + 'static) {
        self.state().watch = Some(Watch(Box::new(look)));
    }

    /// The fault at the `at`-th operation from now that changes something.
    pub(super) fn fail_at(&self, at: u64, fault: Fault) {
        let mut state = self.state();
        state.met = false;
        state.fault = Some((state.operations + at, fault));
    }

    /// Whether the chosen fault has happened.
    pub(super) fn met_fault(&self) -> bool {
        self.state().met
    }

    pub(super) fn is_off(&self) -> bool {
        self.state().off
    }

    /// Limits what all files may have together.
    pub(super) fn set_room(&self, bytes: Option<usize>) {
        self.state().room = bytes;
    }

    /// The process ends, and another begins: what the system holds of the files stays.
    pub(super) fn restart_process(&self) {
        let mut state = self.state();
        state.fault = None;
        state.inodes.iter_mut().for_each(|inode| inode.failed = false);
    }

    /// The power goes and comes back.
    pub(super) fn lose_power(&self) {
        let mut state = self.state();
        let State { rng, inodes, folder, safe_folder, pending, off, fault, .. } = &mut *state;
        let keep = [0.0, 0.1, 0.5, 0.9, 1.0][rng.usize(..5)];
        for inode in inodes.iter_mut() {
            for sector in std::mem::take(&mut inode.dirty) {
                if rng.f64() < keep {
                    let garbage = (rng.u8(..20) == 0).then(|| rng.u64(..));
                    persist(inode, sector, garbage);
                }
            }
            inode.now.clone_from(&inode.safe);
            inode.failed = false;
        }
        for change in pending.drain(..) {
            if rng.f64() < keep {
                change.apply(safe_folder);
            }
        }
        folder.clone_from(safe_folder);
        (*off, *fault) = (false, None);
    }

    /// What its user did and must not.
    pub(super) fn violations(&self) -> Vec<String> {
        self.state().violations.clone()
    }

    /// Bytes that all files have together.
    pub(super) fn used(&self) -> u64 {
        self.state().used() as u64
    }

    /// Bytes that were allocated instead of written.
    pub(super) fn allocated(&self) -> u64 {
        self.state().allocated
    }

    /// The content of a file.
    pub(super) fn content(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.inodes[state.folder[name]].now.clone()
    }

    /// Rot: changes a file's safe content.
    pub(super) fn flip(&self, name: &str, at: usize, bits: u8) {
        let mut state = self.state();
        let inode = state.folder[name];
        let inode = &mut state.inodes[inode];
        inode.now[at] ^= bits;
        inode.safe.clone_from(&inode.now);
    }

    /// A copy that shares nothing with this one.
    pub(super) fn fork(&self) -> Self {
        let state = self.state();
        Self(Arc::new(Mutex::new(State {
            rng: state.rng.clone(),
            inodes: state.inodes.clone(),
            folder: state.folder.clone(),
            safe_folder: state.safe_folder.clone(),
            pending: state.pending.clone(),
            violations: Vec::new(),
            watch: None,
            ..*state
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

fn persist(inode: &mut Inode, sector: usize, garbage: Option<u64>) {
    let start = sector * SECTOR;
    let end = (start + SECTOR).min(inode.now.len());
    if inode.safe.len() < end {
        inode.safe.resize(end, 0);
    }
    match garbage {
        None => inode.safe[start..end].copy_from_slice(&inode.now[start..end]),
        Some(seed) => fastrand::Rng::with_seed(seed).fill(&mut inode.safe[start..end]),
    }
}

impl State {
    /// Counts an operation that changes something. `Some` if a fault is due.
    fn operation(&mut self) -> io::Result<Option<Fault>> {
        if self.off {
            return Err(off());
        }
        self.operations += 1;
        let due = self.fault.filter(|(at, _)| *at == self.operations).map(|(_, fault)| fault);
        if let Some(fault) = due {
            self.met = true;
            self.off = fault == Fault::PowerCut;
        }
        Ok(due)
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        let fault = self.operation()?;
        let happens = match fault {
            None | Some(Fault::ShortWrite) => true,
            Some(_) => self.rng.bool(),
        };
        if happens {
            change.apply(&mut self.folder);
            self.pending.push(change);
        }
        fault.map_or(Ok(()), fault_error)
    }

    fn used(&self) -> usize {
        self.folder.values().map(|&inode| self.inodes[inode].now.len()).sum()
    }

    fn show(&mut self, operation: Operation) {
        if let Some(Watch(look)) = &mut self.watch {
            look(operation);
        }
    }

    fn forbid_after_failure(&mut self, inode: usize, what: &str) {
        if self.inodes[inode].failed {
            let name = self.folder.iter().find(|(_, at)| **at == inode).map(|(name, _)| name.clone());
            self.violations.push(format!("{what} of {name:?} after it failed"));
        }
    }
}

fn fault_error(fault: Fault) -> io::Result<()> {
    match fault {
        Fault::PowerCut => Err(off()),
        Fault::Eio => Err(io::Error::from_raw_os_error(5)),
        Fault::NoRoom => Err(io::ErrorKind::StorageFull.into()),
        Fault::ShortWrite => Ok(()),
    }
}

fn off() -> io::Error {
    io::Error::other("the power is off")
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().folder.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        assert!(!state.folder.contains_key(name), "{name} is there already");
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.change(Change::Create(name.into(), inode))?;
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let state = self.state();
        let inode = *state.folder.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        if !state.folder.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        assert!(!state.folder.contains_key(to), "{to} would be overwritten");
        state.change(Change::Rename(from.into(), to.into()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if !state.folder.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(Change::Remove(name.into()))
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.state();
        if let Some(fault) = state.operation()? {
            fault_error(fault)?;
        }
        let pending = std::mem::take(&mut state.pending);
        pending.iter().for_each(|change| change.apply(&mut state.safe_folder));
        Ok(())
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[self.inode].now.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let now = state.inodes[self.inode].now.get(offset as usize..).unwrap_or_default();
        let length = now.len().min(bytes.len());
        bytes[..length].copy_from_slice(&now[..length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.show(Operation::Write);
        state.forbid_after_failure(self.inode, "write");
        let mut fault = state.operation()?;
        let offset = offset as usize;
        let grows = (offset + bytes.len()).saturating_sub(state.inodes[self.inode].now.len());
        if state.room.is_some_and(|room| grows > 0 && state.used() + grows > room) {
            fault = Some(Fault::NoRoom);
        }
        let length = if fault.is_some() { state.rng.usize(1..=bytes.len()) } else { bytes.len() };
        let whole = length == bytes.len();
        let inode = &mut state.inodes[self.inode];
        // A fault that has written everything would be none to speak of; it is still one for its user.
        let length = if whole && fault == Some(Fault::NoRoom) { length - 1 } else { length };
        if inode.now.len() < offset + length {
            inode.now.resize(offset + length, 0);
        }
        inode.now[offset..offset + length].copy_from_slice(&bytes[..length]);
        if length > 0 {
            inode.dirty.extend(offset / SECTOR..=(offset + length - 1) / SECTOR);
        }
        if let Some(fault) = fault {
            inode.failed |= fault == Fault::Eio;
            fault_error(fault)?;
        }
        Ok(length)
    }

    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        if !state.allocates {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut fault = state.operation()?.filter(|fault| *fault != Fault::ShortWrite);
        if state.room.is_some_and(|room| state.used() + length as usize > room) {
            fault = Some(Fault::NoRoom);
        }
        // Where it fails, a part of it may be there.
        let there = if fault.is_some() { state.rng.usize(..length as usize) } else { length as usize };
        state.allocated += there as u64;
        let inode = &mut state.inodes[self.inode];
        let end = offset as usize + there;
        inode.now.resize(inode.now.len().max(end), 0);
        inode.dirty.extend(offset as usize / SECTOR..end.div_ceil(SECTOR));
        fault.map_or(Ok(()), fault_error)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.show(Operation::Sync);
        state.forbid_after_failure(self.inode, "sync");
        let fault = state.operation()?.filter(|fault| *fault != Fault::ShortWrite);
        let State { rng, inodes, .. } = &mut *state;
        let inode = &mut inodes[self.inode];
        for sector in std::mem::take(&mut inode.dirty) {
            match fault {
                None => persist(inode, sector, None),
                Some(Fault::PowerCut) => {
                    inode.dirty.insert(sector);
                }
                // Forgotten, whether it was written or not.
                Some(_) if rng.bool() => persist(inode, sector, None),
                Some(_) => {}
            }
        }
        inode.failed |= fault.is_some();
        fault.map_or(Ok(()), fault_error)
    }

    fn forget_cached(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.off {
            return Err(off());
        }
        let inode = &mut state.inodes[self.inode];
        if inode.dirty.is_empty() {
            inode.now.clone_from(&inode.safe);
        }
        Ok(())
    }
}
