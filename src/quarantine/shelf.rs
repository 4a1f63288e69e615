//! What is kept of one source, and who goes when another comes. Knows nothing of files.
//!
//! Within the share of its source no address has more than half. Where the share is full, the oldest of the address that
//! holds most goes: who sends much displaces his own, and who has little keeps it.

use std::collections::{BTreeMap, HashMap};

use super::door::Network;
use super::entry::Summary;

/// The requests that are kept of one source, by their ids, which sort by age.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    kept: BTreeMap<String, Kept>,
    all: Holding,
    holders: HashMap<Network, Holding>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) summary: Summary,
    /// On the disk.
    bytes: u64,
}

/// How much there is of something, or may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) events: usize,
    pub(super) bytes: u64,
}

/// One is larger than an address may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Kept {
    pub(super) fn new(summary: Summary, bytes: u64) -> Self {
        Self { summary, bytes }
    }

    fn network(&self) -> Network {
        Network::of(self.summary.address)
    }

    fn holding(&self) -> Holding {
        Holding { events: 1, bytes: self.bytes }
    }
}

impl Shelf {
    /// Who has to go so that this one has room. They are gone when this returns.
    pub(super) fn make_room(&mut self, one: &Kept, share: Holding) -> Result<Vec<Kept>, TooLarge> {
        let half = Holding { events: share.events.div_ceil(2), bytes: share.bytes / 2 };
        if !one.holding().fits(half) {
            return Err(TooLarge);
        }
        let mut displaced = Vec::new();
        while !self.held_by(one.network()).and(one.holding()).fits(half) {
            displaced.extend(self.displace(one.network()));
        }
        while !self.all.and(one.holding()).fits(share) {
            let Some(holder) = self.largest(one, share) else { break };
            displaced.extend(self.displace(holder));
        }
        Ok(displaced)
    }

    pub(super) fn insert(&mut self, one: Kept) {
        self.all = self.all.and(one.holding());
        let holder = self.holders.entry(one.network()).or_default();
        *holder = holder.and(one.holding());
        self.kept.insert(one.summary.id.clone(), one);
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Kept> {
        let one = self.kept.remove(id)?;
        self.all = self.all.without(one.holding());
        if let Some(holder) = self.holders.get_mut(&one.network()) {
            *holder = holder.without(one.holding());
            if holder.events == 0 {
                self.holders.remove(&one.network());
            }
        }
        Some(one)
    }

    /// Those that were received before this time, in milliseconds of the Unix epoch. They are gone then.
    pub(super) fn take_older(&mut self, than_ms: u64) -> Vec<Kept> {
        let old = self.kept.values().take_while(|kept| kept.summary.received_ms < than_ms);
        let ids: Vec<String> = old.map(|kept| kept.summary.id.clone()).collect();
        ids.iter().filter_map(|id| self.remove(id)).collect()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Summary> {
        self.kept.get(id).map(|kept| &kept.summary)
    }

    /// Oldest first.
    pub(super) fn summaries(&self) -> impl Iterator<Item = &Summary> {
        self.kept.values().map(|kept| &kept.summary)
    }

    pub(super) fn holding(&self) -> Holding {
        self.all
    }

    fn held_by(&self, network: Network) -> Holding {
        self.holders.get(&network).copied().unwrap_or_default()
    }

    /// Takes the oldest of an address away.
    fn displace(&mut self, network: Network) -> Option<Kept> {
        let id = self.kept.values().find(|kept| kept.network() == network)?.summary.id.clone();
        self.remove(&id)
    }

    /// The address that would hold most of the share if this one were kept: of its events, or of its bytes, whichever are
    /// too many. It has something to give.
    fn largest(&self, one: &Kept, share: Holding) -> Option<Network> {
        let by_bytes = self.all.and(one.holding()).events <= share.events;
        let weight = |(network, holding): &(&Network, &Holding)| {
            let own = **network == one.network();
            let with = if own { holding.and(one.holding()) } else { **holding };
            (if by_bytes { with.bytes } else { with.events as u64 }, own)
        };
        self.holders.iter().max_by_key(weight).map(|(network, _)| *network)
    }
}

impl Holding {
    fn and(self, other: Self) -> Self {
        Self { events: self.events + other.events, bytes: self.bytes + other.bytes }
    }

    fn without(self, other: Self) -> Self {
        Self { events: self.events - other.events, bytes: self.bytes - other.bytes }
    }

    fn fits(self, most: Self) -> bool {
        self.events <= most.events && self.bytes <= most.bytes
    }
}
