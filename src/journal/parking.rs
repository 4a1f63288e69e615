//! Events on their way to be parked: waiting for a batch, then in the one that is being written. Part of the writer.

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::BatchBuffer;
use super::mutex::locked;
use super::parked::{Listed, ParkOutcome, Parked};
use super::ring::Item;
use super::shared::Shared;
use crate::event::{Event, Sequence};
use crate::refusal::Refusal;

/// What the journal thread holds of them.
#[derive(Default)]
pub(super) struct Parking {
    waiting: VecDeque<Parked>,
    /// In the batch, behind its events.
    taken: Vec<Parked>,
}

impl Parking {
    pub(super) fn add(&mut self, parking: Vec<Parked>) {
        self.waiting.extend(parking);
    }

    /// Whether some did not fit into the batch.
    pub(super) fn has_more(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes some into the batch, so many bytes: what is received goes first, and a part of each batch is theirs.
    pub(super) fn fill(&mut self, buffer: &mut BatchBuffer, bytes: usize) {
        let most = buffer.len() + bytes;
        while buffer.len() < most
            && let Some(parked) = self.waiting.pop_front()
        {
            buffer.push_parked(&parked);
            self.taken.push(parked);
        }
    }

    /// The events of those in the batch, in their order.
    pub(super) fn taken(&self) -> impl Iterator<Item = &Event> {
        self.taken.iter().map(|parked| &parked.event)
    }

    /// Those in the batch at `offset` are safe, the first of them with this sequence. They are returned for the ring.
    pub(super) fn succeed(&mut self, first: Sequence, offset: u64, shared: &Shared) -> impl Iterator<Item = Item> {
        let mut open = locked(&shared.open);
        let mut outcomes = locked(&shared.park_outcomes);
        for (at, parked) in self.taken.iter_mut().enumerate() {
            let sequence = first.plus(at as u64);
            if let Some(replaced) = parked.replaces {
                open.settle(replaced);
            }
            let listed = Listed { sequence, due_ms: parked.due_ms, original: parked.original, offset };
            open.insert(&parked.route, &listed);
            outcomes.push(outcome(parked, Some(sequence)));
            if let Some(told) = parked.told.take() {
                // Who has asked may be gone.
                let _ = told.try_send(Ok(sequence));
            }
        }
        std::mem::take(&mut self.taken).into_iter().map(|parked| Item::Parked(Box::new(parked)))
    }

    /// The batch failed.
    pub(super) fn fail(&mut self, refusal: Refusal, shared: &Shared) {
        tell_refused(self.taken.drain(..), refusal, shared);
    }

    /// The journal takes nothing.
    pub(super) fn refuse(&mut self, refusal: Refusal, shared: &Shared) {
        tell_refused(self.waiting.drain(..), refusal, shared);
    }
}

fn tell_refused(parked: impl ExactSizeIterator<Item = Parked>, refusal: Refusal, shared: &Shared) {
    if parked.len() == 0 {
        return;
    }
    let refuse = |parked: Parked| {
        if let Some(told) = &parked.told {
            // Likewise.
            let _ = told.try_send(Err(refusal));
        }
        outcome(&parked, None)
    };
    locked(&shared.park_outcomes).extend(parked.map(refuse));
    shared.wake_readers();
}

fn outcome(parked: &Parked, place: Option<Sequence>) -> ParkOutcome {
    ParkOutcome { route: Arc::clone(&parked.route), due_ms: parked.due_ms, replaces: parked.replaces, place }
}
