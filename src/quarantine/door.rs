//! What is on its way to the disk: bounded for each source, and for each address at a source, so that who sends all it can
//! leaves the others their places. A place is taken on an io thread, under a lock that is held for a few instructions, and
//! by refused requests only.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::counts::Loss;
use super::store::share_of;
use crate::config::QuarantineConfig;

/// The doors of all sources.
#[derive(Debug)]
pub(super) struct Doors {
    /// By source.
    waiting: Vec<Mutex<Vec<Waiting>>>,
    /// Bytes of one body.
    body_max: usize,
    /// Bytes of all bodies of a source, from which on no other is let in.
    bytes_max: usize,
}

/// A place on the way to the disk; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    doors: Arc<Doors>,
    source: usize,
    waiting: Waiting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    network: Network,
    bytes: usize,
}

/// Whoever has one IPv6 address has 2⁶⁴ of them: they count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Network {
    V4(u32),
    V6(u64),
}

/// Of one source.
const PLACES: usize = 256;

/// Of them, of one address.
const PLACES_OF_ADDRESS: usize = 64;

/// Bytes of bodies on their way, of all sources.
const BYTES: usize = 8 << 20;

/// Of one source, however many there are.
const BYTES_MIN: usize = 64 << 10;

impl Network {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Network::V4(address.to_bits()),
            IpAddr::V6(address) => Network::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl Doors {
    pub(super) fn new(sources: usize, config: &QuarantineConfig) -> Self {
        Self {
            waiting: std::iter::repeat_with(Mutex::default).take(sources).collect(),
            body_max: usize::try_from(share_of(config, sources).bytes / 2).unwrap_or(usize::MAX),
            bytes_max: (BYTES / sources.max(1)).max(BYTES_MIN),
        }
    }

    /// As many as can have a place at once.
    pub(super) fn places_max(&self) -> usize {
        self.waiting.len() * PLACES
    }

    /// Whether there is a place for a body of so many bytes.
    pub(super) fn check(&self, source: usize, address: IpAddr, bytes: usize) -> Result<(), Loss> {
        self.at(source)
            .ok_or(Loss::Busy)
            .and_then(|waiting| self.fits(&waiting, Waiting { network: Network::of(address), bytes }))
    }

    /// Takes it.
    pub(super) fn enter(self: &Arc<Self>, source: usize, address: IpAddr, bytes: usize) -> Result<Place, Loss> {
        let mut all = self.at(source).ok_or(Loss::Busy)?;
        let waiting = Waiting { network: Network::of(address), bytes };
        self.fits(&all, waiting)?;
        all.push(waiting);
        Ok(Place { doors: Arc::clone(self), source, waiting })
    }

    fn fits(&self, all: &[Waiting], one: Waiting) -> Result<(), Loss> {
        if one.bytes > self.body_max {
            return Err(Loss::TooLarge);
        }
        let of_address = || all.iter().filter(|waiting| waiting.network == one.network);
        let bytes = |bytes: usize, waiting: &Waiting| bytes.saturating_add(waiting.bytes);
        // The last one may be larger than what is left, so that one of any size has its turn.
        let source_has_room = all.len() < PLACES && all.iter().fold(0, bytes) < self.bytes_max;
        let of_address_count = of_address().count();
        let address_has_room = of_address_count == 0
            || of_address_count < PLACES_OF_ADDRESS
                && of_address().fold(one.bytes, bytes) <= self.bytes_max / (PLACES / PLACES_OF_ADDRESS);
        if source_has_room && address_has_room { Ok(()) } else { Err(Loss::Busy) }
    }

    fn at(&self, source: usize) -> Option<MutexGuard<'_, Vec<Waiting>>> {
        // Each step leaves it whole.
        Some(self.waiting.get(source)?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut all) = self.doors.at(self.source)
            && let Some(at) = all.iter().position(|waiting| *waiting == self.waiting)
        {
            all.swap_remove(at);
        }
    }
}
