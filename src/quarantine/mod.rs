//! What was refused and may yet be let in: kept with its reason, so that a wrong secret costs nothing.
//!
//! ```text
//! io-N         refused, its whole body there ──▶ Doors: has its source, its address a place? ──▶ queue
//!                                                                                                 │
//! quarantine   Shelf: who goes for it ──▶ Store: a file of its own in data/quarantine/SOURCE/  ◀──┘
//!              asked by the admin address: list, show, drop; and to let in again what is right now
//! ```
//!
//! Nothing is promised of what lies here, and nothing waits for it: nothing is synced, what has no room goes, and all of that
//! is counted. It is bounded on the disk and in memory, each source has a share of its own, and within a share no address
//! has more than half, and who holds most loses first. So strangers who knock at one source take nothing from another, and
//! one stranger cannot push out what the honest sender of the same source had refused.
//!
//! Credentials are removed before anything is written ([`crate::admit::Admission::hides`]).

mod asked;

mod counts;

mod door;

mod entry;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

mod kept;

mod shelf;

mod store;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::request::Parts;
use tokio::sync::mpsc::{Receiver, Sender, channel};

pub(crate) use self::asked::{Again, Ask, Dropped, Verdict, Which};
pub(crate) use self::counts::{Counts, Loss};
use self::door::{Doors, Place};
pub(crate) use self::entry::{Entry, Summary};
pub(crate) use self::kept::is_curable;
pub(crate) use self::store::Store;
use crate::config::QuarantineConfig;
use crate::event::Draft;
use crate::refusal::Refusal;

/// The header that tells of an event that it was let in later, and how. No sender's: deliveries leave out what begins so.
pub(crate) const ADMITTED: &str = "hookgate-admitted";

/// The quarantine, for io threads and for whoever asks.
#[derive(Debug)]
pub(crate) struct Quarantine {
    doors: Arc<Doors>,
    refused: Sender<Refused>,
    asks: Sender<Ask>,
    counts: Arc<Counts>,
}

/// The other end of a [`Quarantine`], for its thread.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) refused: Receiver<Refused>,
    pub(crate) asks: Receiver<Ask>,
    sources: Vec<String>,
    config: QuarantineConfig,
    counts: Arc<Counts>,
}

/// A refused request on its way to the thread, as it came: its credentials are in it, and it has no `Debug`.
pub(crate) struct Refused {
    /// The index of its source.
    pub(crate) source: usize,
    pub(crate) refusal: Refusal,
    pub(crate) client: IpAddr,
    pub(crate) received: SystemTime,
    pub(crate) head: Parts,
    /// Its body; what the draft holds of the memory budget it holds until it is written.
    pub(crate) draft: Draft,
    _place: Place,
}

/// Questions that wait; who asks waits with them.
const ASKS_MAX: usize = 8;

impl Inbox {
    /// Reads what was kept before.
    pub(crate) fn store(&self) -> Store {
        Store::open(&self.config, &self.sources, Arc::clone(&self.counts))
    }
}

impl Quarantine {
    /// For these sources.
    pub(crate) fn new(sources: Vec<String>, config: &QuarantineConfig) -> (Self, Inbox) {
        let counts = Arc::new(Counts::new(&sources));
        let doors = Arc::new(Doors::new(sources.len(), config));
        let (refused, refused_inbox) = channel(doors.places_max().max(1));
        let (asks, asks_inbox) = channel(ASKS_MAX);
        let (config, inbox_counts) = (config.clone(), Arc::clone(&counts));
        let inbox = Inbox { refused: refused_inbox, asks: asks_inbox, sources, config, counts: inbox_counts };
        (Self { doors, refused, asks, counts }, inbox)
    }

    /// What it has and what it went without.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether a body of at most so many bytes would be taken now: asked before one is read for this alone.
    pub(crate) fn would_take(&self, source: usize, client: IpAddr, bytes: usize) -> bool {
        self.counted(source, self.doors.check(source, client, bytes)).is_some()
    }

    /// One is not kept: counted.
    pub(crate) fn went_without(&self, source: usize, loss: Loss) {
        self.counts.lost(source, loss);
    }

    /// Hands a refused request to the thread, or goes without it. Never waits.
    pub(crate) fn keep(
        &self,
        source: usize,
        refusal: Refusal,
        (client, received): (IpAddr, SystemTime),
        head: &Parts,
        draft: Draft,
    ) {
        let Some(place) = self.counted(source, self.doors.enter(source, client, draft.body().len())) else { return };
        let refused = Refused { source, refusal, client, received, head: head.clone(), draft, _place: place };
        if self.refused.try_send(refused).is_err() {
            self.counts.lost(source, Loss::Busy);
        }
    }

    /// Asks the thread. `false` if it has ended.
    pub(crate) async fn ask(&self, ask: Ask) -> bool {
        self.asks.send(ask).await.is_ok()
    }

    fn counted<T>(&self, source: usize, entered: Result<T, Loss>) -> Option<T> {
        entered.map_err(|loss| self.counts.lost(source, loss)).ok()
    }
}
