//! Events that wait for another attempt at a route: each lies in a record of its own, so that nothing keeps the segment of
//! the event it was. Here is what the journal knows of those that are open: where they lie, and when they are due.
//!
//! ```text
//! event 5 ── fails ──▶ parked 90, of 5, in place of 5 ── fails ──▶ parked 412, of 5, in place of 90 ── done ──▶ settled 412
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::layout::BLOCK;
use crate::event::{Event, EventParts, Sequence};
use crate::refusal::Refusal;

/// An event to be kept for an attempt at one route.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) route: Arc<str>,
    /// Milliseconds since 1970.
    pub(crate) due_ms: u64,
    /// Attempts that have failed so far.
    pub(crate) attempts: u32,
    /// The place of the event as it was received: the route is done with it there. `None` for one that the route gets
    /// besides.
    pub(crate) original: Option<Sequence>,
    /// Where it has lain so far: there, the route is done with it as soon as this is safe.
    pub(crate) replaces: Option<Sequence>,
    /// What else the route knows of it, in its own form.
    pub(crate) state: Vec<u8>,
    pub(crate) event: Event,
    /// Who else than dispatch is to be told whether it is safe: a channel with room for that.
    pub(crate) told: Option<Sender<Result<Sequence, Refusal>>>,
}

/// What became of a [`Parked`].
#[derive(Debug, Clone)]
pub(crate) struct ParkOutcome {
    pub(crate) route: Arc<str>,
    pub(crate) due_ms: u64,
    pub(crate) replaces: Option<Sequence>,
    /// Its own place. `None` if the journal could not take it: nothing has changed then.
    pub(crate) place: Option<Sequence>,
}

/// A parked event as it is read back.
#[derive(Debug)]
pub(crate) struct ReadParked {
    pub(crate) event: Event,
    pub(crate) attempts: u32,
    pub(crate) original: Option<Sequence>,
    pub(crate) state: Vec<u8>,
}

/// A parked event that was open when the journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenParked {
    pub(crate) route: Arc<str>,
    pub(crate) sequence: Sequence,
    pub(crate) due_ms: u64,
    pub(crate) original: Option<Sequence>,
}

/// A record of one, read.
#[derive(Debug)]
pub(super) struct ParkedParts<'bytes> {
    pub(super) route: &'bytes str,
    pub(super) due_ms: u64,
    pub(super) attempts: u32,
    pub(super) original: Option<Sequence>,
    pub(super) replaces: Option<Sequence>,
    pub(super) state: &'bytes [u8],
    pub(super) event: EventParts<'bytes>,
}

/// The parked events that no route is done with. They are what grows in memory: 32 bytes each.
#[derive(Debug, Default)]
pub(super) struct Open {
    routes: Vec<Arc<str>>,
    entries: BTreeMap<Sequence, Entry>,
}

/// Where one lies, and what is known of it without reading it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    due_ms: u64,
    original: Option<OriginalSequence>,
    route: u32,
    /// Of its batch, in its segment.
    block: u32,
}

/// Sequences begin with 1: the place of none is free.
type OriginalSequence = std::num::NonZeroU64;

/// What a checkpoint says of one.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) sequence: Sequence,
    pub(super) due_ms: u64,
    pub(super) original: Option<Sequence>,
    pub(super) offset: u64,
}

/// Bytes of one in a checkpoint.
pub(super) const LISTED: usize = 8 + 8 + 8 + 4;

impl Open {
    /// One lies in the batch at `offset`.
    pub(super) fn insert(&mut self, route: &str, listed: &Listed) {
        let known = self.routes.iter().position(|known| **known == *route);
        let at = known.unwrap_or_else(|| {
            self.routes.push(route.into());
            self.routes.len() - 1
        });
        let entry = Entry {
            due_ms: listed.due_ms,
            original: listed.original.and_then(|original| OriginalSequence::new(original.0)),
            route: at as u32,
            block: (listed.offset / BLOCK as u64) as u32,
        };
        self.entries.insert(listed.sequence, entry);
    }

    /// A route is done with one; or was done with it before.
    pub(super) fn settle(&mut self, sequence: Sequence) {
        self.entries.remove(&sequence);
    }

    /// These routes are no more, and nor are their parked events.
    pub(super) fn forget(&mut self, routes: &[Arc<str>]) {
        let Self { routes: known, entries } = self;
        entries.retain(|_, entry| known.get(entry.route as usize).is_none_or(|route| !routes.contains(route)));
    }

    /// The offset of the batch in which one lies, if it is open.
    pub(super) fn offset(&self, sequence: Sequence) -> Option<u64> {
        self.entries.get(&sequence).map(|entry| u64::from(entry.block) * BLOCK as u64)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// By route.
    pub(super) fn lists(&self) -> impl Iterator<Item = (&str, Vec<Listed>)> {
        let mut lists: Vec<Vec<Listed>> = self.routes.iter().map(|_| Vec::new()).collect();
        for (&sequence, entry) in &self.entries {
            if let Some(list) = lists.get_mut(entry.route as usize) {
                list.push(Listed {
                    sequence,
                    due_ms: entry.due_ms,
                    original: entry.original.map(|original| Sequence(original.get())),
                    offset: u64::from(entry.block) * BLOCK as u64,
                });
            }
        }
        self.routes.iter().map(|route| &**route).zip(lists).filter(|(_, list)| !list.is_empty())
    }

    /// All of them, for who begins to deliver them.
    pub(super) fn all(&self) -> Vec<OpenParked> {
        let of_route = |(route, list): (&str, Vec<Listed>)| {
            let route: Arc<str> = route.into();
            list.into_iter().map(move |listed| OpenParked {
                route: Arc::clone(&route),
                sequence: listed.sequence,
                due_ms: listed.due_ms,
                original: listed.original,
            })
        };
        self.lists().flat_map(of_route).collect()
    }
}

const _: () = assert!(size_of::<(Sequence, Entry)>() == 32);
